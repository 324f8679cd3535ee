"""Concise: no padding, no chains of politeness, nothing said twice.

padding     phrases that can go, or have a shorter form.
politeness  more than two polite turns; one "please" or "thank you" costs nothing.
doubled     two demands whose content words are mostly the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from castalia.apps.prompt.lint import diverse, words
from castalia.apps.prompt.lint.finding import Edit, Finding
from castalia.apps.prompt.lint.reading import Passage, Reading
from castalia.sentences import say

WINDOW = 40  # sentences that are compared with each one
SHARED = 0.6  # of the smaller set of content words
_PADDING: tuple[tuple[str, str], ...] = (
    (r"\bin order to make it possible for\b", "so that"),
    (r"\bin order to\b", "to"),
    (
        r"\b(?:please )?(?:note that )?it is (?:absolutely )?(?:important"
        r"|essential)(?: and very important)?(?: to note)? that\b,?",
        "",
    ),
    (r"\bplease (?:note that|be sure to)\b", ""),
    (r"\bas (?:we all know|everybody is well aware)\b,?", ""),
    (r"\bat the end of the day\b,?", ""),
    (r"\bwith that being said\b,?", ""),
    (r"\bneedless to say\b,?", ""),
    (r"\bit goes without saying that\b", ""),
    (r"\bdue to the fact that\b", "because"),
    (r"\bfor the purpose of\b", "for"),
    (
        r"\bit would be (?:really |super )?(?:great|helpful|nice"
        r"|awesome) if you could (?:go ahead and )?",
        "",
    ),
    (r"\bwhat i (?:would like|want|need) you to do is(?: to)?\b", ""),
    (r"\bgo ahead and\b", ""),
    (r"\b(?:so )?i have been thinking about this for \w+,?", ""),
    (r"\bi just want(?:ed)? to say that\b", ""),
    (r"\bwhat i basically need is\b", ""),
    (r"\b(?:and )?i really need you to\b,?", ""),
    (r"\b(?:every single|each and every(?: single)?)\b", "every"),
    (r"\bfirst and foremost\b,?", "first"),
    (r"众所周知[，,]?", ""),
    (r"随着[^，。\n]{0,20}(?:不断|日益)?(?:发展|提高|进步)[^，。\n]{0,16}[，,]", ""),
    (r"显得尤为重要", "重要"),
    (r"在进行?[^，。\n]{1,12}的过程(?:当中|中)[，,]?", ""),
    (r"(?:需要)?(?:对于?[^，。\n]{1,16})?进行(?:一个|一下)?[^，。\n]{1,8}的(?:操作|处理|工作)", ""),
    (r"(?:也就是说|换句话说|换言之|总而言之)[，,]?", ""),
    (r"怎么说呢[，,]?", ""),
    (r"(?:话说回来|不说了不说了)[，,]?", ""),
    (r"那个，就是说[，,]?", ""),
    (r"(?:请注意[，,])?需要特别注意的是[，,]?", ""),
    (r"毋庸置疑[，,]?|不言而喻[，,]?|值得(?:一提|注意)的是[，,]?", ""),
)
PADDING = tuple((re.compile(pattern, re.IGNORECASE), short) for pattern, short in _PADDING)
# one of these says little; two of them are padding
_FILLER = re.compile(
    r"\b(?:basically|honestly|literally|actually|kind of|sort of|you know|just|really|very"
    r"|i mean)\b,?"
    r"|其实|反正|就是(?=想|挺)|真的|怎么说|那个，|挺",
    re.IGNORECASE,
)
POLITE = re.compile(
    r"\bi hope (?:you|this)[^.!?\n]{0,40}[.!?]?|\bif (?:it['’]s|it is) not too much trouble\b"
    r"|\bif you don['’]t mind\b"
    r"|\b(?:i was wondering if you could|would you be so kind|be so kind as to|could you please"
    r"|can you please|would you please|please kindly|maybe possibly)\b"
    r"|\b(?:please|kindly)\b|\b(?:many |very many )?thank(?:s| you)[^.!?\n]{0,30}[.!?]*"
    r"|\bi (?:would be so|['’]d be|really) (?:grateful|appreciate)[^.!?\n]{0,20}[.!?]*"
    r"|\bhi there\b!?|\bdear ai\b,?"
    r"|您好[！!，,]?|你好[！!，,]?|非常抱歉|抱歉打扰您?|打扰您?|不好意思|给您添麻烦了?|麻烦(?:您|你)?(?:了|一下下?)?|能不能|能否|如果(?:可以"
    r"|您愿意)的话|不知道您[^，。]{0,8}[，,]"
    r"|(?:非常|真的|再次|真的太|首先非常)?(?:感谢|谢谢)(?:您|你)?|感激不尽|不胜感激|辛苦(?:您|你)?了?|拜托|祝您[^，。！!\n]{0,10}|百忙之中"
    r"|希望您[^，。\n]{0,8}|先谢过了?",
    re.IGNORECASE,
)
_ALIKE = re.compile(
    r"((?:\b(?:be|very|please|use|do not)\s+[\w ]{1,20},\s*){3,})|((?:[\u4e00-\u9fff]{2,4}地[、"
    r"，]?){3,})|((?:要[\u4e00-\u9fff]{2,4}[，、,]){2,})"
    r"|(\b(\w{3,})\b,?(?:\s+\5\b,?)+)",
    re.IGNORECASE,
)


def find(reading: Reading) -> Iterator[Finding]:
    yield from _padding(reading)
    yield from _politeness(reading)
    if not diverse.alike(reading):  # prompts of a set are not one prompt said twice
        yield from _doubled(reading)


def _padding(reading: Reading) -> Iterator[Finding]:
    for sentence in reading.sentences:
        for pattern, short in PADDING:
            if match := pattern.search(sentence.text):
                yield _shorter(reading, sentence.start + match.start(), match[0], short)
        if match := _ALIKE.search(sentence.text):
            start = sentence.start + match.start()
            yield Finding(
                "concise",
                "padding",
                "warning",
                start,
                start + len(match[0].rstrip()),
                say("'{0}' says one thing several times", match[0].strip(" ,，、")[:60]),
                (Edit(start, start + len(match[0]), _first(match[0])),),
            )
    fillers = [
        (one.start + match.start(), match[0])
        for one in reading.sentences
        for match in _FILLER.finditer(one.text)
    ]
    if len(fillers) >= 3 or (len(fillers) == 2 and fillers[1][0] - fillers[0][0] < 40):
        for start, text in fillers:
            yield _shorter(reading, start, text, "")


def _shorter(reading: Reading, start: int, text: str, short: str) -> Finding:
    end = start + len(text)
    if not short:
        while end < len(reading.text) and reading.text[end] == " ":
            end += 1
    reason = (
        say("'{0}' is a long way to say '{1}'", text.strip(" ,，"), short)
        if short
        else say("'{0}' adds nothing", text.strip(" ,，"))
    )
    whole = "concise", "padding", "warning", start, start + len(text), reason
    return Finding(*whole, (Edit(start, end, short),), complete=True)


def _first(text: str) -> str:
    return (
        re.split(r"(?<=地)|[，、,]", text)[0]
        if words.HAN.search(text)
        else (re.split(r",\s*|\s+", text)[0] if "," not in text else f"{text.split(',')[0]}, ")
    )


def _politeness(reading: Reading) -> Iterator[Finding]:
    found = [
        (one.start + match.start(), match[0])
        for one in reading.sentences
        for match in POLITE.finditer(one.text)
    ]
    if len(found) < 3:
        return
    start, end = found[0][0], found[-1][0] + len(found[-1][1])
    # the first "please" may stay
    kept = next(
        (place for place, text in found if text.lower() in ("please", "麻烦", "麻烦您", "能否")), -1
    )
    edits = tuple(
        Edit(place, _behind(reading.text, place + len(text)))
        for place, text in found
        if place != kept
    )
    reason = say("{0} polite turns; one is enough", len(found))
    yield Finding("concise", "politeness", "warning", start, end, reason, edits)


def _behind(text: str, place: int) -> int:
    return place + 1 if place < len(text) and text[place] in " ,，" else place


def _doubled(reading: Reading) -> Iterator[Finding]:
    demands: list[tuple[Passage, set[str]]] = []
    for sentence in reading.sentences:
        if sentence.text.startswith("#"):
            continue  # what stands below a heading may say it again
        for part in _parts(sentence):
            own = words.content(part.text)
            if len(own) < 2:
                single = own and len(part.text) < 60 and part.asks
                if not single:
                    continue
            for earlier, other in demands[-WINDOW:]:
                shared = len(own & other)
                least = min(len(own), len(other))
                if (
                    shared >= max(1, SHARED * least)
                    and shared >= 0.5 * max(len(own), len(other))
                    and (shared >= 2 or (earlier.asks and part.asks and len(own | other) <= 2))
                    and not _opposed(earlier.text, part.text)
                    and _numbers(part.text) <= _numbers(earlier.text)
                ):
                    yield Finding(
                        "concise",
                        "doubled",
                        "warning",
                        part.start,
                        part.end,
                        say("this was said before: '{0}'", earlier.text[:60]),
                        (Edit(part.start, part.end),),
                        complete=True,
                    )
                    break
            else:
                demands.append((part, own))


def _parts(sentence: Passage) -> Iterator[Passage]:
    """Clauses of a Chinese sentence; an English sentence as it is."""
    if not words.HAN.search(sentence.text):
        yield sentence
        return
    for match in re.finditer(r"[^，,；;]+[，,；;]?", sentence.text):
        start = sentence.start + match.start()
        yield Passage(start, start + len(match[0]), match[0], words.asks(match[0]))


def _numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


def _opposed(first: str, second: str) -> bool:
    """Two sides of one rule ("yes if ..., otherwise no") are not one said twice."""
    sides = r"\b(?:if|else|otherwise|unless|when)\b|如果|否则|若|没有就"
    return bool(re.search(sides, first, re.I) or re.search(sides, second, re.I))
