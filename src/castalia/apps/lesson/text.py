"""A user's text as sentences of words, each word with the kind it is of.

English has no list of words here. What kind a word is of is read off its neighbours in the text:
after "the" and before a comma it is a noun, after "to" a verb, after "very" an adjective, and -ly,
-ing and -ed say it themselves. A word is of a kind only where it was seen so more often than not;
of many words nothing is known, and they are not used. Chinese words and their kinds are those of
jieba (an optional package), of two characters and more. Names are not used.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from castalia.apps.lesson.readability import HAN, WORD
from castalia.errors import DataError, MissingExtra
from castalia.sentences import say
from castalia.text_files import encodings

# of a text; Chinese is cut into words, which takes longer
MOST_CHARACTERS = {"en": 2_000_000, "zh": 300_000}
_ENDS = re.compile(
    r"(?<=[。！？])(?![”’」』）])|(?<=[。！？][”’」』）])|(?<=[.!?])(?=\s+[\"'“‘(]?[A-Z0-9])|(?<=[.!?][\"”’])(?=\s+[A-Z])"
)
_SHORT = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|St|Prof|Gen|Sen|Rep|Gov|vs|etc|No|Jr|Sr|[A-Z]|U\.S|e\.g|i\.e)\.$"
)
FUNCTION = frozenset(
    re.findall(
        r"\S+",
        """a an the this that these those my your his her its our their some any no every each
        all both few many more most much several such other another same own i me we us you he him
        she it they them who whom whose which what when where why how there here be am is are was
        were been being have has had having do does did done doing will would shall should can
        could may might must ought not never also only just even still yet too very so as than then
        now and or but nor if because while until unless since before after though although of to in
        on at by for from with without about into onto over under between among through during
        against upon up down out off above below again once ever let one two three four five six
        seven eight nine ten first second next last already always often sometimes perhaps rather
        quite almost ourselves themselves itself myself yourself himself herself don't can't won't
        isn't doesn't didn't i'm i've it's we're we've you're they're that's let's there's what's
        make made get got go going come like well back new good great""",
    )
)
_ONE = frozenset(["a", "an", "every", "each", "another", "this"])
_THE = frozenset(["the", "our", "their", "its", "his", "her", "my", "your", "that", "no", "of"])
_MANY = frozenset(["these", "those", "many", "few", "several", "all", "both", "other", "some"])
_BEFORE_VERB = frozenset(
    [
        "to",
        "will",
        "can",
        "must",
        "would",
        "should",
        "could",
        "may",
        "might",
        "shall",
        "we",
        "i",
        "they",
        "you",
    ]
)
_DEGREE = frozenset(["very", "more", "most", "so", "too", "as", "quite", "rather"])
_NO_ADVERBS = frozenset(
    [
        "family",
        "elderly",
        "supply",
        "friendly",
        "lonely",
        "lovely",
        "likely",
        "anomaly",
        "assembly",
        "monopoly",
        "costly",
    ]
)
_JIEBA = {"n": "noun", "v": "verb", "a": "adjective", "i": "idiom"}


class Word(NamedTuple):
    """text: as it stands in its sentence, from character `start`. key: as it is counted."""

    text: str
    start: int
    key: str


@dataclass(frozen=True)
class Phrase:
    """words: in order. paragraph: number. line: of the file, from 1."""

    text: str
    words: tuple[Word, ...]
    paragraph: int
    line: int


@dataclass(frozen=True)
class Text:
    """A text in one language. flags: of Chinese words, their kinds by jieba."""

    name: str
    language: str
    whole: str
    sentences: Sequence[Phrase]
    flags: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each word stands in the text."""
        return Counter(word.key for one in self.sentences for word in one.words)

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """word -> kind; of words without a kind nothing."""
        if self.language == "zh":
            return {word: _JIEBA[self.flags[word]] for word in self.counts if word in self.flags}
        return _kinds(self)

    @cached_property
    def content(self) -> frozenset[str]:
        """Words that say something and are no names: in Chinese those of a kind."""
        if self.language == "zh":
            return frozenset(self.kinds)
        named = {
            word.key for one in self.sentences for word in one.words[1:] if word.text[0].isupper()
        }
        return frozenset(
            word for word in self.counts if word.isalpha() and word not in FUNCTION | named
        )

    @cached_property
    def of_kind(self) -> Mapping[str, list[str]]:
        """kind -> its words, in the order of the alphabet."""
        found = defaultdict(list)
        for word in sorted(self.kinds):
            found[self.kinds[word]].append(word)
        return found

    @cached_property
    def together(self) -> Mapping[str, set[int]]:
        """word -> numbers of the sentences that it stands in."""
        found: dict[str, set[int]] = defaultdict(set)
        for number, one in enumerate(self.sentences):
            for word in one.words:
                found[word.key].add(number)
        return found


def read(path: Path) -> Text:
    """The text of a file in any encoding. Raises DataError for one without sentences, and
    MissingExtra for Chinese without jieba.
    """
    parts, size = [], 0
    for block in encodings.blocks(path, encodings.detect(path)):
        parts.append(block)
        size += len(block)
        if size > max(MOST_CHARACTERS.values()):
            break  # `of` refuses it
    return of("".join(parts), path.name)


def of(whole: str, name: str) -> Text:
    """`read` of a text in memory."""
    han, latin = len(HAN.findall(whole)), len(re.findall(r"[A-Za-z]+", whole))
    language = "zh" if han > latin else "en"
    if len(whole) > MOST_CHARACTERS[language]:
        raise DataError(
            say("the text has more than {0:,} characters", MOST_CHARACTERS[language]),
            name,
            say("give a part of it"),
        )
    flags: dict[str, str] = {}
    found = []
    for paragraph, (line, text) in enumerate(_paragraphs(whole)):
        for sentence in sentences_of(text):
            words = _chinese(sentence, flags) if language == "zh" else _english(sentence)
            found.append(Phrase(sentence, words, paragraph, line))
    if not any(one.words for one in found):
        raise DataError(say("the text has no sentence with words"), name, say("give running text"))
    return Text(name, language, whole, found, flags)


def sentences_of(text: str) -> list[str]:
    """The sentences of a paragraph."""
    found: list[str] = []
    for part in _ENDS.split(text):
        piece = part.strip()
        if piece and found and _SHORT.search(found[-1]):
            found[-1] += f" {piece}"
        elif piece:
            found.append(piece)
    return found


@cache
def _tagger() -> Any:
    """jieba's tagger. Its dictionary is read here, because jieba itself keeps a cache in a folder
    that everybody may write to.
    """
    try:
        import jieba
        from jieba import posseg
    except ImportError as error:
        raise MissingExtra("jieba", "chinese", say("words of a Chinese text")) from error
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return posseg.POSTokenizer(tokenizer)


def _chinese(sentence: str, flags: dict[str, str]) -> tuple[Word, ...]:
    found, place = [], 0
    for pair in _tagger().cut(sentence):
        if HAN.match(pair.word):
            found.append(Word(pair.word, place, pair.word))
            if len(pair.word) > 1 and pair.flag in _JIEBA:
                flags[pair.word] = pair.flag
        place += len(pair.word)
    return tuple(found)


def _english(sentence: str) -> tuple[Word, ...]:
    return tuple(
        Word(match[0], match.start(), match[0].lower().replace("’", "'"))
        for match in WORD.finditer(sentence)
    )


def _paragraphs(whole: str) -> list[tuple[int, str]]:
    """(line, text): blocks between blank lines where lines are short, else lines."""
    lines = [line.strip() for line in whole.replace("\r", "\n").split("\n")]
    filled = [line for line in lines if line]
    wrapped = "" in lines and sum(map(len, filled)) < 100 * len(filled)
    found: list[tuple[int, str]] = []
    joined = False
    for number, line in enumerate(lines, 1):
        if line and joined and wrapped:
            between = "" if HAN.match(line) else " "
            found[-1] = (found[-1][0], f"{found[-1][1]}{between}{line}")
        elif line:
            found.append((number, line))
        joined = bool(line)
    return found


def _kinds(text: Text) -> dict[str, str]:
    """The kind that a word was seen as more often than as anything else, in at least two places."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in text.sentences:
        for place, word in enumerate(sentence.words):
            if word.key in FUNCTION or "'" in word.key or len(word.key) < 4:
                continue
            if word.text[0].isupper():
                if place:
                    seen[word.key]["name"] += 1
                continue
            seen[word.key][_seen_as(sentence, place)] += 1
    found = {}
    for word, kinds in seen.items():
        (kind, count), total = kinds.most_common(1)[0], sum(kinds.values())
        known = sum(number for name, number in kinds.items() if name)
        if kind and kind != "name" and count >= 2 and count > 0.6 * known and 3 * count >= total:
            found[word] = kind
    return found


def _seen_as(sentence: Phrase, place: int) -> str:
    """What a word is in this place; "" where the place does not say."""
    word = sentence.words[place].key
    if word.endswith("ly") and len(word) > 5 and word not in _NO_ADVERBS:
        return "adverb"
    if word.endswith("ing") and len(word) > 5:
        return "ing"
    if word.endswith("ed") and len(word) > 4 and word not in ("indeed", "hundred", "speed"):
        return "past"
    before = sentence.words[place - 1].key if place else ""
    further = sentence.words[place - 2].key if place > 1 else ""
    ended = _ends_here(sentence, place)
    many = word.endswith("s") and not word.endswith(("ss", "us", "is"))
    if before in _DEGREE and not many:
        return "adjective"
    if before in _BEFORE_VERB:
        return "" if many or (before == "to" and ended) else "verb"
    if before in _MANY and many:
        return "plural"
    headed = before if before in FUNCTION else further  # the year, the fiscal year
    if headed in _ONE and ended and not many:
        return "noun"
    if headed in _THE and ended:
        return "plural" if many else "noun"
    return ""


def _ends_here(sentence: Phrase, place: int) -> bool:
    """Whether a group of words ends with this one: a sign or a small word follows."""
    word = sentence.words[place]
    after = sentence.text[word.start + len(word.text) :]
    following = sentence.words[place + 1].key if place + 1 < len(sentence.words) else ""
    return not after.startswith(" ") or following in FUNCTION
