"""Find likely personal data in text, English and Chinese, and mask them.

    email      addr-spec as people write it, with a top-level domain of letters
    mobile_cn  Chinese mobile numbers, 1[3-9] and nine digits, also with +86
    phone      other numbers: +country ..., (0xx) landlines of China, (ddd) ddd-dddd of North
               America
    id_cn      Chinese identity numbers: 18 places, region, date of birth, check character (GB
               11643-1999 by ISO 7064 MOD 11-2)
    bank_card  13 to 19 digits with an issuer's prefix and length and the check digit of Luhn
               (ISO/IEC 7812-1)
    iban       ISO 13616: country, its length, MOD 97-10
    ipv4       public addresses; private, reserved and documentation ones identify no person, four
               numbers after "version" are a version, and four below 32 the number of a section more
               often than an address

What has a check digit is believed only when it is right, so an order number is rarely taken for a
card. Full-width digits count. This is not complete: names, postal addresses, and numbers that are
spelled out are not found. Masking keeps what helps to find the place again and never the whole
value.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

KINDS = ("email", "mobile_cn", "phone", "id_cn", "bank_card", "iban", "ipv4")


class Finding(NamedTuple):
    """Characters start .. stop - 1 of a text are likely of this kind."""

    kind: str
    start: int
    stop: int


# first two digits of GB/T 2260 codes
_REGIONS = frozenset(
    map(
        int,
        [
            "11",
            "12",
            "13",
            "14",
            "15",
            "21",
            "22",
            "23",
            "31",
            "32",
            "33",
            "34",
            "35",
            "36",
            "37",
            "41",
            "42",
            "43",
            "44",
            "45",
            "46",
            "50",
            "51",
            "52",
            "53",
            "54",
            "61",
            "62",
            "63",
            "64",
            "65",
            "71",
            "81",
            "82",
            "83",
        ],
    )
)
_IBAN_LENGTHS = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BR": 29,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NL": 18,
    "NO": 15,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "SA": 24,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
}
_ISSUERS = (  # first number, last number (both as prefixes of equal length), lengths
    (4, 4, (13, 16, 19)),
    (51, 55, (16,)),
    (2221, 2720, (16,)),
    (34, 34, (15,)),
    (37, 37, (15,)),
    (62, 62, (16, 17, 18, 19)),
    (6011, 6011, (16, 19)),
    (644, 649, (16, 19)),
    (65, 65, (16, 19)),
    (3528, 3589, (16,)),
    (300, 305, (14,)),
    (36, 36, (14,)),
    (38, 39, (14,)),
)
# one character for one, so places stay
_WIDE = str.maketrans("０１２３４５６７８９＠．＋－Ｘ", "0123456789@.+-X")
_WEIGHTS = tuple(2 ** (17 - place) % 11 for place in range(17))

# Every pattern starts with what is rare, so that scanning plain prose costs next to nothing; the
# borders are checked afterwards.
_NUMBER = re.compile(r"[+(\d][\d]*(?:[ ().-]{0,2}\d)*[Xx]?")
_AT = re.compile(
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.[A-Za-z]{2,24}"
)
_LOCAL = re.compile(r"[A-Za-z0-9_%+-](?:[A-Za-z0-9._%+-]*[A-Za-z0-9_%+-])?\Z")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?")
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_VERSION = re.compile(
    r"(?:\b(?:v|versions?|release|ver|build)|版本号?|版)[ :：.=-]*\Z", re.IGNORECASE
)
_LANDLINE_CN = re.compile(r"(?:0\d{2,3}-|\(0\d{2,3}\) ?)\d{3,4}[ -]?\d{4}\Z")
_NORTH_AMERICA = re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[.-]\d{4}\Z")
_ABROAD = re.compile(r"\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,4}\)?){2,6}\Z")
_MOBILE_CN = re.compile(r"(?:\+?86[ -]?)?1[3-9]\d([ -]?)\d{4}\1\d{4}\Z")
_MOST_GROUPS, _LONGEST = 7, 28  # groups of digits, and characters, that one number may have
_DATE = re.compile(r"(?:19|20)\d\d[.-]\d{1,2}[.-]\d{1,2}\Z")


def find(text: str) -> Iterator[Finding]:
    """Findings in a text, from left to right within each kind; no two numbers overlap."""
    if not text.isascii():
        text = text.translate(_WIDE) if re.search("[０-９＠]", text) else text
    yield from _emails(text)
    taken = []
    for match in _IBAN.finditer(text):
        finding = _iban_at(text, match.start(), match.end())
        if finding is not None:
            taken.append(finding)
            yield finding
    for match in _NUMBER.finditer(text):
        if match.end() - match.start() >= 7:
            for finding in _numbers(text, match.start(), match.end()):
                if not any(
                    finding.start < other.stop and other.start < finding.stop for other in taken
                ):
                    yield finding


def shown(text: str, finding: Finding) -> str:
    """The value with most of it starred out."""
    value = text[finding.start : finding.stop]
    match finding.kind:
        case "email":
            local, _, domain = value.translate(_WIDE).partition("@")
            return f"{local[:1]}***@{domain[:1]}***.{domain.rpartition('.')[2]}"
        case "ipv4":
            return ".".join([*value.translate(_WIDE).split(".")[:2], "*", "*"])
        case "iban":
            return _starred(value, 2, 2)
        case "id_cn":
            return _starred(value, 2, 0)
        case "bank_card":
            return _starred(value, 0, 4)
    return _starred(value, 3, 2)


def masked(text: str) -> str:
    """The text with all findings starred out."""
    parts, place = [], 0
    for finding in sorted(find(text), key=lambda one: one.start):
        if finding.start >= place:
            parts += [text[place : finding.start], shown(text, finding)]
            place = finding.stop
    return "".join([*parts, text[place:]])


def chinese_id(value: str) -> bool:
    """Whether 18 characters are an identity number of the People's Republic: region, day of birth,
    check character.
    """
    if not re.fullmatch(r"\d{17}[\dXx]", value) or int(value[:2]) not in _REGIONS:
        return False
    try:
        born = date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, value, strict=False))
    return 1900 <= born.year <= 2099 and value[17].upper() == "10X98765432"[total % 11]


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right doubled, digits summed, divisible
    by ten.
    """
    total = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def bank_card(digits: str) -> bool:
    """Whether digits without blanks are a card number of an issuer that is known, with a right
    check digit and not all alike.
    """
    known = any(
        low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths
        for low, high, lengths in _ISSUERS
    )
    return known and len(set(digits)) > 1 and luhn(digits)


def iban(value: str) -> bool:
    """ISO 13616-1: the country's length, and the number that the letters spell is 1 modulo 97."""
    plain = value.replace(" ", "")
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def _emails(text: str) -> Iterator[Finding]:
    for match in _AT.finditer(text):
        local = _LOCAL.search(text[max(0, match.start() - 64) : match.start()])
        if local is not None and ".." not in local[0]:
            yield Finding("email", match.start() - len(local[0]), match.end())


def _iban_at(text: str, start: int, stop: int) -> Finding | None:
    if start and text[start - 1].isascii() and text[start - 1].isalnum():
        return None
    length = _IBAN_LENGTHS.get(text[start : start + 2], 0)
    place, counted = start, 0
    while place < stop and counted < length:
        counted += text[place] != " "
        place += 1
    cut = place < len(text) and text[place].isascii() and text[place].isalnum()
    return (
        Finding("iban", start, place)
        if counted == length and not cut and iban(text[start:place])
        else None
    )


def _numbers(text: str, start: int, stop: int) -> Iterator[Finding]:
    """What a run of digits with blanks and signs between them holds: as a whole, else in groups
    that stand side by side, long ones first.
    """
    groups = [
        (start + group.start(), start + group.end())
        for group in re.finditer(r"[^ ]+", text[start:stop])
    ]
    first = 0
    while first < len(groups):
        for last in range(min(len(groups), first + _MOST_GROUPS), first, -1):
            begin, end = groups[first][0], groups[last - 1][1]
            finding = _number(text, begin, end) if 7 <= end - begin <= _LONGEST else None
            if finding is not None:
                yield finding
                first = last
                break
        else:
            first += 1


def _number(text: str, start: int, stop: int) -> Finding | None:
    """What characters start .. stop - 1 are, all of them together."""
    if (
        start
        and text[start - 1].isascii()
        and (text[start - 1].isalnum() or text[start - 1] in "_#$/=")
    ):
        return None
    if stop < len(text) and text[stop].isascii() and (text[stop].isalnum() or text[stop] in "_/"):
        return None
    if text[start] == "(" and ")" not in text[start:stop]:
        start += 1  # a bracket around the number, not in it
    value = text[start:stop]
    digits = re.sub(r"\D", "", value)
    if len(digits) > 24:
        return None
    plain = re.fullmatch(r"\d+(?:[ -]?\d+)*", value) is not None
    if chinese_id(value) or (
        value[-1] not in "Xx" and chinese_id(digits) and re.fullmatch(r"\d{6} \d{8} \d{4}", value)
    ):
        return Finding("id_cn", start, stop)
    if value[-1] in "Xx":
        return None
    if _IPV4.match(value):
        public = all(
            int(part) < 256 and (part == "0" or part[0] != "0") for part in value.split(".")
        )
        public = (
            public
            and max(map(int, value.split("."))) > 31
            and ipaddress.ip_address(value).is_global
            and not _VERSION.search(text[max(0, start - 12) : start])
        )
        return (
            Finding("ipv4", start, stop)
            if public and not (start and text[start - 1] == ".")
            else None
        )
    if _MOBILE_CN.match(value):
        return Finding("mobile_cn", start, stop)
    grouped = plain and re.fullmatch(
        r"\d{4,}|\d{4}([ -])\d{4}(?:\1\d{1,4}){1,3}|\d{4}([ -])\d{6}\2\d{4,5}", value
    )
    if 13 <= len(digits) <= 19 and grouped and bank_card(digits):
        return Finding("bank_card", start, stop)
    abroad = _ABROAD.match(value) and 8 <= len(digits) <= 15
    if (abroad or _LANDLINE_CN.match(value) or _NORTH_AMERICA.match(value)) and not _DATE.match(
        value
    ):
        return Finding("phone", start, stop)
    return None


def _starred(value: str, first: int, last: int) -> str:
    return value[:first] + "*" * max(4, len(value) - first - last) + (value[-last:] if last else "")
