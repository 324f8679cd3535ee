"""The check of pictures: sizes, file formats, metadata that reveal something, and thumbnails for
near duplicates.

JPEG files are decoded at a fraction of their size, which reads every byte and so finds a damaged
one. Memory: 1.2 KB a picture.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import PIL.Image

from castalia.checks import messages
from castalia.checks.duplicates import EXAMPLES
from castalia.checks.item_scan import Advice, Check, Look, Need, Scan, counts, five, spread
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Enough, Finding
from castalia.codecs import array_files
from castalia.codecs.base import Codec
from castalia.data import item_reader
from castalia.errors import DataError
from castalia.families.gan import FEW
from castalia.language import Voice
from castalia.modalities.image import near_duplicates as lookalikes
from castalia.modalities.image.check_messages import FINDINGS, LABELS
from castalia.modalities.image.codec import ImageCodec, flattened, open_picture
from castalia.recipe import Recipe
from castalia.sentences import Message, plural, say

_ORIENTATION, _GPS, _EXIF = 0x0112, 0x8825, 0x8769
_AUTHORS = {0x013B: "artist", 0x8298: "copyright", 0x9C9D: "author"}  # of the first directory
# of the EXIF directory
_OWNERS = {0xA430: "owner of the camera", 0xA431: "serial number of the camera"}
FEW_IN_A_CLASS = 50  # docs/gan.md: told the class, a GAN of few pictures varies less within it
FEW_ENOUGH = 200  # below so many, a page says what else can be tried
_MEASURED = "benchmarks/minimum_data.py"
_CRITIC = say(
    "{0}; from {1:,} on the critic of families/gan.py need no longer be kept from knowing the "
    "pictures by heart",
    _MEASURED,
    FEW,
)
_FASTGAN = say("Liu et al. 2021 and benchmarks/own_photos.py train on 100 to 2,000 pictures")
_FLOW = say(
    "{0}; fewer pictures it repeats, and it wants as many as image/vae, because a longer training "
    "may repeat more",
    _MEASURED,
)
_TEXTS = {"author": "author", "artist": "artist", "copyright": "copyright"}  # PNG text chunks


class _Head(NamedTuple):
    """What the beginning of a file says: the size as shown, frames, whether places are in it, which
    fields name somebody, whether Castalia made it.
    """

    size: tuple[int, int]
    frames: int
    gps: bool
    names: tuple[str, ...]
    generated: bool


class PictureLook(Look):
    """Pictures one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.size = np.zeros((count, 2), np.int32)  # width, height
        self._thumbnails = np.zeros((count, lookalikes.BYTES), np.uint8)
        self._stored: Counter[str] = Counter()
        self._grey = 0
        self.marks: defaultdict[str, list[str]] = defaultdict(list)  # finding -> names of pictures
        self.named: Counter[str] = Counter()  # fields that name somebody

    def add(self, number: int, item: PIL.Image.Image, path: Path, where: str) -> None:
        alone = not array_files.is_container(path)
        head = _head(path) if alone else None
        size = head.size if head is not None else item.size
        plain = flattened(item, 3)
        content = hashlib.sha256(f"{size[0]} {size[1]} {plain.size} ".encode())
        content.update(plain.tobytes())
        self.settle(number, content.digest())
        self.size[number] = size
        self._thumbnails[number] = np.frombuffer(lookalikes.thumbnail(plain), np.uint8)
        if number < self._own:
            self._describe(item, plain, head, where)

    def _describe(
        self, item: PIL.Image.Image, plain: PIL.Image.Image, head: _Head | None, where: str
    ) -> None:
        stored = str(item.info.get("castalia_stored", f"array {item.mode}"))
        self._stored[stored.partition(" named ")[0]] += 1
        if " named " in stored:
            self.marks["misnamed"].append(f"{where}: {stored.replace(' named', ', named')}")
        extremes = plain.getextrema()
        if all(low == high for low, high in extremes):  # type: ignore[misc]
            self.marks["constant"].append(where)
        self._grey += item.mode in ("1", "L", "LA", "I", "F") or item.mode.startswith("I;16")
        if head is not None:
            for mark, there in (
                ("gps", head.gps),
                ("named", bool(head.names)),
                ("animated", head.frames > 1),
                ("generated", head.generated),
            ):
                if there:
                    self.marks[mark].append(where)
            self.named.update(head.names)

    def near(self, chosen: np.ndarray) -> Near:
        pairs = lookalikes.near(self._thumbnails[chosen], self.size[chosen].min(1))
        return Near(chosen[pairs.pairs], pairs.distance)

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        size = self.size[own]
        different, count = (
            np.unique(size, axis=0, return_counts=True) if len(size) else (size, np.zeros(0, int))
        )
        frequent = np.argsort(-count, kind="stable")[:12]
        return {
            "sizes": [
                {
                    "width": int(different[k, 0]),
                    "height": int(different[k, 1]),
                    "count": int(count[k]),
                }
                for k in frequent
            ],
            "different_sizes": len(different),
            "width": spread(size[:, 0]),
            "height": spread(size[:, 1]),
            "stored": dict(self._stored.most_common()),
            "stored_grey": self._grey,
        }


class PictureCheck(Check):
    """Pictures: damage, what their metadata give away, whether they are large enough."""

    look = PictureLook
    near = lookalikes.NEAR
    unit = "pictures"
    sentences = FINDINGS
    measured: ClassVar[tuple[Need, ...]] = (
        Need("image/vae", 30, 1000, "pictures", _MEASURED),
        Need(
            "image/vaegan",
            300,
            FEW,
            "pictures",
            say("as image/gan, whose critic it has: {0}", _CRITIC),
        ),
        Need("image/gan", 300, FEW, "pictures", _CRITIC),
        Need("image/fastgan", 100, 200, "pictures", _FASTGAN),
        Need("image/flow", 100, 1000, "pictures", _FLOW),
    )
    # recipes with the network of a measured one, or one that needs as much
    like: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("image/gan-hinge", "image/gan-relativistic", "image/gan-long"), "image/gan"
        ),
        "image/vae-mlp": "image/vae",
        "image/flow-few-steps": "image/flow",
    }

    def reader(self, codec: Codec[Any]) -> Codec[Any]:
        """A codec that decodes no larger than thumbnails need."""
        if type(codec) is not ImageCodec:
            return codec  # of another package: only it can read its files
        return ImageCodec(codec.config.model_copy(update={"size": lookalikes.SIDE}))

    def findings(self, scan: Scan) -> Iterator[Finding]:
        look: PictureLook = scan.look
        codec = scan.plan.make_codec()
        source = scan.source
        try:
            order = item_reader.fair_order(source, scan.items)
            codec.fit(item_reader.readable(source, order, codec, True))
            channels, height, width = codec.spec.shape  # type: ignore[union-attr]
        except DataError:
            return  # nothing can be read, which is reported
        scan.facts["trained"] = {"width": width, "height": height, "channels": channels}
        told = [] if source.captions is None else [bool(source.captions[i]) for i in scan.items]
        if any(told):
            yield self.finding("captioned", count=sum(told))
        small = scan.items[(2 * look.size[scan.items] < np.array([width, height])).any(1)]
        if len(small):
            names = [source.where(int(item)) for item in small[:EXAMPLES]]
            yield self.finding("small", names, count=len(small), width=width, height=height)
        for code in ("constant", "gps", "generated", "misnamed", "animated"):
            if names := look.marks[code]:
                yield self.finding(code, names, count=len(names))
        if names := look.marks["named"]:
            fields = dict(look.named.most_common())
            yield self.finding("named", names, count=len(names), what=fields)

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few"}:
            return None
        found = self._alone(scan, judged)
        if self.amount(scan) >= FEW_ENOUGH:
            return found
        why = say("{0}; docs/few-pictures.md has what can be tried with so few", found.why)
        return found._replace(why=why)

    def _alone(self, scan: Scan, judged: Sequence[Enough]) -> Advice:
        """The recipe to begin with where there is nothing else to begin with."""
        enough = {one.family for one in judged if one.verdict == "enough"}
        if "image/gan" in enough:
            recipe = "image/gan"
            why = say("the sharpest pictures for the time, and enough of them here")
        elif "image/fastgan" in enough:
            recipe = "image/fastgan"
            why = say("made for some hundred pictures, and the sharpest that so few give")
        else:
            return Advice(
                "image/vae",
                say("it learns most from few pictures, and its scores say whether more would help"),
            )
        classes = sorted(scan.classes.values())
        small = bool(classes) and classes[len(classes) // 2] < FEW_IN_A_CLASS
        if small and "data.conditional" not in self.given:
            why = say("{0}; classes this small make a GAN vary less", why)
            return Advice(recipe, why, {"data.conditional": "false"})
        return Advice(recipe, why)

    @classmethod
    def cautions(cls, plan: Recipe, report: Mapping[str, Any]) -> Iterator[str]:
        """Classes that are small for a model with a critic which is told them."""
        classes = sorted(report["classes"].values())
        told = plan.data.conditional or "label" in (plan.data.conditions or ())
        if told and len(classes) > 1 and plan.family.name in ("gan", "vaegan"):
            middle = classes[len(classes) // 2]
            if middle < FEW_IN_A_CLASS:
                yield say(
                    "too varied for so few: {0} classes, the middle one of {1} pictures; told "
                    "classes this small, a GAN varies less: data.conditional=false",
                    len(classes),
                    middle,
                )

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} picture", "{0:,} pictures", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        def label(name: str) -> str:
            return voice(LABELS[name])

        shown = [f"{one['width']}x{one['height']} ({one['count']:,})" for one in facts["sizes"][:5]]
        more = facts["different_sizes"] - len(shown)
        if more > 0:
            shown.append(messages.label("more", voice.language).format(f"{more:,}"))
        rows = [(label("sizes"), ", ".join(shown))]
        if facts["different_sizes"] > 1:
            rows += [
                (label("widths"), five(facts["width"], voice)),
                (label("heights"), five(facts["height"], voice)),
            ]
        rows.append((label("stored"), counts(facts["stored"], voice)))
        if "trained" in facts:
            made = facts["trained"]
            channels = voice(plural("{0} channel", "{0} channels", made["channels"]))
            rows.append((label("trained"), f"{made['width']} x {made['height']}, {channels}"))
        return rows


def _head(path: Path) -> _Head | None:
    """None where the head alone cannot be read: then the picture is found to be damaged, or its
    pixels say the size.
    """
    try:
        with _quiet(), open_picture(path) as opened:
            exif = opened.getexif()
            fields = {**{name: exif.get(tag) for tag, name in _AUTHORS.items()}, **_owners(exif)}
            texts = {
                _TEXTS[key.lower()]: value
                for key, value in opened.info.items()
                if isinstance(key, str) and key.lower() in _TEXTS
            }
            names = tuple(
                sorted(
                    name
                    for name, value in {**fields, **texts}.items()
                    if str(value or "").strip("\0 ")
                )
            )
            generated = "castalia" in opened.info or '"castalia' in str(exif.get(0x010E, ""))
            turned = exif.get(_ORIENTATION, 1) in (5, 6, 7, 8)
            size = (opened.height, opened.width) if turned else opened.size
            return _Head(
                size, getattr(opened, "n_frames", 1), bool(exif.get_ifd(_GPS)), names, generated
            )
    # PIL raises almost anything for damaged metadata; what matters is found when the picture is
    # decoded
    except Exception:
        return None


def _owners(exif: PIL.Image.Exif) -> dict[str, Any]:
    inner = exif.get_ifd(_EXIF)
    return {name: inner.get(tag) for tag, name in _OWNERS.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about broken EXIF that does not matter
        yield
