"""Exercises on single words: of a user's text, and of a user's list of words with meanings.

English: the letters of a word in another order, the first one given. Chinese: a word to be written
from its pronunciation. Of a list: the word that a meaning belongs to, among four of the list. Each
has one answer within the text or the list, which word_checks.py looks for again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from castalia.apps.lesson.exercise import Exercise
from castalia.apps.lesson.pronunciation import pronounced
from castalia.apps.lesson.text import Text
from castalia.apps.lesson.word_checks import check_meaning, check_words
from castalia.errors import DataError
from castalia.sentences import say
from castalia.text_files import columns

SHORTEST, LONGEST, OTHERS = 5, 10, 3
LETTERS = {
    "en": "Put the letters in order (a word of the text that begins with “{0}”): {1}",
    "zh": "看拼音写词语（课文中的词）：{1}",
}
MEANING = {"en": "Which word means “{0}”?", "zh": "哪个词的意思是“{0}”？"}
WORD_COLUMNS, MEANING_COLUMNS = ("word", "词语", "词"), ("meaning", "释义", "意思")
Glossary = dict[str, str]  # word -> meaning


def of_text(text: Text, rng: Random) -> Iterator[Exercise]:
    """Words of the text in a drawn order."""
    words = sorted(text.content)
    rng.shuffle(words)
    for word in words:
        if text.language == "zh":
            if not (sound := pronounced(word)):
                continue
            question = LETTERS["zh"].format("", sound)
        elif SHORTEST <= len(word) <= LONGEST and word.isalpha():
            question = LETTERS["en"].format(word[0], " ".join(_shuffled(word, rng)))
        else:
            continue
        made = Exercise("vocabulary", question, word, why=say("no other word of the text fits"))
        if check_words(made, text).state == "right":
            yield made


def of_list(glossary: Glossary, language: str, rng: Random) -> Iterator[Exercise]:
    """Meanings of the list in a drawn order, each with four words to choose from."""
    words = sorted(glossary)
    rng.shuffle(words)
    for word in words:
        others = rng.sample([one for one in sorted(glossary) if one != word], OTHERS)
        choices = [word, *others]
        rng.shuffle(choices)
        made = Exercise(
            "vocabulary",
            MEANING[language].format(glossary[word]),
            word,
            choices=tuple(choices),
            why=say("so says the list of words"),
        )
        if check_meaning(made, glossary).state == "right":
            yield made


def read_list(path: Path) -> Glossary:
    """A table with the columns word and meaning. Raises DataError where a word stands twice with
    different meanings, two words have one meaning, or there are fewer than four.
    """
    table = columns.read(path)
    word = _column(table, WORD_COLUMNS)
    meaning = _column(table, MEANING_COLUMNS)
    found: Glossary = {}
    for row, (one, means) in enumerate(zip(table.cells(word), table.cells(meaning), strict=True)):
        if not one or not means:
            raise DataError(
                say("a word or its meaning is empty"), table.place(word, row), say("fill the cell")
            )
        same = [key for key, known in found.items() if known == means]
        if found.get(one, means) != means or (same and same != [one]):
            raise DataError(
                say("a word has two meanings, or a meaning two words"),
                table.place(word, row),
                say("only what is decided can be asked: keep one of them"),
            )
        found[one] = means
    if len(found) <= OTHERS:
        raise DataError(
            say("the list has {0} words", len(found)), path.name, say("{0} at least", OTHERS + 1)
        )
    return found


def _column(table: columns.Source, names: tuple[str, ...]) -> str:
    known = {name.casefold(): name for name in table.columns}
    for name in names:
        if name in known:
            return known[name]
    raise columns.missing(names[0], list(table.columns), table.name)


def _shuffled(word: str, rng: Random) -> str:
    """The letters in another order than the word's; of some words none is far from it."""
    letters = list(word)
    for _ in range(20):
        rng.shuffle(letters)
        if sum(one == other for one, other in zip(letters, word, strict=True)) <= len(word) // 3:
            break
    return "".join(letters)
