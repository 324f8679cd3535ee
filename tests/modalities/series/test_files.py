"""Series of files: layouts, frequencies, and what does not fit on a grid, named."""

import math
from pathlib import Path

import numpy as np
import pytest

from castalia.checks.check import check
from castalia.errors import DataError
from castalia.modalities.series.codec import SeriesCodec, SeriesConfig
from castalia.modalities.series.files import layout
from castalia.modalities.series.frequency import Frequency, season_of, spoken
from castalia.modalities.series.series import Series, joined
from castalia.omissions import collected


def written(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def whole(path: Path, **config: object) -> tuple[list[Series], dict[str, int]]:
    """(the series of a file, what was named with its count)."""
    with collected() as omissions:
        found = SeriesCodec(SeriesConfig(**config)).histories(path)
    return found, {str(one.what): one.count for one in omissions.listed()}


def days(first: int, count: int, skip: tuple[int, ...] = ()) -> list[str]:
    start = np.datetime64("2023-12-30")
    return [f"{start + first + n}" for n in range(count) if n not in skip]


def test_long_with_ids(tmp_path: Path):
    rows = [
        f"{name},{day},{n + 10 * k}"
        for k, name in enumerate("ab")
        for n, day in enumerate(days(0, 12))
    ]
    found, named = whole(written(tmp_path, "id,time,value\n" + "\n".join(rows)))
    assert [one.name for one in found] == ["a", "b"] and named == {}
    assert found[1].values.tolist() == [10.0 + n for n in range(12)]
    assert found[0].frequency.name == "day" and found[0].frequency.season == 7


def test_several_variables_beside_one_stamp(tmp_path: Path):
    rows = [f"2024-01-01 {hour:02d}:00:00,{hour},{hour / 4}" for hour in range(20)]
    found, _ = whole(written(tmp_path, "date,load,heat\n" + "\n".join(rows)))
    assert [one.name for one in found] == ["load", "heat"]
    assert [one.decimals for one in found] == [0, 2]
    assert found[0].frequency.season == 24 and found[0].stamp(20) == "2024-01-01 20:00:00"


def test_a_series_a_row(tmp_path: Path):
    head = "V1," + ",".join(f"V{n}" for n in range(2, 130))
    rows = [
        f"H{k}," + ",".join(str(n % 24 + k) for n in range(100 + k)) + "," * (28 - k)
        for k in range(3)
    ]
    path = written(tmp_path, "\n".join([head, *rows]))
    found, _ = whole(path)
    assert [(one.name, len(one)) for one in found] == [("H0", 100), ("H1", 101), ("H2", 102)]
    assert layout.is_series(path)


def test_a_year_a_row(tmp_path: Path):
    months = "JAN,FEB,MAR,APR,MAY,JUN,JUL,AUG,SEP,OCT,NOV,DEC"
    rows = [f"{year}.0," + ",".join(str(m) for m in range(12)) for year in (1999, 2000)]
    (one,), _ = whole(written(tmp_path, f"YEAR,{months}\n" + "\n".join(rows)))
    assert len(one) == 24 and one.stamp(0) == "1999-01-01" and one.stamp(24) == "2001-01-01"


def test_leap_days_months_and_zones():
    from castalia.modalities.series import frequency

    stamps = [frequency.moment(text) for text in ("2024-02-28", "2024-02-29", "2024-03-01")]
    assert frequency.found(stamps).name == "day"  # type: ignore[arg-type]
    months = [frequency.moment(f"2024-{month:02d}-01") for month in range(1, 13)]
    made = frequency.found(months)  # type: ignore[arg-type]
    assert (made.name, made.season, made.stamp(14)) == ("month", 12, "2025-03-01")
    ends = [frequency.moment(text) for text in ("2024-01-31", "2024-02-29", "2024-03-31")]
    assert frequency.found(ends).stamp(3) == "2024-04-30"  # type: ignore[arg-type]
    assert frequency.moment("2024-03-31T03:00:00+02:00") == frequency.moment("2024-03-31 01:00:00")
    assert frequency.has_zone("2024-03-31T01:00Z") and not frequency.has_zone("2024-03-31 01:00")


def test_what_does_not_fit_is_named(tmp_path: Path):
    lines = [f"{day},{n}" for n, day in enumerate(days(0, 20, skip=(5, 6)))]
    lines[3], lines[4] = lines[4], lines[3]  # out of order
    lines += [lines[-1].replace(",17", ",99"), "not a day,1"]
    found, named = whole(written(tmp_path, "time,value\n" + "\n".join(lines)))
    assert named == {
        "rows whose stamp cannot be read": 1,
        "series whose stamps are out of order; they were sorted": 1,
        "stamps that stand twice, of which the last was kept": 1,
        "steps without a row, which are gaps of the series": 2,
    }
    assert found[0].values[-1] == 99.0
    assert np.flatnonzero(np.isnan(found[0].values)).tolist() == [5, 6]


def test_a_frequency_that_changes_is_named(tmp_path: Path):
    hours = [f"2024-01-01 {hour:02d}:00:00,{hour}" for hour in range(24)]
    halves = [f"2024-01-02 {hour:02d}:30:00,{hour}" for hour in range(6)]
    found, named = whole(written(tmp_path, "time,value\n" + "\n".join(hours + halves)))
    assert named["values between two steps of 1 hour, which were left out"] == 6
    assert len(found[0]) == 24


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("time,value\n", "empty"),
        ("time,word\n2024-01-01,red\n2024-01-02,blue\n", "no column of numbers"),
        ("time,value\n2024-01-01,1\n2024-01-02,2\n", "no series of 8 values"),
    ],
)
def test_files_without_series_are_refused(tmp_path: Path, text: str, what: str):
    with pytest.raises(DataError, match=what):
        whole(written(tmp_path, text))


def test_numbered_steps_and_negative_numbers(tmp_path: Path):
    lines = [f"{n},{-n / 2}" for n in range(12)]
    (one,), _ = whole(written(tmp_path, "step,value\n" + "\n".join(lines)))
    assert one.stamp(3) == "3" and one.values[11] == -5.5 and one.frequency.name == "step"


def test_tables_stay_tables(tmp_path: Path):
    people = [f"{20 + n % 40},{1000 * n},{'ab'[n % 2]}" for n in range(60)]
    path = written(tmp_path, "age,income,sort\n" + "\n".join(people))
    assert not layout.is_series(path)
    lines = [f"{day},{n}" for n, day in enumerate(days(0, 400))]
    path = written(tmp_path, "day,visitors\n" + "\n".join(lines), "visits.csv")
    document = check(path).document
    assert document.codec == "series"
    assert "reading" in {one.code for one in document.findings}


def test_steps_are_said_in_words():
    half = Frequency("second", 1800)
    assert half.name == "30 minutes" and spoken(half.parts) == "30 minutes"
    assert spoken(Frequency("month", 3).parts) == "1 quarter of a year"
    assert Frequency("second", 2 * 86_400).name == "2 days" and Frequency().name == "step"


def test_stretches_join_again():
    one = Series("x", np.arange(50.0))
    parts = [one.part(0, 20), one.part(20, 35), one.part(35, 50)]
    (again,) = joined(parts)
    assert again == one
    gapped = joined([one.part(0, 20), one.part(25, 50)])[0]
    assert len(gapped) == 50 and np.isnan(gapped.values[20:25]).all()


def test_the_season_is_found_without_stamps():
    rng = np.random.default_rng(0)
    waves = [np.sin(2 * np.pi * np.arange(400) / 24) + 0.2 * rng.normal(size=400) for _ in range(5)]
    assert season_of(waves, 100) == 24
    assert season_of([rng.normal(size=400)], 100) == 1


def test_files_of_few_series_are_cut(tmp_path: Path):
    values = [f"{day},{math.sin(n)}" for n, day in enumerate(days(0, 600))]
    items = list(SeriesCodec().read(written(tmp_path, "day,value\n" + "\n".join(values))))
    assert len(items) == 12 and sum(map(len, items)) == 600
