"""Cloze and vocabulary checked against the text they are of, or the list.

The checker knows the text as a string only. It puts the answer into the gap and looks for the
sentence; it looks for each choice beside the neighbours of the gap; it looks for other words that
begin, are spelt or sound as the question says. Nothing of how the exercise was made is used.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import lru_cache

from castalia.apps.lesson.checking import RIGHT, UNREAD, WRONG, Verdict
from castalia.apps.lesson.exercise import GAP, Exercise
from castalia.apps.lesson.pronunciation import readings
from castalia.apps.lesson.readability import HAN, WORD
from castalia.apps.lesson.text import FUNCTION, Text
from castalia.sentences import say

_STUB = re.compile(rf"([A-Za-z]+){GAP} \((\d+)\)")
_SOUND = re.compile(rf"{GAP}（([^）]+)）")
_ORDER = re.compile(r"“(\w)”\): ([a-z](?: [a-z])+)$")
_WRITE = re.compile(r"看拼音写词语[^：]*：(.+)$")
_MEANING = re.compile(r"[“\"](.+)[”\"][?？]$")


def check_words(exercise: Exercise, text: Text) -> Verdict:
    """The verdict on a cloze or a vocabulary exercise of a text."""
    question = exercise.question
    if exercise.choices and GAP in question:
        return _choices(exercise, text)
    for form, candidates in (
        (_STUB, _beginning),
        (_SOUND, _sounding),
        (_ORDER, _spelt),
        (_WRITE, _sounding),
    ):
        match = form.search(question)
        if match is None:
            continue
        if form in (_STUB, _SOUND):
            whole = f"{question[: match.start()]}{exercise.answer}{question[match.end() :]}"
            if not _stands(whole, text.whole):
                return _wrong(say("with the answer it is no sentence of the text"))
        fitting = candidates(match, text)
        if fitting == {exercise.answer.lower()}:
            return Verdict(RIGHT, exercise.answer)
        why = say("{0} words of the text fit", len(fitting))
        return Verdict(WRONG, ", ".join(sorted(fitting)[:5]), why)
    return Verdict(UNREAD, "", say("this is no exercise that can be checked"))


def check_meaning(exercise: Exercise, glossary: Mapping[str, str]) -> Verdict:
    """The verdict on the question which word has a meaning."""
    match = _MEANING.search(exercise.question)
    if match is None:
        return Verdict(UNREAD, "", say("this is no exercise that can be checked"))
    fitting = [one for one in exercise.choices if glossary.get(one) == match[1]]
    if fitting == [exercise.answer]:
        return Verdict(RIGHT, exercise.answer)
    return _wrong(say("{0} of the choices are right", len(fitting)))


def _choices(exercise: Exercise, text: Text) -> Verdict:
    before, _, after = exercise.question.partition(GAP)
    if not _stands(f"{before}{exercise.answer}{after}", text.whole):
        return _wrong(say("with the answer it is no sentence of the text"))
    if len(set(exercise.choices)) != len(exercise.choices) or (
        exercise.answer.lower() not in exercise.choices and exercise.answer not in exercise.choices
    ):
        return _wrong(say("the choices do not hold the answer once"))
    sides = _sides(before, after)
    decided = False
    for side in sides:
        counts = {one: _count(side.format(one), text.whole) for one in exercise.choices}
        answer = counts.pop(exercise.answer, None) or counts.pop(exercise.answer.lower(), 0)
        if any(counts.values()):
            found = next(one for one, count in counts.items() if count)
            return _wrong(say("“{0}” stands beside the gap elsewhere in the text", found))
        decided = decided or answer >= 2
    if not decided:
        return _wrong(say("the text does not show elsewhere what stands beside the gap"))
    return Verdict(RIGHT, exercise.answer)


def _sides(before: str, after: str) -> list[str]:
    """What stands right beside the gap, with {0} for the gap: a word of content in English, two
    characters in Chinese.
    """
    if HAN.search(before + after):
        left = re.search(r"([\u4e00-\u9fff]{2})$", before)
        right = re.match(r"([\u4e00-\u9fff]{2})", after)
        return [f"{left[1]}{{0}}" for _ in "1" if left] + [f"{{0}}{right[1]}" for _ in "1" if right]
    one = re.search(rf"({WORD.pattern}) $", before)
    other = re.match(rf" ({WORD.pattern})", after)
    found = [f"{one[1]} {{0}}"] if one and one[1].lower() not in FUNCTION else []
    return found + ([f"{{0}} {other[1]}"] if other and other[1].lower() not in FUNCTION else [])


@lru_cache(maxsize=4)
def _flat(whole: str) -> str:
    """The text in one line, small letters, without blanks around Chinese characters."""
    flat = re.sub(r"\s+", " ", whole).lower()
    return re.sub(r"(?<=[\u3000-\u9fff\uff00-\uffef]) | (?=[\u3000-\u9fff\uff00-\uffef])", "", flat)


def _stands(sentence: str, whole: str) -> bool:
    return _flat(sentence) in _flat(whole)


def _count(piece: str, whole: str) -> int:
    """How often a piece stands in the text, in English as whole words."""
    if HAN.search(piece):
        return _flat(whole).count(piece)
    return len(re.findall(rf"(?<![a-z'’-]){re.escape(piece.lower())}(?![a-z'’-])", _flat(whole)))


@lru_cache(maxsize=4)
def _words(whole: str) -> Counter[str]:
    return Counter(match[0].lower() for match in WORD.finditer(whole))


@lru_cache(maxsize=4)
def _sounds(whole: str) -> Mapping[str, list[int]]:
    """Syllable -> the places of the flat text whose character can be read so."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, character in enumerate(_flat(whole)):
        if HAN.match(character):
            for syllable in readings(character):
                found[syllable].append(place)
    return found


def _beginning(match: re.Match[str], text: Text) -> set[str]:
    stub, length = match[1].lower(), int(match[2])
    return {one for one in _words(text.whole) if one.startswith(stub) and len(one) == length}


def _sounding(match: re.Match[str], text: Text) -> set[str]:
    """Pieces of the text that can be read so, by any reading of each character."""
    syllables, flat = match[1].split(), _flat(text.whole)
    found = set()
    for place in _sounds(text.whole).get(syllables[0] if syllables else "", ()):
        piece = flat[place : place + len(syllables)]
        if len(piece) == len(syllables) and all(
            HAN.match(one) and syllable in readings(one)
            for one, syllable in zip(piece, syllables, strict=True)
        ):
            found.add(piece)
    return found


def _spelt(match: re.Match[str], text: Text) -> set[str]:
    first, letters = match[1], sorted(match[2].split())
    return {one for one in _words(text.whole) if one[0] == first and sorted(one) == letters}


def _wrong(why: str) -> Verdict:
    return Verdict(WRONG, "", why)
