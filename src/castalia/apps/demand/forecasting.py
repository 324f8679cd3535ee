"""Demand over the next periods as draws: what each method thinks of all items at once.

Counts that often are zero ask for more than a mean and a deviation. Four methods, some with a
longer and a shorter view of the past:

    counts    negative binomial (gamma where parts of units are sold) with exponentially weighted
              mean and variance; the mean itself is uncertain, too
    sizes     whether anything is sold, and how much then, apart: rates after Teunter, Syntetos and
              Babai 2011, sizes drawn again from the item's own
    windows   sums of as many periods in a row of the item's own past, the newer the likelier
              (Willemain, Smart and Schwarz 2004 draw periods; windows keep what hangs together)
    changes   the last such sum, and a change as between two of them in the past

Which method a kind of item gets is learned from the past, and so is the level of its quantile, or
the margin above its mean, that is right in practice (conformal: Vovk, Gammerman and Shafer 2005).
The seasonal naive is in stock.py, as the policy to beat. Trends, promotions and holidays are not
modelled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

DRAWS = 400
PRIOR = 1.0  # periods of the typical item that every item is taken to have seen
INTERVAL, VARIATION = 1.32, 0.49  # between kinds: Syntetos, Boylan and Croston 2005
KINDS = ("smooth", "erratic", "intermittent", "lumpy")
LARGE = 0.75  # of the items, a part that sells less than those which are kinds of their own
FEWEST_TRIALS = 40  # of a kind, for a choice of its own
# Of fewer trials the best of many rules is the luckiest: they may raise a level, but not lower it.
SURE_TRIALS = 100


@dataclass(frozen=True)
class History:
    """units: (items, periods) so far. first: (items,), the period of the first sale. season: of the
    calendar within which levels differ (7 for days, else 1). whole: units are whole numbers.
    """

    units: np.ndarray
    first: np.ndarray
    season: int
    whole: bool

    def until(self, period: int) -> History:
        """What was known before `period`, of the items that had been sold by then."""
        return History(self.units[:, :period], self.first, self.season, self.whole)

    @property
    def ages(self) -> np.ndarray:
        """Periods since the first sale, that one included; 0 of items that had none yet."""
        return np.maximum(0, self.units.shape[1] - self.first)


def kinds(history: History) -> np.ndarray:
    """(items,) int: the place in KINDS, by the mean interval between sales and the squared
    coefficient of variation of their sizes; and len(KINDS) more for those that sell most.
    """
    sold = history.units > 0
    count = np.maximum(1, sold.sum(1))
    interval = np.maximum(1, history.ages) / count
    mean = history.units.sum(1) / count
    spread = np.where(sold, (history.units - mean[:, None]) ** 2, 0.0).sum(1) / count
    varied = spread / np.maximum(mean, 1e-12) ** 2 >= VARIATION
    rare = interval >= INTERVAL
    rates = history.units.sum(1) / np.maximum(1, history.ages)
    large = rates > np.quantile(rates, LARGE)
    return np.where(rare, np.where(varied, 3, 2), np.where(varied, 1, 0)) + len(KINDS) * large


def weekly(history: History) -> np.ndarray:
    """(season,) how much is sold in each place of the season against the mean, of all items
    together; 1 where too little is known. Place 0 is the first period of the history.
    """
    season, total = history.season, history.units.sum(0)
    rounds = len(total) // season
    if season == 1 or rounds < 4:
        return np.ones(season)
    shares = total[len(total) - rounds * season :].reshape(rounds, season)
    # one great order may not make its weekday great
    usual = np.median(shares / np.maximum(shares.mean(1, keepdims=True), 1e-12), 0)
    usual = usual / max(usual.mean(), 1e-12)
    return np.roll(usual, (len(total) - rounds * season) % season)


def _weighted(history: History, newer: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, variance, how many periods they rest on) of each item, the last periods weighing most:
    weights fall by 1 - `newer`.
    """
    periods = history.units.shape[1]
    weights = (1 - newer) ** np.arange(periods - 1, -1, -1)
    factors = np.tile(weekly(history), periods // history.season + 1)[:periods]
    level = history.units / np.maximum(factors, 0.05)
    known = np.cumsum(weights[::-1])[np.maximum(0, history.ages - 1)] * (history.ages > 0)
    squares = np.cumsum(weights[::-1] ** 2)[np.maximum(0, history.ages - 1)]
    plain = level @ weights / np.maximum(known, 1e-12)
    typical = float(np.median(plain[history.ages > 0])) if (history.ages > 0).any() else 0.0
    mean = (level @ weights + PRIOR * typical) / (known + PRIOR)
    second = (level**2 @ weights + PRIOR * (typical**2 + typical)) / (known + PRIOR)
    return mean, np.maximum(second - mean**2, mean), np.maximum(known**2 / squares, 1.0)


def _ahead(history: History, horizon: int) -> float:
    """How many usual periods the next `horizon` ones amount to."""
    start = history.units.shape[1]
    factors = weekly(history)
    return float(sum(factors[(start + step) % history.season] for step in range(horizon)))


def counts(newer: float) -> Method:
    """Draws of sums: negative binomial by a gamma mixture of Poisson counts."""

    def draw(history: History, horizon: int, rng: np.random.Generator) -> np.ndarray:
        mean, variance, size = _weighted(history, newer)
        ahead = _ahead(history, horizon)
        total = np.maximum(ahead * mean, 1e-9)
        spread = ahead * variance + ahead**2 * variance / size
        if history.whole:
            extra = np.maximum(spread - total, 1e-6 * total)
            rates = rng.gamma(
                (total**2 / extra)[:, None], (extra / total)[:, None], (len(total), DRAWS)
            )
            return rng.poisson(np.minimum(rates, 1e15)).astype(float)
        return rng.gamma(
            (total**2 / spread)[:, None], (spread / total)[:, None], (len(total), DRAWS)
        )

    return draw


def sizes(newer: float) -> Method:
    """Draws of sums: how many of the periods sell, and a size for each of them."""

    def draw(history: History, horizon: int, rng: np.random.Generator) -> np.ndarray:
        sold = History((history.units > 0).astype(float), history.first, 1, True)
        rate, _, seen = _weighted(sold, newer)
        rate = np.clip(rate, 1e-6, 1 - 1e-6)
        rates = rng.beta((rate * seen)[:, None], ((1 - rate) * seen)[:, None], (len(rate), DRAWS))
        selling = rng.binomial(horizon, rates)
        scale = _ahead(history, horizon) / horizon
        found = np.zeros((len(rate), DRAWS))
        weights = (1 - newer / 2) ** np.arange(history.units.shape[1] - 1, -1, -1)
        for place, units in enumerate(history.units):
            own = np.flatnonzero(units)
            if not len(own):
                continue
            steps = np.cumsum(weights[own])
            most = int(selling[place].max())
            chosen = np.searchsorted(steps, rng.random((DRAWS, most)) * steps[-1])
            among = units[own[np.minimum(chosen, len(own) - 1)]]
            found[place] = np.where(np.arange(most) < selling[place][:, None], among, 0).sum(1)
        return np.round(found * scale) if history.whole else found * scale

    return draw


def windows(newer: float) -> Method:
    """Draws of sums: those of windows of the item's own past."""

    def draw(history: History, horizon: int, rng: np.random.Generator) -> np.ndarray:
        items, periods = history.units.shape
        sums = np.cumsum(np.pad(history.units, ((0, 0), (1, 0))), 1)
        begins = np.arange(periods - horizon + 1)
        # of days, those that begin on the weekday which comes next
        begins = begins[(periods - begins) % history.season == 0] if horizon <= periods else begins
        if not len(begins):
            return np.repeat(history.units.mean(1, keepdims=True) * horizon, DRAWS, 1)
        totals = sums[:, begins + horizon] - sums[:, begins]
        weights = (1 - newer) ** (begins[-1] - begins)
        known = weights * (begins >= np.minimum(history.first, begins[-1])[:, None])
        steps = np.cumsum(known, 1)
        at = rng.random((items, DRAWS)) * steps[:, -1:]
        chosen = np.stack([np.searchsorted(row, one) for row, one in zip(steps, at, strict=True)])
        return np.take_along_axis(totals, np.minimum(chosen, len(begins) - 1), 1)

    return draw


def changes(newer: float) -> Method:
    """Draws of sums: the last one, and a change as between two such sums in a row of the past."""

    def draw(history: History, horizon: int, rng: np.random.Generator) -> np.ndarray:
        items, periods = history.units.shape
        back = history.season * math.ceil(horizon / history.season)
        if periods < back + horizon + 1:
            return windows(newer)(history, horizon, rng)
        sums = np.cumsum(np.pad(history.units, ((0, 0), (1, 0))), 1)
        totals = sums[:, horizon:] - sums[:, :-horizon]
        differences = totals[:, back:] - totals[:, :-back]
        count = differences.shape[1]
        steps = np.cumsum((1 - newer) ** np.arange(count - 1, -1, -1))
        chosen = np.searchsorted(steps, rng.random((items, DRAWS)) * steps[-1])
        found = np.take_along_axis(differences, np.minimum(chosen, count - 1), 1)
        return np.maximum(0.0, totals[:, [periods - back]] + found)

    return draw


# (history, horizon, generator) -> (items, DRAWS) sums over the next `horizon` periods
Method = Callable[[History, int, np.random.Generator], np.ndarray]
METHODS: Mapping[str, Method] = {
    "counts, long view": counts(0.05),
    "counts, short view": counts(0.15),
    "sizes, long view": sizes(0.05),
    "sizes, short view": sizes(0.15),
    "windows": windows(0.03),
    "changes": changes(0.03),
}


@dataclass(frozen=True)
class Rule:
    """How a kind of item is stocked. method: whose draws; quantile: the level of theirs, or None
    where stock is their mean and `margin` standard deviations. trials: past sums that this rests
    on. loss: what it cost then, in units a trial (pinball loss).
    """

    method: str
    quantile: float | None
    margin: float
    trials: int
    loss: float

    def stock(self, draws: np.ndarray) -> np.ndarray:
        """(N,) units of draws (N, DRAWS) that are sorted."""
        if self.quantile is None:
            return np.maximum(0.0, draws.mean(1) + self.margin * draws.std(1))
        return draws[:, min(DRAWS - 1, math.ceil(self.quantile * DRAWS))]


def drawn(history: History, horizon: int, rules: Sequence[Rule], seed: int) -> np.ndarray:
    """(items, DRAWS), sorted, by the method of each item's kind. A function of its arguments."""
    of = kinds(history)
    found = np.zeros((len(history.units), DRAWS))
    for number, name in enumerate(METHODS):
        mine = np.flatnonzero([rules[kind].method == name for kind in of])
        if len(mine):
            own = History(history.units[mine], history.first[mine], history.season, history.whole)
            rng = np.random.default_rng([seed, number, history.units.shape[1]])
            found[mine] = np.sort(METHODS[name](own, horizon, rng), 1)
    return found


def stock_level(history: History, draws: np.ndarray, rules: Sequence[Rule]) -> np.ndarray:
    """(items,) units that last with the probability that the rules were made for."""
    of = kinds(history)
    found = np.zeros(len(draws))
    for kind, rule in enumerate(rules):
        found[of == kind] = rule.stock(draws[of == kind])
    return found


def origins(first: int, last: int, horizon: int, most: int = 8) -> list[int]:
    """Periods at which forecasts are tried, at most so many: their sums end by `last`."""
    end = last - horizon
    if end < first:
        return []
    count = min(most, 1 + (end - first) // max(1, horizon // 2))
    return sorted({round(one) for one in np.linspace(first, end, count)})


def learned(history: History, horizon: int, level: float, seed: int) -> list[Rule]:
    """A rule for each kind of item: every method is tried on the history itself, and made to meet
    demand over `horizon` periods as often as `level` says; the cheapest is taken. A kind with few
    trials gets the rule of all together.
    """
    periods = history.units.shape[1]
    tried = []
    for origin in origins(max(4, periods // 3), periods, horizon):
        known = history.until(origin)
        alive = np.flatnonzero(known.ages >= 2)
        if len(alive):
            own = History(known.units[alive], known.first[alive], known.season, known.whole)
            tried.append((own, history.units[alive, origin : origin + horizon].sum(1)))
    if not tried:
        return [Rule(next(iter(METHODS)), level, 0.0, 0, math.nan)] * 2 * len(KINDS)
    of = np.concatenate([kinds(own) for own, _ in tried])
    truth = np.concatenate([total for _, total in tried])
    groups = [np.flatnonzero(of == kind) for kind in range(2 * len(KINDS))]
    groups = [mine if len(mine) >= FEWEST_TRIALS else np.arange(len(of)) for mine in groups]
    best: list[Rule | None] = [None] * len(groups)
    for number, (name, method) in enumerate(METHODS.items()):
        draws = np.concatenate(
            [
                np.sort(method(own, horizon, np.random.default_rng([seed, number, place])), 1)
                for place, (own, _) in enumerate(tried)
            ]
        )
        for kind, mine in enumerate(groups):
            for rule in _calibrated(name, draws[mine], truth[mine], level):
                other = best[kind]
                if other is None or rule.loss < other.loss:
                    best[kind] = rule
    return [rule for rule in best if rule is not None]


def _calibrated(name: str, draws: np.ndarray, truth: np.ndarray, level: float) -> Iterator[Rule]:
    """The two rules of a method that would have met `level` of these sums (conformal); of few sums
    its quantile alone, at `level` or above.
    """
    rank = min(len(truth), math.ceil((len(truth) + 1) * level)) - 1
    below = float(np.sort((draws < truth[:, None]).mean(1))[rank])
    margin = np.sort((truth - draws.mean(1)) / np.maximum(draws.std(1), 1e-9))[rank]
    sure = len(truth) >= SURE_TRIALS
    for quantile in (below, None) if sure else (max(below, level),):
        rule = Rule(name, quantile, float(margin), len(truth), 0.0)
        left = rule.stock(draws) - truth
        loss = np.where(left < 0, -level * left, (1 - level) * left).mean()
        yield replace(rule, loss=float(loss))
