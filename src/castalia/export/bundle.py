"""Export a run as a folder that runs without Castalia: torch programs (.pt2), the codec's tables,
and run.py, which samples.

A sample of the bundle is the sample of `castalia sample` with the same seed and index: run.py has
the noise and the rules written out. It is scripts/bundle_dense.py or scripts/bundle_text.py,
copied. Each program is loaded again and compared before the folder appears.
"""

from __future__ import annotations

from pathlib import Path

import torch

import castalia
from castalia.codecs import ai_label
from castalia.export.run_description import beside, graphs_of, heading, items, sections, writes_text
from castalia.export.targets import Written
from castalia.export.tracing import difference, quiet, trace
from castalia.nn.graph import Graph
from castalia.run import Run


def write(run: Run, folder: Path) -> Written:
    """<graph>.pt2, model.json, the codec's tables, run.py and README.md; facts for the manifest.

    Raises AbilityError for a model that has no graph, RunError when a program computes something
    else than the model.
    """
    graphs = graphs_of(run)
    files = beside(run, graphs, "bundle")
    if not writes_text(run):
        files["label.xmp"] = ai_label.template(f"castalia {castalia.__version__}").encode()
    files["README.md"] = _readme(run, graphs, merges="tokenizer.json" in files)
    differences = {name: _write(graph, folder / f"{name}.pt2") for name, graph in graphs.items()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    after = "python FOLDER/run.py -n 4 --seed 0" + ("" if writes_text(run) else " --out drawn")
    return Written({"torch": torch.__version__, "differences": differences}, after)


def _write(graph: Graph, path: Path) -> float:
    """One program; returns how far its numbers are from the model's."""
    with quiet():
        torch.export.save(trace(graph), path)
        loaded = torch.export.load(path).module()
    with torch.no_grad():
        return difference(graph, lambda inputs: loaded(*inputs), path.name)


def _readme(run: Run, graphs: dict[str, Graph], *, merges: bool) -> bytes:
    text = writes_text(run)
    usage = "-n 2 --seed 0 --length 200 --temperature 0.8" if text else "-n 4 --seed 0 --out drawn"
    return f"""{heading(run, f"{run.recipe.title}, on its own")}

```bash
pip install torch numpy{"" if text else " pillow"}{" tokenizers" if merges else ""}
python run.py {usage}
python run.py --help
```

{"`--prompt` gives the beginning of the texts. " if text else ""}{"Text" if text else "Sample"} i of a seed is what `castalia sample` gives for the same seed and number. Made with torch {torch.__version__}; another
version may read `.pt2` files, but torch does not promise it.

In a program of your own, `torch.export.load("{next(iter(graphs))}.pt2").module()` is a function of the inputs below, in this order; it returns a tuple.
{items(run)}

{sections(graphs, ".pt2")}

## The other files

| file | |
|---|---|
| `run.py` | the program: {"text and tokens, which token, writing" if text else "noise, network, items and files"}, in this order |
| `model.json` | the tables above, the names of classes, and the recipe's sampling |
| `codec.json` | how numbers become {"text" if text else "an item"} |
| `castalia.json` | run, weights' hash, data fingerprint, licence; goes along with every file that run.py writes |
{"" if text else "| `label.xmp` | the label for other programs that every picture carries: made by a machine |" + chr(10)}
Exported by Castalia.
""".encode()
