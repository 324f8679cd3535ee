"""Vote: which of two texts is better, for `text/dpo`; which items are good, to train on further."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from castalia import atomic, bounded
from castalia.apps.studio.desk import Desk, note
from castalia.apps.studio.judge_tab import item_of, shown_item
from castalia.apps.studio.run_choice import booth, draw, files_of, opened, run_choice
from castalia.codecs.protocols import Streams

DRAWN = 20  # items of a round
LEAST = 4  # pairs that a tuning takes
TUNER = "text/dpo"


def build(desk: Desk) -> None:
    with gr.Tab(desk.say("Vote"), id="vote") as tab:
        with gr.Row():
            run = run_choice(desk, tab, desk.say("Run"), "vote-run")
            prompt = gr.Textbox(label=desk.say("How texts begin"), scale=2)
            begin = gr.Button(desk.say("Begin"), variant="primary")
        said = gr.HTML()
        state = gr.State(None)
        votes = booth(desk.say("Good"), desk.say("Not good"))
        with gr.Row():
            minutes = gr.Number(2, label=desk.say("Minutes"), minimum=0.1)
            tune = gr.Button(desk.say("Train with what was chosen"))
    outputs = [said, state, votes.left, votes.right, votes.row, votes.first, votes.second]

    @desk.guarded
    def begun(place: str | None, prompt: str) -> Iterator[Any]:
        if not place:
            raise desk.refusal(desk.say("There is no run yet: train one."))
        pairs = isinstance(opened(place).codec, Streams)
        told = prompt if pairs else ""
        job = draw(desk, place, DRAWN, desk.say("samples to vote on"), told)
        for line in desk.done(job):
            yield line, *(gr.skip(),) * 6
        files = files_of(job)
        yield _shown(
            desk, {"run": place, "prompt": prompt, "pairs": pairs, "files": files, "at": 0}
        )

    def voted(good: bool) -> Any:
        def vote(now: dict[str, Any] | None) -> Any:
            if now is None:
                return (gr.skip(),) * 7
            step = 2 if now["pairs"] else 1
            files = now["files"][now["at"] : now["at"] + step]
            if now["pairs"]:
                _prefer(desk, now, *(files if good else reversed(files)))
            elif good:
                _accept(desk, now, Path(files[0]))
            return _shown(desk, {**now, "at": now["at"] + step})

        return vote

    @desk.guarded
    def tuned(place: str | None, minutes: float) -> str:
        if not place:
            raise desk.refusal(desk.say("There is no run yet: train one."))
        one = opened(place)
        pairs = isinstance(one.codec, Streams)
        data = _votes(desk, place)
        count = _count(data)
        if count < LEAST:
            raise desk.refusal(desk.say("{0} votes are there, {1} are needed", count, LEAST))
        recipe = TUNER if pairs else one.recipe.title
        out = desk.space.new_run(recipe)
        words = ["train", recipe, str(data), f"start_from={place}", f"training.minutes={minutes:g}"]
        job = desk.start(
            [*words, "--out", str(out)],
            title=desk.say("{0} of {1}", recipe, desk.say("what was chosen")),
            makes=out,
            again=["train", "--resume", str(out)],
        )
        return desk.status(job)

    begin.click(begun, [run, prompt], outputs)
    votes.first.click(voted(True), state, outputs)
    votes.second.click(voted(False), state, outputs)
    tune.click(tuned, [run, minutes], said)


def _shown(desk: Desk, now: dict[str, Any]) -> Any:
    """The next two texts, or the next item; at the end, how much was chosen."""
    step = 2 if now["pairs"] else 1
    files = now["files"][now["at"] : now["at"] + step]
    names = (
        (desk.say("The left one"), desk.say("The right one"))
        if now["pairs"]
        else (desk.say("Good"), desk.say("Not good"))
    )
    buttons = [gr.update(value=name) for name in names]
    if len(files) < step:
        told = desk.say("{0} votes are kept for this run", _count(_votes(desk, now["run"])))
        return note(told), None, "", "", gr.update(visible=False), *buttons
    shown = [shown_item(desk, now["run"], one) for one in files]
    told = desk.say("{0} of {1}", now["at"] // step + 1, len(now["files"]) // step)
    return note(told), now, shown[0], (shown[1:] or [""])[0], gr.update(visible=True), *buttons


def _votes(desk: Desk, place: str) -> Path:
    """Where the votes on a run are: a table of pairs, or a folder of items."""
    pairs = isinstance(opened(place).codec, Streams)
    return desk.space.root / "votes" / (Path(place).name + (".jsonl" if pairs else ""))


def _count(place: Path) -> int:
    if place.is_dir():
        return len([one for one in place.iterdir() if one.suffix != ".json"])
    return len(_lines(place))


def _lines(place: Path) -> list[str]:
    return bounded.read_text(place, "document_bytes").splitlines() if place.exists() else []


def _prefer(desk: Desk, now: dict[str, Any], chosen: str, rejected: str) -> None:
    """One more line of the table that `text/dpo` takes: what follows the prompt, twice."""
    texts = [
        str(item_of(now["run"], one)).removeprefix(now["prompt"]) for one in (chosen, rejected)
    ]
    row = {"prompt": now["prompt"], "chosen": texts[0], "rejected": texts[1]}
    place = _votes(desk, now["run"])
    lines = [*_lines(place), json.dumps(row, ensure_ascii=False)]
    atomic.write(place, "\n".join(lines) + "\n")


def _accept(desk: Desk, now: dict[str, Any], file: Path) -> None:
    """A copy of the item beside those that were accepted before."""
    folder = _votes(desk, now["run"])
    folder.mkdir(parents=True, exist_ok=True)
    with atomic.place(folder / f"{file.parent.name}-{file.name}") as temporary:
        shutil.copyfile(file, temporary)
