"""Sheets of samples while a model trains: they change no weight, are measured, shown on a page that
reloads itself, survive a kill, and become a film.
"""

from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from tests.clock import Clock
from tests.listening import recorded
from tests.texts import SHORT, corpus

import castalia
from castalia.cli import console
from castalia.cli.main import main
from castalia.errors import RunError
from castalia.evaluation.sheet_distance import Distance
from castalia.evaluation.training_page import TrainingPage
from castalia.language import using
from castalia.recipe_sections import TrainConfig
from castalia.run import Run
from castalia.sampling import previews
from castalia.sampling.film import write_film
from castalia.training import time_budget
from castalia.training.held_out import HeldOut
from castalia.training.hooks import Progress
from castalia.training.setup import open_data
from castalia.training.time_budget import SHEETS, SheetTimes

TINY = {
    "codec.size": 8,
    "family.width": 8,
    "training.batch": 8,
    "training.steps": 6,
    "training.threads": 1,
    "training.log_every": 2,
    "training.save_every": 2,
    "data.limit": 600,
}


def made_in(clock: Clock, config: TrainConfig, seconds: float, cost: float) -> list[float]:
    """When sheets are made in a training of so many seconds, with steps of a second."""
    times, begun, made, step = SheetTimes(config), clock.now, [], 0
    while clock.now - begun < seconds:
        clock.now += 1
        step += 1
        if times.due(step):
            made.append(clock.now - begun)
            clock.now += cost
            times.made(cost)
    return made


def test_sheets_come_every_half_minute_and_take_no_more_than_their_share(clock: Clock):
    assert made_in(clock, TrainConfig(), 100, 0.1)[:4] == pytest.approx([1, 31, 61, 91], abs=1)
    for cost in (0.5, 3.0, 20.0):
        assert (len(made_in(clock, TrainConfig(), 3600, cost)) - 1) * cost <= SHEETS * 3600
    assert len(made_in(clock, TrainConfig(), 24 * 3600, 0.1)) < 300
    assert made_in(clock, TrainConfig(sample_every=40), 100, 0.0) == [40, 80]
    assert made_in(clock, TrainConfig(sample_every=0), 100, 0.0) == []
    assert len(made_in(clock, TrainConfig(sample_seconds=5), 60, 0.0)) == 12


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("image/gan", {}),
        ("image/vaegan", {}),
        # the samples then come from the very module that learns, batch norm and all
        ("image/gan", {"training.ema": 0.0}),
        ("image/vae", {"training.ema": 0.0, "family.norm": "batch"}),
    ],
)
def test_sheets_change_no_weight(recipe: str, more: dict[str, Any], tmp_path: Path):
    runs = [
        castalia.train(
            recipe,
            "builtin/digits",
            {**TINY, **more, "training.sample_every": every},
            out=tmp_path / f"{every}",
        )
        for every in (0, 1)
    ]
    assert len(previews.files(runs[1].folder / "samples")) == 6
    assert not (runs[0].folder / "training.html").exists()
    for group in ("model", "optimiser", *(["ema"] if "training.ema" not in more else [])):
        one, other = (run.tensors(6, group) for run in runs)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one), group


def test_sheets_of_tokens_change_no_weight_either_and_the_page_holds_their_texts(tmp_path: Path):
    corpus(tmp_path / "texts")
    short = [one for one in SHORT if "sample_every" not in one]
    runs = [
        castalia.train(
            "text/ar",
            tmp_path / "texts",
            [*short, "training.steps=6", f"training.sample_every={every}"],
            out=tmp_path / f"{every}",
        )
        for every in (0, 2)
    ]
    one, other = (run.tensors(6, "model") for run in runs)
    assert all(torch.equal(one[name], other[name]) for name in one)
    page = (runs[1].folder / "training.html").read_text(encoding="utf-8")
    assert page.count('<div class="text"') == 2 * previews.TEXTS + 2  # and two earlier sheets
    rows = [row for row in runs[1].metrics() if "distance" in row]
    assert [row["distance_name"] for row in rows] == ["nats-per-token"] * 3
    assert all(row["distance_low"] < row["distance"] < row["distance_high"] for row in rows)
    film = tmp_path / "film.gif"
    assert write_film(runs[1], film) == 3
    with PIL.Image.open(film) as opened:
        assert opened.n_frames >= 2 and opened.size[0] > 300


def test_a_sheet_is_measured_against_real_items_and_told(tmp_path: Path):
    with recorded() as heard:
        run = castalia.train(
            "image/vae", "builtin/digits", {**TINY, "training.steps": 4}, out=tmp_path / "run"
        )
    assert list(previews.files(run.folder / "samples")) == [1, 4]  # by the clock: first and last
    found = [one for row in run.metrics() if (one := Distance.of(row)) is not None]
    assert [one.name for one in found] == ["kernel-castalia-net32-v1"] * 2
    for one in found:  # four steps are no model
        assert one.low is not None and one.real is not None and abs(one.real) < 0.3 < one.low
    told = "\n".join(heard.notes)
    page = TrainingPage(run, run.codec, [])
    assert page.state(Progress("log", 1, time_budget.FAR, {})).startswith("step 1, loss")
    page.distances = [(step, Distance("kernel-raw", 100.0 / step)) for step in (1, 50, 60, 80)]
    page.losses = {}
    drawn = page._curves()[0]
    assert ">100<" not in drawn and ">50<" in drawn  # the axis begins after the noise
    assert (
        "samples at step 1 of 4" in told and str(run.folder / "samples/step-00000004.png") in told
    )
    assert "Kernel distance so far" in told and "rough" in told and "loss" in told
    sizes = set()
    for name in ("real.png", "step-00000004.png"):
        with PIL.Image.open(run.folder / "samples" / name) as opened:
            sizes.add(opened.size)
    assert len(sizes) == 1  # as many


def test_samples_are_told_the_classes_of_the_real_items_beside_them(tmp_path: Path):
    run = castalia.train(
        "image/vae", "builtin/digits", {**TINY, "training.steps": 1}, out=tmp_path / "run"
    )
    dataset = open_data(run)
    real = previews.real(dataset)
    assert len(real.items) == previews.SHEET == len(real.cond["label"])
    labels = real.cond["label"].tolist()
    assert labels == sorted(labels)
    assert real.others is not None and len(real.others) >= previews.ENOUGH
    model = run.model()
    one, other = (previews.drawn(model, dataset, real.cond) for _ in range(2))
    assert one.x is not None and other.x is not None and torch.equal(one.x, other.x)


def test_the_page_reloads_itself_until_training_is_over(tmp_path: Path):
    seen: list[tuple[str, str]] = []

    def look(progress: Progress) -> None:
        page = (tmp_path / "run" / "training.html").read_text(encoding="utf-8")
        seen.append((progress.event, page))

    castalia.train(
        "image/vae",
        "builtin/digits",
        {**TINY, "training.sample_every": 2},
        out=tmp_path / "run",
        hooks=[look],
    )
    pages = [page for event, page in seen if event == "sample"]
    assert len(pages) == 3 and all('http-equiv="refresh"' in page for page in pages)
    assert "step 4 of 6" in pages[1] and 'src="samples/step-00000002.png"' in pages[1]
    assert pages[1].count('class="grid"') == 2 and "Kernel distance" in pages[1]
    last = (tmp_path / "run" / "training.html").read_text(encoding="utf-8")
    assert "refresh" not in last and "Trained" in last and last.count("<svg") >= 2
    assert seen[-1] == ("end", last)


def test_the_page_is_chinese_where_the_terminal_is(tmp_path: Path):
    with using("zh"), recorded() as heard:
        castalia.train(
            "image/vae", "builtin/digits", {**TINY, "training.steps": 2}, out=tmp_path / "run"
        )
    page = (tmp_path / "run" / "training.html").read_text(encoding="utf-8")
    assert 'lang="zh-Hans"' in page and "训练已结束" in page and "第 2 步" in page
    for english in ("Samples", "Real data", "Earlier", "distance", "step "):
        assert english not in page, english
    assert any("核距离" in line for line in heard.notes) and "samples at" not in str(heard.notes)


def test_a_resumed_run_goes_on_with_its_series(tmp_path: Path):
    class Killed(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.event == "sample" and progress.step == 5:
            raise Killed

    settings = {**TINY, "training.sample_every": 1}
    with pytest.raises(Killed):
        castalia.train("image/gan", "builtin/digits", settings, out=tmp_path / "cut", hooks=[kill])
    cut = Run.open(tmp_path / "cut")
    assert cut.last_step == 4 and list(previews.files(cut.folder / "samples")) == [1, 2, 3, 4, 5]
    begun: list[str] = []

    def look(run: Run) -> None:
        assert list(previews.files(run.folder / "samples")) == [1, 2, 3, 4]
        begun.append((run.folder / "training.html").read_text(encoding="utf-8"))

    castalia.resume(cut, begun=look)
    # until the next sheet is made, the last one is shown as its file has it
    assert 'src="samples/step-00000004.png"' in begun[0] and "refresh" in begun[0]
    whole = castalia.train("image/gan", "builtin/digits", settings, out=tmp_path / "whole")
    for name in ("step-00000001.png", "step-00000005.png", "step-00000006.png", "real.png"):
        one, other = ((run.folder / "samples" / name).read_bytes() for run in (cut, whole))
        assert one == other, name
    distances = [
        [(row["step"], row["distance"]) for row in run.metrics() if "distance" in row]
        for run in (cut, whole)
    ]
    assert distances[0] == distances[1] and len(distances[0]) == 6


def test_a_film_has_a_frame_for_each_sheet(tmp_path: Path):
    run = castalia.train(
        "image/vae",
        "builtin/digits",
        {**TINY, "training.sample_every": 2, "training.optimiser.rate": 0.02},
        out=tmp_path / "run",
    )
    film = tmp_path / "made" / "film.gif"
    assert write_film(run, film) == 3
    with PIL.Image.open(film) as opened:
        assert opened.n_frames == 3 and opened.info["loop"] == 0
        frames = []
        for place in range(3):
            opened.seek(place)
            frames.append((opened.convert("RGB").tobytes(), opened.info["duration"]))
    assert len({pixels for pixels, _ in frames}) == 3 and frames[2][1] > frames[0][1]
    sheet = run.folder / "samples" / "step-00000002.png"
    sheet.write_bytes(b"no picture")
    with pytest.raises(RunError, match="damaged"):
        write_film(run, film)
    sheet.unlink()
    (run.folder / "samples" / "step-00000004.png").unlink()
    with pytest.raises(RunError, match="two sheets"):
        write_film(run, film)


def test_few_items_are_not_measured_and_the_error_of_a_loss_is_that_of_its_rows(tmp_path: Path):
    run = castalia.train(
        "image/gan",
        "builtin/digits",
        {**TINY, "data.limit": 40, "training.steps": 2},
        out=tmp_path / "run",
    )
    assert not any("distance" in row for row in run.metrics())
    assert len(previews.files(run.folder / "samples")) == 2
    nats = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    found = HeldOut.of(nats, torch.ones(4, dtype=torch.float64))
    assert found is not None and found.value == 3.0
    assert found.error == pytest.approx((nats.var() / 4).sqrt().item())  # of a mean
    assert HeldOut.of(nats[:1], torch.ones(1, dtype=torch.float64)).error is None  # type: ignore[union-attr]
    assert HeldOut.of(nats[:0], nats[:0]) is None


def test_watch_opens_a_browser_where_there_is_a_screen_and_says_where_the_page_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    opened: list[str] = []
    monkeypatch.setattr(console.webbrowser, "open", opened.append)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    words = [f"{key}={value}" for key, value in {**TINY, "training.steps": 2}.items()]

    def run(*asked: str) -> None:
        with pytest.raises(SystemExit) as left:
            main([*asked])
        assert left.value.code == 0

    def train(name: str, *more: str) -> str:
        run("train", "image/gan", "builtin/digits", *words, *more, "--out", str(tmp_path / name))
        return capsys.readouterr().err

    said = train("dark", "--watch", "data.limit=120")
    assert f"watch: {tmp_path / 'dark' / 'training.html'}" in said and opened == []
    assert "note: too little for image/gan: 120 pictures" in said and "note: too varied" in said
    assert "Kernel distance so far" in said
    assert "nothing to watch" in train("none", "--watch", "training.sample_every=0")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(console.sys.stdout, "isatty", lambda: True, raising=False)
    train("bright", "--watch", "--quiet")
    assert opened == [(tmp_path / "bright" / "training.html").resolve().as_uri()]
    train("unasked")
    assert len(opened) == 1
    film = tmp_path / "film.gif"
    run("show", str(tmp_path / "dark"))
    shown = capsys.readouterr().out
    assert "2 sheets" in shown and "training.html" in shown and "Kernel distance so far" in shown
    run("show", str(tmp_path / "dark"), "--film", str(film))
    assert film.stat().st_size
