"""The check of sounds: lengths, rates, clipping, silence, offsets, near duplicates.

Memory: 1.2 KB a sound beside its name.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from castalia.checks.duplicates import EXAMPLES
from castalia.checks.item_scan import Advice, Check, Look, Need, Scan, counts, five, spread
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Enough, Finding
from castalia.codecs.base import Codec
from castalia.data import item_reader
from castalia.errors import CastaliaError, DataError
from castalia.language import Voice
from castalia.modalities.audio import near_duplicates as alike
from castalia.modalities.audio.check_messages import FINDINGS, LABELS
from castalia.modalities.audio.codec import SHORTEST, AudioCodec
from castalia.modalities.audio.sound import Sound
from castalia.sentences import Message, plural, say

SILENT = 1e-4  # a peak of 80 dB below full scale
FLAT = 4  # samples in a row at the very peak, but for the last of 16 bits
FULL = 0.89  # peaks below this are not clipped by the recorder
OFFSET = 0.01  # of full scale, and a tenth of the deviation
UNEVEN = 20.0  # dB between peaks that are mentioned
_THUMB = say("a rule of thumb, not measured")


class SoundLook(Look):
    """Sounds one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.seconds = np.zeros(count)
        self._peaks = np.zeros(count)
        self._thumbnails = np.zeros((count, alike.SIZE), np.float16)
        self._heard = np.zeros(count)
        self._stored: Counter[str] = Counter()
        self.rates: Counter[int] = Counter()
        self.marks: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, number: int, item: Sound, path: Path, where: str) -> None:
        content = hashlib.sha256(f"{item.rate} ".encode() + item.samples.tobytes())
        self.settle(number, content.digest())
        self.seconds[number], self._peaks[number] = item.seconds, item.peak
        self._thumbnails[number], self._heard[number] = alike.thumbnail(item)
        if number >= self._own:
            return
        channels = {1: "mono", 2: "stereo"}.get(item.channels, f"{item.channels} channels")
        self._stored[f"{item.stored} {channels}"] += 1
        self.rates[item.rate] += 1
        for mark, there in (
            ("silent", item.peak < SILENT),
            ("clipped", clipped(item)),
            ("offset", offset(item)),
            ("tiny", item.seconds < SHORTEST),
            ("generated", _generated(path)),
        ):
            if there:
                self.marks[mark].append(where)

    def near(self, chosen: np.ndarray) -> Near:
        pairs = alike.near(self._thumbnails[chosen], self._heard[chosen])
        return Near(chosen[pairs.pairs], pairs.distance)

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        peaks = self._peaks[own]
        heard = peaks[peaks >= SILENT]
        return {
            "seconds": spread(np.round(self.seconds[own], 3)),
            "total": round(float(self.seconds[own].sum()), 1),
            "stored": dict(self._stored.most_common()),
            "rates": {str(rate): count for rate, count in self.rates.most_common()},
            "peaks": spread(np.round(20 * np.log10(heard), 1) + 0.0),
        }


class SoundCheck(Check):
    """Sounds: whether they are heard, whole, and enough."""

    look = SoundLook
    near = alike.NEAR
    unit = "sounds"
    sentences = FINDINGS
    measured: ClassVar[tuple[Need, ...]] = (
        Need("audio/flow", 40, 300, "sounds", _THUMB),
        Need("audio/vae", 30, 300, "sounds", _THUMB),
        Need("audio/gan", 200, 1000, "sounds", _THUMB),
    )

    def findings(self, scan: Scan) -> Iterator[Finding]:
        look: SoundLook = scan.look
        for code in ("silent", "clipped", "offset", "tiny", "generated"):
            if names := look.marks[code]:
                yield self.finding(code, names, count=len(names))
        trained = self._trained(scan)
        if trained is not None:
            rate, seconds = trained
            scan.facts["trained"] = {"rate": rate, "seconds": round(seconds, 3)}
            long = scan.items[look.seconds[scan.items] > seconds + 0.001]
            if len(long):
                names = [scan.source.where(int(item)) for item in long[:EXAMPLES]]
                yield self.finding("cut_off", names, count=len(long), seconds=f"{seconds:.2f}")
            if len(look.rates) > 1:
                what = {f"{rate} Hz": count for rate, count in look.rates.most_common(8)}
                yield self.finding("rates", count=len(look.rates), what=what, rate=rate)
        peaks = scan.facts["peaks"]
        if peaks and peaks["most"] - peaks["least"] > UNEVEN:
            yield self.finding("uneven", decibels=round(peaks["most"] - peaks["least"]))
        told = [] if scan.source.captions is None else scan.source.captions
        spoken = sum(bool(told[int(item)]) for item in scan.items) if told else 0
        if spoken:
            yield self.finding("spoken", count=spoken)
        yield self.finding("voices")

    def _trained(self, scan: Scan) -> tuple[int, float] | None:
        """Rate and length that a training would have; None where nothing can be read."""
        codec: Codec[Any] = scan.plan.make_codec()
        if not isinstance(codec, AudioCodec):
            return None  # of another package
        try:
            order = item_reader.fair_order(scan.source, scan.items)
            codec.fit(item_reader.readable(scan.source, order, codec, True))
        except DataError:
            return None
        return codec.layout.rate, codec.seconds

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few"}:
            return None
        return Advice(
            "audio/flow",
            say("it draws sounds of each class, makes variants, fills gaps and takes noise away"),
        )

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} sound", "{0:,} sounds", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        def label(name: str) -> str:
            return voice(LABELS[name])

        rows = [
            (label("total"), voice(say("{0:,.1f} minutes", facts["total"] / 60))),
            (label("seconds"), five(facts["seconds"], voice)),
            (label("stored"), counts(facts["stored"], voice)),
            (
                label("rates"),
                ", ".join(
                    f"{int(rate):,} Hz ({count:,})" for rate, count in facts["rates"].items()
                ),
            ),
        ]
        if facts["peaks"]:
            rows.append((label("peaks"), f"{five(facts['peaks'], voice)} dB"))
        if "trained" in facts:
            made = facts["trained"]
            rows.append((label("trained"), f"{made['rate']:,} Hz, {made['seconds']:.2f} s"))
        return rows


def clipped(sound: Sound) -> bool:
    """Whether FLAT samples in a row stand at the peak, near full scale."""
    peak = sound.peak
    if peak < FULL:
        return False
    top = np.abs(sound.samples) >= peak - 1.1 / 32768
    runs = top.copy()
    for _ in range(FLAT - 1):
        runs = runs[:-1] & top[len(top) - len(runs) + 1 :]
    return bool(runs.any())


def offset(sound: Sound) -> bool:
    """Whether the mean is a tenth of the deviation, and a hundredth of full scale."""
    mean = abs(float(sound.samples.mean(dtype=np.float64)))
    return mean > OFFSET and mean > 0.1 * float(sound.samples.std(dtype=np.float64))


def _generated(path: Path) -> bool:
    try:
        return AudioCodec.read_manifest(path) is not None
    except CastaliaError:  # a damaged file is found when it is read
        return False
