"""Findings of every check: codes, levels, and sentences that values fill. Those of one modality are
in its `check_messages.py`. Translations are in the catalogues.

Levels: a "problem" stops training, a "warning" makes a worse model or a dishonest number, a "note"
is good to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import Formatter
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from castalia import language, modality, registry
from castalia.data.source import recognised_place
from castalia.language import constant, translate
from castalia.sentences import N_, say_in

LANGUAGES = tuple(language.LANGUAGES)

# between two items of an example; and as an unreadable one is told
_BETWEEN = re.compile(r"( ~ | = )")
_REASON = re.compile(r"(.*) \(item ([0-9]+)\)", re.DOTALL)


class Names(Protocol):
    """What of a Check (item_scan.py) has words in it."""

    unit: ClassVar[str]
    sentences: ClassVar[Mapping[str, Sentence]]
    nouns: ClassVar[Mapping[str, Callable[[int], str]]]

    @classmethod
    def counted(cls, count: int) -> str:
        """So many of `unit`."""
        ...


class Sentence(NamedTuple):
    """en: in English, with the names of its values in braces. one: the same where the first whole
    number in it is 1; "" where it is no other.
    """

    level: Literal["problem", "warning", "note"]
    en: str
    one: str = ""

    def template(self, lang: str, count: float | None) -> str:
        """As the language has it for this number."""
        english = self.one if self.one and count == 1 else self.en
        translated = constant(self.one or self.en, lang, count=count)
        return english if translated == (self.one or self.en) else translated


FINDINGS: dict[str, Sentence] = {
    "nothing": Sentence(
        "problem",
        "There is nothing here that Castalia reads. {what} {remedy}",
    ),
    "omitted": Sentence(
        "warning",
        "Left out: {what}: {count}; {remedy}",
    ),
    "unreadable": Sentence(
        "problem",
        "{count} files or folders cannot be read; training stops at the first. Mend or remove "
        "them, or go on without them: data.skip_bad=true.",
        "{count} file or folder cannot be read; training stops there. Mend or remove it, or go "
        "on without it: data.skip_bad=true.",
    ),
    "skipped": Sentence(
        "warning",
        "{count} files or folders cannot be read and are left out, as data.skip_bad=true asks.",
        "{count} file or folder cannot be read and is left out, as data.skip_bad=true asks.",
    ),
    "stops": Sentence(
        "problem",
        "Training would stop here: {what}.",
    ),
    "few": Sentence(
        "problem",
        "Too little: {count} different items; training asks for {least}. The format is right, "
        "there is only not enough of it.",
        "Too little: {count} different item; training asks for {least}. The format is right, "
        "there is only not enough of it.",
    ),
    "identical": Sentence(
        "problem",
        "All {count} items are identical; there is nothing to learn.",
    ),
    "empty": Sentence(
        "warning",
        "{count} files hold no text and count for nothing.",
        "{count} file holds no text and counts for nothing.",
    ),
    "same_bytes": Sentence(
        "warning",
        "{count} items are exact copies of others, byte for byte. They count twice in training; "
        "they never stand on both sides of the split.",
        "{count} item is an exact copy of another, byte for byte. It counts twice in training; "
        "the two never stand on both sides of the split.",
    ),
    "same_content": Sentence(
        "warning",
        "{count} items say the same as others although their files differ (another format, "
        "metadata, case or spaces).",
        "{count} item says the same as another although their files differ (another format, "
        "metadata, case or spaces).",
    ),
    "near": Sentence(
        "warning",
        "{count} items are nearly the same as others. The split does not know that they belong "
        "together, so scores on held-out data would flatter the model.",
        "{count} item is nearly the same as another. The split does not know that they belong "
        "together, so scores on held-out data would flatter the model.",
    ),
    "conflict": Sentence(
        "warning",
        "{count} items occur in more than one class with the same content.",
        "{count} item occurs in more than one class with the same content.",
    ),
    "leak": Sentence(
        "warning",
        "Leakage: {count} of {total} items of “{into}” ({share}) are in “{source}” too, exactly "
        "or nearly. Scores on “{into}” are not to be trusted.",
    ),
    "no_leak": Sentence(
        "note",
        "No leakage from “{source}” to “{into}”: none of {total} items is a copy or nearly one.",
    ),
    "splits": Sentence(
        "note",
        "The parts {parts} look like a split that was made already; Castalia reads them together "
        "and splits anew. Point it at one of them to train on that alone.",
    ),
    "imbalance": Sentence(
        "warning",
        "Classes are out of balance: “{large}” has {most} items, “{little}” has {fewest}.",
    ),
    "unlabelled": Sentence(
        "note",
        "{count} items have no class.",
        "{count} item has no class.",
    ),
    "mixed": Sentence(
        "warning",
        "Kinds are mixed: the codec “{codec}” takes {own} files and leaves out {others}.",
        "Kinds are mixed: the codec “{codec}” takes {own} file and leaves out {others}.",
    ),
    "ignored": Sentence(
        "note",
        "Left out, because nothing here reads them: {what}.",
    ),
    "metadata": Sentence(
        "note",
        "{name} describes the files, with the columns {columns}: data.label=COLUMN makes "
        "classes, data.caption=COLUMN tells a model in words, data.group=COLUMN keeps together "
        "what belongs together.",
    ),
    "licence": Sentence(
        "note",
        "No licence file lies beside the data.",
    ),
    "links": Sentence(
        "note",
        "{count} links lead nowhere or to a folder that was read already.",
        "{count} link leads nowhere or to a folder that was read already.",
    ),
    "changed": Sentence(
        "warning",
        "The data are not those of the manifest: {added} added, {removed} removed, {changed} "
        "changed, {renamed} renamed, {same} the same.",
    ),
    "unchanged": Sentence(
        "note",
        "The data are those of the manifest: {same} files, none added, removed or changed.",
        "The data are those of the manifest: {same} file, not changed, and none beside it.",
    ),
}
ENOUGH = {
    "enough": N_("enough for {family}"),
    "little": N_("little for {family}: {have}, it wants about {wants}"),
    "too little": N_(
        "too little for {family}: {have}, it needs at least about {least} and wants about {wants}"
    ),
}
VERDICTS = {
    "clean": N_("Nothing stands in the way."),
    "warnings": N_("It can be trained on. Some things deserve a look first."),
    "problems": N_("Training would stop. This is why, and what to do."),
}
COLUMN_KINDS = (
    say_in("column", "text"),
    say_in("column", "category"),
    say_in("column", "number"),
    say_in("column", "parts"),
)
# What the page and the terminal say between the findings.
LABELS = {
    "check": say_in("check", "Data check"),
    "problem": say_in("check", "problem"),
    "warning": say_in("check", "warning"),
    "note": say_in("check", "note"),
    "what": say_in("check", "What is here"),
    "findings": say_in("check", "Findings"),
    "enough": say_in("check", "Is it enough?"),
    "duplicates": say_in("check", "Copies, side by side"),
    "leakage": say_in("check", "Between the parts"),
    "personal": say_in("check", "Likely personal data"),
    "next": say_in("check", "What to do next"),
    "unreadable": say_in("check", "Cannot be read"),
    "manifest": say_in("check", "Compared with the manifest"),
    "items": say_in("check", "items"),
    "different": say_in("check", "different"),
    "files": say_in("check", "files"),
    "codec": say_in("check", "codec"),
    "licence": say_in("check", "licence"),
    "fingerprint": say_in("check", "fingerprint"),
    "classes": say_in("check", "classes"),
    "columns": say_in("check", "columns"),
    "bytes": say_in("check", "byte for byte"),
    "both": say_in("check", "in two parts"),
    "content": say_in("check", "same content"),
    "near": say_in("check", "nearly the same"),
    "distance": say_in("check", "distance"),
    "kind": say_in("check", "kind"),
    "count": say_in("check", "found"),
    "texts": say_in("check", "in texts"),
    "example": say_in("check", "masked examples"),
    "from": say_in("check", "from"),
    "into": say_in("check", "into"),
    "share": say_in("check", "share"),
    "added": say_in("check", "added"),
    "removed": say_in("check", "removed"),
    "changed": say_in("check", "changed"),
    "renamed": say_in("check", "renamed"),
    "more": say_in("check", "and {{0}} more"),
    "tables": say_in("check", "Tables"),
    "filled": say_in("check", "filled"),
    "values": say_in("check", "different values"),
    "none": say_in("check", "none"),
    "offline": say_in(
        "check",
        "This page is one file and loads nothing from elsewhere. Personal data are masked in it.",
    ),
    "five": say_in("check", "least · 10% · median · 90% · most"),
}


def finding(code: str, lang: str, values: Mapping[str, Any], codec: str | None = None) -> str:
    """The sentence of a finding. Whole numbers get commas, fractions are shares, a mapping of names
    to counts is listed.

    codec: the one that looked, whose modality may have sentences of its own; None: of any.
    """
    checks = list(_checks(codec))
    own = {name: one for check in reversed(checks) for name, one in check.sentences.items()}
    sentence = {**own, **FINDINGS}[code]
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
    text = sentence.template(lang, first).format(
        **{name: _shown(value, lang, checks) for name, value in values.items()}
    )
    return text.removesuffix("; ").rstrip()  # of what is left out, not all has a remedy


def example(text: str, lang: str) -> str:
    """An example of a finding in a language; of "file, item 3: why", the place and the reason are
    translated.
    """
    name, sign, why = text.partition(": ")
    if not sign:
        return place(text, lang)
    return translate(language.say("{0}: {1}", place(name, lang), reason(why, lang)), lang)


def place(text: str, lang: str) -> str:
    """Names of items in a language: "file, item 3", and two of them with a sign between."""
    return "".join(translate(recognised_place(part), lang) for part in _BETWEEN.split(text))


def reason(text: str, lang: str) -> str:
    """Why something cannot be read, in a language: "why", "why (item 3)", "file: why"; or a
    place.
    """
    inside = _REASON.fullmatch(text)
    words = (
        language.say("{0} (item {1})", language.recognised(inside[1]), inside[2])
        if inside
        else language.recognised(text)
    )
    if not isinstance(words, language.Message):
        return example(text, lang) if ": " in text else place(text, lang)
    return translate(words, lang)


def counted(count: int, unit: str, lang: str) -> str:
    """ "1 picture", "1,204 pictures", "1,204 张图片"; `unit` is that of a Check."""
    check = next((check for check in _checks(None) if check.unit == unit), None)
    return f"{count:,} {unit}" if check is None else translate(check.counted(count), lang)


def noun(name: str, lang: str, count: int, codec: str | None = None) -> str:
    """What so many things that findings call `name` are called: the items of a codec, or a noun of
    the check of `codec`; `name` itself where it is neither.
    """
    return _noun(name, lang, count, list(_checks(codec)))


def column_kind(name: str, lang: str) -> str:
    """What a kind of a table's columns is called (report_schema.Column)."""
    return constant(name, lang, "column")


def pick(text: str, lang: str) -> str:
    """One of VERDICTS or ENOUGH in a language."""
    return constant(text, lang)


def label(name: str, lang: str) -> str:
    """One of LABELS in a language."""
    return translate(LABELS[name], lang)


def _checks(codec: str | None) -> Iterator[type[Names]]:
    """The check of the modality of the codec of this name; of all modalities for None."""
    owners = modality.every().values() if codec is None else [registry.modality_of(codec)]
    for one in owners:
        if one is not None and one.check:
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
            return translate(language.series(map(str, value)), lang)
    return translate(value, lang) if isinstance(value, str) else str(value)


def _noun(name: str, lang: str, count: int, checks: Sequence[type[Names]]) -> str:
    made = next((check.nouns[name] for check in checks if name in check.nouns), None)
    if made is not None:
        return translate(made(count), lang)
    described = modality.get(name)
    if described is None:
        return translate(language.recognised(name), lang)
    return described.item if lang == "en" and count == 1 else translate(described.items, lang)
