"""Every recipe in the package resolves, survives its own YAML and trains two steps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.captioned import captioned
from tests.language_model import language_model
from tests.modalities.table.shop import written
from tests.spoken import spoken

import castalia
from castalia import recipe as recipes
from castalia import registry
from castalia.abilities import SampleOptions
from castalia.language import constant
from castalia.spec import spec_from_json
from castalia.training.plan import plan_of

# What a recipe of a folder is tried on, small enough for two steps in a second.
DATA = {
    "image": "builtin/digits",
    "array": "grid.npy",
    "text": "words.txt",
    "music": "builtin/chorales",
    "table": "builtin/penguins",
    "series": "builtin/co2",
    "level": "builtin/boxoban",
    "audio": "builtin/drums",
    "shape3d": "builtin/furniture",
    "video": "builtin/emoji",
}
# Two steps of two items on four cores' worth of caution; sizes and widths stay the recipe's own.
SHORT = {
    "training.steps": 2,
    "training.batch": 4,
    "training.threads": 1,
    "training.save_every": 2,
    "training.sample_every": 0,
    "sampling.n": 2,
}


# What the image recipes of captions are trained on: a picture and a text beside it.
WORDS = ("image/flow-words", "image/captioner", "video/flow-words", "video/captioner")
# Recipes that begin with a trained run.
TUNING = {"text/dpo": {}, "text/reward": {"codec.document": "paragraph"}}
PAIRS = [
    {"prompt": f"line {number}: ", "chosen": "第一", "rejected": "small"} for number in range(12)
]


@pytest.mark.parametrize("name", recipes.shipped())
def test_recipe_trains_two_steps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = name.partition("/")[0]
    source = DATA[kind]
    if source.endswith(".txt"):
        lines = (
            f"第 {number} 行: line {number * number} of a small text.\n\n" for number in range(900)
        )
        (tmp_path / source).write_text("".join(lines), encoding="utf-8")
    elif source.endswith(".npy"):
        np.save(tmp_path / source, np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32))
        source = str(tmp_path / source)
    more: dict[str, object] = {}
    if name == "text/pretrained":
        monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
        more = {"start_from": str(language_model(tmp_path / "model")), "codec.length": 64}
    elif name in TUNING:
        castalia.train(
            "text/ar-small", source, {**SHORT, "codec.document": "paragraph"}, out=tmp_path / "base"
        )
        more = {"start_from": str(tmp_path / "base"), **TUNING[name]}
        (tmp_path / "pairs.jsonl").write_text(
            "".join(json.dumps(pair) + "\n" for pair in PAIRS), encoding="utf-8"
        )
        source = str(tmp_path / "pairs.jsonl") if name == "text/dpo" else source
    elif name == "table/children":
        parents, children = written(tmp_path, 60)
        source, more = str(parents), {"codec.children": str(children)}
    elif name == "table/history":
        source = str(tmp_path / "events.csv")
        rows = [f"{who},{(who * turn + turn) % 11}\n" for turn in range(9) for who in range(40)]
        (tmp_path / "events.csv").write_text("who,what\n" + "".join(rows), encoding="utf-8")
        more = {"codec.entity": "who", "codec.item": "what"}
    elif name == "text/code":  # two steps write no Python, so nothing is asked of it
        units = (f"def f{number}(a):\n    return {number} + a\n\n\n" for number in range(200))
        (tmp_path / "code.py").write_text("".join(units))
        source, more = str(tmp_path / "code.py"), {"codec.parses": "", "codec.vocab": 300}
    elif kind == "level":  # two steps solve no Sokoban: any level with a player will do
        (tmp_path / "rules.yaml").write_text('{play: walk, doors: "@"}')
        more = {"codec.rules": str(tmp_path / "rules.yaml"), "data.limit": 60}
    if recipes.read_yaml(name)["codec"].get("chain", "") is None:
        coder = castalia.train(f"{kind}/codes", source, SHORT, out=tmp_path / "coder")
        more = {"codec.chain": str(coder.folder)}
    if name in WORDS:
        if kind == "image":
            source = str(captioned(tmp_path / "captioned"))
        else:
            more = {"data.caption": ["en", "zh"]}
    if name == "audio/speech":
        source = str(spoken(tmp_path / "spoken"))
        more = {"data.consent": "tones of no person"}
    plan = plan_of(name, source, SHORT | more)
    assert recipes.from_dict(yaml.safe_load(plan.to_yaml())) == plan
    assert registry.modality_of(plan.codec.name).name == kind
    assert plan.family.name in registry.FAMILIES
    run = castalia.train(plan, out=tmp_path / "run")
    assert run.finished and run.last_step == 2
    if plan.family.name not in registry.families_that("samples"):
        return  # it draws nothing; what it is for is tried elsewhere
    assert spec_from_json(run.about["spec"]) == run.codec.spec
    options = SampleOptions(length=8 if kind in ("text", "music") else None)
    assert len(castalia.sample(run, n=2, options=options)) == 2


@pytest.mark.parametrize("name", recipes.shipped())
def test_every_recipe_says_what_it_is_for(name: str):
    assert 10 <= len(recipes.purpose(name)) <= 80
    assert constant(recipes.purpose(name), "zh") != recipes.purpose(name)
