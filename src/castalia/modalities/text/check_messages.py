"""Sentences of the findings and facts of a check of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from castalia.checks.messages import Sentence
from castalia.sentences import plural, say_in

FINDINGS: dict[str, Sentence] = {
    "personal": Sentence(
        "warning",
        "Likely personal data in {items} texts: {what}. A model may repeat them word for word.",
        "Likely personal data in {items} text: {what}. A model may repeat them word for word.",
    ),
    "encodings": Sentence(
        "note",
        "Texts come in {count} encodings: {what}. Each is found by itself.",
    ),
    "mangled": Sentence(
        "warning",
        "{count} texts hold signs of an earlier wrong decoding (U+FFFD, “Ã©”, “锟斤拷”). "
        "The damage "
        "is in the files; a model would learn it.",
        "{count} text holds signs of an earlier wrong decoding (U+FFFD, “Ã©”, “锟斤拷”). "
        "The damage "
        "is in the file; a model would learn it.",
    ),
    "controls": Sentence(
        "warning",
        "{count} texts hold NUL or SUB characters.",
        "{count} text holds NUL or SUB characters.",
    ),
    "short": Sentence(
        "note",
        "{count} texts have fewer than {least} characters.",
        "{count} text has fewer than {least} characters.",
    ),
    "repeated_lines": Sentence(
        "warning",
        "{share} of the characters in longer lines stand in lines that came before: headers, "
        "templates, or passages that are there twice.",
    ),
    "columns": Sentence(
        "note",
        "Read as texts, because most characters stand in running text. No column is called text or "
        "content, so say which to read. Proposed: codec.field={field}. To read the rows as a "
        "table: castalia train table/ar {name}",
    ),
    "numbers": Sentence(
        "warning",
        "{name} is a table of numbers and categories, not of texts. castalia train table/ar learns "
        "its columns; here it is read as text.",
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
    "characters": say_in("check", "characters"),
    "lengths": say_in("check", "length, characters"),
    "encodings": say_in("check", "encodings"),
    "scripts": say_in("check", "scripts"),
    "alphabet": say_in("check", "different characters"),
}
# Kinds of characters (check.py).
SCRIPTS = {
    "Han": say_in("script", "Han"),
    "Latin": say_in("script", "Latin"),
    "kana": say_in("script", "kana"),
    "Hangul": say_in("script", "Hangul"),
    "Cyrillic": say_in("script", "Cyrillic"),
    "Arabic": say_in("script", "Arabic"),
    "digits": say_in("script", "digits"),
}
