"""Captions: short texts that a model is told, as the words or the letters that it knows.

A word is a run of letters with the marks and apostrophes on them, a number, or one Chinese or
Japanese character, whatever its case. A model knows the words of its training captions, which stand
in its `Words`; others are passed over, and named to whoever asks.

In letters a text is said aloud: its letters and digits in order, a space between words, a comma
where it pauses, and a space before and behind it all. Chinese characters are said in pinyin with
the number of the tone ("ma1"), by the optional pypinyin. Importing this file does not import torch.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from castalia.errors import MissingExtra, RecipeError
from castalia.sentences import say
from castalia.spec import Words

Unit = Literal["word", "letter"]

MOST_WORDS = 8192  # different ones that a model knows
LONGEST = 64  # words of a caption that are read
LONGEST_ALOUD = 512  # letters
PAUSE, BREAK = " ", ","  # between words, and where a text stops for a moment
SINGLE = (  # scripts in which a character is a word
    (0x3041, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def words_in(text: str) -> list[str]:
    """The words of a text, in order: "A RED apple's, 2 红" -> a, red, apple's, 2, 红."""
    return list(_words(unicodedata.normalize("NFKC", text).casefold()))


def _words(text: str) -> Iterator[str]:
    word, kind = "", ""
    for place, character in enumerate(text):
        now = _kind(character)
        if now == "join":  # an apostrophe between letters
            after = text[place + 1 : place + 2]
            now = "letter" if kind == "letter" and after.isalpha() else ""
        if word and (now != kind or now == "single"):
            yield word
            word = ""
        word, kind = (word + character, now) if now else ("", "")
    if word:
        yield word


def _kind(character: str) -> str:
    code = ord(character)
    if any(first <= code <= last for first, last in SINGLE):
        return "single"
    if character.isalpha() or unicodedata.category(character).startswith("M"):
        return "letter"
    if character.isdigit():
        return "digit"
    return "join" if character in "'’" else ""


def letters_in(text: str) -> list[str]:
    """The letters of a text as it is said: "Hi, 妈妈!" -> " hi,ma1 ma1 "; none of a text without
    one. Raises MissingExtra for Chinese characters where pypinyin is not installed.
    """
    said, plain = "", in_pinyin(unicodedata.normalize("NFKC", text).casefold())
    for place, character in enumerate(plain):
        kind = _kind(character)
        if kind in ("letter", "digit"):
            said += character
        elif kind == "join" and said[-1:].isalpha() and plain[place + 1 : place + 2].isalpha():
            said += "'"
        elif character.isspace() or character in "-_":
            said += PAUSE if said[-1:] not in (PAUSE, BREAK) else ""
        elif kind != "join" and unicodedata.category(character).startswith("P"):
            said = said.rstrip(PAUSE + BREAK) + BREAK
    said = said.strip(PAUSE + BREAK)
    return [PAUSE, *said, PAUSE] if said else []


def in_pinyin(text: str) -> str:
    """A text with its Chinese characters as syllables with the number of the tone (5: neutral), a
    space around each.
    """
    if not any(_kind(character) == "single" for character in text):
        return text
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError:
        raise MissingExtra("pypinyin", "chinese", where=text[:40]) from None
    parts = lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True)
    return " ".join(parts)


def units_in(text: str, unit: Unit) -> list[str]:
    """`words_in` or `letters_in`."""
    return letters_in(text) if unit == "letter" else words_in(text)


def known_words(captions: Iterable[str], unit: Unit = "word") -> Words:
    """What a model can be told after training on these captions: their most frequent words, in
    texts as long as the longest; or letters, in texts a quarter longer.
    """
    counts, longest = Counter[str](), 1
    for caption in captions:
        words = units_in(caption, unit)
        counts.update(words)
        longest = max(longest, len(words))
    chosen = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_WORDS]
    longest, most = (longest * 5 // 4, LONGEST_ALOUD) if unit == "letter" else (longest, LONGEST)
    return Words(tuple(word for word, _ in chosen), min(most, max(8, longest)), unit)


class Caption:
    """Reads captions for one kind of `Words`."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._number = {word: place + 1 for place, word in enumerate(words.vocabulary)}

    def numbers(self, text: str) -> list[int]:
        """(words.length,) numbers of the words that are known, then 0."""
        known = self._known(text)[: self.words.length]
        return known + [0] * (self.words.length - len(known))

    def _known(self, text: str) -> list[int]:
        said = units_in(text, self.words.unit)
        known = [self._number[one] for one in said if one in self._number]
        # pauses alone say nothing
        return known if self.words.unit == "word" or self._speaks(known) else []

    def _speaks(self, numbers: Iterable[int]) -> bool:
        return any(self.words.vocabulary[number - 1] not in (PAUSE, BREAK) for number in numbers)

    def text(self, numbers: Iterable[int]) -> str:
        """The caption of these numbers up to the first 0. Spaces stand between words, and not
        between Chinese characters.
        """
        said = ""
        for number in numbers:
            if number == 0:
                break
            word = self.words.vocabulary[number - 1]
            if self.words.unit == "letter":
                said += word
                continue
            close = said and _kind(said[-1]) == "single" and _kind(word[0]) == "single"
            said += word if close or not said else f" {word}"
        return said

    def usable(self, language: str) -> list[bool]:
        """For each word of the vocabulary, whether a caption in this language may have it: "zh"
        Chinese characters, "en" words of letters; numbers in both.
        """
        return [
            word.isdigit() or (_kind(word[0]) == "single") == (language == "zh")
            for word in self.words.vocabulary
        ]

    def language(self, numbers: Iterable[int]) -> str:
        """ "zh" where most words of a caption are Chinese characters, else "en"."""
        chinese = [
            _kind(self.words.vocabulary[number - 1][0]) == "single" for number in numbers if number
        ]
        return "zh" if 2 * sum(chinese) > len(chinese) else "en"

    def unknown(self, text: str) -> list[str]:
        """The words, or letters, that are passed over, each once."""
        said = units_in(text, self.words.unit)
        return list(
            dict.fromkeys(
                one for one in said if one not in self._number and one not in (PAUSE, BREAK)
            )
        )

    def asked(self, name: str, text: str) -> list[int]:
        """`numbers` of a text that somebody gave as the condition `name`. Raises RecipeError where
        the model knows none of its words or letters, or where it has more letters than are read:
        what is left out would be missed.
        """
        known, letters = self._known(text), self.words.unit == "letter"
        if not known and units_in(text, self.words.unit):
            raise RecipeError(
                say("the model knows none of these letters")
                if letters
                else say("the model knows none of these words"),
                where=f"{name}: {' '.join(words_in(text))[:80]}",
                fix=say(
                    "it knows, for example: {0}",
                    ", ".join(
                        one for one in self.words.vocabulary[:22] if one not in (PAUSE, BREAK)
                    ),
                ),
            )
        if letters and len(known) > self.words.length:
            raise RecipeError(
                say(
                    "the text has {0} letters and pauses; this model says {1} at most",
                    len(known),
                    self.words.length,
                ),
                where=f"{name}: {text[:80]}",
                fix=say("ask for one part after the other"),
            )
        return self.numbers(text)
