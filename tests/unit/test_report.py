"""Reports whose numbers come from cells: what is computed, where it says it comes from, and what is
refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.apps.command import inside

import castalia
from castalia.apps.report.checking import lost, unproved
from castalia.apps.report.facts import Cells
from castalia.apps.report.markdown import html
from castalia.apps.report.writing import written
from castalia.errors import CastaliaError, DataError, Refused
from castalia.text_files.columns import read

SALES = """region,item,units,price,day
North,apple,10,1.50,2026-01-03
South,apple,4,1.40,2026-01-02
North,pear,,2.00,2026-01-05
South,<b>,6,0.50,2026-02-01
"""


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text(SALES, encoding="utf-8")
    return path


def text(sales: Path, template: str) -> str:
    return written([read(sales)], template, "t.md").text


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("rows.count()", "4"),
        ('rows.sum("units")', "20"),
        ('rows.mean("units")', "6.7"),
        ('rows.median("price")', "1.450"),
        ('rows.min("price")', "0.50"),
        ('rows.where(region="North").sum("units")', "10"),
        ('rows.where(region="North", item="pear").count()', "1"),
        ('rows.where(units=4).first("region")', "South"),
        ('rows.above("price", 1.4).count()', "2"),
        ('rows.above("day", "2026-01-31").count()', "1"),
        ('rows.below("units", 6).count()', "1"),
        ('rows.distinct("region")', "2"),
        ('rows.empty("units")', "1"),
        ('rows.filled("units").count()', "3"),
        ('rows.first("day")', "2026-01-02"),
        ('rows.last("day")', "2026-02-01"),
        ('percent(rows.where(region="North").sum("units"), rows.sum("units"))', "50%"),
        ('change(rows.where(region="South").sum("units"), rows.sum("units"))', "100%"),
        ('rows.sum("units") / rows.count()', "5"),
        ('rows.sum("price") * 2 | decimals(1)', "10.8"),
        ('rows.sum("price") | decimals(0)', "5"),
        ('rows.top("region", by="units", n=1)[0].name', "North"),
        ('rows.top("item", n=1)[0].value', "2"),
        ('rows.groups("region")|length == 2 and rows.count()', "4"),
        ('tables["sales.csv"].count()', "4"),
    ],
)
def test_what_may_be_asked(sales: Path, asked: str, shown: str) -> None:
    template = "{{ (" + asked.replace(" | decimals", ") | decimals") + " }}"
    template = template if " | decimals" in asked else "{{ " + asked + " }}"
    assert text(sales, template) == shown


def test_facts_know_their_cells(sales: Path) -> None:
    made = written([read(sales)], '{{ rows.where(region="North").sum("units") }}', "t.md")
    (fact,) = made.document()["facts"]
    assert fact["value"] == 10 and fact["shown"] == "10"
    assert fact["cells"] == [{"file": "sales.csv", "column": "units", "lines": [(2, 2), (4, 4)]}]
    assert "left out: 1" in fact["formula"] and "region is North" in fact["formula"]
    assert Cells("f", "c", (5, 2, 3, 9, 2)).ranges == [(2, 3), (5, 5), (9, 9)]


def test_only_what_is_shown_is_a_fact(sales: Path) -> None:
    template = '{% set n = rows.count() %}{% if n > 3 %}Many: {{ rows.sum("units") }}{% endif %}'
    made = written([read(sales)], template, "t.md")
    assert made.text == "Many: 20" and len(made.facts) == 1


def test_a_number_from_no_cell_is_refused(sales: Path) -> None:
    for template in ("{{ 3 * 7 }} pieces", "{{ rows.groups('region')|length + 20 }}"):
        with pytest.raises(Refused, match="comes from no cell"):
            text(sales, template)
    # what the author writes is the author's
    assert text(sales, "Rule 21 holds for {{ rows.count() }} rows.").startswith("Rule 21")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('{{ rows.sum("region") }}', "is no number"),
        ('{{ rows.sum("unit") }}', "no column 'unit'"),
        ("{{ rows.sum( }}", "template cannot be used"),
        ("{{ nothing }}", "template cannot be used"),
        ("{{ rows._source }}", "template cannot be used"),
        ("{{ rows.__class__.__mro__ }}", "template cannot be used"),
        ("{% for a in range(10**9) %}{{ rows.count() }}{% endfor %}", "template cannot be used"),
        ('{{ rows.first("region") + 1 }}', "takes no part in a calculation"),
        ('{{ rows.top("item", how="best") }}', "not ordered by"),
        ("{% include '/etc/passwd' %}", "template cannot be used"),
    ],
)
def test_what_a_template_may_not(sales: Path, template: str, words: str) -> None:
    with pytest.raises(CastaliaError, match=words):
        text(sales, template)


def test_a_cell_that_is_no_number_is_named(sales: Path) -> None:
    sales.write_text(SALES.replace("0.50", "n/a"), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        text(sales, '{{ rows.sum("price") }}')
    assert "line 5" in caught.value.where and "n/a" in caught.value.where


@pytest.mark.parametrize(
    ("cells", "total"),
    [
        (["1.234,50", "2,5", ""], "1,237.00"),
        (["1,234.50", "2.5"], "1,237.00"),
        (["$3", "€ 4", "5%"], "12"),
        (["−3", "1e3"], "997"),
    ],
)
def test_numbers_as_people_write_them(tmp_path: Path, cells: list[str], total: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("\n".join(["x\ty", *(f"{cell}\tz" for cell in cells)]), encoding="utf-8")
    assert text(path, '{{ rows.sum("x") }}') == total


def test_empty_tables_and_too_many_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(DataError, match="empty"):
        castalia.report([path])
    path.write_text("a\n" + "\n".join(f"v{n}" for n in range(1500)), encoding="utf-8")
    with pytest.raises(DataError, match="1,500 different values"):
        text(path, '{{ rows.top("a") }}')


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("Sales rose by 12.5% to 1,204 units.", True),
        ("Sales rose by 12.50 % to 1204 units.", True),
        ("Sales rose by 13% to 1,204 units.", False),
        ("Twelve of 1,204 units", False),
        ("Sales doubled to 1,204.", False),
        ("Half of the 1,204 units", False),
        ("销量增长 12.5%，达到 1,204 件。", True),
        ("销量增长了三成，达到 1,204 件。", False),
        ("约一百二十件", False),
        ("我们一起看一些数据。", True),
        ("1. First\n2. Second", True),
        ("Route 66 sold 1,204 units", True),
        ("In 2026 there were 1,204.", True),
        ("In 2025 there were 1,204.", False),
    ],
)
def test_the_checker(said: str, good: bool) -> None:
    found = unproved(said, ["12.5%", "1,204"], ["Route 66"], "Report of 2026")
    assert (found == []) == good


def test_names_that_are_gone() -> None:
    assert lost("North sold most", ["North", "South", "South"]) == ["South"]


def test_pages_show_names_of_cells_as_text(sales: Path, tmp_path: Path) -> None:
    template = (
        "# Items\n\n{% for one in rows.groups('item') %}\n"
        "- **{{ one.name }}**: {{ one.value }}\n{% endfor %}"
    )
    made = written([read(sales)], template, "t.md")
    page = made.page("Items", "en")
    assert "<li><strong><a" in page and "&lt;b&gt;" in page and "<b></a>" not in page
    assert page.count('href="#fact-') == len(made.facts) == 6
    assert "sales.csv: item, lines 2–3" in page
    assert "这些数字从哪里来" in made.page("Items", "zh")


def test_markdown() -> None:
    made = str(
        html("# A <i>\n\none\ntwo *em* `c`\n\n1. x\n2. y\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n---")
    )
    assert "<h1>A &lt;i&gt;</h1>" in made and "<p>one two <em>em</em> <code>c</code></p>" in made
    assert "<ol><li>x</li><li>y</li></ol>" in made and "<td>1</td><td>2</td>" in made
    assert made.endswith("<hr>")


def test_the_command_and_its_check(sales: Path, tmp_path: Path) -> None:
    said = inside("report", sales, "--out", "made", cwd=tmp_path)
    assert "facts in made" in said
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert names == ["facts.json", "report.html", "report.md"]
    assert "| units | 75% |" in (tmp_path / "made" / "report.md").read_text(encoding="utf-8")
    facts = ["--facts", tmp_path / "made" / "facts.json"]
    inside("report", "made/report.md", *facts, cwd=tmp_path)
    polished = tmp_path / "polished.md"
    polished.write_text("Of 4 rows, 17 were sold in the North.", encoding="utf-8")
    assert "17 comes from no cell" in inside("report", polished, *facts, cwd=tmp_path, code=7)
    document = inside("report", polished, *facts, "--json", cwd=tmp_path, code=7)
    assert json.loads(document[document.index("{") :])["unproved"][0]["number"] == "17"
    (tmp_path / "no.json").write_text("[]", encoding="utf-8")
    inside("report", polished, "--facts", "no.json", cwd=tmp_path, code=3)
    inside("report", sales, cwd=tmp_path, code=2)


def test_an_overview_in_chinese(sales: Path) -> None:
    assert "共 4 行、5 列" in castalia.report([sales], language="zh").text
