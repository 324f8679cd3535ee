"""Graphs of a model as programs of torch, and the proof that what was written computes the same.

A program keeps no trace of where it was made: neither the lines of Python behind each operation nor the tensors it was traced with. What is
written is compared with the run's own model at two sizes, on inputs of its own; an export that disagrees is not written. Not here: formats.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from castalia.codecs.base import Codec
from castalia.errors import AbilityError, RunError
from castalia.export.tables import as_json
from castalia.nn.graph import Graph, Port
from castalia.nn.random import generator
from castalia.run import Run
from castalia.spec import Tokens

BOUND = 1e-4  # largest difference of any number
KEPT = ("val", "tensor_meta")  # of what a trace notes beside each operation
SIZES = ({"rows": 1, "tokens": 5, "past": 0}, {"rows": 4, "tokens": 1, "past": 7})  # that outputs are compared at
TRACED = {"rows": 3, "tokens": 2, "past": 4}  # none of them 0 or 1, which a trace takes for constants


def trace(graph: Graph) -> torch.export.ExportedProgram:
    """The graph as a program of ATen operations, its named axes free."""
    inputs = graph.draw(_fitted(TRACED, graph), generator("trace"))
    least = {"rows": 1, **{name: low for name, (low, _) in graph.axes.items()}}
    axes = {name: torch.export.Dim(name, min=low) for name, low in least.items()}
    shapes = torch.export.ShapesCollection()
    for port, tensor in zip(graph.inputs, inputs, strict=True):
        shapes[tensor] = {place: axes[side] for place, side in enumerate(port.shape) if isinstance(side, str)}
    with quiet(), torch.no_grad():
        program = torch.export.export(graph.module, inputs, dynamic_shapes=shapes, strict=False)
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta = {name: value for name, value in node.meta.items() if name in KEPT}
    program._example_inputs = None  # they would be pickled
    return program


def difference(graph: Graph, written: Callable[[tuple[Tensor, ...]], Sequence[Tensor]], where: str) -> float:
    """The largest difference of any output between the graph and `written`, over `SIZES`.

    Raises RunError when it is above BOUND, or when either gives what is not a number.
    """
    worst = 0.0
    for sizes in SIZES:
        inputs = graph.draw(_fitted(sizes, graph), generator("compare", sizes["rows"]))
        with torch.no_grad():
            own = graph.module(*inputs)
        for mine, other in zip(own, written(inputs), strict=True):
            apart = float((mine.double() - other.double()).abs().max()) if mine.shape == other.shape else float("inf")
            if not apart <= BOUND:
                raise RunError(
                    f"what was written gives other numbers than the run: {apart:.1e} apart, at most {BOUND:.0e} is allowed",
                    where=where,
                    fix="castalia export --to safetensors holds the weights as they are; please report this run's recipe",
                )
            worst = max(worst, apart)
    return worst


def _fitted(sizes: Mapping[str, int], graph: Graph) -> dict[str, int]:
    """`sizes`, no larger than the graph's axes and room."""
    fitted = {name: min(size, graph.axes[name][1]) if name in graph.axes else size for name, size in sizes.items()}
    if graph.room is not None and sum(fitted[name] for name in graph.axes) > graph.room:
        fitted["tokens"], fitted["past"] = 1, min(fitted["past"], graph.room - 1)
    return fitted


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's remarks about itself."""
    import logging

    chatty = logging.getLogger("torch.onnx._internal.exporter._registration")  # it misses torchvision
    level = chatty.level
    chatty.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        chatty.setLevel(level)


# What goes beside a graph ----------------------------------------------------------------------------------------------


def graphs_of(run: Run) -> dict[str, Graph]:
    """The run's graphs. Raises AbilityError where they take what the programs in scripts/ cannot give."""
    graphs = run.model().graphs()
    for name, graph in graphs.items():
        for port in graph.inputs:
            if port.kind == "data" and name != "encode":
                raise AbilityError(
                    "the programs of an export can be told classes only", where=f"condition '{port.name}'", fix="export --to safetensors"
                )
    return graphs


def script(codec: Codec[Any]) -> str:
    """Which program in scripts/ runs a codec's models: dense or text."""
    return "text" if isinstance(codec.spec, Tokens) else "dense"


def model_json(run: Run, graphs: Mapping[str, Graph]) -> bytes:
    """model.json: the graphs' inputs and outputs, and the recipe's sampling."""
    described = {
        name: {
            "inputs": [_port(port) for port in graph.inputs],
            "outputs": dict(graph.outputs),
            "axes": {axis: list(span) for axis, span in graph.axes.items()},
            "room": graph.room,
        }
        for name, graph in graphs.items()
    }
    return as_json({"title": run.recipe.title, "graphs": described, "sampling": run.recipe.sampling.model_dump(mode="json")})


def _port(port: Port) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(port).items() if value or name not in ("below", "labels")}
    return facts | {"dtype": "int64" if port.kind in ("class", "token") else "float32"}


def described(graphs: Mapping[str, Graph], suffix: str) -> str:
    """The graphs as sections of a README."""
    parts = []
    for name, graph in graphs.items():
        rows = [f"| `{one.name}` | {_shape(one)} | {_kind(one)} | {one.says}{_labels(one)} |" for one in graph.inputs]
        out = [f"| `{one}` | {says} |" for one, says in graph.outputs.items()]
        limit = (
            "" if graph.room is None else f"\nMemory and new tokens together are at most {graph.room:,}: past + tokens <= {graph.room}.\n"
        )
        parts.append(
            "\n".join([f"## {name}{suffix}\n", "| input | shape | type | |", "|---|---|---|---|", *rows])
            + "\n\n"
            + "\n".join(["| output | |", "|---|---|", *out])
            + f"\n{limit}"
        )
    return "\n".join(parts)


def _shape(port: Port) -> str:
    return "(" + ", ".join(map(str, port.shape)) + ("," if len(port.shape) == 1 else "") + ")"


def _kind(port: Port) -> str:
    return "int64" if port.kind in ("class", "token") else "float32"


def _labels(port: Port) -> str:
    """The names of classes, unless they are their numbers."""
    named = [f"{number} {label}" for number, label in enumerate(port.labels)]
    if not named or named == [f"{number} {number}" for number in range(len(named))]:
        return ""
    return " (" + ", ".join(named[:20]) + (", ..., see model.json)" if len(named) > 20 else ")")
