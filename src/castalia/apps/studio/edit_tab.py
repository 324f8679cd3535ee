"""Edit: items of one's own changed by a run; what is to be made anew is painted with the mouse."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from castalia import atomic
from castalia.apps.studio.create_tab import made, plain, shown
from castalia.apps.studio.desk import Desk
from castalia.apps.studio.run_choice import model_of, opened, run_choice
from castalia.apps.studio.uploads import painter
from castalia.codecs.protocols import Streams
from castalia.run import Run
from castalia.sampling.edit import Edit, FromFile, edits_of, several

MASK = "mask.png"


def build(desk: Desk) -> None:
    with gr.Tab(desk.say("Edit"), id="edit") as tab, gr.Row():
        with gr.Column(scale=3, min_width=290):
            run = run_choice(desk, tab, desk.say("Run"), "edit-run")
            form = gr.Column()
        with gr.Column(scale=4, min_width=290):
            results, _ = shown(desk)

    with form:

        @gr.render(inputs=run)
        def kinds(place: str | None) -> None:
            if not place:
                gr.Markdown(desk.say("There is no run yet: train one."))
                return
            one = opened(place)
            known = possible(one)
            if not known:
                gr.Markdown(desk.say("This run cannot edit."))
                return
            kind = gr.Dropdown(
                list(known), value=next(iter(known)), label=desk.say("What to do"), interactive=True
            )

            @gr.render(inputs=kind)
            def settings(kind: str) -> None:
                _form(desk, one, kind, known[kind], results)


def possible(run: Run) -> dict[str, Edit]:
    """The edits that a run can do, by their kind."""
    model = model_of(run)
    return {
        kind: one for kind, one in edits_of(run.codec).items() if one.possible(model, run.codec)
    }


def _form(desk: Desk, run: Run, kind: str, edit: Edit, results: list[Any]) -> None:
    """The items, the options of this edit, and the button."""
    texts = isinstance(run.codec, Streams)
    fields = edit.Options.model_fields
    paints = "mask" in fields
    if texts:
        items: Any = gr.Textbox(
            label=desk.say("The text; [[12]] or [[]] is a gap"), lines=4, interactive=True
        )
    elif paints:
        items = gr.State("")
        painter(desk).upload(_batch, None, items)
    else:
        items = gr.File(label=desk.say("The items"), file_count="multiple", interactive=True)
    components = {}
    for name, field in fields.items():
        if paints and name == "mask":
            continue
        about: dict[str, Any] = {
            "label": name,
            "info": desk.voice(field.description or "") or None,
            "value": None if field.is_required() else field.default,
            "interactive": True,
        }
        if any(isinstance(one, FromFile) for one in field.metadata):
            components[name] = gr.File(label=name, interactive=True)
        elif isinstance(about["value"], bool):
            components[name] = gr.Checkbox(**about)
        elif isinstance(about["value"], int | float):
            components[name] = gr.Number(**about)
        else:
            about["value"] = "" if several(field) or about["value"] is None else about["value"]
            components[name] = gr.Textbox(**about)
    seed = gr.Number(0, precision=0, label=desk.say("Seed"), interactive=True)
    go = gr.Button(desk.say("Edit"), variant="primary")

    @desk.guarded
    def edited(given: Any, seed: int, *values: Any) -> Iterator[Any]:
        out = desk.space.made()
        if paints:
            inputs, flags = _painted(desk, given, out)
        else:
            inputs, flags = ([given] if texts and given.strip() else list(given or [])), []
        for name, value in zip(components, values, strict=True):
            field = fields[name]
            if value in ("", None) or value == field.default:
                continue
            for part in value.split(",") if several(field) else [value]:
                flags.append(f"--{name.replace('_', '-')}={plain(part)}")
        if not inputs:
            raise desk.refusal(desk.say("There is nothing to edit."))
        words = ["edit", str(run.folder), kind, *inputs, *flags, "--seed", str(seed)]
        yield from made(desk, [*words, "--out", str(out)], out, kind, [7])

    go.click(edited, [items, seed, *components.values()], results)


def _batch(event: gr.EventData) -> str:
    return str(event.batch)


def _painted(desk: Desk, batch: str, out: Path) -> tuple[list[str], list[str]]:
    """The picture that came in with a painting, and the flag of its mask; [] without one. Both are
    kept beside what is made, so that it can be made again.
    """
    files = desk.space.received(batch)
    names = [one for one in files if one != MASK]
    if not names:
        return [], []
    picture = out.with_name(f"{out.name}-{names[0]}")
    mask = out.with_name(f"{out.name}-{MASK}")
    for source, target in ((files[names[0]], picture), (files[MASK], mask)):
        with atomic.place(target) as temporary:
            shutil.copyfile(source, temporary)
    return [str(picture)], ["--mask", str(mask)]
