"""A run as a folder that runs without Castalia: programs of torch (.pt2), the codec's tables and run.py, which draws or writes.

A sample of the bundle is the sample of `castalia sample` with the same seed and index: run.py has the noise and the rules written out. It is
scripts/bundle_dense.py or scripts/bundle_text.py, copied. Each program is loaded again and compared before the folder appears.
"""

from __future__ import annotations

from pathlib import Path

import torch

from castalia.export.tables import tables
from castalia.export.targets import Written
from castalia.export.tracing import described, difference, graphs_of, model_json, quiet, script, trace
from castalia.nn.graph import Graph
from castalia.run import Run

SCRIPTS = Path(__file__).parent / "scripts"


def write(run: Run, folder: Path) -> Written:
    """<graph>.pt2, model.json, the codec's tables, run.py and README.md; facts for the manifest.

    Raises AbilityError for a model that has no graph, RunError when a program computes something else than the model.
    """
    graphs = graphs_of(run)
    files = tables(run.codec)
    found = {name: _write(graph, folder / f"{name}.pt2") for name, graph in graphs.items()}
    program = (SCRIPTS / f"bundle_{script(run.codec)}.py").read_bytes()
    readme = _readme(run, graphs, "tokenizer.json" in files)
    for name, content in {**files, "model.json": model_json(run, graphs), "run.py": program, "README.md": readme}.items():
        (folder / name).write_bytes(content)
    after = "python {folder}/run.py -n 4 --seed 0" + (" --out drawn" if script(run.codec) == "dense" else "")
    return Written({"torch": torch.__version__, "differences": found}, after)


def _write(graph: Graph, path: Path) -> float:
    """One program; returns how far its numbers are from the model's."""
    with quiet():
        torch.export.save(trace(graph), path)
        loaded = torch.export.load(path).module()
    with torch.no_grad():
        return difference(graph, lambda inputs: loaded(*inputs), path.name)


def _readme(run: Run, graphs: dict[str, Graph], merges: bool) -> bytes:
    dense = script(run.codec) == "dense"
    needs = "torch numpy" + (" pillow" if dense else " tokenizers" if merges else "")
    usage = "python run.py -n 4 --seed 0 --out drawn" if dense else 'python run.py --prompt "A text begins" --length 200 --temperature 0.8'
    return f"""# {run.recipe.title}, on its own

{run.about.get("parameters", 0):,} parameters. Licence of the training data: {run.about["data"].get("licence") or "not stated"}.

```bash
pip install {needs}
{usage}
python run.py --help
```

{"Sample" if dense else "Text"} i of a seed is what `castalia sample` gives for the same seed and number. Made with torch {torch.__version__}; another
version may read `.pt2` files, but torch does not promise it. In a program of your own, `torch.export.load("{next(iter(graphs))}.pt2").module()` is a
function that returns a tuple:

{described(graphs, ".pt2")}
## The other files

| file | |
|---|---|
| `run.py` | the program: noise, network, {"picture" if dense else "rules, text"}, in this order |
| `model.json` | the tables above, the names of classes, and the recipe's sampling |
| `codec.json` | how numbers become {"an item" if dense else "text"} |
| `castalia.json` | run, weights' hash, data fingerprint, licence; goes along with everything that run.py saves |

Exported by Castalia.
""".encode()
