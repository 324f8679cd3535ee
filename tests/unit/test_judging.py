"""The newer scores against closed forms and published definitions, and comparisons of runs."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from referencing import Registry, Resource
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from tests.texts import SHORT, corpus

import castalia
from castalia import evaluation
from castalia.errors import RecipeError, RunError
from castalia.evaluation import student_t
from castalia.evaluation.base import (
    BLIND,
    GROUPS,
    Estimate,
    Labelled,
    MetricResult,
    compared,
    estimated,
    group_ids,
    jackknife,
)
from castalia.evaluation.class_balance import ClassBalance, difference
from castalia.evaluation.classifier import axes, cross_fitted, lift_for
from castalia.evaluation.compare import Difference, holm, pareto
from castalia.evaluation.compare import compared as compare_runs
from castalia.evaluation.compare import difference as gap
from castalia.evaluation.creativity import Seen, at_bar, realism
from castalia.evaluation.data_copying import copying, mann_whitney
from castalia.evaluation.judge import Evaluation
from castalia.evaluation.seed_variation import spread
from castalia.evaluation.two_sample import TwoSample, held_out_hits
from castalia.evaluation.utility import measures, taught
from castalia.evaluation.vendi_score import Vendi, vendi
from castalia.run import Run
from castalia.testing.metrics import evidence
from castalia.verbs.compare import comparable
from castalia.verbs.evaluate import measured

SCHEMAS = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for path in Path(evaluation.__file__).parent.glob("*.schema.json")
}


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def valid(document: dict, name: str) -> None:
    registry = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()]
    )
    jsonschema.Draft202012Validator(SCHEMAS[name], registry=registry).validate(document)


# the two-sample test


def test_cross_fitting_is_fitting_without_the_fold():
    """The hat matrix gives what a ridge regression on the other folds gives."""
    x, y = normal(60, 7, 0).double(), normal(60, 1, 1).double()
    folds = group_ids(60) % 5
    basis, values = axes(x)
    predictions = cross_fitted(basis, values, y, folds)
    errors = []
    for penalty in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0):  # whichever was chosen
        ridge = penalty * values.sum().item() / len(values)
        expected = torch.empty_like(y)
        for fold in range(5):
            rest = folds != fold
            weights = torch.linalg.solve(
                x[rest].T @ x[rest] + ridge * torch.eye(7, dtype=x.dtype), x[rest].T @ y[rest]
            )
            expected[~rest] = x[~rest] @ weights
        errors.append((expected - predictions).abs().max().item())
    assert min(errors) < 1e-9


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_two_gaussians_are_told_apart_as_often_as_the_best_rule_does(shift):
    """Unit Gaussians `shift` apart: the best accuracy is Phi(shift / 2) (Lopez-Paz & Oquab 2017 use
    this example).
    """
    x, y = normal(2000, 3, 0), normal(2000, 3, 1)
    x[:, 0] += shift
    found = TwoSample().compare(x, y)["c2st"]
    best = stats.norm.cdf(shift / 2)
    assert best - 0.03 < found.value < best + 0.02 and found.low <= best <= found.high + 0.01


def test_what_no_line_separates_is_seen_too():
    """A ring around a blob of the same mean: a linear classifier guesses, this one does not."""
    angle = 2 * math.pi * torch.rand(400, generator=torch.Generator().manual_seed(0))
    ring = 3 * torch.stack([angle.cos(), angle.sin()], 1) + 0.3 * normal(400, 2, 1)
    hits, sizes = held_out_hits(ring, normal(400, 2, 2))
    assert hits.sum() / sizes.sum() > 0.9 and (sizes == 40).all()


def test_everything_told_apart_leaves_an_open_interval():
    found = TwoSample().compare(normal(50, 2, 0) + 50, normal(50, 2, 1))["c2st"]
    assert found.value == found.high == 1.0 and 0.95 < found.low < 1.0


# Vendi


def test_vendi_counts_different_items():
    """Friedman & Dieng 2023, section 3: n copies count 1, n orthogonal items n, k equal groups k;
    shares p count exp H(p).
    """
    assert vendi(torch.ones(6, 6)) == pytest.approx(1)
    assert vendi(torch.eye(6)) == pytest.approx(6)
    group = torch.arange(12) % 3
    assert vendi((group[:, None] == group).double()) == pytest.approx(3)
    group = torch.tensor([0] * 6 + [1] * 3 + [2] * 3)
    assert vendi((group[:, None] == group).double()) == pytest.approx(
        math.exp(stats.entropy([0.5, 0.25, 0.25]))
    )


def test_vendi_of_features_is_that_of_their_cosines():
    x = normal(60, 5, 0).abs()
    unit = x / x.norm(dim=1, keepdim=True)
    expected = vendi(unit.double() @ unit.double().T)
    assert Vendi().compare(x, x)["vendi"].value == pytest.approx(expected, rel=1e-5)
    # more features than items: the other Gram matrix
    wide = torch.cat([x, torch.zeros(60, 200)], 1)
    assert Vendi().compare(wide, wide)["vendi"].value == pytest.approx(expected, rel=1e-5)


def test_vendi_sees_lost_modes_of_raw_numbers():
    angle = torch.arange(400) % 8 * math.pi / 4
    ring = 4 * torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * normal(400, 2, 0)
    half = ring[(torch.arange(400) % 8) < 4].repeat(2, 1)
    whole, part = (Vendi().compare(side, ring)["vendi"] for side in (ring, half))
    assert part.high < whole.low


# data copying


def test_mann_whitney_is_scipys():
    a, b = (
        normal(40, 1, 0).flatten().round(decimals=1),
        normal(55, 1, 1).flatten().round(decimals=1) + 0.3,
    )
    expected = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)
    z = mann_whitney(a, b)
    assert 2 * stats.norm.sf(abs(z)) == pytest.approx(expected.pvalue, rel=1e-6) and z < 0


def test_copying_is_weighted_by_what_cells_hold_of_the_held_out_data():
    d, home = torch.cat([torch.zeros(30), torch.ones(30)]), torch.arange(60) // 30
    e, other = torch.cat([torch.ones(10), torch.zeros(30)]), torch.tensor([0] * 10 + [1] * 30)
    value, by_cell = copying((d, home), (e, other))
    assert by_cell[0] < 0 < by_cell[1]
    assert value == pytest.approx((10 * by_cell[0] + 30 * by_cell[1]) / 40)
    # two held-out items in the second cell are too few
    few = copying((d, home), (e[:12], other[:12]))
    assert few[1][1] is None and few[0] == few[1][0]


# creativity


def test_realism_is_the_largest_ratio_of_radius_to_distance():
    items, real = normal(30, 3, 0), normal(80, 3, 1)
    between = torch.cdist(real.double(), real.double())
    radii = between.sort(1).values[:, 5]
    small = radii <= radii.median()
    expected = (radii[small] / torch.cdist(items.double(), real[small].double())).amax(1)
    torch.testing.assert_close(realism(items, real), expected, rtol=1e-4, atol=1e-5)


def test_novelty_is_a_rank_among_real_items_of_what_passes_the_bar():
    real = Seen(torch.arange(100.0).double(), torch.arange(100.0).double())
    copies = Seen(torch.full((50,), 200.0).double(), torch.full((50,), -1.0).double())
    poor = Seen(torch.full((50,), -5.0).double(), torch.full((50,), 500.0).double())
    assert at_bar(real, real, 1.0).value == pytest.approx(0.5)
    assert at_bar(copies, real, 0.9).value == 0.0
    assert at_bar(poor, real, 0.9) is None  # new, but none is realistic enough to count
    mixed = at_bar(Seen(*(torch.cat(parts) for parts in zip(real, poor, strict=True))), real, 0.5)
    assert mixed.value == pytest.approx(0.75, abs=0.01) and mixed.details[
        "passing"
    ] == pytest.approx(1 / 3, abs=0.01)


# classes


def test_class_shares_differ_by_their_total_variation():
    labels, real = torch.tensor([0] * 70 + [1] * 30), torch.tensor([0] * 40 + [1] * 40 + [2] * 20)
    assert difference(labels, real, 3).value == pytest.approx(0.3)


def test_a_class_that_is_never_drawn_is_named():
    shown = evidence()
    candidates = {
        **shown.candidates,
        "model": torch.cat(
            [shown.candidates["model"][:, :1].abs() + 1, shown.candidates["model"][:, 1:]], 1
        ),
    }
    (score,) = ClassBalance().scores(replace(shown, candidates=candidates))
    words = " ".join(score.details["words"])
    assert score.low > score.details["intervals"]["floor"][1] and "Never drawn: -+, --." in words
    assert score.details["shares"]["model"][2:] == [0, 0] and sum(
        score.details["shares"]["real"]
    ) == pytest.approx(1)


def test_unlearnable_classes_are_refused():
    shown = evidence()
    labels = torch.randint(0, 4, (800,), generator=torch.Generator().manual_seed(0))
    labelled = replace(
        shown.labelled, training=(shown.training, labels), held_out=(shown.held_out, labels[:400])
    )
    (score,) = ClassBalance().scores(replace(shown, labelled=labelled))
    assert score.value is None and "hardly better than chance" in score.details["words"][0]


def test_measures_are_scikit_learns():
    truth = torch.tensor([0] * 30 + [1] * 15 + [2] * 5)
    said = truth.roll(3)
    found = measures(said, truth, 4)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert found["recall"] == pytest.approx(balanced_accuracy_score(truth, said))
    assert found["f1"] == pytest.approx(f1_score(truth, said, average="macro"))


def test_a_lesson_of_noise_teaches_nothing():
    x, y = normal(300, 4, 0), normal(300, 4, 1)
    lesson, test = (x, (x[:, 0] > 0).long()), (y, (y[:, 0] > 0).long())
    good = taught(lesson, test, 2)["accuracy"]
    bad = taught((x, lesson[1].roll(1)), test, 2)["accuracy"]
    assert good.low > 0.8 and bad.low < 0.5 < bad.high and good.low > bad.high
    assert taught(lesson, test, 2, bent=False)["accuracy"].value > 0.9
    assert lift_for(x, bent=False)(x).shape == (300, 5)


# the gate


def test_a_score_that_separates_nothing_says_so():
    same = {side: Estimate(0.5, 0.4, 0.6) for side in ("model", "floor", "naive", "memoriser")}
    score = compared("x", "lower", same, True, 10, 0, 0.1, {"words": ["More."]})
    assert score.informative is False and score.details["words"] == [BLIND, "More."]
    assert score.details["separates"] == {
        "model naive": False,
        "model memoriser": False,
        "naive memoriser": False,
    }
    told = compared(
        "x", "lower", {**same, "naive": Estimate(0.9, 0.8, 1.0)}, True, 10, 0, 0.1, {"words": []}
    )
    assert (
        told.informative is True
        and told.details["separates"]["model naive"] is True
        and told.details["words"] == []
    )


# Student, Holm, Pareto, pairs


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 19, 20])
def test_student_is_scipys(freedom):
    for t in (0.0, 0.3, 1.0, 2.5, 10.0):
        assert student_t.within(t, freedom) == pytest.approx(
            1 - 2 * stats.t.sf(t, freedom), abs=1e-12
        )
    assert student_t.quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_holm_stops_at_the_first_that_is_not_small_enough():
    found = [
        Difference(f"s{place}", "a", "b", -1.0, -2, 0, p, True)
        for place, p in enumerate([0.04, 0.001, 0.03, 0.012])
    ]
    shown = holm(found, {one.score: "lower" for one in found})
    # 0.001 < 0.05/4, 0.012 < 0.05/3, 0.03 > 0.05/2
    assert [one.shown for one in shown] == [False, True, False, True]
    assert [one.better for one in shown] == [None, "a", None, "a"]
    assert holm(found[1:2], {"s1": "higher"})[0].better == "b" and holm([], {}) == []


def test_the_front_holds_what_nothing_beats_in_both():
    points = {
        "slow": (10, 1),
        "quick": (1, 5),
        "worse": (10, 2),
        "middle": (3, 3),
        "twin": (3, 3),
        "bad": (4, 4),
    }
    assert pareto(points) == ["quick", "middle", "twin", "slow"]


def score_of(values: torch.Tensor, ids: torch.Tensor, better="lower", floor=None) -> MetricResult:
    without = [values[ids != group].mean().item() for group in range(GROUPS)]
    low, high = jackknife(values.mean().item(), without)
    return MetricResult(
        "kernel-raw",
        values.mean().item(),
        low,
        high,
        len(values),
        (0,),
        better,
        floor,
        details={"without": without},
    )


def test_pairs_take_out_the_noise_that_both_share():
    shared, ids = normal(400, 1, 0).flatten(), group_ids(400)
    a, b = (
        score_of(shared + 0.1 + 0.02 * normal(400, 1, 1).flatten(), ids),
        score_of(shared + 0.02 * normal(400, 1, 2).flatten(), ids),
    )
    paired, alone = (
        gap("kernel-raw", ("a", a), ("b", b), paired=paired) for paired in (True, False)
    )
    assert paired.value == alone.value == pytest.approx(0.1, abs=0.01)
    assert paired.low > 0.09 and paired.p < 1e-6 and paired.paired
    assert alone.low < 0 and alone.p > 0.05 and not alone.paired


def test_two_scores_at_an_end_of_the_scale_differ_by_their_open_intervals():
    one = MetricResult(
        "copies-raw", 1.0, 0.95, 1.0, 100, (0,), "lower", 0.05, details={"without": [1.0] * GROUPS}
    )
    same = gap("copies-raw", ("a", one), ("b", one), paired=True)
    assert (
        (same.value, same.low, same.high) == pytest.approx((0, -0.05, 0.05))
        and same.p == 1.0
        and not same.paired
    )


def test_nothing_is_newer_than_new_and_real_data_may_be_the_measure():
    new = MetricResult("copies-raw", 0.05, 0.02, 0.08, 100, (0,), "lower", 0.05)
    far = replace(new, value=0.0, low=0.0, high=0.03)
    assert gap("copies-raw", ("a", new), ("b", far), paired=False).value == 0
    few, many = (
        MetricResult("vendi-raw", value, value - 0.1, value + 0.1, 100, (0,), None, 5.0)
        for value in (4.0, 5.5)
    )
    found = holm(
        [gap("vendi-raw", ("few", few), ("many", many), paired=False)], {"vendi-raw": None}
    )[0]
    assert found.value == pytest.approx(0.5) and found.shown and found.better == "many"


def judged(kernel: torch.Tensor, rate: float, key: str = "k") -> Evaluation:
    score = replace(
        score_of(kernel, group_ids(len(kernel))),
        floor=0.0,
        baselines={"naive": 50.0, "memoriser": 0.0},
        informative=True,
    )
    speed = MetricResult("samples-per-second", rate, better="higher")
    return Evaluation(
        [score, speed],
        torch.zeros(0, 2),
        torch.zeros(0, 2),
        None,
        None,
        [],
        [("headline", "x")],
        key=key,
    )


def test_runs_that_are_alike_are_said_to_be_alike():
    same = {name: judged(normal(200, 1, seed).flatten(), 10.0) for seed, name in enumerate("abc")}
    found = compare_runs(same, {name: {} for name in same})
    assert found.verdict[0] == "No difference in fidelity is shown." and not any(
        one.shown for one in found.differences
    )
    far = compare_runs(
        {**same, "d": judged(normal(200, 1, 9).flatten() + 3, 10.0)},
        {name: {"parameters": 5} for name in "abcd"},
    )
    assert far.verdict[0] == "a, b, c are closest to the data; no difference between them is shown."
    assert {(one.one, one.other, one.better) for one in far.differences if one.shown} == {
        (name, "d", name) for name in "abc"
    }
    assert [front.cost for front in far.fronts] == [
        "seconds_per_sample",
        "parameters",
    ] and "d" not in far.fronts[0].best
    near = compare_runs(
        {
            "a": judged(normal(200, 1, 0).flatten(), 1.0),
            "d": judged(normal(200, 1, 9).flatten() + 3, 9.0),
        },
        {"a": {}, "d": {}},
    )
    assert near.verdict[0] == "a is closest to the data." and near.fronts[0].best == ["d", "a"]
    valid(far.to_json(), "comparison.schema.json")


def test_spread_of_trainings_is_students():
    values = [1.0, 2.0, 4.0]
    mean, low, high, deviation = spread(values)
    expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (mean, low, high) == pytest.approx((7 / 3, *expected)) and deviation == pytest.approx(
        np.std(values, ddof=1)
    )


def test_labels_of_a_model_that_is_told_nothing_are_no_lesson():
    shown = evidence()
    labelled: Labelled = replace(shown.labelled, requested=None)
    assert (
        evaluation.judge.registry.resolve("metric", "utility")().scores(
            replace(shown, labelled=labelled)
        )
        == []
    )
    assert estimated(1.0, [1.0, 3.0]).without == (1.0, 3.0)


# whole runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory, monkeypatch_module) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    monkeypatch_module.setenv("CASTALIA_HOME", str(folder / "home"))
    short = {
        "training.steps": 30,
        "training.sample_every": 0,
        "training.threads": 1,
        "codec.size": 8,
    }
    made = {
        name: castalia.train(
            "image/vae-mlp",
            "builtin/digits",
            {**short, "training.seed": seed, "family.latent": latent},
            out=folder / name,
        )
        for name, seed, latent in (("one", 0, 4), ("two", 1, 16))
    }
    made["other"] = castalia.train(
        "image/vae-mlp",
        "builtin/digits",
        {**short, "data.limit": 300, "training.steps": 3},
        out=folder / "other",
    )
    return made


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_a_report_in_chinese_is_chinese_and_valid(runs):
    document = castalia.evaluate(runs["one"], n=100, seeds=2, language="zh")
    valid(document, "scores.schema.json")
    assert (
        json.loads((runs["one"].folder / "eval" / "scores.json").read_text(encoding="utf-8"))
        == document
    )
    sentences = [
        *document["verdict"].values(),
        *document["notes"],
        *(words for score in document["scores"] for words in score["details"]["words"]),
    ]
    assert len(sentences) > 15 and all(is_chinese(words) for words in sentences), [
        words for words in sentences if not is_chinese(words)
    ]
    page = (runs["one"].folder / "eval" / "report.html").read_text(encoding="utf-8")
    assert (
        '<html lang="zh-Hans">' in page
        and "<h2>样本与真实数据</h2>" in page
        and "<h2>同等逼真度下的新颖度</h2>" in page
    )
    assert [words for words in visible(page) if not is_chinese(words)] == []


def test_trainings_with_other_seeds_are_made_once_and_told(runs):
    document = castalia.evaluate(runs["one"], n=60, seeds=2)
    folder = runs["one"].folder / "seeds" / "seed-1"
    made = (folder / "run.json").stat().st_mtime_ns
    kernel = next(score for score in document["scores"] if score["name"].startswith("kernel"))
    training = kernel["details"]["training"]
    assert (
        training["seeds"] == [0, 1]
        and len(training["values"]) == 2
        and training["runs"][1] == str(folder)
    )
    assert (
        training["low"] <= training["mean"] <= training["high"]
        and "Over 2 trainings" in kernel["details"]["words"][-1]
    )
    assert any("Trained 2 times, with the seeds 0, 1" in note for note in document["notes"])
    castalia.evaluate(runs["one"], n=60, seeds=2)
    assert (folder / "run.json").stat().st_mtime_ns == made
    assert Run.open(folder).recipe.training.seed == 1


def test_runs_of_the_same_data_are_compared(runs, tmp_path):
    document = castalia.compare([runs["one"], runs["two"]], n=100, out=tmp_path, language="zh")
    valid(document, "comparison.schema.json")
    assert list(document["runs"]) == ["one", "two"] and document["n"] == 100
    assert all(
        one["paired"]
        for one in document["differences"]
        if one["score"].startswith(("kernel", "frechet", "bits"))
    )
    assert document["correction"]["comparisons"] == len(document["differences"]) > 8
    assert {
        row["one"]["n"] for name, row in document["scores"].items() if name.startswith("kernel")
    } == {100}
    assert [front["cost"] for front in document["pareto"]] == [
        "seconds_per_sample",
        "training_seconds",
        "parameters",
    ]
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert [words for words in visible(page) if not is_chinese(words)] == [] and "<svg" in page
    assert not re.search(r"https?:|@import|url\(|<script", re.sub(r'"data:[^"]+"', "", page))
    english = castalia.compare([runs["one"], runs["two"]], n=60, out=tmp_path)
    assert "differences are shown" in english["verdict"][1]


def test_a_run_that_ignored_the_classes_is_judged_by_them_and_compared(runs, tmp_path):
    keys = {
        "training.steps": 5,
        "training.sample_every": 0,
        "codec.size": 8,
        "data.conditional": False,
    }
    free = castalia.train("image/vae-mlp", "builtin/digits", keys, out=tmp_path / "free")
    assert free.conditions == {} and comparable([free, runs["one"]]) == ["free", "one"]
    kinds = {score.name.partition("-castalia")[0] for score in measured(free, n=60).scores}
    assert "class-balance" in kinds and "utility-accuracy" not in kinds


def test_runs_of_other_data_or_alone_are_refused(runs, tmp_path):
    with pytest.raises(RunError, match="trained on other data"):
        castalia.compare([runs["one"], runs["other"]])
    with pytest.raises(RunError, match="one run alone"):
        castalia.compare([runs["one"]])
    with pytest.raises(RunError, match="named twice"):
        comparable([runs["one"], Run.open(runs["one"].folder)])
    with pytest.raises(RecipeError, match="no language 'xx'"):
        castalia.evaluate(runs["one"], language="xx")


def test_texts_are_judged_and_compared_in_chinese(tmp_path, monkeypatch):
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    for language in ("en", "zh"):  # two classes
        corpus(tmp_path / "texts" / language, files=40, lines=4, language=language)
    keys = [*SHORT, "data.conditional=true", "data.validation=0.4"]
    made = [
        castalia.train(
            "text/ar-small",
            tmp_path / "texts",
            [*keys, f"training.seed={seed}"],
            out=tmp_path / f"run{seed}",
        )
        for seed in (0, 1)
    ]
    document = castalia.compare(made, n=40, language="zh")
    valid(document, "comparison.schema.json")
    page = (tmp_path / "compare" / "compare.html").read_text(encoding="utf-8")
    assert [words for words in visible(page) if not is_chinese(words)] == []
    report = castalia.evaluate(made[0], n=60, language="zh")
    valid(report, "scores.schema.json")
    values = {score["name"]: score["value"] for score in report["scores"]}
    kinds = (
        "c2st",
        "vendi",
        "creativity",
        "class-balance",
        "utility-accuracy",
        "utility-recall",
        "utility-f1",
    )
    assert {f"{kind}-ngrams-v1" for kind in kinds} <= set(values), list(values)
    # English or Chinese?
    assert (
        next(score for score in report["scores"] if score["name"] == "utility-accuracy-ngrams-v1")[
            "floor"
        ]
        > 0.95
    )
    assert all(is_chinese(words) for words in report["verdict"].values()), report["verdict"]


class Text(HTMLParser):
    """What a reader sees of a page's own words: not samples, not facts of the run, not names of
    curves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "link", "hr", "input"):
            self.open.append((tag, dict(attrs).get("class") or ""))

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        hidden = ("style", "dl", "title", "svg", "summary")
        if data.strip() and not any(
            tag in hidden or kind in ("eyebrow", "text", "network") for tag, kind in self.open
        ):
            self.found.append(data.strip())


def visible(page: str) -> list[str]:
    parser = Text()
    parser.feed(page)
    return parser.found


NAMES = r"castalia-net32-v1|ngrams-v1|raw|Fr[eé]chet|Vendi|BLEU|Holm|FID|F1|MiB|Kneser-Ney|xz|BPE|one|two|run\d|[A-Z]|n|z"  # noqa: E501


def is_chinese(words: str) -> bool:
    """Whether no English is left once names and numbers are taken out."""
    return not re.search(r"[A-Za-z]{2,}", re.sub(rf"\b({NAMES})\b", "", words))
