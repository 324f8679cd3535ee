"""What cannot be solved does not leave: it is drawn again, mended, or refused at the gate.

A model with random weights draws few levels that can be solved.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.apps.command import inside
from tests.untrained import untrained

import castalia
from castalia.errors import RecipeError, Refused
from castalia.governance.release_gate import Gate
from castalia.modalities.level.codec import LevelCodec
from castalia.modalities.level.contract import rooms
from castalia.modalities.level.copies import Levels
from castalia.modalities.level.level import Level, symmetries
from castalia.run import Run
from castalia.sampling.edit import edit_of, options_of
from castalia.sampling.generate import generate, request_of
from castalia.sampling.vetting import flaw_of
from castalia.serving.generation import GenerationService
from castalia.spec import Classes

RULES = """
play: walk
wall: "#"
doors: "D"
least: 2
bands: {near: 0, far: 3}
"""
ITEMS = [Level(("#D#", "...", "#D#")), Level(("D#D", "...", "#.#"))]
SHUT = Level(("D#D", "###", "..."))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("levels")
    (folder / "mine.yaml").write_text(RULES)
    made = untrained(
        folder / "run",
        "level/ar",
        ITEMS,
        f"codec.rules={folder / 'mine.yaml'}",
        "family.width=16",
        "family.depth=1",
        "family.heads=2",
    )
    (folder / "mine.yaml").unlink()  # the run knows its rules
    return Run.open(made.folder)


def test_all_that_is_drawn_can_be_solved_and_says_how_often_it_was_drawn(run: Run):
    samples = list(generate(run, request_of(run, 40, 0)))
    tries = [one.facts["tries"] for one in samples]
    assert all(run.codec.outcome(one.item).solved for one in samples)
    assert max(tries) > 1 and sum(one.facts["tries"] == 1 for one in samples) < 40
    assert samples[0].facts["solution_steps"] == run.codec.outcome(samples[0].item).steps


def test_a_sample_depends_on_its_seed_and_index_alone_however_often_others_are_drawn(run: Run):
    many = list(generate(run, request_of(run, 12, 3)))
    few = list(generate(run, replace(request_of(run, 2, 3), first=5)))
    assert [one.item for one in few] == [one.item for one in many[5:7]]


def test_a_wish_is_met_or_refused_with_what_was_reached(run: Run, tmp_path: Path):
    asked = replace(request_of(run, 6, 0), constraint="steps:2-3")
    assert {run.codec.outcome(one.item).steps for one in generate(run, asked)} <= {2, 3}
    (one,) = generate(run, replace(asked, n=1, constraint="steps:900"))
    assert one.facts["tries"] == run.codec.tries and "not 900 to 900" in one.facts["flaw"]
    with pytest.raises(Refused) as caught:
        gate = Gate(run)
        gate.emit(one.item, tmp_path / "a.txt", gate.facts(one))
    assert "none of 64 draws" in str(caught.value.what) and not (tmp_path / "a.txt").exists()
    assert castalia.sample(run, n=2, constraint="steps:900", progress=False) == []
    with pytest.raises(RecipeError, match="no such constraint"):
        list(generate(run, replace(asked, constraint="verse:7x4")))


def test_the_gate_lets_out_nothing_that_cannot_be_solved(run: Run, tmp_path: Path):
    gate = Gate(run)
    with pytest.raises(Refused, match="no way leads"):
        gate.emit(SHUT, tmp_path / "a.txt", gate.facts_of(edit="infill"))
    with pytest.raises(Refused, match="no way leads"):
        gate.emit_bytes(SHUT, gate.facts_of())
    assert list(tmp_path.iterdir()) == []
    assert gate.emit(ITEMS[0], tmp_path / "b.txt", gate.facts_of()).is_file()


def test_a_difficulty_that_was_asked_for_is_judged_by_name_or_number(run: Run):
    conditions = {"difficulty": Classes(("far", "near"))}
    steps = run.codec.outcome(ITEMS[0]).steps
    assert run.codec.rules.band(steps) == "near"
    for asked, fits in (("near", True), (1, True), ("far", False), ("0", False)):
        flaw = flaw_of(run.codec, conditions, ITEMS[0], {"difficulty": asked}, None)
        assert (flaw == "") == fits, asked
    assert flaw_of(run.codec, {}, ITEMS[0], {"label": "x"}, None) == ""


def test_files_are_made_again_from_their_manifests(run: Run, tmp_path: Path):
    out, again = tmp_path / "out", tmp_path / "again"
    words = ["sample", str(run.folder), "-n", "8", "--seed", "2", "--out", str(out)]
    inside(*words, "--format", "txt", "--format", "tmj", "--format", "png", cwd=tmp_path)
    late = [
        path
        for path in sorted(out.glob("*.txt"))
        if json.loads(path.with_suffix(".json").read_text())["tries"] > 1
    ]
    assert late and len(list(out.glob("*.tmj"))) == len(list(out.glob("*.png"))) == 8
    inside("reproduce", str(late[0]), "--run", str(run.folder), "--out", str(again), cwd=tmp_path)
    assert list(LevelCodec().read(out / "00000.tmj")) == list(LevelCodec().read(out / "00000.txt"))


def test_a_part_is_made_anew_and_the_rest_stays(run: Run):
    chosen = edit_of("infill", run.codec)
    options = options_of("infill", chosen, {"area": "2,1-3", "steps": 5, "temperature": 3})
    made = chosen.run(run.model(), run.codec, [ITEMS[1]], options, 0, {})
    assert len(made) == 5 and len(set(made)) > 1
    assert all((one.rows[0], one.rows[2]) == ("D#D", "#.#") for one in made)
    assert all(run.codec.outcome(one).solved for one in made)
    for area, why in ((None, "name the part"), ("2-9,1-3", "does not lie in the level")):
        options = options_of("infill", chosen, {"area": area, "steps": 1})
        with pytest.raises(RecipeError, match=why):
            chosen.run(run.model(), run.codec, [ITEMS[1]], options, 0, {})
    with pytest.raises(RecipeError, match="an area is rows and columns"):
        options_of("infill", chosen, {"area": "all"})


def test_a_server_draws_again_too(run: Run):
    """`compose` of what the codec vets is one call of `generate`."""
    asked = []

    async def gather(hosted: object, request: object, suffix: object) -> list[object]:
        asked.append((hosted, request, suffix))
        return []

    hosted = SimpleNamespace(codec=run.codec)
    service: Any = SimpleNamespace(gather=gather)
    made = GenerationService.compose(service, hosted, "request", ".txt")  # type: ignore[arg-type]
    assert asyncio.run(made) == [] and asked == [(hosted, "request", ".txt")]


def test_copies_are_found_as_they_are_mirrored_turned_and_changed(run: Run):
    training = rooms(80, "copies")
    codec = LevelCodec(LevelCodec.Config(rules="dungeon"))
    codec.fit(training)
    matcher = Levels(codec, training)
    rng = torch.Generator().manual_seed(0)
    turned = symmetries(training[7])["turned 1"]
    found = matcher.match([training[3], symmetries(training[5])["mirrored"], turned])
    assert found.train.tolist() == [3, 5, 7] and found.residual.tolist() == [0, 0, 0]
    assert found.kinds == ["exact", "mirrored", "turned"]
    near = matcher.match(matcher.plant(training[:20], "near", rng))
    assert near.train.tolist() == list(range(20)) and set(near.kinds) <= {"near", "exact"}
    new = matcher.match(rooms(20, "other"))
    assert near.distance.max() < new.distance.min()
    state, tensors = matcher.state()
    again = Levels.restore(codec, json.loads(json.dumps(state)), tensors)
    assert again.match(training[:3]).train.tolist() == [0, 1, 2]
