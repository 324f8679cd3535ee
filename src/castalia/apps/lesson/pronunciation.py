"""Pronunciation of Chinese words in pinyin with tone marks, by the optional package pypinyin."""

from __future__ import annotations

from castalia.errors import MissingExtra
from castalia.sentences import say


def pronounced(word: str) -> str:
    """ "jīng jì" of 经济. Raises MissingExtra without pypinyin."""
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError as error:
        raise MissingExtra("pypinyin", "chinese", say("pronunciation of Chinese words")) from error
    return " ".join(lazy_pinyin(word, style=Style.TONE))
