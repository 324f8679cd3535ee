"""Methods against closed forms: neighbours, factorisation, ranks, and what is counted as a hit."""

from __future__ import annotations

import numpy as np
import pytest

from castalia.apps.recommend import backtest, methods
from castalia.apps.recommend.backtest import cuts_of
from castalia.apps.recommend.blending import chosen, fused, hits, ndcg, ranked, recall
from castalia.apps.recommend.events import DAY, Events, split
from castalia.apps.recommend.methods import Past
from castalia.apps.recommend.reasons import Reasons


def events(rows: list[tuple[int, int, float]], items: int, users: int) -> Events:
    user, item, day = (np.array(one) for one in zip(*sorted(rows, key=lambda r: r[2]), strict=True))
    return Events(
        "made",
        tuple(f"u{one}" for one in range(users)),
        tuple(f"i{one}" for one in range(items)),
        tuple(f"i{one}" for one in range(items)),
        user.astype(np.int64),
        item.astype(np.int64),
        day * DAY,
        np.ones(len(rows)),
    )


def random_past(users: int = 30, items: int = 12, seed: int = 0) -> Past:
    rng = np.random.default_rng(seed)
    rows = [
        (int(rng.integers(users)), int(rng.integers(items)), float(day)) for day in range(8 * users)
    ]
    return Past(events(rows, items, users))


def test_neighbours_are_shrunk_cosines():
    past = random_past()
    x = past.dense(np.arange(30)).astype(np.float64)
    length = np.sqrt((x * x).sum(0))
    wanted = x.T @ x / (np.outer(length, length) + 7.0)
    both = (x > 0).T.astype(int) @ (x > 0).astype(int)
    found = methods.neighbours(past, most=12, shrinkage=7.0)
    for item in range(12):
        assert np.allclose(found.near[item], wanted[item, found.item[item]], atol=1e-5)
        assert (found.both[item] == both[item, found.item[item]]).all()
    scores = methods.by_neighbours(past, found)(np.array([3, 4]))
    assert np.allclose(scores, x[[3, 4]] @ wanted, atol=1e-4)


def test_half_a_round_of_factorisation_is_weighted_least_squares():
    past = random_past()
    rows, items, strength = past.pairs
    y = np.random.default_rng(1).normal(size=(12, 4))
    found = methods.solved(rows, items, strength, y, 3.0, 0.5)
    x = past.dense(np.arange(30)).astype(np.float64)
    for user in range(30):
        trust = np.diag(1 + 3.0 * x[user])
        wanted = np.linalg.solve(
            y.T @ trust @ y + 0.5 * np.eye(4), y.T @ trust @ (x[user] > 0).astype(float)
        )
        assert np.allclose(found[user], wanted)


def test_factorisation_against_implicit():
    implicit = pytest.importorskip("implicit.cpu.als")
    sparse = pytest.importorskip("scipy.sparse")
    past = random_past(60, 20)
    x = past.dense(np.arange(60))
    peer = implicit.AlternatingLeastSquares(
        factors=20, regularization=0.5, alpha=1.0, iterations=40, use_cg=False, random_state=0
    )
    peer.fit(sparse.csr_matrix(np.where(x > 0, 1 + 10 * x, 0)), show_progress=False)
    theirs = peer.user_factors @ peer.item_factors.T
    ours = methods.factorised(past, 0, factors=20, rounds=40, trust=10.0, ridge=0.5)(np.arange(60))
    assert np.abs(ours - theirs).mean() < 0.02


def test_popular_of_late_and_had_before():
    past = Past(events([(0, 0, 0), (1, 0, 1), (2, 0, 2), (0, 1, 9), (1, 1, 10), (0, 1, 10)], 3, 3))
    assert past.holders.tolist() == [3, 2, 0]
    assert past.recent(2 * DAY).tolist() == [0, 2, 0]
    found = methods.before(past, 10 * DAY)(np.array([0, 2]))
    assert np.allclose(found, [[np.exp(-1), np.exp(-0.1) + 1, 0], [np.exp(-0.8), 0, 0]])


def test_gain_and_recall_by_hand():
    items = np.array([[4, 1, 7], [0, 2, -1]])
    targets = [np.array([1, 9]), np.array([0])]
    found = hits(items, targets)
    assert found.tolist() == [[False, True, False], [True, False, False]]
    gain = (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    assert ndcg(found, targets) == pytest.approx([gain, 1.0])
    assert recall(found, targets).tolist() == [0.5, 1.0]


def test_ranks_are_fused_and_what_has_no_score_is_nowhere():
    first = ranked(np.array([[3.0, 2.0, 1.0, -np.inf]]))
    second = ranked(np.array([[-np.inf, 1.0, 2.0, -np.inf]]))
    assert first.tolist() == [[0, 1, 2, -1]] and second.tolist() == [[2, 1, -1, -1]]
    empty = np.full((1, 4), -1)
    lists = {"knn": first, "als": second, "recent": empty}
    # 2 / 60 for item 0; 2 / 61 + 1 / 61 for item 1; 2 / 62 + 1 / 60 for item 2
    assert fused(lists, {"knn": 2, "als": 1}, 4, 4).tolist() == [[1, 2, 0, -1]]
    assert chosen(lists, [np.array([2])], 4) == {"als": 1.0}


def test_the_blend_does_not_look_at_the_test_period():
    rng = np.random.default_rng(3)
    rows = [
        (user, int(rng.integers(15)), float(rng.uniform(0, 100)))
        for user in range(80)
        for _ in range(12)
    ]
    made = events(rows, 15, 80)
    cuts = cuts_of(made)
    assert cuts is not None and made.time[cuts.second - 1] < made.time[cuts.second]

    def simple(past: Past, window: float) -> dict[str, methods.Scores]:
        return {
            "recent": methods.same_for_all(past.recent(window)),
            "knn": methods.by_neighbours(past, methods.neighbours(past)),
        }

    one = backtest.tested(made, cuts, simple, 0)
    item = made.item.copy()
    item[cuts.second :] = (item[cuts.second :] + 4) % 15
    other = backtest.tested(
        Events(made.source, made.users, made.items, made.names, made.user, item, made.time,
               made.weight), cuts, simple, 0,
    )  # fmt: skip
    assert one.tasks["all"].weights == other.tasks["all"].weights
    assert one.tasks["all"].scores["knn"][0].value != other.tasks["all"].scores["knn"][0].value
    estimate = one.tasks["all"].scores["blend"][0]
    assert estimate.low <= estimate.value <= estimate.high


def test_events_of_one_moment_stay_on_one_side():
    made = events([(0, 0, 1), (1, 1, 2), (2, 0, 2), (3, 1, 2), (4, 0, 3)], 2, 5)
    assert split(made, 0.5) == 1
    assert cuts_of(events([(one, one % 2, 5.0) for one in range(9)], 2, 9)) is None


def test_reasons_are_true_and_name_nobody():
    rows = [(user, item, float(user)) for user in range(6) for item in (0, 1)]
    rows += [(6, 0, 7.0), (7, 2, 8.0), (7, 3, 9.0), (6, 2, 9.5)]
    past = Past(events(rows, 4, 8))
    reasons = Reasons(past, methods.neighbours(past), 3 * DAY, 5)
    found = reasons.of(6, 1)
    assert (found.kind, found.because, found.users, found.among) == ("with", 0, 6, 7)
    assert "6 of 7 users" in str(found.words)
    assert reasons.of(0, 0).kind == "before"
    # one user alone had items 2 and 3 together: that may not be said
    lone = reasons.of(6, 3)
    assert lone.kind == "order" and lone.users == 0 and "fewer than 5" in str(lone.words)
    assert reasons.of(None, 0).kind == "popular"
