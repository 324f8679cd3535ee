"""Captions: short texts that a model is told, as the words that it knows.

A word is a run of letters with the marks and apostrophes on them, a number, or one Chinese or
Japanese character, whatever its case. A model knows the words of its training captions, which stand
in its `Words`; others are passed over, and named to whoever asks. Importing this file does not
import torch.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from castalia.errors import RecipeError
from castalia.sentences import say
from castalia.spec import Words

MOST_WORDS = 8192  # different ones that a model knows
LONGEST = 64  # words of a caption that are read
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


def known_words(captions: Iterable[str]) -> Words:
    """What a model can be told after training on these captions: their most frequent words."""
    counts, longest = Counter[str](), 1
    for caption in captions:
        words = words_in(caption)
        counts.update(words)
        longest = max(longest, len(words))
    chosen = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_WORDS]
    return Words(tuple(word for word, _ in chosen), min(LONGEST, max(8, longest)))


class Caption:
    """Reads captions for one kind of `Words`."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._number = {word: place + 1 for place, word in enumerate(words.vocabulary)}

    def numbers(self, text: str) -> list[int]:
        """(words.length,) numbers of the words that are known, then 0."""
        known = [self._number[word] for word in words_in(text) if word in self._number]
        known = known[: self.words.length]
        return known + [0] * (self.words.length - len(known))

    def text(self, numbers: Iterable[int]) -> str:
        """The caption of these numbers up to the first 0. Spaces stand between words, and not
        between Chinese characters.
        """
        said = ""
        for number in numbers:
            if number == 0:
                break
            word = self.words.vocabulary[number - 1]
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
        """The words that are passed over, each once."""
        return list(dict.fromkeys(word for word in words_in(text) if word not in self._number))

    def asked(self, name: str, text: str) -> list[int]:
        """`numbers` of a text that somebody gave as the condition `name`. Raises RecipeError where
        the model knows none of its words.
        """
        numbers = self.numbers(text)
        if not any(numbers) and words_in(text):
            raise RecipeError(
                say("the model knows none of these words"),
                where=f"{name}: {' '.join(words_in(text))[:80]}",
                fix=say("it knows, for example: {0}", ", ".join(self.words.vocabulary[:20])),
            )
        return numbers
