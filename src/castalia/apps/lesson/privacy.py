"""What must not stand in a lesson: personal data, and the name of a child.

    personal-data   what text_files/personal_data.py finds: mail addresses, telephone and identity
                    numbers, ...
    child-name      a name that the text itself ties to a child: "pupil: Tom Baker", "Tom Baker
                    (8)", 王小明同学, 姓名：王小明
    roster          a name on the user's list of names that are kept out

No program knows which of all names is a real child's. The list is the safe way: give the names of
the class, and none of them leaves.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from castalia import bounded
from castalia.errors import Refused
from castalia.governance.blocked_terms import Terms
from castalia.sentences import Message, say
from castalia.text_files import personal_data

_NAME = r"\b[A-Z][a-z]{1,30}(?: [A-Z][a-z]{1,30}){1,3}"
# the hundred most frequent ones and some more, by the Ministry of Public Security's report of 2020
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘"
    "杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_AGE = r"(?:[3-9]|1[0-7])"
_ROLE = r"(?:pupil|student|child|schoolboy|schoolgirl|son|daughter)"
# where a Chinese name may begin, and words of two characters that begin like one
_BEGINS = (
    r"(?:(?<![\u4e00-\u9fff])|(?<=[天的给跟和叫是让请对与向]))(?!高年|周围|任何|常有|方才|文学)"
)
_CHILD = (
    re.compile(rf"(?i:\b(?:name|{_ROLE}))\s*[:：]\s*{_NAME}"),
    re.compile(rf"\b{_ROLE}(?:,| named| called| is)?\s+{_NAME}"),
    re.compile(rf"{_NAME}\s*\((?:aged? )?{_AGE}\)"),
    re.compile(rf"{_NAME}, (?:aged? )?{_AGE}(?: years old)?[,.]"),
    re.compile(
        rf"(?:姓名|学生|同学|小朋友|儿子|女儿|孩子)[:：叫是]?\s?[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}(?![\u4e00-\u9fff])"
    ),
    re.compile(r"(?:姓名|学生|小朋友)[:：]\s?[\u4e00-\u9fff]{2,4}"),
    re.compile(
        rf"{_BEGINS}[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}(?:同学|小朋友|，?(?:今年)?(?:[3-9]|1[0-7]|[三四五六七八九十])岁)"
    ),
)


def names(path: Path) -> list[str]:
    """A list of names, one a line."""
    return [one.strip() for one in bounded.read_text(path).splitlines() if one.strip()]


def refuse(text: str, where: str, roster: Collection[str] = ()) -> None:
    """Raises Refused naming the rule and the line for a text that breaks one of the rules."""
    for found in personal_data.find(text):
        raise _refused(
            "personal-data",
            say("the text holds personal data: {0}", personal_data.shown(text, found)),
            where,
            text,
            found.start,
        )
    for form in _CHILD:
        match = form.search(text)
        if match is not None:
            raise _refused("child-name", say("the text names a child"), where, text, match.start())
    if roster:
        blocked = Terms((one, one) for one in roster)
        for number, line in enumerate(text.splitlines(), 1):
            if blocked.find(line) is not None:
                raise Refused(
                    say("the text has a name of the list of names that are kept out"),
                    say("rule {0}: {1}, line {2}", "roster", where, number),
                    say("take it out, or write another name"),
                )


def _refused(rule: str, what: Message, where: str, text: str, start: int) -> Refused:
    line = text.count("\n", 0, start) + 1
    return Refused(
        what,
        say("rule {0}: {1}, line {2}", rule, where, line),
        say("take it out, or write another name"),
    )
