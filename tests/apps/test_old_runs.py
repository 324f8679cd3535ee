"""Runs made by commit d2c4311 still open, and answer as they did then.

tests/fixtures/runs holds one run of each family and form of data, and the answers of that version
(its README says how they were made). Neither the data nor the run that another one started from is
at hand here.
"""

from __future__ import annotations

import json
import re
import tarfile
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from castalia import Run
from castalia.spec import Batch
from castalia.verbs.reproduce import reproduce
from tests.apps.command import inside
from tests.fixtures.runs.make import answers, plain

ARCHIVES = Path(__file__).parents[1] / "fixtures" / "runs"
NAMES = sorted(path.name.removesuffix(".tar.gz") for path in ARCHIVES.glob("*.tar.gz"))


class Old:
    """An unpacked archive. facts, tensors: what make.answers gave then; now: what it
    gives today.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.run = Run.open(folder / "runs" / name)
        self.facts = json.loads((folder / "runs" / "answers.json").read_text(encoding="utf-8"))
        stored = load_file(folder / "runs" / "answers.safetensors")
        self.tensors = {key: value for key, value in stored.items() if "." not in key}
        self.batch = Batch(**_under("batch.", stored), cond=_under("cond.", stored))

    @property
    def made(self) -> list[Path]:
        """What the command line wrote then; the manifest of a text lies beside it."""
        return [
            path for path in (self.folder / "runs" / "made").iterdir() if path.suffix != ".json"
        ]

    @cached_property
    def now(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        return answers(self.run, self.batch)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
    }


@pytest.fixture(scope="module", params=NAMES)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    name, folder = request.param, tmp_path_factory.mktemp("old-runs")
    with tarfile.open(ARCHIVES / f"{name}.tar.gz") as tar:
        tar.extractall(folder / "runs", filter="data")
    with pytest.MonkeyPatch.context() as patch:
        if (folder / "runs" / "home").exists():  # a run on a base needs it, and the library for it
            pytest.importorskip("transformers")
            patch.setenv("CASTALIA_HOME", str(folder / "runs" / "home"))
        yield Old(folder, name)


def test_there_is_one_of_each() -> None:
    """The families and modalities of that commit, by name: today's lists would follow
    today's tree.
    """
    modalities, families = (
        set(part) for part in zip(*(name.split("-")[:2] for name in NAMES), strict=True)
    )
    assert modalities == {"array", "image", "music", "text"}
    assert families == {"ar", "chat", "gan", "pretrained", "seqvae", "vae", "vaegan"}


def test_files_hold_no_absolute_path(old: Old) -> None:
    for path in old.folder.rglob("*"):
        if path.is_file():
            assert re.search(rb"[\"' ]/\w+/", path.read_bytes()) is None, path


def test_it_is_listed_and_shown(old: Old) -> None:
    (listed,) = json.loads(inside("list", "runs", "--json", cwd=old.folder))
    assert (listed["run"], listed["steps"], listed["finished"]) == (
        old.facts["id"],
        old.facts["steps"],
        True,
    )
    assert old.facts["id"] in inside("show", old.name, cwd=old.folder)


def test_it_is_the_same_run(old: Old) -> None:
    """What it is, down to the hashes that its outputs carry, and its log."""
    same = ("id", "model", "recipe", "steps", "spec", "conditions", "parameters", "metrics")
    found, _ = old.now
    assert {name: found[name] for name in same} == {name: old.facts[name] for name in same}
    assert old.run.finished


def test_samples_are_the_same(old: Old) -> None:
    """Tokens and what they decode to, exactly. Dense samples nearly, because their last bits depend
    on the processor; near a threshold such a bit is a note, so decoding starts from the stored
    ones.
    """
    found, tensors = old.now
    then = old.tensors["x"]
    if then.dtype == torch.int64:
        assert torch.equal(tensors["x"], then)
        assert found["items"] == old.facts["items"] and found["ended"] == old.facts["ended"]
    else:
        torch.testing.assert_close(tensors["x"], then, rtol=1e-4, atol=1e-4)
        assert [plain(old.run.codec.decode(row)) for row in then] == old.facts["items"]


def test_likelihoods_and_latents_are_the_same(old: Old) -> None:
    """Also what is infilled. A model that could do it then can do it now."""
    _, tensors = old.now
    assert tensors.keys() == old.tensors.keys()
    for name in tensors.keys() - {"x"}:
        torch.testing.assert_close(
            tensors[name],
            old.tensors[name],
            rtol=1e-4,
            atol=1e-4,
            msg=lambda why, name=name: f"{name}: {why}",
        )


def test_what_it_made_is_its_own(old: Old) -> None:
    """A file that was written then: its manifest, its hashes and its line in the run's ledger still
    hold.
    """
    (made,) = old.made
    (finding,) = json.loads(inside("verify", made, "--run", old.name, "--json", cwd=old.folder))[
        "files"
    ]
    assert (finding["state"], finding["ledger_line"], finding["problems"]) == ("intact", 1, [])
    assert finding["manifest"]["model"] == old.facts["model"]
    assert old.run.codec.given(made), "it is read as an input"


def test_what_it_made_is_made_again(old: Old, tmp_path: Path) -> None:
    """Tokens exactly; of numbers the file's content may differ in a level on another processor."""
    (made,) = old.made
    remade = reproduce(made, tmp_path, run=old.run)
    assert remade.path.stat().st_size and (
        remade.same_content or old.tensors["x"].dtype != torch.int64
    )
