"""What `check` finds, in words: each finding has a code, and a sentence in English and in Chinese
that its values fill.

A level says what follows: a "problem" stops training, a "warning" makes a worse model or a
dishonest number, a "note" is good to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any, Literal, NamedTuple

from castalia import language

LANGUAGES = tuple(language.LANGUAGES)  # in the order of the pairs below


_ITEM = re.compile(r"(.+), item ([0-9]+)")


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
    "constant": Sentence(
        "warning",
        "{count} pictures are of a single colour.",
        "{count} 张图片只有单一颜色。",
        "{count} picture is of a single colour.",
    ),
    "small": Sentence(
        "warning",
        "{count} pictures are less than half as large as training would make them "
        "({width} x {height}) and would be blurred.",
        "{count} 张图片的边长不到训练尺寸（{width} x {height}）的一半，放大后会模糊。",
        "{count} picture is less than half as large as training would make it ({width} x "
        "{height}) and would be blurred.",
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
    "personal": Sentence(
        "warning",
        "Likely personal data in {items} texts: {what}. A model may repeat them word for word.",
        "{items} 篇文本中可能含有个人信息：{what}。模型可能会原样复述。",
        "Likely personal data in {items} text: {what}. A model may repeat them word for word.",
    ),
    "gps": Sentence(
        "warning",
        "{count} pictures carry GPS coordinates in their EXIF data. Training does not "
        "read them, but whoever gets the files does.",
        "{count} 张图片的 EXIF 中带有 GPS 坐标。训练不会读取，但拿到文件的人能看到。",
        "{count} picture carries GPS coordinates in its EXIF data. Training does not read "
        "them, but whoever gets the file does.",
    ),
    "named": Sentence(
        "note",
        "{count} pictures name somebody or a camera in their metadata ({what}).",
        "{count} 张图片的元数据中含有人名或相机信息（{what}）。",
        "{count} picture names somebody or a camera in its metadata ({what}).",
    ),
    "generated": Sentence(
        "warning",
        "{count} pictures carry Castalia's manifest: they were drawn by a model and are "
        "not real data.",
        "{count} 张图片带有 Castalia 清单：它们由模型生成，不是真实数据。",
        "{count} picture carries Castalia's manifest: it was drawn by a model and is not "
        "real data.",
    ),
    "misnamed": Sentence(
        "note",
        "{count} pictures have an ending that is not their format; they are read all the same.",
        "{count} 张图片的扩展名与格式不符；不影响读取。",
        "{count} picture has an ending that is not its format; it is read all the same.",
    ),
    "animated": Sentence(
        "note",
        "{count} files have several frames or pages; only the first is read.",
        "{count} 个文件含有多帧或多页；只读取第一帧。",
        "{count} file has several frames or pages; only the first is read.",
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
    "encodings": Sentence(
        "note",
        "Texts come in {count} encodings: {what}. Each is found by itself.",
        "文本使用了 {count} 种编码：{what}。均可自动识别。",
    ),
    "mangled": Sentence(
        "warning",
        "{count} texts hold signs of an earlier wrong decoding (U+FFFD, “Ã©”, “锟斤拷”). "
        "The damage is in the files; a model would learn it.",
        "{count} 篇文本含有乱码痕迹（U+FFFD、“Ã©”、“锟斤拷”）。损坏在文件之中，模型会学到它。",
        "{count} text holds signs of an earlier wrong decoding (U+FFFD, “Ã©”, “锟斤拷”). "
        "The damage is in the file; a model would learn it.",
    ),
    "controls": Sentence(
        "warning",
        "{count} texts hold NUL or SUB characters.",
        "{count} 篇文本含有 NUL 或 SUB 控制字符。",
        "{count} text holds NUL or SUB characters.",
    ),
    "short": Sentence(
        "note",
        "{count} texts have fewer than {least} characters.",
        "{count} 篇文本不足 {least} 个字符。",
        "{count} text has fewer than {least} characters.",
    ),
    "repeated_lines": Sentence(
        "warning",
        "{share} of the characters in longer lines stand in lines that came before: "
        "headers, templates, or passages that are there twice.",
        "较长的行中有 {share} 的字符属于重复出现的行：页眉、模板，或重复收录的段落。",
    ),
    "columns": Sentence(
        "note",
        "No column is called text or content, so say which to read. Proposed: codec.field={field}",
        "没有名为 text 或 content 的列，需要指定读取哪一列。建议：codec.field={field}",
    ),
    "numbers": Sentence(
        "warning",
        "{name} is a table of numbers and categories, not of texts. No family models "
        "columns yet; it can only be read as text.",
        "{name} 是由数字和类别组成的表格，并非文本。目前还没有按列建模的模型；只能当作文本读取。",
    ),
    "metadata": Sentence(
        "note",
        "{name} describes the files, with the columns {columns}: data.label=COLUMN makes "
        "classes, data.group=COLUMN keeps together what belongs together.",
        "{name} 描述了这些文件，列有 {columns}：data.label=列名 用作类别，data.group=列名 "
        "使同组样本不被拆开。",
    ),
    "shapes": Sentence(
        "problem",
        "The arrays have {count} different shapes ({what}); a model needs one.",
        "数组有 {count} 种形状（{what}）；模型只接受一种。",
    ),
    "constant_entries": Sentence(
        "note",
        "{count} of {total} entries never vary.",
        "{total} 个分量中有 {count} 个从不变化。",
        "{count} of {total} entries never varies.",
    ),
    "no_near": Sentence(
        "note", "Near duplicates are not looked for in arrays.", "数组不检查近似重复。"
    ),
    "silent": Sentence(
        "warning",
        "{count} scores have no note.",
        "{count} 份乐谱没有任何音符。",
        "{count} score has no note.",
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
PERSONAL = {
    "email": ("e-mail addresses", "电子邮箱"),
    "mobile_cn": ("Chinese mobile numbers", "手机号"),
    "phone": ("other phone numbers", "其他电话号码"),
    "id_cn": ("Chinese identity numbers", "身份证号"),
    "bank_card": ("bank card numbers", "银行卡号"),
    "iban": ("IBANs", "IBAN 账号"),
    "ipv4": ("public IPv4 addresses", "公网 IPv4 地址"),
}
KINDS = {
    "image": ("pictures", "图片"),
    "array": ("arrays", "数组"),
    "text": ("texts", "文本"),
    "music": ("scores", "乐谱"),
    "beside": ("describing the data", "说明文件"),
    "other": ("not read", "未读取"),
}
# Of what is counted, the English where there is one.
SINGULARS = {
    "e-mail addresses": "e-mail address",
    "Chinese mobile numbers": "Chinese mobile number",
    "other phone numbers": "other phone number",
    "Chinese identity numbers": "Chinese identity number",
    "bank card numbers": "bank card number",
    "IBANs": "IBAN",
    "public IPv4 addresses": "public IPv4 address",
    "pictures": "picture",
    "arrays": "array",
    "texts": "text",
    "scores": "score",
    "notes": "note",
    "characters": "character",
    "rows": "row",
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
UNITS = {
    "pictures": "张图片",
    "notes": "个音符",
    "characters": "个字符",
    "rows": "个数组",
    "texts": "篇文本",
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
    "widths": ("width", "宽"),
    "heights": ("height", "高"),
    "stored": ("stored as", "存储格式"),
    "sizes": ("sizes", "尺寸"),
    "trained": ("trained at", "训练尺寸"),
    "characters": ("characters", "字符"),
    "lengths": ("length, characters", "长度（字符）"),
    "encodings": ("encodings", "编码"),
    "scripts": ("scripts", "文字"),
    "shapes": ("shapes", "形状"),
    "range": ("range", "取值范围"),
    "columns": ("columns", "列"),
    "notes": ("notes", "音符"),
    "notes_of_one": ("notes of a piece", "每首音符"),
    "quarters": ("length, quarter notes", "长度（四分音符）"),
    "parts": ("parts", "声部"),
    "in_voices": ("pieces in voices", "按声部写的曲子"),
    "keys": ("keys", "调"),
    "metres": ("metres", "拍号"),
    "pitches": ("pitches", "音高"),
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
    "alphabet": ("different characters", "不同字符"),
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


def finding(code: str, lang: str, values: Mapping[str, Any]) -> str:
    """The sentence of a finding. Whole numbers get commas, fractions are shares, a mapping of names
    to counts is listed.
    """
    sentence = FINDINGS[code]
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
        **{name: _shown(value, lang) for name, value in values.items()}
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
    """ "1 picture", "1,204 pictures", "1,204 张图片": `unit` is the English plural, of UNITS."""
    return (
        f"{count:,} "
        f"{UNITS[unit] if lang == 'zh' else SINGULARS.get(unit, unit) if count == 1 else unit}"
    )


def _shown(value: Any, lang: str) -> str:
    match value:
        case int():
            return format(value, ",")
        case float():
            return f"{value:.1%}"
        case dict():
            listed = [
                (format(count, ","), _name(name, lang, count)) for name, count in value.items()
            ]
            return (
                "、".join(f"{name} {count}" for count, name in listed)
                if lang == "zh"
                else ", ".join(f"{count} {name}" for count, name in listed)
            )
        case list() | tuple():
            return ("、" if lang == "zh" else ", ").join(map(str, value))
    return language.translate(value, lang) if isinstance(value, str) else str(value)


def _name(name: str, lang: str, count: int) -> str:
    known = PERSONAL.get(name) or KINDS.get(name)
    named = pick(known, lang) if known else name
    return SINGULARS.get(named, named) if known and count == 1 else named


def pick(pair: tuple[str, str], language: str) -> str:
    return pair[LANGUAGES.index(language)]


def label(name: str, language: str) -> str:
    return pick(LABELS[name], language)
