"""Data: drop files, a folder or a zip; see what `castalia check` finds, and mend it by a click."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from castalia.apps.studio.desk import Desk, choices
from castalia.apps.studio.uploads import drop_zone
from castalia.apps.studio.workspace import Data
from castalia.sentences import say

LICENCES = ("CC0", "CC BY 4.0", "CC BY-SA 4.0", "MIT", "Apache-2.0")
# by the code of a finding: what is chosen about the data, and what the button says
UNIQUE = (say("Leave copies out"), {"unique": True})
FIXES: dict[str, tuple[str, dict[str, Any]]] = {
    "unreadable": (
        say("Leave out what cannot be read"),
        {"overrides": ["data.skip_bad=true"]},
    ),
    "same_bytes": UNIQUE,
    "same_content": UNIQUE,
    "near": UNIQUE,
}


def build(desk: Desk, whole: gr.Blocks) -> gr.Dropdown:
    """The tab; gives back the choice of data. whole: the page that it is on."""
    with gr.Row():
        with gr.Column(scale=2, min_width=290):
            dropped = drop_zone(desk)
            batch = gr.State("")
            name = gr.Textbox(label=desk.say("Name"))
            licence = gr.Dropdown(
                [desk.say("my own work"), *LICENCES],
                value="",
                label=desk.say("Licence"),
                info=desk.say("It goes with every model and everything that a model makes."),
                allow_custom_value=True,
            )
            source = gr.Textbox(label=desk.say("Where they come from"))
            add = gr.Button(desk.say("Add and check"), variant="primary")
        with gr.Column(scale=5, min_width=290):
            chosen = gr.Dropdown([], label=desk.say("Data"), elem_id="data")
            check = gr.Button(desk.say("Check"))
            said = gr.HTML()
            fixes = gr.Column()
            page = gr.HTML()

    def here(event: gr.EventData) -> Any:
        return event.batch, Path(event.first.partition("/")[0]).stem

    @desk.guarded
    def taken(batch: str, name: str, licence: str, source: str) -> Any:
        data = desk.space.add_data(batch, name, licence or "", source)
        return gr.update(choices=desk.space.all_data(), value=data.name), "", ""

    @desk.guarded
    def checked(name: str) -> Iterator[Any]:
        data = desk.space.data(name)
        words = ["check", *data.words, "--out", str(data.checked), "--json"]
        job = desk.start(words, title=desk.say("check of {0}", name), answers=[3], queued=False)
        for line in desk.done(job):
            yield line, gr.skip()
        yield "", report(name)

    def report(name: str) -> str:
        return desk.frame(desk.space.data(name).checked / "report.html", desk.say("Data check"))

    with fixes:

        @gr.render(inputs=chosen, triggers=[chosen.change, page.change])
        def buttons(name: str | None) -> None:
            if not name:
                return
            data = desk.space.data(name)
            for text, settings in _fixes(data):
                button = gr.Button(desk.voice(text), size="sm")

                @desk.guarded
                def choose(data: Data = data, settings: dict[str, Any] = settings) -> None:
                    data.choose(**settings)

                button.click(choose).then(checked, chosen, [said, page])

    def listed(name: str | None) -> Any:
        return choices([(one, one) for one in desk.space.all_data()], name)

    whole.load(listed, chosen, chosen)
    dropped.upload(here, None, [batch, name])
    added = add.click(taken, [batch, name, licence, source], [chosen, batch, name])
    added.success(checked, chosen, [said, page])
    check.click(checked, chosen, [said, page])
    chosen.change(report, chosen, page)
    return chosen


def _fixes(data: Data) -> list[tuple[str, dict[str, Any]]]:
    """What a click could mend, of what the newest check found."""
    found = None if data.builtin else data.found
    codes = [] if found is None else [one["code"] for one in found["findings"]]
    fixes = [FIXES[code] for code in codes if code in FIXES]
    return [
        one
        for place, one in enumerate(fixes)
        if one not in fixes[:place] and not one[1].items() <= data.settings.items()
    ]
