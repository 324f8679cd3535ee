"""Files of exercises, checked: tables and the JSON that castalia writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.apps.lesson import text as texts
from castalia.apps.lesson import vocabulary
from castalia.apps.lesson.checking import RIGHT, UNREAD, WRONG, Verdict, check, working_holds
from castalia.apps.lesson.exercise import Exercise
from castalia.apps.lesson.text import Text
from castalia.apps.lesson.vocabulary import Glossary
from castalia.apps.lesson.word_checks import check_meaning, check_words
from castalia.errors import DataError
from castalia.sentences import say
from castalia.text_files import columns

QUESTION, ANSWER, CHOICES = ("question", "题目", "问题"), ("answer", "答案"), ("choices", "选项")


@dataclass(frozen=True)
class Checked:
    """place: where it stands in the file."""

    place: str
    exercise: Exercise
    verdict: Verdict


@dataclass(frozen=True)
class Report:
    """every: in the order of the file."""

    source: str
    every: tuple[Checked, ...]

    def _of(self, state: str) -> list[Checked]:
        return [one for one in self.every if one.verdict.state == state]

    @property
    def right(self) -> list[Checked]:
        return self._of(RIGHT)

    @property
    def wrong(self) -> list[Checked]:
        return self._of(WRONG)

    @property
    def unread(self) -> list[Checked]:
        return self._of(UNREAD)

    def document(self) -> dict[str, Any]:
        return {
            "exercises": len(self.every),
            "right": len(self.right),
            "wrong": [_entry(one) for one in self.wrong],
            "unread": [_entry(one) for one in self.unread],
        }


def checked(file: Path, text: Path | None = None, words: Path | None = None) -> Report:
    """Each exercise of a table with the columns question, answer and perhaps choices (with " | "
    between them), or of a lesson.json. Raises DataError for a file that is none.
    """
    read = None if text is None else texts.read(text)
    glossary = None if words is None else vocabulary.read_list(words)
    rows = _json(file) if file.suffix.lower() == ".json" else _table(file)
    return Report(
        file.name,
        tuple(Checked(place, one, verdict(one, read, glossary)) for place, one in rows),
    )


def verdict(one: Exercise, text: Text | None, glossary: Glossary | None) -> Verdict:
    """On an exercise of any kind, its working included."""
    found = check(one.question, one.answer, one.choices)
    if found.state == RIGHT and one.working:
        try:
            if not working_holds(one.question, one.answer, one.working):
                return Verdict(WRONG, found.expected, say("a line of the working is not true"))
        except DataError as error:
            return Verdict(WRONG, found.expected, error.what)
    if found.state != UNREAD:
        return found
    if glossary is not None:
        meaning = check_meaning(one, glossary)
        if meaning.state != UNREAD:
            return meaning
    if text is not None:
        return check_words(one, text)
    return found


def _table(file: Path) -> Iterator[tuple[str, Exercise]]:
    table = columns.read(file)
    names = {name.casefold(): name for name in table.columns}
    question, answer, choices = (
        next((names[name] for name in known if name in names), "")
        for known in (QUESTION, ANSWER, CHOICES)
    )
    for name, known in ((question, QUESTION), (answer, ANSWER)):
        if not name:
            raise columns.missing(known[0], list(table.columns), file.name)
    for row in range(len(table)):
        parts = table.cells(choices)[row].split(" | ") if choices else []
        yield (
            say("line {0}", table.lines[row]),
            Exercise(
                "",
                table.cells(question)[row],
                table.cells(answer)[row],
                choices=tuple(one for one in parts if one),
            ),
        )


def _json(file: Path) -> Iterator[tuple[str, Exercise]]:
    whole = bounded.parse_json(bounded.read_text(file), file.name)
    rows = whole.get("exercises") if isinstance(whole, dict) else whole
    if not isinstance(rows, list):
        raise DataError(
            say("this is no list of exercises"), file.name, say("give the lesson.json of a lesson")
        )
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(
            isinstance(row.get(name), str) for name in ("question", "answer")
        ):
            raise DataError(
                say("an exercise has no question and answer"),
                say("{0}, exercise {1}", file.name, number),
                say("give each a question and an answer"),
            )
        lists = (row.get("working"), row.get("choices"))
        working, choices = (
            tuple(str(part) for part in one) if isinstance(one, list) else () for one in lists
        )
        yield (
            say("exercise {0}", number),
            Exercise("", row["question"], row["answer"], working, choices),
        )


def _entry(one: Checked) -> dict[str, Any]:
    return {
        "place": one.place,
        "question": one.exercise.question,
        "answer": one.exercise.answer,
        "expected": one.verdict.expected,
        "why": one.verdict.why,
    }
