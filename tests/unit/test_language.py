"""Sentences in English and Chinese: every one has a translation with the same values, and none is left over."""

import ast
import copy
import json
import string
from pathlib import Path

import pytest

from castalia.errors import RecipeError
from castalia.language import LANGUAGES, Voice, join, say, series, table, told

PACKAGE = Path(__file__).parents[2] / "src" / "castalia"


def spoken() -> dict[str, str]:
    """Every literal that is said by a file that speaks of castalia.language (others have a `say` of their own, which prints), and where."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "castalia.language" not in text or path.parent.name == "language":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] == "say":
                template = node.args[0]
                assert isinstance(template, ast.Constant), (
                    f"{path.name}:{node.lineno}: what is said must be a literal, so that it can be found"
                )
                found[template.value] = f"{path.name}:{node.lineno}"
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
