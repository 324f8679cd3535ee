"""Sentences in English and Chinese: every one has a translation with the same values, and none is left over."""

import ast
import copy
import json
import re
import string
from pathlib import Path

import pytest
from tests.apps.command import inside

from castalia.cli.main import GROUPS, VERBS, parser_of
from castalia.columns import width
from castalia.errors import RecipeError
from castalia.language import LANGUAGES, Voice, current, foreign, join, plural, preferred, recognised, say, series, table, told
from castalia.units import duration, size

PACKAGE = Path(__file__).parents[2] / "src" / "castalia"


def spoken() -> dict[str, str]:
    """Every template that the source says, and where: `say("...")`, the second of `plural("...", "...", n)`, help, and what other packages say."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        other = has_another_say(tree)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = ast.unparse(node.func)
            if name in ("stage", "tracked"):  # progress: what is done, and in what units
                literals = [one.value for one in node.args if isinstance(one, ast.Constant)]
                assert literals or path.parent.name == "progress", f"{path.name}:{node.lineno}: the name of a stage must be a literal"
                found |= dict.fromkeys(literals, f"{path.name}:{node.lineno}")
            if name.rpartition(".")[2] not in ("say", "plural") or (name == "say" and other):
                continue
            template = node.args[name.endswith("plural")]
            if ast.unparse(template) != "template":  # Voice.say
                assert isinstance(template, ast.Constant), (
                    f"{path.name}:{node.lineno}: what is said must be a literal, so that it can be found"
                )
                found[template.value] = f"{path.name}:{node.lineno}"
    return found | helped() | dict.fromkeys((*foreign.TYPER, *foreign.PYDANTIC), "foreign.py")


def has_another_say(tree: ast.Module) -> bool:
    """Whether `say` is not the one of castalia.sentences here: the console's prints, a page's looks up a label."""
    methods = {id(node) for one in ast.walk(tree) if isinstance(one, ast.ClassDef) for node in one.body}
    return any(
        (isinstance(node, ast.FunctionDef) and node.name == "say" and id(node) not in methods and "template" not in ast.unparse(node.args))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "castalia.cli.console"
            and "say" in [name.asname or name.name for name in node.names]
        )
        for node in ast.walk(tree)
    )


def helped() -> dict[str, str]:
    """Every line of help, and the verb that has it."""
    found = {verb.about: name for name, verb in VERBS.items()} | dict.fromkeys(GROUPS, "main.py")
    for verb in VERBS:
        command = parser_of(verb)
        found[command.help] = verb
        found |= {one.help: verb for one in command.params if one.help}
    return found


def fields(template: str) -> set[str]:
    return {name.partition(".")[0] for _, name, _, _ in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_sentence_has_a_translation_and_none_is_left_over(language: str):
    said, known = spoken(), table(language)
    assert len(said) > 150
    assert [f"{where}: {template}" for template, where in said.items() if template not in known] == []
    assert sorted(set(known) - set(said)) == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_translations_use_the_same_values(language: str):
    wrong = {template: text for template, text in table(language).items() if fields(template) != fields(text)}
    assert wrong == {}
    assert all(
        any("\u4e00" <= sign <= "\u9fff" for sign in text)
        for template, text in table(language).items()
        if fields(template) == set() and template != "xz"
    )


def test_a_sentence_is_told_with_its_values_and_the_sentences_in_them():
    inner = say("{0:,} held-out {1}", 1234, say("items"))
    words = say("Compared with {0}.", inner)
    assert words == "Compared with 1,234 held-out items."
    assert told(words, "en") == words and type(told(words, "en")) is str
    assert told(words, "zh") == "比较对象：1,234 条留出数据。"


def test_rows_of_sentences():
    both = join([say("yes"), "", say("no")])
    assert both == "yes no" and told(both, "zh") == "是否"
    assert told(say("Never drawn: {0}.", series([say("sample"), "b"])), "zh") == "从未抽到：样本、b。"
    assert join([]) == "" and told(join([]), "zh") == ""


def test_words_of_strangers_stay_as_they_are():
    assert told("plain", "zh") == "plain" and told(say("a plug-in says {0}", 3), "zh") == "a plug-in says 3"


def test_sentences_survive_copies_and_json():
    words = say("Real data get {0}.", "0.5")
    again = copy.deepcopy(words)
    assert again == words and told(again, "zh") == "真实数据得 0.5。"
    assert json.loads(json.dumps([words])) == [str(words)]
    assert Voice("zh").plain({"words": [words], "n": 3}) == {"words": ["真实数据得 0.5。"], "n": 3}


def test_an_unknown_language_is_named():
    with pytest.raises(RecipeError, match="no language 'fr'"):
        Voice("fr")


ENGLISH = re.compile(r"(?<![-\w])(?:the|of|to|is|and|with|for|what|each|default)\b")


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_chinese_and_its_columns_align(verb: str, tmp_path: Path):
    text = inside(verb, "--help", "--lang", "zh", cwd=tmp_path)
    words = text.replace(VERBS[verb].example, "")
    assert ENGLISH.findall(words) == [], words
    assert text.startswith(f"用法：castalia {verb} [选项]") and "--lang LANG" in text and "Options" not in text
    assert max(width(line) for line in text.splitlines()) <= 80


def test_the_overview_is_chinese(tmp_path: Path):
    text = inside("--lang", "zh", "--help", cwd=tmp_path)
    assert ENGLISH.findall(re.sub(r"(?m)^ +castalia .*$", "", text)) == [], text
    assert text.startswith("用法：") and text == inside("help", "--lang=zh", cwd=tmp_path)


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
    assert inside("env", "--lang", "fr", cwd=tmp_path, code=2) == "there is no language 'fr'\nat:  --lang\ntry: one of: en, zh\n"
    monkeypatch.setenv("CASTALIA_LANG", "fr")
    assert "at:  CASTALIA_LANG" in inside("--help", cwd=tmp_path, code=2)
    monkeypatch.setenv("CASTALIA_LANG", "zh")
    assert inside("trian", cwd=tmp_path, code=2) == "没有名为“trian”的命令\n建议：castalia train\n"
    assert inside("sample", "x", "-n", "many", cwd=tmp_path, code=2) == "应为整数，无法解析\n位置：-n\n建议：castalia sample --help\n"
    assert current() == "en"  # as before: the choice ends with the command


def test_a_count_and_its_noun_agree():
    one, many = plural("{0:,} file in {1}", "{0:,} files in {1}", 1, "a"), plural("{0:,} file in {1}", "{0:,} files in {1}", 1204, "a")
    assert (one, many) == ("1 file in a", "1,204 files in a")
    assert one.template == many.template == "{0:,} files in {1}"


def test_sentences_that_come_back_as_text_are_recognised():
    kept = json.loads(
        json.dumps(say("n was reduced from {0:,} to {1:,}: there are not enough real items to compare more samples with.", 2000, 40))
    )
    assert told(kept, "zh") == kept
    assert told(recognised(kept), "zh") == "n 由 2,000 减为 40：真实数据不够，无法与更多样本比较。"
    assert recognised("words of a plug-in") == "words of a plug-in"


def test_sizes_and_durations():
    assert [size(n) for n in (0, 812, 999.7, 3400, 999_950, 21_000_000, 1_250_000_000)] == [
        "0 B", "812 B", "1.0 kB", "3.4 kB", "1.0 MB", "21.0 MB", "1.25 GB",
    ]  # fmt: skip
    assert [duration(s) for s in (0.4, 42, 59.6, 190, 7500)] == ["0 s", "42 s", "1 min 00 s", "3 min 10 s", "2 h 05 min"]
    assert told(duration(190), "zh") == "3 分 10 秒" and told(size(3400), "zh") == "3.4 kB"
