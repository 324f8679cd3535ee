"""Export a run as ONNX files, one for each graph of its model (nn/graph.py), checked and compared
with onnxruntime before they are written.

Opset 20. Axes that vary have the names of the graph's: rows, tokens, past. Weights above a gigabyte
lie in a file beside (`<graph>.onnx.data`), because a protocol buffer ends at two. The files contain
nothing about the machine that made them: torch writes a stack trace to every node, which is taken
out. The program that goes along is scripts/onnx_dense.py or scripts/onnx_text.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from castalia.errors import MissingExtra
from castalia.export.run_description import beside, graphs_of, heading, items, sections, writes_text
from castalia.export.targets import Written
from castalia.export.tracing import difference, quiet, trace
from castalia.nn.graph import Graph
from castalia.run import Run

OPSET = 20
INLINE = 1 << 30  # bytes of weights that stay inside the file


def write(run: Run, folder: Path) -> Written:
    """<graph>.onnx, model.json, the codec's tables, run.py and README.md; facts for the manifest.

    Raises MissingExtra without the extra `onnx`, AbilityError for a model that has no graph,
    RunError when onnxruntime computes something else.
    """
    _require()
    graphs = graphs_of(run)
    files = {**beside(run, graphs, "onnx"), "README.md": _readme(run, graphs)}
    differences = {name: _write(graph, folder / f"{name}.onnx") for name, graph in graphs.items()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    after = "python FOLDER/run.py " + ("--length 100" if writes_text(run) else "-n 4 --out drawn")
    return Written({"opset": OPSET, "torch": torch.__version__, "differences": differences}, after)


def _write(graph: Graph, path: Path) -> float:
    """One file; returns how far onnxruntime's numbers are from the model's."""
    import onnx

    large = (
        sum(weight.numel() * weight.element_size() for weight in graph.module.state_dict().values())
        > INLINE
    )
    program = trace(graph)
    with quiet():
        made = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[port.name for port in graph.inputs],
            output_names=list(graph.outputs),
        )
        assert made is not None
        made.save(path, external_data=large)
    model = onnx.load(path, load_external_data=False)
    _name_axes(model, graph)
    _forget(model)
    model.doc_string = f"{path.stem}: " + "; ".join(
        f"{one}: {about}" for one, about in graph.outputs.items()
    )
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(path, full_check=True)
    return difference(graph, _Session(path, graph), path.name)


class _Session:
    """A file as onnxruntime computes it."""

    def __init__(self, path: Path, graph: Graph) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.names, self.outputs = [port.name for port in graph.inputs], list(graph.outputs)

    def __call__(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(self.names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in self.session.run(self.outputs, given)]


def _name_axes(model: Any, graph: Graph) -> None:
    """torch numbers free axes (s27); they get the graph's names, wherever they occur."""
    names: dict[str, str] = {}
    for port, value in zip(graph.inputs, model.graph.input, strict=True):
        for side, axis in zip(port.shape, value.type.tensor_type.shape.dim, strict=True):
            if isinstance(side, str):
                names[axis.dim_param] = side
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = re.sub(
                    r"\w+", lambda match: names.get(match[0], match[0]), axis.dim_param
                )


def _forget(model: Any) -> None:
    """Removes the stack traces that torch writes."""
    graph = model.graph
    for part in (
        model,
        graph,
        *_nodes(graph.node),
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
        *model.functions,
    ):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for node in _nodes(function.node):
            del node.metadata_props[:]
            node.doc_string = ""


def _nodes(nodes: Iterable[Any]) -> Iterable[Any]:
    """Nodes, and those of the graphs inside them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner.node)


def _require() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtra(package, "onnx", where="export --to onnx") from error


def _readme(run: Run, graphs: dict[str, Graph]) -> bytes:
    text = writes_text(run)
    usage = "python run.py --length 100" if text else "python run.py -n 4 --seed 0 --out drawn"
    return f"""{heading(run, f"{run.recipe.title} as ONNX, opset {OPSET}")}

```bash
pip install onnxruntime numpy{"" if text else " pillow"}
{usage}
```

`run.py` is short: it shows how the network is called from anything that has an ONNX runtime. {items(run)}
{"A prompt goes after --prompt. To draw instead of taking the likeliest token, divide the logits by a temperature." if text else "To draw at another temperature, multiply the noise by it."}

{sections(graphs, ".onnx")}

## The other files

| file | |
|---|---|
| `model.json` | the tables above, the names of classes, and the recipe's sampling |
| `codec.json` | how numbers become {"text" if text else "an item"} |
| `castalia.json` | run, weights' hash, data fingerprint, licence, and how far onnxruntime's numbers are from the run's (`differences`) |

What is made with this model is synthetic; where the law asks for a label, putting it on is up to whoever publishes. Exported by Castalia.
""".encode()
