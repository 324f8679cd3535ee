"""What binds the answer to a task: numbers, forms and readers that a prompt names."""

from __future__ import annotations

import re

_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred)\b"
    r"|[二两三四五六七八九十百千]\s*(?:个|条|句|字|段|行|种|岁|词|点|项|步|日|天|元|首|章|篇|年级|次|道|处)"
    r"|不超过|以内|至少|最多|不少于|at (?:most|least)|no more than|fewer than",
    re.IGNORECASE,
)
_FORMS = (
    "sentence|sentences|haiku|limerick|sonnet|joke|title|tagline|slogan|phrase|word|headline"
    "|metaphor|simile"
    "|regex|regular expression|sql query|query|function|script|program|code|recipe|definition"
    "|puzzle|proverb|number|name|flavor|flavour|example|question-answer pair|question|subject line"
    "|paragraph|synonym|antonym|tweet|caption|riddle|response|reply|reason|method|way"
)
_FORM = re.compile(
    rf"\b(?:a|an|one|single|each|one-)[ -](?:[\w'-]+ ){{0,3}}?(?:{_FORMS})\b"
    r"|\b(?:for each (?:\w+ )?(?:day|one|item|row|line|move|entity)|json|csv|yaml|xml|html"
    r"|markdown|table|bullets?|bullet points|comma[- ]separated|per line|regular expression"
    r"|fen notation"
    r"|code|python|sql|yes or no|true or false|haiku)\b"
    r"|JSON|表格|绝句|律诗|对联|标题|成语|正则|函数|SQL|逗号|顿号|分隔|每行|格式为|一(?:句|行|个(?:字|词|例子))|清单"
    r"|编号|译文|只(?:写|输出|回答)",
    re.IGNORECASE,
)
_READER = re.compile(
    r"\bfor (?:\w+ ){0,3}?(?:children|kids|beginners|parents|students|pupils|experts|gardeners"
    r"|managers|customers|engineers|teenagers)\b"
    r"|\bto (?:an? |the |my )?(?:\w+ )?(?:people|persons?|child|children|kids?|someone|somebody"
    r"|beginners?"
    r"|students?|experts?|colleagues?|board|layperson)\b"
    r"|like i(?: a|['’])m \d|audience|readers? (?:is|are)"
    r"|读者|受众|[向给对].{0,12}?(?:孩子|小学生|初中生|初二学生|高中生|大学生|学生|新手|外行|老人|工程师|客户|顾客)",
    re.IGNORECASE,
)


def number(text: str) -> bool:
    """A count, a length or a limit."""
    return bool(_NUMBER.search(text))


def form(text: str) -> bool:
    """A form of the answer, or its reader."""
    return bool(_FORM.search(text) or _READER.search(text))
