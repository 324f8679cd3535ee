"""Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020) by k
nearest neighbours.

Each set's manifold is the union of balls around its items that reach to their k-th neighbour in the
same set.

    precision  share of samples inside the real manifold
    recall     share of real items inside the samples' manifold
    density    how many real balls hold a sample, over k
    coverage   share of real balls that hold a sample

Precision and density speak of fidelity, recall and coverage of diversity. All depend on n and k:
compare with the floor of the same n.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from castalia.errors import SpecError
from castalia.evaluation.base import (
    GROUPS,
    Better,
    Comparison,
    DenseEvidence,
    Estimate,
    Evidence,
    MetricResult,
    group_ids,
    jackknife,
    show,
    wilson,
)
from castalia.evaluation.nearest_neighbours import chunks, nearest, squared_distances
from castalia.language import say


class Manifold(Comparison):
    """`precision-`, `recall-`, `density-` and `coverage-<network>`; higher is better; k neighbours
    (default 5, as Naeem et al.).
    """

    name = "manifold"
    better: ClassVar[dict[str, Better | None]] = {
        "precision": "higher",
        "recall": "higher",
        "density": "higher",
        "coverage": "higher",
    }

    def __init__(self, k: int = 5) -> None:
        if k < 1:
            raise SpecError(say("k must be at least 1"), where=f"k={k}", fix=say("use k=5"))
        self.k = k

    def needs(self, dimension: int) -> int:
        return max(4 * self.k, GROUPS)

    def compare(self, candidate: Tensor, reference: Tensor) -> dict[str, Estimate]:
        table, outlier = manifold_table(candidate, reference, self.k)
        result = {}
        for column, name in enumerate(self.better):
            values = table[:, column].tolist()
            value, without = values[0], values[1:]
            if name == "density":
                low, high = jackknife(value, without, (0.0, float("inf")))
            else:
                low, high = jackknife(value, without, (0.0, 1.0))
                # at 0 or 1 the jackknife sees no spread; Wilson's interval of a share does
                count = len(candidate) if name == "precision" else len(reference)
                least, most = wilson(value, count)
                low, high = min(low, least), max(high, most)
            result[name] = Estimate(
                value,
                low,
                high,
                {"k": self.k, **(outlier if name == "precision" else {})},
                tuple(without),
            )
        return result

    def scores(self, evidence: Evidence) -> list[MetricResult]:
        """Precision also says what it is of real items without their details, as details
        "softened": where that is high, it does not see that samples lack theirs.
        """
        scores = super().scores(evidence)
        if isinstance(evidence, DenseEvidence) and evidence.softened is not None:
            for score in scores:
                if score.value is not None and score.name.startswith("precision"):
                    found = manifold_scores(evidence.softened, evidence.reference, self.k)
                    share = score.details["softened"] = found["precision"]
                    score.details["words"].append(
                        say("Real items without fine details would get {0:.0%}.", share)
                    )
        return scores

    def separates(self, name: str, floor: Estimate, naive: Estimate) -> bool:
        """Precision: without the one real ball that holds most of the naive samples. A single
        unusual item must not decide.
        """
        share = naive.details.get("without_fullest_ball")
        if share is None:
            return super().separates(name, floor, naive)
        return floor.low > wilson(share, naive.details["n"])[1]

    def explain(self, name: str, naive: Estimate) -> str:
        fullest, share = (
            naive.details.get("in_fullest_ball", 0.0),
            naive.details.get("without_fullest_ball", 0.0),
        )
        if fullest < 0.1 or share > naive.value / 2:
            return ""
        return say(
            "The Gaussian owes this to a single unusual real item, far from all others, "
            "whose wide neighbourhood holds {0:.0%} of its "
            "samples; without that item it would get {1}.",
            *(fullest, show(share)),
        )


def manifold_scores(candidate: Tensor, reference: Tensor, k: int = 5) -> dict[str, float]:
    """The four scores of samples (N, D) against real items (M, D), without intervals."""
    return dict(
        zip(Manifold.better, manifold_table(candidate, reference, k)[0][0].tolist(), strict=True)
    )


def manifold_table(candidate: Tensor, reference: Tensor, k: int) -> tuple[Tensor, dict[str, float]]:
    """(1 + GROUPS, 4) float64: precision, recall, density, coverage of all items, then without each
    group of both sides; and what the real ball that holds most samples does to precision.

    Radii without a group come from a longer list of neighbours, membership from one pass over the
    distances.
    """
    x, y = candidate.double(), reference.double()
    centre = y.mean(0)
    x, y = x - centre, y - centre
    x_groups, y_groups = group_ids(len(x), 0), group_ids(len(y), 1)
    x_radii, y_radii = _radii(x, x_groups, k), _radii(y, y_groups, k)
    # copies lie at distance 0 but for rounding; so they count as inside even where a radius is 0
    slack = 1e-12 * (x.square().sum(1).max() + y.square().sum(1).max())
    x_radii, y_radii = x_radii + slack, y_radii + slack
    n, m = len(x), len(y)
    inside = torch.zeros(1 + GROUPS, dtype=torch.float64)  # samples within the real manifold
    balls = torch.zeros(1 + GROUPS, dtype=torch.float64)  # pairs (sample, real ball)
    # real items within the samples' manifold
    covered = torch.zeros(1 + GROUPS, m, dtype=torch.bool)
    filled = torch.zeros(1 + GROUPS, m, dtype=torch.bool)  # real balls that hold a sample
    held = torch.zeros(m, dtype=torch.int64)  # samples in each real ball
    homes = torch.zeros(n, dtype=torch.int64)  # real balls that hold each sample
    home = torch.zeros(n, dtype=torch.int64)  # one of them
    # a pair counts in some case only if it does with the largest radii: few pairs are left, and
    # each case checks those
    x_widest, y_widest = x_radii.amax(0), y_radii.amax(0)
    for start, rows in chunks(x, m):
        squares = squared_distances(rows, y)
        groups, radii = x_groups[start : start + len(rows)], x_radii[:, start : start + len(rows)]
        i, j = (squares <= y_widest).nonzero(as_tuple=True)
        square, gone_x, gone_y = squares[i, j], groups[i], y_groups[j]
        p, q = (squares <= x_widest[start : start + len(rows), None]).nonzero(as_tuple=True)
        reverse, lost_x, lost_y = squares[p, q], groups[p], y_groups[q]
        within = square <= y_radii[0, j]
        held += j[within].bincount(minlength=m)
        homes[start : start + len(rows)] = i[within].bincount(minlength=len(rows))
        home[start + i[within]] = j[within]
        for case in range(1 + GROUPS):
            keep = (square <= y_radii[case, j]) & (gone_x != case - 1) & (gone_y != case - 1)
            balls[case] += keep.sum()
            inside[case] += (
                torch.zeros(len(rows), dtype=torch.bool).index_fill_(0, i[keep], True).sum()
            )
            filled[case, j[keep]] = True
            covered[
                case, q[(reverse <= radii[case, p]) & (lost_x != case - 1) & (lost_y != case - 1)]
            ] = True
    kept_n = torch.tensor(
        [n] + [(x_groups != group).sum().item() for group in range(GROUPS)], dtype=torch.float64
    )
    kept_m = torch.tensor(
        [m] + [(y_groups != group).sum().item() for group in range(GROUPS)], dtype=torch.float64
    )
    table = torch.stack(
        [inside / kept_n, covered.sum(1) / kept_m, balls / (k * kept_n), filled.sum(1) / kept_m],
        dim=1,
    )
    only_there = ((homes == 1) & (home == held.argmax())).sum().item()
    rest = (homes > 0).sum().item() - only_there
    return table, {
        "n": n,
        "in_fullest_ball": held.max().item() / n,
        "without_fullest_ball": rest / n,
    }


def _radii(features: Tensor, groups: Tensor, k: int) -> Tensor:
    """(1 + GROUPS, N) squared distance to the k-th neighbour, for all items and without
    each group.
    """
    longest = len(features) - 1
    # deleting 5% of the items hardly ever reaches the end of this list
    listed = min(longest, 4 * k + 10)
    distances, indices = nearest(features, features, listed, exclude_self=True)
    squares = distances.square()
    result = [squares[:, min(k, longest) - 1]]
    for group in range(GROUPS):
        gone = groups[indices] == group
        remaining = squares.masked_fill(gone, float("inf")).sort(1).values[:, min(k, longest) - 1]
        result.append(torch.where(remaining.isinf(), squares[:, -1], remaining))
    return torch.stack(result)
