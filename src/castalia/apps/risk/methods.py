"""Ways to forecast the distribution of a portfolio's return, each by draws from it.

    historical   the returns of the window as they are; over several steps, all overlapping ones
    filtered     filtered historical simulation: residuals of the window, drawn one by one, times
                 today's volatility (Hull & White 1998; Barone-Adesi, Giannopoulos & Vosper 1999)
    garch        GARCH(1,1) with Student's t (Bollerslev 1987), fitted by `arch`
    simulated    paths of paths.py: all assets together, in blocks, smoothed
    run          paths of a trained run (network.py)

A forecast of step t sees steps before t alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from castalia.apps.risk import paths
from castalia.errors import DataError, MissingExtra
from castalia.sentences import Message, say

DRAWS = 2000  # of a forecast in the back-test
AT_ONCE = 10_000_000  # returns of assets in memory
REFIT = 50  # steps after which GARCH is fitted anew
GARCH_WINDOW = 1000
GARCH_LEAST = 250
LABELS: dict[str, Message] = {
    "historical": say("historical simulation"),
    "filtered": say("filtered historical simulation"),
    "garch": say("GARCH(1,1) with Student's t"),
    "simulated": say("simulated paths"),
    "run": say("paths of the run"),
}


class Method(ABC):
    """Forecasts of a portfolio. name: of LABELS."""

    name: str

    @abstractmethod
    def draws(self, step: int, horizon: int, count: int) -> np.ndarray:
        """(count or fewer,) returns of the portfolio over steps `step` to `step + horizon`, from
        what was known before; `step` up to T, the end of the data.
        """


class Historical(Method):
    name = "historical"

    def __init__(self, returns: np.ndarray, window: int) -> None:
        self.returns, self.window = returns, window

    def draws(self, step: int, horizon: int, count: int) -> np.ndarray:
        seen = self.returns[max(0, step - self.window) : step]
        if horizon == 1:
            return seen
        sums = np.concatenate([[0.0], np.cumsum(np.log1p(seen))])
        found: np.ndarray = np.expm1(sums[horizon:] - sums[:-horizon])
        return found


class Filtered(Method):
    name = "filtered"

    def __init__(self, returns: np.ndarray, window: int, decay: float, seed: int) -> None:
        self.made = paths.filtered(returns[:, None], np.array([decay]))
        self.window, self.seed = window, seed

    def draws(self, step: int, horizon: int, count: int) -> np.ndarray:
        residuals = self.made.residuals[max(0, step - self.window) : step]
        volatility = self.made.volatility[step]
        if horizon == 1:
            found: np.ndarray = residuals[:, 0] * volatility
            return found
        rng = np.random.default_rng((self.seed, 1, step, horizon))
        drawn = paths.drawn(
            residuals, volatility, self.made.decay, count, horizon, rng, block=1, smooth=False
        )
        return paths.compounded(drawn[:, :, 0])


class Simulated(Method):
    """returns (T, N) of the assets, weights (N,). first: the first step that is forecast; the
    decays are fitted before it.
    """

    name = "simulated"

    def __init__(self, returns: np.ndarray, weights: np.ndarray, first: int, seed: int) -> None:
        self.decay = paths.fitted_decay(returns[:first])
        self.made = paths.filtered(returns, self.decay)
        self.returns, self.weights, self.seed = returns, weights, seed

    def paths(self, step: int, horizon: int, count: int) -> np.ndarray:
        """(count, horizon) returns of the portfolio."""
        rng = np.random.default_rng((self.seed, 2, step, horizon))
        size = max(1, AT_ONCE // (horizon * len(self.weights)))
        pieces = [
            paths.drawn(
                self.made.residuals[:step],
                self.made.volatility[step],
                self.decay,
                min(size, count - first),
                horizon,
                rng,
                drift=self.returns[:step].mean(0),
                usual=np.sqrt((self.returns[:step] ** 2).mean(0)),
            )
            @ self.weights
            for first in range(0, count, size)
        ]
        return np.concatenate(pieces)

    def draws(self, step: int, horizon: int, count: int) -> np.ndarray:
        return paths.compounded(self.paths(step, horizon, count))


class Garch(Method):
    """Fitted anew every REFIT steps on the last GARCH_WINDOW, the variance followed between."""

    name = "garch"

    def __init__(self, returns: np.ndarray, first: int, seed: int) -> None:
        try:
            import arch
        except ImportError as error:
            raise MissingExtra("arch", "risk", "castalia risk") from error
        self.returns, self.first, self.seed = 100 * returns, first, seed
        self._arch, self._fits = arch, dict[int, tuple[np.ndarray, np.ndarray, Any]]()

    def _fit(self, step: int) -> tuple[np.ndarray, np.ndarray, Any]:
        """(parameters mu, omega, alpha, beta, nu; variances of steps from the window's beginning to
        one beyond the next REFIT; quantiles of the shocks) of the fit that serves `step`.
        """
        at = self.first + (step - self.first) // REFIT * REFIT
        if at not in self._fits:
            begin = max(0, at - GARCH_WINDOW)
            seen = self.returns[begin:at]
            model = self._arch.arch_model(seen, mean="Constant", p=1, q=1, dist="t", rescale=False)
            try:
                fit = model.fit(disp="off", show_warning=False)
                known = fit.params.to_numpy()
            except (ValueError, FloatingPointError, np.linalg.LinAlgError):
                known = np.full(5, np.nan)
            if not np.isfinite(known).all() or known[-1] <= 2:
                raise DataError(
                    say("GARCH cannot be fitted to steps {0:,} to {1:,}", begin + 1, at),
                    "garch",
                    say("leave it out: --methods historical,filtered,simulated"),
                )
            mu, omega, alpha, beta, _ = known
            variance = np.empty(min(at + REFIT, len(self.returns)) - at + 1)
            squares = (self.returns[at - 1 : at + len(variance) - 1] - mu) ** 2
            before = float(fit.conditional_volatility[-1]) ** 2
            for place, square in enumerate(squares):
                before = variance[place] = omega + alpha * square + beta * before
            self._fits[at] = known, variance, model.distribution
        return self._fits[at]

    def draws(self, step: int, horizon: int, count: int) -> np.ndarray:
        known, variances, distribution = self._fit(step)
        mu, omega, alpha, beta, nu = known
        at = self.first + (step - self.first) // REFIT * REFIT
        variance = variances[step - at]
        if horizon == 1:  # a grid of the exact distribution in place of chance
            shocks = distribution.ppf((np.arange(count) + 0.5) / count, [nu])
            return _loss_bounded((mu + np.sqrt(variance) * shocks) / 100)
        rng = np.random.default_rng((self.seed, 3, step, horizon))
        made, spread = np.empty((count, horizon)), np.full(count, variance)
        scale = np.sqrt((nu - 2) / nu)
        for place in range(horizon):
            shock = np.sqrt(spread) * rng.standard_t(nu, count) * scale
            made[:, place] = mu + shock
            spread = omega + alpha * shock**2 + beta * spread
        return paths.compounded(_loss_bounded(made / 100))


def _loss_bounded(returns: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.maximum(returns, -0.9999)
    return found
