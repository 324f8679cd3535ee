"""What every `check` finds, in words: each finding has a code, and a sentence in English and in
Chinese that its values fill. Those of one modality are in its own `check.py`.

A level says what follows: a "problem" stops training, a "warning" makes a worse model or a
dishonest number, a "note" is good to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import Formatter
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from castalia import language, modality

LANGUAGES = tuple(language.LANGUAGES)  # in the order of the pairs below


_ITEM = re.compile(r"(.+), item ([0-9]+)")


class Names(Protocol):
    """What of a Check (item_scan.py) has names in it."""

    unit: ClassVar[str]
    nouns: ClassVar[Mapping[str, Callable[[int], str]]]

    @classmethod
    def counted(cls, count: int) -> str:
        """So many of `unit`."""
        ...


class Sentence(NamedTuple):
    """one: the English where the first whole number of the sentence is 1; "" where it
    is the same.
    """

    level: Literal["problem", "warning", "note"]
    en: str
    zh: str
    one: str = ""


FINDINGS: dict[str, Sentence] = {
    "nothing": Sentence(
        "problem",
        "There is nothing here that Castalia reads. {what} {remedy}",
        "这里没有 Castalia 能读取的数据。{what} {remedy}",
    ),
    "omitted": Sentence(
        "warning", "Left out: {what}: {count}; {remedy}", "未读入：{what}：{count}。{remedy}"
    ),
    "unreadable": Sentence(
        "problem",
        "{count} files or folders cannot be read; training stops at the first. Mend or "
        "remove them, or go on without them: data.skip_bad=true.",
        "{count} 个文件或文件夹无法读取；训练会在第一个处停下。请修复或移走，或加 "
        "data.skip_bad=true 跳过。",
        "{count} file or folder cannot be read; training stops there. Mend or remove it, "
        "or go on without it: data.skip_bad=true.",
    ),
    "skipped": Sentence(
        "warning",
        "{count} files or folders cannot be read and are left out, as data.skip_bad=true asks.",
        "{count} 个文件或文件夹无法读取，已按 data.skip_bad=true 跳过。",
        "{count} file or folder cannot be read and is left out, as data.skip_bad=true asks.",
    ),
    "stops": Sentence("problem", "Training would stop here: {what}.", "训练会在此停下：{what}。"),
    "few": Sentence(
        "problem",
        "Too little: {count} different items; training asks for {least}. The format is "
        "right, there is only not enough of it.",
        "数据太少：只有 {count} 个不同的样本；训练至少需要 {least} 个。格式没有问题，只是不够。",
        "Too little: {count} different item; training asks for {least}. The format is "
        "right, there is only not enough of it.",
    ),
    "identical": Sentence(
        "problem",
        "All {count} items are identical; there is nothing to learn.",
        "全部 {count} 个样本完全相同，没有可学的内容。",
    ),
    "empty": Sentence(
        "warning",
        "{count} files hold no text and count for nothing.",
        "{count} 个文件没有任何文字，不起作用。",
        "{count} file holds no text and counts for nothing.",
    ),
    "same_bytes": Sentence(
        "warning",
        "{count} items are exact copies of others, byte for byte. They count twice in "
        "training; they never stand on both sides of the split.",
        "{count} "
        "个样本与其他样本逐字节相同。它们在训练中会被重复计算；但不会同时出现在训练集与验证集。",
        "{count} item is an exact copy of another, byte for byte. It counts twice in "
        "training; the two never stand on both sides of the split.",
    ),
    "same_content": Sentence(
        "warning",
        "{count} items say the same as others although their files differ (another "
        "format, metadata, case or spaces).",
        "{count} 个样本的文件不同但内容相同（格式、元数据、大小写或空白不同）。",
        "{count} item says the same as another although their files differ (another "
        "format, metadata, case or spaces).",
    ),
    "near": Sentence(
        "warning",
        "{count} items are nearly the same as others. The split does not know that they "
        "belong together, so scores on held-out data would flatter the model.",
        "{count} 个样本与其他样本几乎相同。划分训练集与验证集时无从得知它们同源，验证分数会偏高。",
        "{count} item is nearly the same as another. The split does not know that they "
        "belong together, so scores on held-out data would flatter the model.",
    ),
    "conflict": Sentence(
        "warning",
        "{count} items occur in more than one class with the same content.",
        "{count} 个内容相同的样本属于不同类别。",
        "{count} item occurs in more than one class with the same content.",
    ),
    "leak": Sentence(
        "warning",
        "Leakage: {count} of {total} items of “{into}” ({share}) are in “{source}” too, "
        "exactly or nearly. Scores on “{into}” are not to be trusted.",
        "数据泄漏：“{into}”的 {total} 个样本中有 {count} "
        "个（{share}）也在“{source}”中出现（完全相同或几乎相同）。“{into}”上的分数不可信。",
    ),
    "no_leak": Sentence(
        "note",
        "No leakage from “{source}” to “{into}”: none of {total} items is a copy or nearly one.",
        "“{source}”与“{into}”之间没有泄漏：{total} 个样本中没有相同或近乎相同的。",
    ),
    "splits": Sentence(
        "note",
        "The parts {parts} look like a split that was made already; Castalia reads them "
        "together and splits anew. Point it at one of them to train on that alone.",
        "{parts} 看来是已有的划分；Castalia "
        "会合并读取并重新划分。只用其中之一训练时，请直接指向它。",
    ),
    "imbalance": Sentence(
        "warning",
        "Classes are out of balance: “{large}” has {most} items, “{little}” has {fewest}.",
        "类别不均衡：“{large}”有 {most} 个样本，“{little}”只有 {fewest} 个。",
    ),
    "unlabelled": Sentence(
        "note",
        "{count} items have no class.",
        "{count} 个样本没有类别。",
        "{count} item has no class.",
    ),
    "mixed": Sentence(
        "warning",
        "Kinds are mixed: the codec “{codec}” takes {own} files and leaves out {others}.",
        "文件夹里混有不同类型的数据：编解码器“{codec}”读取 {own} 个文件，忽略 {others}。",
        "Kinds are mixed: the codec “{codec}” takes {own} file and leaves out {others}.",
    ),
    "ignored": Sentence(
        "note",
        "Left out, because nothing here reads them: {what}.",
        "以下文件无法读取，已忽略：{what}。",
    ),
    "metadata": Sentence(
        "note",
        "{name} describes the files, with the columns {columns}: data.label=COLUMN makes "
        "classes, data.group=COLUMN keeps together what belongs together.",
        "{name} 描述了这些文件，列有 {columns}：data.label=列名 用作类别，data.group=列名 "
        "使同组样本不被拆开。",
    ),
    "licence": Sentence(
        "note", "No licence file lies beside the data.", "数据旁边没有许可证文件。"
    ),
    "links": Sentence(
        "note",
        "{count} links lead nowhere or to a folder that was read already.",
        "{count} 个链接失效或指向已读过的文件夹。",
        "{count} link leads nowhere or to a folder that was read already.",
    ),
    "changed": Sentence(
        "warning",
        "The data are not those of the manifest: {added} added, {removed} removed, "
        "{changed} changed, {renamed} renamed, {same} the same.",
        "数据与清单不一致：新增 {added}，删除 {removed}，改动 {changed}，改名 "
        "{renamed}，相同 {same}。",
    ),
    "unchanged": Sentence(
        "note",
        "The data are those of the manifest: {same} files, none added, removed or changed.",
        "数据与清单一致：{same} 个文件，没有增删改。",
        "The data are those of the manifest: {same} file, not changed, and none beside it.",
    ),
}
ENOUGH = {
    "enough": ("enough for {family}", "足够用于 {family}"),
    "little": (
        "little for {family}: {have}, it wants about {wants}",
        "对 {family} 偏少：{have}，建议约 {wants}",
    ),
    "too little": (
        "too little for {family}: {have}, it needs at least about {least} and wants about {wants}",
        "对 {family} 太少：{have}，至少约 {least}，建议约 {wants}",
    ),
}
VERDICTS = {
    "clean": ("Nothing stands in the way.", "没有发现问题。"),
    "warnings": (
        "It can be trained on. Some things deserve a look first.",
        "可以训练，但有几处值得先看一看。",
    ),
    "problems": (
        "Training would stop. This is why, and what to do.",
        "训练会中断。原因和办法如下。",
    ),
}
# What the page and the terminal say between the findings.
LABELS = {
    "check": ("Data check", "数据检查"),
    "problem": ("problem", "问题"),
    "warning": ("warning", "警告"),
    "note": ("note", "提示"),
    "what": ("What is here", "数据概况"),
    "findings": ("Findings", "发现"),
    "enough": ("Is it enough?", "数据量是否足够"),
    "duplicates": ("Copies, side by side", "重复样本对照"),
    "leakage": ("Between the parts", "各部分之间"),
    "personal": ("Likely personal data", "可能的个人信息"),
    "next": ("What to do next", "下一步"),
    "unreadable": ("Cannot be read", "无法读取"),
    "manifest": ("Compared with the manifest", "与清单比较"),
    "items": ("items", "样本"),
    "different": ("different", "不同"),
    "files": ("files", "文件"),
    "codec": ("codec", "编解码器"),
    "licence": ("licence", "许可证"),
    "fingerprint": ("fingerprint", "指纹"),
    "classes": ("classes", "类别"),
    "columns": ("columns", "列"),
    "bytes": ("byte for byte", "逐字节相同"),
    "both": ("in two parts", "两部分中都有"),
    "content": ("same content", "内容相同"),
    "near": ("nearly the same", "几乎相同"),
    "distance": ("distance", "距离"),
    "kind": ("kind", "种类"),
    "count": ("found", "数量"),
    "texts": ("in texts", "所在文本"),
    "example": ("masked examples", "脱敏示例"),
    "from": ("from", "来源"),
    "into": ("into", "进入"),
    "share": ("share", "占比"),
    "added": ("added", "新增"),
    "removed": ("removed", "删除"),
    "changed": ("changed", "改动"),
    "renamed": ("renamed", "改名"),
    "more": ("and {0} more", "另有 {0} 个"),
    "tables": ("Tables", "表格"),
    "filled": ("filled", "非空"),
    "values": ("different values", "不同取值"),
    "none": ("none", "无"),
    "offline": (
        "This page is one file and loads nothing from elsewhere. Personal data are masked in it.",
        "本页是单个文件，不加载任何外部内容；个人信息已脱敏。",
    ),
    "five": ("least · 10% · median · 90% · most", "最小 · 10% · 中位 · 90% · 最大"),
}


def finding(code: str, lang: str, values: Mapping[str, Any], codec: str | None = None) -> str:
    """The sentence of a finding. Whole numbers get commas, fractions are shares, a mapping of names
    to counts is listed.

    codec: the one that looked, whose modality may have sentences of its own; None: of any.
    """
    checks = list(_checks(codec))
    sentence = FINDINGS.get(code) or next(
        check.sentences[code] for check in checks if code in check.sentences
    )
    return filled(sentence, lang, values, checks)


def filled(
    sentence: Sentence, lang: str, values: Mapping[str, Any], checks: Sequence[type[Names]]
) -> str:
    """The sentence with its values; `checks` have the nouns for names that are counted."""
    first = next(
        (
            values[name]
            for _, name, _, _ in Formatter().parse(sentence.en)
            if name and isinstance(values[name], int)
        ),
        None,
    )
    english = sentence.one if sentence.one and first == 1 else sentence.en
    text = (sentence.zh if lang == "zh" else english).format(
        **{name: _shown(value, lang, checks) for name, value in values.items()}
    )
    return text.removesuffix("; ").rstrip()  # of what is left out, not all has a remedy


def example(text: str, lang: str) -> str:
    """An example of a finding; of "file, item 3: why", the place and the reason are told in the
    language.
    """
    name, sign, why = text.partition(": ")
    place = _ITEM.fullmatch(name)
    named: str = language.say("{0}, item {1}", *place.groups()) if place else name
    return language.translate(
        language.say("{0}: {1}", named, language.recognised(why)) if sign else named, lang
    )


def counted(count: int, unit: str, lang: str) -> str:
    """ "1 picture", "1,204 pictures", "1,204 张图片"; `unit` is that of a Check."""
    check = next((check for check in _checks(None) if check.unit == unit), None)
    return f"{count:,} {unit}" if check is None else language.translate(check.counted(count), lang)


def noun(name: str, lang: str, count: int, codec: str | None = None) -> str:
    """What so many things that findings call `name` are called: the items of a codec, or a noun of
    the check of `codec`; `name` itself where it is neither.
    """
    return _noun(name, lang, count, list(_checks(codec)))


def pick(pair: tuple[str, str], language: str) -> str:
    return pair[LANGUAGES.index(language)]


def label(name: str, language: str) -> str:
    return pick(LABELS[name], language)


def _checks(codec: str | None) -> Iterator[type[Names]]:
    """The check of a codec's modality; of all modalities for None."""
    for one in modality.every().values():
        if one.check and codec in (None, one.name):
            yield one.load("check")


def _shown(value: Any, lang: str, checks: Sequence[type[Names]]) -> str:
    match value:
        case int():
            return format(value, ",")
        case float():
            return f"{value:.1%}"
        case dict():
            listed = [
                (format(count, ","), _noun(name, lang, count, checks))
                for name, count in value.items()
            ]
            return (
                "、".join(f"{name} {count}" for count, name in listed)
                if lang == "zh"
                else ", ".join(f"{count} {name}" for count, name in listed)
            )
        case list() | tuple():
            return ("、" if lang == "zh" else ", ").join(map(str, value))
    return language.translate(value, lang) if isinstance(value, str) else str(value)


def _noun(name: str, lang: str, count: int, checks: Sequence[type[Names]]) -> str:
    made = next((check.nouns[name] for check in checks if name in check.nouns), None)
    if made is not None:
        return language.translate(made(count), lang)
    described = modality.get(name)
    if described is None:
        return name
    return (
        described.item if lang == "en" and count == 1 else language.translate(described.items, lang)
    )
