"""The constraint "verse": classical Chinese verse as an automaton, lines of five or seven
characters, the even ones rhyming.

The layout is that of the built-in Tang poems: lines end with ， and 。 by turns, two of them stand
in one line of text. Rhyme follows today's reading: the fourteen rhymes of 中华新韵 (Chinese Poetry
Society, 2005), from each character's commonest reading in the optional `pypinyin`. In it -in rhymes
with -en and not with -ing; ü rhymes with i and not with u. A rhyme's character comes only once.
Tones, parallel couplets and the medieval rhyme tables are not here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

from castalia.constraints.automata import NEVER, Edge, Price, Ranges, members
from castalia.errors import MissingExtra, RecipeError
from castalia.sentences import say

LINES = 40  # of a poem at most

# 〇, then the ideographs: extension A, the main block, and what lies beyond the basic plane.
HAN: Ranges = (
    (0x3007, 0x3007),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2EBE0),
    (0x30000, 0x323AF),
)
RHYMES = (
    ("a", "ia", "ua"),
    ("o", "e", "uo"),
    ("ie", "ve", "ê"),
    ("ai", "uai"),
    ("ei", "uei", "ui"),
    ("ao", "iao"),
    ("ou", "iou", "iu"),
    ("an", "ian", "uan", "van"),
    ("en", "in", "uen", "un", "vn"),
    ("ang", "iang", "uang"),
    ("eng", "ing", "ong", "iong", "ueng"),
    ("i", "er", "v"),
    ("-i",),  # zhi, chi, shi, ri, zi, ci, si
    ("u",),
)
RHYME_OF = {final: number for number, finals in enumerate(RHYMES) for final in finals}


@cache
def rhymes() -> dict[int, int]:
    """Code point -> number of its rhyme, of the main block's characters whose reading is known."""
    try:
        from pypinyin import Style, pinyin
    except ImportError:
        raise MissingExtra("pypinyin", "chinese", where="verse with +rhyme") from None

    numbers = {}
    for code in range(0x4E00, 0xA000):
        readings = pinyin(chr(code), style=Style.FINALS, strict=True, errors="ignore")
        final = readings[0][0].replace("ü", "v") if readings else ""
        if final == "i" and pinyin(chr(code), style=Style.INITIALS, strict=True)[0][0] in (
            "zh",
            "ch",
            "sh",
            "r",
            "z",
            "c",
            "s",
        ):
            final = "-i"
        if final in RHYME_OF:
            numbers[code] = RHYME_OF[final]
    return numbers


class State(NamedTuple):
    """A place in the poem, its rhyme once it is chosen, and the characters that have carried it."""

    place: int
    rhyme: int | None = None
    used: frozenset[int] = frozenset()


class Verse:
    """`lines` lines of `width` characters."""

    def __init__(self, width: int, lines: int, rhyme: bool = False) -> None:
        # What stands at each place: punctuation as itself, "字" for any character, "韻" for one
        # that rhymes.
        self.form = ""
        for line in range(lines):
            even = line % 2 == 1
            self.form += (
                "字" * (width - 1) + ("韻" if rhyme and even else "字") + ("。" if even else "，")
            )
            self.form += "\n" if even and line < lines - 1 else ""
        self.rhymes = rhymes() if rhyme else {}
        self._of: dict[int, list[int]] = {}
        for code, number in self.rhymes.items():
            self._of.setdefault(number, []).append(code)
        self._prices: dict[Price, tuple[list[int], dict[int, list[tuple[int, int]]]]] = {}

    def start(self) -> State:
        return State(0)

    def accepts(self, state: State) -> bool:
        return state.place == len(self.form)

    def edges(self, state: State) -> Sequence[Edge]:
        if self.accepts(state):
            return ()
        place, rhyme, used = state
        match self.form[place]:
            case "字":
                return [Edge(low, high, State(place + 1, rhyme, used)) for low, high in HAN]
            case "韻":
                codes = sorted(self.rhymes) if rhyme is None else self._of[rhyme]
                return [
                    Edge(code, code, State(place + 1, self.rhymes[code], used | {code}))
                    for code in codes
                    if code not in used
                ]
            case sign:
                return [Edge(*pair, State(place + 1, rhyme, used)) for pair in members(sign)]

    def distance(self, state: State, price: Price) -> int:
        if price not in self._prices:
            self._prices[price] = self._priced(price)
        plain, cheapest = self._prices[price]
        count = self.form.count("韻", state.place)
        if not count:
            return plain[state.place]
        own = cheapest if state.rhyme is None else {state.rhyme: cheapest[state.rhyme]}
        return min(
            NEVER,
            plain[state.place] + min(_cheapest(codes, count, state.used) for codes in own.values()),
        )

    def _priced(self, price: Price) -> tuple[list[int], dict[int, list[tuple[int, int]]]]:
        """Tokens from each place to the end, rhymes left out; and of each rhyme (price, character),
        the cheapest first.
        """
        plain = [0]
        for sign in reversed(self.form):
            one = 0 if sign == "韻" else price(HAN if sign == "字" else members(sign))
            plain.append(min(NEVER, plain[-1] + one))
        return plain[::-1], {
            number: sorted((price(((code, code),)), code) for code in codes)
            for number, codes in self._of.items()
        }


def _cheapest(codes: list[tuple[int, int]], count: int, used: frozenset[int]) -> int:
    found = [price for price, code in islice(codes, count + len(used)) if code not in used][:count]
    return min(NEVER, sum(found)) if len(found) == count else NEVER


def parse(body: str) -> Verse:
    """What follows "verse:", e.g. "7x4+rhyme". Raises RecipeError for any other form."""
    form = re.fullmatch(r"([57])x([0-9]{1,2})(\+rhyme)?", body)
    lines = int(form[2]) if form else 0
    if form is None or lines % 2 or not 2 <= lines <= LINES:
        raise RecipeError(
            say("this is no form of verse that is known"),
            where=f"verse:{body}",
            fix=say(
                "5 or 7 characters, an even number of lines from 2 to {0}, and +rhyme if "
                "wanted: verse:5x4, verse:7x8+rhyme",
                LINES,
            ),
        )
    return Verse(int(form[1]), lines, rhyme=form[3] is not None)
