"""Train: a recipe, how long, all settings on demand; the queue, and the pages of trainings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from castalia import modality
from castalia.apps.studio import recipe_form
from castalia.apps.studio.desk import STATES, Desk, choices
from castalia.apps.studio.jobs import Job
from castalia.checks.data_requirements import least
from castalia.evaluation.training_page import NAME
from castalia.language import constant
from castalia.recipe import load, minutes_of, purpose, shipped
from castalia.units import duration, size

MINUTES = 5.0  # of a recipe that gives steps
WATCH = 5.0  # seconds between two looks at a training


def build(desk: Desk, chosen: gr.Dropdown) -> None:
    """chosen: the data of the first tab."""
    with gr.Tab(desk.say("Train"), id="train") as tab:
        with gr.Row():
            with gr.Column(scale=3, min_width=290):
                data = gr.Dropdown([], label=desk.say("Data"))
                recipe = gr.Radio([], label=desk.say("Recipe"), elem_classes="cards")
                form = gr.Column()
            with gr.Column(scale=4, min_width=290):
                job = gr.Dropdown([], label=desk.say("Queue"), elem_id="queue")
                with gr.Row():
                    pause = gr.Button(desk.say("Pause"), size="sm")
                    resume = gr.Button(desk.say("Go on"), size="sm")
                    stop = gr.Button(desk.say("Stop"), size="sm")
                said = gr.HTML()
                page = gr.HTML()
        timer = gr.Timer(WATCH)

    def fitting(name: str | None, recipe: str | None) -> Any:
        return choices(recipes_for(desk, name) if name else [], recipe)

    def look(place: str | None, seen: str) -> Any:
        one = _job(desk, place)
        if one is None:
            return "", "", gr.skip()
        shown = desk.frame(one.makes / NAME, one.title)
        return (
            desk.status(one),
            gr.skip() if shown == seen else shown,
            gr.update(choices=_jobs(desk)),
        )

    def asked(what: str) -> Any:
        def act(place: str | None) -> str:
            one = _job(desk, place)
            if one is not None and what == "resume":
                desk.space.jobs.resume(one)
            elif one is not None:
                one.signal(what)  # type: ignore[arg-type]
            return desk.status(one) if one is not None else ""

        return act

    with form:

        @gr.render(inputs=[data, recipe])
        def settings(name: str | None, chosen: str | None) -> None:
            if name and chosen:
                _settings(desk, name, chosen, job)
            elif name:
                gr.Markdown(desk.say("Nothing is known of these data yet: check them first."))

    shown = tab.select(
        lambda name: gr.update(choices=desk.space.all_data(), value=name), chosen, data
    )
    shown.then(fitting, [data, recipe], recipe)
    tab.select(lambda place: choices(_jobs(desk), place), job, job)
    data.change(fitting, [data, recipe], recipe)
    job.change(look, [job, page], [said, page, job])
    timer.tick(look, [job, page], [said, page, job], show_progress="hidden")
    for button, what in ((pause, "pause"), (resume, "resume"), (stop, "stop")):
        button.click(asked(what), job, said)


def recipes_for(desk: Desk, name: str) -> list[tuple[str, str]]:
    """(what stands on its card, recipe) of those that read the data; what the check recommends
    first.
    """
    data = desk.space.data(name)
    if data.builtin:
        set_name = name.removeprefix("builtin/")
        owner = next(one for one in modality.every().values() if set_name in one.data)
        kind, first = owner.name, [owner.first]
    else:
        found = data.found
        if found is None:
            return []
        commands = [one["command"].split() for one in found["next"]]
        first = [words[2] for words in commands if words[:2] == ["castalia", "train"]]
        kind = found["codec"] or ""
    names = [one for one in shipped() if one.startswith(f"{kind}/")]
    ordered = sorted(names, key=lambda one: (one not in first, one))
    return [(_card(desk, one, one in first), one) for one in ordered]


def _card(desk: Desk, recipe: str, recommended: bool) -> str:
    most, fewest = minutes_of(recipe), least(recipe)
    parts = [
        f"★ {recipe}" if recommended else recipe,
        constant(purpose(recipe), desk.voice.language),
        desk.say("from {0}", fewest) if fewest else "",
        desk.say("{0:g} min at most", most) if most is not None else "",
    ]
    return " · ".join(desk.voice(part) for part in parts if part)


def _settings(desk: Desk, name: str, recipe: str, job: gr.Dropdown) -> None:
    """The form of one recipe for one set of data, and the buttons that start it."""
    data = desk.space.data(name)
    plan = load(recipe, data.place, data.overrides)
    most = plan.training.minutes or MINUTES
    gr.Markdown(f"## {recipe}")
    minutes = gr.Number(most, label=desk.say("Minutes"), minimum=0.1, interactive=True)
    with gr.Accordion(desk.say("All settings"), open=False):
        shown, components = recipe_form.fields(desk, plan)
    with gr.Row():
        estimate = gr.Button(desk.say("How long, how much memory?"), size="sm")
        start = gr.Button(desk.say("Start"), variant="primary")
    forecast = gr.HTML()

    def words(minutes: float, values: tuple[Any, ...]) -> list[str]:
        changed = recipe_form.changed(shown, values)
        length = (
            []
            if any(one.startswith("training.steps=") for one in changed)
            else [f"training.minutes={minutes:g}"]
        )
        return ["train", recipe, *data.words, *length, *changed]

    @desk.guarded
    def estimated(minutes: float, *values: Any) -> Iterator[str]:
        asked = [*words(minutes, values), "--dry-run", "--json"]
        one = desk.start(asked, title=desk.say("estimate of {0}", recipe), queued=False)
        yield from desk.done(one)
        facts = one.output
        yield desk.say(
            "about {0} for {1:,} steps on {2:,} items, {3} of memory",
            duration(facts["wall_seconds"]),
            facts["steps"],
            facts["items"],
            size(int(facts["memory_mb"] * 1e6)),
        )

    @desk.guarded
    def started(minutes: float, *values: Any) -> Any:
        out, asked = desk.space.new_run(recipe), words(minutes, values)
        load(recipe, data.place, asked[2 + len([data.place]) :])  # what is wrong is said now
        one = desk.start(
            [*asked, "--out", str(out)],
            title=desk.say("{0} of {1}", recipe, name),
            makes=out,
            again=["train", "--resume", str(out)],
        )
        return gr.update(choices=_jobs(desk), value=str(one.folder))

    estimate.click(estimated, [minutes, *components], forecast)
    start.click(started, [minutes, *components], job)


def _jobs(desk: Desk) -> list[tuple[str, str]]:
    return [
        (f"{one.number} · {one.title} · {desk.voice(STATES[one.state])}", str(one.folder))
        for one in desk.space.trainings()
    ]


def _job(desk: Desk, place: str | None) -> Job | None:
    return next((one for one in desk.space.trainings() if str(one.folder) == place), None)
