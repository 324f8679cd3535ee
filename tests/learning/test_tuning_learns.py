"""Seconds of tuning teach a small model a rule, and pairs teach it a taste; without a leash it goes
further from what it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.texts import sentences

import castalia
from castalia.evaluation.base import wilson
from castalia.run import Run

SMALL = {
    "training.threads": 1,
    "training.sample_every": 0,
    "training.precision": "fp32",
    "training.optimiser.rate": 1e-3,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "texts.txt").write_text(
        sentences(150) + sentences(150, language="zh"), encoding="utf-8"
    )
    small = {
        "training.threads": 1,
        "training.sample_every": 0,
        "training.steps": 50,
        "training.batch": 16,
        "codec.document": "line",
    }
    castalia.train("text/ar-small", folder / "texts.txt", small, out=folder / "base")
    return folder


def judged(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "eval" / "tuning.json").read_text())
    return found


def tuned(base: Path, out: str, rule: str, **more: Any) -> dict[str, Any]:
    own = {
        "start_from": str(base / "base"),
        "codec.document": "line",
        "training.steps": 20,
        "training.batch": 32,
        "training.reward.rules": [rule],
    }
    return judged(
        castalia.train("text/reward", base / "texts.txt", {**SMALL, **own, **more}, out=base / out)
    )


def apart(found: dict[str, Any]) -> bool:
    """Whether the 95% intervals of the share that fulfils the rule, before and after,
    do not touch.
    """
    before, after, texts = found["before"]["met"], found["after"]["met"], found["after"]["texts"]
    return wilson(before, texts)[1] < wilson(after, texts)[0]


def test_a_rule_is_learned_and_the_leash_holds(base: Path) -> None:
    """Chinese sentences are half of the texts."""
    held, free = (
        tuned(base, "held", "regex:[那一老我].*"),
        tuned(base, "free", "regex:[那一老我].*", **{"training.reward.kl": 0.0}),
    )
    assert apart(held) and held["after"]["met"] > 0.8, held
    assert held["after"]["kl_low"] > 0 and held["after"]["kl_high"] < free["after"]["kl"], (
        held,
        free,
    )


def test_a_length_is_learned(base: Path) -> None:
    found = tuned(base, "length", "length:24..60")
    assert apart(found), found


def test_a_taste_is_learned_from_pairs(base: Path) -> None:
    dogs = [line for line in sentences(400, seed=1).splitlines() if line.startswith("a dog")]
    cats = [line for line in sentences(400, seed=2).splitlines() if line.startswith("the cat")]
    rows = [
        {"prompt": "", "chosen": dog, "rejected": cat} for dog, cat in zip(dogs, cats, strict=False)
    ]
    (base / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = {"start_from": str(base / "base"), "training.steps": 30, "training.batch": 16}
    run = castalia.train("text/dpo", base / "pairs.jsonl", {**SMALL, **own}, out=base / "dpo")
    found = judged(run)
    assert (
        found["before"]["accuracy"] == 0.5
        and found["after"]["accuracy"] > 0.9
        and found["after"]["pairs"] > 3
    )
    shares = [
        sum(one.item.startswith("a dog") for one in castalia.sample(of, 100)) / 100
        for of in (base / "base", run)
    ]
    assert wilson(shares[0], 100)[1] < wilson(shares[1], 100)[0], shares
