"""Stories with numbers, built backwards from their answers; and a reader that computes forwards
what any text in these forms asks for.

A story is a beginning, events that add and take away, and perhaps an equal share at the end; each
event is one step. Names are invented and short; those on a list that the user gives are left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from random import Random
from typing import NamedTuple

from castalia.apps.lesson.exercise import Exercise

NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        *(("Mia", "she"), ("Ben", "he"), ("Zoe", "she"), ("Leo", "he"), ("Ava", "she")),
        *(("Sam", "he"), ("Ida", "she"), ("Max", "he"), ("Nora", "she"), ("Finn", "he")),
    ),
    "zh": (
        *(("小雨", "她"), ("小杰", "他"), ("小雪", "她"), ("小川", "他"), ("小荷", "她")),
        *(("小石", "他"), ("小鹿", "她"), ("小松", "他"), ("小月", "她"), ("小星", "他")),
    ),
}
# thing, and its measure word in Chinese
THINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": tuple(
        (one, "") for one in ("stickers", "marbles", "pencils", "stamps", "shells", "cards")
    ),
    "zh": (
        *(("贴纸", "张"), ("弹珠", "颗"), ("铅笔", "支"), ("邮票", "张"), ("贝壳", "枚")),
        *(("卡片", "张"), ("积木", "块"), ("核桃", "个")),
    ),
}
_MORE = {
    "en": (
        "{other} gives {object} {n} more.",
        "{then} {pronoun} finds {n} more.",
        "{then} {pronoun} buys {n} more.",
    ),
    "zh": (
        "{other}又给了{pronoun}{n}{measure}。",
        "{then}{pronoun}又找到{n}{measure}。",
        "{then}{pronoun}又买了{n}{measure}。",
    ),
}
_FEWER = {
    "en": (
        "{then} {pronoun} gives {n} of them to {other}.",
        "{then} {pronoun} loses {n} of them.",
    ),
    "zh": ("{then}{pronoun}送给{other}{n}{measure}。", "{then}{pronoun}弄丢了{n}{measure}。"),
}
_THEN = {
    "en": ("Then", "After that", "On the next day", "Later", "On Friday"),
    "zh": ("然后", "后来", "第二天", "接着", "星期五"),
}
_BEGIN = {"en": "{name} has {n} {thing}.", "zh": "{name}有{n}{measure}{thing}。"}
_BOXES = {
    "en": "{name} has {k} boxes with {n} {thing} in each box.",
    "zh": "{name}有{k}盒{thing}，每盒{n}{measure}。",
}
_SHARE = {
    "en": "At the end {pronoun} shares them equally among {k} friends.",
    "zh": "最后{pronoun}把它们平均分给{k}个朋友。",
}
_ASK = {
    "en": ("How many {thing} does {name} have now?", "How many {thing} does each friend get?"),
    "zh": ("{name}现在有多少{measure}{thing}？", "每个朋友分到多少{measure}？"),
}
_OBJECT = {"she": "her", "he": "him"}


class _Step(NamedTuple):
    sign: str
    by: int


def stories(
    rng: Random,
    wanted: int,
    largest: int,
    signs: Collection[str],
    language: str,
    keep_out: Collection[str] = (),
) -> Exercise | None:
    """A story of `wanted` operations, no number above `largest` in it; None where a draw came to
    nothing.
    """
    answer = rng.randint(2, largest)
    value, path = answer, list[_Step]()
    for place in range(wanted):
        step = _step(rng, value, largest, signs, last=not place, first=place == wanted - 1)
        if step is None:
            return None
        path.insert(0, step)
        value = {"+": value - step.by, "−": value + step.by}.get(
            step.sign, value * step.by if step.sign == "÷" else value // step.by
        )
    return _told(rng, value, path, answer, language, keep_out)


def _step(
    rng: Random, value: int, largest: int, signs: Collection[str], *, last: bool, first: bool
) -> _Step | None:
    """What led to `value`: boxes only at the beginning, shares only at the end."""
    able = [one for one in "+−" if one in signs]
    able += ["÷"] if last and "÷" in signs else []
    able += ["×"] if first and "×" in signs else []
    if not able:
        return None
    sign = rng.choice(able)
    if sign == "+" and value > 3:
        return _Step(sign, rng.randint(2, value - 1))
    if sign == "−" and value + 2 <= largest:
        return _Step(sign, rng.randint(2, largest - value))
    if sign == "÷" and 2 * value <= largest:
        return _Step(sign, rng.randint(2, min(9, largest // value)))
    factors = [one for one in range(2, 10) if value % one == 0 and value // one > 1]
    return _Step(sign, rng.choice(factors)) if sign == "×" and factors else None


def _told(
    rng: Random,
    value: int,
    path: list[_Step],
    answer: int,
    language: str,
    keep_out: Collection[str],
) -> Exercise | None:
    people = [one for one in NAMES[language] if one[0] not in keep_out]
    if len(people) < 2:
        return None
    (name, pronoun), *others = rng.sample(people, min(4, len(people)))
    thing, measure = rng.choice(THINGS[language])
    words = {
        "name": name,
        "pronoun": pronoun,
        "object": _OBJECT.get(pronoun, ""),
        "thing": thing,
        "measure": measure,
    }
    boxes = path[0].sign == "×"
    begin = _BOXES if boxes else _BEGIN
    told = [begin[language].format(n=value, k=path[0].by, **words)]
    lines, here, forms = [], value, {key: list[str]() for key in "+−"}
    for place, step in enumerate(path):
        there = {"+": here + step.by, "−": here - step.by}.get(
            step.sign, here * step.by if step.sign == "×" else here // step.by
        )
        lines.append(
            f"{step.by} × {here} = {there}"
            if step.sign == "×"
            else f"{here} {step.sign} {step.by} = {there}"
        )
        here = there
        if step.sign in "+−":
            forms[step.sign] = forms[step.sign] or _drawn(rng, step.sign, language)
            told.append(
                forms[step.sign]
                .pop()
                .format(
                    n=step.by,
                    other=rng.choice(others)[0],
                    then=_THEN[language][place % len(_THEN[language])],
                    **words,
                )
            )
        elif step.sign == "÷":
            told.append(_SHARE[language].format(k=step.by, **words))
    told.append(_ASK[language][path[-1].sign == "÷"].format(**words))
    between = " " if language == "en" else ""
    return Exercise("stories", between.join(told), str(answer), tuple(lines))


def _drawn(rng: Random, sign: str, language: str) -> list[str]:
    """The forms of a kind of event, in a drawn order: none comes again before all were used."""
    forms = (_MORE if sign == "+" else _FEWER)[language]
    return rng.sample(forms, len(forms))


# The reader ---------------------------------------------------------------------------------------

_NAME = r"(?:[A-Z]\w+|[Ss]he|[Hh]e|[Tt]hey)"
_LATER = r"(?:(?:Then|Later|After that|Next|On (?:the next day|[A-Z]\w+)),? )?"
_LATER_ZH = r"(?:后来|然后|接着|第二天|星期[一二三四五六日])?，?"
_READ: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("boxes", re.compile(rf"{_NAME} has (\d+) \w+ with (\d+) \w+ in each(?: \w+)?")),
    ("boxes", re.compile(r".{1,6}有(\d+)[盒袋箱包].{1,6}，每[盒袋箱包](\d+).")),
    ("begin", re.compile(rf"{_NAME} has (\d+) \w+")),
    ("begin", re.compile(r".{1,6}有(\d+).{1,6}")),
    ("+", re.compile(rf"{_LATER}{_NAME} (?:gives (?:her|him|them)|finds|buys|gets) (\d+) more")),
    ("+", re.compile(rf"{_LATER_ZH}.{{1,6}}又(?:给了?[他她]|找到|买了?|得到)(\d+).")),
    ("−", re.compile(rf"{_LATER}{_NAME} (?:gives|loses|uses|eats) (\d+) of them(?: to {_NAME})?")),
    ("−", re.compile(rf"{_LATER_ZH}[他她](?:送给.{{2,3}}?|弄丢了?|用掉了?|吃掉了?)(\d+).")),
    ("÷", re.compile(rf"(?:At the end )?{_NAME} shares them equally among (\d+) \w+")),
    ("÷", re.compile(r"(?:最后)?[他她]把它们平均分给(\d+)个朋友")),
    ("ask", re.compile(rf"How many \w+ does {_NAME} have now")),
    ("ask", re.compile(r".{1,6}现在有多少.{1,6}")),
    ("share", re.compile(r"How many \w+ does each friend get")),
    ("share", re.compile(r"每个朋友分到多少.")),
)


def told_value(text: str) -> Fraction | None:
    """What a story asks for, computed from its text; None for a text that is no such story."""
    sentences = [one.strip() for one in re.split(r"(?<=[.?!。？！])\s*", text) if one.strip()]
    value: Fraction | None = None
    asked = shared = False
    for sentence in sentences:
        found = _read(sentence.rstrip(".?!。？！"))
        if found is None or asked:
            return None
        kind, numbers = found
        if kind in ("begin", "boxes"):
            if value is not None:
                return None
            value = numbers[0] if kind == "begin" else numbers[0] * numbers[1]
        elif kind in ("ask", "share"):
            asked = True
            if shared != (kind == "share"):
                return None
        elif value is None or shared or (kind == "÷" and not numbers[0]):
            return None
        else:
            value = {"+": value + numbers[0], "−": value - numbers[0]}.get(
                kind, value / (numbers[0] or 1)
            )
            shared = kind == "÷"
    return value if asked else None


def _read(sentence: str) -> tuple[str, list[Fraction]] | None:
    for kind, form in _READ:
        match = form.fullmatch(sentence)
        if match:
            return kind, [Fraction(one) for one in match.groups()]
    return None
