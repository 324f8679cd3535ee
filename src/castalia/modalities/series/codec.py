"""The codec of series: tables of values over time as tokens.

An item is a `Series`, or a stretch of one: files of few series are cut into stretches, so that some
can be held out; a forecast sees the whole history. What tokens mean is in coding.py, how series
stand in files in files/, how they are continued in forecasting.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import PIL.Image
import torch
from pydantic import Field
from torch import Tensor

from castalia import atomic
from castalia.codecs.base import Codec, CodecConfig
from castalia.codecs.protocols import Draw, Question
from castalia.errors import DataError, RecipeError, SpecError
from castalia.modalities.series import coding, forecasting, known_effects, ratings
from castalia.modalities.series.coding import Coding
from castalia.modalities.series.drawing import line_plot, preview
from castalia.modalities.series.files import layout, reading, writing
from castalia.modalities.series.forecasting import Forecast, Paths
from castalia.modalities.series.frequency import INDEX, LONGEST_SEASON, Frequency, season_of, spoken
from castalia.modalities.series.holiday_dates import holiday_dates
from castalia.modalities.series.known_effects import Effects
from castalia.modalities.series.ratings import Ratings, Window
from castalia.modalities.series.series import Collection, Series, joined
from castalia.sentences import say
from castalia.spec import Tokens
from castalia.text_files import office

EXTENSIONS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".xlsx", ".jsonl")
FIT_SERIES = 2000  # that the predictor and the bins are fitted on
FEW_SERIES, PIECES = 12, 12  # files of fewer series are cut into about so many stretches
SHORTEST, LONGEST = 24, 2048  # values of a stretch
SEASONS = 8  # that the predictor looks back
_UINT16 = 1 << 16


class SeriesConfig(CodecConfig):
    """Settings of `SeriesCodec`.

    length   tokens that a model sees at once: a forecast's history and horizon.
    bins     of innovations at most; fewer where training values are few.
    season   steps after which things repeat; None: from the frequency of the stamps, else from the
             autocorrelation.
    lags     values that the linear predictor looks back; None: eight seasons, half a series at
             most.
    stretch  values of a stretch into which series are cut; None: series of files of twelve or more
             are whole, of others about twelve stretches are made.
    time     the column of stamps; None: found by itself. id: the column that tells series apart.
    values   columns of values; none: all of numbers.
    known    columns that are known ahead, such as a price: inputs of forecasts.
    calendar  parts of it that matter: hour, weekday, month, yearday.
    holidays  a file with a date a line.
    zone     in which days begin, such as Europe/London, for stamps that say their zone.
    encoding  of text files, by Python's name. None: found by itself.
    """

    length: int = Field(default=256, ge=16, le=65_536)
    bins: int = Field(default=256, ge=2, le=4096)
    season: int | None = Field(default=None, ge=1, le=LONGEST_SEASON)
    lags: int | None = Field(default=None, ge=1, le=coding.MOST_LAGS)
    stretch: int | None = Field(default=None, ge=SHORTEST, le=10_000_000)
    time: str | None = None
    id: str | None = None
    values: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    calendar: tuple[known_effects.Part, ...] = ()
    holidays: str | None = None
    zone: str | None = None
    encoding: str | None = None


class SeriesCodec(Codec[Series]):
    """Series to token ids (n,) uint16."""

    name = "series"
    native = Series
    extensions: ClassVar[tuple[str, ...]] = EXTENSIONS
    formats: ClassVar[tuple[str, ...]] = (".svg", *writing.WRITTEN)
    adjustable: ClassVar[frozenset[str]] = frozenset(
        {"encoding", "time", "id", "values", "stretch"}
    )
    few: ClassVar[str] = say("give more or longer series")
    sidecar: ClassVar[str] = ".json"
    suffix = ".csv"
    Config = SeriesConfig

    def __init__(self, config: SeriesConfig | None = None) -> None:
        super().__init__(config or SeriesConfig())
        self.coding: Coding | None = None
        self.effects: Effects = known_effects.NONE
        self.frequency: Frequency = INDEX
        self.decimals: int | None = None
        self.positive = False  # whether no training value is below zero

    # Files to items -------------------------------------------------------------------------------

    @classmethod
    def claims(cls, name: str) -> bool:
        lower = name.lower()
        return lower.endswith(EXTENSIONS) and not office.missing(lower)

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Whether the rows are values over time."""
        return layout.is_series(path)

    @classmethod
    def weight(cls, path: Path) -> int:
        return max(1, path.stat().st_size // (16 << 10))

    def is_container(self, path: Path) -> bool:
        return True

    def histories(self, path: Path) -> list[Series]:
        """The series of a file, whole."""
        config = self.config
        roles = {
            "time": config.time,
            "id": config.id,
            "values": config.values,
            "known": config.known,
        }
        return list(reading.read(path, config.encoding, roles))

    def read(self, path: Path) -> Iterator[Series]:
        """Stretches of the file's series. Raises DataError naming a file that holds none."""
        whole = self.histories(path)
        for one in whole:
            yield from _stretches(one, self._size(one, len(whole)))

    def _size(self, one: Series, series: int) -> int:
        if self.config.stretch is not None:
            return int(self.config.stretch)
        if series >= FEW_SERIES:
            return len(one)
        pieces = max(-(-PIECES // series), -(-len(one) // LONGEST))
        return max(SHORTEST, -(-len(one) // pieces))

    def contents(self, path: Path) -> Iterator[bytes]:
        return (one.content for one in self.read(path))

    def describe(self, item: Series) -> str:
        return f"{item.label}, {item.frequency.name}"

    # Fitting --------------------------------------------------------------------------------------

    def fit(self, items: Iterable[Series]) -> None:
        """Season, predictor and bins. Raises DataError where no series varies."""
        series = [one for one in islice(items, FIT_SERIES) if len(one) > 1]
        if not any(np.nanstd(one.values) > 0 for one in series):
            raise DataError(
                say("no series varies, so there is nothing to learn"),
                "codec",
                say("give series whose values change"),
            )
        first = series[0]
        other = next((one for one in series if not _alike(one.frequency, first.frequency)), None)
        if other is not None and self.config.season is None:
            raise DataError(
                say(
                    "the series have steps of several lengths: {0}, {1}",
                    spoken(first.frequency.parts),
                    spoken(other.frequency.parts),
                ),
                other.name,
                say("train on one at a time, or say what repeats: codec.season=12"),
            )
        self.frequency = first.frequency
        written = [one.decimals for one in series]
        self.decimals = None if None in written else max(one for one in written if one is not None)
        values = [one.values for one in series]
        self.positive = all(np.nanmin(one) >= 0 for one in values)
        middle = int(np.median([len(one) for one in values]))
        season = self.config.season or (
            first.frequency.season
            if first.frequency.season > 1
            else season_of(values, min(LONGEST_SEASON, max(2, middle // 2 - 2)))
        )
        reach = max(4, min(SEASONS * max(season, 2), coding.MOST_LAGS, middle // 2))
        lags = self.config.lags or reach
        self.effects = self._effects(series, lags)
        values = [self.effects.without(one).values for one in series]
        self.coding = Coding.fitted(values, lags, self.config.bins, season)

    def _effects(self, series: Sequence[Series], lags: int) -> Effects:
        config, days = self.config, tuple[date, ...]()
        if config.zone is not None:
            known_effects.zone_of(config.zone)
        if config.holidays is not None:
            days = holiday_dates(Path(config.holidays))
        return known_effects.fitted(
            series, lags, config.known, config.calendar, days, config.zone or ""
        )

    @property
    def fitted(self) -> Coding:
        if self.coding is None:
            raise SpecError(
                say("the codec does not know its series yet"), "codec", say("call fit(items) first")
            )
        return self.coding

    @property
    def spec(self) -> Tokens:
        return Tokens(self.config.length, self.fitted.vocab, coding.BEGIN)

    # Items to tensors -----------------------------------------------------------------------------

    def encode(self, item: Series) -> Tensor:
        """(T + 2,): begin, scale, first value, an innovation for each later value."""
        ids = self.fitted.encode(self.effects.without(_begun(item)).values)
        return torch.from_numpy(ids.astype(np.uint16 if self.spec.vocab <= _UINT16 else np.int32))

    def decode(self, x: Tensor) -> Series:
        """A series of the training data's frequency from its first stamp on, rounded as they are;
        columns that are known ahead are at their means.
        """
        given = x.detach().cpu().flatten()
        if given.is_floating_point():
            given = torch.nan_to_num(given, 0.0, posinf=0.0, neginf=0.0)
        values = self.fitted.decode(given.long().tolist())
        made = Series("", values, 0, self.frequency, coding=self.fitted, decimals=self.decimals)
        if self.config.calendar or self.config.holidays:
            made = replace(made, values=values + self.effects.of(made))
        return replace(made, values=made.values.clip(0)) if self.positive else made

    def passages(self, document: Tensor, length: int) -> list[Tensor]:
        """See BeginsAnew: each stretch in its own scale."""
        values = self.fitted.decode(document.long().tolist())
        size = length - 2  # beside the scale and, as the first value, one of them
        cut = [values[first : first + size] for first in range(0, len(values), size)]
        begun = [part[int(np.isfinite(part).argmax()) :] for part in cut]
        return [
            torch.from_numpy(self.fitted.encode(part)[1:]).to(document.dtype)
            for part in begun
            if np.isfinite(part[0])
        ]

    # Forecasts ------------------------------------------------------------------------------------

    @property
    def known_ahead(self) -> bool:
        """Whether anything is known of steps to come."""
        return len(self.effects.sizes) > 0

    def continued(
        self,
        items: Sequence[Series],
        horizon: int,
        draw: Draw | None,
        *,
        paths: int,
        levels: Sequence[float],
        seed: int,
        members: Sequence[str] = (),
    ) -> Forecast:
        """See Continues."""
        return forecasting.forecast(
            self.fitted,
            items,
            horizon,
            draw,
            self.spec.length,
            effects=[self.effects.of(one, horizon) for one in items] if self.known_ahead else None,
            paths=paths,
            levels=levels,
            seed=seed,
            members=members,
        )

    # What is odd ----------------------------------------------------------------------------------

    def parts_to_rate(self, items: Sequence[Series]) -> list[tuple[Window, Tensor, int]]:
        """Seasons of steps, one after another."""
        whole = [self.effects.without(_begun(one)) for one in joined(items)]
        return ratings.windows(self.fitted, whole, self.spec.length)

    def rated(self, items: Sequence[Window], nats: Tensor) -> list[Window]:
        """The windows with the nats of a value of each."""
        return ratings.rated(items, nats.tolist())

    def question(self, items: Sequence[Series], name: str) -> Question:
        """Raises RecipeError: a series has no columns of which one could be asked for."""
        raise RecipeError(
            say("series have no columns to predict"),
            where=f"--column {name}",
            fix=say("castalia forecast RUN FILE --horizon N, or predict without a column"),
        )

    def answer(
        self, items: Sequence[Series], name: str, probabilities: Tensor
    ) -> tuple[list[Series], dict[str, float]]:
        """There is none, see `question`."""
        return list(items), {}

    # Items to files -------------------------------------------------------------------------------

    def collected(self, items: Sequence[Series | Window]) -> Collection | Ratings:
        """Several series as one file, those without a name numbered; or windows with their
        ratings.
        """
        if items and isinstance(items[0], Window):
            return Ratings([one for one in items if isinstance(one, Window)])
        width = len(str(len(items)))
        return Collection(
            [
                one if one.name else replace(one, name=f"{number:0{width}d}")
                for number, one in enumerate(items)
                if isinstance(one, Series)
            ]
        )

    def members(self, item: Series | Collection) -> Sequence[Series]:
        return item.series if isinstance(item, Collection) else [item]

    def write(
        self,
        item: Series | Collection | Forecast | Paths | Ratings,
        path: Path,
        manifest: dict[str, Any] | None = None,
    ) -> None:
        """Long tables, a row a value; a forecast's quantiles or paths; a plot where the ending is
        .svg. The manifest lies in a JSON file of the same name beside it.
        """
        if manifest is not None:
            atomic.write_json(path.with_suffix(self.sidecar), manifest)
        if path.suffix.lower() == ".svg":
            shown = item if isinstance(item, Forecast) else list(self.members(item))  # type: ignore[arg-type]
            atomic.write(path, line_plot(shown))
        elif isinstance(item, Forecast | Paths | Ratings):
            writing.write_table(path, *item.table())
        else:
            writing.write(path, list(self.members(item)))

    def preview(self, items: list[Series]) -> PIL.Image.Image:
        """The series as lines, one below the other."""
        return preview([one for item in items for one in self.members(item)])

    def units(self, item: Series) -> dict[str, int]:
        return {"value": len(item)}

    def labels(self, ids: Tensor) -> list[str]:
        """The middle of each innovation's bin, in scales."""
        words = []
        made = self.fitted
        for token in ids.tolist():
            if token >= coding.FIRST:
                place = min(token - coding.FIRST, len(made.edges) - 2)
                words.append(f"{(made.edges[place] + made.edges[place + 1]) / 2:+.3g}")
            else:
                words.append(
                    "⟨gap⟩" if token == coding.MISSING else "⟨head⟩" if token else "⟨begin⟩"
                )
        return words

    # State ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if self.coding is None:
            return {}, {}
        return {
            "season": self.coding.season,
            "frequency": self.frequency.to_json(),
            "decimals": self.decimals,
            "positive": self.positive,
            "effects": self.effects.state(),
        }, {
            "weights": torch.from_numpy(self.coding.weights.copy()),
            "edges": torch.from_numpy(self.coding.edges.copy()),
            "shorter": torch.from_numpy(self.coding.shorter.copy()),
            "centre": torch.from_numpy(self.effects.centre.copy()),
            "spread": torch.from_numpy(self.effects.spread.copy()),
            "sizes": torch.from_numpy(self.effects.sizes.copy()),
        }

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        if not state:
            return self
        try:
            self.frequency = Frequency(*state["frequency"])
            self.decimals = state["decimals"]
            self.positive = bool(state.get("positive", False))  # older runs do not say
            self.coding = Coding(
                tensors["weights"].double().numpy(),
                tensors["edges"].double().numpy(),
                int(state["season"]),
                tensors["shorter"].double().numpy(),
            )
            if "effects" in state:
                names = ("centre", "spread", "sizes")
                arrays = {name: tensors[name].double().numpy() for name in names}
                self.effects = known_effects.restored(state["effects"], arrays)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DataError(
                say("the series codec of the run is damaged"), "codec.json", say("restore the file")
            ) from error
        return self


def _stretches(one: Series, size: int) -> Iterator[Series]:
    """Pieces of `size` values, one after another; a rest of less than half of that joins the one
    before it.
    """
    pieces = max(1, round(len(one) / size))
    ends = [round(len(one) * place / pieces) for place in range(pieces + 1)]
    for first, stop in pairwise(ends):
        piece = one.part(first, stop)
        if np.isfinite(piece.values).sum() >= reading.SHORTEST:
            yield piece


def _alike(one: Frequency, other: Frequency) -> bool:
    return (one.unit, one.count) == (other.unit, other.count)


def _begun(item: Series) -> Series:
    """Without gaps at its beginning; 0 where nothing is known."""
    if len(item) and np.isfinite(item.values[0]):
        return item
    piece = item.part(0, len(item))
    return piece if len(piece) else Series(item.name, np.zeros(1))
