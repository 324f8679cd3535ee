"""Judge: report, audit and comparison in place; two runs blind, side by side."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from castalia import atomic
from castalia.apps.studio.desk import Desk, note
from castalia.apps.studio.jobs import read_json
from castalia.apps.studio.run_choice import booth, draw, files_of, opened, run_choice
from castalia.evaluation.exact_tests import lower_bound, upper_bound
from castalia.pages.presenter import presenter_of

REPORT, AUDIT = "eval/report.html", "audit/audit.html"  # pages of a run
SIDE = 0.975  # confidence of either end of a 95% interval
DRAWN = 24  # samples of each run that a blind vote shows, one pair at a time


def build(desk: Desk) -> None:
    with gr.Tab(desk.say("Judge"), id="judge") as tab:
        with gr.Row():
            run = run_choice(desk, tab, desk.say("Run"), "judge-run")
            other = run_choice(desk, tab, desk.say("Another run of the same data"), "judge-other")
        with gr.Row():
            report = gr.Button(desk.say("Is it any good?"), variant="primary")
            audit = gr.Button(desk.say("Did it copy?"))
            compare = gr.Button(desk.say("Which is better?"))
            blind = gr.Button(desk.say("Vote blind"))
        said = gr.HTML()
        ballot = gr.State(None)
        votes = booth(desk.say("The left one"), desk.say("The right one"))
        page = gr.HTML()
    outputs = [said, ballot, votes.left, votes.right, votes.row]

    def judged(words: list[str], title: str, place: Path) -> Iterator[Any]:
        job = desk.start([*words, "--json"], title=title, makes=place, answers=[7])
        yield desk.status(job), desk.frame(place, title)
        for line in desk.done(job):
            yield line, gr.skip()
        yield "", desk.frame(place, title)

    @desk.guarded
    def reported(place: str | None) -> Iterator[Any]:
        if place:
            title = desk.say("report of {0}", Path(place).name)
            yield from judged(["evaluate", place], title, Path(place) / REPORT)

    @desk.guarded
    def audited(place: str | None) -> Iterator[Any]:
        if place:
            title = desk.say("audit of {0}", Path(place).name)
            yield from judged(["audit", place], title, Path(place) / AUDIT)

    @desk.guarded
    def compared(place: str | None, beside: str | None) -> Iterator[Any]:
        if place and beside:
            out = desk.space.made()
            words = ["compare", place, beside, "--out", str(out)]
            yield from judged(words, desk.say("comparison"), out / "compare.html")

    @desk.guarded
    def begun(place: str | None, beside: str | None) -> Iterator[Any]:
        if not place or not beside or place == beside:
            raise desk.refusal(desk.say("Choose two runs."))
        folders = []
        for one in (place, beside):
            job = draw(desk, one, DRAWN, desk.say("samples for a blind vote"))
            for line in desk.done(job):
                yield line, None, "", "", gr.skip()
            folders.append((one, files_of(job)))
        yield shown({"runs": folders, "votes": [], "order": secrets.randbelow(2)})

    def shown(state: dict[str, Any]) -> Any:
        """The next pair, or what came of all."""
        number, (one, two) = len(state["votes"]), state["runs"]
        if number >= min(len(one[1]), len(two[1])):
            return note(_result(desk, state)), state, "", "", gr.update(visible=False)
        pair = [shown_item(desk, run, files[number]) for run, files in (one, two)]
        if state["order"]:
            pair.reverse()
        told = desk.say("pair {0} of {1}", number + 1, min(len(one[1]), len(two[1])))
        return note(told), state, *pair, gr.update(visible=True)

    def voted(side: int) -> Any:
        def vote(state: dict[str, Any] | None) -> Any:
            if state is None:
                return "", None, "", "", gr.skip()
            state["votes"].append(side ^ state["order"])
            state["order"] = secrets.randbelow(2)
            answer = shown(state)
            runs = [place for place, _ in state["runs"]]
            _keep(desk, runs, state["votes"])
            return answer

        return vote

    def known(place: str | None) -> str:
        pages = [Path(place or "") / one for one in (REPORT, AUDIT)]
        there = [one for one in pages if place and one.exists()]
        newest = max(there, key=lambda one: one.stat().st_mtime, default=None)
        return desk.frame(newest, desk.say("report of {0}", Path(place or "").name))

    run.change(known, run, page)
    report.click(reported, run, [said, page])
    audit.click(audited, run, [said, page])
    compare.click(compared, [run, other], [said, page])
    blind.click(begun, [run, other], outputs)
    votes.first.click(voted(0), ballot, outputs)
    votes.second.click(voted(1), ballot, outputs)


def item_of(place: str, file: str) -> Any:
    """The item that a file of samples of a run holds."""
    return next(iter(opened(place).codec.read(Path(file))))


def shown_item(desk: Desk, place: str, file: str) -> str:
    """One sample as its modality shows it."""
    drawn = presenter_of(opened(place).codec).items([item_of(place, file)], desk.voice)
    return f'<div class="shown">{drawn}</div>'


def _result(desk: Desk, state: dict[str, Any]) -> str:
    """How often the first run was preferred, with its exact interval."""
    count, wins = len(state["votes"]), state["votes"].count(0)
    low, high = lower_bound(wins, count, SIDE), upper_bound(wins, count, SIDE)
    names = [Path(place).name for place, _ in state["runs"]]
    better = names[0] if low > 0.5 else names[1] if high < 0.5 else ""
    told = desk.say(
        "{0} was preferred to {1} in {2} of {3} pairs ({4:.0%}, 95%: {5:.0%} to {6:.0%}).",
        names[0],
        names[1],
        wins,
        count,
        wins / count,
        low,
        high,
    )
    verdict = (
        desk.say("{0} is preferred.", better) if better else desk.say("That shows no preference.")
    )
    return f"{told} {verdict}"


def _keep(desk: Desk, runs: list[str], votes: list[int]) -> None:
    """The votes so far, on disk."""
    place = desk.space.root / "votes" / "blind.json"
    known = read_json(place) if place.exists() else []
    rest = [one for one in known if one["runs"] != runs]
    atomic.write(place, json.dumps([*rest, {"runs": runs, "votes": votes}]) + "\n")
