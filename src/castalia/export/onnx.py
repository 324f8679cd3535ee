"""A run as ONNX files, one for each graph of its model (nn/graph.py), checked and compared with onnxruntime before they are written.

Opset 20. Axes that vary have the names of the graph's: rows, tokens, past. Weights above a gigabyte lie in a file beside (`<graph>.onnx.data`),
because a protocol buffer ends at two. The files tell nothing of the machine that made them: torch writes a stack trace to every node, which
is taken out. The program that goes along is scripts/onnx_dense.py or scripts/onnx_text.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from castalia.errors import MissingExtra
from castalia.export.tables import tables
from castalia.export.targets import Written
from castalia.export.tracing import described, difference, graphs_of, model_json, quiet, script, trace
from castalia.nn.graph import Graph
from castalia.run import Run

OPSET = 20
INLINE = 1 << 30  # bytes of weights that stay inside the file
SCRIPTS = Path(__file__).parent / "scripts"


def write(run: Run, folder: Path) -> Written:
    """<graph>.onnx, model.json, the codec's tables, run.py and README.md; facts for the manifest.

    Raises MissingExtra without the extra `onnx`, AbilityError for a model that has no graph, RunError when onnxruntime computes something else.
    """
    _require()
    graphs = graphs_of(run)
    files = tables(run.codec)
    found = {name: _write(graph, name, folder) for name, graph in graphs.items()}
    program = (SCRIPTS / f"onnx_{script(run.codec)}.py").read_bytes()
    for name, content in {**files, "model.json": model_json(run, graphs), "run.py": program, "README.md": _readme(run, graphs)}.items():
        (folder / name).write_bytes(content)
    after = "python {folder}/run.py -n 4 --out drawn" if script(run.codec) == "dense" else "python {folder}/run.py --length 100"
    return Written({"opset": OPSET, "torch": torch.__version__, "differences": found}, after)


def _write(graph: Graph, name: str, folder: Path) -> float:
    """One file; returns how far onnxruntime's numbers are from the model's."""
    import onnx

    path = folder / f"{name}.onnx"
    large = sum(weight.numel() * weight.element_size() for weight in graph.module.state_dict().values()) > INLINE
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
    model.doc_string = f"{name}: " + "; ".join(f"{one}: {says}" for one, says in graph.outputs.items())
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
                axis.dim_param = re.sub(r"\w+", lambda match: names.get(match[0], match[0]), axis.dim_param)


def _forget(model: Any) -> None:
    """Takes out what torch noted about where everything came from."""
    graph = model.graph
    for part in (model, graph, *_nodes(graph.node), *graph.input, *graph.output, *graph.value_info, *graph.initializer, *model.functions):
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
    dense = script(run.codec) == "dense"
    needs = "onnxruntime numpy" + (" pillow" if dense else "")
    usage = "python run.py -n 4 --seed 0 --out drawn" if dense else 'python run.py --prompt "A text begins" --length 100'
    temperature = "To sample at another temperature, multiply the noise by it." if dense else "A temperature divides the logits."
    return f"""# {run.recipe.title} as ONNX

{run.about.get("parameters", 0):,} parameters, opset {OPSET}. Licence of the training data: {run.about["data"].get("licence") or "not stated"}.

```bash
pip install {needs}
{usage}
```

`run.py` is short; it shows how the network is called from anything that has an ONNX runtime. {temperature}

{described(graphs, ".onnx")}
## The other files

| file | |
|---|---|
| `model.json` | the tables above, the names of classes, and the recipe's sampling |
| `codec.json` | how numbers become {"an item" if dense else "text"} |
| `castalia.json` | run, weights' hash, data fingerprint, licence, and how far onnxruntime's numbers are from the run's (`differences`) |

What is made with this model is synthetic; where the law asks for a label, it is yours to put on. Exported by Castalia.
""".encode()
