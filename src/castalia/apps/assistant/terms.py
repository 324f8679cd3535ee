"""What a question and a passage are compared by: words of English without their endings, pairs of
neighbouring characters of Chinese, and pieces of words for what is misspelt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_RUN = re.compile(r"[㐀-鿿]+|[^\W_㐀-鿿]+(?:['’.,-][^\W_㐀-鿿]+)*")
_HAN = re.compile(r"[㐀-鿿]")
_KANA_HANGUL = re.compile(r"[぀-ヿ가-힣]")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_SENTENCE = re.compile(r"(?<=[。！？；])|(?<=[.!?])(?=\s+[A-Z\"'(\d㐀-鿿])|\n+")
# words by which questions are asked, and which say nothing of what they are about
EMPTY = frozenset(
    re.findall(
        r"\w+",
        """a an the is are was were be been am do does did can could may might will would shall
        should i me my we us our you your he she it its they them their this that these those there
        what which who whom how when where why if of to in on at by for from with about into as and
        or have has had get got please tell know want need so just any some not no yes hi hello
        thanks don didn doesn isn aren ve ll re im m s t d""",
    )
)
EMPTY_HAN = frozenset("的了吗呢吧啊是在有和与或我你您他她它们这那请问一个么什怎哪谁为可以能会要想")
# of everyday questions in other languages that are written in Latin letters, too
_FOREIGN = frozenset(
    re.findall(
        r"\w+",
        """der die das und ist nicht ich wie kann wo warum welche mein eine le la les des est que
        quoi comment pourquoi où je mon une el los las qué cómo cuándo dónde puedo mi una por para
        il come posso quando dove perché os uma não meu quanto""",
    )
)


def language(text: str) -> str:
    """ "zh", "en", "other", or "" where there is no letter at all."""
    han = len(_HAN.findall(text))
    strange = len(_KANA_HANGUL.findall(text))
    letters = sum(map(str.isalpha, text))
    latin = len(_LATIN.findall(text))
    if not letters:
        return ""
    if strange > 0.2 * letters:
        return "other"
    if 2 * han >= len(re.findall(r"[A-Za-z]+", text)) and han:
        return "zh"
    if latin < 0.5 * letters:
        return "other"
    words = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(word in _FOREIGN for word in words)
    return "other" if foreign >= 2 and foreign > sum(word in EMPTY for word in words) else "en"


def terms(text: str) -> list[str]:
    """Words and pairs of characters, in order, those that say nothing included."""
    return list(_terms(text))


def content(text: str) -> list[str]:
    """`terms` without the words by which questions are asked."""
    return [term for term in _terms(text) if says_something(term)]


def says_something(term: str) -> bool:
    if _HAN.match(term):
        return not all(one in EMPTY_HAN for one in term)
    return term not in EMPTY


def grams(text: str) -> list[str]:
    """Pieces of three and four characters of words; single characters and pairs of Chinese."""
    found: list[str] = []
    for run in _runs(text):
        if _HAN.match(run):
            found += run
            found += [run[place : place + 2] for place in range(len(run) - 1)]
            continue
        word = f"<{run[:40]}>"
        for size in (3, 4):
            found += [word[place : place + size] for place in range(len(word) - size + 1)]
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a text, as they stand there."""
    return [one.strip() for one in _SENTENCE.split(text) if one and one.strip()]


def numbers(text: str) -> list[tuple[str, str]]:
    """(number, the word or the character that follows) of a text; 1,000 is 1000."""
    found = re.findall(r"(?<![\w.])(\d+(?:[.,]\d+)*)\s*(%|[㐀-鿿]|[^\W\d_]+)?", _plain(text))
    return [(number.replace(",", ""), stem(after)) for number, after in found]


def stem(word: str) -> str:
    """An English word without its commonest endings; it need not be a word."""
    for ending, least, instead in (
        ("ies", 5, "y"),
        ("sses", 6, "ss"),
        ("ing", 6, ""),
        ("ed", 5, ""),
        ("es", 5, ""),
        ("s", 4, ""),
    ):
        if word.endswith(ending) and len(word) >= least and not word.endswith(("ss", "us", "is")):
            word = word.removesuffix(ending) + instead
            break
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _terms(text: str) -> Iterator[str]:
    for run in _runs(text):
        if not _HAN.match(run):
            for word in re.split(r"['’-]", run):
                if word:
                    yield word if word in EMPTY else stem(word)
        elif len(run) == 1:
            yield run
        else:
            yield from (run[place : place + 2] for place in range(len(run) - 1))


def _runs(text: str) -> Iterator[str]:
    return (match[0] for match in _RUN.finditer(_plain(text)))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()
