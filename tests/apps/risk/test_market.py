"""Files of prices and returns as people have them, and what is said of useless ones."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from castalia.apps.risk import roles
from castalia.apps.risk.market import market, weights_of
from castalia.errors import CastaliaError, DataError, RecipeError
from castalia.text_files import cells

RNG = np.random.default_rng(0)
RETURNS = 0.01 * RNG.standard_normal(300)
PRICES = 100 * np.concatenate([[1.0], np.cumprod(1 + RETURNS)])


def days(count: int, every: int = 1) -> list[date]:
    """Week-days, or every so many days."""
    found, when = [], date(2020, 1, 6)
    while len(found) < count:
        if every > 1 or when.weekday() < 5:
            found.append(when)
        when += timedelta(days=every)
    return found


def written(path: Path, rows: list[str], head: str = "date,price") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def priced(form: str = "%Y-%m-%d", number: str = "{:.6f}") -> list[str]:
    return [
        f"{when:{form}},{number.format(price)}"
        for when, price in zip(days(301), PRICES, strict=True)
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


@pytest.mark.parametrize(
    "form",
    [
        *("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%d-%b-%y"),
        *("%d %b %Y", "%Y年%m月%d日", "%Y-%m-%d 16:00:00", "%Y-%m-%dT00:00:00Z"),
    ],
)
def test_dates_in_any_usual_form(file: Path, form: str):
    found = market(written(file, priced(form)))
    assert (found.kind, found.step, found.names) == ("prices", "day", ("price",))
    assert found.stamps[0].startswith("2020-01-07") and len(found) == 300
    assert np.allclose(found.returns[:, 0], RETURNS, atol=1e-7)


def test_dates_with_words_and_commas(file: Path):
    rows = [
        f'"{when:%b %d, %Y}","{1000 * price:,.2f}"'
        for when, price in zip(days(301), PRICES, strict=True)
    ]
    found = market(written(file, rows))
    assert found.stamps[0] == "2020-01-07"
    assert np.allclose(found.returns[:, 0], RETURNS, atol=1e-6)


def test_the_order_of_days_and_months_is_that_of_the_file(file: Path):
    for form in ("%d/%m/%Y", "%m/%d/%Y"):  # no day above 12
        first = [date(2020, month, day) for month in range(1, 13) for day in range(1, 13)]
        rows = [f"{when:{form}},{price}" for when, price in zip(first, PRICES, strict=False)]
        assert market(written(file, rows)).stamps[0] == "2020-01-02"


def test_dates_in_several_forms_are_all_read_and_said(file: Path):
    rows = [
        f"{when:{('%Y-%m-%d', '%d.%m.%Y', '%d %b %Y')[place % 3]}},{price:.6f}"
        for place, (when, price) in enumerate(zip(days(301), PRICES, strict=True))
    ]
    found = market(written(file, rows))
    assert np.allclose(found.returns[:, 0], RETURNS, atol=1e-7)
    assert any("written in 3 ways" in note for note in found.notes)


def test_seconds_and_years_are_dates_where_the_column_says_so(file: Path):
    rows = [f"{1_577_836_800 + 86_400 * n},{price:.6f}" for n, price in enumerate(PRICES)]
    assert market(written(file, rows, "time,price")).stamps[0] == "2020-01-02"
    rows = [f"{1700 + n},{price:.6f}" for n, price in enumerate(PRICES)]
    assert market(written(file, rows, "year,price")).stamps[0] == "1701-01-01"


def test_numbers_of_rows_are_no_market(file: Path):
    rows = [f"{n},{price:.6f},{n}" for n, price in enumerate(PRICES)]
    found = market(written(file, rows, ",price,time"))
    assert found.names == ("price",)
    assert any("only count rows" in note for note in found.notes)


def test_decimal_commas_and_other_delimiters(file: Path):
    rows = [
        f"{when:%d.%m.%Y};{price * 100:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
        for when, price in zip(days(301), PRICES, strict=True)
    ]
    rows = [row.replace(",", ".", 2) if row[2] == "," else row for row in rows]
    found = market(written(file, rows, "Datum;Kurs"))
    assert np.allclose(found.returns[:, 0], RETURNS, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1,234.5", 1234.5), ("1.234,5", 1234.5), ("12 345.5", 12345.5), ("1'234.5", 1234.5)],
        *[("-0.5%", -0.005), ("−2.5", -2.5), ("(1.25)", -1.25), ("$12.30", 12.3), ("1e-3", 0.001)],
        *[("0,012", 0.012), ("3.1 %", 0.031), ("€ 5", 5.0)],
    ],
)
def test_numbers_as_people_write_them(text: str, value: float):
    found = roles.numbers_of([text, "", "n/a", "."], "x", "a.csv", range(2, 6))
    assert found.values[0] == pytest.approx(value)
    assert np.isnan(found.values[1:]).all()


@pytest.mark.parametrize("text", ["abc", "1.2.3,4.5", "12:30", "1e999", "--5"])
def test_what_is_no_number(text: str):
    assert cells.numbers(["1", text]).wrong == 1


def test_returns_are_told_from_prices(file: Path):
    rows = [f"{when},{one:.6f}" for when, one in zip(days(300), RETURNS, strict=True)]
    found = market(written(file, rows, "date,return"))
    assert found.kind == "returns" and np.allclose(found.returns[:, 0], RETURNS, atol=1e-6)
    assert any("read as returns" in note for note in found.notes)


@pytest.mark.parametrize("sign", ["%", ""])
def test_returns_in_percent(file: Path, sign: str):
    rows = [f"{when},{100 * one:.5f}{sign}" for when, one in zip(days(300), RETURNS, strict=True)]
    found = market(written(file, rows, "date,return"))
    assert found.kind == "returns" and np.allclose(found.returns[:, 0], RETURNS, atol=1e-6)
    assert any("percent" in note for note in found.notes) == (not sign)


def test_several_assets_with_missing_cells(file: Path):
    rows = [
        f"{when},{price:.6f},{'' if place == 100 else 2 * price:}"
        for place, (when, price) in enumerate(zip(days(301), PRICES, strict=True))
    ]
    found = market(written(file, rows, "date,A,B"))
    assert found.names == ("A", "B") and len(found) == 299
    assert any("lacks a value" in note for note in found.notes)
    assert found.returns[99, 0] == pytest.approx(PRICES[101] / PRICES[99] - 1, abs=1e-6)


def test_gaps_of_assets_that_do_not_count_lose_no_row(file: Path):
    rows = [f"{row},{'' if n % 2 else PRICES[n]}" for n, row in enumerate(priced())]
    assert len(market(written(file, rows, "date,A,B"), wanted={"A": 1.0})) == 300
    assert len(market(written(file, rows, "date,A,B"))) == 150


def test_returns_that_may_be_percent_are_asked_about(file: Path):
    rows = [f"{when},{10 * one:.6f}" for when, one in zip(days(300), RETURNS, strict=True)]
    found = market(written(file, rows, "date,return"))
    assert any("write signs of percent" in note for note in found.notes)


def test_prices_that_often_stand_still_are_said(file: Path):
    rows = [f"{when},{PRICES[n // 2]:.6f}" for n, when in enumerate(days(301))]
    assert any("prices stale" in note for note in market(written(file, rows)).notes)


def test_bars_of_a_market(file: Path):
    rows = [f"{row},{1 + place},7,8,{place * 1000 + 5}" for place, row in enumerate(priced())]
    found = market(written(file, rows, "Date,Close,Open,High,Low,Volume"))
    assert found.names == ("Close",) and any("bars" in note for note in found.notes)


def test_a_table_of_an_asset_a_row(file: Path):
    rows = [
        f"{when},{name},{size * price:.6f}"
        for when, price in zip(days(301), PRICES, strict=True)
        for name, size in (("SPX", 1), ("NDX", 3))
    ]
    found = market(written(file, rows, "date,ticker,close"))
    assert found.names == ("SPX", "NDX")
    assert np.allclose(found.returns, RETURNS[:, None], atol=1e-6)


@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_unsorted_time_is_sorted_and_said(file: Path, order: str):
    rows = priced()
    rows = rows[::-1] if order == "reversed" else [rows[place] for place in RNG.permutation(301)]
    found = market(written(file, rows))
    assert np.allclose(found.returns[:, 0], RETURNS, atol=1e-6)
    assert any("turned around" in note or "sorted" in note for note in found.notes)


def test_a_row_that_stands_twice_counts_once(file: Path):
    rows = priced()
    found = market(written(file, [*rows[:50], rows[49], *rows[50:]]))
    assert len(found) == 300 and any("stood twice" in note for note in found.notes)
    with pytest.raises(DataError) as error:
        market(written(file, [*rows[:50], rows[49].split(",")[0] + ",1.5", *rows[50:]]))
    assert "stands twice" in error.value.what and "line 52" in error.value.where


def test_weekly_data_have_weeks(file: Path):
    rows = [f"{when},{price:.6f}" for when, price in zip(days(301, 7), PRICES, strict=True)]
    found = market(written(file, rows))
    assert (found.step, found.per_year) == ("week", 52)


def test_missing_days_are_said(file: Path):
    rows = priced()
    found = market(written(file, rows[:100] + rows[115:]))
    assert any("longer than usual" in note for note in found.notes)


def test_without_dates_the_order_of_the_file_counts(file: Path):
    found = market(written(file, [f"{price:.6f}" for price in PRICES], "price"))
    assert found.stamps[0] == "" and found.when(0) == "1" and found.step == "step"
    assert any("no column of dates" in note for note in found.notes)


def bad(rows: list[str], file: Path, head: str = "date,price", **options) -> CastaliaError:
    with pytest.raises(CastaliaError) as error:
        market(written(file, rows, head), **options)
    assert error.value.fix
    return error.value


def test_one_row(file: Path):
    assert "1 row" in bad(priced()[:1], file).what


def test_constant_prices(file: Path):
    rows = [f"{when},100" for when in days(300)]
    assert "never changes" in bad(rows, file).what


@pytest.mark.parametrize("value", ["0", "-37.63"])
def test_prices_that_have_no_return(file: Path, value: str):
    rows = priced()
    rows[120] = rows[120].split(",")[0] + f",{value}"
    error = bad(rows, file)
    assert "not above zero" in error.what and "line 122" in error.where


def test_a_cell_that_is_no_number(file: Path):
    rows = priced()
    rows[7] = rows[7].split(",")[0] + ",closed"
    error = bad(rows, file, values=["price"])
    assert "no number" in error.what and "line 9" in error.where


def test_one_bad_cell_does_not_drop_an_asset(file: Path):
    rows = [f"{row},{row.split(',')[1]}" for row in priced()]
    rows[7] = rows[7].split(",")[0] + ",closed,100"
    assert "line 9" in bad(rows, file, "date,A,B").where


def test_a_date_that_is_none(file: Path):
    rows = priced()
    rows[7] = "2020-13-45,100"
    error = bad(rows, file)
    assert "cannot be read" in error.what and "line 9" in error.where


def test_columns_that_are_not_there_are_guessed(file: Path):
    assert "did you mean 'price'" in bad(priced(), file, values=["prices"]).fix
    assert "did you mean 'date'" in bad(priced(), file, time="dates").fix
    assert bad(priced(), file, asset="x").exit_code == 2


def test_no_numbers_at_all(file: Path):
    assert "no column of numbers" in bad(["a,b", "c,d", "e,f", "g,h"], file, "x,y").what


def test_numbers_that_may_be_either(file: Path):
    rows = [
        f"{when},{one:.4f}" for when, one in zip(days(300), RNG.random(300) + 0.01, strict=True)
    ]
    assert "--prices or --returns" in bad(rows, file).fix
    assert market(written(file, rows), kind="prices").kind == "prices"


def test_losses_of_everything(file: Path):
    rows = [f"{when},{one:.6f}" for when, one in zip(days(300), RETURNS, strict=True)]
    rows[5] = rows[5].split(",")[0] + ",-150%"
    rows = [row if "%" in row else row + "%" for row in rows]
    assert "loss of everything" in bad(rows, file, "date,return").what


def test_prices_that_are_called_returns(file: Path):
    assert "--prices" in bad(priced(), file, kind="returns").fix


def test_weights():
    assert weights_of({"A": 0.6, "B": 0.4}, ("A", "B", "C"))[0].tolist() == [0.6, 0.4, 0.0]
    equal, note = weights_of({}, ("A", "B"))
    assert equal.tolist() == [0.5, 0.5] and note is not None
    with pytest.raises(RecipeError) as error:
        weights_of({"A": 0.6, "B": 0.6}, ("A", "B"))
    assert "sum to 1.2" in error.value.what and "A=0.5" in error.value.fix
    with pytest.raises(RecipeError, match="did you mean 'SPX'"):
        weights_of({"SPY": 1.0}, ("SPX", "BOND"))
    with pytest.raises(RecipeError):
        weights_of({"A": 1.0, "B": -1.0}, ("A", "B"))
    with pytest.raises(RecipeError):
        weights_of({"A": float("nan")}, ("A",))
