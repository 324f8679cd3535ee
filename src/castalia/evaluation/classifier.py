"""The classifier of classifier-based metrics: regularised least squares on features and random
Fourier features, in closed form.

Regressing one-hot labels with a quadratic penalty is Fisher's discriminant (Bishop 2006, 4.1.5);
random Fourier features (Rahimi & Recht 2007) of the Gaussian kernel let it bend. Everything it
needs are sums over rows, so a fit without some rows is one subtraction and one solve: cross-fitting
and a delete-a-group jackknife *with* refitting cost little. The penalty is the one that generalised
cross-validation (Golub, Heath & Wahba 1979) prefers. Used by two_sample.py, class_balance.py and
utility.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from castalia.nn.counter_random import generator

# at most so many coordinates of the features themselves, and of each kind of lift
LINEAR, BENT = 256, 256
# times the mean variance of the lifted features and the number of rows
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
PROBED = 500  # rows whose distances set the kernel's width


@dataclass(frozen=True)
class Lift:
    """(N, D) -> (N, P) float64: standardised features, projected when there are many, beside their
    random Fourier features and a constant 1.
    """

    mean: Tensor
    scale: Tensor
    projection: Tensor | None
    frequencies: Tensor | None
    phases: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        x = (x.double() - self.mean) / self.scale
        if self.projection is not None:
            x = x @ self.projection
        parts = [x, torch.ones(len(x), 1, dtype=x.dtype)]
        if self.frequencies is not None:
            parts.insert(
                1,
                (x @ self.frequencies + self.phases).cos()
                * (2 / len(self.phases)) ** 0.5
                * x.shape[1] ** 0.5,
            )
        return torch.cat(parts, 1)


def lift_for(x: Tensor, seed: int = 0, *, bent: bool = True) -> Lift:
    """A lift for features like `x` (N, D); bent=False leaves it linear. A function of its
    arguments.
    """
    x = x.double()
    mean, scale = x.mean(0), x.std(0)
    scale = torch.where(scale > 1e-6 * scale.max().clamp_min(1e-12), scale, torch.ones_like(scale))
    rng = generator("lift", seed)
    projection = None
    if x.shape[1] > LINEAR:
        projection = (
            torch.randn(x.shape[1], LINEAR, generator=rng, dtype=torch.float64) / LINEAR**0.5
        )
    probe = (x[torch.randperm(len(x), generator=rng)[:PROBED]] - mean) / scale
    probe = probe if projection is None else probe @ projection
    frequencies = None
    if bent:
        distances = torch.pdist(probe) if len(probe) > 1 else torch.ones(1, dtype=torch.float64)
        width = distances.median().clamp_min(1e-6)
        frequencies = torch.randn(probe.shape[1], BENT, generator=rng, dtype=torch.float64) / width
    return Lift(
        mean,
        scale,
        projection,
        frequencies,
        6.283185307179586 * torch.rand(BENT, generator=rng, dtype=torch.float64),
    )


class LeastSquares:
    """Sums over lifted rows (N, P) with targets (N, C), by group, from which fits without some
    groups follow.

    groups (N,) int64. `weights(without)` (P, C) is the fit to all rows outside those groups.
    """

    def __init__(
        self, rows: Tensor, targets: Tensor, groups: Tensor, penalty: float | None = None
    ) -> None:
        count = int(groups.max()) + 1
        self.sizes = groups.bincount(minlength=count)
        self.squares, self.products = [], []
        for group in range(count):
            part, wanted = rows[groups == group], targets[groups == group]
            self.squares.append(part.T @ part)
            self.products.append(part.T @ wanted)
        self.square, self.product = (
            torch.stack(self.squares).sum(0),
            torch.stack(self.products).sum(0),
        )
        self.scale = (self.square.diagonal().mean() / max(1, len(rows))).item()
        self.penalty = (
            _penalty(self.square, self.product, targets, len(rows), self.scale)
            if penalty is None
            else penalty
        )

    def weights(self, without: tuple[int, ...] = ()) -> Tensor:
        square, product = self.square, self.product
        for group in without:
            square, product = square - self.squares[group], product - self.products[group]
        return torch.cholesky_solve(product, self._factor(square))

    def _factor(self, square: Tensor) -> Tensor:
        ridge = torch.full(
            (len(square),), self.penalty * self.scale * int(self.sizes.sum()), dtype=square.dtype
        )
        ridge[-1] *= 1e-6  # the constant is hardly penalised
        return torch.linalg.cholesky(square + ridge.diag())


def _penalty(square: Tensor, product: Tensor, targets: Tensor, n: int, scale: float) -> float:
    values, vectors = torch.linalg.eigh(square)
    values = values.clamp_min(1e-300)
    return _chosen(
        values, (vectors.T @ product).square().sum(1) / values, targets.square().sum(), n, scale
    )


def _chosen(values: Tensor, projected: Tensor, total: Tensor, n: int, scale: float) -> float:
    """Golub, Heath & Wahba's choice among PENALTIES: least n |y - Hy|^2 / (n - tr H)^2. projected:
    |u'y|^2 for each eigenvector u.
    """
    best, chosen = float("inf"), PENALTIES[-1]
    for penalty in PENALTIES:
        share = values / (values + penalty * scale * n)
        left = (total - (projected * (2 * share - share.square())).sum()).clamp_min(0)
        loss = (left / max(n - share.sum().item(), 1e-9) ** 2).item()
        if loss < best:
            best, chosen = loss, penalty
    return chosen


def cross_fitted(basis: Tensor, values: Tensor, targets: Tensor, folds: Tensor) -> Tensor:
    """Predictions (N, C) of each row by a fit to the other folds. basis (N, P), values (P,): the
    eigenvectors and eigenvalues of the rows' Gram matrix.

    One fit and its hat matrix H give them all: without the rows S their residuals are (I - H_SS)^-1
    of what they are with them.
    """
    projected = basis.T @ targets
    scale = values.sum().item() / max(1, len(basis)) / max(1, len(values))
    ridge = (
        scale
        * len(basis)
        * _chosen(values, projected.square().sum(1), targets.square().sum(), len(basis), scale)
    )
    half = basis * (values / (values + ridge)).sqrt()
    left = targets - half @ (half.T @ targets)
    result = torch.empty_like(targets)
    for fold in range(int(folds.max()) + 1):
        mine = folds == fold
        part = half[mine]
        result[mine] = targets[mine] - torch.linalg.solve(
            torch.eye(len(part), dtype=part.dtype) - part @ part.T, left[mine]
        )
    return result


def axes(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(basis, values) of the Gram matrix of rows (N, P), from the smaller of the two products; what
    is nearly 0 is left out.
    """
    narrow = rows.shape[1] <= len(rows)
    values, vectors = torch.linalg.eigh(rows.T @ rows if narrow else rows @ rows.T)
    kept = values > 1e-10 * values.max().clamp_min(1e-300)
    values, vectors = values[kept], vectors[:, kept]
    return (rows @ vectors / values.sqrt() if narrow else vectors), values


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(N,) int64 -> (N, C) float64 of 0 and 1."""
    return torch.nn.functional.one_hot(labels, classes).double()
