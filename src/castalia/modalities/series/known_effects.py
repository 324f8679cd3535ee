"""What is known of steps that are still to come: columns of the file (a price, a promotion), the
calendar, public holidays. Their effects are taken off a series before anything else is said of it,
and are added to what is forecast: regression with autoregressive errors (Cochrane & Orcutt 1949).

One vector of effects, in scales of a series, serves all series. It is found from what the linear
predictor (coding.py) leaves unexplained: predictor and effects are fitted in turns, and the effects
have a normal prior of PRIOR scales, so that features of which the data say little have none. The
network, the linear members and the textbook's models then see a series as it would have gone on
without them; the seasonal naive sees it as it is.

Features: each column in its own standard deviations; sines and cosines of the day and of the year
(leap years are one day longer); days of the week and months around their mean; holidays with the
days around them, within days also by the hour.

Not here: how effects change a spread, effects of each series alone, delayed effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from castalia.errors import DataError, RecipeError
from castalia.modalities.series import coding
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.frequency import DAY, HOUR, Frequency
from castalia.modalities.series.series import Series
from castalia.sentences import say

Part = Literal["hour", "weekday", "month", "yearday"]
DAILY, YEARLY = 4, 3  # harmonics of the day and of the year
WITHIN = 3  # harmonics by which hours of holidays and weekends differ
PRIOR = 3.0  # scales: standard deviation of an effect before data are seen
TURNS = 3  # of predictor and effects


@dataclass(frozen=True, eq=False)
class Effects:
    """columns  of the file, whose centre (K,) and spread (K,) are those of the training data.
    calendar  parts of it that count. days: of holidays, sorted; none: holidays do not count.
    zone      in which days begin, for stamps that say theirs; "": UTC.
    sizes     (F,) float64, of each feature, in scales.
    """

    columns: tuple[str, ...]
    calendar: tuple[Part, ...]
    days: tuple[date, ...]
    zone: str
    centre: np.ndarray
    spread: np.ndarray
    sizes: np.ndarray

    def of(self, one: Series, ahead: int = 0) -> np.ndarray:
        """(T + ahead,) float64: the effects on a series and on `ahead` steps behind its end, in the
        data's unit. Raises DataError where a column is not known so far.
        """
        scale = coding.scale_of(coding.scaled(one.values)[1])
        effects: np.ndarray = scale * (self.features(one, ahead) @ self.sizes)
        return effects

    def without(self, one: Series) -> Series:
        """The series as it would have been."""
        return replace(one, values=one.values - self.of(one)) if len(self.sizes) else one

    def features(self, one: Series, ahead: int = 0) -> np.ndarray:
        """(T + ahead, F) float64."""
        count = len(one) + ahead
        given = self._columns(one, count) if self.columns else np.zeros((0, count))
        parts = [(given.T - self.centre) / self.spread]
        if self.calendar or self.days:
            parts.append(calendar_features(one.frequency, one.start, count, self))
        return np.concatenate(parts, 1)

    def _columns(self, one: Series, count: int) -> np.ndarray:
        """(K, count): a step within the series without a value is as the one before it."""
        if one.known is None:  # drawn by a model: the columns are at their means
            return np.repeat(self.centre[:, None], count, 1)
        given = np.full((len(self.columns), count), np.nan)
        there = one.known[:, :count]
        given[:, : there.shape[1]] = there
        for name, row in zip(self.columns, given, strict=True):
            missing = np.flatnonzero(np.isnan(row[len(one) :]))
            if len(missing):
                raise DataError(
                    say(
                        "'{0}' is not known for {1} of the {2} steps to forecast",
                        name,
                        len(missing),
                        count - len(one),
                    ),
                    f"{one.name} {one.stamp(len(one) + int(missing[0]))}".strip(),
                    say(
                        "add rows up to {0} in which '{1}' is filled and the value is empty, or "
                        "forecast fewer steps",
                        one.stamp(count - 1),
                        name,
                    ),
                )
            past = row[: len(one)]
            if np.isnan(past).all():
                raise DataError(
                    say("the column '{0}' holds no number", name),
                    one.name or "codec.known",
                    say("write 0 and 1 for a flag, numbers for anything else"),
                )
            row[: len(one)] = _carried(past)
        return given

    def state(self) -> dict[str, Any]:
        """JSON, without the arrays."""
        days = [day.isoformat() for day in self.days]
        return {
            "columns": list(self.columns),
            "calendar": list(self.calendar),
            "days": days,
            "zone": self.zone,
        }


NONE = Effects((), (), (), "", np.zeros(0), np.ones(0), np.zeros(0))


def restored(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> Effects:
    """From `Effects.state` and its arrays "centre", "spread" and "sizes"."""
    return Effects(
        tuple(state["columns"]),
        tuple(state["calendar"]),
        tuple(map(date.fromisoformat, state["days"])),
        str(state["zone"]),
        arrays["centre"],
        arrays["spread"],
        arrays["sizes"],
    )


def fitted(
    series: Sequence[Series],
    lags: int,
    columns: tuple[str, ...],
    calendar: tuple[Part, ...],
    days: tuple[date, ...],
    zone: str,
) -> Effects:
    """Effects on training series. Raises DataError for a column that holds no number and for steps
    without dates, RecipeError for an unknown zone.
    """
    if not (columns or calendar or days):
        return NONE
    rows = [one.known[:, : len(one)] for one in series if one.known is not None]
    pool = np.concatenate(rows, 1) if columns else np.zeros((0, 1))
    for name, row in zip(columns, pool, strict=True):
        if np.isnan(row).all():
            raise DataError(
                say("the column '{0}' holds no number", name),
                "codec.known",
                say("write 0 and 1 for a flag, numbers for anything else"),
            )
    spread = np.nanstd(pool, 1) if columns else np.ones(0)
    made = Effects(
        columns,
        calendar,
        days,
        zone,
        np.nanmean(pool, 1) if columns else np.zeros(0),
        np.where(spread > 0, spread, 1.0),
        np.zeros(0),
    )
    scaled = [coding.scaled(one.values)[0] for one in series]
    features = [made.features(one) for one in series]
    sizes = np.zeros(features[0].shape[1])
    for _ in range(TURNS):
        rest = [z - rows @ sizes for z, rows in zip(scaled, features, strict=True)]
        weights, shorter = coding.predictors([coding.filled(one) for one in rest], lags)
        predictor = Coding(weights, np.array([-1.0, 1.0]), 1, shorter)
        sizes = _effects(predictor, scaled, features)
    return replace(made, sizes=sizes)


def _effects(
    predictor: Coding, scaled: Sequence[np.ndarray], features: Sequence[np.ndarray]
) -> np.ndarray:
    """(F,): ridge regression of what the predictor leaves of series on what it leaves of their
    features.
    """
    many = features[0].shape[1]
    gram, moment = np.eye(many) / PRIOR**2, np.zeros(many)
    for z, rows in zip(scaled, features, strict=True):
        left = predictor.innovations(z)
        known = np.isfinite(left)
        if not known.any():
            continue
        x = np.stack([predictor.innovations(row) for row in rows.T], 1)[known]
        size = float(np.square(left[known]).mean()) or 1.0
        gram += x.T @ x / size
        moment += x.T @ left[known] / size
    found: np.ndarray = np.linalg.solve(gram, moment)
    return found


def _carried(row: np.ndarray) -> np.ndarray:
    """Gaps as what was last known, at the beginning as what is first known."""
    known = np.isfinite(row)
    last = np.maximum.accumulate(np.where(known, np.arange(len(row)), 0))
    last[: int(known.argmax())] = int(known.argmax())
    found: np.ndarray = row[last]
    return found


# The calendar -------------------------------------------------------------------------------------


def calendar_features(frequency: Frequency, start: int, count: int, of: Effects) -> np.ndarray:
    """(count, F) float64 of steps from `start` on: the parts of `of.calendar`, then `of.days`.
    Raises DataError for steps that are only numbered.
    """
    moments = _moments(frequency, start, count + 1, of.zone)
    days = [when.date() for when in moments[:count]]
    within = frequency.unit == "second" and frequency.count < DAY
    clock = [when.hour * HOUR + when.minute * 60 + when.second for when in moments[:count]]
    turn = np.array(clock) / DAY
    parts: list[np.ndarray] = []
    if "hour" in of.calendar:
        parts.append(_waves(turn, DAILY))
    if "weekday" in of.calendar:
        weekday = np.array([day.weekday() for day in days])
        parts.append(_around_mean(weekday, 7))
        if within:
            parts.append(_waves(turn, WITHIN) * (weekday >= 5)[:, None])
    if "month" in of.calendar:
        parts.append(_around_mean(np.array([day.month - 1 for day in days]), 12))
    if "yearday" in of.calendar:
        lengths = [(date(day.year, 12, 31) - date(day.year, 1, 1)).days + 1 for day in days]
        place = np.array([(day - date(day.year, 1, 1)).days for day in days])
        parts.append(_waves((place + turn) / np.array(lengths), YEARLY))
    if of.days:
        following = [when.date() for when in moments[1:]]
        parts.append(_holidays(days, following, of.days, turn if within else None))
    return np.concatenate(parts, 1)


def _moments(frequency: Frequency, start: int, count: int, zone: str) -> list[datetime]:
    """When steps begin, by the clocks of the zone."""
    if frequency.unit == "number":
        raise DataError(
            say("steps without dates have no calendar"),
            "codec.calendar",
            say("name the column of dates: codec.time=COLUMN; or leave calendar and holidays out"),
        )
    found = [frequency.moment(start + step) for step in range(count)]
    there = [when for when in found if when is not None]
    if len(there) < count:
        raise DataError(
            say("steps beyond the year 9999 have no calendar"),
            "codec.calendar",
            say("leave calendar and holidays out"),
        )
    if not (zone and frequency.zoned):
        return there
    local = zone_of(zone)
    return [when.replace(tzinfo=UTC).astimezone(local) for when in there]


def zone_of(name: str) -> ZoneInfo:
    """Raises RecipeError for one that is not known."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RecipeError(
            say("no time zone is called '{0}'", name),
            f"codec.zone={name}",
            say("name one as Europe/London; where all are missing: pip install tzdata"),
        ) from error


def _holidays(
    days: Sequence[date], following: Sequence[date], off: Sequence[date], turn: np.ndarray | None
) -> np.ndarray:
    """(count, 3) or, within days, more: whether a step is on a holiday, the day before one or the
    day after; of steps longer than a day, how many of each it holds.
    """
    numbers = np.array([day.toordinal() for day in off])
    first = np.array([day.toordinal() for day in days])
    stop = first + 1 if turn is not None else np.array([day.toordinal() for day in following])

    def held(shift: int) -> np.ndarray:
        low, high = np.searchsorted(numbers + shift, first), np.searchsorted(numbers + shift, stop)
        return (high - low).astype(np.float64)

    flags = [held(0), held(-1), held(1)]
    if turn is None:
        return np.stack(flags, 1)
    return np.concatenate([np.stack(flags, 1), _waves(turn, WITHIN) * flags[0][:, None]], 1)


def _waves(turn: np.ndarray, harmonics: int) -> np.ndarray:
    """(n, 2 harmonics)."""
    angle = 2 * np.pi * turn[:, None] * np.arange(1, harmonics + 1)
    return np.concatenate([np.sin(angle), np.cos(angle)], 1)


def _around_mean(places: np.ndarray, kinds: int) -> np.ndarray:
    found: np.ndarray = np.eye(kinds)[places] - 1 / kinds
    return found
