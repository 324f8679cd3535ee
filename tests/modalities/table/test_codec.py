"""The codec of tables: kinds of columns, tokens and back, files in the data's form, bad input."""

import csv
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch

from castalia.errors import DataError, RecipeError
from castalia.modalities.table import files
from castalia.modalities.table.codec import TableCodec, TableConfig
from castalia.modalities.table.columns import infer
from castalia.modalities.table.columns.binned import Binned
from castalia.modalities.table.columns.scales import Moments, Numbers, moments_of, numbers_of
from castalia.modalities.table.row import Header, Row
from castalia.modalities.table.text_detection import reading
from castalia.omissions import Omissions, collected


def table(columns: dict[str, list[str]]) -> list[Row]:
    header = Header(tuple(columns))
    return [Row(header, cells) for cells in zip(*columns.values(), strict=True)]


def people(n: int = 400) -> list[Row]:
    rng = np.random.default_rng(0)
    city = rng.choice(["Basel", "Bern", "Chur"], n)
    country = ["CH"] * n
    age = rng.integers(18, 80, n)
    start = rng.integers(0, 3000, n)
    long = rng.integers(0, 900, n)
    day = np.datetime64("2015-01-01")
    return table(
        {
            "customer": [f"C-{1000 + number}" for number in range(n)],
            "city": list(city),
            "canton": [{"Basel": "BS", "Bern": "BE", "Chur": "GR"}[one] for one in city],
            "country": country,
            "age": [str(one) for one in age],
            "income": [
                "" if number % 11 == 0 else f"{1000 + 37.5 * one:.2f}"
                for number, one in enumerate(age)
            ],
            "start": [str(day + one) for one in start],
            "end": [str(day + one + two) for one, two in zip(start, long, strict=True)],
            "member": list(rng.choice(["yes", "no"], n)),
        }
    )


def fitted(rows: list[Row], **config: object) -> TableCodec:
    codec = TableCodec(TableConfig(**config))
    codec.fit(rows)
    return codec


def test_kinds_are_found_by_what_stands_in_the_cells():
    kinds = {column.name: column.kind for column in fitted(people()).columns}
    assert kinds == {
        "customer": "identifier",
        "city": "category",
        "canton": "category",
        "country": "constant",
        "age": "integer",
        "income": "number",
        "start": "date",
        "end": "date",
        "member": "boolean",
    }


def test_a_row_is_a_token_a_learned_column():
    codec = fitted(people())
    assert [column.name for column in codec.learned] == [
        "city",
        "age",
        "income",
        "start",
        "end",
        "member",
    ]
    assert codec.spec.length == codec.spec.period == 6
    assert codec.encode(people()[0]).dtype == torch.uint16


def test_every_row_keeps_its_tokens_and_its_columns_forms():
    codec, rows = fitted(people()), people()
    for row in rows:
        tokens = codec.encode(row)
        made = codec.decode(tokens)
        assert made["city"] == row["city"]
        assert made["canton"] == row["canton"]
        assert (made["income"] == "") == (row["income"] == "")
        if made["start"] <= made["end"]:
            assert len(made["start"]) == 10
    stable = sum(
        codec.encode(codec.decode(codec.encode(row))).equal(codec.encode(row)) for row in rows
    )
    assert stable >= 0.97 * len(rows)  # a mended rule may move a date into the next bin


def test_rules_are_learned_and_kept_by_any_tokens():
    codec = fitted(people())
    assert [rule.text for rule in codec.rules] == ["start <= end"]
    rng = torch.Generator().manual_seed(0)
    for _ in range(300):
        row = codec.decode(torch.randint(0, codec.spec.vocab, (7,), generator=rng))
        assert row["start"] <= row["end"]
        assert {"Basel": "BS", "Bern": "BE", "Chur": "GR"}[row["city"]] == row["canton"]


def test_declared_rules_are_parsed_kept_and_refused():
    n = 200
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 50, n), rng.integers(0, 50, n)
    rows = table(
        {
            "a": [str(one) for one in a],
            "b": [str(one) for one in b],
            "c": [str(one) for one in a + b],
            "d": [str(one) for one in rng.integers(5, 95, n)],
        }
    )
    codec = fitted(rows, rules=("10 <= d <= 90",))
    assert {rule.text for rule in codec.rules} == {
        "10 <= d <= 90",
        "a + b == c",
        "a <= c",
        "b <= c",
    }
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        row = codec.decode(torch.randint(0, codec.spec.vocab, (5,), generator=generator))
        assert int(row["a"]) + int(row["b"]) == int(row["c"])
        assert 10 <= int(row["d"]) <= 90
    for wrong, error in (
        ("a <> b", "no rule"),
        ("a <= x", "no column 'x'"),
        ("b <= 5 <= a", "no rule"),
    ):
        with pytest.raises(RecipeError, match=error):
            fitted(rows, rules=(wrong,))
    with pytest.raises(RecipeError, match="most rows"):
        fitted(rows, rules=("c <= a",))


@pytest.mark.parametrize(
    ("cells", "units", "back"),
    [
        (["1,5", "2,75", "-3,0"], [150, 275, -300], ["1,5", "2,75", "-3"]),
        (["1.234,50 €", "12,00 €"], [123450, 1200], ["1.234,50 €", "12,00 €"]),
        (["$1,200", "$35"], [1200, 35], ["$1,200", "$35"]),
        (["12%", "7.5%"], [120, 75], ["12%", "7.5%"]),
        (["127.0", "100.0"], [1270, 1000], ["127.0", "100.0"]),
        (["1e3", "2.5"], [10000, 25], ["1000", "2.5"]),
        (["-0.5", "0.25"], [-50, 25], ["-0.5", "0.25"]),
    ],
)
def test_numbers_are_read_and_written_in_the_datas_form(cells, units, back):
    scale = numbers_of(dict.fromkeys(cells, 1))
    assert isinstance(scale, Numbers)
    assert [scale.parse(cell) for cell in cells] == units
    assert [scale.write(one) for one in units] == back


@pytest.mark.parametrize("cells", [["007", "012"], ["12a", "13b"], ["", "NA"]])
def test_codes_and_gaps_are_no_numbers(cells):
    assert numbers_of(dict.fromkeys(cells, 1)) is None


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["2024-02-29", "1999-12-31"], "date"),
        (["29.02.2024", "31.12.1999"], "date"),
        (["2/29/2024", "12/3/1999"], "date"),
        (["2024-02-29 13:45", "1999-12-31 00:00"], "datetime"),
        (["2024-02-29T13:45:01Z", "1999-12-31T00:00:00Z"], "datetime"),
        (["13:45", "00:00"], "time"),
        (["5 Mar 2020", "17 Oct 2021"], "date"),
    ],
)
def test_moments_come_back_as_they_were_written(cells, kind):
    scale = moments_of(dict.fromkeys(cells, 1))
    assert isinstance(scale, Moments)
    assert scale.kind == kind
    assert [scale.write(scale.parse(cell)) for cell in cells] == cells


def test_dates_in_three_forms_are_one_column():
    cells = {"2024-01-31": 5, "31.01.2024": 2, "Jan 31, 2024": 2}
    scale = moments_of(cells)
    assert len({scale.parse(cell) for cell in cells}) == 1
    assert scale.write(scale.parse("31.01.2024")) == "2024-01-31"


def test_zeros_caps_and_tails_keep_their_mass():
    rng = np.random.default_rng(2)
    values = np.where(rng.random(4000) < 0.9, 0, rng.lognormal(8, 1, 4000).astype(int))
    values[:40] = 99999
    column = infer.column_of("gain", _counts(values), None, bins=60, rare=2)
    assert isinstance(column, Binned)
    singles = {one.low: one.mass for one in column.bins if one.low == one.high}
    assert singles[0] == pytest.approx((values == 0).mean())
    assert singles[99999] == pytest.approx((values == 99999).mean())
    drawn = np.array([int(column.at_quantile(share)) for share in np.linspace(0.001, 0.999, 2000)])
    for share in (0.85, 0.93, 0.96, 0.97):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(values, share), rel=0.15)


def _counts(values):
    from collections import Counter

    return Counter(str(one) for one in values.tolist())


def test_identifiers_are_made_anew_and_never_twice():
    codec, rows = fitted(people()), people()
    made = codec.collected([codec.decode(codec.encode(row)) for row in rows])
    new = [row["customer"] for row in made]
    assert len(set(new)) == len(new)
    assert not set(new) & {row["customer"] for row in rows}
    assert new[0] == "C-1400"


def test_values_of_a_single_row_are_grouped():
    rows = table({"a": ["x"] * 60 + ["y"] * 60 + ["Alice Smith"], "b": ["1", "2"] * 60 + ["3"]})
    codec = fitted(rows)
    column = codec.by_name["a"]
    assert column.values == ["x", "y", "(rare)"]
    assert "Alice" not in json.dumps(codec.state()[0])


def test_the_recipe_overrides_kinds():
    codec = fitted(people(), columns={"age": "category"})
    assert codec.by_name["age"].kind == "category"
    with pytest.raises(RecipeError, match="no kind"):
        fitted(people(), columns={"age": "colour"})
    with pytest.raises(RecipeError, match="cannot be of the kind"):
        fitted(people(), columns={"city": "number"})
    with pytest.raises(RecipeError, match="no column"):
        fitted(people(), columns={"ages": "category"})


def test_dense_rows_come_back():
    codec, rows = fitted(people(), form="dense"), people()
    assert codec.spec.unit == "standard"
    assert sum(span.width for span in codec.spec.spans) == codec.spec.shape[0]
    for row in rows[:60]:
        made = codec.decode(codec.encode(row))
        assert made["city"] == row["city"]
        assert abs(float(made["age"]) - float(row["age"])) <= 3
    assert codec.decode(torch.full(codec.spec.shape, torch.nan))["country"] == "CH"


def test_state_carries_all_of_it():
    codec, rows = fitted(people()), people()
    state = json.loads(json.dumps(codec.state()[0]))
    again = TableCodec(codec.config).restore(state, {})
    tokens = codec.encode(rows[3])
    assert again.encode(rows[3]).equal(tokens)
    assert again.decode(tokens) == codec.decode(tokens)
    assert again.rules == codec.rules
    with pytest.raises(DataError, match="damaged"):
        TableCodec(codec.config).restore({**state, "columns": [{"name": "a"}]}, {})


# Files --------------------------------------------------------------------------------------------


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_a_sample_is_written_in_the_sources_dialect(tmp_path):
    lines = "".join(f"{n};{n / 4:.2f};é\r\n".replace(".", ",") for n in range(60))
    source = write(tmp_path / "a.csv", "\ufeffnr;wert;wort\r\n" + lines.replace("é", "ä"))
    codec = fitted(list(files.read(source)))
    out = tmp_path / "out.csv"
    codec.write(
        codec.collected([codec.decode(codec.encode(row)) for row in files.read(source)]), out
    )
    raw = out.read_bytes()
    assert raw.startswith("\ufeffnr;wert;wort\r\n".encode())
    assert all(";" in line and "," in line for line in raw.decode("utf-8-sig").splitlines()[1:])
    first, second = source.read_text("utf-8-sig"), out.read_text("utf-8-sig")
    assert len(first.splitlines()) == len(second.splitlines())


def test_other_encodings_and_quotation_marks(tmp_path):
    text = '"name","grösse"\n' + '"Müller","1.5"\n"Süß","2.5"\n' * 30
    header, rows = files.opened(write(tmp_path / "a.csv", text, "cp1252"))
    assert header.names == ("name", "grösse")
    assert header.dialect.quoted
    assert next(rows) == ("Müller", "1.5")


def test_ragged_rows_and_names_that_stand_twice_are_reported(tmp_path):
    path = write(tmp_path / "a.csv", "a,b,b\n1,2,3\n1,2\n1,2,3,4\n\n,,\n")
    found = Omissions()
    with collected(found):
        header, rows = files.opened(path)
        cells = list(rows)
    assert header.names == ("a", "b", "b (2)")
    assert cells == [("1", "2", "3"), ("1", "2", ""), ("1", "2", "3")]
    assert {entry.count for entry in found.listed()} == {1}
    assert len(found.listed()) == 3


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_table_is_named(tmp_path, text):
    with pytest.raises(DataError, match="empty"):
        files.opened(write(tmp_path / "a.csv", text))


def test_all_formats_hold_the_same(tmp_path):
    codec, rows = fitted(people(50)), people(50)
    made = codec.collected([codec.decode(codec.encode(row)) for row in rows])
    for suffix in (".csv", *codec.formats):
        path = tmp_path / f"a{suffix}"
        codec.write(made, path)
        again = list(codec.read(path))
        assert len(again) == len(made)
        for one, other in zip(again, made, strict=True):
            assert one["city"] == other["city"]
            assert one["start"] == other["start"]
            assert (one["income"] or "") == (other["income"] or "") or float(
                one["income"]
            ) == float(other["income"])


def test_a_database_says_which_table_is_meant(tmp_path):
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE sales (item TEXT, n INTEGER, price REAL)")
        base.executemany("INSERT INTO sales VALUES (?, ?, ?)", [("a", 1, 2.5), ("b", None, 3.0)])
    rows = list(files.read(path))
    assert [row.cells for row in rows] == [("a", "1", "2.5"), ("b", None, "3")]
    with sqlite3.connect(path) as base:
        base.execute('CREATE TABLE "odd ""name" (x)')
    with pytest.raises(DataError, match="several tables"):
        list(files.read(path))
    assert list(files.read(path, table='odd "name')) == []
    with pytest.raises(DataError, match="no table 'sale'"):
        list(files.read(path, table="sale"))
    with pytest.raises(DataError, match="no SQLite"):
        list(files.read(write(tmp_path / "b.db", "hello")))


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.csv", "a,b\n1,x\n2,y\n", "table"),
        ("a.csv", "price\n1.5\n2.5\n1.5\n", "table"),
        ("a.csv", "text\nall of it is here\nand there\n", "texts"),
        (
            "a.jsonl",
            '{"title": "On a wall", "text": "The wall was old and it was long."}\n' * 2,
            "texts",
        ),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "hi"}]}\n', "conversations"),
        ("a.csv", "prompt,response\nhi,hello\n", "conversations"),
        (
            "a.csv",
            "id,review\n"
            + "".join(f"{n},the place number {n} was fine and I liked it\n" for n in range(9)),
            "texts",
        ),
    ],
)
def test_what_a_file_is_taken_for(tmp_path, name, text, kind):
    assert reading(write(tmp_path / name, text)).kind == kind


def test_a_table_without_anything_that_varies_is_named():
    with pytest.raises(DataError, match="no column of the table varies"):
        fitted(table({"a": ["1"] * 9, "b": [""] * 9}))
    with pytest.raises(DataError, match="no row"):
        fitted([])


def test_rows_of_another_table_are_named():
    codec = fitted(people())
    with pytest.raises(DataError, match="no column 'customer'"):
        codec.encode(table({"city": ["Basel"]})[0])
    turned = Row(Header(tuple(reversed(codec.names))), tuple(reversed(people()[0].cells)))
    assert codec.encode(turned).equal(codec.encode(people()[0]))


def test_one_column_and_mixed_types_and_errors_of_spreadsheets():
    cells = [str(n % 7) for n in range(93)] + ["#N/A", "#DIV/0!", "unknown", "n/a", "", "x", "y"]
    codec = fitted(table({"only": cells}))
    column = codec.by_name["only"]
    assert column.kind == "integer"
    assert set(column.specials) == {"#N/A", "#DIV/0!", "unknown", "n/a", "", "x", "y"}
    assert codec.spec.length == 1
    for cell in cells:
        assert codec.decode(codec.encode(table({"only": [cell]})[0])).cells == (cell,)


def test_five_thousand_columns(tmp_path):
    names = [f"c{n}" for n in range(5000)]
    rng = np.random.default_rng(0)
    path = tmp_path / "wide.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rng.integers(0, 2, (30, 5000)).tolist())
    codec = fitted(list(files.read(path)), learn_rules=False)
    assert codec.spec.length == 5000


def test_given_cells_are_checked_with_what_they_mean():
    codec = fitted(people())
    x, keep = codec.partial({"city": "Bern", "age": "40"})
    assert keep.tolist() == [True, True, True, False, False, False, False]
    same, _ = codec.partial({"canton": "BE", "age": "40"})
    assert torch.equal(x[:3], same[:3])
    for given, words in (
        ({"town": "Bern"}, "no column"),
        ({"city": "Berne"}, "no value 'Berne'"),
        ({"age": "old"}, "numbers or moments"),
        ({"customer": "C-1"}, "nothing of the column"),
        ({"country": "DE"}, "always 'CH'"),
    ):
        with pytest.raises(RecipeError, match=words):
            codec.partial(given)
