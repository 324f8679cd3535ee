"""Training within a time: what is planned from which speed, what a run keeps of it, and that
resuming replays it.
"""

import time
from pathlib import Path
from typing import Any

import pytest
from tests.clock import Clock

import castalia
from castalia.errors import RecipeError, RunError
from castalia.recipe import load, minutes_of, shipped
from castalia.recipe_sections import ScheduleConfig, TrainConfig
from castalia.run import Run
from castalia.training import loop, time_budget
from castalia.training.time_budget import FAR, Budget, Plan

TINY = {
    "codec.size": 8,
    "family.width": 8,
    "training.batch": 16,
    "training.threads": 1,
    "training.log_every": 5,
    "training.sample_every": 0,
    "data.limit": 200,
}


def run_out(
    clock: Clock,
    config: TrainConfig,
    pace: Any,
    save: float = 0.0,
    sheet: float = 0.0,
    closing: float = 0.0,
) -> tuple[int, float]:
    """Trains on paper: (steps, seconds). pace: seconds of step number n."""
    kept = Budget(config, clock.now, closing)
    steps, step, plan = config.steps or FAR, 0, Plan.of(config)
    while step < steps:
        clock.now += pace(step, kept.elapsed)
        step += 1
        due = kept.after(step, steps)
        plan.decide(step, due.steps)
        steps = due.steps
        for kind, wanted, cost in (
            ("save", due.save or step >= steps, save),
            ("sheet", due.sheet or step >= steps, sheet),
        ):
            if wanted and cost:
                clock.now += cost
                kept.aside(kind, cost)
    clock.now += closing
    return step, kept.elapsed


@pytest.mark.parametrize("seconds", [60, 300])
@pytest.mark.parametrize("pace", [0.005, 0.02, 0.7, 3.0])
def test_a_steady_pace_ends_within_five_percent(clock: Clock, seconds: float, pace: float):
    steps, taken = run_out(
        clock,
        TrainConfig(minutes=seconds / 60),
        lambda step, elapsed: pace * (3 if step == 0 else 1),
    )
    assert 0.95 * seconds <= taken <= 1.05 * seconds
    assert steps == pytest.approx(seconds / pace, rel=0.12)


@pytest.mark.parametrize(("early", "late"), [(0.05, 0.15), (0.15, 0.05), (0.05, 0.5)])
def test_a_pace_that_changes_at_half_time_does_too(clock: Clock, early: float, late: float):
    _, taken = run_out(
        clock, TrainConfig(minutes=2), lambda step, elapsed: early if elapsed < 60 else late
    )
    assert 114 <= taken <= 126


def test_sheets_checkpoints_and_what_follows_are_in_the_time(clock: Clock):
    config = TrainConfig(minutes=2, sample_every=100, save_every=50)
    _, taken = run_out(clock, config, lambda step, elapsed: 0.05, save=0.4, sheet=3.0, closing=7.0)
    assert 114 <= taken <= 126


def test_time_that_passed_before_the_first_step_counts(clock: Clock):
    kept = Budget(TrainConfig(minutes=1), clock.now - 20)
    assert kept.elapsed == pytest.approx(20) and kept.left == pytest.approx(40)


def test_a_few_decisions_tell_the_whole_plan(clock: Clock):
    config, made = TrainConfig(minutes=5), []
    kept, plan, step = Budget(config, clock.now), Plan.of(config), 0
    while step < plan.decisions[-1][1]:
        clock.now += 0.03 * (1 + 0.2 * (step % 7 == 0))
        step += 1
        plan.decide(step, kept.after(step, plan.decisions[-1][1]).steps)
        made.append(plan.steps(step))
    assert len(plan.decisions) < 40
    # a function of the decisions alone
    assert [plan.steps(place) for place in range(1, step + 1)] == made


def test_steps_beside_minutes_are_the_most(clock: Clock):
    assert run_out(clock, TrainConfig(minutes=1, steps=300), lambda step, elapsed: 0.01)[0] == 300
    assert run_out(clock, TrainConfig(minutes=1, steps=300), lambda step, elapsed: 1.0)[
        1
    ] == pytest.approx(60, rel=0.05)


def test_too_short_a_time_says_what_is_needed(clock: Clock):
    with pytest.raises(RecipeError, match="too short: a step takes 10 s") as caught:
        run_out(clock, TrainConfig(minutes=0.5), lambda step, elapsed: 10.0)
    needed = float(caught.value.fix.partition("=")[2].split()[0])
    steps, taken = run_out(clock, TrainConfig(minutes=needed), lambda step, elapsed: 10.0)
    assert steps >= time_budget.LEAST and taken <= 1.05 * needed * 60


def test_warming_up_takes_a_tenth_of_a_planned_schedule():
    plan = Plan([(0, FAR), (3, 200)])
    given = ScheduleConfig(name="linear", warmup=100)
    assert plan.schedule(2, given).warmup == 100 and plan.schedule(3, given).warmup == 20
    assert Plan([(0, 200)]).schedule(50, given) == given


def test_steps_or_minutes_of_the_command_line_replace_those_of_the_recipe(tmp_path: Path):
    both = tmp_path / "mine.yaml"
    both.write_text("extends: image/vae\ntraining: {steps: 70, minutes: 3}\n", encoding="utf-8")
    for words, length in {
        (): (70, 3.0),
        ("training.steps=9",): (9, None),
        ("training.minutes=5",): (None, 5.0),
        ("training.minutes=null",): (70, None),
        ("training.minutes=5", "training.steps=9"): (9, 5.0),
    }.items():
        found = load(both, "x", words).training
        assert (found.steps, found.minutes) == length, words
    (tmp_path / "again.yaml").write_text(
        "extends: mine.yaml\ntraining: {steps: 8}\n", encoding="utf-8"
    )
    found = load(tmp_path / "again.yaml", "x").training
    assert (found.steps, found.minutes) == (8, None)
    assert TrainConfig().steps == 1000
    for plan in ([[1, 5]], [[0, 9], [4, 6]], [[0, 9], [4, 7], [4, 5]]):
        with pytest.raises(RecipeError, match="plan"):
            load("image/vae", "x", {"training.steps": 5, "training.plan": plan})


def test_every_recipe_has_an_end_in_minutes_but_the_long_ones():
    for name in shipped():
        assert minutes_of(name) == (None if name.endswith("-long") else 10.0), name


class Paced:
    """A clock for the whole training: every look at it takes a little, so that a run of seconds is
    over at once.
    """

    def __init__(self, tick: float) -> None:
        self.now, self.tick = time.perf_counter(), tick

    def perf_counter(self) -> float:
        self.now += self.tick
        return self.now


def test_resuming_replays_what_was_decided_and_the_recipe_then_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(time_budget, "time", Paced(0.08))
    settings = {
        **TINY,
        "training.minutes": 0.2,
        "training.save_every": 7,
        "training.schedule": {"name": "linear", "warmup": 50},
    }
    whole = castalia.train("image/vae", "builtin/digits", settings, out=tmp_path / "whole")
    decisions = whole.decisions()
    assert (
        len(decisions) > 3
        and decisions[0] == (0, FAR)
        and whole.last_step == decisions[-1][1] == whole.recipe.training.steps
    )
    assert (
        whole.finished
        and whole.recipe.training.minutes is None
        and whole.trained_recipe.training.minutes == 0.2
    )
    assert castalia.resume(whole).last_step == whole.last_step

    class Killed(Exception):
        pass

    def kill(progress: loop.Progress) -> None:
        if progress.event == "log" and progress.step >= 25:
            raise Killed

    monkeypatch.setattr(time_budget, "time", Paced(0.05))
    with pytest.raises(Killed):
        castalia.train("image/vae", "builtin/digits", settings, out=tmp_path / "cut", hooks=[kill])
    cut = Run.open(tmp_path / "cut")
    # decided after the checkpoint that is there
    assert not cut.finished and cut.decisions()[-1][0] > cut.last_step
    before = cut.decisions()
    cut = castalia.resume(Run.open(tmp_path / "cut"))
    assert cut.finished and cut.decisions()[: len(before)] == before

    written = cut.plan_path.read_text(encoding="utf-8")
    for damage in (
        '{"step": 3}',
        '{"step": 0, "steps": -4}',
        "[1]",
        '{"step": 1, "steps": 2}',
        '{"step": "0", "steps": 2}',
    ):
        cut.plan_path.write_text(
            damage + "\n" if damage != "[1]" else written + '{"step": 0, "steps": 1}\n',
            encoding="utf-8",
        )
        with pytest.raises(RunError, match=r"plan.jsonl is damaged"):
            cut.decisions()
    cut.plan_path.write_text('{"step": }\n', encoding="utf-8")
    with pytest.raises(RunError):
        cut.decisions()
    cut.plan_path.write_text(written + '{"step": 99', encoding="utf-8")  # cut short by a kill
    assert len(cut.decisions()) == written.count("\n")

    again = castalia.train(tmp_path / "cut" / "recipe.yaml", out=tmp_path / "again")
    assert again.decisions() == [] and again.last_step == cut.last_step
    for group in ("model", "ema", "optimiser"):
        first, second = (
            (run.checkpoint(cut.last_step) / f"{group}.safetensors").read_bytes()
            for run in (again, cut)
        )
        assert first == second, group
