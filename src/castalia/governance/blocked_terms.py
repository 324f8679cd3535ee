"""Find blocked terms in text, English and Chinese, whole or as a stream.

Text and terms are folded character by character, so that a stream finds what the whole text would:
compatibility forms to plain ones (NFKD: full-width Ａ, circled ⓐ, ligatures), case folded,
zero-width and other invisible characters dropped, diacritics dropped (é, a̶ and ZALGO are e, a and
zalgo), frequent traditional Chinese characters to simplified ones (traditional_chinese.py).

A term of letters is matched as whole words: "ass" is not in "class", and "big bomb", "big-bomb" and
"BIG BOMB" are one term. In a term with Chinese characters (or kana) blanks and punctuation do not
count: "敏 感、詞" is "敏感词". At most `WIDEST` of them in a row are skipped, so a term is not put
together from two paragraphs.

Not found: letters set apart ("b o m b"), letters of other scripts that look alike, digits for
letters ("b0mb"), inflections that are not listed, synonyms, and traditional characters beyond the
table. A list of terms is a first filter, not the only one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from castalia.errors import RecipeError
from castalia.governance.traditional_chinese import SIMPLIFIED
from castalia.sentences import say

WIDEST = 8  # blanks and signs in a row that a term may be stretched by

# Han, kana: written without spaces, so a term begins and ends anywhere.
_ALONE = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_DIACRITICS = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
GAP, WORD, ALONE = 0, 1, 2
# keys of a node: a gap between two words, and the label of a term that ends here
_BLANK, _END = " ", ""

Node = dict[str, Any]


@lru_cache(maxsize=1 << 16)
def folded(character: str) -> str:
    """What one character is compared as: none, one or several characters."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(SIMPLIFIED.get(one, one) for one in plain if not _hidden(one))


def _hidden(one: str) -> bool:
    category = unicodedata.category(one)
    return (
        category == "Cf"
        or (category == "Cc" and not one.isspace())
        or one in _FILLERS
        or _DIACRITICS.match(one) is not None
    )


@lru_cache(maxsize=1 << 16)
def _kind(one: str) -> int:
    if _ALONE.match(one):
        return ALONE
    return WORD if one.isalnum() or unicodedata.category(one)[0] == "M" else GAP


class Terms:
    """A set of terms, each under a label (the rule that blocks it). Costs one dictionary step per
    character of text, however many terms.
    """

    def __init__(self, terms: Iterable[tuple[Any, str]]) -> None:
        """Raises RecipeError for a term of which folding leaves nothing that could be meant."""
        self.root: Node = {}
        for label, term in terms:
            node = self.root
            for key in _keys(term):
                node = node.setdefault(key, {})
            node.setdefault(_END, label)

    def __bool__(self) -> bool:
        return bool(self.root)

    def find(self, text: str) -> Any | None:
        """The label of the first term that ends in `text`, or None."""
        scanner = Scanner(self)
        scanner.push(text)
        scanner.finish()
        return scanner.blocked_by


def _keys(term: str) -> list[str]:
    """The path of a term through the tree: its characters, and `_BLANK` between two words."""
    keys: list[str] = []
    last, gap = GAP, False
    for one in "".join(map(folded, term)):
        kind = _kind(one)
        if kind == GAP:
            gap = True
            continue
        if gap and last == kind == WORD:
            keys.append(_BLANK)
        keys.append(one)
        last, gap = kind, False
    if not keys or (len(keys) == 1 and last == WORD and keys != [term.casefold()]):
        raise RecipeError(
            say("nothing of this term is left to compare"),
            where=f"term {term!r}",
            fix=say("signs do not count; write letters"),
        )
    return keys


class Scanner:
    """One text, read in pieces. `push` returns what can no longer become part of a term;
    `blocked_by` is the label of the first term, or None.
    """

    def __init__(self, terms: Terms) -> None:
        self.blocked_by: Any | None = None
        self._root = terms.root
        self._live: list[tuple[int, Node]] = []  # terms begun: where in the text, and how far
        self._last, self._gap = GAP, 0
        self._read = 0  # characters so far
        self._held = ""

    def push(self, piece: str) -> str:
        """Read on. What is returned was held back no longer than a term that it might begin;
        nothing once a term was found.
        """
        for character in piece:
            for one in folded(character):
                self._take(one)
            self._read += 1
        self._held += piece
        return self._free(min((start for start, _ in self._live), default=self._read))

    def finish(self) -> str:
        """The text ends here, and so does a word."""
        self._close_word()
        return self._free(self._read)

    def _free(self, until: int) -> str:
        if self.blocked_by is not None:
            return ""
        count = len(self._held) - (self._read - until)
        free, self._held = self._held[:count], self._held[count:]
        return free

    def _take(self, one: str) -> None:
        kind = _kind(one)
        if kind == GAP:
            self._close_word()
            self._gap += 1
            if self._gap > WIDEST:
                self._live.clear()
            return
        joined = self._last == kind == WORD and not self._gap
        if not joined:
            self._close_word()
        apart = self._last == kind == WORD and self._gap > 0
        further = []
        for start, node in self._live:
            step = node.get(_BLANK) if apart else node
            if step is not None and one in step:
                further.append((start, step[one]))
        if not joined and one in self._root:
            further.append((self._read, self._root[one]))
        self._live = further
        self._last, self._gap = kind, 0
        if kind == ALONE:
            self._note()

    def _close_word(self) -> None:
        if self._last == WORD and not self._gap:
            self._note()

    def _note(self) -> None:
        if self.blocked_by is None:
            self.blocked_by = next((node[_END] for _, node in self._live if _END in node), None)
