"""Gaps in a reading text whose answer the text itself decides.

With choices: the answer stands next to a word that it stands next to elsewhere in the text, too
("fiscal year", twice or more, and in a third of the places in which that word stands); none of the
other choices ever stands there, or in any sentence with that word, although each stands in the text
twice or more. The choices are of the same kind (text.py), agree with "a" or "an" and are no forms
of one word. Verbs are not asked for, because most of them go with most objects. A gap for which
three such words are not found is refused.

With letters, where the text is too short for that: as many first letters as are needed, and the
length, are given (English), or the pronunciation (Chinese, by the optional pypinyin), and one word
of the text alone fits.

Both are conditions on the user's text and are checked on it again (word_checks.py). They do not
prove that no speaker would accept another word.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from random import Random

from castalia.apps.lesson.exercise import GAP, Exercise
from castalia.apps.lesson.pronunciation import pronounced
from castalia.apps.lesson.text import FUNCTION, Phrase, Text, Word
from castalia.apps.lesson.word_checks import check_words
from castalia.sentences import say

OTHERS = 3
SHORTEST, LONGEST = {"en": 6, "zh": 8}, {"en": 40, "zh": 70}  # words, characters of a sentence
FEWEST = 2  # places in which answer and choices stand
SHARE = 1 / 3  # of the places of a neighbour, those that it has beside the answer
ASKED = {"en": ("noun", "plural", "ing", "past", "adjective"), "zh": ("noun", "idiom")}


def gaps(text: Text, number: int, rng: Random) -> Iterator[Exercise]:
    """Exercises on sentence `number`, those with choices first; each is checked."""
    sentence = text.sentences[number]
    size = len(sentence.words) if text.language == "en" else len(sentence.text)
    if not SHORTEST[text.language] <= size <= LONGEST[text.language]:
        return
    places = [
        place
        for place, word in enumerate(sentence.words)
        if word.key in text.content and _once(sentence, word) and not word.text[0].isupper()
    ]
    rng.shuffle(places)
    for make in (_with_choices, _with_letters):
        for place in places:
            found = make(text, number, place, rng)
            if found is not None and check_words(found, text).state == "right":
                yield found


def _with_choices(text: Text, number: int, place: int, rng: Random) -> Exercise | None:
    sentence = text.sentences[number]
    answer = sentence.words[place]
    kind = text.kinds.get(answer.key, "")
    frames = list(_frames(text, sentence, place)) if kind in ASKED[text.language] else []
    if not frames:
        return None
    here = {word.key for word in sentence.words}
    apart = set.union(*(text.together[neighbour] for neighbour in frames))
    others = [
        word
        for word in text.of_kind[kind]
        if word not in here
        and text.counts[word] >= FEWEST
        and not text.together[word] & apart
        and _agree(text, sentence, place, word)
        and not _related(word, answer.key)
        and (text.language == "en" or len(word) == len(answer.key))
    ]
    rng.shuffle(others)
    chosen: list[str] = []
    for word in others:
        if len(chosen) < OTHERS and not any(_related(word, one) for one in chosen):
            chosen.append(word)
    if len(chosen) < OTHERS:
        return None
    choices = [answer.key, *chosen]
    rng.shuffle(choices)
    return Exercise(
        "cloze",
        _with_gap(sentence, answer, GAP),
        answer.text,
        choices=tuple(choices),
        sentence=number,
        why=say(
            "of the choices only “{0}” stands next to “{1}” in the text, {2} times",
            answer.text,
            frames[0],
            _beside(text, answer.key, frames[0]),
        ),
    )


def _with_letters(text: Text, number: int, place: int, rng: Random) -> Exercise | None:
    sentence = text.sentences[number]
    answer = sentence.words[place]
    if text.language == "zh":
        hint = pronounced(answer.key)
        if not hint:
            return None
        return Exercise(
            "cloze",
            _with_gap(sentence, answer, f"{GAP}（{hint}）"),
            answer.text,
            sentence=number,
            why=say("one word of the text alone is pronounced so"),
        )
    stub = _stub(text, answer.key)
    if not stub:
        return None
    return Exercise(
        "cloze",
        _with_gap(sentence, answer, f"{stub}{GAP} ({len(answer.text)})"),
        answer.text,
        sentence=number,
        why=say("one word of the text alone begins so and is as long"),
    )


def _stub(text: Text, word: str) -> str:
    """As few first letters, two at least, as no other word of this length begins with; "" where
    three letters would not be left to write.
    """
    alike = [one for one in text.counts if len(one) == len(word) and one != word]
    for size in range(2, len(word) - 2):
        if not any(one.startswith(word[:size]) for one in alike):
            return word[:size]
    return ""


def _frames(text: Text, sentence: Phrase, place: int) -> Iterator[str]:
    """Words of content right beside the gap that stand beside the answer elsewhere, too."""
    answer = sentence.words[place].key
    for other in (place - 1, place + 1):
        if not 0 <= other < len(sentence.words):
            continue
        first, last = sorted((place, other))
        between = sentence.text[_end(sentence.words[first]) : sentence.words[last].start]
        neighbour = sentence.words[other].key
        if between.strip() or neighbour in FUNCTION or neighbour == answer:
            continue
        if text.language == "zh" and neighbour not in text.kinds:
            continue
        beside = _beside(text, answer, neighbour)
        if beside >= max(FEWEST, SHARE * text.counts[neighbour]):
            yield neighbour


def _beside(text: Text, answer: str, neighbour: str) -> int:
    """How often two words stand side by side."""
    count = 0
    for number in text.together[answer] & text.together[neighbour]:
        keys = [word.key for word in text.sentences[number].words]
        count += sum({one, other} == {answer, neighbour} for one, other in itertools.pairwise(keys))
    return count


def _agree(text: Text, sentence: Phrase, place: int, word: str) -> bool:
    """Whether "a" or "an" before the gap says nothing against a word."""
    before = sentence.words[place - 1].key if place else ""
    if text.language == "zh" or before not in ("a", "an"):
        return True
    return (word[0] in "aeiou") == (before == "an")


def _related(one: str, other: str) -> bool:
    """Whether two words look like forms of one: a long beginning in common, or a character."""
    if re.match(r"[a-z]", one):
        return one[:4] == other[:4]
    return bool(set(one) & set(other))


def _once(sentence: Phrase, word: Word) -> bool:
    return sum(one.key == word.key for one in sentence.words) == 1


def _with_gap(sentence: Phrase, word: Word, gap: str) -> str:
    return f"{sentence.text[: word.start]}{gap}{sentence.text[_end(word) :]}"


def _end(word: Word) -> int:
    return word.start + len(word.text)
