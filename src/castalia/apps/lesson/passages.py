"""Reading texts: sentences in a row from one paragraph of a user's text, of a wanted level."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from castalia.apps.lesson.exercise import Passage
from castalia.apps.lesson.readability import grade, sentence_length
from castalia.apps.lesson.text import Text
from castalia.errors import DataError
from castalia.sentences import say

SIZES = {"en": (40, 130), "zh": (60, 220)}  # words, characters


def passages(
    text: Text, band: tuple[float, float] | None, longest: float | None, rng: Random
) -> Iterator[tuple[Passage, range]]:
    """(a passage, the numbers of its sentences) in a drawn order. Raises DataError where none lies
    in the band, saying which bands there are.
    """
    every = [(_measured(text, numbers), numbers) for numbers in _windows(text)]
    fit = [
        one
        for one in every
        if (band is None or band[0] <= one[0].grade <= band[1])
        and (longest is None or one[0].sentence_length <= longest)
    ]
    if not fit:
        raise _none(text, [one[0] for one in every])
    rng.shuffle(fit)
    yield from fit


def _windows(text: Text) -> list[range]:
    """Runs of sentences of a paragraph, as many as fit; where no paragraph is long enough, of the
    whole text.
    """
    within = _runs(text, across=False)
    return within or _runs(text, across=True)


def _runs(text: Text, across: bool) -> list[range]:
    least, most = SIZES[text.language]
    found, start, size = [], 0, 0
    for number, sentence in enumerate(text.sentences):
        long = len(sentence.words) if text.language == "en" else len(sentence.text)
        apart = not across and sentence.paragraph != text.sentences[start].paragraph
        if number > start and (apart or size + long > most):
            found += [range(start, number)] if size >= least else []
            start, size = number, 0
        size += long
    return found + ([range(start, len(text.sentences))] if size >= least else [])


def _measured(text: Text, numbers: range) -> Passage:
    sentences = [text.sentences[number].text for number in numbers]
    return Passage(
        sentences,
        grade(sentences, text.language),
        sentence_length(sentences, text.language),
        text.sentences[numbers[0]].line,
    )


def _none(text: Text, every: list[Passage]) -> DataError:
    if not every:
        return DataError(
            say("the text is too short for a reading text"),
            text.name,
            say("give {0} words (characters in Chinese) in a paragraph", SIZES[text.language][0]),
        )
    grades = sorted(one.grade for one in every)
    return DataError(
        say("none of its {0} reading texts lies in the band", len(every)),
        text.name,
        say("they lie between {0:.1f} and {1:.1f}: choose another band", grades[0], grades[-1]),
    )
