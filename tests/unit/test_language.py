"""Sentences in English and Chinese: every one has a translation with the same values, and none is
left over.
"""

import ast
import copy
import gettext
import io
import json
import re
import string
from functools import lru_cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from tests import catalogues
from tests.apps.command import inside

from castalia import errors, language, registry
from castalia.cli.commands import GROUPS, parser_of, verbs
from castalia.data import builtin
from castalia.errors import CastaliaError, RecipeError
from castalia.language import (
    Voice,
    accepted,
    current,
    foreign,
    join,
    more_catalogues,
    plural,
    preferred,
    recognised,
    row,
    say,
    say_in,
    series,
    translate,
)
from castalia.language.catalogue import Catalogue, read
from castalia.language.extraction import name_of
from castalia.recipe import purpose, shipped
from castalia.serving import http_errors
from castalia.text_width import width
from castalia.units import duration, size

PACKAGE = Path(__file__).parents[2] / "src" / "castalia"
pairs = pytest.mark.parametrize(
    ("domain", "language"),
    [(domain, language) for domain in catalogues.folders() for language in catalogues.TRANSLATED],
)
Entries = dict[tuple[str | None, str], Message]


@lru_cache
def spoken(domain: str) -> Entries:
    """Every sentence of the source of a domain: (context, msgid) to what Babel extracts."""
    return entries(catalogues.extracted(domain))


def entries(catalogue: Catalog) -> Entries:
    return {(one.context, msgid(one)): one for one in catalogue if one.id}


def msgid(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple) else message.id


def forms(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def helped() -> dict[str, str]:
    """Every line of help, and the verb that has it."""
    found = {verb.about: name for name, verb in verbs().items()} | dict.fromkeys(GROUPS, "main.py")
    for verb in verbs():
        command = parser_of(verb)
        found[command.help] = verb
        found |= {one.help: verb for one in command.params if one.help}
    return found


def listed() -> dict[str, str]:
    """What `castalia list` says of each thing."""
    entries = [entry for kind in ("family", "codec") for entry in registry.known(kind).values()]
    texts = (
        [entry.about for entry in entries]
        + [builtin.about(name) for name in builtin.names()]
        + [purpose(name) for name in shipped()]
    )
    return dict.fromkeys(filter(None, texts), "listing.py")


def fields(template: str) -> set[str]:
    return {
        name.partition(".")[0]
        for _, name, _, _ in string.Formatter().parse(template)
        if name is not None
    }


@pairs
def test_every_sentence_has_a_translation_and_none_is_left_over(domain: str, language: str):
    said, known = spoken(domain), entries(catalogues.current(domain, language))
    assert len(said) > (1500 if domain == "castalia" else 10)
    assert [
        f"{one.locations[0][0]}: {key[1]}"
        for key, one in said.items()
        if catalogues.has_words(one) and not (key in known and catalogues.filled(known[key]))
    ] == [], "make locale, then fill the empty msgstr"
    assert sorted(key[1] for key in set(known) - set(said)) == [], "make locale"
    assert [key for key, one in known.items() if one.pluralizable != said[key].pluralizable] == []
    assert [key for key, one in known.items() if one.fuzzy] == []


def test_whatever_is_looked_up_by_its_text_is_in_a_catalogue():
    """Help, what `castalia list` says of each thing, and what other packages say."""
    known = {key for domain in catalogues.folders() for key in spoken(domain)}
    for texts in (helped(), listed(), foreign.TYPER, foreign.PYDANTIC, foreign.VALUES):
        assert [text for text in texts if text and (None, text) not in known] == []


@pytest.mark.parametrize("language", catalogues.TRANSLATED)
def test_two_catalogues_translate_a_sentence_in_the_same_way(language: str):
    """A modality's own line would win only where the package has none."""
    known: dict[tuple[str | None, str], tuple[str, ...]] = {}
    for domain in catalogues.folders():
        for key, one in entries(catalogues.current(domain, language)).items():
            if catalogues.filled(one):
                assert known.setdefault(key, forms(one)) == forms(one), f"{domain}: {key[1]}"


@pairs
def test_translations_use_the_same_values(domain: str, language: str):
    known = entries(catalogues.current(domain, language))
    wrong = {
        key[1]: text
        for key, one in known.items()
        for text in forms(one)
        if text and fields(text) != fields(one.id[-1] if isinstance(one.id, tuple) else one.id)
    }
    assert wrong == {}
    assert [
        text
        for key, one in known.items()
        for text in forms(one)
        if catalogues.has_words(one)
        and not fields(key[1])
        and not any("\u4e00" <= sign <= "\u9fff" for sign in text)
        and key[1] not in SAME
    ] == []


SAME = {"xz"}  # words that Chinese writes in Latin letters


@pairs
def test_catalogues_are_read_as_gettext_reads_them(domain: str, language: str):
    """The .po files are read without compiling them; the compiled catalogue says the same."""
    catalogue = catalogues.current(domain, language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    standard = gettext.GNUTranslations(compiled)
    own = read(catalogues.path_of(domain, language).read_text(encoding="utf-8"))
    filled = {key: one for key, one in entries(catalogue).items() if catalogues.filled(one)}
    assert set(own.forms) == {(context or "", text) for context, text in filled}
    for (context, text), one in filled.items():
        for count in (0, 1, 2, 5):
            if not isinstance(one.id, tuple):
                expected = standard.pgettext(context, text) if context else standard.gettext(text)
            elif context:
                expected = standard.npgettext(context, *one.id, count)
            else:
                expected = standard.ngettext(*one.id, count)
            assert own.get(context or "", text, count) == expected


def test_a_catalogue_of_a_language_with_plural_forms_and_contexts():
    own = read(
        """
msgid ""
msgstr ""
"Plural-Forms: nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 "
"|| n%100>14) ? 1 : 2);\\n"

# a remark
#, python-brace-format
msgid "{0} file"
msgid_plural "{0} files"
msgstr[0] "{0} soubor"
msgstr[1] "{0} soubory"
msgstr[2] "{0} souboru"

msgctxt "music"
msgid "note"
msgstr "nota"
#, fuzzy
msgid "guessed"
msgstr "hadano"

msgid "in two "
"lines"
msgstr ""
"\\"ve dvou\\"\\n"
"radkach"

msgid "open"
msgstr ""
"""
    )
    assert [own.get("", "{0} file", count) for count in (1, 21, 3, 5, 11)] == [
        "{0} soubor",
        "{0} soubor",
        "{0} soubory",
        "{0} souboru",
        "{0} souboru",
    ]
    assert own.get("music", "note") == "nota" and own.get("", "note") is None
    assert own.get("", "in two lines") == '"ve dvou"\nradkach'
    assert own.get("", "guessed") is None and own.get("", "open") is None
    assert own.plurals == {("", "{0} file"): "{0} files"}


def test_a_package_brings_its_own_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "locale" / "zh" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "dice.po").write_text(
        'msgid "{0} die rolled"\nmsgid_plural "{0} dice rolled"\nmsgstr[0] "{0} 个骰子"\n\n'
        'msgid "yes"\nmsgstr "与本体不同"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(language, "_folders", [*language._folders])
    words = plural("{0} die rolled", "{0} dice rolled", 3)
    assert translate(words, "zh") == "3 dice rolled"
    more_catalogues(lambda: [tmp_path])
    try:
        assert translate(words, "zh") == translate(recognised("3 dice rolled"), "zh") == "3 个骰子"
        assert translate(say("yes"), "zh") == "是", "Castalia's own sentences stay as they are"
    finally:
        language._more.cache_clear()
        language._patterns.cache_clear()


def test_stages_and_what_is_said_are_literals():
    """A template that is not a literal cannot be extracted."""
    loose = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name, where = name_of(node.func), f"{path.name}:{node.lineno}"
            if name in ("stage", "tracked") and isinstance(node.func, ast.Name):
                place = 0 if name == "stage" else 1
                if path.parent.name != "progress" and not isinstance(
                    node.args[place], ast.Constant
                ):
                    loose.append(where)
            elif name in ("say", "plural", "say_in", "N_") and path.name != "check_page.py":
                for one in node.args[: 2 if name in ("plural", "say_in") else 1]:
                    if ast.unparse(one) not in ("template", "one", "many", "context"):
                        loose += [] if isinstance(one, ast.Constant) else [where]
    assert loose == []


def test_a_sentence_is_told_with_its_values_and_the_sentences_in_them():
    inner = say("{0:,} held-out {1}", 1234, say("items"))
    words = say("Compared with {0}.", inner)
    assert words == "Compared with 1,234 held-out items."
    assert translate(words, "en") == words and type(translate(words, "en")) is str
    assert translate(words, "zh") == "比较对象：1,234 条留出数据。"


def test_rows_of_sentences():
    both = join([say("yes"), "", say("no")])
    assert both == "yes no" and translate(both, "zh") == "是否"
    assert (
        translate(say("Never drawn: {0}.", series([say("sample"), "b"])), "zh")
        == "从未抽到：样本、b。"
    )
    assert join([]) == "" and translate(join([]), "zh") == ""


def test_words_of_strangers_stay_as_they_are():
    assert (
        translate("plain", "zh") == "plain"
        and translate(say("a plug-in says {0}", 3), "zh") == "a plug-in says 3"
    )
    inside_it = plural("a plug-in: {0} {1}", "plug-ins: {0} {1}", 1, say("yes"))
    assert translate(inside_it, "zh") == "a plug-in: 1 是"


def test_sentences_survive_copies_and_json():
    words = say("Real data get {0}.", "0.5")
    again = copy.deepcopy(words)
    assert again == words and translate(again, "zh") == "真实数据得 0.5。"
    assert json.loads(json.dumps([words])) == [str(words)]
    assert Voice("zh").plain({"words": [words], "n": 3}) == {"words": ["真实数据得 0.5。"], "n": 3}


def test_an_unknown_language_is_named():
    with pytest.raises(RecipeError, match="no language 'fr'"):
        Voice("fr")


ENGLISH = re.compile(r"(?<![-\w])(?:the|of|to|is|and|with|for|what|each|default)\b")


@pytest.mark.parametrize("verb", verbs())
def test_help_is_chinese_and_its_columns_align(verb: str, tmp_path: Path):
    text = inside(*verb.split(), "--help", "--lang", "zh", cwd=tmp_path)
    words = text.replace(verbs()[verb].example, "")
    assert ENGLISH.findall(words) == [], words
    assert (
        text.startswith(f"用法：castalia {verb} [选项]")
        and "--lang LANG" in text
        and "Options" not in text
    )
    assert max(width(line) for line in text.splitlines()) <= 80


def test_the_overview_is_chinese(tmp_path: Path):
    text = inside("--lang", "zh", "--help", cwd=tmp_path)
    assert ENGLISH.findall(re.sub(r"(?m)^ +castalia .*$", "", text)) == [], text
    assert text.startswith("用法：") and text == inside("help", "--lang=zh", cwd=tmp_path)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("zh;q=0.5, en;q=0.5", "en"),
        ("fr, zh-Hans;q=0.1", "zh"),
        ("zh;q=high", "en"),
        ("*", "en"),
        ("zh" * 100_000, "en"),
    ],
)
def test_a_browser_chooses_the_language(header: str, expected: str):
    assert accepted(header) == expected
    prefers_one = header.startswith(("zh-CN", "en-GB", "fr"))
    assert accepted(header, "zh") == (expected if prefers_one else "zh")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_CN", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"CASTALIA_LANG": "en", "LC_ALL": "zh_CN.UTF-8"}, "en"),
        ({"CASTALIA_LANG": "zh-Hans", "LANG": "en_US"}, "zh"),
    ],
)
def test_the_environment_chooses_the_language(environment: dict[str, str], expected: str):
    assert preferred(environment) == expected


def test_a_language_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert (
        inside("env", "--lang", "fr", cwd=tmp_path, code=2)
        == "there is no language 'fr'\nat:  --lang\ntry: one of: en, zh\n"
    )
    monkeypatch.setenv("CASTALIA_LANG", "fr")
    assert "at:  CASTALIA_LANG" in inside("--help", cwd=tmp_path, code=2)
    monkeypatch.setenv("CASTALIA_LANG", "zh")
    assert inside("trian", cwd=tmp_path, code=2) == "没有名为“trian”的命令\n建议：castalia train\n"
    assert (
        inside("sample", "x", "-n", "many", cwd=tmp_path, code=2)
        == "应为整数，无法解析\n位置：-n\n建议：castalia sample --help\n"
    )
    assert current() == "en"  # as before: the choice ends with the command


def test_a_context_chooses_among_translations(monkeypatch: pytest.MonkeyPatch):
    own = Catalogue({("", "note"): ("提示",), ("music", "note"): ("音符",)})
    monkeypatch.setattr(language, "_own", lambda _: (own,))
    both = say("note"), say_in("music", "note")
    assert both[0] == both[1] == "note"
    assert [translate(copy.copy(one), "zh") for one in both] == ["提示", "音符"]
    assert translate(say_in("elsewhere", "note"), "zh") == "note"


def test_a_count_and_its_noun_agree():
    one, many = (
        plural("{0:,} file in {1}", "{0:,} files in {1}", 1, "a"),
        plural("{0:,} file in {1}", "{0:,} files in {1}", 1204, "a"),
    )
    assert (one, many) == ("1 file in a", "1,204 files in a")
    assert one.template == many.template == "{0:,} files in {1}"


def test_sentences_that_come_back_as_text_are_recognised():
    kept = json.loads(
        json.dumps(
            say(
                "n was reduced from {0:,} to {1:,}: there are not enough real items to compare "
                "more samples with.",
                2000,
                40,
            )
        )
    )
    assert translate(kept, "zh") == kept
    assert (
        translate(recognised(kept), "zh")
        == "n 由 2,000 减为 40：真实数据不够，无法与更多样本比较。"
    )
    assert recognised("words of a plug-in") == "words of a plug-in"


def test_sizes_and_durations():
    assert [size(n) for n in (0, 812, 999.7, 3400, 999_950, 21_000_000, 1_250_000_000)] == [
        "0 B",
        "812 B",
        "1.0 kB",
        "3.4 kB",
        "1.0 MB",
        "21.0 MB",
        "1.25 GB",
    ]
    assert [duration(s) for s in (0.4, 42, 59.6, 190, 7500)] == [
        "0 s",
        "42 s",
        "1 min 00 s",
        "3 min 10 s",
        "2 h 05 min",
    ]
    assert (
        translate(duration(190), "zh") == "3 分 10 秒" and translate(size(3400), "zh") == "3.4 kB"
    )


ERRORS = {
    name
    for module in (errors, http_errors)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, CastaliaError)
}
# what makes errors beside their classes: functions that are given their words
MAKERS = ("error", "hold", "parse_json", "parse_yaml", "YAMLError", "refused")
RAISES = re.compile("|".join(rf"\b{name}\(" for name in (*sorted(ERRORS), *MAKERS)))
# what a user types, and names of places
COMMAND = re.compile(r"(castalia|pip install|--|edit|export|chat template|codec)\b")


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_errors_are_said(path: Path):
    """What is wrong and what to do about it are sentences with a translation, wherever an error is
    raised.
    """
    text = path.read_text(encoding="utf-8")
    if not RAISES.search(text):
        return
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and (
            (
                isinstance(node.func, ast.Name)
                and node.func.id in {*ERRORS, *MAKERS} - {"MissingExtra"}
            )
            or name_of(node.func) in {*MAKERS} - {"error"}  # LOG.error is for the log
        ):
            given = [
                *node.args[:1],
                *node.args[2:],
                *(one.value for one in node.keywords if one.arg != "where"),
            ]
            found += [
                f"{path.name}:{node.lineno}: {words!r}" for one in given for words in bare(one)
            ]
    assert found == []


def bare(node: ast.AST) -> list[str]:
    """Literals with words that no `say` takes."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
        "say",
        "plural",
    ):
        return [
            words
            for one in node.args[1:]
            for words in bare(one)
            if not isinstance(one, ast.Constant)
        ]
    if isinstance(node, ast.Constant):
        words = node.value if isinstance(node.value, str) else ""
        return (
            [words]
            if re.search(r"[a-z]{2,},? [a-z]{2,}", words) and not COMMAND.match(words)
            else []
        )
    return [words for child in ast.iter_child_nodes(node) for words in bare(child)]


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["sample", "no-such-run"],
            [
                "没有名为“no-such-run”的运行",
                "位置：runs",
                "建议：castalia list runs，或给出运行的文件夹",
            ],
        ),
        (
            ["train", "image/vea", "builtin/digits"],
            [
                "没有名为“image/vea”的配方",
                "位置：RECIPE",
                "建议：您要找的是“image/vae”吗？castalia list recipes",
            ],
        ),
        (["train", "image/vae", "nowhere"], ["数据不存在", "位置：nowhere"]),
        (["train"], ["需要给出配方", "建议：castalia train image/gan photos/ training.steps=4000"]),
        (
            ["train", "image/vae", "builtin/digits", "training.stepz=3"],
            ["配方有一个问题：", "  training.stepz：未知的键；您要找的是“training.steps”吗？"],
        ),
        (
            ["train", "image/vae", "builtin/digits", "training.steps=many"],
            ["配方有一个问题：", "  training.steps：应为整数，无法解析，现为 'many'"],
        ),
        (
            ["train", "image/vae", "builtin/dogits"],
            [
                "没有名为“dogits”的内置数据集",
                "位置：data.source",
                "建议：您要找的是“builtin/digits”吗？已有：builtin/",
            ],
        ),
        (
            ["list", "things"],
            [
                "无法列出“things”",
                "位置：castalia list",
                "建议：可选：runs, recipes, data, families, codecs",
            ],
        ),
        (["verify", "nothing.png"], ["没有这个文件"]),
        (
            ["serve", "x", "--port", "70000"],
            [
                "端口应在 0 至 65535 之间",
                "位置：--port 70000",
                "建议：8000，或用 0 表示任意空闲端口",
            ],
        ),
        (
            ["edit", "x", "vary", "a"],
            ["缺少参数：out", "位置：--out", "建议：castalia edit --help"],
        ),
        (["demo", "film"], ["没有“film”的演示", "位置：castalia demo"]),
    ],
)
def test_errors_in_chinese(words: list[str], lines: list[str], tmp_path: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASTALIA_LANG", "")
        patch.setenv("LC_ALL", "zh_CN.UTF-8")
        code = {"sample": 4, "verify": 3}.get(
            words[0], 3 if "nowhere" in words or "builtin/dogits" in words else 2
        )
        text = inside(*words, cwd=tmp_path, code=code)
    # what `train` says first
    printed = [line for line in text.splitlines() if not line.startswith(("配方：", "        "))]
    for line, expected in zip(printed, lines, strict=False):
        assert line.startswith(expected), text
    assert len(printed) >= len(lines)


def test_an_error_inside_a_sentence_is_told():
    inner = CastaliaError(say("there is no run yet"), "runs")
    assert (
        translate(say("{0}; nothing is lost", inner), "zh")
        == "还没有运行\n位置：runs；没有丢失任何内容"
    )
    assert (
        str(say("{0}; nothing is lost", inner)) == "there is no run yet\nat:  runs; nothing is lost"
    )
    assert translate(row("\n  ", [say("yes"), say("no")]), "zh") == "是\n  否"
