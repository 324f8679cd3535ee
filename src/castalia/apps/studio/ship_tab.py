"""Ship: cards, exports, a server; and verify any file by dropping it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from castalia import bounded
from castalia.apps.studio.create_tab import zipped
from castalia.apps.studio.desk import Desk, copied, note
from castalia.apps.studio.marks import boxes
from castalia.apps.studio.run_choice import opened, run_choice
from castalia.errors import RunError
from castalia.language import constant
from castalia.pages.html import Html

FORMATS = ("bundle", "onnx", "safetensors", "transformers")
KEYS = "keys.txt"


def build(desk: Desk, whole: gr.Blocks) -> None:
    """whole: the page that it is on."""
    with gr.Tab(desk.say("Ship"), id="ship") as tab, gr.Row():
        with gr.Column(min_width=290):
            gr.Markdown(f"## {desk.say('A model')}")
            run = run_choice(desk, tab, desk.say("Run"), "ship-run")
            card = gr.Button(desk.say("Write its card"))
            kind = gr.Radio(list(FORMATS), value=FORMATS[0], label=desk.say("Format"))
            export = gr.Button(desk.say("Export"), variant="primary")
            said = gr.HTML()
            files = gr.File(label=desk.say("Files"), interactive=False, visible=False)
            text = gr.Markdown()
        with gr.Column(min_width=290):
            gr.Markdown(f"## {desk.say('A file: who made it?')}")
            dropped = gr.File(label=desk.say("Files"), file_count="multiple")
            found = gr.HTML()
            gr.Markdown(f"## {desk.say('Marks')}")
            boxes(desk, whole)
            gr.Markdown(f"## {desk.say('For programs')}")
            lines = copied(desk.say("A server with a key"))
            client = copied(desk.say("A program that calls it"))

    @desk.guarded
    def carded(place: str | None) -> Iterator[Any]:
        if place:
            name = "card.md" if desk.voice.language == "en" else f"card.{desk.voice.language}.md"
            path = Path(place) / name
            words = ["card", place, "--out", str(path)]
            job = desk.start([*words, "--json"], title=desk.say("card"), queued=False)
            for line in desk.done(job):
                yield line, gr.skip(), gr.skip()
            yield (
                "",
                gr.update(value=[str(path)], visible=True),
                bounded.read_text(path, "document_bytes", RunError),
            )

    @desk.guarded
    def exported(place: str | None, kind: str) -> Iterator[Any]:
        if place:
            out = desk.space.made()
            words = ["export", place, str(out), "--to", kind]
            job = desk.start([*words, "--json"], title=desk.say("export"), queued=False)
            for line in desk.done(job):
                yield line, gr.skip(), gr.skip()
            yield (
                note(desk.command(words)),
                gr.update(value=[str(zipped(out))], visible=True),
                gr.skip(),
            )

    @desk.guarded
    def verified(paths: list[str] | None) -> Iterator[Any]:
        if not paths:
            return
        words = ["verify", *paths, "--json"]
        job = desk.start(words, title=desk.say("verify"), answers=[3, 7], queued=False)
        for line in desk.done(job):
            yield line, gr.skip()
        yield "", _table(desk, job.output["files"])

    def programs(place: str | None) -> Any:
        if not place:
            return "", ""
        return _server(place), _client(place)

    card.click(carded, run, [said, files, text])
    export.click(exported, [run, kind], [said, files, text])
    dropped.upload(verified, dropped, [said, found])
    run.change(programs, run, [lines, client])
    tab.select(programs, run, [lines, client])


def _table(desk: Desk, files: Sequence[Mapping[str, Any]]) -> str:
    """What `castalia verify` found, a row a file."""
    heads = (desk.say("file"), desk.say("state"), desk.say("run"), desk.say("note"))
    rows = [
        (
            Path(one["file"]).name,
            constant(one["state"], desk.voice.language),
            (one["manifest"] or {}).get("run") or "",
            "; ".join(desk.voice(text) for text in (*one["problems"], *one["notes"])),
        )
        for one in files
    ]
    head = Html().join(Html("<th>{}</th>").format(one) for one in heads)
    body = Html().join(
        Html("<tr>{}</tr>").format(Html().join(Html("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    table = Html('<div class="shown scroll"><table class="plain"><tr>{}</tr>{}</table></div>')
    return str(table.format(head, body))


def _server(place: str) -> str:
    return (
        f"castalia serve --new-key me --api-key-file {KEYS}\n"
        f"castalia serve model={place} --api-key-file {KEYS}"
    )


def _client(place: str) -> str:
    """Lines of Python that call the server."""
    kind = opened(place).codec.suffix
    if kind == ".txt":
        call = 'client.completions.create(model="model", prompt="").choices[0].text'
    elif kind == ".png":
        call = 'client.images.generate(model="model", prompt="", n=1).data[0].b64_json[:40]'
    else:
        return (
            "import httpx\n\n"
            "answer = httpx.post(\n"
            '    "http://127.0.0.1:8000/api/generate",\n'
            '    json={"run": "model", "n": 1},\n'
            '    headers={"Authorization": "Bearer KEY"},\n'
            ")\n"
            "print(answer.json())"
        )
    return (
        "from openai import OpenAI\n\n"
        'client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="KEY")\n'
        f"print({call})"
    )
