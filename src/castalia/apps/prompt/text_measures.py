"""Numbers and names of a text that need no model: its language, how hard it is to read, how alike
two texts are.

language      the script; for Latin letters, the short words that each language is full of.
readability   Flesch's reading ease (1948) and Kincaid's grade (1975), for English; words or Chinese
              characters a sentence, for any.
similarity    chrF (Popovic 2015): how many n-grams of characters, n = 1 .. 6, two texts share. It
              sees wording, not meaning: paraphrases score low.
"""

from __future__ import annotations

import re
from collections import Counter

from castalia.text_files.letter_frequencies import LATIN

UNKNOWN = "unknown"
ORDERS, RECALL = 6, 2.0  # longest n-grams; how much more recall counts than precision
SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "zh": re.compile(r"[\u3400-\u9fff]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "el": re.compile(r"[\u0370-\u03ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "he": re.compile(r"[\u0590-\u05ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
}
KANA = 0.05  # share of kana beside Han characters from which a text is Japanese
# letters of a Latin word weigh less than a character that is a word or a syllable
LETTERS = {"latin": 5.0, "ru": 5.0, "el": 5.0}
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_END = re.compile(r"[.!?。！？…]+[\"'”’」』)）]*(?:\s+|(?<=[。！？…”」』）])|$)|\n\s*\n")
_VOWELS = re.compile(r"[aeiouy]+")
_HAN = SCRIPTS["zh"]


def language(text: str) -> str:
    """A code such as "en" or "zh"; "unknown" where there are too few letters to say."""
    counts = {
        name: len(pattern.findall(text)) / LETTERS.get(name, 1.0)
        for name, pattern in SCRIPTS.items()
    }
    han, kana = counts["zh"], counts["ja"]
    if kana and kana >= KANA * (han + kana):
        counts["ja"], counts["zh"] = han + kana, 0.0
    best = max(counts, key=lambda name: counts[name])
    if not counts[best]:
        return UNKNOWN
    return _latin(text) if best == "latin" else best


def _latin(text: str) -> str:
    words = [word.lower() for word in _WORD.findall(text)]
    scores = {
        name: sum(word in one.words for word in words)
        + 0.5 * sum(letter in one.letters for word in words for letter in word if letter > "\x7f")
        for name, one in LATIN.items()
    }
    best = max(scores, key=lambda name: scores[name])
    tied = [name for name, score in scores.items() if score == scores[best]]
    return best if scores[best] and len(tied) == 1 else UNKNOWN


def words_of(text: str) -> list[str]:
    """Words; each Chinese character is one."""
    spaced = _HAN.sub(lambda match: f" {match[0]} ", text)
    return _WORD.findall(spaced)


def sentences_of(text: str) -> int:
    """At least 1 where there is a word."""
    parts = [part for part in _END.split(text) if part and _WORD.search(part)]
    return max(1, len(parts)) if _WORD.search(text) else 0


def readability(text: str, measure: str) -> float | None:
    """measure: "ease" (100 is easy), "grade" (years of school), "sentence" (words a sentence). None
    for a text without words, and for ease and grade of a text that is not in Latin letters.
    """
    words, sentences = words_of(text), sentences_of(text)
    if not words:
        return None
    long = len(words) / sentences
    if measure == "sentence":
        return long
    if any(_HAN.match(word) for word in words):
        return None
    beats = sum(map(syllables, words)) / len(words)
    if measure == "ease":
        return 206.835 - 1.015 * long - 84.6 * beats
    return 0.39 * long + 11.8 * beats - 15.59


def syllables(word: str) -> int:
    """Of an English word, by its groups of vowels: a silent e at the end does not count."""
    plain = word.lower()
    count = len(_VOWELS.findall(plain))
    silent = plain.endswith("e") and not plain.endswith(("le", "ee", "ie", "ye"))
    ending = plain.endswith(("ed", "es")) and not re.search(r"([td]ed|[sxzcg]es|[cs]hes)$", plain)
    return max(1, count - (1 if (silent or ending) and count > 1 else 0))


def chrf(text: str, wanted: str) -> float:
    """In [0, 1]; 1 for equal texts, white space aside. Orders for which one of the texts is too
    short do not count.
    """
    one, other = "".join(text.split()), "".join(wanted.split())
    if one == other:
        return 1.0
    precision, recall, orders = 0.0, 0.0, 0
    for n in range(1, ORDERS + 1):
        a, b = _grams(one, n), _grams(other, n)
        if not a or not b:
            continue
        shared = sum((a & b).values())
        precision += shared / a.total()
        recall += shared / b.total()
        orders += 1
    if not orders or not precision or not recall:
        return 0.0
    p, r, weight = precision / orders, recall / orders, RECALL**2
    return (1 + weight) * p * r / (weight * p + r)


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[place : place + n] for place in range(len(text) - n + 1))
