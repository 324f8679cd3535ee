"""Edits in latent spaces at the command line: their items, their sheets, and what `castalia
reproduce` makes of the manifests alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from castalia.modalities.image.codec import read_manifest
from tests.apps.command import TINY, inside
from tests.apps.test_bad_input import fails
from tests.texts import SHORT, corpus


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures of two classes, and runs of them: `vae`, `gan`, and `untold`, which
    was told no classes.
    """
    folder = tmp_path_factory.mktemp("latents")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(30):
            picture = rng.integers(level - 40, level + 40, (8, 8), dtype=np.uint8)
            PIL.Image.fromarray(picture).save(folder / "data" / name / f"{number}.png")
    for run, recipe, *more in (
        ("vae", "image/vae"),
        ("gan", "image/gan"),
        ("untold", "image/vae", "data.conditional=false"),
    ):
        inside("train", recipe, "data", *TINY, *more, "--out", run, cwd=folder)
    return folder


def made(place: Path, run: str, kind: str, *words: object, inputs: tuple[str, ...]) -> list[Path]:
    """The files of an edit, of which the last is made again, to the byte."""
    out = place / "out" / f"{run}-{kind}"
    said = inside("edit", run, kind, *inputs, *words, "--out", out, "--json", cwd=place)
    found, _ = json.JSONDecoder().raw_decode(said)
    page = (out / "sheet.html").read_text(encoding="utf-8")
    assert page.count("<img") == len(found["files"]) + len(inputs)
    given = [word for one in inputs for word in ("--inputs", one)]
    last = out / found["files"][-1]
    again = inside("reproduce", last, "--out", "again", *given, cwd=place)
    assert "identical, byte for byte" in again
    shutil.rmtree(place / "again")
    return [out / name for name in found["files"]]


DARK = ("data/dark/0.png", "data/dark/1.png")
BOTH = ("data/dark/0.png", "data/light/1.png")


@pytest.mark.parametrize("run", ["vae", "gan"])
def test_every_edit_is_made_again_from_its_manifest(place: Path, run: str) -> None:
    (mixed,) = made(place, run, "mix", "--shares", "0.8,0.2", inputs=BOTH)
    facts = read_manifest(mixed)
    assert (facts["edit"], facts["shares"], facts["labels"]) == (
        "mix",
        "0.8,0.2",
        ["dark", "light"],
    )
    assert len(made(place, run, "invert", inputs=DARK)) == 2
    styled = made(place, run, "style", "--to", "light", inputs=DARK)
    assert len(styled) == 2 and read_manifest(styled[0])["to"] == "light"
    moved = made(place, run, "direction", "--number", 2, "--steps", 3, inputs=DARK)
    assert len(moved) == 6
    assert len({path.read_bytes() for path in moved}) == 6


def test_a_direction_of_a_class_is_learned_from_the_runs_data(place: Path) -> None:
    for run in ("vae", "untold"):  # classes that the run was not told count, too
        moved = made(place, run, "direction", "--along", "light", "--steps", 2, inputs=DARK[:1])
        assert read_manifest(moved[0])["along"] == "light"
    words = ("--along", "light", "--steps", 2)
    last = place / "out" / "vae-direction" / "00001.png"
    fails(
        "edit", "vae", "direction", DARK[0], "--along", "ligt", "--out", "x", cwd=place, code=2,
        says="did you mean 'light'",
    )  # fmt: skip
    fails(
        "edit", "gan", "direction", DARK[0], *words, "--out", "x", cwd=place, code=3,
        says="learn a direction from a class",
    )  # fmt: skip
    shutil.move(place / "data", place / "elsewhere")
    shutil.copytree(place / "elsewhere" / "dark", place / "given")
    try:
        fails(
            "reproduce", last, "--inputs", "given/0.png", "--out", "again", cwd=place, code=4,
            says="learned from the run's training data",
        )  # fmt: skip
        # nothing else needs them
        inside("edit", "vae", "direction", "given/0.png", "--steps", 2, "--out", "x", cwd=place)
    finally:
        shutil.move(place / "elsewhere", place / "data")


def test_style_needs_to_know_both_classes(place: Path, tmp_path: Path) -> None:
    shutil.copy(place / DARK[0], tmp_path / "one.png")
    own = tmp_path / "one.png"
    fails("edit", "vae", "style", DARK[0], "--out", "x", cwd=place, code=2, says="--to CLASS")
    fails(
        "edit", "vae", "style", own, "--to", "light", "--out", "x", cwd=place, code=2,
        says="class of input 1 is not known",
    )  # fmt: skip
    fails(
        "edit", "untold", "style", own, "--to", "light", "--out", "x", cwd=place, code=2,
        says="there are no classes",
    )  # fmt: skip
    inside(
        "edit", "vae", "style", own, "--to", "light", "--cond", "label=dark", "--out", "x",
        cwd=place,
    )  # fmt: skip


def test_texts_are_mixed_and_made_over(tmp_path: Path) -> None:
    """Sentences have latents as well, but no derivative to find directions by."""
    corpus(tmp_path / "texts" / "en", files=8)
    corpus(tmp_path / "texts" / "zh", files=8, language="zh")
    inside(
        "train", "text/seqvae", "texts", *SHORT, "data.conditional=true", "--out", "lines",
        cwd=tmp_path,
    )  # fmt: skip
    told = ("--cond", "label=en")
    for kind, more, count in (
        ("mix", ("the cat sees a dog.", "a dog sees the cat."), 1),
        ("invert", ("the cat sees a dog.",), 1),
        ("style", ("the cat sees a dog.", "--to", "zh"), 1),
        ("direction", ("the cat sees a dog.", "--along", "zh", "--steps", 3), 3),
    ):
        inside("edit", "lines", kind, *more, *told, "--out", kind, cwd=tmp_path)
        assert len(list((tmp_path / kind).glob("*.txt"))) == count
    fails(
        "edit", "lines", "direction", "the cat", "--out", "x", cwd=tmp_path, code=3,
        says="no derivative",
    )  # fmt: skip
