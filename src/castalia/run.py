"""The run directory: everything a trained model needs, readable by eye, without pickle.

    runs/<date>-<recipe>-<4 hex>/
        recipe.yaml   run.json   codec.json  codec.safetensors   metrics.jsonl   plan.jsonl   lock
        checkpoints/step-00010000/{model,ema,optimiser}.safetensors  state.json
        samples/  eval/

Files appear whole or not at all (atomic.py). A run is locked against a second writer, refuses a
newer format, and holds its specs, so that a model is rebuilt without the data.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from castalia import atomic, bounded, registry, tensor_file, user_dirs
from castalia import recipe as recipes
from castalia.config import hold, problems_of
from castalia.errors import CastaliaError, RunError
from castalia.escapes import one_line
from castalia.pages import notebook
from castalia.run_files import CheckpointFacts, DecisionFacts, MetricFacts, RunFacts
from castalia.sentences import say
from castalia.spec import Condition, Spec, spec_from_json, spec_to_json

if TYPE_CHECKING:
    from torch import Tensor

    from castalia.codecs.base import Codec
    from castalia.families.base import Family, FamilyConfig

FORMAT = 1
ROOT = Path("runs")
# what run.json may leave out
_OPTIONAL = (
    *("created", "argv", "processes", "plugins", "parents", "chain", "parameters", "precision"),
)
_STEP = re.compile(r"step-([0-9]{8,10})")
_OLDER = say("restore the file, or remove this checkpoint to use an older one")


class Run:
    """One trained (or still training) model. `Run.create` and `Run.open` make it; attributes are
    read on demand.
    """

    def __init__(self, folder: Path, *, trust_code: bool = False) -> None:
        self.folder = folder
        self._trust = trust_code
        # while it trains, what that will take (training/time_forecast.py); not kept
        self.forecast: Any = None
        # before it trains, what is against it (checks/before_training.py); not kept
        self.advice: list[str] = []

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        about, step = self.about, self.last_step
        rows = {
            "recipe": about["recipe"]["title"],
            "trained": f"{step or 0:,} of {self.recipe.training.steps:,} steps",
            "parameters": f"{about['parameters']:,}",
            "data": self.recipe.data.source,
            "folder": self.folder,
        }
        sheets = sorted((self.folder / "samples").glob("*.png"))
        return notebook.facts(self.id, rows, sheets[-1].read_bytes() if sheets else None)

    @classmethod
    def create(
        cls,
        recipe: recipes.Recipe,
        codec: Codec[Any],
        conditions: dict[str, Condition],
        about: dict[str, Any],
        out: Path | None = None,
    ) -> Run:
        """A new run directory. `about`: facts of the data and the machine that run.json records."""
        if out is None:
            stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
            out = ROOT / f"{stamp}-{recipe.title.replace('/', '-')}-{os.urandom(2).hex()}"
        if (out / "run.json").exists():
            raise RunError(
                say("there is already a run in this folder"),
                where=out,
                fix=say("castalia train --resume {0}, or choose another --out", out),
            )
        if out.is_file() or any(parent.is_file() for parent in out.parents):
            raise RunError(
                say("the output path leads through a regular file"),
                where=out,
                fix=say("choose another --out"),
            )
        run = cls(out, trust_code=True)
        facts = {
            "format": FORMAT,
            "id": out.resolve().name,
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "argv": [Path(sys.argv[0]).name, *sys.argv[1:]],
            "versions": versions(),
            "spec": spec_to_json(codec.spec),
            "conditions": {name: spec_to_json(condition) for name, condition in conditions.items()},
            **about,
        }
        plugins = {
            part.name: registry.file_digest(part.name)
            for part in (recipe.codec, recipe.family)
            if registry.is_path(part.name)
        }
        if plugins:
            facts["plugins"] = plugins
            for name in plugins:
                source = Path(name.partition(":")[0])
                atomic.write(out / source.name, source.read_bytes())
        state, tensors = codec.state()
        atomic.write(out / "recipe.yaml", recipe.to_yaml())
        atomic.write_json(out / "codec.json", state)
        _write_tensors(out / "codec.safetensors", tensors)
        atomic.write_json(out / "run.json", facts)  # last: a folder with run.json is a whole run
        user_dirs.remember(facts["id"], out, created=facts["created"])
        return run

    @classmethod
    def open(
        cls, name: str | os.PathLike[str], *, root: Path = ROOT, trust_code: bool = False
    ) -> Run:
        """A run by folder, by prefix of a folder in `root`, or "latest"."""
        run = cls(_locate(os.fspath(name), root), trust_code=trust_code)
        for plugin, digest in run.about["plugins"].items():
            if trust_code and registry.file_digest(run._plugin(plugin)) != digest:
                raise RunError(
                    say("a plug-in file was changed after training"),
                    where=run._plugin(plugin),
                    fix=say("restore the file that the run was made with"),
                )
        return run

    # what it is

    @cached_property
    def about(self) -> dict[str, Any]:
        """run.json: versions, machine, data fingerprint, specs, parents; see run_files.RunFacts.
        Raises RunError where it does not hold a run.
        """
        path = self.folder / "run.json"
        data = _read_json(path)
        if not isinstance(data, dict):
            raise RunError(
                say("run.json does not hold a run"), where=path, fix=say("restore the file")
            )
        version = data.get("format")
        if type(version) is not int or not 1 <= version <= FORMAT:
            raise RunError(
                say(
                    "the run has format {0}, this version reads up to {1}",
                    recipes.shown(version),
                    FORMAT,
                ),
                where=self.folder,
                fix="pip install --upgrade castalia",
            )
        facts = hold(RunFacts, data, say("run.json is damaged"), path, say("restore the file"))
        return {name: getattr(facts, name) for name in _OPTIONAL if name not in data} | data

    @property
    def id(self) -> str:
        return str(self.about["id"])

    @cached_property
    def recipe(self) -> recipes.Recipe:
        """recipe.yaml, as it is now."""
        path = self.folder / "recipe.yaml"
        raw = bounded.parse_yaml(
            _read_text(path, "yaml_bytes"), path, say("restore the file"), RunError
        )
        return self._resolved(raw, str(path))

    @property
    def trained_recipe(self) -> recipes.Recipe:
        """The recipe that training began with, from run.json; keys that are newer than the run have
        their defaults.
        """
        return self._resolved(
            json.loads(json.dumps(self.about["recipe"])), str(self.folder / "run.json")
        )

    def _resolved(self, raw: Any, where: str) -> recipes.Recipe:
        if not isinstance(raw, dict):
            raise RunError(
                say("the recipe of this run is damaged"), where=where, fix=say("restore the file")
            )
        for kind in ("codec", "family"):
            part = raw.get(kind)
            if isinstance(part, dict) and registry.is_path(str(part.get("name"))):
                part["name"] = self._plugin(part["name"])
        return recipes.from_dict(raw, where=where, trust=self._trust)

    @property
    def spec(self) -> Spec:
        """As the family was built with; the grammar of tokens is the codec's."""
        return self.codec.spec

    @property
    def conditions(self) -> dict[str, Condition]:
        return {name: spec_from_json(data) for name, data in self.about["conditions"].items()}

    @cached_property
    def codec(self) -> Codec[Any]:
        part = self.recipe.codec
        path = self.folder / "codec.json"
        codec: Codec[Any] = registry.resolve("codec", part.name, trust=self._trust)(part.config)
        tensors = tensor_file.read(self.folder / "codec.safetensors")
        tensor_file.require_finite(tensors, self.folder / "codec.safetensors")
        try:
            state = _read_json(path)
            if not isinstance(state, dict):
                raise RunError(
                    say("codec.json does not hold a codec"), where=path, fix=say("restore the file")
                )
            restored = codec.restore(state, tensors)
            same = restored.spec == spec_from_json(self.about["spec"])
        except ValidationError as error:
            raise RunError(
                say("codec.json does not fit the codec '{0}': {1}", part.name, problems_of(error)),
                where=path,
                fix=say("restore the file"),
            ) from error
        except RunError:
            raise
        except CastaliaError as error:
            raise RunError(
                say("codec.json does not fit the codec '{0}': {1}", part.name, error.what),
                where=path,
                fix=say("restore the file"),
            ) from error
        if not same:
            raise RunError(
                say("codec.json, recipe.yaml and run.json speak of other data"),
                where=self.folder,
                fix=say("restore the files as they were trained"),
            )
        return restored

    def build(self) -> Family:
        """The family with fresh weights, in the shape that it trains in."""
        from castalia.families.base import make
        from castalia.families.chained import chained, spec_between
        from castalia.nn import lora

        part, adapt = self.recipe.family, self.recipe.training.adapt
        # the recipe was resolved with the family's own Config
        config = cast("FamilyConfig", part.config)
        kind = registry.resolve("family", part.name, trust=self._trust)
        coder = self._coder()
        spec = self.spec if coder is None else spec_between(coder, kind)
        family: Family = make(kind, config, spec, self.conditions)
        if coder is not None:
            family = chained(coder, family)
        if adapt is not None:
            lora.adapt(family, adapt.lora, adapt.alpha)
        return family

    def _coder(self) -> Family | None:
        """The model that this one is chained to, with fresh weights; None where there is none."""
        from castalia.families.base import make

        chain = self.about["chain"]
        if chain is None:
            return None
        part = recipes.part_of("family", chain["family"], str(self.folder / "run.json"))
        conditions = {name: spec_from_json(data) for name, data in chain["conditions"].items()}
        return make(
            registry.resolve("family", part.name),
            cast("FamilyConfig", part.config),
            self.spec,
            cast("dict[str, Condition]", conditions),
        )

    def model(self, weights: str = "ema", step: int | None = None) -> Family:
        """The trained family in eval mode. weights: "ema" (falls back to "model" where averaging
        was off) or "model".
        """
        from castalia.nn import lora

        path = self.weights_path(weights, step)
        family = self.build()
        tensors = self._fitting(family, path)
        try:
            family.load_state_dict(tensors)
        except RuntimeError as error:
            raise RunError(
                say("the checkpoint does not fit the recipe: {0}", str(error).splitlines()[0]),
                where=self.folder,
                fix=say("restore recipe.yaml as it was trained"),
            ) from error
        if self.recipe.training.adapt is not None:
            lora.merge(family)
        return family.eval()

    def _fitting(self, family: Family, path: Path) -> dict[str, Tensor]:
        """Tensors of a file whose header names what the family has, shape by shape,
        read only then.
        """
        there = {name: one.shape for name, one in tensor_file.declared(path).items()}
        # some buffers take the size of what is loaded
        for name, tensor in family.named_parameters():
            if name in there and there[name] != tuple(tensor.shape):
                raise RunError(
                    say(
                        "the checkpoint does not fit the recipe: '{0}' is {1}, not {2}",
                        one_line(name, 80),
                        there[name],
                        tuple(tensor.shape),
                    ),
                    where=path,
                    fix=say("restore recipe.yaml as it was trained"),
                )
        tensors = tensor_file.read(path)
        tensor_file.require_finite(tensors, path)
        return tensors

    def weights_path(self, weights: str = "ema", step: int | None = None) -> Path:
        if weights not in ("ema", "model", "optimiser"):
            raise RunError(
                say("a run has no weights called {0}", recipes.shown(weights)),
                where=self.folder,
                fix=say("ema or model"),
            )
        step = self.last_step if step is None else step
        if step is None:
            raise RunError(
                say("the run has no checkpoint yet"),
                where=self.folder,
                fix=f"castalia train --resume {self.folder}",
            )
        path = self.checkpoint(step) / f"{weights}.safetensors"
        return path if path.exists() or weights == "model" else path.with_name("model.safetensors")

    def model_hash(self, weights: str = "ema", step: int | None = None) -> str:
        """SHA-256 of the weights' file."""
        path = self.weights_path(weights, step)
        with bounded.open_regular(path, RunError) as file:
            state = os.fstat(file.fileno())
        return _hash_at(path.resolve(), state.st_mtime_ns, state.st_size)

    @property
    def recipe_hash(self) -> str:
        """SHA-256 of the recipe that training began with."""
        return hashlib.sha256(json.dumps(self.about["recipe"], sort_keys=True).encode()).hexdigest()

    @property
    def finished(self) -> bool:
        """Whether training reached its end (the last step, or an early stop)."""
        step, total = self.last_step, self.total_steps
        return step is not None and (
            (total is not None and step >= total) or bool(self.state(step).get("stopped"))
        )

    @property
    def total_steps(self) -> int | None:
        """Steps of the whole training; where they follow from minutes, as they were decided last;
        None before that.
        """
        decisions = self.decisions()
        return decisions[-1][1] if decisions else self.recipe.training.steps

    # checkpoints

    def checkpoint(self, step: int) -> Path:
        return self.folder / "checkpoints" / f"step-{step:08d}"

    @property
    def steps(self) -> list[int]:
        matches = (
            _STEP.fullmatch(path.name)
            for path in (self.folder / "checkpoints").glob("step-*")
            if (path / "state.json").exists()
        )
        return sorted(int(match[1]) for match in matches if match)

    @property
    def last_step(self) -> int | None:
        return self.steps[-1] if self.steps else None

    def state(self, step: int) -> dict[str, Any]:
        """state.json; see run_files.CheckpointFacts."""
        path = self.checkpoint(step) / "state.json"
        return hold(
            CheckpointFacts, _read_json(path), say("the checkpoint is damaged"), path, _OLDER
        ).model_dump()

    def tensors(self, step: int, name: str) -> dict[str, Tensor]:
        """One of the groups that `save` wrote. Raises RunError for a file that is damaged, or holds
        numbers that are none.
        """
        path = self.checkpoint(step) / f"{name}.safetensors"
        tensors = tensor_file.read(path)
        tensor_file.require_finite(tensors, path)
        return tensors

    def save(
        self, step: int, groups: dict[str, dict[str, Tensor]], state: dict[str, Any], keep: int
    ) -> None:
        """One checkpoint: all groups of tensors and the state, or nothing. Then the oldest beyond
        `keep` go.
        """
        with atomic.folder(self.checkpoint(step)) as temporary:
            for name, tensors in groups.items():
                (temporary / f"{name}.safetensors").write_bytes(dump(tensors))
            (temporary / "state.json").write_text(json.dumps({"step": step, **state}))
        # of ema where there is one, as `model` takes it
        user_dirs.remember(self.id, self.folder, step=step, model=self.model_hash(step=step))
        for old in self.steps[:-keep]:
            shutil.rmtree(self.checkpoint(old))

    # decisions of a run with training.minutes, see training/time_budget.py

    @property
    def plan_path(self) -> Path:
        return self.folder / "plan.jsonl"

    def decide(self, step: int, steps: int, seconds: float) -> None:
        """Appends a decision, made after `seconds`: from `step` on the schedule has so
        many steps.
        """
        with open(self.plan_path, "a", encoding="utf-8") as file:
            file.write(
                json.dumps({"step": step, "steps": steps, "seconds": round(seconds, 3)}) + "\n"
            )

    def decisions(self) -> list[tuple[int, int]]:
        """(step, steps) of every decision, in order; [] of a run whose recipe gives its steps."""
        if not self.plan_path.exists():
            return []
        what, fix, decisions = (
            say("plan.jsonl is damaged"),
            say("restore the file, or train a new run"),
            list[tuple[int, int]](),
        )
        for number, line in enumerate(bounded.text_lines(self.plan_path, RunError), 1):
            if line.rstrip().endswith("}"):  # a kill may cut the last line short
                where = f"{self.plan_path}, line {number}"
                row = hold(
                    DecisionFacts, bounded.parse_json(line, where, fix, RunError), what, where, fix
                )
                decisions.append((row.step, row.steps))
        if decisions and (
            decisions[0][0] != 0
            or [step for step, _ in decisions] != sorted({step for step, _ in decisions})
        ):
            raise RunError(what, where=self.plan_path, fix=fix)
        return decisions

    def settle(self) -> None:
        """When training is over: the steps that were decided stand in recipe.yaml in place of
        minutes, so that it trains the same model again.
        """
        if self.finished and self.recipe.training.minutes is not None:
            atomic.write(
                self.folder / "recipe.yaml", self.recipe.settled(self.decisions()).to_yaml()
            )
            self.__dict__.pop("recipe", None)

    # log

    @property
    def metrics_path(self) -> Path:
        return self.folder / "metrics.jsonl"

    def record(self, row: dict[str, Any]) -> None:
        with open(self.metrics_path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """Rows of metrics.jsonl in their order; see run_files.MetricFacts. A line that a kill cut
        short is passed over.
        """
        if not self.metrics_path.exists():
            return []
        rows = []
        for number, line in enumerate(bounded.text_lines(self.metrics_path, RunError), 1):
            if not line.rstrip().endswith("}"):
                continue
            try:
                row = json.loads(line)  # losses may be NaN, which `bounded.parse_json` refuses
            except (ValueError, RecursionError) as error:
                raise RunError(
                    say("metrics.jsonl is damaged"),
                    where=say("{0}, line {1}", self.metrics_path, number),
                    fix=say("remove the line"),
                ) from error
            hold(
                MetricFacts,
                row,
                say("metrics.jsonl is damaged"),
                f"{self.metrics_path}, line {number}",
                say("remove the line"),
            )
            rows.append(row)
        return rows

    def truncate_metrics(self, step: int) -> None:
        """Forget what was logged after `step`: a resumed run logs it again."""
        rows = [row for row in self.metrics() if row["step"] <= step]
        atomic.write(self.metrics_path, "".join(json.dumps(row) + "\n" for row in rows))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Held while training; a second writer is refused. The kernel drops the lock if the process
        dies.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunError(
                    say("another process is writing this run"),
                    where=self.folder,
                    fix=say("wait for it, or stop it first"),
                ) from error
            # a kill in the middle of a checkpoint
            for rubbish in (self.folder / "checkpoints").glob(".step-*"):
                shutil.rmtree(rubbish)
            yield

    def _plugin(self, name: str) -> str:
        file, _, attribute = name.partition(":")
        return f"{self.folder / Path(file).name}:{attribute}"


def versions() -> dict[str, Any]:
    """Versions and machine facts that can change the last bit of a result."""
    import torch

    import castalia

    return {
        "castalia": castalia.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def listing(root: Path = ROOT) -> list[Run]:
    """Runs in `root`, oldest first."""
    folders = [path.parent for path in root.glob("*/run.json")]
    return [
        Run(folder)
        for folder in sorted(folders, key=lambda folder: (folder / "run.json").stat().st_mtime)
    ]


def _locate(name: str, root: Path) -> Path:
    if (Path(name) / "run.json").exists():
        return Path(name)
    runs = listing(root)
    if name == "latest":
        if runs:
            return runs[-1].folder
        raise RunError(
            say("there is no run yet"), where=root, fix="castalia train image/vae builtin/digits"
        )
    folders = [run.folder for run in runs if run.folder.name.startswith(name)]
    if len(folders) == 1:
        return folders[0]
    if folders:
        raise RunError(
            say("'{0}' is the beginning of {1} runs", name, len(folders)),
            where=root,
            fix=say("one of: {0}", ", ".join(folder.name for folder in folders[:5])),
        )
    raise RunError(
        say("there is no run called '{0}'", name),
        where=root,
        fix=say("castalia list runs, or give the folder of a run"),
    )


@lru_cache(maxsize=64)
def _hash_at(path: Path, changed: int, size: int) -> str:
    """SHA-256 of a file as it was at `changed`; not computed anew for each of many outputs of one
    run.
    """
    with bounded.open_regular(path, RunError) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_text(path: Path, limit: str = "json_bytes") -> str:
    try:
        return bounded.read_text(path, limit, RunError)
    except RunError as error:
        raise RunError(
            say("cannot read {0}: {1}", path.name, error.what),
            where=path,
            fix=say("this folder is not a whole run; restore the file"),
        ) from error


def _read_json(path: Path) -> Any:
    return bounded.parse_json(_read_text(path), path, say("restore the file"), RunError)


def dump(tensors: dict[str, Tensor]) -> bytes:
    """The bytes of a safetensors file; they depend on the values alone, not on the layout in
    memory.
    """
    from safetensors.torch import save

    return save(
        {name: tensor.detach().contiguous().cpu().clone() for name, tensor in tensors.items()}
    )


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    atomic.write(path, dump(tensors))
