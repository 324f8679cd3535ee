"""Data of a codec that Castalia does not know are checked all the same: items are counted, equal
ones found, and files that nothing reads are named as their modality says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from castalia import modality, registry
from castalia.checks.check import check
from castalia.checks.check_page import page
from castalia.checks.item_scan import Check, ItemLook, of
from castalia.checks.messages import LANGUAGES
from castalia.cli.check import summary
from castalia.data import inventory, unread_files
from castalia.errors import RecipeError
from castalia.governance.copy_matchers import matcher_for
from castalia.modalities.music.codec import MusicCodec
from castalia.modalities.music.contract import piece

DICE = """
import torch
from PIL import Image
from castalia.codecs.base import Codec, CodecConfig
from castalia.errors import DataError
from castalia.modality import Foreign, Modality
from castalia.spec import Tokens


class DiceConfig(CodecConfig):
    faces: int = 6


class DiceCodec(Codec):
    name, extensions, Config, suffix = "dice", (".dice",), DiceConfig, ".dice"

    def __init__(self, config=None):
        super().__init__(config or DiceConfig())

    def read(self, path):
        try:
            yield tuple(int(word) for word in path.read_text().split())
        except ValueError as error:
            raise DataError("a throw is a number", path, "throw again") from error

    def fit(self, items): ...

    @property
    def spec(self):
        return Tokens(self.config.faces, 8)

    def encode(self, item):
        return torch.tensor(item) - 1

    def decode(self, x):
        return tuple((x + 1).tolist())

    def write(self, item, path, manifest=None):
        path.write_text(" ".join(map(str, item)))

    def preview(self, items):
        return Image.new("L", (8, 8))


MODALITY = Modality(
    name="dice",
    about="throws of dice",
    package="dice",
    item="throw",
    items="throws",
    codec="dice:DiceCodec",
    first="",
    base="",
    foreign=(Foreign("towers", (".tower",), "throw by hand"),),
)
"""


# A codec of pictures that is not the modality's own.
RAW = """
import PIL.Image
import torch
from castalia.codecs.base import Codec, CodecConfig
from castalia.spec import Dense


class RawCodec(Codec):
    name, modality, native = "raw", "image", PIL.Image.Image
    extensions, Config, suffix = (".raw",), CodecConfig, ".raw"

    def __init__(self, config=None):
        super().__init__(config or CodecConfig())

    def read(self, path):
        yield PIL.Image.frombytes("L", (16, 16), path.read_bytes())

    def fit(self, items): ...

    @property
    def spec(self):
        return Dense((1, 16, 16), unit="signed", levels=256, layout="grid")

    def encode(self, item):
        return torch.frombuffer(bytearray(item.tobytes()), dtype=torch.uint8).view(1, 16, 16)

    def decode(self, x):
        return PIL.Image.fromarray(((x[0] + 1) * 127.5).clamp(0, 255).byte().numpy())

    def write(self, item, path, manifest=None):
        path.write_bytes(item.tobytes())

    def preview(self, items):
        return items[0]
"""


def installed(group: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dice, as pip would install them with one entry point."""
    package("dice", DICE, group, "DiceCodec" if group == "castalia.codec" else "MODALITY", folder)
    monkeypatch.syspath_prepend(folder)


def package(name: str, source: str, group: str, target: str, folder: Path) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(source)
    about = folder / f"{name}-1.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    about.joinpath("entry_points.txt").write_text(f"[{group}]\n{name} = {name}:{target}\n")


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What was looked up is looked up again, before and after."""
    caches = (modality.every, unread_files._by_ending, unread_files._of_ending)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def throws(folder: Path) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(20):
        words = map(str, rng.integers(1, 7, 8))
        (folder / f"{number:02d}.dice").write_text(" ".join(words))
    (folder / "copy.dice").write_text((folder / "00.dice").read_text())
    (folder / "wide.dice").write_text((folder / "01.dice").read_text().replace(" ", "  "))
    (folder / "bad.dice").write_text("six")
    (folder / "a.tower").write_text("")
    return folder


@pytest.mark.parametrize("group", ["castalia.codec", "castalia.modality"])
def test_items_of_any_codec_are_counted_and_equal_ones_found(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
):
    installed(group, tmp_path / "packages", monkeypatch)
    checked = check(throws(tmp_path / "data"), evidence=True)
    document = checked.document
    assert (document.codec, document.items, document.distinct) == ("dice", 22, 20)
    assert {way: copies.copies for way, copies in document.duplicates.items()} == {
        "bytes": 1,
        "content": 1,
        "near": 0,
    }
    assert [(one.file, one.why) for one in document.unreadable] == [
        ("bad.dice", "a throw is a number")
    ]
    codes = {one.code: one for one in document.findings}
    if group == "castalia.modality":
        assert codes["omitted"].words == "Left out: towers: 1; throw by hand"
    else:
        assert codes["ignored"].values == {"what": {".tower": 1}}
    assert (document.enough, document.next) == ([], [])
    for language in LANGUAGES:
        assert "dice" in page(checked, language)
        assert any("22" in line for line in summary(checked, language))


def test_a_codec_that_names_a_modality_has_its_check_and_its_matcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
):
    package("raw", RAW, "castalia.codec", "RawCodec", tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 240, (20, 4, 4)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    for number, one in enumerate(pixels):
        (folder / f"{number:02d}.raw").write_bytes(one.tobytes())
    (folder / "brighter.raw").write_bytes((pixels[3] + 2).tobytes())
    (folder / "flat.raw").write_bytes(bytes(256))
    assert of("raw") is of("image") is not Check
    checked = check(folder)
    document = checked.document
    assert (document.codec, document.items) == ("raw", 22)
    assert document.facts["sizes"] == [{"width": 16, "height": 16, "count": 22}]
    assert document.facts["trained"] == {"width": 16, "height": 16, "channels": 1}
    assert document.duplicates["near"].examples == [["03.raw", "brighter.raw"]]
    constant = next(one for one in document.findings if one.code == "constant")
    assert constant.examples == ["flat.raw"]
    assert document.next == []  # no recipe is for this codec
    for language in LANGUAGES:
        assert "16x16 (22)" in page(checked, language)
        assert any("16x16 (22)" in line for line in summary(checked, language))
    assert matcher_for(registry.resolve("codec", "raw")()).name == "pictures"


def test_settings_and_names_of_a_codec_without_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    installed("castalia.codec", tmp_path / "packages", monkeypatch)
    data = throws(tmp_path / "data")
    assert check(data, overrides=["codec.faces=8", "data.skip_bad=true"]).document.items == 22
    with pytest.raises(RecipeError, match=r"did you mean .codec\.faces."):
        check(data, overrides=["codec.face=8"])
    with pytest.raises(RecipeError, match="knows no codec 'coins'") as error:
        check(data, codec="coins")
    assert "dice" in error.value.fix


def test_what_several_codecs_claim_goes_to_the_one_that_prefers_it(tmp_path: Path):
    np.save(tmp_path / "pictures.npy", np.zeros((5, 8, 8), np.uint8))
    np.save(tmp_path / "x_vectors.npy", np.zeros((7, 8), np.float32))
    np.save(tmp_path / "y_vectors.npy", np.arange(7))
    (tmp_path / "damaged.npy").write_bytes(b"no")
    (tmp_path / "damaged.idx").write_bytes(b"no")
    found = inventory.take(str(tmp_path))
    assert {entry.name: (entry.kind, entry.weight) for entry in found.entries} == {
        "pictures.npy": ("image", 5),
        "x_vectors.npy": ("array", 7),
        "y_vectors.npy": ("beside", 0),
        "damaged.npy": ("array", 1),
        "damaged.idx": ("image", 1),
    }
    assert found.codec() == "array"


def test_captions_lie_beside_files_of_any_codec(tmp_path: Path):
    """A text with the name of a piece of music is no text of its own; beside a program it is."""
    MusicCodec().write(piece("check", 0), tmp_path / "a.mid")
    (tmp_path / "a.txt").write_text("a sad song")
    (tmp_path / "b.py").write_text("print()")
    (tmp_path / "b.txt").write_text("a program that prints")
    kinds = {entry.name: entry.kind for entry in inventory.take(str(tmp_path)).entries}
    assert kinds == {"a.mid": "music", "a.txt": "beside", "b.py": "text", "b.txt": "text"}


def test_a_file_that_is_named_itself_is_meant(tmp_path: Path):
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "README").write_text("hello")
    assert [
        inventory.take(str(tmp_path / name)).entries[0].kind for name in ("README.md", "README")
    ] == ["text", "other"]


def test_data_that_the_chosen_codec_does_not_read_have_no_facts(tmp_path: Path):
    PIL.Image.new("L", (8, 8)).save(tmp_path / "a.png")
    for name in modality.names():
        if name != "image":
            lines = summary(check(tmp_path, codec=name), "en")
            assert any("nothing here that Castalia reads" in line for line in lines)


@dataclass
class Throw:
    player: str
    dice: object


def test_content_is_equal_where_items_are():
    items: list[tuple[object, object, bool]] = [
        ((1, 2), (1, 2), True),
        ((1, 2), (12,), False),
        ([1, [2, 3]], [[1, 2], 3], False),
        ({"a": [1.5]}, {"a": [1.5]}, True),
        ({3, 1}, {1, 3}, True),
        (b"a", "a", False),
        (np.arange(4), np.arange(4).reshape(2, 2), False),
        (torch.ones(3), torch.ones(3), True),
        (Throw("a", np.arange(3)), Throw("a", np.arange(3)), True),
        # numpy prints both as [0 ... 2999]
        (Throw("a", np.arange(3000)), Throw("a", np.r_[0, 0, np.arange(2, 3000)]), False),
        (PIL.Image.new("L", (2, 2)), PIL.Image.new("L", (2, 2), 5), False),
        (object(), object(), False),
    ]
    for one, other, equal in items:
        look = ItemLook(2, 2)
        look.add(0, one, Path("a"), "a")
        look.add(1, other, Path("b"), "b")
        assert (look.content[0] == look.content[1]).all() == equal, (one, other)
        assert look.readable.all() and len(look.near(np.arange(2)).pairs) == 0


def test_every_modality_names_its_check():
    assert {name for name in modality.names() if of(name) is Check} == set()
    assert of("unheard of") is Check and of(None) is Check
