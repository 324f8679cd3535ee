"""The check of texts: lengths, scripts, signs of damage, repeated lines, likely personal data.
Columns of tables are in check_tables.py.

Memory: a few bytes a line, and the shingles of the texts, which lie in temporary files
(modalities/text/near_duplicates.py).
"""

from __future__ import annotations

import hashlib
import re
import shlex
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from castalia import recipe
from castalia.checks import messages
from castalia.checks.item_scan import Advice, Check, Look, Need, Plan, Scan, counts, five, spread
from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Enough, Finding, Masked, Personal, Table
from castalia.codecs.base import Codec
from castalia.codecs.conversation import Conversation
from castalia.data.inventory import Inventory
from castalia.language import Voice
from castalia.modalities.text import check_tables
from castalia.modalities.text.check_messages import FINDINGS, LABELS, PERSONAL, SCRIPTS
from castalia.modalities.text.codec import TextConfig
from castalia.modalities.text.near_duplicates import SIMILAR, Shingles, folded
from castalia.omissions import Omission
from castalia.sentences import Message, plural, say, series
from castalia.text_files import documents, personal_data

SHOWN = 5  # masked examples of each sort
REPEATED = 0.1  # share of characters in lines that return from which it is reported
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

_MEASURED = "benchmarks/minimum_data.py"


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
        for finding in listed:
            entry = self.personal.setdefault(
                finding.kind, {"count": 0, "items": 0, "examples": [], "last": -1}
            )
            entry["count"] += 1
            entry["items"] += entry["last"] != number
            entry["last"] = number
            if len(entry["examples"]) < SHOWN:
                entry["examples"].append(
                    {"where": where, "masked": personal_data.shown(item, finding)}
                )

    def _compare_later(self, number: int, item: str) -> None:
        self._place[len(self._place)] = number
        self._shingles.add(item)
        if number < self._own:
            self._count_lines(item)

    def near(self, chosen: np.ndarray) -> Near:
        close = self._shingles.near()
        numbers = np.array([self._place[place] for place in range(len(self._place))], np.int64)
        pairs = numbers[close.pairs]
        inside = np.isin(pairs, chosen).all(1)
        return Near(pairs[inside], close.distance[inside])

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


class TextCheck(Check):
    """Texts: damage, personal data, what conversations need, which columns of a table to read."""

    near = 1 - SIMILAR
    unit = "characters"
    lists_items = True  # what is hashed is the text, whatever its encoding
    sentences = FINDINGS
    nouns = PERSONAL
    measured: ClassVar[tuple[Need, ...]] = (
        Need("text/ar-small", 160_000, 320_000, "characters", _MEASURED),
        Need(
            "text/ar-mixed",
            20_000,
            80_000,
            "characters",
            say("{0}: those of text/ar, whose network it has; its counts need less", _MEASURED),
        ),
        Need("text/ar", 20_000, 80_000, "characters", _MEASURED),
    )
    # recipes with the network of a measured one, or one that needs as much
    like: ClassVar[Mapping[str, str]] = dict.fromkeys(("text/ar-infill", "text/seqvae"), "text/ar")

    def __init__(self, codec: str, given: Mapping[str, Any]) -> None:
        super().__init__(codec, given)
        self._records = False  # nothing but rows of numbers and categories
        self._column: str | None = None  # proposed for codec.field
        # tokens that conversations need, where the recipe's are too few
        self._context: int | None = None

    def prepare(self, plan: Plan, files: Inventory) -> tuple[Plan, list[Finding]]:
        """Looks at the columns of tables; where none is called text, the plan reads what
        `check_tables.proposal` says.
        """
        config: Any = plan.codec.config
        findings, undecided, records = [], [], 0
        # a codec of another package reads its tables as it likes
        texts = files.of(self.codec) if isinstance(config, TextConfig) else []
        for entry in texts:
            if not documents.is_table(entry.name):
                continue
            columns, decided = check_tables.columns(entry.path, config.encoding)
            self.tables.append(Table(name=entry.name, rows=0, columns=columns))
            if len(columns) > 1 and not any(one.kind in ("text", "parts") for one in columns):
                findings.append(self.finding("numbers", name=entry.name))
                records += 1
            if not decided:
                undecided.append((check_tables.proposal(columns), entry.name))
        self._records = records == len(texts) > 0
        if self._records:
            self.near = None
        if undecided and config.field is None:
            self._column, name = undecided[0]
            field = shlex.quote(_quoted(self._column))
            findings.append(self.finding("columns", field=field, name=name))
            update = {"field": self._column.replace("\\n", "\n")}
            codec = recipe.Part(plan.codec.name, config.model_copy(update=update))
            plan = replace(plan, codec=codec)
        return plan, findings

    def begin(self, count: int, own: int, codec: Codec[Any]) -> TextLook:
        return (RecordLook if self._records else TextLook)(count, own)

    def personal(self, scan: Scan) -> dict[str, Personal]:
        findings = scan.look.personal
        return {
            kind: Personal(
                count=findings[kind]["count"],
                items=findings[kind]["items"],
                examples=[Masked(**one) for one in findings[kind]["examples"]],
            )
            for kind in personal_data.KINDS
            if kind in findings
        }

    def findings(self, scan: Scan) -> Iterator[Finding]:
        look: TextLook = scan.look
        personal = self.personal(scan)
        if personal:
            shown = [
                f"{one.where}: {one.masked}"
                for entry in personal.values()
                for one in entry.examples[:2]
            ]
            what = {kind: entry.count for kind, entry in personal.items()}
            yield self.finding("personal", shown, items=look.with_personal, what=what)
        for code, names in (("mangled", look.mangled), ("controls", look.controls)):
            if names:
                yield self.finding(code, names, count=len(names))
        if scan.facts["short"]:
            yield self.finding("short", count=scan.facts["short"], least=SHORT)
        repeated = scan.facts["repeated_lines"]
        if repeated["share"] >= REPEATED:
            examples = [f"{one['count']} x {one['line']}" for one in repeated["examples"]]
            yield self.finding("repeated_lines", examples, share=repeated["share"])
        encodings = {name: count for name, count in scan.facts["encodings"].items() if name}
        if len(encodings) > 1:
            yield self.finding("encodings", count=len(encodings), what=encodings)
        if look.before_answer:
            yield from self._answers(look)

    def _answers(self, look: TextLook) -> Iterator[Finding]:
        """Whether the answers of conversations fit the context of the recipe that learns them."""
        codec = {key: value for key, value in self.given.items() if key.startswith("codec.")}
        config: Any = recipe.load("text/chat", None, codec).codec.config
        if config.tokenizer not in ("char", "byte"):
            return
        length = 1 << (max(look.in_conversation) - 1).bit_length()
        late = sum(count > config.length for count in look.before_answer)
        if late == len(look.before_answer):
            self._context = length
            yield self.finding(
                "stops",
                what=say(
                    "no answer fits the context of {0:,} tokens; codec.length={1} holds all of "
                    "them",
                    config.length,
                    length,
                ),
            )
        elif late:
            what = say(
                "conversations whose first answer lies beyond the context of {0:,} tokens",
                config.length,
            )
            remedy = say("codec.length={0} holds all of them", length)
            yield from self.left_out([Omission(what, late, "", remedy)])

    def amount(self, scan: Scan) -> int:
        return int(scan.look.length[scan.alone].sum())

    def advice(self, scan: Scan, judged: Sequence[Enough]) -> Advice | None:
        if "identical" in scan.codes:
            return None
        if 2 * scan.look.conversations > len(scan.items):
            name, why = (
                "text/chat",
                say(
                    "conversations, of which it learns what the assistant says; a run of "
                    "texts to begin with (start_from=RUN) makes it better"
                ),
            )
        elif self._records:
            name, why = (
                "text/ar-mixed",
                say("row by row, as text, until there is a family that models columns"),
            )
        elif any(one.family == "text/ar" and one.verdict == "enough" for one in judged):
            name, why = "text/ar", say("enough for a transformer that castalia export writes out")
        else:
            name, why = (
                "text/ar-mixed",
                say("the best likelihood on a small corpus: the network mixed with counts"),
            )
        options = {}
        if self._context is not None:
            options["codec.length"] = str(self._context)
        if self._column is not None:
            options["codec.field"] = _quoted(self._column)
        if "few" in scan.codes and "codec.document" not in self.given:
            options["codec.document"] = "line"
            why = say("{0}; each line is a document, so that there are enough of them", why)
        return Advice(name, why, options)

    @classmethod
    def counted(cls, count: int) -> Message:
        return plural("{0:,} character", "{0:,} characters", count)

    @classmethod
    def rows(cls, facts: Mapping[str, Any], voice: Voice) -> list[tuple[str, str]]:
        def label(name: str) -> str:
            return voice(LABELS[name])

        encodings = {name or "?": count for name, count in facts["encodings"].items()}
        scripts = series(
            say("{0} {1:.0%}", SCRIPTS.get(name, name), share)
            for name, share in facts["scripts"].items()
            if share >= 0.005
        )
        return [
            (label("characters"), f"{facts['characters']:,}"),
            (label("alphabet"), f"{facts['different_characters']:,}"),
            (label("lengths"), five(facts["lengths"], voice)),
            (label("encodings"), counts(encodings, voice)),
            (label("scripts"), voice(scripts) or messages.label("none", voice.language)),
        ]


def _quoted(column: str) -> str:
    """As codec.field takes it: in quotes where braces would be read as YAML."""
    return f'"{column}"' if "{" in column else column
