"""Pronunciation of Chinese words in pinyin with tone marks, by the optional package pypinyin.

A word is pronounced only where its pronunciation is sure: where it stands in pypinyin's list of
phrases, or none of its characters has a second reading. Else a default would be printed, such as
zhǒng for the 种 of 种成.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from castalia.errors import MissingExtra
from castalia.sentences import say


def pronounced(word: str) -> str:
    """ "jīng jì" of 经济; "" where it is not sure. Raises MissingExtra without pypinyin."""
    found = _pypinyin(word)
    return " ".join(one[0] for one in found) if all(len(one) == 1 for one in found) else ""


@lru_cache(maxsize=1 << 15)
def readings(character: str) -> frozenset[str]:
    """All readings of one character."""
    return frozenset(_pypinyin(character)[0])


def _pypinyin(word: str) -> list[list[str]]:
    try:
        from pypinyin import Style, pinyin
    except ImportError as error:
        raise MissingExtra("pypinyin", "chinese", say("pronunciation of Chinese words")) from error
    found: Any = pinyin(word, style=Style.TONE, heteronym=True)
    return [list(dict.fromkeys(one)) for one in found]
