"""A desk: passages, an index of them, and a gate that was calibrated on questions. A folder with

    passages.json   what is quoted
    desk.json       version, hashes of the sources, the gate, a line to a human
    vectors.f16     embeddings of its questions and texts, of a desk that has some
    log.jsonl       every turn, personal data masked; for the owner

The index is made when a desk is opened, which takes less time than reading it would.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from castalia import atomic, bounded
from castalia.apps.assistant import gate as gates
from castalia.apps.assistant import terms
from castalia.apps.assistant.embeddings import NAME, written
from castalia.apps.assistant.embeddings import embeddings as embedding_model
from castalia.apps.assistant.embeddings import read as read_vectors
from castalia.apps.assistant.gate import Gate
from castalia.apps.assistant.reading import Clash, Passage, Source, questions_of, read
from castalia.apps.assistant.retrieval import Array, Found, Index
from castalia.errors import RecipeError, RunError
from castalia.sentences import say
from castalia.text_files import personal_data

VERSION = 1
MOST_ASKED = 1200  # calibration questions; of more, a sample
MADE_EACH = 2  # variants of each entry's question
LOG, VECTORS = "log.jsonl", "vectors.f16"


@dataclass(frozen=True, eq=False)
class Desk:
    """What answers. human: how a person is reached, "" for none. folder: None for one that is in
    memory alone, which keeps no log.
    """

    passages: Sequence[Passage]
    index: Index
    gate: Gate
    sources: Sequence[Source] = ()
    clashes: Sequence[Clash] = ()
    human: str = ""
    folder: Path | None = None

    @property
    def languages(self) -> tuple[str, ...]:
        """Of the passages."""
        return tuple(sorted({one.language for one in self.passages}))

    def allowed(self, language: str) -> Array:
        """(units,) bool: those of passages in a language."""
        mine = np.array([one.language == language for one in self.passages])
        return np.asarray(mine[self.index.owner])

    def find(self, question: str, language: str) -> tuple[Found, float]:
        """(passages, the confidence that the first one answers)."""
        allowed = None if len(self.languages) == 1 else self.allowed(language)
        found = self.index.search(question, allowed)
        row = gates.features(self.index, question, found, allowed)
        return found, self.gate.confidence(row) if found.order else 0.0

    def log(self, turn: dict[str, Any]) -> None:
        """Appends one turn to the owner's log, personal data masked."""
        if self.folder is None:
            return
        masked = {
            name: personal_data.masked(value) if isinstance(value, str) else value
            for name, value in turn.items()
        }
        line = json.dumps({"time": round(time.time(), 3), **masked}, ensure_ascii=False)
        with open(self.folder / LOG, "ab") as file:
            file.write(line.encode(errors="backslashreplace") + b"\n")

    def save(self, folder: Path) -> Desk:
        """The desk in a folder, which appears whole; an older one's log is kept."""
        if folder.exists() and not (folder / "desk.json").is_file() and any(folder.iterdir()):
            raise RecipeError(
                say("the folder holds something else"), folder, say("choose another --out")
            )
        old = folder / LOG
        log = bounded.read_bytes(old) if old.is_file() else b""
        document = {
            "version": VERSION,
            "embeddings": None if self.index.vectors is None else NAME,
            "human": self.human,
            "sources": [asdict(one) for one in self.sources],
            "clashes": [asdict(one) for one in self.clashes],
            "gate": self.gate.document(),
        }
        with atomic.folder(folder) as place:
            (place / "desk.json").write_text(_json(document), encoding="utf-8")
            passages = [asdict(one) for one in self.passages]
            (place / "passages.json").write_text(_json(passages), encoding="utf-8")
            if self.index.vectors is not None:
                (place / VECTORS).write_bytes(written(self.index.vectors))
            if log:
                (place / LOG).write_bytes(log)
        return Desk(
            self.passages, self.index, self.gate, self.sources, self.clashes, self.human, folder
        )


def build(
    paths: Sequence[str | os.PathLike[str]],
    *,
    questions: Path | None = None,
    false_answers: float = 0.05,
    human: str = "",
    embeddings: bool = False,
    seed: int = 0,
) -> Desk:
    """A desk of tables and documents. questions: a table of questions that people asked, with the
    answer's text, or the entry's question, of each, or nothing where there is no answer: the gate
    is calibrated on them; None: on questions made of the entries. false_answers: the wanted share
    of unanswerable questions that are answered. embeddings: whether sentences are compared by what
    they mean, too (embeddings.py).

    Raises DataError for files that cannot be used, RecipeError for a rate outside (0, 1),
    MissingExtra for embeddings without their package.
    """
    if not 0 < false_answers < 1:
        raise RecipeError(
            say("the rate of false answers lies between 0 and 1"), f"{false_answers:g}", "0.05"
        )
    passages, sources, clashes = read(paths)
    asked = None if questions is None else matched(passages, questions_of(questions), questions)
    index = indexed(passages, embeddings=embeddings)
    gate = calibrate(passages, index, asked, false_answers, seed)
    return Desk(passages, index, gate, sources, clashes, human)


def open_desk(folder: str | os.PathLike[str]) -> Desk:
    """Raises RunError for what is no desk, or a damaged or newer one."""
    place = Path(folder)
    if not (place / "desk.json").is_file():
        raise RunError(
            say("there is no desk"), place, say("castalia assistant build FAQ.csv --out {0}", place)
        )
    about = bounded.parse_json(bounded.read_text(place / "desk.json"), "desk.json", error=RunError)
    rows = bounded.parse_json(
        bounded.read_text(place / "passages.json"), "passages.json", error=RunError
    )
    fix = say("build it again")
    try:
        if about["version"] != VERSION:
            raise RunError(say("the desk is of another version of Castalia"), place, fix)
        passages = TypeAdapter(list[Passage]).validate_python(rows)
        gate = TypeAdapter(Gate).validate_python(about["gate"])
        sources = TypeAdapter(list[Source]).validate_python(about["sources"])
        clashes = TypeAdapter(list[Clash]).validate_python(about["clashes"])
        human = TypeAdapter(str).validate_python(about["human"])
        named = TypeAdapter(str | None).validate_python(about.get("embeddings"))
    except (KeyError, TypeError, ValidationError) as error:
        raise RunError(say("the desk is damaged"), place, fix) from error
    if not passages:
        raise RunError(say("the desk is damaged"), place, fix)
    if named not in (None, NAME):
        raise RunError(say("the desk is of another version of Castalia"), place, fix)
    index = indexed(passages, vectors=None if named is None else place / VECTORS)
    return Desk(passages, index, gate, sources, clashes, human, place)


def indexed(
    passages: Sequence[Passage], *, embeddings: bool = False, vectors: Path | None = None
) -> Index:
    """Each question and each text is a unit. embeddings: made now; vectors: as they were kept."""
    units: list[tuple[int, str]] = []
    for number, one in enumerate(passages):
        units += [(number, question) for question in one.questions]
        units.append((number, f"{one.heading}\n{one.text}"))
    if not embeddings and vectors is None:
        return Index(len(passages), units)
    model = embedding_model()
    texts = [text for _, text in units]
    rows = model.texts(texts) if vectors is None else read_vectors(vectors, len(texts))
    return Index(len(passages), units, rows, model.question)


def matched(
    passages: Sequence[Passage], asked: Sequence[tuple[str, str]], path: Path
) -> list[tuple[str, int | None]]:
    """(question, number of the passage, None where there is no answer). Raises RecipeError for an
    answer that is in no entry.
    """
    numbers: dict[str, int] = {}
    for number, one in enumerate(passages):
        for text in (one.text, *one.questions):
            numbers.setdefault(_key(text), number)
    found: list[tuple[str, int | None]] = []
    for question, answer in asked:
        if answer and _key(answer) not in numbers:
            raise RecipeError(
                say("an answer of the questions is in no entry: {0}", answer[:80]),
                path.name,
                say("write it as the entry has it, or the entry's question, or leave it empty"),
            )
        found.append((question, numbers[_key(answer)] if answer else None))
    return found


def calibrate(
    passages: Sequence[Passage],
    index: Index,
    asked: Sequence[tuple[str, int | None]] | None,
    wanted: float,
    seed: int,
) -> Gate:
    """The gate. Each question with an answer is asked twice: as it is, and with its entry hidden,
    as one without an answer.
    """
    generator = random.Random(seed)
    languages = {one.language for one in passages}
    owners = [passages[owner].language for owner in index.owner] if len(languages) > 1 else []
    spoken = {one: np.array([owner == one for owner in owners]) for one in languages if owners}
    everything = np.ones(len(index.owner), bool)
    rows, right, answerable, groups = [], [], [], []
    trials = _trials(passages, asked, generator)
    for question, hidden, answer, group in trials:
        allowed = spoken.get(terms.language(question), everything).copy()
        if hidden is not None:
            allowed &= index.owner != hidden
        if answer is not None:
            allowed &= ~_same(passages, index, question, answer)
        found = index.search(question, allowed, 1)
        rows.append(gates.features(index, question, found, allowed))
        right.append(bool(found.order) and found.order[0] == answer)
        answerable.append(answer is not None)
        groups.append(group)
    return gates.calibrated(
        np.array(rows), np.array(right), np.array(answerable), np.array(groups), wanted,
        asked is None,
    )  # fmt: skip


def _trials(
    passages: Sequence[Passage],
    asked: Sequence[tuple[str, int | None]] | None,
    generator: random.Random,
) -> Iterator[tuple[str, int | None, int | None, int]]:
    """(question, the passage that is hidden, the right passage, group)."""
    if asked is not None:
        chosen = list(asked)
        generator.shuffle(chosen)
        for place, (question, answer) in enumerate(chosen[:MOST_ASKED]):
            if answer is None:
                yield question, None, None, place
                continue
            yield question, None, answer, answer
            yield question, answer, None, answer
        return
    words = [term for one in passages for term in _own(one).split()]
    order = list(range(len(passages)))
    generator.shuffle(order)
    for number in order[: MOST_ASKED // (MADE_EACH + 1)]:
        others = passages[number].questions[1:]
        for place in range(MADE_EACH):
            # what people asked before is no variant: it is asked as it is, and hidden meanwhile
            question = others[place] if place < len(others) else ""
            yield question or varied(passages[number], words, generator), None, number, number
        yield varied(passages[number], words, generator), number, None, number


def varied(passage: Passage, words: Sequence[str], generator: random.Random) -> str:
    """The passage's question as somebody else may ask it: words are left out, one that has nothing
    to do with it comes in. Of a document, words of one of its sentences.
    """
    own = _own(passage) if passage.questions else generator.choice(terms.sentences(passage.text))
    lost = 0.3 if passage.questions else 0.5
    if passage.language == "zh":
        parts = [own[place : place + 2] for place in range(0, len(own), 2)]
        return "".join(part for part in parts if generator.random() > lost * 0.7) or own
    kept = [word for word in own.split() if generator.random() > lost] or own.split()
    kept.insert(generator.randrange(len(kept) + 1), generator.choice(words))
    return " ".join(kept)


def _own(passage: Passage) -> str:
    return passage.questions[0] if passage.questions else passage.text


def _same(passages: Sequence[Passage], index: Index, question: str, answer: int) -> Array:
    """(units,) bool: the answer's unit that is this very question, were it to be found by itself;
    none where the entry has no other question.
    """
    hidden = np.zeros(len(index.owner), bool)
    questions = passages[answer].questions
    if question in questions and len(questions) > 1:
        hidden[int(np.flatnonzero(index.owner == answer)[0]) + questions.index(question)] = True
    return hidden


def _key(text: str) -> str:
    return " ".join(text.lower().split())


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
