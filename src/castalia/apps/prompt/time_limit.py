"""Regular expressions that end: `(a+)+$` on a long text would otherwise run for years.

Python's own `re`, because that is what people write, with a limit of CPU time. The limit is a timer
of the process's own CPU time (setitimer, ITIMER_VIRTUAL), whose signal `re` looks for while it
searches; signals reach the main thread alone, so elsewhere a text is only cut.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from castalia.errors import RecipeError
from castalia.sentences import say

SECONDS = 1.0
LONGEST = 1 << 20  # characters that are searched
ELSEWHERE = 4096  # the same outside of the main thread


class _Late(Exception):
    """The time is over."""


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text. Raises RecipeError for what is no regular
    expression, and for one that takes too long.
    """
    found = _compiled(pattern)
    main = threading.current_thread() is threading.main_thread()
    try:
        with _limit() if main else _none():
            return found.search(text[: LONGEST if main else ELSEWHERE]) is not None
    except _Late:
        raise RecipeError(
            say("the regular expression takes too long: {0:g} s were not enough", SECONDS),
            pattern[:80],
            say("repeat nothing that is itself repeated, as in (a+)+"),
        ) from None


@lru_cache(512)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as failure:
        raise RecipeError(
            say("this is no regular expression: {0}", failure),
            pattern[:80],
            say("mend the expression; it is Python's"),
        ) from failure


@contextmanager
def _none() -> Iterator[None]:
    yield


@contextmanager
def _limit() -> Iterator[None]:
    def late(number: int, frame: Any) -> None:
        raise _Late

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
