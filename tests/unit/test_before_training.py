"""What `train` says before its first step: too few items, too varied ones, too large ones."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.texts import corpus

from castalia.checks.before_training import advice, amount
from castalia.language import using
from castalia.recipe import load
from castalia.training.setup import data_of
from castalia.training.time_forecast import Forecast


def test_few_pictures_are_few_for_some_recipes():
    few = {"codec.size": 8, "data.limit": 200}
    for name, verdict in (("image/gan", "too little"), ("image/gan-hinge", "too little")):
        plan, _, dataset = data_of(load(name, "builtin/digits", few))
        found = advice(plan, dataset, None)
        assert found[0].startswith(f"{verdict} for {name}: 200 pictures"), found
        # ten classes of twenty pictures each
        assert "10 classes" in found[1] and "data.conditional=false" in found[1]
        with using("zh"):
            assert (
                "200" in advice(plan, dataset, None)[0] and "少" in advice(plan, dataset, None)[0]
            )
    plan, _, dataset = data_of(
        load("image/gan", "builtin/digits", {**few, "data.conditional": False})
    )
    assert len(advice(plan, dataset, None)) == 1
    plan, _, dataset = data_of(load("image/vae", "builtin/fashion", {"codec.size": 8}))
    assert advice(plan, dataset, None) == []
    # a run that starts from another one needs less
    plan, _, dataset = data_of(load("image/gan", "builtin/digits", few))
    assert advice(replace(plan, start_from="runs/other"), dataset, None) == []


def test_items_are_too_large_where_there_is_no_time_for_the_steps():
    plan, _, dataset = data_of(load("image/vae", "builtin/fashion", {"codec.size": 8}))
    assert advice(plan, dataset, Forecast(600.0, 1500, 1)) == []
    found = advice(plan, dataset, Forecast(600.0, 150, 1))
    assert len(found) == 1 and "10 minutes" in found[0]
    assert "150 of the 2,000 steps" in found[0] and "codec.size" in found[0]


def test_amounts_are_counted_in_the_unit_of_the_check(tmp_path: Path):
    corpus(tmp_path / "texts")
    plan, _, dataset = data_of(load("text/ar", tmp_path / "texts", {}))
    whole = sum(len(path.read_text(encoding="utf-8")) for path in (tmp_path / "texts").iterdir())
    assert amount(dataset, "characters") == pytest.approx(whole, rel=0.05)
    assert "characters" in advice(plan, dataset, None)[0]
    assert amount(dataset, "texts") == dataset.report["distinct"]
