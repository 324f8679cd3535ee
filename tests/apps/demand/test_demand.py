"""castalia demand as its users meet it: files as people write them, and what comes out."""

from __future__ import annotations

import csv
import json
import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

import castalia
from castalia.apps.demand import sales
from castalia.apps.demand.demo import made_sales
from castalia.errors import DataError, RecipeError
from tests.apps.command import TINY, inside
from tests.apps.serving import serving

ASKED = ("--item", "sku", "--time", "date", "--units", "n")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "sales.csv"
    path.write_text(made_sales(20, 200, 5), encoding="utf-8")
    return path


def lines(path: Path, *rows: str, head: str = "date,sku,n") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def days(count: int, units: int = 2, form: str = "%Y-%m-%d", sku: str = "a") -> list[str]:
    begin = date(2024, 1, 1)
    return [f"{(begin + timedelta(day)).strftime(form)},{sku},{units}" for day in range(count)]


def read(path: Path, **more: object) -> sales.Sales:
    return sales.read(path, "sku", "date", "n", **more)  # type: ignore[arg-type]


def test_a_shop_gets_a_plan(shop: Path, tmp_path: Path):
    said = inside("demand", shop, *ASKED, "--name", "title", "--out", "plan", cwd=tmp_path)
    assert "after" in said and "of them nothing was missing" in said and "keep up to" in said
    rows = list(csv.DictReader((tmp_path / "plan" / "plan.csv").open(encoding="utf-8-sig")))
    assert len(rows) == 19 and float(rows[0]["mean"]) >= float(rows[-1]["mean"])
    assert all(float(row["order_up_to"]) >= float(row["q50"]) for row in rows)
    assert any("no longer offered" in row["notes"] for row in rows)
    document = json.loads((tmp_path / "plan" / "plan.json").read_text("utf-8"))
    tested = document["back_test"]["policies"]["ours"]
    assert 0.8 < tested["service"]["value"] <= 1
    # every number of the page's table of policies stands in the document
    page = (tmp_path / "plan" / "demand.html").read_text("utf-8")
    assert f"{100 * tested['service']['value']:.1f}%" in page
    assert rows[0]["order_up_to"] in page
    series = (tmp_path / "plan" / "sales.csv").read_text("utf-8").splitlines()
    assert series[0] == "id,time,units" and len(series) > 19 * 20


def test_the_same_seed_gives_the_same_bytes(shop: Path, tmp_path: Path):
    for name in ("one", "two"):
        castalia.demand(shop, item="sku", time="date", units="n", progress=False).write(
            tmp_path / name
        )
    for name in ("plan.csv", "plan.json", "sales.csv", "demand.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_to_order_now(shop: Path, tmp_path: Path):
    stock = lines(
        tmp_path / "stock.csv", "A000,3,1", "A001,100000,0", "Z,4,0", head="sku,stock,on_order"
    )
    made = castalia.demand(
        shop, item="sku", time="date", units="n", stock=stock, service=0.9, progress=False
    )
    found = {one.item: one for one in made.items}
    assert found["A000"].stock == 4 and found["A000"].order_now == found["A000"].order_up_to - 4
    assert found["A001"].order_now == 0
    assert found["A003"].stock is None and "not in the stock file" in found["A003"].notes
    assert made.unknown_stock == ("Z",)


def test_chinese(shop: Path, tmp_path: Path):
    said = inside("demand", shop, *ASKED, "--out", "plan", "--lang", "zh", cwd=tmp_path)
    assert "之后没有缺货" in said and not re.search(r"\b(the|of|orders)\b", said)
    page = (tmp_path / "plan" / "demand.html").read_text("utf-8")
    assert 'lang="zh-Hans"' in page and "这份计划可信吗" in page


def test_over_http(shop: Path, tmp_path: Path):
    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    with serving(tmp_path / "run") as at:
        answer = at.post(
            "/api/demand",
            data={"item": "sku", "time": "date", "units": "n", "language": "zh"},
            files={"data": ("sales.csv", shop.read_bytes())},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == 19 and "计划" in answer.json()["page"]
        answer = at.post(
            "/api/demand",
            data={"item": "x", "time": "date"},
            files={"data": ("sales.csv", shop.read_bytes())},
        )
        assert answer.status_code == 422 and "no column 'x'" in answer.text


def test_periods_and_returns(tmp_path: Path):
    path = lines(tmp_path / "a.csv", *days(59), "2024-02-28,b,3", "2024-01-30,b,-5")
    found = read(path)
    assert found.period == "week" and len(found.starts) == 8
    assert found.starts[0] == date(2024, 1, 4) and found.units[0].tolist() == [14.0] * 8
    # b's five came back in a week in which none was sold
    assert found.units[1].sum() == 3
    notes = " ".join(found.notes)
    assert "first 3 days make no whole week" in notes and "1 lines are returns, 5 units" in notes
    assert "more came back than was sold (5 units)" in notes
    daily = read(lines(tmp_path / "b.csv", *days(90)), cover=3)
    assert daily.period == "day" and daily.units.shape == (1, 90) and daily.season == 7
    monthly = read(lines(tmp_path / "c.csv", *days(1200)), cover=90)
    assert monthly.period == "month" and monthly.starts[0] == date(2024, 1, 1)
    assert monthly.units[0][0] == 62 and "cut" in " ".join(monthly.notes)


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y年%m月%d日", "%Y%m%d"])
def test_dates_as_people_write_them(tmp_path: Path, form: str):
    found = read(lines(tmp_path / "a.csv", *days(100, form=form)), period="day")
    assert found.starts[0] == date(2024, 1, 1) and len(found.starts) == 100


def test_dates_in_three_forms_are_read_and_it_is_said(tmp_path: Path):
    path = lines(tmp_path / "a.csv", *days(90), "13/03/2024,a,1", "5 Mar 2024,a,1")
    found = read(path, period="day")
    assert found.units.sum() == 182 and found.units[0][72] == 3
    assert "dates are written in 3 ways; all were read" in found.notes


def test_time_need_not_be_in_order_and_numbers_may_have_thousands(tmp_path: Path):
    rows = [f'{row.rsplit(",", 1)[0]},"1,200"' for row in days(70)]
    found = read(lines(tmp_path / "a.csv", *reversed(rows)), period="week")
    assert found.units[0].tolist() == [8400.0] * 10


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2024-01-01,a,2"], "span 1 whole period"),
        (days(100, units=0), "nothing was sold"),
        (days(100, units=-1), "nothing was sold"),
        ([*days(100), "2024-03-03,a,#N/A"], "is no number"),
        ([*days(100), "2024-03-03,a,"], "is empty"),
        (["yesterday,a,1"] * 20, "is no date"),
        ([one.replace(",a,", ",,") for one in days(100)], "no line names an item"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, rows: list[str], words: str):
    with pytest.raises(DataError) as caught:
        read(lines(tmp_path / "a.csv", *rows), period="day")
    assert words in str(caught.value) and "a.csv" in str(caught.value)


def test_a_wrong_column_gets_a_suggestion(tmp_path: Path):
    path = lines(tmp_path / "a.csv", *days(100))
    with pytest.raises(DataError, match="did you mean 'sku'"):
        sales.read(path, "skus", "date", "n")


def test_one_item_and_a_short_past_get_a_plan_without_a_test(tmp_path: Path):
    path = lines(tmp_path / "a.csv", *days(60))
    made = castalia.demand(path, item="sku", time="date", units="n", lead=21, progress=False)
    assert made.tested is None and made.items[0].mean == pytest.approx(14 * 4, rel=0.2)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"lead": -1}, "lead time"),
        ({"review": 0}, "lead time"),
        ({"lead": float("nan")}, "lead time"),
        ({"service": 1.0}, "out of range"),
        ({"under": 3}, "both costs"),
        ({"under": 3, "over": 0}, "positive"),
        ({"under": 3, "over": 1, "service": 0.9}, "one or the other"),
        ({"period": "year"}, "no period"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(shop: Path, more: dict, words: str):
    with pytest.raises(RecipeError, match=words):
        castalia.demand(shop, item="sku", time="date", units="n", progress=False, **more)


def test_parts_of_units_stay_parts(tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = [f"{row.rsplit(',', 1)[0]},{rng.gamma(2, 1.5):.3f}" for row in days(140)]
    made = castalia.demand(
        lines(tmp_path / "a.csv", *rows), item="sku", time="date", units="n", progress=False
    )
    assert not made.sales.whole and made.items[0].order_up_to % 1 > 0
