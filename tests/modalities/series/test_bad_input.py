"""Files as people have them: each oddity is named with what was done, or refused."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.modalities.series.test_files import whole, written

from castalia.checks.check import check
from castalia.errors import CastaliaError, DataError
from castalia.modalities.series.codec import SeriesCodec
from castalia.modalities.series.files import layout
from castalia.modalities.series.files.notation import month_first, notation_of

DAYS = [date(2023, 12, 30) + timedelta(n) for n in range(60)]
HALF_YEAR = [date(2024, 1, 1) + timedelta(n) for n in range(183)]
FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%b %d, %Y")


def daily(folder: Path, cells: list[str], form: str = "%Y-%m-%d") -> Path:
    lines = [f'"{day.strftime(form)}","{cell}"' for day, cell in zip(DAYS, cells, strict=False)]
    return written(folder, "day,v\n" + "\n".join(lines))


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        ([f"{1234 + n:,}.50" for n in range(60)], 1234.5),
        ([f"{990 + n:,}" for n in range(60)], 990.0),
        ([f"{1234 + n},25" for n in range(60)], 1234.25),
        ([f"1.{234 + n},25" for n in range(60)], 1234.25),
        ([f"1 {234 + n}" for n in range(60)], 1234.0),
        ([f"€ {12 + n}.5" for n in range(60)], 12.5),
        ([f"{n}e-3" for n in range(60)], 0.0),
    ],
)
def test_thousands_and_decimal_commas(tmp_path: Path, cells: list[str], first: float):
    path = daily(tmp_path, cells)
    (one,), named = whole(path)
    assert one.values[0] == first and np.isfinite(one.values).all() and named == {}
    assert layout.is_series(path)


def test_a_notation_is_a_columns():
    assert notation_of(["1.234", "5.678,5"]).number("1.234") == 1234.0
    assert notation_of(["1.234", "5.678"]).number("1.234") == 1.234
    assert np.isnan(notation_of(["1"]).number("1,23"))


def test_errors_of_excel_are_gaps_and_named(tmp_path: Path):
    cells = ["#N/A" if n % 7 == 3 else "#DIV/0!" if n == 5 else str(n) for n in range(60)]
    (one,), named = whole(daily(tmp_path, cells))
    assert named == {"cells that hold no number, taken as missing values": 10}
    assert int(np.isnan(one.values).sum()) == 9 and one.values[4] == 4.0


def test_dates_in_three_forms_are_read_and_named(tmp_path: Path):
    lines = [f'"{day.strftime(FORMS[n % 3])}",{n}' for n, day in enumerate(DAYS)]
    (one,), named = whole(written(tmp_path, "day,v\n" + "\n".join(lines)))
    assert one.values.tolist() == list(range(60))
    assert named == {"stamps that are written in another way than most; all were read": 40}


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%d/%m/%Y"])
def test_the_order_of_day_and_month_is_the_files(tmp_path: Path, form: str):
    lines = [f"{day.strftime(form)},{n}" for n, day in enumerate(HALF_YEAR)]
    path = written(tmp_path, "day,v\n" + "\n".join(lines))
    (one,), named = whole(path)
    assert len(one) == 183 and named == {} and layout.is_series(path)
    assert one.stamp(182) == "2024-07-01"


def test_where_no_number_tells_the_order_time_does():
    """The first twelve days of January: as days first, they would be twelve months."""
    assert not month_first([f"{n:02d}/01/2024" for n in range(1, 13)])
    assert month_first([f"{m:02d}/{d:02d}/2024" for m in (1, 2, 3) for d in range(1, 13)])


def test_two_columns_of_one_name_are_two_series(tmp_path: Path):
    lines = [f"{day},{n},{2 * n}" for n, day in enumerate(DAYS)]
    found, named = whole(written(tmp_path, "day,v,v\n" + "\n".join(lines)))
    assert [one.name for one in found] == ["v", "v (2)"] and found[1].values[3] == 6.0
    assert named == {"columns whose name stands twice; each is a series of its own": 1}


def test_a_stamp_far_from_all_others_is_left_out(tmp_path: Path):
    lines = [f"{day},{n}" for n, day in enumerate(DAYS)]
    lines[30] = "2204-01-29,30"
    (one,), named = whole(written(tmp_path, "day,v\n" + "\n".join(lines)))
    assert len(one) == 60 and np.isnan(one.values[30])
    assert named["stamps far from all others, whose rows were left out"] == 1


def test_a_wrong_first_stamp_does_not_shift_the_rest(tmp_path: Path):
    hours = [f"2024-01-0{1 + n // 24} {n % 24:02d}:00:00,{n}" for n in range(72)]
    hours[0] = "2024-01-01 00:07:00,0"
    (one,), named = whole(written(tmp_path, "time,v\n" + "\n".join(hours)))
    assert len(one) == 71 and one.values[0] == 1.0 and one.stamp(0) == "2024-01-01 01:00:00"
    assert named == {"values between two steps of 1 hour, which were left out": 1}


def test_one_row_says_what_is_needed(tmp_path: Path):
    with pytest.raises(DataError, match="no series of 8 values") as caught:
        whole(daily(tmp_path, ["3"]))
    assert "at least 8 rows" in str(caught.value.fix)


@pytest.mark.parametrize(("cell", "code"), [("0", "flat"), ("7", "flat")])
def test_what_never_changes_is_said_and_not_trained(tmp_path: Path, cell: str, code: str):
    path = daily(tmp_path, [cell] * 60)
    codes = {one.code for one in check(path).document.findings}
    assert {code, "still"} <= codes
    with pytest.raises(CastaliaError, match="no series varies"):
        SeriesCodec().fit(SeriesCodec().histories(path))


def test_a_series_shorter_than_the_horizon_is_continued_and_said(tmp_path: Path):
    (one,), _ = whole(daily(tmp_path, [str(n % 7) for n in range(12)]))
    codec = SeriesCodec()
    codec.fit([one])
    made = codec.continued([one], 30, None, paths=20, levels=(0.5,), seed=0)
    assert made.quantiles.shape == (1, 1, 30) and np.isfinite(made.quantiles).all()
    assert "too short for a back-test" in made.summary()[0]
