"""Tables as users have them: delimiters, quotation marks, ragged rows, names of columns, Parquet's
types; and conversations in their shapes.

What is left out is counted with its place and its remedy.
"""

import datetime
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from castalia.checks.check import check
from castalia.data import metadata
from castalia.data.data_report import summary
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.errors import DataError
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.omissions import Omission, collected


def read(path: Path, **settings: object) -> list[str]:
    return list(TextCodec(TextConfig(**settings)).read(path))


def omitted(path: Path, **settings: object) -> list[Omission]:
    with collected() as omissions:
        read(path, **settings)
    return omissions.listed()


def stored(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content, encoding="utf-8", newline="")
    return folder / name


def jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
    )
    return path


# Delimiters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_rows(name: str, sign: str, tmp_path: Path):
    rows = [
        ["id", "text", "price"],
        ["1", f'"one{sign} two"', '"1,5"'],
        ["2", "three", "2"],
        ["3", "four", "0"],
    ]
    path = stored(tmp_path, name, "\ufeff" + "\r\n".join(sign.join(row) for row in rows) + "\r\n")
    assert read(path) == [f"one{sign} two", "three", "four"]
    assert omitted(path) == []


def test_decimal_commas_and_commas_in_texts_are_no_delimiters(tmp_path: Path):
    assert read(
        stored(tmp_path, "a.csv", "id;text;price\n1;Brot, frisch;1,5\n2;Käse, alt;12,25\n")
    ) == ["Brot, frisch", "Käse, alt"]
    assert read(stored(tmp_path, "b.csv", "text\nHello, world\nplain; words | all\n")) == [
        "Hello, world",
        "plain; words | all",
    ]
    assert read(stored(tmp_path, "c.csv", "sep=;\r\ntext;id\r\na,b;1\r\n")) == ["a,b"]


# What rows hold and texts do not ------------------------------------------------------------------


def test_rows_without_the_column_are_counted_by_check_and_before_training(tmp_path: Path):
    path = jsonl(
        tmp_path / "data.jsonl",
        [{"text": f"words {n}"} for n in range(20)] + [{"content": f"more {n}"} for n in range(40)],
    )
    (only,) = omitted(path)
    assert (only.what, only.count, only.example) == (
        "rows without the column 'text'",
        40,
        "data.jsonl, row 21",
    )
    assert "these rows have: content" in only.remedy
    first = check(path).document.findings[0]
    assert (
        first.level == "warning"
        and first.values["count"] == 40
        and "without the column 'text'" in first.words
    )
    report = prepare(
        DataConfig(source=str(path)),
        TextCodec(TextConfig(tokenizer="byte")),
        home=tmp_path / "home",
    ).report
    assert "left out: rows without the column 'text': 40, e.g. data.jsonl, row 21" in summary(
        report
    )


def test_rows_of_a_template_that_fill_nothing_of_it_are_left_out_and_counted(tmp_path: Path):
    path = jsonl(
        tmp_path / "a.jsonl",
        [{"title": "t", "body": "b"}, {"title": "", "body": None}, {"other": "o"}],
    )
    assert read(path, field="{title}: {body}") == ["t: b"]
    assert {one.what: one.count for one in omitted(path, field="{title}: {body}")} == {
        "rows in which 'title, body' is empty": 1,
        "rows without the column 'title, body'": 1,
    }


@pytest.mark.parametrize(
    ("content", "line", "count"),
    [
        ('text,id\n"open\n' + "".join(f"row {n},{n}\n" for n in range(12)), 2, 12),  # never closed
        (
            "text,id\n"
            + "".join(f"row {n},{n}\n" for n in range(9))
            + '"open,9\n'
            + "".join(f"row {n},{n}\n" for n in range(6)),
            11,
            6,
        ),
        # closed by the next row's mark
        ('text,id\na,1\n"open,2\nb,3\nc,4\nd,5\n"e",6\nf,7\n', 3, 3),
        ('text,a,b\nx,1,2\n"open,3,4\nx,5,6\ny,7,8\nz,9,1\nw,1,1\n",3,4\n', 3, 4),
    ],
)
def test_lines_that_an_open_quotation_mark_swallows_are_counted(
    content: str, line: int, count: int, tmp_path: Path
):
    (only,) = omitted(stored(tmp_path, "a.csv", content))
    assert (only.what.rpartition(": ")[2], only.count, only.example) == (
        "a quotation mark is open",
        count,
        f"a.csv, line {line}",
    )


def test_texts_of_several_lines_are_no_open_quotation_marks(tmp_path: Path):
    poem = (
        '"Roses are red, I say,\nviolets are blue, I say,\nsugar is sweet, I say,\nand so are '
        'you, I say,\nsaid ""she"""'
    )
    assert omitted(stored(tmp_path, "a.csv", f"text,id\n{poem},1\nplain,2\n{poem},3\n")) == []
    assert omitted(stored(tmp_path, "b.csv", f"text\n{poem}\nplain\n")) == []


def test_ragged_rows_and_names_of_columns(tmp_path: Path):
    ragged = stored(tmp_path, "a.csv", "id,text\n1,a,b,c\n2\n3,d\n")
    assert read(ragged) == ["a", "d"]
    assert [(one.count, one.example) for one in omitted(ragged)] == [
        (2, "a.csv, line 2"),
        (1, "a.csv, row 3"),
    ]
    with pytest.raises(DataError, match="two columns are called 'text'"):
        read(stored(tmp_path, "b.csv", "text,text\na,b\n"))
    assert read(stored(tmp_path, "c.csv", "id,text,id\n1,a,b\n")) == ["a"], (
        "another column may stand twice"
    )
    assert read(stored(tmp_path, "d.csv", "text,,\na,b,c\n"), field="{column 2}") == ["b"]
    name = "größe"
    path = jsonl(
        tmp_path / "e.jsonl",
        [{unicodedata.normalize("NFD", name): "a"}, {unicodedata.normalize("NFC", name): "b"}],
    )
    assert read(path) == read(path, field=unicodedata.normalize("NFD", name)) == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a", "id": ' + "9" * 5000 + "}",
        '{"text": ' + "[" * 900 + "]" * 900 + "}",
        '{"text": NaN}',
    ],
)
def test_numbers_and_nesting_without_end_are_named_by_line(line: str, tmp_path: Path):
    with pytest.raises(DataError) as caught:
        read(stored(tmp_path, "a.jsonl", '{"text": "fine"}\n' + line + "\n"))
    assert caught.value.where == "a.jsonl, line 2"


def test_tables_beside_files_are_read_alike(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(
        "file;label;note\nx.png;café à la crème;1,5\n".encode("utf-8-sig")
    )
    assert metadata.load(tmp_path / "a.csv", ["label", "note"]) == {
        "x.png": {"label": "café à la crème", "note": "1,5"}
    }
    stored(tmp_path, "b.jsonl", '{"file": "x.png", "label": ' + "9" * 5000 + "}\n")
    with pytest.raises(DataError, match="number is too long"):
        metadata.load(tmp_path / "b.jsonl", ["label"])


# Parquet ------------------------------------------------------------------------------------------


def test_parquet_reads_bytes_as_text_and_only_what_is_needed(tmp_path: Path):
    pyarrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    times = pyarrow.array([2**62 + 1, 5, None], pyarrow.timestamp("ns"))
    texts = ["a", "é", None]
    for number, kind in enumerate(
        (
            pyarrow.binary(),
            pyarrow.large_binary(),
            pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
        )
    ):
        column = (
            pyarrow.array(texts).cast(kind)
            if number < 2
            else pyarrow.array(texts).dictionary_encode()
        )
        table = pyarrow.table(
            {"text": column, "when": times, "raw": pyarrow.array([b"\xff", b"", None])}
        )
        path = tmp_path / f"{number}.parquet"
        parquet.write_table(table, path)
        assert read(path) == ["a", "é"]
        assert [one.count for one in omitted(path)] == [1]
    assert read(path, field="{text} {when}")[1].startswith("é 1970-01-01")
    with pytest.raises(
        DataError, match="the column 'raw' holds bytes that are not UTF-8"
    ) as caught:
        read(path, field="raw")
    assert caught.value.where == "2.parquet, row 1"
    parquet.write_table(
        pyarrow.table({"text": ["x"], "day": [datetime.date(2026, 1, 2)], "n": [1.5]}),
        tmp_path / "b.parquet",
    )
    assert read(tmp_path / "b.parquet", field="{text} {day} {n}") == ["x 2026-01-02 1.5"]


# Conversations ------------------------------------------------------------------------------------


def test_history_is_read_as_turns(tmp_path: Path):
    row = {
        "instruction": "do",
        "input": "it",
        "output": "done",
        "system": "be short",
        "history": [["old q", "old a"], ["q", "a"]],
    }
    expected = (
        "system: be short\nuser: old q\nassistant: old a\nuser: q\nassistant: a\nuser: "
        "do\n\nit\nassistant: done\n"
    )
    assert read(jsonl(tmp_path / "a.jsonl", [row])) == [expected]
    turns = {
        **row,
        "history": [
            {"role": "user", "content": "old q"},
            {"role": "assistant", "content": "old a"},
        ],
    }
    assert read(jsonl(tmp_path / "b.jsonl", [turns]))[0].startswith(
        "system: be short\nuser: old q\nassistant: old a\nuser: do"
    )
    assert read(jsonl(tmp_path / "c.jsonl", [{**row, "history": []}])) == [
        "system: be short\nuser: do\n\nit\nassistant: done\n"
    ]


@pytest.mark.parametrize(
    "call",
    [
        {"tool_calls": [{"function": {"name": "f"}}]},
        {"function_call": {"name": "f", "arguments": "{}"}},
    ],
)
def test_calls_of_tools_are_refused_by_row_and_turn(call: dict[str, Any], tmp_path: Path):
    fine = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    bad = {
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": None, **call},
            {"role": "assistant", "content": "x"},
        ]
    }
    with pytest.raises(DataError, match="calls a tool") as caught:
        read(jsonl(tmp_path / "a.jsonl", [fine, bad]))
    assert caught.value.where == "a.jsonl, row 2, turn 2"


def test_shapes_that_people_have(tmp_path: Path):
    expected = ["user: q\nassistant: a\n"]
    shapes: list[dict[str, Any]] = [
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {"role": "assistant", "content": "a", "tool_calls": []},
            ]
        },
        {"prompt": "q", "completion": "a"},
        {"instruction": "q", "input": "", "output": "a"},
    ]
    for number, row in enumerate(shapes):
        assert read(jsonl(tmp_path / f"{number}.jsonl", [row])) == expected
    with pytest.raises(DataError, match="pairs of a preferred and another") as caught:
        read(jsonl(tmp_path / "d.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}]))
    assert "text/dpo" in caught.value.fix


def talks(path: Path, lengths: list[int]) -> Path:
    rows = [
        [
            {"role": "user", "content": f"{n} " + "w" * size},
            {"role": "assistant", "content": f"yes {n}"},
        ]
        for n, size in enumerate(lengths)
    ]
    return jsonl(path, [{"messages": row} for row in rows])


def test_answers_beyond_the_context_are_an_error_where_none_fits_and_else_counted(tmp_path: Path):
    codec = {"tokenizer": "byte", "length": 64, "chat": True}
    with pytest.raises(DataError, match="no answer fits the context of 64 tokens") as caught:
        prepare(
            DataConfig(source=str(talks(tmp_path / "a.jsonl", [500] * 20))),
            TextCodec(TextConfig(**codec)),
            home=tmp_path / "home",
        )
    assert caught.value.fix.startswith("codec.length=512")
    source = str(talks(tmp_path / "b.jsonl", [500] * 4 + [10] * 16 + [54] * 3))
    report = prepare(
        DataConfig(source=source), TextCodec(TextConfig(**codec)), home=tmp_path / "home"
    ).report
    assert {one["what"]: one["count"] for one in report["omitted"]} == {
        "conversations whose first answer lies beyond the context of 64 tokens": 4,
        "conversations cut where the context of 64 tokens ends": 3,
    }
    checked = check(tmp_path / "a.jsonl").document
    assert (
        checked.verdict == "problems"
        and "no answer fits the context of 256 tokens" in checked.findings[0].words
    )
    assert "codec.length=512" in checked.next[0].command
    first = check(source, overrides=["codec.length=64"]).document.findings[0]
    assert (
        first.code == "omitted"
        and first.values["count"] == 4
        and "codec.length=" in first.values["remedy"]
    )
    whole = prepare(
        DataConfig(source=source),
        TextCodec(TextConfig(**{**codec, "length": 1024})),
        home=tmp_path / "home",
    ).report
    assert whole["omitted"] == []
