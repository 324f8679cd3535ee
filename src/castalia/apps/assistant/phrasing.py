"""Other words for a quotation are kept only where every sentence of them follows from it.

The rule is conservative: a sentence follows from one quotation when all its words of content and
all its numbers stand there, and it denies exactly as often as the sentence that it is nearest to.
What it lets through says nothing new; much that would be right is thrown away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from castalia.apps.assistant import terms

_DENIES = re.compile(
    r"\b(not|no|never|none|neither|nor|without|cannot|unable|except|unless|hardly|only)\b|n['’]t\b"
    r"|[不没无未非勿别禁]|除非|只",
    re.IGNORECASE,
)


def kept(wording: str, quotes: Sequence[str]) -> str:
    """The wording, or the quotations where a sentence of it follows from none of them."""
    sentences = terms.sentences(wording)
    if sentences and all(any(follows(one, quote) for quote in quotes) for one in sentences):
        return wording.strip()
    return "\n".join(quotes)


def follows(sentence: str, quote: str) -> bool:
    """Whether the rule holds."""
    said, words = set(terms.terms(quote)), set(terms.content(sentence))
    if not words or not words <= said:
        return False
    values = {number for number, _ in terms.numbers(quote)}
    if any(number not in values for number, _ in terms.numbers(sentence)):
        return False
    near = max(
        terms.sentences(quote) or [quote], key=lambda one: len(words & set(terms.terms(one)))
    )
    return len(_DENIES.findall(sentence)) == len(_DENIES.findall(near))
