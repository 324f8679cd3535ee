"""Text of others obeys nobody: not on a terminal, not in Markdown, not in JSON."""

import json

import pytest

from castalia.escapes import json_text, markdown, one_line, printable

HOSTILE = "a\x1b[2Jb\x9bc\u202ed\u2066e\x07\x00\ud800"


def test_a_terminal_obeys_nothing():
    assert printable(HOSTILE) == r"a\x1b[2Jb\x9bc\u202ed\u2066e\x07\x00\ud800"
    assert printable("line\n\ttab, 中文, café, שלום") == "line\n\ttab, 中文, café, שלום"
    assert printable("over\rwritten") == r"over\x0dwritten"


def test_one_line_is_one_line_and_short():
    assert one_line("a\nb\t\u2028c") == r"a b \u2028c"
    assert one_line("x" * 100, 10) == "x" * 9 + "…"


def test_json_says_the_same():
    written = json.dumps({"name": HOSTILE}, ensure_ascii=False)
    assert json.loads(json_text(written)) == {"name": HOSTILE}
    assert "\x9b" not in json_text(written) and "\u202e" not in json_text(written)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a | b",
        "`code`",
        "[here](javascript:alert(1))",
        "# title",
        "![x](http://e.x/y.png)",
        "a\n\n## b",
        "www.e.x",
        "https://e.x",
        "<https://e.x>",
        "*bold*",
        "- item",
        "1. one",
        "&lt;",
    ],
)
def test_markdown_shows_what_it_is_given(text: str):
    """No mark of CommonMark, and no `<` or `&` of HTML, stands there unescaped."""
    shown = markdown(text)
    bare = shown.replace("\\\\", "")
    for mark in "`*_[]#!|<>":
        assert bare.replace(f"\\{mark}", "").count(mark) == (
            1 if mark == "#" and "&#" in bare else 0
        ), shown
    assert "\n" not in shown and "://" not in shown and "www." not in shown
