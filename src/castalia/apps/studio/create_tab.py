"""Create: new items of a run, with conditions, words, seed and sliders; each with its manifest."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from castalia import atomic
from castalia.apps.studio.desk import Desk, copied, note
from castalia.apps.studio.run_choice import opened, run_choice
from castalia.codecs.protocols import Streams
from castalia.run import Run
from castalia.sampling.generate import caption_name, request_of
from castalia.sentences import say
from castalia.spec import Classes, Tokens

GUIDED = "flow"  # the family that `guidance` steers
MOST = 64  # items of one request
FILES, FILES_HEIGHT = say("Files, each with its manifest"), 190


def build(desk: Desk) -> None:
    with gr.Tab(desk.say("Create"), id="create") as tab, gr.Row():
        with gr.Column(scale=2, min_width=290):
            run = run_choice(desk, tab, desk.say("Run"), "create-run")
            form = gr.Column()
        with gr.Column(scale=5, min_width=290):
            results, (keep, again) = shown(desk, desk.say("Keep"), desk.say("The same again"))
    said, _, _, chosen, _ = results

    with form:

        @gr.render(inputs=run)
        def settings(place: str | None) -> None:
            if place:
                _form(desk, opened(place), results)
            else:
                gr.Markdown(desk.say("There is no run yet: train one."))

    def kept(file: str | None) -> str:
        if not file:
            return ""
        place = Path(file)
        for one in place.parent.glob(f"{place.stem}.*"):  # the manifest beside it, too
            target = desk.space.root / "kept" / f"{place.parent.name}-{one.name}"
            with atomic.place(target) as temporary:
                shutil.copyfile(one, temporary)
        return note(desk.say("kept in {0}", desk.space.root / "kept"))

    @desk.guarded
    def made_again(file: str | None) -> Iterator[str]:
        if not file:
            return
        out = desk.space.made()
        job = desk.start(
            ["reproduce", file, "--out", str(out), "--json"],
            title=desk.say("the same again: {0}", Path(file).name),
            answers=[7],
            queued=False,
        )
        yield from desk.done(job)
        yield note(
            desk.say("made again, and every byte is the same")
            if job.output["identical"]
            else desk.say("made again, and not the same: {0}", job.output["difference"])
        )

    keep.click(kept, chosen, said)
    again.click(made_again, chosen, said)


def shown(desk: Desk, *buttons: str) -> tuple[list[Any], list[gr.Button]]:
    """Where results appear, in the order in which `made` gives them, and buttons for one of the
    files; without buttons none is chosen.
    """
    said, page = gr.HTML(), gr.HTML()
    files = gr.File(label=desk.voice(FILES), interactive=False, height=FILES_HEIGHT, visible=False)
    with gr.Row():
        chosen = gr.Dropdown([], label=desk.say("One of them"), visible=bool(buttons))
        pressed = [gr.Button(one, size="sm") for one in buttons]
    command = copied(desk.say("In a terminal"))
    return [said, page, files, chosen, command], pressed


def _form(desk: Desk, run: Run, results: Sequence[Any]) -> None:
    """What this run may be asked for."""
    options, sequence = request_of(run).options, isinstance(run.spec, Tokens)
    caption = caption_name(run.conditions)
    fields: dict[str, Any] = {}
    if caption is not None:
        fields["prompt"] = gr.Textbox(
            label=desk.say("What it shows, in words"), interactive=True, lines=2
        )
        fields["negative"] = gr.Textbox(
            label=desk.say("What it should be unlike"), interactive=True
        )
    elif sequence and isinstance(run.codec, Streams):
        fields["prompt"] = gr.Textbox(label=desk.say("How it begins"), interactive=True, lines=2)
    for name, kind in run.conditions.items():
        if isinstance(kind, Classes) and kind.names:
            fields[f"cond {name}"] = gr.Dropdown(
                [(desk.say("all in turn"), ""), *((one, one) for one in kind.names)],
                value="",
                label=desk.say("Class") if name == "label" else name,
                interactive=True,
            )
    fields["n"] = gr.Slider(1, MOST, 16, step=1, label=desk.say("How many"), interactive=True)
    fields["seed"] = gr.Number(0, precision=0, label=desk.say("Seed"), interactive=True)
    fields["temperature"] = gr.Slider(
        0, 2, options.temperature, step=0.05, label=desk.say("Temperature"), interactive=True
    )
    if run.recipe.family.name == GUIDED and run.conditions:
        fields["guidance"] = gr.Slider(
            0, 10, options.guidance, step=0.5, label=desk.say("Guidance"), interactive=True
        )
    if sequence:
        fields["top-p"] = gr.Slider(
            0.05, 1, options.top_p, step=0.05, label="top-p", interactive=True
        )
        if isinstance(run.codec, Streams):
            fields["length"] = gr.Slider(
                1,
                run.spec.length,
                run.spec.length,
                step=1,
                label=desk.say("Most tokens"),
                interactive=True,
            )
    draw = gr.Button(desk.say("Draw"), variant="primary")

    @desk.guarded
    def drawn(*values: Any) -> Iterator[Any]:
        out = desk.space.made()
        words = ["sample", str(run.folder), *_flags(dict(zip(fields, values, strict=True)))]
        yield from made(desk, [*words, "--out", str(out)], out, desk.say("samples"), [7])

    draw.click(drawn, list(fields.values()), list(results))


def _flags(values: dict[str, Any]) -> list[str]:
    """Flags of `castalia sample` for what was filled in."""
    flags: list[str] = []
    for name, value in values.items():
        if value in ("", None):
            continue
        if name.startswith("cond "):
            flags += ["--cond", f"{name.removeprefix('cond ')}={value}"]
        else:
            flags += ["-n", plain(value)] if name == "n" else [f"--{name}={plain(value)}"]
    return flags


def plain(value: Any) -> str:
    """A value as the command line takes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def made(
    desk: Desk, words: Sequence[str], out: Path, title: str, answers: Sequence[int] = ()
) -> Iterator[Any]:
    """Does what makes items, and shows them: (what is said, page, files, choice, command)."""
    command = desk.command(words)
    job = desk.start([*words, "--json"], title=title, makes=out, answers=answers, queued=False)
    for line in desk.done(job):
        yield line, gr.skip(), gr.skip(), gr.skip(), command
    document = job.output or {}
    if "sheet" not in document:
        raise desk.refusal(job.last_words, title)
    paths = [out / one for one in document["files"]]
    yield (
        note("" if "refused" not in document else job.last_words),
        desk.frame(out / document["sheet"], title),
        gr.update(value=[str(zipped(out)), *map(str, paths[:MOST])], visible=True),
        gr.update(
            choices=[(one.name, str(one)) for one in paths], value=str(paths[0]) if paths else None
        ),
        command,
    )


def zipped(folder: Path) -> Path:
    """Everything in a folder as one archive beside it."""
    place = folder.with_suffix(".zip")
    with atomic.place(place) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for one in sorted(folder.iterdir()):
            archive.write(one, one.name)
    return place
