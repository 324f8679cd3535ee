"""A run that mends and draws nothing, through the verbs: it trains, shows what it mends, is judged
by its edits, and whatever needs samples is refused with what to do instead.
"""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

import castalia
from castalia.cli.train import next_steps
from castalia.errors import AbilityError
from castalia.governance.card import render
from castalia.run import Run
from castalia.sampling import previews
from castalia.serving.loaded_runs import Hosted
from castalia.training.setup import open_data
from castalia.verbs.evaluate import evaluate_edits

SHORT = {
    "training.steps": 4,
    "training.batch": 4,
    "training.threads": 1,
    "training.sample_every": 4,
    "data.limit": 80,
    "family.width": 8,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("restorer") / "run"
    return castalia.train("image/denoise", "builtin/digits", SHORT, out=folder)


def test_sheets_show_data_damaged_mended_and_as_they_were(run: Run) -> None:
    (file,) = previews.files(run.folder / "samples").values()
    page = (run.folder / "training.html").read_text("utf-8")
    assert "damaged, mended and as they were" in page and "--edits" in page
    sheet = previews.drawn(run.model(), open_data(run))
    codec, real = run.codec, previews.real(open_data(run))
    assert len(sheet.items) == 3 * previews.MENDED and sheet.x is None
    shown = {item.tobytes() for item in real.items}
    assert all(item.tobytes() in shown for item in sheet.items[2::3])
    assert not any(item.tobytes() in shown for item in sheet.items[0::3])
    with PIL.Image.open(file) as drawn:
        assert drawn.size == codec.preview(sheet.items).size


def test_it_is_judged_by_its_edits(run: Run) -> None:
    rows = evaluate_edits(run)["rows"]
    assert {row["task"].partition(",")[0] for row in rows} == {"denoise"}
    with pytest.raises(AbilityError, match="draws nothing") as caught:
        castalia.evaluate(run)
    assert "--edits" in caught.value.fix


def test_what_needs_samples_is_refused(run: Run) -> None:
    for verb in (castalia.sample, castalia.audit):
        with pytest.raises(AbilityError, match="cannot sample"):
            verb(run, n=2)


def test_it_edits_what_it_has_learned(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    PIL.Image.effect_noise((8, 8), 40).save(path)
    one, other = (castalia.edit(run, "denoise", [path], noise=40, seed=seed) for seed in (0, 1))
    assert one[0].size == (8, 8) and one[0].tobytes() == other[0].tobytes()
    with pytest.raises(AbilityError, match="has not learned to upscale"):
        castalia.edit(run, "upscale", [path])


def test_people_are_told_what_it_is_for(run: Run) -> None:
    lines = "\n".join(next_steps(run))
    assert "--edits" in lines and f"castalia edit {run.folder} denoise" in lines
    assert "sample" not in lines and "upscale" not in lines
    hosted = Hosted("one", run)
    assert hosted.features == ("denoise",)
    assert "restorer" in render(run)
