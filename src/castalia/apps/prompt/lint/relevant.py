"""Relevant: everything in the prompt does something for its task.

unused      a variable that the head declares and the body does not use.
digression  "by the way", "对了": says itself that it is no part of the task.
reminder    "remember to ...", "记得 ..." about something else.
story       a statement that shares no content word with what is asked, where the task is closed
            (translate, convert, count, extract, ...). Of an open task ("suggest three breakfasts")
            the writer's situation is a part, whatever words it uses; so is whatever a later "it"
            may mean, in a question; so is a prompt that mostly tells, in many sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from castalia.apps.prompt.lint import words
from castalia.apps.prompt.lint.concise import PADDING, POLITE
from castalia.apps.prompt.lint.finding import Edit, Finding
from castalia.apps.prompt.lint.reading import Passage, Reading
from castalia.sentences import say

DOCUMENT = 6  # statements from which a prompt that mostly tells is what the task is about
_DIGRESSION = re.compile(
    r"\b(?:by the way|anyway|speaking of which|off topic|on another note|fun fact)\b"
    r"|对了[，,]|顺便(?:说|提)一[下句]|题外话|话说回来|不说了|(?:^|[。！？\s])另外[，,](?!请|也?要|不要|需要|还?要|注意)",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"\s*(?:you|you're|act as|imagine|suppose|as an?\b)|\s*(?:你是|假设|假如|作为|现在你)",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    r"\b(?:translate|convert|count|extract|sort|name|list the|calculate|compute|rewrite"
    r"|capitali[sz]e|spell"
    r"|correct|classify|label|sql|regular expression|function|python|fill|replace|detect"
    r"|identify)\b"
    r"|翻译|换算|提取|抽取|计算|列出|写出|写成|改成|SQL|函数|正则|判断|排列|分类|释义|填|大写|小写|改正",
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\b(?:it|they|them|he|she|his|her|how (?:many|much|long|far|old)|my|our|this)\b"
    r"|他|她|它|多少|几[个支岁天]|每个|这",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:suggest|recommend|plan|advise|advice|help me|should i|write (?:a|an|me"
    r"|my) (?:\w+ ){0,3}(?:letter|e-?mail|post|story"
    r"|line|newsletter|message|review|speech|reply))\b|推荐|建议|计划|攻略|短信|邮件|文案|广告|欢迎词|回复|介绍"
    r"|怎么办",
    re.IGNORECASE,
)


def find(reading: Reading) -> Iterator[Finding]:
    for start, end, name in reading.unused:
        yield _out("unused", start, end, say("the variable '{0}' is declared and never used", name))
    asking = [one for one in reading.asking if not words.REMINDER.match(one.text)]
    task = set().union(*(words.content(one.text) for one in asking))
    whole = " ".join(one.text for one in asking)
    closed = bool(_CLOSED.search(whole)) and not _OPEN.search(whole) and not _REFERS.search(whole)
    told = sum(not one.asks for one in reading.sentences)
    closed = closed and (told < DOCUMENT or 2 * told < len(reading.sentences))
    for sentence in reading.sentences:
        match = _DIGRESSION.search(sentence.text)
        alone = not (words.content(sentence.text) & task) if asking else False
        if match is not None:
            yield _digression(sentence, match)
        elif not alone or _ROLE.match(sentence.text) or _padding(sentence.text):
            continue
        elif words.REMINDER.match(sentence.text):
            reason = say("this has nothing to do with what is asked")
            yield _out("reminder", sentence.start, sentence.end, reason)
        elif closed and not sentence.asks:
            reason = say("this shares nothing with what is asked")
            yield _out("story", sentence.start, sentence.end, reason)


def _padding(text: str) -> bool:
    """What another rule finds."""
    return bool(POLITE.search(text)) or any(pattern.search(text) for pattern, _ in PADDING)


def _digression(sentence: Passage, match: re.Match[str]) -> Finding:
    """The sentence goes where it asks for nothing; else the phrase alone."""
    reason = say("'{0}' leaves the task", match[0].strip(" ，,。"))
    if sentence.asks:
        start = sentence.start + match.start()
        return _out("digression", start, start + len(match[0]), reason)
    return _out("digression", sentence.start, sentence.end, reason)


def _out(kind: str, start: int, end: int, reason: str) -> Finding:
    return Finding(
        "relevant", kind, "warning", start, end, reason, (Edit(start, end),), complete=True
    )
