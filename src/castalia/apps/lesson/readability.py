"""How hard a reading text is, as a school year.

English: the grade of Flesch and Kincaid (Kincaid, Fishburne, Rogers and Chissom 1975),
    0.39 words/sentences + 11.8 syllables/words - 15.59,
with syllables counted by rules (`syllables`).

Chinese: the year in which the characters are known. Characters are ranked by how frequent they are
(data/characters.txt, counted from the dictionary of jieba); the rank that 98% of a text's
characters do not exceed is the number of characters that its reader has to know (98%: Hu and Nation
2000). The curriculum for Chinese (义务教育语文课程标准, 2011 and 2022) wants about 1,600
characters to be known at the end of year 2, 2,500 of year 4, 3,000 of year 6 and 3,500 of year 9;
between them years are interpolated. The curriculum says how many, not which: that they are the most
frequent is assumed. Sentence length is a limit of its own, in characters.

Neither measure looks at what a text says.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from castalia import bounded

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
COVERED = 0.98
YEARS = ((0, 0.0), (1600, 2.0), (2500, 4.0), (3000, 6.0), (3500, 9.0))
HARDEST = 12.0  # for what 3,500 characters do not cover
_VOWELS = re.compile(r"[aeiouy]+")
# -ed and -es that are not spoken as a syllable
_SILENT = re.compile(r"[^td]ed$|(?<![sxzcg])(?<!sh)(?<![^aeiouy]l)es$")
# two vowels that are two syllables
_APART = re.compile(
    r"ia(?!l\b|n\b)|io(?!us|n)|eo(?!us|n)|iu|ua(?!r)|[iy]ing|iest|[aeiou]ism|riet|dience|scie|creat(?!ur)|idea|area"
)


def grade(sentences: Sequence[str], language: str) -> float:
    """The school year of a text in whole sentences; at least one word or character."""
    return _kincaid(sentences) if language == "en" else _year(sentences)


def sentence_length(sentences: Sequence[str], language: str) -> float:
    """Words a sentence, or characters."""
    form = WORD if language == "en" else HAN
    return sum(len(form.findall(one)) for one in sentences) / max(1, len(sentences))


def syllables(word: str) -> int:
    """Of an English word, by its groups of vowels: a silent e at the end, and -es and -ed behind
    most consonants do not count.
    """
    bare = re.sub(r"[^a-z]", "", word.lower())
    if len(bare) <= 3:
        return 1
    if re.search(r"(?<![aeiouy])e$", bare) and not re.search(r"[^aeiouy]le$", bare):
        bare = bare[:-1]
    elif _SILENT.search(bare):
        bare = bare[:-2] + bare[-1]
    bare = re.sub(r"(?<=[bcdfgkpstvz])e(?=ly|ment|ful|less|ness)", "", bare)
    spoken = (
        bare.endswith("nt") and word.lower().endswith(("n't", "n’t")) and bare[-3] not in "aeiouwr"
    )
    return max(1, len(_VOWELS.findall(bare)) + len(_APART.findall(bare)) + spoken)


@cache
def ranks() -> dict[str, int]:
    """The 3,500 most frequent characters, from 1."""
    text = bounded.read_text(Path(__file__).parent / "data" / "characters.txt").strip()
    return {one: rank for rank, one in enumerate(text, 1)}


def _kincaid(sentences: Sequence[str]) -> float:
    words = [word for one in sentences for word in WORD.findall(one)]
    spoken = sum(map(syllables, words))
    count = max(1, len(words))
    return 0.39 * count / max(1, len(sentences)) + 11.8 * spoken / count - 15.59


def _year(sentences: Sequence[str]) -> float:
    known = ranks()
    found = sorted(
        known.get(one, len(known) + 1) for text in sentences for one in HAN.findall(text)
    )
    if not found:
        return 0.0
    rank = found[min(len(found) - 1, math.ceil(COVERED * len(found)) - 1)]
    for (low, before), (high, after) in itertools.pairwise(YEARS):
        if rank <= high:
            return before + (after - before) * (rank - low) / (high - low)
    return HARDEST
