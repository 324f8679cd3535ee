"""Stock from demand: the level to order up to, and what a policy would have cost in the past.

The newsvendor's rule: with costs `under` of a unit that is missing and `over` of one that is left,
the best level is the quantile of demand at under / (under + over) (Arrow, Harris and Marschak
1951). Stock is reviewed every few periods; an order has to last until the next one arrives, so the
demand that counts is that of the lead time and the time between reviews together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from castalia.apps.demand.forecasting import History, drawn, learned, stock_level
from castalia.evaluation.base import GROUPS, Estimate, estimated, group_ids

COVER = 2.0  # of the policy that keeps a fixed number of mean demands
RECENT = 13  # periods of that mean
normal_quantile = NormalDist().inv_cdf
# (what is known, periods that an order lasts) -> (items,) units to order up to
Policy = Callable[[History, int], np.ndarray]


@dataclass(frozen=True)
class Terms:
    """lead: periods from order to arrival; review: periods between orders, at least 1; under, over:
    costs of a unit that is missing, and of one that is left, for each order.
    """

    lead: int
    review: int
    under: float
    over: float

    @property
    def level(self) -> float:
        """The probability with which demand is best met."""
        return self.under / (self.under + self.over)

    @property
    def cover(self) -> int:
        """Periods that an order has to last."""
        return self.lead + self.review


@dataclass(frozen=True)
class Outcome:
    """Of each item, over the orders of a back-test: in how many nothing was missing, units that
    were missing, wanted and on average in stock, and the cost.
    """

    met: np.ndarray
    orders: int
    missing: np.ndarray
    wanted: np.ndarray
    stock: np.ndarray
    cost: np.ndarray


def simulate(targets: np.ndarray, demand: np.ndarray, terms: Terms) -> Outcome:
    """What happens if each review orders what stock and open orders lack of the target.

    targets: (items, reviews); demand: (items, periods) from the first review on, `lead` + `review`
    periods for the last one. The first order finds nothing and arrives `lead` periods later;
    counting begins there. What is missing is delivered later. An order is judged before the next
    one arrives.
    """
    items, reviews = targets.shape
    net, coming = np.zeros(items), np.zeros((items, demand.shape[1] + terms.lead + 1))
    met, missing = np.zeros(items), np.zeros(items)
    stock, cost = np.zeros(items), np.zeros(items)
    for period in range((reviews - 1) * terms.review + terms.cover):
        net = net + coming[:, period]
        if period < terms.lead:
            coming[:, period] = 0
        number, rest = divmod(period, terms.review)
        if rest == 0 and number < reviews:
            position = net + coming[:, period + 1 :].sum(1)
            ordered = np.maximum(0.0, targets[:, number] - position)
            if terms.lead:
                coming[:, period + terms.lead] += ordered
            else:
                net = net + ordered
        net = net - demand[:, period]
        if period >= terms.lead and (period - terms.lead) % terms.review == terms.review - 1:
            short = np.maximum(0.0, -net)
            met += short == 0
            missing += short
            stock += np.maximum(0.0, net)
            cost += terms.under * short + terms.over * np.maximum(0.0, net)
    wanted = demand[:, terms.lead : (reviews - 1) * terms.review + terms.cover].sum(1)
    return Outcome(met, reviews, missing, wanted, stock / reviews, cost)


def seasonal_naive(history: History, cover: int, *, season: int, level: float) -> np.ndarray:
    """What the same periods sold a season ago, or the last ones where there is no such past, and on
    top a margin of safety: the normal quantile at `level` of the method's own past errors.
    """
    periods = history.units.shape[1]
    back = season * math.ceil(cover / season)
    if back + cover > periods:
        back = cover
    sums = np.cumsum(np.pad(history.units, ((0, 0), (1, 0))), 1)

    def total(begin: int) -> np.ndarray:
        return sums[:, begin + cover] - sums[:, begin]

    errors = [total(origin) - total(origin - back) for origin in range(back, periods - cover + 1)]
    spread = np.std(errors, 0) if len(errors) > 1 else np.zeros(len(history.units))
    return np.maximum(0.0, total(periods - back) + normal_quantile(level) * spread)


def fixed_cover(history: History, cover: int) -> np.ndarray:
    """COVER times the mean demand of the last periods."""
    return COVER * cover * history.units[:, -RECENT:].mean(1)


@dataclass(frozen=True)
class BackTest:
    """Policies on periods that none of them had seen. outcomes: by policy, over the items that had
    been sold before; begin: the first period of the test.
    """

    outcomes: Mapping[str, Outcome]
    items: np.ndarray
    begin: int
    terms: Terms

    def service(self, policy: str) -> Estimate:
        """The share of orders after which nothing was missing, over items and orders."""
        one = self.outcomes[policy]
        return self._ratio(one.met, np.full(len(one.met), float(one.orders)), (0.0, 1.0))

    def filled(self, policy: str) -> Estimate:
        """The share of wanted units that were there."""
        one = self.outcomes[policy]
        return self._ratio(np.maximum(0, one.wanted - one.missing), one.wanted, (0.0, 1.0))

    def cost_against(self, policy: str, other: str) -> Estimate:
        """Cost as a share of another policy's."""
        top, bottom = self.outcomes[policy].cost, self.outcomes[other].cost
        return self._ratio(top, bottom, (0.0, math.inf))

    def stock_of(self, policy: str) -> float:
        """Mean units in stock when the next order arrives, of all items together."""
        return float(self.outcomes[policy].stock.sum())

    def _ratio(self, top: np.ndarray, bottom: np.ndarray, limits: tuple[float, float]) -> Estimate:
        """Of sums over items, with a delete-a-group jackknife interval."""
        groups = group_ids(len(top)).numpy()
        value = float(top.sum() / max(bottom.sum(), 1e-12))
        without = [
            float(top[groups != one].sum() / max(bottom[groups != one].sum(), 1e-12))
            for one in range(GROUPS)
        ]
        return estimated(value, without, limits)


def back_test(history: History, terms: Terms, season: int, seed: int) -> BackTest | None:
    """Orders in the last fifth of the past, each with what was known before it; methods are chosen
    once, on what comes before that fifth. None where the past is too short.
    """
    periods = history.units.shape[1]
    reviews = max(3, periods // 5 // terms.review)
    begin = periods - (reviews - 1) * terms.review - terms.cover
    if begin < max(8, 2 * terms.cover):
        return None
    before = history.until(begin)
    known = np.flatnonzero(before.ages >= 2)
    if not len(known):
        return None
    own = History(history.units[known], history.first[known], history.season, history.whole)
    rules = learned(own.until(begin), terms.cover, terms.level, seed)

    def ours(at: History, cover: int) -> np.ndarray:
        return stock_level(at, drawn(at, cover, rules, seed), rules)

    def naive(at: History, cover: int) -> np.ndarray:
        return seasonal_naive(at, cover, season=season, level=terms.level)

    policies: Mapping[str, Policy] = {"ours": ours, "naive": naive, "fixed": fixed_cover}
    outcomes = {}
    for name, policy in policies.items():
        targets = np.stack(
            [
                policy(own.until(begin + number * terms.review), terms.cover)
                for number in range(reviews)
            ],
            1,
        )
        if history.whole:
            targets = np.ceil(targets - 1e-9)
        outcomes[name] = simulate(targets, own.units[:, begin:], terms)
    return BackTest(outcomes, known, begin, terms)
