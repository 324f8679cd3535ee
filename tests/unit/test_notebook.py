"""What a notebook shows, and the verbs in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tests.apps.command import TINY

import castalia
from castalia.pages.notebook import Result


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> castalia.Run:
    options = [*TINY, "data.limit=120", "training.sample_every=2"]
    return castalia.train(
        "image/vae", "builtin/digits", options, out=tmp_path_factory.mktemp("notebook") / "run"
    )


def test_a_run_shows_what_it_is_and_its_last_sheet(run: castalia.Run):
    shown = run._repr_html_()
    assert "image/vae" in shown and "4 of 4 steps" in shown and "data:image/png;base64," in shown


def test_samples_and_edits_show_themselves(run: castalia.Run):
    samples = castalia.sample(run, n=40)
    assert isinstance(samples, list) and len(samples) == 40
    assert "<img" in samples._repr_html_() and "8 more" in samples._repr_html_()
    varied = castalia.edit(run, "vary", [_saved(run, samples[0].item)], steps=2)
    assert (
        len(varied) == 2
        and isinstance(varied[0], PIL.Image.Image)
        and "<img" in varied._repr_html_()
    )


def _saved(run: castalia.Run, item: PIL.Image.Image) -> str:
    path = run.folder.parent / "given.png"
    item.save(path)
    return str(path)


def test_results_are_documents_that_show_their_page(run: castalia.Run, tmp_path: Path):
    result = castalia.audit(run, n=20)
    assert (
        result["schema"]
        and "<iframe srcdoc=" in result._repr_html_()
        and 'sandbox=""' in result._repr_html_()
    )
    gone = Result({"a": 1}, tmp_path / "page <none>.html")
    assert (
        gone == {"a": 1}
        and gone._repr_html_() == f"<p><code>{tmp_path}/page &lt;none&gt;.html</code></p>"
    )
    np.save(tmp_path / "numbers.npy", np.random.default_rng(0).normal(size=(50, 3)))
    assert "<iframe" in castalia.check(tmp_path)._repr_html_()


def test_export_is_a_verb_and_a_package(run: castalia.Run, tmp_path: Path):
    from castalia.export import targets

    made = castalia.export(str(run.folder), "safetensors", tmp_path / "out")
    assert made.folder == (tmp_path / "out").resolve() and targets.MANIFEST in {
        path.name for path in made.folder.iterdir()
    }


def test_every_public_name_is_there():
    assert {name for name in castalia.__all__ if getattr(castalia, name) is None} == set()
