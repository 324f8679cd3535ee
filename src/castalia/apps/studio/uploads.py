"""Places on the page from which files come straight into the workspace (site.py): one for files,
folders and archives, and one for a picture that is painted over. Their scripts are drop.js and
painter.js.

Both trigger `upload` with {"batch": where they are, "first": the name of the first}.
"""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr

from castalia.apps.studio.desk import Desk
from castalia.pages.html import Html

HERE = Path(__file__).parent


def drop_zone(desk: Desk) -> gr.HTML:
    """Files, folders and archives, dropped or chosen."""
    words = {
        "sending": desk.say("sending {{0}} of {{1}}: {{2}}"),
        "failed": desk.say("{{0}} was not taken: {{1}}"),
        "ready": desk.say("files here: {{0}}"),
    }
    return gr.HTML(
        html_template=Html("""
<div class="drop" role="group" aria-label="{name}" data-words="{words}">
  <p>{drop}</p>
  <button type="button" data-opens="files">{files}</button>
  <button type="button" data-opens="folder">{folder}</button>
  <input type="file" name="files" multiple hidden aria-label="{files}">
  <input type="file" name="folder" webkitdirectory hidden aria-label="{folder}">
  <p class="drop-state" role="status"></p>
</div>""").format(
            name=desk.say("Files"),
            words=json.dumps(words, ensure_ascii=False),
            drop=desk.say("Drop files, a folder or a zip here"),
            files=desk.say("Choose files"),
            folder=desk.say("Choose a folder"),
        ),
        js_on_load=_script("drop.js"),
    )


def painter(desk: Desk) -> gr.HTML:
    """A picture, and what was painted over: "mask.png" beside it, white where something is to be
    made anew.
    """
    words = {
        "failed": desk.say("this is no picture that the browser shows"),
        "ready": desk.say("Paint over what is to be made anew."),
    }
    return gr.HTML(
        html_template=Html("""
<div class="drop painter" role="group" aria-label="{name}" data-words="{words}">
  <button type="button" name="choose">{choose}</button>
  <button type="button" name="clear">{clear}</button>
  <label>{brush} <input type="range" min="2" max="40" value="12"></label>
  <input type="file" accept="image/*" hidden aria-label="{choose}">
  <canvas width="64" height="64" role="img" aria-label="{name}"></canvas>
  <p role="status"></p>
</div>""").format(
            name=desk.say("The picture"),
            words=json.dumps(words, ensure_ascii=False),
            choose=desk.say("Choose a picture"),
            clear=desk.say("Paint nothing"),
            brush=desk.say("Brush"),
        ),
        js_on_load=_script("painter.js"),
    )


def _script(name: str) -> str:
    return "".join((HERE / one).read_text(encoding="utf-8") for one in ("put.js", name))
