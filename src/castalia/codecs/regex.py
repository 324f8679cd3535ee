"""Regular expressions as languages: the syntax and the meaning of Python's `re.fullmatch` on str.

What is not regular (backreferences, lookaround), and what only steers the search (possessive and atomic groups, flags, word boundaries), raises
RecipeError with its name and place. Lazy quantifiers match the same strings as greedy ones and are read as such. `^` and `$` may stand at
the very ends, where they change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from castalia.codecs.automata import EMPTY, EVERY, Language, Ranges, chars, complement, either, members, repeat, seq, union
from castalia.errors import RecipeError

SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
HEX = {"x": 2, "u": 4, "U": 8}
REFUSED_GROUPS = {
    "?=": "lookahead (?=...)",
    "?!": "lookahead (?!...)",
    "?<=": "lookbehind (?<=...)",
    "?<!": "lookbehind (?<!...)",
    "?P=": "a backreference (?P=...)",
    "?>": "an atomic group (?>...)",
    "?(": "a conditional (?(...)...)",
}
MOST = 100_000  # repetitions; more is a slip of the finger


@cache
def named(letter: str) -> Ranges:
    """The Unicode characters of \\d, \\w, \\s and of their opposites."""
    tests: dict[str, Callable[[str], bool]] = {"d": str.isdecimal, "s": str.isspace, "w": lambda sign: sign.isalnum() or sign == "_"}
    belongs = tests[letter.lower()]
    found: list[tuple[int, int]] = []
    for low, high in EVERY:
        for code in range(low, high + 1):
            if belongs(chr(code)):
                if found and found[-1][1] == code - 1:
                    found[-1] = (found[-1][0], code)
                else:
                    found.append((code, code))
    return tuple(found) if letter.islower() else complement(tuple(found))


def language(pattern: str) -> Language:
    """The strings that `re.fullmatch(pattern, string)` accepts. Raises RecipeError naming what cannot be used, and where."""
    return anchored(pattern)[0]


def anchored(pattern: str) -> tuple[Language, bool, bool]:
    """The language, and whether `^` and `$` stood at the ends."""
    reader = _Reader(pattern)
    begins = reader.take("^")
    result = reader.alternatives()
    ends = reader.closed
    if reader.place < len(pattern):
        raise reader.error("a bracket that closes nothing")
    return result, begins, ends


class _Reader:
    def __init__(self, pattern: str) -> None:
        self.pattern, self.place = pattern, 0
        self.depth = 0
        self.closed = False  # a final `$` was read

    def error(self, what: str, place: int | None = None) -> RecipeError:
        place = self.place if place is None else place
        return RecipeError(
            f"this regular expression has {what}",
            where=f"character {place + 1} of {self.pattern!r}: {self.pattern[place : place + 12]!r}",
            fix="constraints know characters, classes, groups, alternatives and repetition; escape with a backslash what is meant literally",
        )

    def peek(self) -> str:
        return self.pattern[self.place : self.place + 1]

    def take(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.place):
            return False
        self.place += len(text)
        return True

    def next(self, what: str) -> str:
        if self.place >= len(self.pattern):
            raise self.error(f"no end: {what} is missing")
        self.place += 1
        return self.pattern[self.place - 1]

    # alternatives: sequence | sequence ...

    def alternatives(self) -> Language:
        options = [self.sequence()]
        while self.take("|"):
            options.append(self.sequence())
        return either(*options)

    def sequence(self) -> Language:
        parts = []
        while self.peek() not in ("", "|", ")"):
            if self.peek() == "$" and self.place == len(self.pattern) - 1 and not self.depth:
                self.place, self.closed = self.place + 1, True
                break
            parts.append(self.quantified())
        return seq(*parts)

    def quantified(self) -> Language:
        start = self.place
        body = self.atom()
        bounds = self.bounds()
        if bounds is None:
            return body
        if self.take("+"):
            raise self.error("a possessive quantifier", start)
        self.take("?")
        if self.bounds() is not None:
            raise self.error("a quantifier of a quantifier")
        return repeat(body, *bounds)

    def bounds(self) -> tuple[int, int | None] | None:
        for sign, pair in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(sign):
                return pair
        if self.peek() != "{":
            return None
        inner, closing, _ = self.pattern[self.place + 1 :].partition("}")
        low, comma, high = inner.partition(",")
        digits = all(part.isascii() and part.isdigit() for part in (low, high) if part)
        if not closing or not digits or not (low or comma) or inner == "":
            return None  # a brace that is only a brace, as in `re`
        least = int(low or 0)
        most = (int(high) if high else None) if comma else least
        if (most is not None and most < least) or max(least, most or 0) > MOST:
            raise self.error(f"bounds that cannot be met: {{{inner}}}")
        self.place += len(inner) + 2
        return least, most

    def atom(self) -> Language:
        start = self.place
        sign = self.next("something")
        match sign:
            case "(":
                return self.group(start)
            case "[":
                return chars(self.set(start))
            case ".":
                return chars(complement(members("\n")))
            case "\\":
                return chars(self.escape(start, inside=False))
            case "^" | "$":
                raise self.error(f"'{sign}' somewhere else than at its end", start)
            case "*" | "+" | "?":
                raise self.error("nothing to repeat", start)
        return chars(members(sign))

    def group(self, start: int) -> Language:
        for sign, name in REFUSED_GROUPS.items():
            if self.pattern.startswith(sign, self.place):
                raise self.error(name, start)
        if self.take("?#"):
            while self.next("')' of a comment") != ")":
                pass
            return EMPTY
        if self.take("?P<"):
            while self.next("'>' of a group's name") != ">":
                pass
        elif self.take("?") and not self.take(":"):
            raise self.error("flags inside of it", start)
        self.depth += 1
        inner = self.alternatives()
        self.depth -= 1
        if not self.take(")"):
            raise self.error("a group without its ')'", start)
        return inner

    # characters

    def escape(self, start: int, inside: bool) -> Ranges:
        sign = self.next("what '\\' escapes")
        if sign in "dDwWsS":
            return named(sign)
        if sign in SIMPLE:
            return members(SIMPLE[sign])
        if sign == "b" and inside:
            return members("\b")
        if sign in HEX:
            digits = self.pattern[self.place : self.place + HEX[sign]]
            code = int(digits, 16) if len(digits) == HEX[sign] and set(digits) <= set("0123456789abcdefABCDEF") else 0x110000
            if code > 0x10FFFF:
                raise self.error(f"'\\{sign}' without its {HEX[sign]} hexadecimal digits", start)
            self.place += HEX[sign]
            return ((code, code),)
        if sign == "0":
            octal = "0"
            while len(octal) < 3 and self.peek() in tuple("01234567"):
                octal += self.next("a digit")
            return ((int(octal, 8),) * 2,)
        if sign.isdigit():
            raise self.error("a backreference", start)
        if sign in "bBAZz":
            raise self.error(f"'\\{sign}', which stands for a place, not for characters", start)
        if sign.isascii() and sign.isalpha():
            raise self.error(f"the unknown escape '\\{sign}'", start)
        return members(sign)

    def set(self, start: int) -> Ranges:
        negated = self.take("^")
        found: list[Ranges] = []
        first = True
        while first or self.peek() != "]":
            first = False
            place = self.place
            low = self.member(start)
            if self.peek() == "-" and self.pattern[self.place + 1 : self.place + 2] not in ("]", ""):
                self.place += 1
                high = self.member(start)
                if len(low) != 1 or len(high) != 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1] or low[0][0] > high[0][0]:
                    raise self.error("a range that runs backwards or ends in a class", place)
                low = ((low[0][0], high[0][0]),)
            found.append(low)
        self.place += 1
        return complement(union(*found)) if negated else union(*found)

    def member(self, start: int) -> Ranges:
        if self.place >= len(self.pattern):
            raise self.error("a set without its ']'", start)
        place = self.place
        sign = self.next("']'")
        return self.escape(place, inside=True) if sign == "\\" else members(sign)
