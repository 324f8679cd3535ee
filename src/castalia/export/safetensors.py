"""Export the weights of a run and all that describes them, as safetensors, JSON and YAML: for
archives and for other programs.

`load` makes model and codec from the folder alone. The tensors have the names of the family's own
state dict, float32 as trained; averaged weights where the run averages, pairs of low rank merged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from castalia import bounded, registry
from castalia import recipe as recipes
from castalia.codecs.base import Codec
from castalia.errors import DataError, RunError
from castalia.export.codec_tables import as_json
from castalia.export.run_description import heading
from castalia.export.targets import Written
from castalia.families.base import Family
from castalia.run import Run, dump
from castalia.sentences import say
from castalia.spec import Condition, spec_from_json

SHOWN = 400  # tensors that the README lists


def write(run: Run, folder: Path) -> Written:
    """model.safetensors, codec.safetensors, codec.json, spec.json, recipe.yaml and README.md; facts
    for the manifest.

    Raises RunError when the folder does not load as the same model.
    """
    model = run.model()
    state, tensors = run.codec.state()
    weights = dict(model.state_dict())
    spec = {name: run.about[name] for name in ("spec", "conditions")}
    files = {
        "model.safetensors": dump(weights),
        "codec.json": as_json(state),
        "codec.safetensors": dump(tensors),
        "spec.json": as_json(spec),
        "recipe.yaml": _plain_recipe(run).encode(),
        "README.md": _readme(run, weights),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    loaded = load(folder)[0].state_dict()
    if list(loaded) != list(weights) or not all(
        torch.equal(loaded[name], value.cpu()) for name, value in weights.items()
    ):
        raise RunError(
            say("what was written does not load as the run's model"),
            where="model.safetensors",
            fix=say("please report this run's recipe"),
        )
    return Written(
        {"tensors": len(weights), "differences": {"model": 0.0}},
        say("{0}/README.md names the tensors and says how to load them", "FOLDER"),
    )


def load(folder: Path | str) -> tuple[Family, Codec[Any]]:
    """(model in evaluation mode, codec) from an exported folder, without its run. Raises RunError
    for a folder that is not whole.
    """
    folder = Path(folder)
    try:
        plan = recipes.from_dict(
            bounded.parse_yaml(bounded.read_text(folder / "recipe.yaml", "yaml_bytes")),
            where="recipe.yaml",
        )
        described, state = (
            bounded.parse_json(bounded.read_bytes(folder / f"{name}.json", "json_bytes"))
            for name in ("spec", "codec")
        )
        tensors, weights = (
            load_tensors(bounded.read_bytes(folder / f"{name}.safetensors", "weights_bytes"))
            for name in ("codec", "model")
        )
    except (DataError, ValueError, TypeError, SafetensorError) as error:
        raise RunError(
            say("this is not a whole export: {0}", error),
            where=folder,
            fix=say("export the run --to safetensors again"),
        ) from error
    codec: Codec[Any] = registry.resolve("codec", plan.codec.name)(plan.codec.config).restore(
        state, tensors
    )
    spec: Any = spec_from_json(described["spec"])
    conditions: dict[str, Condition] = {
        name: spec_from_json(data) for name, data in described["conditions"].items()
    }
    spec = codec.spec if described["spec"]["kind"] == "tokens" else spec
    family: Family = registry.resolve("family", plan.family.name)(
        plan.family.config, spec, conditions
    )
    try:
        family.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            say("the weights do not fit the recipe: {0}", str(error).splitlines()[0]),
            where=folder,
            fix=say("export the run again"),
        ) from error
    return family.eval(), codec


def _plain_recipe(run: Run) -> str:
    """recipe.yaml of the model as it is now: pairs of low rank are merged, and places on this
    machine are names alone.
    """
    plan = run.recipe.as_dict()
    plan["start_from"] = plan["training"]["adapt"] = plan["training"]["prefer"] = plan["training"][
        "reward"
    ] = None
    plan["training"].pop("freeze", None)
    for section, key in (("data", "source"), ("data", "metadata"), ("codec", "tokenizer")):
        place = plan[section].get(key)
        if isinstance(place, list):
            plan[section][key] = [Path(one).name for one in place]
        elif isinstance(place, str) and not place.startswith("builtin/"):
            plan[section][key] = Path(place).name
    return yaml.safe_dump(
        plan, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
    )


def _readme(run: Run, weights: dict[str, Tensor]) -> bytes:
    rows = [
        f"| `{name}` | {tuple(tensor.shape)} | {str(tensor.dtype).removeprefix('torch.')} |"
        for name, tensor in weights.items()
    ]
    more = f"\n... and {len(rows) - SHOWN} more.\n" if len(rows) > SHOWN else ""
    return f"""{heading(run, f"{run.recipe.title}, its weights")}

```python
from castalia.export.safetensors import load

model, codec = load(".")  # needs nothing but this folder and Castalia
```

Any program reads the tensors: `safetensors.numpy.load_file("model.safetensors")`.

| file | |
|---|---|
| `model.safetensors` | the tensors below, as trained; averaged weights where the run averages |
| `recipe.yaml` | codec, family and their options, as `castalia train` takes them |
| `spec.json` | shape and range of what the model sees, and the names of its classes |
| `codec.json`, `codec.safetensors` | what the codec learned: sizes, scales, vocabulary |
| `castalia.json` | run, weights' hash, data fingerprint, licence |

| tensor | shape | type |
|---|---|---|
{chr(10).join(rows[:SHOWN])}
{more}""".encode()
