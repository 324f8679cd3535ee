"""Which sentences ask for something, in English and Chinese: by their first verb."""

from __future__ import annotations

import re

_VERBS = (
    "add analyse analyze answer apply ask assign avoid begin brainstorm build calculate capitalise"
    " capitalize change check choose classify combine come compare complete compose compute"
    " condense consider continue convert copy correct count create decide define delete describe"
    " design detect determine develop discuss draft draw edit elaborate ensure evaluate exclude"
    " expand explain extract fill find fix follow format generate give go help highlight identify"
    " ignore imagine improve include insert introduce judge keep label limit link list look make"
    " mark match mention merge move name note order organise organize outline output paraphrase"
    " parse pick plan predict prepare present produce proofread propose prove provide put rank rate"
    " read recommend remember remove rename rephrase replace reply report respond return review"
    " revise rewrite say score select send separate shorten show simplify solve sort spell split"
    " start state stop structure suggest summarise summarize take tell test think transform"
    " translate treat try turn understand use verify visit write"
)
VERBS = _VERBS.split()
# a verb that names no task by itself
_LEAD = (
    r"(?:[\W_]*(?:\d+[.)]\s*)?(?:(?:and|also|then|now|first|next|finally|please|kindly|so|just"
    r"|anyway|always|never|only|do not|don't|must|to|but|or|basically|again|in order to"
    r"|let's)\b[\s,]*)*)"
)
_ORDER = re.compile(rf"{_LEAD}(?:{'|'.join(VERBS)})\b(?!['’]s)", re.IGNORECASE)
_GERUND = re.compile(r"\s*(?:converting|solving|translating|sorting|\w+ parsing)\b", re.IGNORECASE)
_ASKED = re.compile(
    r"\b(?:you (?:must|should|need|have to|will|are to|can|may|are (?:given|provided))"
    r"|(?:i|we)(?:['’]d| would| really)* (?:want|need|like) (?:you )?to"
    r"|(?:could|can|would|will) you\b|there must|must (?:be|have|not|use|write)|should (?:be"
    r"|have|not)"
    r"|do not|don['’]t|need is|i would like|make sure|be sure|(?:i|we) need|task is)",
    re.IGNORECASE,
)
_COMMA = re.compile(rf",\s*(?:please\s+)?(?:{'|'.join(VERBS)})\b", re.IGNORECASE)
HAN_VERBS = (
    "写|列|翻译|判断|提取|抽取|改|计算|换算|回答|介绍|分析|解释|输出|返回|总结|概括|生成|设计|推荐"
    "|检查|算|造|给出|给我|给新|给下|来一|查|找|描述|说明|讲|比较|分类|排序|选|补全|续写|润色|修改|整理|编|制定|做|提"
    "|润|替换|删除|填|起草|撰写|创作|规划|评价|评估|归纳|画|拟|起|为下|多写|帮|处理|保留|先写"
)
_HAN_ORDER = re.compile(
    rf"(?:^|[，,、;；\s\u00a4])(?:那么|现在|然后|再|最后|首先|并且|并|同时|就|也|因此|所以|总之|注意)?[，,]?\s*(?:{HAN_VERBS})"
    r"|请|帮我|帮忙|能不能|能否|可不可以|麻烦|务必|必须|不要|不得|一定要|只(?:写|输出|回答|能)|要求|需要"
    r"|(?:^|[，,])(?:把|将|用|从|向|根据|以|为).{1,40}?(?:成|为|给|写|答|列|解释|讲|提取|查|概括|出|做|描述|说|下来|的|回复|改)"
    r"|想(?:让|请|要)你|你(?:是|要|需|应|得)"
)
_QUESTION = re.compile(r"[?？]|(?:吗|呢|几个|多少|什么|哪[里个些]|怎么|如何|为什么)")
HAN = re.compile("[\u4e00-\u9fff]")
_ORDER_LABEL = re.compile(
    r"\s*(?:note|task|instructions?|rules?|requirements?|format|output format|important|length|role"
    r"|goal|steps?|注意|要求|任务|指令|说明|格式|输出格式|规则|重要|目标|步骤|角色|长度)\s*$",
    re.IGNORECASE,
)
REMINDER = re.compile(
    r"\s*(?:also,?\s*)?(?:please )?(?:remember|don['’]t forget|do not forget)\b"
    r"|\s*(?:记得|别忘了|不要忘)",
    re.IGNORECASE,
)


def asks(text: str) -> bool:
    """Whether a sentence asks for something: an order, a wish or a question."""
    if _ORDER.match(text) or _ASKED.search(text) or _COMMA.search(text) or _GERUND.match(text):
        return True
    if "?" in text or "？" in text:
        return True
    return bool(_HAN_ORDER.search(text)) or (
        bool(HAN.search(text)) and bool(_QUESTION.search(text))
    )


def order_label(label: str) -> bool:
    """Whether what follows such a label is an order, not material."""
    return bool(_ORDER_LABEL.match(label))


def english_order(text: str) -> bool:
    """Whether it begins with an English order."""
    return bool(_ORDER.match(text))


_STOP_WORDS = (
    "a an the of to in on at for from by with and or but as is are was were be been it its this"
    " that"
    " these those i you we they he she my your our their me us them do does did not no only just"
    " any"
    " all each every please write give make must should can could would will have has had so"
    " very if"
    " than then there here also into out up about more most one what which how when where who"
    " really output answer"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?|[\u4e00-\u9fff]+")
_HAN_STOP = re.compile(
    "[的了是在我你您他她它们和与或并就都也还而请把将被让给对于这那个些要会能可以一不只"
    "下面里中上有为从到以及]"
)


def content(text: str) -> set[str]:
    """Stems of content words; pairs of Chinese characters without function words between."""
    found: set[str] = set()
    for word in _WORD.findall(text.lower()):
        if "\u4e00" <= word[0] <= "\u9fff":
            for part in _HAN_STOP.split(word):
                found |= {part[place : place + 2] for place in range(len(part) - 1)}
        elif word not in STOP_WORDS:
            found.add(_stem(word))
    return found


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "ly", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
