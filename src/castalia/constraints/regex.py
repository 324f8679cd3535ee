"""Regular expressions as languages, in two dialects: Python's `re.fullmatch` on str, and ECMA 262's
`u` mode, which JSON schemas use.

What is not regular (backreferences, lookaround), and what only steers the search (possessive and
atomic groups, flags, word boundaries), raises RecipeError with its name and place. Lazy quantifiers
match the same strings as greedy ones and are read as such. `^` and `$` may stand anywhere but
inside of a repetition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

from castalia.constraints.automata import (
    EMPTY,
    EVERY,
    NOTHING,
    Language,
    Ranges,
    chars,
    complement,
    either,
    letter,
    members,
    repeat,
    seq,
    union,
)
from castalia.constraints.budget import OverBudget, current_limits, spend
from castalia.errors import RecipeError
from castalia.sentences import say

Dialect = Literal["python", "ecma"]

SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
PYTHON_SIMPLE = {**SIMPLE, "a": "\a"}
HEX = {"x": 2, "u": 4, "U": 8}
LINE_ENDS = {"python": "\n", "ecma": "\n\r\u2028\u2029"}  # what `.` leaves out
REFUSED_GROUPS = {
    "?=": say("lookahead (?=...)"),
    "?!": say("lookahead (?!...)"),
    "?<=": say("lookbehind (?<=...)"),
    "?<!": say("lookbehind (?<!...)"),
    "?P=": say("a backreference (?P=...)"),
    "?>": say("an atomic group (?>...)"),
    "?(": say("a conditional (?(...)...)"),
}
# what ECMA 262 does not have
PYTHON_GROUPS = {
    "?P<": say("(?P<name>...), which is Python's: (?<name>...)"),
    "?#": say("a comment (?#...)"),
}
LONGEST_BOUNDS = 200  # characters between braces
# characters that mean themselves; the one before a quantifier is left out
PLAIN = re.compile(r"[^\\^$.|?*+()\[\]{}]{1,1000}(?![?*+{])")
MOST = 100_000  # repetitions; more is a slip of the finger


@cache
def named(letter: str) -> Ranges:
    """The Unicode characters of \\d, \\w, \\s and of their opposites."""
    tests: dict[str, Callable[[str], bool]] = {
        "d": str.isdecimal,
        "s": str.isspace,
        "w": lambda sign: sign.isalnum() or sign == "_",
    }
    belongs = tests[letter.lower()]
    ranges: list[tuple[int, int]] = []
    for low, high in EVERY:
        for code in range(low, high + 1):
            if belongs(chr(code)):
                if ranges and ranges[-1][1] == code - 1:
                    ranges[-1] = (ranges[-1][0], code)
                else:
                    ranges.append((code, code))
    return tuple(ranges) if letter.islower() else complement(tuple(ranges))


# ECMA 262: white space is WhiteSpace and LineTerminator, the rest is ASCII
ECMA_NAMED: dict[str, Ranges] = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": union(
        [
            (9, 13),
            (0x20, 0x20),
            (0xA0, 0xA0),
            (0x1680, 0x1680),
            (0x2000, 0x200A),
            (0x2028, 0x2029),
            (0x202F, 0x202F),
        ],
        [(0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)],
    ),
}


class Placed(NamedTuple):
    """What a part of an expression matches: anywhere, where the text begins, where it ends, and
    where it is the whole text.

    All four are the same without `^` and `$`; each place has what the places before it in this
    order of freedom have.
    """

    free: Language
    first: Language
    last: Language
    whole: Language

    @property
    def anchored(self) -> bool:
        return (
            self.whole is not self.free or self.first is not self.free or self.last is not self.free
        )


BEGIN = Placed(NOTHING, EMPTY, NOTHING, EMPTY)
END = Placed(NOTHING, NOTHING, EMPTY, EMPTY)


def anywhere(language: Language) -> Placed:
    return Placed(language, language, language, language)


def behind_one_another(head: Placed, tail: Placed) -> Placed:
    """A part that matches no character leaves the next one where it stands itself."""
    if not head.anchored and not tail.anchored:
        return anywhere(seq(head.free, tail.free))
    first = [seq(head.first, tail.free), *([tail.first] if head.first.nullable else [])]
    last = [seq(head.free, tail.last), *([head.last] if tail.last.nullable else [])]
    whole = [
        seq(head.first, tail.last),
        *([tail.whole] if head.first.nullable else []),
        *([head.whole] if tail.last.nullable else []),
        *([EMPTY] if head.whole.nullable and tail.whole.nullable else []),
    ]
    return Placed(seq(head.free, tail.free), either(*first), either(*last), either(*whole))


def language(pattern: str) -> Language:
    """The strings that `re.fullmatch(pattern, string)` accepts. Raises RecipeError naming what
    cannot be used, and where.
    """
    return parsed(pattern, "python").whole


def parsed(pattern: str, dialect: Dialect) -> Placed:
    """What the expression matches, by where in a text. Raises RecipeError, OverBudget for groups
    that are nested too deeply.
    """
    reader = _Reader(pattern, dialect)
    result = reader.alternatives()
    if reader.place < len(pattern):
        raise reader.error(say("a bracket that closes nothing"))
    if reader.anchor is not None and result.whole is NOTHING:
        raise reader.error(
            say("'{0}' somewhere else than at its end", pattern[reader.anchor]), reader.anchor
        )
    return result


class _Reader:
    def __init__(self, pattern: str, dialect: Dialect) -> None:
        self.pattern, self.place = pattern, 0
        self.dialect, self.ecma = dialect, dialect == "ecma"
        self.depth = 0
        self.anchor: int | None = None  # where the last `^` or `$` was read

    def error(self, what: str, place: int | None = None) -> RecipeError:
        place = self.place if place is None else place
        return RecipeError(
            say("this regular expression has {0}", what),
            where=say(
                "character {0} of {1!r}: {2!r}",
                place + 1,
                self.pattern[:200],
                self.pattern[place : place + 12],
            ),
            fix=say(
                "constraints know characters, classes, groups, alternatives and "
                "repetition; escape with a backslash what is meant literally"
            ),
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
            raise self.error(say("no end: {0} is missing", what))
        self.place += 1
        return self.pattern[self.place - 1]

    # alternatives: sequence | sequence ...

    def alternatives(self) -> Placed:
        options = [self.sequence()]
        while self.take("|"):
            options.append(self.sequence())
        if not any(option.anchored for option in options):
            return anywhere(either(*(option.free for option in options)))
        return Placed(*(either(*place) for place in zip(*options, strict=True)))

    def sequence(self) -> Placed:
        parts: list[Placed] = []
        while self.peek() not in ("", "|", ")"):
            spend()
            if run := PLAIN.match(self.pattern, self.place):  # of a long text most is this
                parts += [anywhere(letter(sign)) for sign in run[0]]
                self.place = run.end()
                spend(len(run[0]))
            else:
                parts.append(self.quantified())
        if not any(part.anchored for part in parts):
            return anywhere(seq(*(part.free for part in parts)))
        result = anywhere(EMPTY)
        for part in reversed(parts):
            result = behind_one_another(part, result)
        return result

    def quantified(self) -> Placed:
        start = self.place
        body = self.atom()
        bounds = self.bounds()
        if bounds is None:
            return body
        if body.anchored:
            raise self.error(say("'^' or '$' inside of a repetition"), start)
        if self.take("+"):
            raise self.error(say("a possessive quantifier"), start)
        self.take("?")
        if self.bounds() is not None:
            raise self.error(say("a quantifier of a quantifier"))
        return anywhere(repeat(body.free, *bounds))

    def bounds(self) -> tuple[int, int | None] | None:
        for sign, pair in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.take(sign):
                return pair
        if self.peek() != "{":
            return None
        inner, closing, _ = self.pattern[
            self.place + 1 : self.place + 1 + LONGEST_BOUNDS
        ].partition("}")  # copying the rest would be quadratic
        low, comma, high = inner.partition(",")
        digits = all(part.isascii() and part.isdigit() for part in (low, high) if part)
        if not closing or not digits or not (low or comma) or inner == "":
            return None  # a brace that is only a brace, as in `re`
        if self.ecma and not low:
            raise self.error(
                say("{{{0}}}, which ECMA 262 does not count as a quantifier: {{0{0}}}", inner)
            )
        least = int(low or 0)
        most = (int(high) if high else None) if comma else least
        if (most is not None and most < least) or max(least, most or 0) > MOST:
            raise self.error(say("bounds that cannot be met: {{{0}}}", inner))
        self.place += len(inner) + 2
        return least, most

    def atom(self) -> Placed:
        start = self.place
        sign = self.next("something")
        match sign:
            case "(":
                return self.group(start)
            case "[":
                return anywhere(chars(self.set(start)))
            case ".":
                return anywhere(chars(complement(members(LINE_ENDS[self.dialect]))))
            case "\\":
                return anywhere(chars(self.escape(start, inside=False)))
            case "^" | "$":
                self.anchor = start
                return BEGIN if sign == "^" else END
            case "*" | "+" | "?":
                raise self.error(say("nothing to repeat"), start)
        return anywhere(letter(sign))

    def group(self, start: int) -> Placed:
        for sign, name in {**REFUSED_GROUPS, **(PYTHON_GROUPS if self.ecma else {})}.items():
            if self.pattern.startswith(sign, self.place):
                raise self.error(name, start)
        if self.take("?#"):
            while self.next("')' of a comment") != ")":
                pass
            return anywhere(EMPTY)
        if self.take("?<" if self.ecma else "?P<"):
            while self.next("'>' of a group's name") != ">":
                pass
        elif self.take("?") and not self.take(":"):
            raise self.error(say("flags inside of it"), start)
        self.depth += 1
        if self.depth > current_limits().depth:
            raise OverBudget(
                say("this regular expression nests its groups too deeply"),
                "depth",
                current_limits(),
                say("character {0}", start + 1),
            )
        inner = self.alternatives()
        self.depth -= 1
        if not self.take(")"):
            raise self.error(say("a group without its ')'"), start)
        return inner

    # characters

    def escape(self, start: int, inside: bool) -> Ranges:
        sign = self.next("what '\\' escapes")
        simple = SIMPLE if self.ecma else PYTHON_SIMPLE
        if sign in "dDwWsS":
            return self.named(sign)
        if sign in simple:
            return members(simple[sign])
        if sign == "b" and inside:
            return members("\b")
        if sign in HEX and not (self.ecma and sign == "U"):
            code = self.code_point(sign, start)
            return ((code, code),)
        if self.ecma and sign == "c":
            letter = self.peek()
            if not (letter.isascii() and letter.isalpha()):
                raise self.error(say("'\\c' without its letter"), start)
            return members(chr(ord(self.next("a letter")) % 32))
        if sign == "0":
            return self.zero(start)
        if sign.isdigit() or (self.ecma and sign == "k"):
            raise self.error(say("a backreference"), start)
        if sign in ("bB" if self.ecma else "bBAZz"):
            raise self.error(
                say("'\\{0}', which stands for a place, not for characters", sign), start
            )
        if self.ecma and sign in "pP":
            raise self.error(
                say("a Unicode property \\{0}{{...}}: write the characters as ranges", sign), start
            )
        if sign.isascii() and sign.isalpha():
            raise self.error(say("the unknown escape '\\{0}'", sign), start)
        return members(sign)

    def named(self, letter: str) -> Ranges:
        """What \\d, \\w, \\s and their opposites are: in Python of all Unicode, in ECMA 262 of
        ASCII, but for white space.
        """
        if not self.ecma:
            return named(letter)
        ranges = ECMA_NAMED[letter.lower()]
        return ranges if letter.islower() else complement(ranges)

    def zero(self, start: int) -> Ranges:
        octal = "0"
        if self.ecma and self.peek() in tuple("0123456789"):
            raise self.error(say("an octal escape"), start)
        while len(octal) < 3 and self.peek() in tuple("01234567"):
            octal += self.next("a digit")
        return ((int(octal, 8),) * 2,)

    def code_point(self, sign: str, start: int) -> int:
        """Behind \\x, \\u or \\U: hexadecimal digits; in ECMA 262 also \\u{...}, and two halves of
        a surrogate pair.
        """
        if self.ecma and sign == "u" and self.take("{"):
            digits, closing, _ = self.pattern[self.place : self.place + 12].partition("}")
            code = _hexadecimal(digits) if closing else 0x110000
            self.place += len(digits) + 1
        else:
            digits = self.pattern[self.place : self.place + HEX[sign]]
            code = _hexadecimal(digits) if len(digits) == HEX[sign] else 0x110000
            self.place += HEX[sign]
        if code > 0x10FFFF:
            raise self.error(
                say("'\\{0}' without its {1} hexadecimal digits", sign, HEX[sign]), start
            )
        if self.ecma and 0xD800 <= code < 0xDC00 and self.take("\\u"):
            low = _hexadecimal(self.pattern[self.place : self.place + 4])
            self.place += 4
            code = (
                0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                if 0xDC00 <= low < 0xE000
                else code
            )
        if self.ecma and 0xD800 <= code < 0xE000:
            raise self.error(say("half of a surrogate pair"), start)
        return code

    def set(self, start: int) -> Ranges:
        negated = self.take("^")
        members: list[Ranges] = []
        first = not self.ecma  # in Python a bracket that comes first is meant literally
        while first or self.peek() != "]":
            first = False
            spend()
            place = self.place
            low = self.member(start)
            if self.peek() == "-" and self.pattern[self.place + 1 : self.place + 2] not in (
                "]",
                "",
            ):
                self.place += 1
                high = self.member(start)
                if (
                    len(low) != 1
                    or len(high) != 1
                    or low[0][0] != low[0][1]
                    or high[0][0] != high[0][1]
                    or low[0][0] > high[0][0]
                ):
                    raise self.error(say("a range that runs backwards or ends in a class"), place)
                low = ((low[0][0], high[0][0]),)
            members.append(low)
        self.place += 1
        return complement(union(*members)) if negated else union(*members)

    def member(self, start: int) -> Ranges:
        if self.place >= len(self.pattern):
            raise self.error(say("a set without its ']'"), start)
        place = self.place
        sign = self.next("']'")
        return self.escape(place, inside=True) if sign == "\\" else members(sign)


def _hexadecimal(digits: str) -> int:
    return int(digits, 16) if digits and set(digits) <= set("0123456789abcdefABCDEF") else 0x110000
