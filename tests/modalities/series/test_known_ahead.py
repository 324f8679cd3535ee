"""What is known of steps to come: effects recovered, calendars, and what a forecast demands."""

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tests.apps.command import castalia as run_castalia

import castalia
from castalia.errors import DataError, RecipeError
from castalia.modalities.series import frequency, known_effects
from castalia.modalities.series.codec import SeriesCodec, SeriesConfig
from castalia.modalities.series.frequency import DAY, HOUR, Frequency
from castalia.modalities.series.holiday_dates import holiday_dates
from castalia.modalities.series.known_effects import Effects, calendar_features
from castalia.modalities.series.series import Series, joined
from castalia.omissions import collected

PROMOTED, DEARER = 25.0, -20.0


def sales(seed: int, days: int, future: int = 0) -> tuple[Series, np.ndarray]:
    """(units that follow an AR(1), a promotion and a price, with their future; the truth)."""
    rng = np.random.default_rng(seed)
    price = np.where(rng.random(days // 20 + 1) < 0.5, 2.0, 2.5).repeat(20)[:days]
    promo = (rng.random(days) < 0.15).astype(float)
    noise = np.zeros(days)
    for t in range(1, days):
        noise[t] = 0.6 * noise[t - 1] + 2 * rng.normal()
    units = 80 + noise + PROMOTED * promo + DEARER * (price - 2)
    daily = Frequency("second", DAY, 0, "%Y-%m-%d")
    known = np.stack([price, promo])
    return Series(f"s{seed}", units[: days - future], 0, daily, known=known), units


def calendar(frequency: Frequency, start: int, count: int, **given: object) -> np.ndarray:
    fields = {"columns": (), "calendar": (), "days": (), "zone": "", **given}
    arrays = (np.zeros(0), np.ones(0), np.zeros(0))
    return calendar_features(
        frequency,
        start,
        count,
        Effects(
            **fields,
            **dict(  # type: ignore[arg-type]
                zip(("centre", "spread", "sizes"), arrays, strict=True)
            ),
        ),
    )


def test_effects_are_those_of_the_process():
    one, _ = sales(0, 1500)
    made = known_effects.fitted([one], 8, ("price", "promo"), (), (), "")
    effects = made.of(one)
    promo, price = one.known[1], one.known[0]
    assert effects[promo == 1].mean() - effects[promo == 0].mean() == pytest.approx(PROMOTED, abs=2)
    dear = (
        effects[(promo == 0) & (price > 2.2)].mean() - effects[(promo == 0) & (price < 2.2)].mean()
    )
    assert dear == pytest.approx(DEARER * 0.5, abs=2)
    rest = made.without(one).values
    assert rest.std() < 0.4 * one.values.std()


def test_columns_that_mean_nothing_have_no_effect():
    rng = np.random.default_rng(3)
    daily = Frequency("second", DAY, 0, "%Y-%m-%d")
    walks = [
        Series("", rng.normal(size=300).cumsum(), 0, daily, known=rng.normal(size=(1, 300)))
        for _ in range(3)
    ]
    made = known_effects.fitted(walks, 5, ("noise",), (), (), "")
    assert np.abs(made.sizes).max() < 0.1


def test_forecasts_use_what_is_known_and_demand_it():
    whole = [sales(seed, 400, 20) for seed in range(12)]
    items = [one for one, _ in whole]
    truth = np.stack([units[-20:] for _, units in whole])
    errors = {}
    for known in ((), ("price", "promo")):
        codec = SeriesCodec(SeriesConfig(known=known))
        codec.fit(items)
        made = codec.continued(items, 20, None, paths=60, levels=(0.1, 0.5, 0.9), seed=0)
        errors[bool(known)] = np.abs(made.quantiles[:, 1] - truth).mean()
        inside = (truth >= made.quantiles[:, 0]) & (truth <= made.quantiles[:, 2])
        assert 0.65 < inside.mean() < 0.95
        # the naive is what it always is
        assert np.array_equal(made.naive[0], items[0].values[-7:][np.arange(20) % 7])
    assert errors[True] < 0.4 * errors[False]
    with pytest.raises(DataError, match="'price' is not known for 1 of the 21 steps") as caught:
        codec.continued(items, 21, None, paths=5, levels=(0.5,), seed=0)
    assert "1971-02-05" in str(caught.value.fix)


def test_a_column_may_have_holes_but_not_be_empty():
    one, _ = sales(0, 200, 10)
    holed = one.known.copy()
    holed[0, 40:45] = np.nan
    made = known_effects.fitted([one], 8, ("price", "promo"), (), (), "")
    series = Series("x", one.values, 0, one.frequency, known=holed)
    assert np.isfinite(made.of(series, 10)).all()
    holed[0] = np.nan
    with pytest.raises(DataError, match="holds no number"):
        known_effects.fitted([series], 8, ("price", "promo"), (), (), "")


def test_parts_keep_what_is_known():
    one, _ = sales(0, 200, 10)
    first, last = one.part(0, 80), one.part(80, len(one))
    assert first.known.shape == (2, 80) and last.known.shape == (2, 120)
    (again,) = joined([first, last])
    assert np.array_equal(again.known, one.known)


# The calendar -------------------------------------------------------------------------------------


def test_leap_years_are_one_day_longer():
    """1 January and the days around 29 February follow each other at equal distance on the circle
    of the year.
    """
    for year, days in ((2023, 365), (2024, 366)):
        first = (date(year, 1, 1) - date(1970, 1, 1)).days
        daily = Frequency("second", DAY, 0, "%Y-%m-%d")
        made = calendar(daily, first, days + 1, calendar=("yearday",))
        steps = np.linalg.norm(np.diff(made[:, [0, 3]], axis=0), axis=1)
        assert steps[:-1] == pytest.approx(2 * np.sin(np.pi / days))
        assert made[days] == pytest.approx(made[0])


def test_days_of_the_week_and_hours_follow_the_zone():
    """Monday, 1 July 2024, 23:30 UTC is Tuesday, half past midnight, in London."""
    start = int((date(2024, 7, 1) - date(1970, 1, 1)).days * 24 + 23)
    hourly = Frequency("second", HOUR, 1800, "%Y-%m-%d %H:%M:%S+00:00")
    utc = calendar(hourly, start, 1, calendar=("weekday",))
    london = calendar(hourly, start, 1, calendar=("weekday",), zone="Europe/London")
    assert utc[0, :7].argmax() == 0 and london[0, :7].argmax() == 1
    hours = calendar(hourly, start, 48, calendar=("hour",), zone="Europe/London")
    assert hours[0] == pytest.approx(hours[24])
    assert np.arctan2(hours[0, 0], hours[0, 4]) / (2 * np.pi) * 24 == pytest.approx(0.5)
    # on the day on which clocks go forward, 24 steps later is an hour later on the clock
    spring = int((date(2024, 3, 30) - date(1970, 1, 1)).days * 24 + 12)
    hours = calendar(hourly, spring, 25, calendar=("hour",), zone="Europe/London")
    turns = np.arctan2(hours[:, 0], hours[:, 4]) / (2 * np.pi) * 24 % 24
    assert turns[24] - turns[0] == pytest.approx(1)
    with pytest.raises(RecipeError, match="no time zone"):
        calendar(hourly, start, 1, calendar=("hour",), zone="Europe/Atlantis")


def test_holidays_of_days_hours_weeks_and_months():
    off = (date(2024, 12, 25), date(2024, 12, 26))
    day = (date(2024, 12, 23) - date(1970, 1, 1)).days
    daily = calendar(Frequency("second", DAY, 0, "%Y-%m-%d"), day, 6, days=off)
    assert daily[:, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert daily[:, 1].tolist() == [0, 1, 1, 0, 0, 0]  # the day before one
    assert daily[:, 2].tolist() == [0, 0, 0, 1, 1, 0]  # the day after one
    hourly = Frequency("second", HOUR, 0, "%Y-%m-%d %H:%M:%S")
    assert calendar(hourly, 24 * (day + 1), 72, days=off)[:, 0].sum() == 48
    weekly = Frequency("second", 7 * DAY, day * DAY, "%Y-%m-%d")
    assert calendar(weekly, 0, 2, days=off)[:, 0].tolist() == [2, 0]
    monthly = Frequency("month", 1, 12 * 2024 + 10, "%Y-%m-%d")
    assert calendar(monthly, 0, 3, days=off)[:, 0].tolist() == [0, 2, 0]


def test_numbered_steps_have_no_calendar():
    with pytest.raises(DataError, match="no calendar"):
        calendar(Frequency(), 0, 5, calendar=("weekday",))


def test_files_of_holidays(tmp_path: Path):
    (tmp_path / "days.csv").write_text("day,name\n2024-12-26,Boxing Day\n2024-12-25,Christmas\n")
    assert holiday_dates(tmp_path / "days.csv") == (date(2024, 12, 25), date(2024, 12, 26))
    (tmp_path / "odd.csv").write_text("2024-12-25\nsoon\nlater\n")
    with collected() as omissions:
        holiday_dates(tmp_path / "odd.csv")
    assert [one.count for one in omissions.listed()] == [2]
    (tmp_path / "none.csv").write_text("day\n")
    with pytest.raises(DataError, match="no dates"):
        holiday_dates(tmp_path / "none.csv")
    with pytest.raises(RecipeError, match="no file of holidays"):
        holiday_dates(tmp_path / "absent.csv")


# Commands -----------------------------------------------------------------------------------------


def shop(folder: Path, future: int) -> Path:
    """A file with a flag in words, a price, a calendar, and rows without a value at its end."""
    lines = ["shop,day,price,promo,units"]
    for name, seed in (("north", 1), ("south", 2)):
        one, units = sales(seed, 300)
        assert one.known is not None
        for step in range(300):
            price, promo = one.known[:, step]
            cell = "" if step >= 300 - future else f"{units[step]:.0f}"
            lines.append(f"{name},{one.stamp(step)},{price},{'yes' if promo else 'no'},{cell}")
    path = folder / "shop.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> castalia.Run:
    folder = tmp_path_factory.mktemp("known")
    (folder / "days.csv").write_text("1970-04-03\n1970-05-01\n")
    given = {
        "codec.known": ["price", "promo"],
        "codec.calendar": ["weekday", "yearday"],
        "codec.holidays": str(folder / "days.csv"),
        "training.steps": 5,
        "training.batch": 4,
        "training.threads": 1,
        "training.sample_every": 0,
        "family.width": 32,
        "family.depth": 1,
        "codec.length": 64,
    }
    return castalia.train("series/ar", shop(folder, 14), given, out=folder / "run")


def test_the_command_forecasts_and_names_what_is_missing(run: castalia.Run, tmp_path: Path):
    file = run.folder.parent / "shop.csv"
    words = ("forecast", run.folder, file, "--paths", "10", "--out", tmp_path / "ahead")
    run_castalia(*words, "--horizon", "14", cwd=tmp_path)
    with open(tmp_path / "ahead" / "quantiles.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [rows[0]["id"], rows[0]["time"], len(rows)] == ["north", "1970-10-14", 28]
    said = run_castalia(*words, "--horizon", "15", cwd=tmp_path, code=3)
    assert "'price' is not known for 1 of the 15 steps" in said and "1970-10-28" in said


def test_runs_remember_effects_and_gaps_are_filled_with_them(run: castalia.Run):
    from castalia.modalities.series.edits import filled

    again = castalia.Run.open(run.folder)
    (one, _) = again.codec.histories(run.folder.parent / "shop.csv")
    assert np.array_equal(again.codec.effects.of(one, 14), run.codec.effects.of(one, 14))
    assert again.codec.effects.days[0] == date(1970, 4, 3)
    promoted = np.flatnonzero(one.known[1][100:200])[:3] + 100
    values = one.values.copy()
    values[promoted] = np.nan
    holed = Series("", values, one.start, one.frequency, known=one.known, decimals=0)
    whole = filled(again.model(), again.codec, holed, 0)
    kept = np.isfinite(values)
    assert np.array_equal(whole.values[kept], values[kept])
    assert whole.values[promoted].mean() > np.median(values[kept]) + 10
    drawn = castalia.sample(again, 2, seed=0)
    # units sold are never below zero
    assert all(np.nanmin(one.item.values) >= 0 for one in drawn)


def test_stamps_of_frequencies_are_moments():
    assert Frequency("month", 1, 12 * 2024).moment(1) == frequency.moment("2024-02-01")
    assert Frequency().moment(0) is None
    assert Frequency("month", 12, 12 * 2024).moment(9000) is None
    with pytest.raises(DataError, match="9999"):
        calendar(Frequency("month", 12, 12 * 9990), 0, 20, calendar=("month",))
