"""`castalia.lesson`: exercises by kind and by steps, each checked before it is given out."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from castalia.apps.lesson import cloze, privacy, vocabulary
from castalia.apps.lesson import text as texts
from castalia.apps.lesson.calculations import SIGNS, arithmetic, equations, fractions
from castalia.apps.lesson.checking import RIGHT, check, working_holds
from castalia.apps.lesson.exercise import FROM_TEXT, KINDS, Exercise, Passage
from castalia.apps.lesson.passages import passages
from castalia.apps.lesson.sheet import Lesson
from castalia.apps.lesson.stories import stories
from castalia.apps.lesson.text import Text
from castalia.apps.lesson.units import units
from castalia.errors import DataError, RecipeError, meant
from castalia.language import current, known
from castalia.sentences import plural, say

Draw = Callable[[Random, int, int, Sequence[str], str], Exercise | None]
DRAWS: Mapping[str, Draw] = {
    "arithmetic": arithmetic,
    "fractions": fractions,
    "equations": equations,
    "units": units,
    "stories": stories,
}
MOST_STEPS = {"arithmetic": 6, "fractions": 6, "equations": 6, "units": 3, "stories": 5}
MOST, MOST_NUMBER = 2000, 10_000
TRIES = 500  # draws for one exercise
FEWEST_GAPS = 2  # of a passage


def lesson(
    kinds: Sequence[str],
    *,
    n: int = 20,
    steps: tuple[int, int] = (1, 3),
    largest: int = 100,
    signs: str = SIGNS,
    text: str | os.PathLike[str] | None = None,
    words: str | os.PathLike[str] | None = None,
    band: tuple[float, float] | None = None,
    longest: float | None = None,
    roster: Collection[str] = (),
    title: str = "",
    language: str | None = None,
    seed: int = 0,
) -> Lesson:
    """`n` exercises of the kinds, as many of each, none twice. Raises DataError where a text does
    not hold so many, RecipeError where there are not so many, and Refused for personal data.

    kinds       arithmetic, fractions, equations, units, stories; vocabulary, cloze of a text.
    steps       fewest and most of an exercise, evenly spread (working.py says what a step is).
    largest     no number of an exercise is above it: 10 to 10,000; denominators stay below 60.
    signs       the operations that may stand in one, of + − × ÷.
    text, words a file of running text; a table of words with meanings.
    band        lowest and highest school year of a reading text (readability.py).
    longest     words (characters in Chinese) a sentence, on average, at most.
    roster      names that must not appear.
    language    "en" or "zh"; None: that of the text, else the current one.

    >>> castalia.lesson(["fractions"], n=12, steps=(2, 4), seed=7).write(Path("sheet"))
    """
    _expect(kinds, n, steps, largest, signs, band)
    read = None if text is None else texts.read(Path(text))
    glossary = None if words is None else vocabulary.read_list(Path(words))
    needy = [one for one in kinds if one in FROM_TEXT]
    if read is not None:
        privacy.refuse(read.whole, read.name, roster)
        if language not in (None, read.language):
            raise RecipeError(
                say("the text is in another language than the sheet"),
                f"language={language}",
                f"language={read.language}",
            )
    elif needy and not (glossary and needy == ["vocabulary"]):
        raise RecipeError(
            say("exercises of this kind are made from a text"), needy[0], say("--text FILE")
        )
    for word, meaning in (glossary or {}).items():
        privacy.refuse(f"{word}: {meaning}", Path(str(words)).name, roster)
    spoken = known(language or (read.language if read else current()))
    rng = Random(seed)
    made = _Made(spoken, rng)
    for place, kind in enumerate(kinds):
        share = n // len(kinds) + (place < n % len(kinds))
        if kind in DRAWS:
            draw = partial(stories, keep_out=roster) if kind == "stories" else DRAWS[kind]
            made.numbers(kind, draw, share, steps, largest, [one for one in SIGNS if one in signs])
        elif kind == "cloze" and read is not None:
            made.cloze(read, share, band, longest)
        elif glossary is not None:
            made.words(vocabulary.of_list(glossary, spoken, rng), share)
        elif read is not None:
            made.words(vocabulary.of_text(read, rng), share)
    return Lesson(
        title, spoken, seed, tuple(made.exercises), tuple(made.passages), made.refused, band
    )


class _Made:
    """What was made so far. refused: exercises that the checker did not find right."""

    def __init__(self, language: str, rng: Random) -> None:
        self.language, self.rng = language, rng
        self.exercises: list[Exercise] = []
        self.passages: list[Passage] = []
        self.refused = 0
        self._seen: set[str] = set()

    def numbers(
        self,
        kind: str,
        draw: Draw,
        share: int,
        steps: tuple[int, int],
        largest: int,
        signs: Sequence[str],
    ) -> None:
        """Exercises of numbers, steps evenly spread from few to many."""
        low, high = steps[0], min(steps[1], MOST_STEPS[kind])
        if low > high:
            raise RecipeError(
                say("'{0}' has no exercises of {1} steps", kind, low),
                f"steps={steps[0]}-{steps[1]}",
                say("1 to {0}", MOST_STEPS[kind]),
            )
        found = []
        for place in range(share):
            wanted = low + place % (high - low + 1)
            for _ in range(TRIES):
                one = draw(self.rng, wanted, largest, signs, self.language)
                if one is None or one.steps != wanted or one.question in self._seen:
                    continue
                if self._is_right(one):
                    self._seen.add(one.question)
                    found.append(one)
                    break
            else:
                raise RecipeError(
                    plural(
                        "only {0} different exercise of this kind was found",
                        "only {0} different exercises of this kind were found",
                        len(found),
                    ),
                    kind,
                    say("ask for fewer, for larger numbers, or for more kinds of operations"),
                )
        self.exercises += sorted(found, key=lambda one: one.steps)

    def cloze(
        self, text: Text, share: int, band: tuple[float, float] | None, longest: float | None
    ) -> None:
        """Gaps in reading texts within the band, several in each."""
        left = share
        for passage, numbers in passages(text, band, longest, self.rng):
            gaps: list[Exercise] = []
            seen = set(self._seen)
            for number in numbers:
                one = next(
                    (e for e in cloze.gaps(text, number, self.rng) if e.answer not in seen), None
                )
                if one is not None and len(gaps) < left:
                    gaps.append(one)
                    seen.add(one.answer)
            if len(gaps) >= min(FEWEST_GAPS, left):
                place, first = len(self.passages), numbers[0]
                self.passages.append(passage)
                self.exercises += [_placed(one, place, first) for one in gaps]
                self._seen = seen
                left -= len(gaps)
            if not left:
                return
        raise _too_few(text, share, share - left, "cloze")

    def words(self, found: Iterator[Exercise], share: int) -> None:
        """The first `share` exercises on words."""
        before = len(self.exercises)
        for one in found:
            if len(self.exercises) - before == share:
                return
            if one.answer not in self._seen:
                self._seen.add(one.answer)
                self.exercises.append(one)
        if len(self.exercises) - before < share:
            raise _too_few(None, share, len(self.exercises) - before, "vocabulary")

    def _is_right(self, one: Exercise) -> bool:
        right = check(one.question, one.answer).state == RIGHT and working_holds(
            one.question, one.answer, one.working
        )
        self.refused += not right
        return right


def _placed(one: Exercise, passage: int, first: int) -> Exercise:
    return replace(one, passage=passage, sentence=one.sentence - first)


def _too_few(text: Text | None, wanted: int, found: int, kind: str) -> DataError:
    return DataError(
        say("{0} exercises are wanted, and {1} can be decided", wanted, found),
        say("{0}: {1}", text.name, kind) if text else kind,
        say("give a longer text, ask for fewer, or for a wider band"),
    )


def _expect(
    kinds: Sequence[str],
    n: int,
    steps: tuple[int, int],
    largest: int,
    signs: str,
    band: tuple[float, float] | None,
) -> None:
    """Raises RecipeError for what makes no sense."""
    for one in kinds:
        if one not in KINDS:
            raise RecipeError(
                say("there are no exercises of the kind '{0}'", one[:40]),
                "lesson",
                say("{0}one of: {1}", meant(one[:40], KINDS), ", ".join(KINDS)),
            )
    if not kinds or len(set(kinds)) != len(kinds):
        raise RecipeError(
            say("name each kind of exercises once"), "lesson", say("one of: {0}", ", ".join(KINDS))
        )
    if not len(kinds) <= n <= MOST:
        raise RecipeError(
            say("the number of exercises is out of range"),
            f"n={n}",
            say("{0:,} to {1:,}", len(kinds), MOST),
        )
    if not 1 <= steps[0] <= steps[1]:
        raise RecipeError(
            say("the steps go from few to many"), f"steps={steps[0]}-{steps[1]}", "steps=1-3"
        )
    if not 10 <= largest <= MOST_NUMBER:
        raise RecipeError(
            say("the largest number is out of range"),
            f"largest={largest}",
            say("{0:,} to {1:,}", 10, MOST_NUMBER),
        )
    if not signs or set(signs) - set(SIGNS):
        raise RecipeError(say("an operation is not known"), f"signs={signs[:20]}", f"signs={SIGNS}")
    if band is not None and band[0] > band[1]:
        raise RecipeError(
            say("a band goes from easy to hard"), f"band={band[0]:g}-{band[1]:g}", "band=4-6"
        )
