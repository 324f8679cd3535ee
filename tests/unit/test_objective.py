"""Tuning in the one loop: which texts a step sees, what they are worth, which parameters move, and
that a cut run resumes to the same bytes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.language_model import language_model
from tests.texts import sentences

import castalia
from castalia import registry
from castalia.errors import AbilityError, RecipeError, RunError
from castalia.export.safetensors import _plain_recipe
from castalia.nn.decode import Completion
from castalia.recipe import load
from castalia.recipe_sections import RewardConfig
from castalia.run import Run
from castalia.spec import Dense
from castalia.training.objective import Reward
from castalia.training.plan import plan_of
from castalia.training.setup import open_data
from castalia.verbs.dry_run import rehearse

TINY = {
    "training.threads": 1,
    "training.sample_every": 0,
    "training.log_every": 1,
    "training.steps": 4,
    "training.batch": 8,
    "training.save_every": 2,
    "training.precision": "fp32",
}
RULES = {"training.reward.rules": ["regex:the .*"], "training.reward.partial": 0.5}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of sentences, and pairs of them."""
    folder = tmp_path_factory.mktemp("objective")
    (folder / "texts.txt").write_text(
        sentences(120) + sentences(60, language="zh"), encoding="utf-8"
    )
    small = {
        "codec.document": "line",
        "codec.length": 32,
        "family.width": 16,
        "family.heads": 2,
        "family.ngram_rows": 64,
    }
    castalia.train(
        "text/ar-small",
        folder / "texts.txt",
        {**TINY, **small, "training.steps": 40, "training.save_every": 40},
        out=folder / "base",
    )
    rows = [
        {"prompt": "the cat", "chosen": f" sees {number}.", "rejected": f" likes {number}."}
        for number in range(24)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def tuned(place: Path, kind: str, out: str, **more: Any) -> Run:
    recipe, data, own = (
        ("text/dpo", "pairs.jsonl", {})
        if kind == "prefer"
        else ("text/reward", "texts.txt", {"codec.document": "line", **RULES})
    )
    return castalia.train(
        recipe,
        place / data,
        {**TINY, **own, "start_from": str(place / "base"), **more},
        out=place / out,
    )


def reward(place: Path, **config: Any) -> Reward:
    base = Run.open(place / "base")
    data = open_data(base)
    return Reward(
        RewardConfig(rules=("regex:the .*",), **config),
        base.model(),
        base.model(),
        base.codec,
        data.train,
        data.validation,
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["prefer", "reward"])
def test_a_cut_run_resumes_to_the_same_bytes(place: Path, kind: str) -> None:
    whole = tuned(place, kind, f"{kind}-whole")
    cut = place / f"{kind}-cut"
    shutil.copytree(whole.folder, cut)
    shutil.rmtree(cut / "checkpoints" / "step-00000004")
    shutil.rmtree(cut / "eval")
    resumed = castalia.resume(cut)
    assert resumed.model_hash() == whole.model_hash() != Run.open(place / "base").model_hash()
    clock = {"seconds", "items_per_second", "memory_mb"}
    assert [{key: row[key] for key in row.keys() - clock} for row in resumed.metrics()] == [
        {key: row[key] for key in row.keys() - clock} for row in whole.metrics()
    ]
    for name in ("tuning.json", "forgetting.json"):
        assert json.loads((cut / "eval" / name).read_text()) == json.loads(
            (whole.folder / "eval" / name).read_text()
        )


def test_what_is_shown_while_it_trains(place: Path) -> None:
    rows = tuned(place, "reward", "shown").metrics()
    assert {"reward/reward", "reward/met", "reward/kl", "reward/nats", "reward/tokens"} <= rows[
        0
    ].keys()
    # at step 1 the model is the reference
    assert rows[0]["reward/kl"] == 0.0 < rows[-1]["reward/kl"]
    first = tuned(place, "prefer", "shown-pairs").metrics()[0]
    assert first["prefer/total"] == pytest.approx(torch.tensor(2.0).log().item(), rel=1e-5)
    assert first["prefer/margin"] == 0.0 and first["prefer/accuracy"] == 0.5


def test_the_run_is_a_plain_run_of_its_family(place: Path) -> None:
    run = tuned(place, "reward", "plain")
    assert run.model().state_dict().keys() == Run.open(place / "base").model().state_dict().keys()
    assert len(castalia.sample(run, 2)) == 2
    (place / "plain.yaml").write_text(_plain_recipe(run), encoding="utf-8")
    assert not load(place / "plain.yaml").training.tunes


def test_pairs_of_low_rank_learn_alone(place: Path) -> None:
    run = tuned(place, "reward", "lora", **{"training.adapt": {"lora": 2}})
    before, after = Run.open(place / "base").tensors(40, "model"), run.tensors(4, "model")
    assert all(torch.equal(value, after[name]) for name, value in before.items() if name in after)
    assert any(name.endswith(".b") and bool(value.any()) for name, value in after.items())


@pytest.mark.parametrize("kind", ["prefer", "reward"])
def test_a_language_model_of_others_is_tuned_alike(
    place: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    model = {
        "start_from": str(language_model(tmp_path / "model")),
        "codec.length": 32,
        "training.adapt": {"lora": 2},
        "training.log_every": 1,
    }
    recipe, data, own = (
        ("text/dpo", "pairs.jsonl", {})
        if kind == "prefer"
        else ("text/reward", "texts.txt", {"codec.document": "line", **RULES})
    )
    short = {
        **TINY,
        **own,
        **model,
        "training.batch": 4,
        "training.steps": 2,
        "training.reward.rules": ["length:4..9"],
    }
    short = {
        key: value
        for key, value in short.items()
        if kind == "reward" or not key.startswith("training.reward")
    }
    run = castalia.train(recipe, place / data, short, out=tmp_path / "run")
    assert run.recipe.family.name == "pretrained" and len(castalia.sample(run, 2)) == 2
    if kind == "reward":
        again = castalia.train(
            "text/reward",
            place / data,
            {**TINY, **own, "start_from": str(run.folder), "training.steps": 1},
            out=tmp_path / "more",
        )
        assert again.recipe.family.name == "pretrained"


def test_samples_are_functions_of_counters(place: Path) -> None:
    objective = reward(place, length=10)
    one, other = objective.batch(3, 4, 0), objective.batch(3, 4, 0)
    assert torch.equal(one.batch.x, other.batch.x) and torch.equal(one.data.x, other.data.x)
    assert not torch.equal(one.batch.x, objective.batch(4, 4, 0).batch.x)


def test_what_a_sample_is_worth(place: Path) -> None:
    """Fulfilled, nearly, and without an end; `end` is judged with the rest, the prompt is not."""
    objective = reward(place, partial=0.5)
    codec, begin, end = objective.codec, objective.spec.begin, objective.spec.end
    done = [
        Completion(codec.encode(text)[1:-1].tolist(), reason, 0.0, 0.0)
        for text, reason in [("the cat", "end"), ("tha", "end"), ("the cat", "length")]
    ]  # type: ignore[arg-type]
    batch, value, met = objective.rated([torch.tensor([begin])] * 3, done, {})
    assert met.tolist() == [1, 0, 0] and value.tolist() == pytest.approx([1.0, 0.5 * 2 / 4, 0.0])
    assert batch.weight is not None and batch.weight.sum(1).tolist() == [8, 4, 7]
    assert batch.x[0, 8] == end and batch.x[2, 8] == begin and not batch.weight[:, 0].any()


def test_prompts_are_beginnings_of_documents_and_groups_share_one(place: Path) -> None:
    objective = reward(place, prompt=5, group=4, length=4)
    batch = objective.batch(0, 8, 0).batch
    starts = {tuple(document[:6].tolist()) for document in objective.texts.documents()}
    rows = [tuple(row[:6].tolist()) for row in batch.x]
    assert set(rows) <= starts and rows[0] == rows[3] and rows[4] == rows[7] != rows[0]
    assert batch.weight is not None and not batch.weight[:, :6].any()
    with pytest.raises(RecipeError, match="whole groups"):
        objective.batch(0, 6, 0)


def test_the_leash_is_a_price(place: Path) -> None:
    """With the same samples, a text that has become likelier than under the reference is pushed
    down by the leash alone.
    """
    objective = reward(place, kl=0.5, length=10)
    rated = objective.batch(0, 4, 0)._replace(reward=torch.zeros(4))
    with torch.no_grad():
        next(iter(objective.family.parameters())).add_(
            0.1 * torch.randn(1, generator=torch.Generator().manual_seed(0))
        )
    loss = objective(rated, "reward").total
    loss.backward()
    assert float(loss.detach()) != 0 and float(objective(rated, "reward").parts["kl"]) > 0


def test_a_dry_run_tells_the_cost(place: Path) -> None:
    plan = plan_of(
        "text/reward",
        place / "texts.txt",
        {**TINY, **RULES, "codec.document": "line", "start_from": str(place / "base")},
    )
    assert rehearse(plan, steps=1).cpu_seconds > 0


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        ({"start_from": None}, "tune a trained model"),
        ({"training.prefer": {"beta": 1.0}}, "from pairs or from a reward"),
        ({"training.reward.rules": []}, "nothing is rewarded"),
        ({"training.early_stop": {"part": "kl"}}, "no early stop"),
        ({"training.reward.rule": "x"}, "did you mean 'training.reward.rules'"),
    ],
)
def test_recipes_that_make_no_sense(place: Path, overrides: dict[str, Any], what: str) -> None:
    with pytest.raises(RecipeError, match=what):
        plan_of(
            "text/reward",
            place / "texts.txt",
            {**TINY, "start_from": str(place / "base"), **overrides},
        )


def test_other_pairs_are_noticed(place: Path) -> None:
    run = tuned(place, "prefer", "noticed")
    shutil.rmtree(run.checkpoint(4))
    path = place / "pairs.jsonl"
    held = path.read_text()
    try:
        path.write_text(held.replace(" likes 3.", " hates 3."))
        with pytest.raises(RunError, match="pairs are not what"):
            castalia.resume(run.folder)
    finally:
        path.write_text(held)


def test_families_without_the_ability_say_so(place: Path) -> None:
    plan, base = load("image/vae"), Run.open(place / "base")
    vae, texts = (
        registry.resolve("family", "vae")(plan.family.config, Dense((1, 8, 8)), {}),
        open_data(base),
    )
    with pytest.raises(AbilityError, match="learn from preferences"):
        Reward(
            RewardConfig(rules=("length:1..",)), vae, vae, base.codec, texts.train, texts.validation
        )  # type: ignore[arg-type]
