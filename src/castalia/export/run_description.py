"""Files beside the graphs of an export, whatever the format: model.json for programs, tables for
people, and run.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from castalia.errors import AbilityError
from castalia.escapes import markdown
from castalia.export.codec_tables import as_json, tables
from castalia.nn.graph import Graph, Port
from castalia.run import Run
from castalia.sentences import say
from castalia.spec import Dense, Tokens

SCRIPTS = Path(__file__).parent / "scripts"
SHOWN = 20  # names of classes in a README


def graphs_of(run: Run) -> dict[str, Graph]:
    """The graphs of the run's model. Raises AbilityError where there is none, or one that run.py
    could not feed.
    """
    graphs = run.model().graphs()
    for name, graph in graphs.items():
        for port in graph.inputs:
            if port.kind == "data" and name != "encode":
                raise AbilityError(
                    say("the programs of an export can be told classes only"),
                    where=say("condition '{0}'", port.name),
                    fix="export --to safetensors",
                )
    return graphs


def beside(run: Run, graphs: Mapping[str, Graph], program: str) -> dict[str, bytes]:
    """model.json, the codec's tables, and run.py for the format `program`. Raises AbilityError for
    a codec without tables.
    """
    kind = "text" if writes_text(run) else "dense"
    return {
        **tables(run.codec),
        "model.json": _model(run, graphs),
        "run.py": (SCRIPTS / f"{program}_{kind}.py").read_bytes(),
    }


def writes_text(run: Run) -> bool:
    return isinstance(run.codec.spec, Tokens)


def _model(run: Run, graphs: Mapping[str, Graph]) -> bytes:
    described = {
        name: {
            "inputs": [_port(port) for port in graph.inputs],
            "outputs": dict(graph.outputs),
            "axes": {axis: list(span) for axis, span in graph.axes.items()},
            "room": graph.room,
        }
        for name, graph in graphs.items()
    }
    return as_json(
        {
            "title": run.recipe.title,
            "graphs": described,
            "sampling": run.recipe.sampling.model_dump(mode="json"),
        }
    )


def _port(port: Port) -> dict[str, Any]:
    facts = {
        name: value
        for name, value in asdict(port).items()
        if value or name not in ("below", "labels")
    }
    return facts | {"dtype": _dtype(port)}


# For people ---------------------------------------------------------------------------------------


def heading(run: Run, title: str) -> str:
    """The first lines of a README."""
    licence = markdown(run.about["data"].get("licence") or "not stated")
    return (
        f"# {markdown(title)}\n\n{run.about.get('parameters', 0):,} parameters. Licence of "
        f"the training data: {licence}."
    )


def sections(graphs: Mapping[str, Graph], suffix: str) -> str:
    """A section for each graph: what goes in and what comes out."""
    parts = []
    for name, graph in graphs.items():
        lines = [f"## {name}{suffix}", "", "| input | shape | type | |", "|---|---|---|---|"]
        lines += [
            f"| `{port.name}` | ({', '.join(map(str, port.shape))}) | {_dtype(port)} | "
            f"{port.about}{_labels(port)} |"
            for port in graph.inputs
        ]
        lines += [
            "",
            "| output | |",
            "|---|---|",
            *(f"| `{output}` | {about} |" for output, about in graph.outputs.items()),
        ]
        if graph.room is not None:
            lines += [
                "",
                "All rows of a call are equally long, and past + tokens is at most "
                f"{graph.room:,}.",
            ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def items(run: Run) -> str:
    """How an item becomes what the model sees, in a sentence."""
    spec = run.codec.spec
    match spec:
        case Dense(levels=256):
            return (
                "A picture is (channels, height, width), its levels divided by 127.5, minus "
                "1; what comes out goes the way back."
            )
        case Dense():
            return (
                "What goes in is (x - mean) / deviation, with the numbers of codec.json; what "
                "comes out goes the way back."
            )
    return (
        f"A text begins with token {spec.begin}; codec.json says what each token writes, "
        "grammar.npz which may follow so that characters stay whole."
    )


def _dtype(port: Port) -> str:
    return "int64" if port.kind in ("class", "token") else "float32"


def _labels(port: Port) -> str:
    """The names of classes, unless they are their numbers."""
    if not port.labels or port.labels == tuple(map(str, range(len(port.labels)))):
        return ""
    named = [f"{number} {markdown(label, 100)}" for number, label in enumerate(port.labels)]
    return (
        " (" + ", ".join(named[:SHOWN]) + (", ..., see model.json)" if len(named) > SHOWN else ")")
    )
