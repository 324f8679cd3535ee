"""Export a run for Hugging Face: a folder for `transformers`, and LoRA adapters for `peft`.

An `ar` run is written in Qwen3's layout (export/qwen3.py, which needs no library). A `pretrained`
run is a model of that library already: its weights, the pairs merged into them, go back under their
own names, with the tokenizer and the chat template of its base. What was written is loaded and
compared before it counts as written.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from castalia import bounded, pretrained_cache
from castalia.errors import AbilityError, MissingExtra, RunError
from castalia.export import qwen3
from castalia.export.targets import Written
from castalia.families.pretrained import Pretrained
from castalia.nn.counter_random import generator
from castalia.run import Run
from castalia.sentences import say

AGREEMENT = 1e-4
COPIED = ("config.json", "tokenizer.json")


def write(run: Run, folder: Path) -> Written:
    """config.json, model.safetensors (float32), tokenizer.json, tokenizer_config.json.

    Raises AbilityError for a family that `transformers` has no place for, RunError where what it
    loads differs from the run.
    """
    if run.recipe.family.name != "pretrained":
        return qwen3.write(run, folder)
    model, base = _opened(run)
    (folder / "model.safetensors").write_bytes(
        save(pretrained_cache.weights(model.network), metadata={"format": "pt"})
    )
    for name in COPIED:
        shutil.copyfile(base.folder / name, folder / name)
    settings = bounded.parse_json(
        bounded.read_bytes(base.folder / "tokenizer_config.json", "json_bytes"),
        "tokenizer_config.json",
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", **settings}, indent=2, ensure_ascii=False
        ),
        encoding="utf-8",
    )
    loaded = pretrained_cache.library().AutoModelForCausalLM.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32
    )
    difference = _difference(model, loaded)
    return Written(
        {"differences": {"logits": difference}},
        say("transformers.AutoModelForCausalLM.from_pretrained('{0}') loads it", "FOLDER"),
    )


def write_adapter(run: Run, folder: Path) -> Written:
    """adapter_config.json and adapter_model.safetensors: what `peft.PeftModel.from_pretrained(base,
    folder)` puts on the base again.

    Raises AbilityError for a run that is no adapted pretrained model.
    """
    adapt = run.recipe.training.adapt
    if run.recipe.family.name != "pretrained" or adapt is None:
        raise AbilityError(
            say("the run has no pairs of low rank"),
            where="export --to peft",
            fix=say("use a text/pretrained run, or --to transformers"),
        )
    last = run.last_step
    assert last is not None  # `export` has seen a checkpoint
    pairs = run.tensors(last, "model")
    if any(name.rpartition(".")[2] not in ("a", "b") for name in pairs):
        raise AbilityError(
            say("the run adapts another run, not the base alone"),
            where="export --to peft",
            fix="export --to transformers",
        )
    sides = {"a": "lora_A", "b": "lora_B"}
    owners = {name.removeprefix("network.").rpartition(".") for name in pairs}
    named = {
        f"base_model.model.{layer}.{sides[side]}.weight": pairs[f"network.{layer}.{side}"]
        for layer, _, side in owners
    }
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": run.recipe.family.config.model_dump()["source"],
        "r": adapt.lora,
        "lora_alpha": adapt.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({layer.rpartition(".")[2] for layer, _, _ in owners}),
    }
    (folder / "adapter_model.safetensors").write_bytes(save(named, metadata={"format": "pt"}))
    (folder / "adapter_config.json").write_text(
        json.dumps(settings, indent=2, ensure_ascii=False), encoding="utf-8"
    )
    model, base = _opened(run)
    try:
        import peft
    except ImportError as error:
        raise MissingExtra("peft", "llm", where="export --to peft") from error
    loaded = peft.PeftModel.from_pretrained(pretrained_cache.network(base), str(folder)).eval()
    return Written(
        {"differences": {"logits": _difference(model, loaded)}},
        say("peft.PeftModel.from_pretrained(base, '{0}') loads it", "FOLDER"),
    )


def _opened(run: Run) -> tuple[Pretrained, pretrained_cache.Base]:
    model = run.model()
    if not isinstance(model, Pretrained) or model.config.base is None:
        raise AbilityError(
            say("this is no model of others"),
            where=run.folder,
            fix=say("use a text/pretrained run"),
        )
    return model, pretrained_cache.find(model.config.base, model.config.source)


@torch.inference_mode()
def _difference(model: Pretrained, loaded: Any) -> float:
    """The largest difference of logits on random tokens. Raises RunError where it is more than
    rounding.
    """
    ids = torch.randint(
        model.known, (2, min(16, model.spec.length)), generator=generator("export", 0)
    )
    ours, theirs = _logits(model.network, ids), _logits(loaded, ids)
    difference = float((ours - theirs).abs().max())
    if difference > AGREEMENT * max(1.0, float(ours.abs().max())):
        raise RunError(
            say("what was written differs from the run by {0:.2g}", difference),
            where="logits",
            fix=say("report this with the model's config"),
        )
    return difference


def _logits(model: Any, ids: Tensor) -> Tensor:
    logits: Tensor = model(input_ids=ids).logits
    return logits.float()
