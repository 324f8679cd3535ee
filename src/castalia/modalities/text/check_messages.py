"""What a check of texts says: the sentences of its findings and the names of its facts, in
English and in Chinese.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from castalia.checks.messages import Sentence
from castalia.sentences import plural

FINDINGS: dict[str, Sentence] = {
    "personal": Sentence(
        "warning",
        "Likely personal data in {items} texts: {what}. A model may repeat them word for word.",
        "{items} 篇文本中可能含有个人信息：{what}。模型可能会原样复述。",
        "Likely personal data in {items} text: {what}. A model may repeat them word for word.",
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
}
# Kinds of personal data (personal_data.py), and what so many of them are called.
PERSONAL: Mapping[str, Callable[[int], str]] = {
    "email": lambda count: plural("e-mail address", "e-mail addresses", count),
    "mobile_cn": lambda count: plural("Chinese mobile number", "Chinese mobile numbers", count),
    "phone": lambda count: plural("other phone number", "other phone numbers", count),
    "id_cn": lambda count: plural("Chinese identity number", "Chinese identity numbers", count),
    "bank_card": lambda count: plural("bank card number", "bank card numbers", count),
    "iban": lambda count: plural("IBAN", "IBANs", count),
    "ipv4": lambda count: plural("public IPv4 address", "public IPv4 addresses", count),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "characters": ("characters", "字符"),
    "lengths": ("length, characters", "长度（字符）"),
    "encodings": ("encodings", "编码"),
    "scripts": ("scripts", "文字"),
    "alphabet": ("different characters", "不同字符"),
}
