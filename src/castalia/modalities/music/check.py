"""The check of scores: notes, parts, lengths, keys and metres, what files hold that is not kept,
copies in other keys.

Two pieces are nearly the same where most runs of RUN melodic steps of one are in the other,
whatever the key and the tempo (modalities/music/melody.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from castalia.checks.item_scan import Advice, Check, Look, Need, Scan, counts, five, spread
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Enough, Finding
from castalia.codecs.base import Codec
from castalia.language import Voice
from castalia.modalities.music.check_messages import FINDINGS, LABELS
from castalia.modalities.music.codec import MusicCodec, MusicConfig
from castalia.modalities.music.melody import lines, motifs, pitched, quarters
from castalia.modalities.music.score import Score
from castalia.modalities.music.tokens import grid
from castalia.omissions import Omissions
from castalia.sentences import Message, plural, say

RUN = 8
SIMILAR = 0.6  # share of the runs of both that both have (Jaccard)
CROWD = 200  # pieces with the same run beyond which it is no sign of a copy
# -7 .. 7 sharps
MAJOR = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
MINOR = ("Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#")
_CHORALES = say("a rule of thumb, not measured: the built-in chorales have some 65,000 notes")


class ScoreLook(Look):
    """Scores one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.notes = np.zeros(count, np.int64)
        self.quarters = np.zeros(count, np.float64)
        self.silent: list[str] = []
        self.lost: Counter[str] = Counter()
        self.losing: list[str] = []
        self._parts: Counter[int] = Counter()
        self._keys: Counter[str] = Counter()
        self._metres: Counter[str] = Counter()
        self._low, self._high = 127, 0
        self._drums = self._voiced = 0
        self._runs: dict[int, set[bytes]] = {}
        self.forms: dict[str, MusicCodec] = {}  # by recipe: what each would leave out is counted
        self.omitted: defaultdict[str, Omissions] = defaultdict(Omissions)

    def add(self, number: int, item: Score, path: Path, where: str) -> None:
        rows = [
            [_exact(note.start, item), _exact(note.length, item), note.pitch]
            for part in item.parts
            for note in part.notes
        ]
        self.settle(number, hashlib.sha256(repr([sorted(rows), len(item.parts)]).encode()).digest())
        self.notes[number], self.quarters[number] = item.count, round(quarters(item), 2)
        steps = [motifs(line) for line in lines(item)]
        self._runs[number] = {
            row[start : start + RUN].tobytes()
            for row in steps
            for start in range(len(row) - RUN + 1)
        }
        if number < self._own:
            self._describe(item, where)

    def _describe(self, item: Score, where: str) -> None:
        if not item.count:
            self.silent.append(where)
        self.lost.update(item.lost)
        self.losing += [where] if item.lost else []
        for recipe, codec in self.forms.items():
            self.omitted[recipe].extend(
                one._replace(example=where) for one in codec.form.omitted(item)
            )
        self._parts[len(item.parts)] += 1
        self._voiced += grid.fits(item)
        self._drums += any(part.drums for part in item.parts)
        self._keys[
            "?"
            if not item.keys
            else (MINOR if item.keys[0].minor else MAJOR)[item.keys[0].sharps + 7]
            + "m" * item.keys[0].minor
        ] += 1
        self._metres[
            "?" if not item.metres else f"{item.metres[0].beats}/{item.metres[0].unit}"
        ] += 1
        for part in pitched(item):
            self._low = min(self._low, *(note.pitch for note in part.notes), 127)
            self._high = max(self._high, *(note.pitch for note in part.notes), 0)

    def near(self, chosen: np.ndarray) -> Near:
        holders: defaultdict[bytes, list[int]] = defaultdict(list)
        for number in chosen.tolist():
            for run in self._runs[number]:
                holders[run].append(number)
        common: Counter[tuple[int, int]] = Counter()
        for owners in holders.values():
            if len(owners) <= CROWD:
                common.update(
                    (one, other)
                    for place, one in enumerate(owners)
                    for other in owners[place + 1 :]
                )
        pairs, distances = [], []
        for (one, other), count in sorted(common.items()):
            share = count / (len(self._runs[one]) + len(self._runs[other]) - count)
            if share >= SIMILAR:
                pairs.append((one, other))
                distances.append(1 - share)
        return Near(np.array(pairs, np.int64).reshape(-1, 2), np.array(distances))

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        return {
            "notes": int(self.notes[own].sum()),
            "notes_of_one": spread(self.notes[own]),
            "quarters": spread(self.quarters[own]),
            "parts": {str(count): pieces for count, pieces in sorted(self._parts.items())},
            "keys": dict(self._keys.most_common()),
            "metres": dict(self._metres.most_common()),
            "lowest": self._low if self._low <= self._high else None,
            "highest": self._high if self._low <= self._high else None,
            "with_drums": self._drums,
            "in_voices": self._voiced,
            "lost": dict(self.lost.most_common()),
        }


class ScoreCheck(Check):
    """Scores: silence, what no form keeps, which form suits them."""

    look = ScoreLook
    near = 1 - SIMILAR
    unit = "notes"
    sentences = FINDINGS
    measured: ClassVar[tuple[Need, ...]] = (
        Need("music/ar", 5_000, 40_000, "notes", _CHORALES),
        Need("music/ar-events", 5_000, 40_000, "notes", _CHORALES),
    )
    # recipes that need as much
    like: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("music/ar-chords", "music/ar-harmonise", "music/gan", "music/seqvae", "music/vae"),
        "music/ar",
    )

    def begin(self, count: int, own: int, codec: Codec[Any]) -> ScoreLook:
        look = ScoreLook(count, own)
        if type(codec) is MusicCodec:  # one of another package has its own form
            look.forms = forms(codec.config, "codec.form" in self.given)
        return look

    def findings(self, scan: Scan) -> Iterator[Finding]:
        look: ScoreLook = scan.look
        if look.silent:
            yield self.finding("silent", look.silent, count=len(look.silent))
        form = "" if "" in look.forms else _recipe(scan.facts)
        yield from self.left_out(look.omitted[form].listed())

    def amount(self, scan: Scan) -> int:
        return int(scan.look.notes[scan.alone].sum())

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if scan.codes & {"identical", "few"}:
            return None
        recipe = _recipe(scan.facts)
        if recipe == "music/ar-events":
            why = say(
                "most of these scores play chords or drums within a part, of which a grid "
                "would leave notes out"
            )
        else:
            why = say(
                "it reads scores as a grid of parts by steps, and is judged, audited and "
                "edited as music"
            )
        return Advice(recipe, why)

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} note", "{0:,} notes", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        def label(name: str) -> str:
            return voice(LABELS[name])

        def named(numbers: Mapping[str, int]) -> str:
            return counts(
                {
                    voice(say("not stated")) if name == "?" else name: count
                    for name, count in numbers.items()
                },
                voice,
            )

        low, high = facts["lowest"], facts["highest"]
        return [
            (label("notes"), f"{facts['notes']:,}"),
            *((label(name), five(facts[name], voice)) for name in ("notes_of_one", "quarters")),
            *((label(name), named(facts[name])) for name in ("parts", "keys", "metres")),
            (label("in_voices"), f"{facts['in_voices']:,}"),
            (label("pitches"), "" if low is None else f"{low} … {high}"),
        ]


def _recipe(facts: Mapping[str, Any]) -> str:
    """A grid of voices where most of the scores fit one (grid.fits), else events."""
    voiced = 2 * facts["in_voices"] >= sum(facts["parts"].values())
    return "music/ar" if voiced else "music/ar-events"


def forms(config: MusicConfig, chosen: bool) -> dict[str, MusicCodec]:
    """The codecs of the recipes that check may recommend; of one alone where the form
    was `chosen`.
    """
    if chosen:
        return {"": MusicCodec(config)}
    return {
        "music/ar": MusicCodec(config),
        "music/ar-events": MusicCodec(config.model_copy(update={"form": "events"})),
    }


def _exact(ticks: int, item: Score) -> str:
    """Quarter notes as a fraction: the same whatever the resolution of the file."""
    return str(Fraction(ticks, item.resolution))
