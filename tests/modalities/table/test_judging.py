"""Scores of tables: SDMetrics' figures, gradient boosting, distances of rows, copies."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from castalia.modalities.table.contract import _cells, fitted, rows
from castalia.modalities.table.copies import Rows
from castalia.modalities.table.distance import Space
from castalia.modalities.table.metrics.boosting import Boosted, auc, told_apart
from castalia.modalities.table.metrics.fidelity import (
    TableFidelity,
    broken,
    column_shape,
    cramers_v,
    shapes,
    trends,
)
from castalia.modalities.table.metrics.frame import frames, independent
from castalia.modalities.table.metrics.privacy import Closeness
from castalia.modalities.table.metrics.utility import Usefulness, predicted
from castalia.modalities.table.row import Row
from castalia.testing.metrics import check_metric


@pytest.fixture(scope="module")
def codec():
    return fitted(400)


def two(codec):
    real = rows(400, "a", codec.header)
    drawn = _cells(rows(400, "b", codec.header), 0.3, np.random.default_rng(0), [])
    return frames({"real": real, "drawn": drawn}, codec.header)


def test_quality_is_that_of_sdmetrics(codec):
    """Figures of QualityReport of SDMetrics 0.32.0 on the same two tables."""
    made = two(codec)
    assert float(shapes(made["drawn"], made["real"]).mean()) == pytest.approx(0.9498053225185856)
    assert float(np.nanmean(trends(made["drawn"], made["real"]))) == pytest.approx(
        0.8032918092568971
    )


def test_shapes_in_closed_form():
    one, other = np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])
    assert column_shape(one, other, True) == pytest.approx(0.5)
    assert column_shape(np.array([0.0, 0, 1]), np.array([0.0, 1, 1]), False) == pytest.approx(2 / 3)
    assert column_shape(np.array([np.nan]), np.array([1.0]), True) == 0.0
    assert cramers_v(np.array([0, 0, 1, 1]), np.array([5, 5, 7, 7])) == pytest.approx(1.0)
    assert cramers_v(np.array([0, 0, 1, 1]), np.array([5, 7, 5, 7])) == pytest.approx(0.0)


def test_area_under_the_curve_is_scikit_learns():
    rng = np.random.default_rng(0)
    truth = rng.random(500) < 0.3
    scores = np.round(rng.normal(size=500) + truth, 1)  # with ties
    assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


def test_boosting_is_about_as_good_as_scikit_learns(codec):
    made = frames(
        {"train": rows(1500, "a", codec.header), "test": rows(800, "b", codec.header)}, codec.header
    )
    place = made["train"].names.index("sort")
    inputs = np.array([one for one in range(4) if one != place])
    truth = {side: frame.values[:, place] == 0 for side, frame in made.items()}
    own = Boosted().fit(made["train"], truth["train"], inputs).scores(made["test"])
    theirs = HistGradientBoostingClassifier(random_state=0).fit(
        made["train"].values[:, inputs], truth["train"]
    )
    reached = roc_auc_score(
        truth["test"], theirs.predict_proba(made["test"].values[:, inputs])[:, 1]
    )
    assert roc_auc_score(truth["test"], own) >= reached - 0.02


def test_independent_columns_are_told_apart_and_the_same_table_is_not(codec):
    made = frames(
        {"a": rows(600, "a", codec.header), "b": rows(600, "b", codec.header)}, codec.header
    )
    apart = independent(made["b"], 600, np.random.default_rng(0))
    same, truth = told_apart(made["a"], made["b"])
    other, _ = told_apart(made["a"], apart)
    assert abs(auc(same, truth) - 0.5) < 0.06
    assert auc(other, truth) > 0.8


def test_a_target_is_learned_from_good_rows_and_not_from_mixed_ones(codec):
    made = frames(
        {"train": rows(800, "a", codec.header), "test": rows(400, "b", codec.header)}, codec.header
    )
    good = predicted(made["train"], made["test"], "sort")
    bad = predicted(independent(made["train"], 800, np.random.default_rng(0)), made["test"], "sort")
    assert good.low > 0.9 > 0.6 > bad.value


def test_distances_of_rows(codec):
    header = codec.header
    space = Space(header, [])
    base = ("north", "20.0", "60", "small")
    others = [base, ("south", "20.0", "60", "small"), ("north", "20.0", "", "small")]
    coded = space.coded([Row(header, cells) for cells in others])
    assert space.between(coded[:1], coded)[0].tolist() == pytest.approx([0, 0.25, 0.25])
    place, far = space.nearest(coded, coded[1:])
    assert place.tolist() == [0, 0, 1]
    assert far.tolist() == pytest.approx([0.25, 0, 0])


def test_copies_are_found(codec):
    training = [codec.decode(codec.encode(row)) for row in rows(300, "training", codec.header)]
    matcher = Rows(codec, training)
    found = matcher.match([training[7], *matcher.plant([training[9]], "near", torch.Generator())])
    assert found.train[0] == 7
    assert found.distance[0] == 0
    assert found.kinds[0] == "exact"
    assert float(found.distance[1]) <= 0.25 + 1e-6
    again = Rows.restore(codec, *matcher.state())
    assert torch.equal(again.match(training[:9]).distance, matcher.match(training[:9]).distance)


def test_broken_rules_are_counted(codec):
    good = rows(20, "a", codec.header)
    assert not broken(good, codec.header).any()


@pytest.mark.parametrize("metric", [TableFidelity, Usefulness, Closeness])
def test_contract(metric):
    check_metric(metric)
