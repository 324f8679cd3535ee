"""Stages of work: what listeners are told, and what a terminal, a log and a notebook show of it."""

import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.listening import recorded

import castalia
from castalia import progress
from castalia.language import using
from castalia.progress import Stage, stage, tracked, views
from castalia.text_width import cut, width


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_nobody_listens_and_nothing_happens():
    with stage("work", 3) as work:
        work.advance()
        assert work.done == 1 and not work.due() and not progress.heard()


def test_stages_are_told_within_one_another_and_end_when_work_fails():
    with recorded() as seen, pytest.raises(KeyError), stage("outer", 2):
        assert list(tracked("abc", "inner", 3, "letters")) == ["a", "b", "c"]
        raise KeyError("work")
    assert [(one.name, one.done, one.total) for one in seen.ended] == [
        ("inner", 3, 3),
        ("outer", 0, 2),
    ]


def test_only_the_thread_that_is_listened_to_reports():
    with recorded() as seen:
        thread = threading.Thread(target=lambda: list(tracked("abc", "elsewhere")))
        thread.start()
        thread.join()
    assert seen.stages == []


def test_what_is_left_is_the_owners_word_or_follows_from_the_clock():
    work = Stage("training", 30, done=10, first=10, begun=time.monotonic() - 5)
    assert work.seconds_left is None
    work.done = 20
    assert work.seconds_left == pytest.approx(5, rel=0.1)
    work.left = 77.0
    assert work.seconds_left == 77.0


def test_one_line_says_how_far_what_how_fast_and_how_long():
    work = Stage(
        "training",
        2400,
        "steps",
        done=600,
        values={"loss": 0.51234, "held out": 1.5},
        rate=1234.4,
        left=190.0,
    )
    assert (
        views.text_of(work)
        == "training  █████░░░░░░░░░░░░░░░  600/2,400 steps  loss 0.5123  held out 1.5  "
        "1,234 items/s  3 min 10 s left"
    )
    assert (
        views.text_of(Stage("reading", unit="files", done=1500), bar=0)
        == "reading  1,500 files  0 s"
    )


def test_a_line_is_cut_to_the_columns_of_the_terminal():
    assert cut("训练中 abc", 20) == "训练中 abc"
    assert cut("训练中 abc", 7) == "训练中…" and width(cut("训练中 abc", 6)) <= 6
    with using("zh"):
        work = Stage(
            "training", 2400, "steps", done=600, values={"loss": 0.51234}, rate=1234.4, left=190.0
        )
        assert (
            views.text_of(work, bar=0)
            == "训练  600/2,400 步  损失 0.5123  1,234 个/秒  还需 3 分 10 秒"
        )


def test_a_terminal_shows_that_time_passes_in_a_long_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(views, "PATIENCE", 0.0)
    screen = Screen()
    view = views.Terminal(screen)
    view.tick = 0.01
    with progress.listening(view):
        with stage("one long step", 10, "steps", lasting=True) as work:
            wait_for(lambda: screen.getvalue().count("\r") > 3)
            with progress.paused():
                cleared = screen.getvalue()
            assert cleared.endswith("\r\x1b[K")
            work.done = 10
        assert screen.getvalue().endswith("one long step  ████████████████████  10/10 steps  0 s\n")
    view.close()
    drawn = screen.getvalue()
    time.sleep(0.05)
    assert screen.getvalue() == drawn  # the thread is gone


def test_a_log_has_a_line_after_two_seconds_then_ever_rarer(monkeypatch: pytest.MonkeyPatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    log = views.Log(io.StringIO())
    log.stages = [Stage("encoding", 50, "items")]
    lines = []
    for _ in range(400):
        clock[0] += 0.1
        log.draw()
        if log.stream.getvalue().count("\n") > len(lines):
            lines.append(clock[0] - 100)
    gaps = [later - earlier for earlier, later in zip([0, *lines], lines, strict=False)]
    assert gaps == pytest.approx([2, 4, 8, 10, 10], abs=0.25)


def test_a_log_does_not_stop_before_the_end_of_a_stage(monkeypatch: pytest.MonkeyPatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(views.Log, "tick", 3600)
    log = views.Log(io.StringIO())
    with progress.listening(log):
        with progress.stage("looking", 121, "items") as work:
            clock[0] += 3
            work.at(91)
            log.draw()
            work.at(121)
        # nothing was said of it, so nothing of its end
        with progress.stage("short", 5, "items") as work:
            work.at(5)
        with pytest.raises(ValueError), progress.stage("broken off", 10, "items") as work:
            clock[0] += 60
            work.at(4)
            log.draw()
            raise ValueError
    log.close()
    amounts = [line.split("  ")[:2] for line in log.stream.getvalue().splitlines()]
    assert amounts == [
        ["looking", "91/121 items"],
        ["looking", "121/121 items"],
        ["broken off", "4/10 items"],
    ]


def test_a_notebook_redraws_one_line():
    shown: list[tuple[str, Any]] = []

    class Handle:
        def update(self, data: Any, raw: bool) -> None:
            shown.append(("update", data["text/plain"]))

    def display(data: Any, raw: bool, display_id: bool) -> Handle:
        shown.append(("display", data["text/html"]))
        return Handle()

    view = views.Notebook(display)
    view.stages = [Stage("a <b>", begun=time.monotonic() - 3)]
    view.draw()
    view.draw()
    view.clear()
    assert shown == [
        ("display", '<pre style="margin:0">a &lt;b>  3 s</pre>'),
        ("update", "a <b>  3 s"),
        ("update", ""),
    ]


def test_python_shows_progress_on_a_terminal_and_not_elsewhere(monkeypatch: pytest.MonkeyPatch):
    for stream, wanted in ((Screen(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        with views.shown():
            assert progress.heard() == wanted
        with views.shown(False):
            assert not progress.heard()
        with views.shown(True):
            assert progress.heard()
    monkeypatch.setenv("RANK", "1")
    with views.shown(True):
        assert not progress.heard()


def test_training_reports_from_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "REFRESH", 0.0)
    tiny = {
        "codec.size": 8,
        "family.width": 8,
        "training.batch": 16,
        "training.threads": 1,
        "training.steps": 6,
        "data.limit": 100,
    }
    with recorded() as seen:
        castalia.train("image/vae", "builtin/digits", tiny, out=tmp_path / "run")
    training = seen.stages[seen.names.index("training")]
    assert (training.done, training.total, training.unit) == (6, 6, "steps")
    assert training.values["loss"] > 0 and training.rate is not None and training.rate > 0
    assert {"preparing the model", "saving a checkpoint", "drawing a sample sheet"} <= set(
        seen.names
    )
    assert len(seen.ended) == len(seen.stages)


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)
