"""Kinds of edits: their options are checked, go into manifests and come back, and are the flags of
the command line and the fields of the server, whoever adds the edit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import Field
from tests.untrained import untrained

from castalia import modality
from castalia.cli import edit as verb
from castalia.cli.main import parser_of
from castalia.errors import PluginError, RecipeError
from castalia.governance.policy import known_options
from castalia.sampling.edit import (
    Edit,
    EditOptions,
    Versions,
    edit_of,
    every,
    facts_of,
    kinds,
    options_in,
    options_of,
)


class Shuffle(Edit):
    """What another package could add: a kind of edit with options of every type."""

    class Options(Versions):
        pins: tuple[str, ...] = Field((), description="shuffle: what stays in its place")
        swaps: int = Field(3, ge=1, le=9, description="shuffle: how many are swapped")
        order: str | None = Field(None, max_length=8, description="shuffle: up or down")
        portion: float = Field(0.25, gt=0, le=1, description="shuffle: of all places")

    def run(self, model, codec, items, options, seed, cond):
        return [sorted(item, reverse=options.order == "down") for item in items]


@pytest.fixture
def shuffled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modality of arrays has an edit of its own."""
    entry = modality.Named(f"{__name__}:Shuffle", "shuffles")
    monkeypatch.setattr(modality, "load", lambda target, owner: _loaded(target, owner))
    with_edit = replace(modality.every()["array"], edits={"shuffle": entry})
    known = MappingProxyType({**modality.every(), "array": with_edit})
    monkeypatch.setattr(modality, "every", lambda: known)
    yield


_load = modality.load


def _loaded(target: str, owner: str) -> Any:
    return Shuffle if target.endswith(":Shuffle") else _load(target, owner)


class Codec:
    """Only what the lookup of edits asks a codec for."""

    def __init__(self, name: str) -> None:
        self.name = name


ALL = list(every())


@pytest.mark.parametrize(("kind", "edit"), ALL, ids=[f"{kind}-{one.__name__}" for kind, one in ALL])
def test_every_option_has_a_description_a_bound_and_a_default(kind: str, edit: type[Edit]) -> None:
    schema = edit.Options.model_json_schema()
    assert "required" not in schema and set(schema["properties"]) == set(edit.Options.model_fields)
    limits = ("maximum", "maxLength", "maxItems", "pattern", "enum", "exclusiveMaximum")
    for name, about in schema["properties"].items():
        assert about["description"], name
        bounds = json.dumps(about)
        assert any(word in bounds for word in limits), name


@pytest.mark.parametrize(("kind", "edit"), ALL, ids=[f"{kind}-{one.__name__}" for kind, one in ALL])
def test_a_manifest_gives_the_options_back(kind: str, edit: type[Edit]) -> None:
    given = {"steps": 3, "strength": 0.25, "temperature": 0.5, "keep": ["alto"], "bars": "2-5"}
    given |= {"shares": "0.7,0.3", "to": "cat", "along": "cat", "number": 2, "amount": -1.5}
    own = {name: value for name, value in given.items() if name in edit.Options.model_fields}
    options = options_of(kind, edit(), own)
    manifest = json.loads(json.dumps(facts_of(kind, options, 7, {"label": "3"}) | {"index": 1}))
    assert manifest["edit"] == kind and manifest["seed"] == 7 and manifest["cond"] == {"label": "3"}
    assert options_of(kind, edit(), options_in(manifest, edit.Options)) == options
    old = {name: value for name, value in manifest.items() if name not in edit.Options.model_fields}
    assert options_of(kind, edit(), options_in(old, edit.Options)) == edit.Options()
    # as every edit wrote it once
    assert options_of(kind, edit(), options_in({**manifest, "strength": 0.25}, edit.Options))


def test_what_an_edit_does_not_have_is_refused() -> None:
    for kind, given in (
        ("vary", {"redraw": 2}),
        ("interpolate", {"strength": 0.1}),
        ("infill", {"keep": ["soprano"]}),
    ):
        with pytest.raises(RecipeError, match=f"'{kind}' has no option '{next(iter(given))}'"):
            options_of(kind, edit_of(kind, Codec("text")), given)  # type: ignore[arg-type]
    vary = edit_of("vary", Codec("text"))  # type: ignore[arg-type]
    for given in ({"strength": 1.5}, {"strength": float("nan")}, {"steps": 0}, {"steps": True}):
        with pytest.raises(RecipeError, match="the option"):
            options_of("vary", vary, given)
    with pytest.raises(RecipeError, match="one of: interpolate, vary, mix, style"):
        edit_of("paint", Codec("text"))  # type: ignore[arg-type]


def test_bars_as_people_write_them() -> None:
    edit = edit_of("infill", Codec("music"))  # type: ignore[arg-type]
    for text, bars in (("5-8", (5, 8)), ("5", (5, 5)), (" 2 - 3 ", (2, 3)), ((1, 4), (1, 4))):
        assert options_of("infill", edit, {"bars": text}).bars == bars  # type: ignore[attr-defined]
    for text in ("all", "5-", "-5", "1-2-3", "٣", "0-2", (1,), "9" * 5000, ""):
        with pytest.raises(RecipeError, match="option bars"):
            options_of("infill", edit, {"bars": text})


def test_an_edit_of_another_package_is_everywhere(shuffled: None) -> None:
    assert "shuffle" in kinds() and {"pins", "swaps", "order", "portion"} <= set(known_options())
    edit = edit_of("shuffle", Codec("array"))  # type: ignore[arg-type]
    assert isinstance(edit, Shuffle) and edit.results(2, edit.Options(steps=4)) == 8
    with pytest.raises(RecipeError, match="no edit called 'shuffle'"):
        edit_of("shuffle", Codec("text"))  # type: ignore[arg-type]
    flags = {
        name: verb._flag(name, fields)
        for name, fields in verb._fields().items()
        if name in edit.Options.model_fields
    }
    assert {name: flag.default for name, flag in flags.items()} == {
        "steps": 8,
        "pins": None,
        "swaps": 3,
        "order": None,
        "portion": 0.25,
    }
    assert flags["pins"].annotation.__args__[0] == list[str] | None


def test_names_that_manifests_need_are_taken() -> None:
    with pytest.raises(PluginError, match="cannot be called 'seed'"):

        class Options(EditOptions):
            seed: int = 3


def test_the_flags_of_the_command_line_are_the_options() -> None:
    parameters = {one.name: one for one in parser_of("edit").params}
    for _, edit in every():
        for name, field in edit.Options.model_fields.items():
            assert parameters[name].help == field.description
            assert parameters[name].opts == [f"--{name}"]
    assert parameters["strength"].default == 0.5 and parameters["bars"].default is None
    assert parameters["bars"].metavar == "A-B" and parameters["keep"].multiple


def test_edits_of_a_run_say_what_they_cannot(tmp_path: Path) -> None:
    import castalia

    run = untrained(tmp_path / "run", "text/ar", ["abc " * 30] * 4, "codec.tokenizer=byte")
    with pytest.raises(castalia.CastaliaError, match="vary"):
        castalia.edit(run, "vary", ["abc"])
    with pytest.raises(RecipeError, match="has no option 'bars'"):
        castalia.edit(run, "infill", ["a[[2]]c"], bars=(1, 2))
