"""What `check` learns from looking at each text once: lengths, scripts, signs of damage, lines that
return, likely personal data.

Memory: a few bytes a line, and the shingles of the texts, which lie in temporary files
(modalities/text/near_duplicates.py).
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from castalia.checks.item_scan import Look, spread
from castalia.checks.near_pairs import Near
from castalia.codecs.conversation import Conversation
from castalia.modalities.text import personal_data
from castalia.modalities.text.near_duplicates import Shingles, folded

SHOWN = 5  # masked examples of each sort
SHORT = 8  # characters below which a text hardly says anything
_LINE = 24  # characters from which a line that returns is boilerplate rather than speech
_SAMPLE = 2_000  # characters of each text whose scripts are counted
_MOST_LINES = 50_000  # different lines of which the text is kept, for examples
_GAPS = re.compile(r"[\W_]+")
_SCRIPTS = {
    "Han": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"),
    "Latin": re.compile("[A-Za-z\u00c0-\u024f]"),
    "kana": re.compile("[\u3040-\u30ff]"),
    "Hangul": re.compile("[\uac00-\ud7af]"),
    "Cyrillic": re.compile("[\u0400-\u04ff]"),
    "Arabic": re.compile("[\u0600-\u06ff]"),
    "digits": re.compile("[0-9]"),
}
# What text looks like once it was decoded as something that it was not: UTF-8 read as Latin-1, or
# GBK made of U+FFFD or of fresh memory.
_MANGLED = re.compile(
    "\ufffd|锟斤拷|烫烫烫|屯屯屯|Ã[\u0080-\u00bf]|â€[\u0080-\u2122]|[åäæçèé][\u0080-\u00bf]{2}"
)


class TextLook(Look):
    """Texts one by one; see Look."""

    def __init__(self, count: int, own: int) -> None:
        super().__init__(count, own)
        self.length = np.zeros(count, np.int64)  # characters
        self.bytes = np.zeros(count, np.int64)
        self.encodings: Counter[str] = Counter()
        self.personal: dict[str, dict[str, Any]] = {}
        self.with_personal, self.conversations = 0, 0  # texts
        self.mangled: list[str] = []
        self.controls: list[str] = []
        self._scripts: Counter[str] = Counter()
        self._alphabet: set[str] = set()
        self._shingles = Shingles()
        self._place: dict[int, int] = {}  # item -> its number among the shingles
        self._known: set[bytes] = set()
        self._lines, self._widths = array("q"), array("q")
        self._line_of: dict[int, str] = {}
        # Of each conversation, characters and the tokens that a turn costs: up to its first answer,
        # and in all.
        self.before_answer, self.in_conversation = array("q"), array("q")

    def add(self, number: int, item: str, path: Path, where: str) -> None:
        whole = folded(item)
        flat = _GAPS.sub(" ", whole).strip()
        spoken = 2 * (len(flat) - flat.count(" ")) > len(whole) - sum(map(whole.count, " \n\t"))
        if not spoken:  # levels, tables, ASCII art: the signs are what they say
            flat = whole
        digest = hashlib.sha256(flat.encode()).digest()
        self.settle(number, digest)
        self.length[number] = len(item)
        self.bytes[number] = len(item.encode())
        if digest[:8] not in self._known:
            self._known.add(digest[:8])
            if spoken:
                self._compare_later(number, item)
        if number < self._own:
            self._describe(number, item, where)

    def _describe(self, number: int, item: str, where: str) -> None:
        # a table's says its columns, too
        self.encodings[str(getattr(item, "encoding", "")).partition(", column")[0]] += 1
        if isinstance(item, Conversation):
            self.conversations += 1
            first = next(
                (
                    place
                    for place, turn in enumerate(item.messages)
                    if turn.role == "assistant" and turn.weight
                ),
                len(item.messages),
            )
            self.in_conversation.append(
                sum(len(turn.content) + 1 + (turn.role == "assistant") for turn in item.messages)
            )
            self.before_answer.append(
                first + sum(len(turn.content) for turn in item.messages[:first]) + 1
            )
        head = item[:_SAMPLE]
        if head.isascii():
            letters = len(_SCRIPTS["Latin"].findall(head))
            self._scripts.update(
                {"Latin": letters, "digits": len(_SCRIPTS["digits"].findall(head))}
            )
        else:
            self._scripts.update(
                {name: len(pattern.findall(head)) for name, pattern in _SCRIPTS.items()}
            )
        self._alphabet.update(item)
        if not item.isascii() and _MANGLED.search(item):
            self.mangled.append(where)
        if "\0" in item or "\x1a" in item:
            self.controls.append(where)
        listed = list(personal_data.find(item))
        self.with_personal += bool(listed)
        for found in listed:
            entry = self.personal.setdefault(
                found.kind, {"count": 0, "items": 0, "examples": [], "last": -1}
            )
            entry["count"] += 1
            entry["items"] += entry["last"] != number
            entry["last"] = number
            if len(entry["examples"]) < SHOWN:
                entry["examples"].append(
                    {"where": where, "masked": personal_data.shown(item, found)}
                )

    def _compare_later(self, number: int, item: str) -> None:
        self._place[len(self._place)] = number
        self._shingles.add(item)
        if number < self._own:
            self._count_lines(item)

    def near(self, chosen: np.ndarray) -> Near:
        found = self._shingles.near()
        numbers = np.array([self._place[place] for place in range(len(self._place))], np.int64)
        pairs = numbers[found.pairs]
        inside = np.isin(pairs, chosen).all(1)
        return Near(pairs[inside], found.distance[inside])

    def facts(self, own: np.ndarray) -> dict[str, Any]:
        length = self.length[own]
        scripts = {name: count for name, count in self._scripts.most_common() if count}
        total = max(1, sum(scripts.values()))
        return {
            "characters": int(length.sum()),
            "bytes": int(self.bytes[own].sum()),
            "different_characters": len(self._alphabet),
            "lengths": spread(length),
            "short": int((length < SHORT).sum()),
            "encodings": dict(self.encodings.most_common()),
            "scripts": {name: round(count / total, 4) for name, count in scripts.items()},
            "repeated_lines": self._repeated(),
            **({"conversations": self.conversations} if self.conversations else {}),
        }

    def _count_lines(self, text: str) -> None:
        for line in text.split("\n"):
            bare = line.strip()
            if len(bare) >= _LINE:
                key = hash(bare)
                self._lines.append(key)
                self._widths.append(len(bare))
                if len(self._line_of) < _MOST_LINES:
                    self._line_of.setdefault(key, bare[:120])

    def _repeated(self) -> dict[str, Any]:
        """Lines of at least 24 characters that stand in the text again: {"share" of the characters
        of such lines, "examples"}.
        """
        keys, widths = np.frombuffer(self._lines, np.int64), np.frombuffer(self._widths, np.int64)
        if not len(keys):
            return {"share": 0.0, "examples": []}
        different, first, count = np.unique(keys, return_index=True, return_counts=True)
        share = 1 - widths[first].sum() / widths.sum()
        frequent = [
            place
            for place in np.lexsort((first, -count))[:200]
            if count[place] > 1 and int(different[place]) in self._line_of
        ]
        examples = [
            {
                "count": int(count[place]),
                "line": personal_data.masked(self._line_of[int(different[place])]),
            }
            for place in frequent[:SHOWN]
        ]
        return {"share": round(float(share), 4), "examples": examples}


class RecordLook(TextLook):
    """Rows of numbers and categories, read as texts: most of them are alike, which is no news, so
    nearness is not looked for.
    """

    def _compare_later(self, number: int, item: str) -> None:
        pass


def by_kind(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Personal data in the order of personal.KINDS, as JSON."""
    kept: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for kind in personal_data.KINDS:
        if kind in found:
            kept[kind] = {key: value for key, value in found[kind].items() if key != "last"}
    return dict(kept)
