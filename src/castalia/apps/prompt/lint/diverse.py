"""Diverse: examples differ in label, length or form, and prompts of a set are different prompts.

labels     three or more examples, all with the same answer.
form       three or more examples whose questions have most of their characters in common, or are
           of one length while what is asked at the end is much longer.
set        three or more lines that are the same order but for a word.

How alike two texts are: Dice's coefficient of their sets of characters (Chinese) or of pairs of
letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from statistics import fmean

from castalia.apps.prompt.lint import words
from castalia.apps.prompt.lint.examples import Example
from castalia.apps.prompt.lint.finding import Edit, Finding
from castalia.apps.prompt.lint.reading import Reading
from castalia.sentences import say

LEAST = 3  # examples from which their likeness can be judged
ALIKE = 0.55  # mean likeness of questions
SAME = 0.65  # mean likeness of prompts of a set
NARROW, FARTHER = 1.6, 1.8  # lengths of examples; of what is asked, to the longest of them
MOST = 50  # examples that are compared with one another


def find(reading: Reading) -> Iterator[Finding]:
    shown = reading.examples.shown
    if len(shown) >= LEAST:
        yield from _examples(shown, reading.examples.open)
    elif not shown:
        yield from _set(reading)


def _examples(shown: Sequence[Example], asked: Sequence[Example]) -> Iterator[Finding]:
    start, end = shown[0].start, shown[-1].end
    answers = {one.answer.strip(" .。").lower() for one in shown}
    lengths = [len(one.ask) for one in shown]
    reason = ""
    if len(answers) == 1:
        kind = "labels"
        reason = say("all {0} examples have the answer '{1}'", len(shown), shown[0].answer[:40])
    elif likeness([one.ask for one in shown]) >= ALIKE:
        kind = "form"
        reason = say("the {0} examples are one example with other words", len(shown))
    elif (
        asked
        and max(lengths) <= NARROW * max(min(lengths), 1)
        and len(asked[-1].ask) >= FARTHER * max(lengths)
    ):
        kind = "form"
        reason = say("the {0} examples have one length; what is asked is much longer", len(shown))
    if reason:
        last = shown[-1]
        gap = _gap(last.ask + last.answer, labels=kind == "labels")
        yield Finding(
            "diverse", kind, "warning", start, end, reason, (Edit(last.start, last.end, gap),)
        )


def _set(reading: Reading) -> Iterator[Finding]:
    if found := alike(reading):
        yield Finding(
            "diverse",
            "set",
            "warning",
            found[0][0],
            found[-1][1],
            say("{0} prompts are the same prompt with other words", len(found)),
            tuple(Edit(start, end, _another(text)) for start, end, text in found[1:]),
        )


def alike(reading: Reading) -> list[tuple[int, int, str]]:
    """(start, end, text) of the first neighbouring lines that ask for nearly the same thing."""
    group: list[tuple[int, int, str]] = []
    for match in re.finditer(r"[^\n]+", reading.plain):
        line = match[0].strip()
        if len(line) < 6 or not words.asks(line):
            continue
        group.append((match.start(), match.end(), line))
    for place in range(len(group) - LEAST + 1):
        three = group[place : place + LEAST]
        if likeness([text for _, _, text in three]) >= SAME:
            last = place + LEAST
            while last < len(group) and likeness([group[last - 1][2], group[last][2]]) >= SAME:
                last += 1
            return group[place:last]
    return []


def likeness(texts: Sequence[str]) -> float:
    """Mean over pairs, 0 .. 1, of at most the first MOST."""
    sets = [_grams(text) for text in texts[:MOST]]
    return fmean(
        2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0
        for one, other in combinations(sets, 2)
    )


def _grams(text: str) -> set[str]:
    text = re.sub(r"\s+", " ", text.lower()).strip(" .。?？!！")
    size = 1 if words.HAN.search(text) else 2  # a Chinese character holds as much as two letters
    return {text[place : place + size] for place in range(max(len(text) - size + 1, 1))}


def _gap(text: str, *, labels: bool) -> str:
    if words.HAN.search(text):
        return "[另一种答案的例子]" if labels else "[长度或形式不同的例子]"
    return "[an example of another answer]" if labels else "[an example of another form]"


def _another(text: str) -> str:
    return "[另一种任务]" if words.HAN.search(text) else "[another task]"
