"""Value at risk and expected shortfall of draws, and the tests that a rolling back-test is held to.

    value at risk        the loss that is exceeded with probability 1 - level
    expected shortfall   the mean loss of the worst 1 - level (Acerbi & Tasche 2002, eq. 3.11)
    Kupiec 1995          are there as many exceedances as there should be? LR_uc ~ chi2(1)
    Christoffersen 1998  is one as likely after one as after none? LR_ind ~ chi2(1); both ~ chi2(2)
    Acerbi & Szekely 2014    are losses beyond what expected shortfall says (test 2)? Its null
                         distribution is drawn from the model's own forecasts.

Losses are positive: a value at risk of 0.02 is a loss of 2%.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LEVELS = (0.95, 0.975, 0.99)


class Coverage(NamedTuple):
    """Exceedances in `days` forecasts; expected: days * (1 - level). uc, ind: likelihood ratios;
    kupiec, independence, joint: their p-values. after, otherwise: shares of exceedances after one,
    and after none. NaN where there is nothing to test.
    """

    days: int
    exceedances: int
    expected: float
    uc: float
    kupiec: float
    ind: float
    independence: float
    joint: float
    after: float
    otherwise: float


class Shortfall(NamedTuple):
    """z: Acerbi and Szekely's second statistic, 0 on average where the model holds, negative where
    losses are larger. p: share of the model's own draws that are as low.
    """

    z: float
    p: float


def var_es(draws: np.ndarray, level: float) -> tuple[float, float]:
    """(value at risk, expected shortfall) of returns (P,), as losses; `level` in (0, 1). The value
    at risk is an order statistic; the tail mean counts the one at its edge in part.
    """
    share = 1 - level
    count = len(draws) * share
    whole = max(1, math.ceil(count - 1e-9))
    worst = np.partition(draws, whole - 1)[:whole]
    edge = float(worst.max())
    inside = count - (whole - 1)  # of the draw at the edge, at most 1
    total = float(worst.sum()) - edge + min(max(inside, 0.0), 1.0) * edge
    return -edge, -total / max(count, min(1.0, count))


def coverage(hits: np.ndarray, level: float) -> Coverage:
    """Kupiec's and Christoffersen's tests of exceedances (T,) bool, in the order of time."""
    days, found, share = len(hits), int(hits.sum()), 1 - level
    uc = 2 * (_likelihood(days - found, found) - _at(days - found, found, share))
    before, after = hits[:-1].astype(bool), hits[1:].astype(bool)
    stay, begin = int((~before & ~after).sum()), int((~before & after).sum())
    end, follow = int((before & ~after).sum()), int((before & after).sum())
    # without an exceedance before the last step, nothing can follow one
    ind = after_one = math.nan
    if end + follow:
        after_one = follow / (end + follow)
        ind = 2 * (
            _likelihood(stay, begin)
            + _likelihood(end, follow)
            - _likelihood(stay + end, begin + follow)
        )
        ind = max(ind, 0.0)
    return Coverage(
        days,
        found,
        days * share,
        uc,
        beyond(uc, 1),
        ind,
        beyond(ind, 1),
        beyond(uc + ind, 2),
        after_one,
        begin / max(1, stay + begin),
    )


def shortfall(
    returns: np.ndarray,
    var: np.ndarray,
    es: np.ndarray,
    null: np.ndarray,
    level: float,
) -> Shortfall:
    """Acerbi and Szekely's test 2 of returns, value at risk and expected shortfall (T,). null
    (M, T): returns that the model's forecasts drew, for what the statistic is where they hold.
    """
    scale = len(returns) * (1 - level) * es
    z = float(1 + (np.where(returns < -var, returns, 0.0) / scale).sum())
    # `<=`: what a draw at the edge adds is part of the tail that expected shortfall is made of
    drawn = 1 + (np.where(null <= -var, null, 0.0) / scale).sum(1)
    return Shortfall(z, float((1 + (drawn <= z).sum()) / (1 + len(drawn))))


def beyond(statistic: float, freedom: int) -> float:
    """P(X > statistic) of chi-square with 1 or 2 degrees of freedom, in closed form."""
    if math.isnan(statistic):
        return math.nan
    at = max(statistic, 0.0)
    return math.erfc(math.sqrt(at / 2)) if freedom == 1 else math.exp(-at / 2)


def basel_zone(hits: np.ndarray) -> str:
    """ "green" to 4, "yellow" to 9, "red" from 10 exceedances of a level of 99% in 250 steps (Basel
    Committee 1996); "" where there are fewer.
    """
    if len(hits) < 250:
        return ""
    count = int(hits[-250:].sum())
    return "green" if count <= 4 else "yellow" if count <= 9 else "red"


def _likelihood(without: int, with_it: int) -> float:
    """log of the likelihood at its maximum."""
    total = without + with_it
    return sum(n * math.log(n / total) for n in (without, with_it) if n)


def _at(without: int, with_it: int, share: float) -> float:
    return without * math.log(1 - share) + with_it * math.log(share)
