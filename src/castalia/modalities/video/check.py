"""The check of clips: lengths, rates, sizes, clips in which nothing moves, blank frames, near
duplicates.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from castalia.checks.duplicates import EXAMPLES
from castalia.checks.item_scan import Advice, Check, Look, Need, Scan, counts, five, spread
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Enough, Finding
from castalia.data import item_reader
from castalia.errors import CastaliaError, DataError
from castalia.language import Voice
from castalia.modalities.video import files
from castalia.modalities.video.check_messages import FINDINGS, LABELS
from castalia.modalities.video.clip import Clip
from castalia.modalities.video.copies import described
from castalia.sentences import Message, plural, say

NEAR = 0.05  # unexplained share of a clip, as copies.py counts it, up to which two are nearly one
STILL = 1.0  # levels of mean change from frame to frame below which nothing moves
BLANK = 2  # levels that a frame of a single colour may vary by
_SOURCE = say("a rule of thumb: a clip has more to learn than a picture")
MOST_COMPARED = 4096  # clips among which near duplicates are looked for


class ClipLook(Look):
    """Clips one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.length = np.zeros(count, np.int64)
        self.rate = np.zeros(count)
        self.size = np.zeros((count, 2), np.int64)
        self._looks = np.zeros((count, 512), np.float32)
        self._stored: Counter[str] = Counter()
        self.marks: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, number: int, item: Clip, path: Path, where: str) -> None:
        digest = hashlib.sha256(f"{item.frames.shape} {item.rate} ".encode())
        digest.update(np.ascontiguousarray(item.frames).tobytes())
        self.settle(number, digest.digest())
        self.length[number], self.rate[number] = len(item.frames), item.rate
        self.size[number] = item.size
        grey = torch.from_numpy(item.frames.mean(3, dtype=np.float32))[None, None] / 127.5 - 1
        self._looks[number] = described(grey).flatten().numpy()
        if number >= self._own:
            return
        self._stored[item.stored] += 1
        changes = np.abs(np.diff(item.frames.astype(np.int16), axis=0)).mean((1, 2, 3))
        if changes.max(initial=0) < STILL:
            self.marks["still"].append(where)
        spans = np.ptp(item.frames.reshape(len(item.frames), -1, item.frames.shape[3]), axis=1)
        blank = (spans.max(1) <= BLANK).sum()
        if 0 < blank < len(item.frames):
            self.marks["blank_frames"].append(where)
        with suppress(CastaliaError):
            if files.read_manifest(path) is not None:
                self.marks["generated"].append(where)

    def near(self, chosen: np.ndarray) -> Near:
        """Among the first `MOST_COMPARED` of them."""
        some = chosen[:MOST_COMPARED]
        looks = torch.from_numpy(self._looks[some])
        pairs, distances = [], []
        for start in range(0, len(some), 512):
            alike = (looks[start : start + 512] @ looks.T).clamp(-1, 1)
            left = (1 - alike.square()).clamp_min(0).sqrt()
            left[alike <= 0] = 1
            for one, other in (left <= NEAR).nonzero().tolist():
                if start + one < other:
                    pairs.append((int(some[start + one]), int(some[other])))
                    distances.append(float(left[one, other]))
        return Near(np.array(pairs, np.int64).reshape(-1, 2), np.array(distances))

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        different, count = np.unique(self.size[own], axis=0, return_counts=True)
        frequent = np.argsort(-count, kind="stable")[:12]
        rates = Counter(f"{rate:g}" for rate in self.rate[own])
        return {
            "sizes": [
                {"width": int(w), "height": int(h), "count": int(n)}
                for (w, h), n in zip(different[frequent], count[frequent], strict=True)
            ],
            "different_sizes": len(different),
            "frames": spread(self.length[own]),
            "seconds": spread(np.round(self.length[own] / np.maximum(self.rate[own], 1e-6), 2)),
            "rates": dict(rates.most_common(12)),
            "stored": dict(self._stored.most_common()),
        }


class ClipCheck(Check):
    """Clips: whether they move, and are long enough."""

    look = ClipLook
    near = NEAR
    unit = "clips"
    sentences = FINDINGS
    measured: ClassVar[tuple[Need, ...]] = (
        Need("video/vae", 30, 300, "clips", _SOURCE),
        Need("video/flow", 50, 500, "clips", _SOURCE),
    )
    like: ClassVar[Mapping[str, str]] = {"video/codes": "video/vae", "video/ar-codes": "video/flow"}

    def findings(self, scan: Scan) -> Iterator[Finding]:
        look: ClipLook = scan.look
        for code in ("still", "blank_frames", "generated"):
            if names := look.marks[code]:
                yield self.finding(code, names, count=len(names))
        if len(scan.facts["rates"]) > 1:
            yield self.finding("rates", what=scan.facts["rates"], count=len(scan.facts["rates"]))
        codec: Any = scan.plan.make_codec()
        try:
            order = item_reader.fair_order(scan.source, scan.items)
            codec.fit(item_reader.readable(scan.source, order, codec, True))
        except DataError:
            return  # nothing can be read, which is reported
        channels, frames, height, width = codec.spec.shape
        scan.facts["trained"] = {
            "width": width,
            "height": height,
            "channels": channels,
            "frames": frames,
            "rate": codec.rate,
        }
        have = look.length[scan.items] * codec.rate / np.maximum(look.rate[scan.items], 1e-6)
        short = scan.items[have < frames - 0.5]
        if len(short):
            names = [scan.source.where(int(item)) for item in short[:EXAMPLES]]
            rate = f"{codec.rate:g}"
            yield self.finding("short", names, count=len(short), frames=frames, rate=rate)

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few"}:
            return None
        return Advice(
            "video/flow", say("it draws clips, goes on with them and fills what is missing")
        )

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} clip", "{0:,} clips", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        shown = [f"{one['width']}x{one['height']} ({one['count']:,})" for one in facts["sizes"][:5]]
        if facts["different_sizes"] > len(shown):
            shown.append("…")
        rows = [
            (voice(LABELS["sizes"]), ", ".join(shown)),
            (voice(LABELS["frames"]), five(facts["frames"], voice)),
            (voice(LABELS["seconds"]), five(facts["seconds"], voice)),
            (voice(LABELS["rates"]), counts(facts["rates"], voice)),
            (voice(LABELS["stored"]), counts(facts["stored"], voice)),
        ]
        if "trained" in facts:
            made = facts["trained"]
            words = voice.say(
                "{0} frames of {1} x {2}, {3:g} a second",
                *(made[name] for name in ("frames", "width", "height", "rate")),
            )
            rows.append((voice(LABELS["trained"]), words))
        return rows
