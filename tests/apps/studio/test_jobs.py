"""Jobs: a queue that is its folder, and processes that outlive whoever started them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from castalia.apps.studio.jobs import Job, Jobs
from castalia.run import Run

DIGITS = ["image/vae-mlp", "builtin/digits", "training.threads=1", "training.sample_every=0"]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    monkeypatch.chdir(tmp_path)
    made = Jobs(tmp_path / "jobs")
    yield made
    made.close()


def until(job: Job, *states: str, seconds: float = 60.0) -> str:
    end = time.monotonic() + seconds
    while job.state not in states:
        assert time.monotonic() < end, (job.state, job.last_words)
        time.sleep(0.05)
    return job.state


def test_what_a_command_says_and_how_it_ends(jobs: Jobs):
    listed = jobs.add(["list", "data", "--json"], title="what is here", queued=False).wait()
    assert listed.state == "done" and listed.code == 0
    assert {"data": "builtin/digits"}.items() <= next(
        one for one in listed.output if one["data"] == "builtin/digits"
    ).items()
    failed = jobs.add(["check", "nowhere"], title="nothing", queued=False).wait()
    assert failed.state == "failed" and failed.code == 3 and "nowhere" in failed.last_words
    empty = jobs.folder.parent / "empty"
    empty.mkdir()
    answered = jobs.add(
        ["check", str(empty), "--json"], title="nothing", answers=[3], queued=False
    ).wait()
    assert answered.state == "done" and answered.output["verdict"] == "problems"


def test_the_queue_does_one_after_the_other_and_a_pause_loses_nothing(jobs: Jobs, tmp_path: Path):
    out = tmp_path / "runs" / "long"
    long = jobs.add(
        ["train", *DIGITS, "training.steps=200000", "--out", str(out)],
        title="long",
        makes=out,
        again=["train", "--resume", str(out)],
    )
    short = jobs.add(["list", "data"], title="short")
    until(long, "running")
    while not (out / "metrics.jsonl").exists():
        time.sleep(0.05)
    assert short.state == "queued"
    long.signal("pause")
    assert until(long, "paused") == "paused"
    step = Run.open(out).last_step
    assert step
    assert until(short, "done") == "done"  # the queue goes on without it
    jobs.resume(long)
    until(long, "running")
    time.sleep(1.5)
    long.signal("stop")
    assert until(long, "stopped") == "stopped"
    assert (Run.open(out).last_step or 0) > step
    # what waits can be stopped, too
    again = jobs.add(["list", "data"], title="never")
    again.signal("stop")
    assert until(again, "stopped", "done") in ("stopped", "done")


def test_a_job_outlives_the_studio_and_one_that_is_killed_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    first = Jobs(tmp_path / "jobs")
    out = tmp_path / "runs" / "one"
    job = first.add(["train", *DIGITS, "training.steps=200000", "--out", str(out)], title="one")
    until(job, "running")
    first.close()  # its forking process ends with it, the job does not
    assert job.state == "running"
    second = Jobs(tmp_path / "jobs")
    assert [(one.title, one.state) for one in second.all()] == [("one", "running")]
    os.kill(int((job.folder / "pid").read_text()), signal.SIGKILL)
    assert until(job, "failed") == "failed" and job.code is None
    second.close()
