"""Clear: what the prompt points at is there, its demands can all be met, and it names a task.

missing      "the following sentence", "above", "it" with nothing in their place.
contradiction  two languages of the answer, short and exhaustive, a form wanted and forbidden, two
             counts of the same thing.
choice       "or not, as you like": the reader decides what is asked.
task         nothing in it asks for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from castalia.apps.prompt.lint import words
from castalia.apps.prompt.lint.finding import Edit, Finding
from castalia.apps.prompt.lint.reading import Passage, Reading
from castalia.sentences import say

FAR = 4000  # characters in which what "the sentence" means is looked for
_NOUNS = (
    "sentences?|texts?|paragraphs?|passages?|articles?|documents?|e-?mails?|stor(?:y|ies)|words?"
    "|phrases?|lists?|tables?|code|functions?|questions?|problems?|pairs?|facts?|claims?|cit(?:y"
    "|ies)"
    "|countr(?:y|ies)|professions?|stereotypes?|reviews?|dialogues?|data|numbers?|topics?|products?"
    "|achievements?|purpose|information|items?|names?|descriptions?|outlines?|lyrics|chats?"
    "|messages?|reports?|numbers?|instances?|quer(?:y|ies)|movies?|idioms?|foods?|invitation"
    "|placeholders?|token|example|statements?|files?|image|poem|letter|log|transcript|idea|draft"
)
# "the word paris", "the number 14": what is meant follows
_NAMED = {"word", "words", "number", "numbers", "city", "country", "function", "name", "topic"}
_LITTLE = "in|into|with|and|or|as|so|by|at|is|are|was|has|have|it|if|using"
# what says that something is given, wherever it stands
_POINTED = re.compile(
    r"\b(?:(?:the|these|this|those|that)\s+(?:given|following|provided|attached|below)"
    r"|given|following|provided|attached)"
    rf"\s+(?:[\w'-]+\s+){{0,2}}?(?:{_NOUNS})\b",
    re.IGNORECASE,
)
_NOUN = re.compile(rf"\b(?:the|this|these|those)\s+(?:[\w<>'-]+\s+)?(?P<noun>{_NOUNS})\b", re.I)
_BEFORE = re.compile(
    r"\b(?:the )?(?:above|previous(?:ly)?|aforementioned|as (?:said|discussed) before)\b"
    r"|上面|上述|上文|以上(?!的?(?:学生|年|岁))|前面|之前说|刚才|前一致|第[一二三四五六七八九十\d]+[段条章节]",
    re.IGNORECASE,
)
_BEHIND = re.compile(r"\b(?:the following|below)\b|下面|以下(?!的?(?:学生|年|岁))|下列|如下", re.I)
_PRONOUN = re.compile(
    r"^\W*(?:please\s+|can you\s+|could you\s+)*(?:make|fix|do|improve|change|rewrite"
    r"|summari[sz]e|translate|explain|check"
    r"|correct|shorten|use|continue|review|edit|send|handle|convert|finish|update|polish)\s+"
    r"(?:it|this|that|them|these|those)\b(?!\s+(?!better|into|to|in|for|as|so|and|up|more|again"
    r"|with|by|shorter|longer|now|please|well)\w)"
    r"|(?:把|将|对)?(?<!其)(?:它们?|那个东西|这个东西|那个错误|这个错误|那件事)(?!的)"
    r"|(?:把|将)(?:这个|那个|这|那)(?:再|改|翻|处理|总结|写)",
    re.IGNORECASE,
)
_LANGUAGES = {
    "english": "en",
    "french": "fr",
    "german": "de",
    "spanish": "es",
    "italian": "it",
    "chinese": "zh",
    "japanese": "ja",
    "英文": "en",
    "英语": "en",
    "法文": "fr",
    "法语": "fr",
    "德语": "de",
    "中文": "zh",
    "汉语": "zh",
    "日文": "ja",
    "日语": "ja",
    "西班牙语": "es",
}
_IN_LANGUAGE = re.compile(
    r"\b(?:write|reply|answer|respond|output|must be|be)\b[^.!?\n]{0,40}?\bin (?P<en>english"
    r"|french|german|spanish|italian|chinese|japanese)\b"
    r"|(?:全部|必须|都|一律|请)?用(?P<zh>英文|英语|法文|法语|德语|中文|汉语|日文|日语|西班牙语)(?:来)?(?:写|回复|回答|输出|作答)",
    re.IGNORECASE,
)
_SHORT = re.compile(
    r"\b(?:under|at most|within|no more than|fewer than|less than)\s+(?P<en>\d{1,2})\s+words\b"
    r"|\b(?:very briefly|be (?:brief|short|concise)|keep it (?:short|brief)|few words)\b"
    r"|(?:不超过|少于|控制在)\s*(?P<zh>\d{1,2})\s*个?字|\b(?P<ci>\d{1,2})\s*字以内|要简短|要简洁|简短|不要写长|言简意赅|尽量简洁",
    re.IGNORECASE,
)
_FULL = re.compile(
    r"\b(?:in (?:full |every |great )?detail|exhaustive(?:ly)?|comprehensive(?:ly)?"
    r"|full paragraph|as long as possible|long and|at length|thorough(?:ly)?|detailed)\b"
    r"|详细|详尽|全面|每个[^，。]{0,8}写一段|尽可能长|越长越好|一字不漏|面面俱到",
    re.IGNORECASE,
)
_FORBIDDEN = (
    r"(?:\b(?:do not|don['’]t|never|avoid|without|no)\b[^.!?\n,;]{0,25}?"
    r"|(?:不要|不得|不能|禁止|别|避免)[^。！？\n，,；]{0,8}?)"
)
_THINGS = {
    "list": r"\b(?:numbered |bullet(?:ed)? )?lists?\b|清单|列表|编号",
    "bullets": r"\bbullet(?:s| points)\b|项目符号",
    "table": r"\btables?\b|表格",
    "emoji": r"\bemojis?\b|表情",
    "json": r"\bjson\b",
    "markdown": r"\bmarkdown\b",
    "code": r"\bcode\b|代码",
    "examples": r"\bexamples?\b|举例|例子",
    "title": r"\btitles?\b|标题",
}
_CHOICE = re.compile(
    r"或者不[^，。]{0,6}也(?:行|可以)|随便(?:你|都|[，,。])"
    r"|\bor not,? (?:as|whatever|it)|whatever you (?:like"
    r"|want)"
    r"|\bor (?:maybe )?not\b(?=,? (?:up to you|i don['’]t (?:mind|care)))|\bup to you\b",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"\b(?:exactly|only|must (?:have|be))\s+(?P<en>\d+|one|two|three|four|five|six|seven|eight"
    r"|nine|ten)\s+(?P<unit>sentences?|words?|paragraphs?|items?|lines?|bullet points|examples?)\b"
    r"|(?:正好|只|必须(?:是|写)?|恰好)\s*(?P<zh>[\d一二两三四五六七八九十]+)\s*(?P<measure>句|个字|段|行|条|个)",
    re.IGNORECASE,
)


def find(reading: Reading) -> Iterator[Finding]:
    yield from _missing(reading)
    yield from _contradictions(reading)
    for sentence in reading.sentences:
        if match := _CHOICE.search(sentence.text):
            yield _one(
                sentence,
                match,
                "choice",
                say("'{0}' leaves open what is asked", match[0]),
            )
    if reading.sentences and not reading.asking and not reading.examples.shown:
        first = reading.sentences[0]
        yield Finding(
            "clear",
            "task",
            "error",
            first.start,
            first.end,
            say("nothing here asks for anything; no verb names a task"),
            (Edit(first.start, first.start, _task(first.text)),),
        )


def _missing(reading: Reading) -> Iterator[Finding]:
    """One a prompt: what is pasted in its place mends the others."""
    for sentence in reading.asking:
        text, start = sentence.text, sentence.start
        before, behind = reading.given_before(start), reading.given_after(sentence.end)
        for pattern, there in (
            (_BEFORE, before),
            (_BEHIND, reading.given_after(start)),
            (_POINTED, bool(reading.given) or behind),
            (_PRONOUN, bool(reading.given) or sentence is not reading.sentences[0]),
        ):
            match = None if there else pattern.search(text)
            if match and not _given_in_general(text, match):
                yield _nothing(reading, sentence, match)
                return
        if not reading.given:
            for match in _NOUN.finditer(text):
                if not _introduced(reading, start + match.start(), match):
                    yield _nothing(reading, sentence, match)
                    return


def _given_in_general(text: str, match: re.Match[str]) -> bool:
    """ "Given a sentence, ...": the material comes later, in another turn."""
    return bool(re.match(r"given (?:an?|some)\b", match[0], re.IGNORECASE))


def _introduced(reading: Reading, place: int, match: re.Match[str]) -> bool:
    """Whether the noun was named before, or a clause behind it says which one is meant."""
    noun = match["noun"].lower()
    stem = noun[:-3] if noun.endswith("ies") else noun.rstrip("s")
    earlier = reading.plain[max(place - FAR, 0) : place].lower()
    if re.search(rf"\b{re.escape(stem)}", earlier):
        return True
    end = place + len(match[0])
    behind = reading.plain[end : end + 40]
    return bool(
        re.match(
            r"\s*(?:of|that|which|who|for|to|in which|about|from|on|['’]s|\w+ed|given)\b", behind
        )
        or re.match(r"\s+[a-z]+\(|[-/]\w", behind)
        or (noun in _NAMED and re.match(rf"\s+(?!(?:{_LITTLE})\b)[\w'-]+", behind))
    ) and not re.match(r"\s*(?:to me|for me)\b", behind)


def _nothing(reading: Reading, sentence: Passage, match: re.Match[str]) -> Finding:
    start = sentence.start + match.start()
    here = len(reading.text.rstrip())
    han = bool(words.HAN.search(sentence.text))
    gap = "\n\n[在此粘贴所指的内容]" if han else "\n\n[paste here what is meant]"
    return Finding(
        "clear",
        "missing",
        "error",
        start,
        start + len(match[0]),
        say("'{0}' points at something that is not in the prompt", match[0].strip()),
        (Edit(here, here, gap),),
    )


def _contradictions(reading: Reading) -> Iterator[Finding]:
    own = reading.sentences
    languages = [(one, match) for one in own for match in _IN_LANGUAGE.finditer(one.text)]
    for one, match in languages[1:]:
        if _language(match) != _language(languages[0][1]):
            yield _against(one, match, languages[0][1][0])
            break
    short = next(((one, m) for one in own if (m := _SHORT.search(one.text))), None)
    if short is not None:
        for one in reading.asking:
            full: re.Match[str] | None = next(
                (
                    m
                    for m in _FULL.finditer(one.text)
                    if not re.search(r"(?:not?|不要?|without|no)\s*\w*\s*$", one.text[: m.start()])
                ),
                None,
            )
            if full is not None:
                yield _against(one, full, short[1][0])
                break
    for pattern in _THINGS.values():
        forbidden = re.compile(f"{_FORBIDDEN}(?:{pattern})", re.IGNORECASE)
        wanted = re.compile(pattern, re.IGNORECASE)
        banned, ban = next(
            ((one, found) for one in own if (found := forbidden.search(one.text))), (None, None)
        )
        if banned is None or ban is None:
            continue
        for one in reading.asking:
            want = wanted.search(one.text)
            if one is not banned and want and not _negated(one.text, want.start()):
                yield _against(one, want, ban[0])
                break
    counts: dict[str, tuple[str, str]] = {}
    for one in own:
        for match in _COUNT.finditer(one.text):
            unit = (match["unit"] or match["measure"]).lower().rstrip("s")
            value = (match["en"] or match["zh"]).lower()
            if unit in counts and counts[unit][0] != value:
                yield _against(one, match, counts[unit][1])
            counts.setdefault(unit, (value, match[0]))


def _negated(text: str, place: int) -> bool:
    return bool(re.search(r"\b(?:not|no|without|avoid|never)\b|不|别|禁止|避免", text[:place]))


def _language(match: re.Match[str]) -> str:
    return _LANGUAGES[(match["en"] or match["zh"]).lower()]


def _against(sentence: Passage, match: re.Match[str], other: str) -> Finding:
    return _one(
        sentence,
        match,
        "contradiction",
        say("'{0}' and '{1}' cannot both be met", other.strip(), match[0].strip()),
    )


def _one(sentence: Passage, match: re.Match[str], kind: str, reason: str) -> Finding:
    """Proposes to leave the sentence out; which of two demands is meant is for a person to say."""
    start = sentence.start + match.start()
    edit = Edit(sentence.start, sentence.end)
    return Finding("clear", kind, "error", start, start + len(match[0]), reason, (edit,))


def _task(text: str) -> str:
    return "[要做什么：动词]" if words.HAN.search(text) else "[verb that names the task] "
