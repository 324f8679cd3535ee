"""Specific: an open task says how much, in which form or for whom; a demand has a measure.

A task is open if its answer may have any length, number or form: known by verbs ("explain"), by
what is to be written ("a story") and by questions ("how can ..."). A bound anywhere in the prompt's
own words will do (bounds.py). Words of amount ("brief", "some") want a number; words of taste
("nice") are
passed over where anything else binds the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from castalia.apps.prompt.lint import bounds, words
from castalia.apps.prompt.lint.finding import Edit, Finding
from castalia.apps.prompt.lint.reading import Reading
from castalia.sentences import say

_TASTE = re.compile(
    r"\b(?:nice|good|great|better|interesting|things?|something|creative|cool|proper|suitable"
    r"|fascinating|appropriate|various|etc)\b"
    r"|好一点|好一些|适当|合适|恰当|有意思|有意义|有趣|专业一点|专业一些|尽快|好诗|好文章|丰富|一点"
    r"|(?<=写)点|东西",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\b(?:some(?!one|body|thing|times)|several|a few|long|short|brief|briefly|detailed"
    r"|in detail|quick|lengthy)\b"
    r"|一些|几[个条篇种]|若干|不要太长|不要太短|适中|简短|详细|简要|适当长度",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    r"\W*(?:please\s+)?(?:replace|translate|classify|convert|extract|count|sort|fix|correct"
    r"|detect|fill)\b",
    re.IGNORECASE,
)
_OPEN_VERB = re.compile(
    r"(?:^\W*|, )(?:(?:please|you need to|and|now|then)\s+)*"
    r"(?:explain|describe|discuss|recommend|suggest|brainstorm|introduce|elaborate|complete"
    r"|continue"
    r"|expand|plan|advise|add (?:things|items)|analy[sz]e|come up with (?:the|some|a list))\b",
    re.IGNORECASE,
)
_LONG = (
    "story|article|essay|lists?|letters?|e-?mails?|reviews?|reports?|description|blog post|posts?"
    "|blog|conversation|dialogue|plan|budget|survey|questions|checklist|scene|text|speech|spells"
    "|situation|examples|ideas|tips|suggestions|advice|things|names|titles|taglines|synonyms|laws"
    "|collocations|something|poems?|summary|guide|lyrics|jokes|an answer"
)
_WRITTEN = re.compile(
    r"\b(?:write|create|make|generate|give|compose|draft|come up with|provide|list|tell|design"
    r"|prepare|produce|do|turn down|reply)\b"
    rf"(?:[^.!?\n]{{0,60}}?)\b(?:{_LONG})\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\s*(?:how (?:can|do|would|should|to)|why|what (?:are (?:some|your|the)|do you|can)"
    r"|which \w+ (?:are|is) best|is there any|in your opinion|tell me why)\b|.*\ba good idea\b",
    re.IGNORECASE,
)
_HAN = re.compile(
    r"(?:写|做|起草|撰写|创作|编|来)(?:一)?(?:篇|个|首|份|段|封|些|点)?[^,，。！？\n]{0,16}?(?:文章|故事|作文|博客|攻略|诗(?!句)|词$"
    r"|欢迎词|自我介绍|介绍|计划|报告|邮件|文案|总结|方案|演讲稿|东西|建议)"
    r"|(?:^|[请下，,])(?:介绍|分析|谈谈|讲讲|说说|推荐|描述|解释|说明|讲解|阐述)"
    r"|(?:给|提)(?:我|出)?(?:一些|几[个条])?[^,，。\n]{0,12}(?:建议|意见|想法)|为什么|怎么(?:办|样)|如何"
)


def find(reading: Reading) -> Iterator[Finding]:
    """At most one of a sentence."""
    own = " ".join(one.text for one in reading.sentences)
    counted = bounds.number(own)
    bound = counted or bounds.form(own)
    for sentence in reading.asking:
        text = sentence.text
        vague = None
        if not counted:
            vague = _AMOUNT.search(text) or (
                None if bound or _CLOSED.match(text) else _TASTE.search(text)
            )
        if vague is not None:
            start = sentence.start + vague.start()
            yield Finding(
                "specific",
                "vague",
                "warning",
                start,
                start + len(vague[0]),
                say(
                    "'{0}' is the only measure; no number, form or reader says what is meant",
                    vague[0],
                ),
                (Edit(start, start + len(vague[0]), _gap(text, measure=True)),),
            )
        elif not bound and _is_open(text):
            end = sentence.start + len(text.rstrip(".!?。！？:："))
            yield Finding(
                "specific",
                "open",
                "warning",
                sentence.start,
                sentence.end,
                say("the answer may have any length, number and form"),
                (Edit(end, end, _gap(text)),),
            )


def _is_open(text: str) -> bool:
    return any(
        pattern.search(text) is not None for pattern in (_OPEN_VERB, _WRITTEN, _HAN)
    ) or bool(_QUESTION.match(text))


def _gap(text: str, *, measure: bool = False) -> str:
    """In the prompt's language, not in the reader's."""
    if words.HAN.search(text):
        return "[数量或标准]" if measure else "，[数量、长度、格式或读者]"
    return "[a number or a measure]" if measure else ", [number, length, form or reader]"
