"""Identifiers and short texts: nothing of them is learned together with other columns, and none is
copied.

An identifier is made anew from its pattern: numbers go on behind the largest, other codes have the
same letters and digits in the same places ("A-0000" for A-1083), drawn at random. A short text is
made letter by letter by a chain that knows the last three letters (Shannon 1948), so it looks like
the column's and says nothing about the row; the data report says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from castalia.modalities.table.columns.base import Cells, Column, is_missing

LONGEST_CODE = 64
ORDER = 3  # letters before one that the chain knows
MOST_CONTEXTS = 20_000
LEAST = 2  # texts that must share a context, or it is not kept
LONGEST_TEXT = 120
_NAMED = re.compile(
    r"(^|[_\s.-])(id|uuid|guid|key|nr|no|number|index)$|[a-z](Id|ID)$", re.IGNORECASE
)
_END = "\n"


class Identifier(Column):
    """first: where numbers go on; None: codes by `places`, for each place the characters that may
    stand there. pad: digits of a number, 0: as many as it has. prefix: before them.
    """

    sort = "identifier"

    def __init__(
        self,
        name: str,
        kind: str = "identifier",
        first: int | None = None,
        prefix: str = "",
        pad: int = 0,
        places: list[str] | None = None,
    ) -> None:
        super().__init__(name, kind)
        self.first, self.prefix, self.pad, self.places = first, prefix, pad, places or []

    @classmethod
    def of(cls, name: str, cells: Iterable[str]) -> Identifier:
        known = [cell for cell in cells if not is_missing(cell)]
        matches = [re.fullmatch(r"(.*?)(\d+)", cell, re.DOTALL) for cell in known]
        prefixes = {match[1] for match in matches if match}
        if known and all(matches) and len(prefixes) == 1:
            digits = [match[2] for match in matches if match]
            widths = {len(one) for one in digits}
            padded = any(one.startswith("0") and len(one) > 1 for one in digits)
            largest = max(int(one) for one in digits)
            if largest < 10**12:
                return cls(
                    name,
                    first=largest + 1,
                    prefix=prefixes.pop(),
                    pad=max(widths) if padded and len(widths) == 1 else 0,
                )
        width = Counter(map(len, known)).most_common(1)[0][0] if known else 8
        same = [cell for cell in known if len(cell) == width]
        places = ["".join(sorted(set(column))) for column in zip(*same, strict=True)]
        return cls(name, places=[_widened(place) for place in places])

    def encode(self, cell: str) -> int:
        return 0

    def decode(self, token: int, chance: float) -> str:
        return self.made(int(chance * 10**6))

    def made(self, number: int) -> str:
        """The identifier with this number, from 0; no two are equal (of short codes, while there
        are enough).
        """
        if self.first is not None:
            return self.prefix + str(self.first + number).zfill(self.pad)
        # a permutation of the codes, so that neighbours do not look alike
        size = 1
        for place in self.places:
            size *= len(place)
        code = (number * _odd(size) + size // 3) % max(size, 1)
        letters = []
        for place in reversed(self.places):
            code, letter = divmod(code, len(place))
            letters.append(place[letter])
        return "".join(reversed(letters))

    def state(self) -> dict[str, Any]:
        return {
            "first": self.first,
            "prefix": self.prefix,
            "pad": self.pad,
            "places": self.places,
        }


def _widened(characters: str) -> str:
    """All characters of the kind where several were seen: digits for digits."""
    if len(characters) == 1:
        return characters
    if characters.isdigit():
        return "0123456789"
    if re.fullmatch(r"[0-9a-f]+", characters):
        return "0123456789abcdef"
    if characters.isascii() and characters.isalpha() and characters.isupper():
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if characters.isascii() and characters.isalpha() and characters.islower():
        return "abcdefghijklmnopqrstuvwxyz"
    return characters


def _odd(size: int) -> int:
    """A number without a divisor in common with `size`, about 0.62 of it."""
    from math import gcd

    step = max(1, int(size * 0.6180339887)) | 1
    while gcd(step, size) != 1:
        step += 2
    return step


def looks_like_identifier(name: str, cells: Cells, rows: int) -> bool:
    """Whether the cells, all different, are codes or running numbers."""
    known = [cell for cell in cells if not is_missing(cell)]
    if rows < 20 or len(known) < 0.98 * rows or len(known) < sum(cells.values()) * 0.98:
        return False
    if max(map(len, known)) > LONGEST_CODE or any(" " in cell for cell in known[:200]):
        return False
    if all(cell.isdigit() for cell in known):
        numbers = [int(cell) for cell in known]
        running = max(numbers) - min(numbers) < 1.5 * len(numbers)
        return running or bool(_NAMED.search(name))
    if not any(character.isdigit() for cell in known[:200] for character in cell):
        return False
    if any(re.fullmatch(r"[+-]?\d*[.,]\d+", cell) for cell in known[:200]):
        return False
    return len({len(cell) for cell in known}) <= 4 or bool(_NAMED.search(name))


class Text(Column):
    """counts: context of up to three letters to {next letter: how often}. missing: share of empty
    cells.
    """

    sort = "text"

    def __init__(
        self, name: str, kind: str, counts: dict[str, dict[str, int]], missing: float
    ) -> None:
        super().__init__(name, kind)
        self.counts, self.missing = counts, missing

    @classmethod
    def of(cls, name: str, cells: Cells) -> Text:
        texts: Counter[str] = Counter()
        counts: dict[str, Counter[str]] = {}
        empty = sum(count for cell, count in cells.items() if is_missing(cell))
        for cell in cells:
            if is_missing(cell):
                continue
            written = cell[:LONGEST_TEXT].replace("\n", " ") + _END
            for place, letter in enumerate(written):
                for order in range(ORDER + 1):
                    if order <= place:
                        counts.setdefault(written[place - order : place], Counter())[letter] += 1
                if place < ORDER:
                    counts.setdefault("\0" + written[:place], Counter())[letter] += 1
        texts.update(
            {
                context: total
                for context, found in counts.items()
                if (total := sum(found.values())) >= LEAST or len(context) < 2
            }
        )
        kept = {context for context, _ in texts.most_common(MOST_CONTEXTS)}
        tidy = {
            context: dict(counts[context].most_common(40)) for context in counts if context in kept
        }
        return cls(name, "text", tidy, empty / max(1, sum(cells.values())))

    def encode(self, cell: str) -> int:
        return 0

    def decode(self, token: int, chance: float) -> str:
        """A text that follows from `chance` alone."""
        if chance < self.missing or not self.counts:
            return ""
        state = int(chance * 2**53) | 1
        text = ""
        while len(text) < LONGEST_TEXT:
            state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
            found = self._next(text)
            wanted = (state >> 11) / 2**53 * sum(found.values())
            chosen = _END
            for letter, count in found.items():
                chosen = letter
                wanted -= count
                if wanted < 0:
                    break
            if chosen == _END:
                break
            text += chosen
        return text.strip()

    def _next(self, text: str) -> dict[str, int]:
        if len(text) < ORDER and (found := self.counts.get("\0" + text)):
            return found
        for order in range(min(ORDER, len(text)), -1, -1):
            if found := self.counts.get(text[len(text) - order :]):
                return found
        return {_END: 1}

    def state(self) -> dict[str, Any]:
        return {"counts": self.counts, "missing": self.missing}
