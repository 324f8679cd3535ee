"""Trace the graphs of a model as torch programs, and compare what was written with the model.

A program keeps no trace of where it was made: neither the lines of Python behind each operation nor
the tensors it was traced with. What is written is compared with the run's own model at two sizes,
on inputs of its own; an export that disagrees is not written. Not here: formats (onnx.py,
bundle.py), descriptions (run_description.py).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from castalia.errors import RunError
from castalia.nn.counter_random import generator
from castalia.nn.graph import Graph
from castalia.sentences import say

BOUND = 1e-4  # largest difference of any number
KEPT = ("val", "tensor_meta")  # of what a trace notes beside each operation
# that outputs are compared at
SIZES = ({"rows": 1, "tokens": 5, "past": 0}, {"rows": 4, "tokens": 1, "past": 7})
# none of them 0 or 1, which a trace takes for constants
TRACED = {"rows": 3, "tokens": 2, "past": 4}


def trace(graph: Graph) -> torch.export.ExportedProgram:
    """The graph as a program of ATen operations, its named axes free."""
    inputs = graph.draw(_fitted(TRACED, graph), generator("trace"))
    least = {"rows": 1, **{name: low for name, (low, _) in graph.axes.items()}}
    axes = {name: torch.export.Dim(name, min=low) for name, low in least.items()}
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for port, tensor in zip(graph.inputs, inputs, strict=True):
        shapes[tensor] = {
            place: axes[side] for place, side in enumerate(port.shape) if isinstance(side, str)
        }
    with quiet(), torch.no_grad():
        program = torch.export.export(graph.module, inputs, dynamic_shapes=shapes, strict=False)
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta = {name: value for name, value in node.meta.items() if name in KEPT}
    program._example_inputs = None  # they would be pickled
    return program


def difference(
    graph: Graph, written: Callable[[tuple[Tensor, ...]], Sequence[Tensor]], where: str
) -> float:
    """The largest difference of any output between the graph and `written`, over `SIZES`.

    Raises RunError when it is above BOUND, or when either gives what is not a number.
    """
    worst = 0.0
    for sizes in SIZES:
        inputs = graph.draw(_fitted(sizes, graph), generator("compare", sizes["rows"]))
        with torch.no_grad():
            own = graph.module(*inputs)
        for mine, other in zip(own, written(inputs), strict=True):
            apart = (
                float((mine.double() - other.double()).abs().max())
                if mine.shape == other.shape
                else float("inf")
            )
            if not apart <= BOUND:
                raise RunError(
                    say(
                        "what was written gives other numbers than the run: {0:.1e} apart, at "
                        "most {1:.0e} is allowed",
                        apart,
                        BOUND,
                    ),
                    where=where,
                    fix=say(
                        "castalia export --to safetensors holds the weights as they are; "
                        "please report this run's recipe"
                    ),
                )
            worst = max(worst, apart)
    return worst


def _fitted(sizes: Mapping[str, int], graph: Graph) -> dict[str, int]:
    """`sizes`, no larger than the graph's axes and room."""
    fitted = {
        name: min(size, graph.axes[name][1]) if name in graph.axes else size
        for name, size in sizes.items()
    }
    if graph.room is not None and sum(fitted[name] for name in graph.axes) > graph.room:
        fitted["tokens"], fitted["past"] = 1, min(fitted["past"], graph.room - 1)
    return fitted


@contextmanager
def quiet() -> Iterator[None]:
    """Silences torch's log messages."""
    # it warns that torchvision is missing
    chatty = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = chatty.level
    chatty.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        chatty.setLevel(level)
