"""Answers that are kept, so that nothing is asked twice and a run that was stopped goes on.

One line of JSON for each answer in FOLDER/answers.jsonl, under the hash of all that it depends on:
the messages, the conditions, the settings, the seed, and which model answered. A line is written
whole by one call; half a line, which is left when the machine dies in it, is passed over and its
question asked again. Items that are no texts are files beside, under FOLDER/items/. Only answers
are kept: a server that could not be reached leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.apps.prompt.models import Answer, Model
from castalia.apps.prompt.template import Rendered
from castalia.errors import CastaliaError, DataError, StorageError
from castalia.sentences import say

FILE, ITEMS = "answers.jsonl", "items"
_FIELDS = frozenset(field.name for field in fields(Answer))


@dataclass(frozen=True)
class Question:
    """What one model is asked once."""

    model: Model
    asked: Rendered
    seed: int

    @property
    def rendered(self) -> Rendered:
        """With the settings that the prompt leaves to the model."""
        settings = self.asked.sampling.over(self.model.sampling)
        return Rendered(self.asked.messages, self.asked.cond, settings)

    @property
    def key(self) -> str:
        """Hexadecimal SHA-256 of all that the answer depends on."""
        told = self.rendered
        whole = [
            self.model.identity,
            list(told.messages),
            told.cond,
            told.sampling.given(),
            self.seed,
        ]
        text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()


class Answers:
    """Those of one folder. asked, kept: how many questions models got, and how many were answered
    from the folder. May be used by several threads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, 0
        self._lock = threading.Lock()
        self._known: dict[str, Answer] = _read(folder / FILE)
        self._before, self._used = frozenset(self._known), set[str]()

    @property
    def kept(self) -> int:
        return len(self._used & self._before)

    def has(self, question: Question) -> bool:
        return question.key in self._known

    def get(self, question: Question) -> Answer:
        """The answer, asked for where it is not here yet. Raises CastaliaError where the model
        cannot be asked.
        """
        key = question.key
        with self._lock:
            if key in self._known:
                self._used.add(key)
                return self._known[key]
        place = self.folder / ITEMS / key[:20]
        answer = question.model.answer(question.rendered, question.seed, place)
        with self._lock:
            self.asked += 1
            if not answer.problem:  # what is wrong with a question may be mended elsewhere
                self._append(key, answer)
            self._known[key] = answer
        return answer

    def fetch(
        self, questions: Sequence[Question], together: int, done: Callable[[int], None]
    ) -> None:
        """Answers of models elsewhere, `together` at a time. done: is told how many more there are.
        The first error ends it; what was answered until then is kept.
        """
        missing = list({one.key: one for one in questions if not self.has(one)}.values())
        done(len(questions) - len(missing))
        with ThreadPoolExecutor(max(1, together)) as pool:
            waiting = [pool.submit(self.get, one) for one in missing]
            try:
                for one in waiting:
                    one.result()
                    done(1)
            except CastaliaError:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _append(self, key: str, answer: Answer) -> None:
        line = json.dumps({"key": key, **answer.document()})  # ASCII: half a line stays text
        path = self.folder / FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab") as file:
                # half a line of an earlier process is ended first
                begin = b"" if file.tell() == 0 or _ends_whole(path) else b"\n"
                file.write(begin + line.encode() + b"\n")
        except OSError as error:
            raise StorageError(
                say("cannot write: {0}", error.strerror or error),
                path,
                say("free space, or choose a folder that can be written"),
            ) from error


def _ends_whole(path: Path) -> bool:
    with bounded.open_regular(path) as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _read(path: Path) -> dict[str, Answer]:
    """Whole lines only: a line that is no answer is passed over, because asking again mends it."""
    known: dict[str, Answer] = {}
    if not path.is_file():
        return known
    for line in bounded.text_lines(path):
        if not line.endswith("\n"):
            break
        try:
            document = bounded.parse_json(line, path.name)
        except DataError:
            continue
        if isinstance(document, dict) and (answer := _answer(document, path.parent)) is not None:
            known[document["key"]] = answer
    return known


def _answer(document: Mapping[str, Any], folder: Path) -> Answer | None:
    """The answer of a line; None of a line that holds none, or whose file is gone."""
    texts = ("text", "file", "ended", "problem")
    told = {name: value for name, value in document.items() if name in _FIELDS}
    file = told.get("file", "")
    sound = (
        isinstance(document.get("key"), str)
        and all(isinstance(told.get(name, ""), str) for name in texts)
        and all(isinstance(value, int | float) for name, value in told.items() if name not in texts)
        and Path(file).name == file
        and (not file or (folder / ITEMS / file).is_file())
    )
    return Answer(**told) if sound else None
