"""What `castalia demo prompt` does: three prompts for pictures of digits, tested with one run.

The run is trained here, for some seconds. A prompt of such a run is its conditions and its settings
of sampling; whether a picture shows the digit that was asked for is told by a classifier that
learned from the training items.
"""

from __future__ import annotations

from pathlib import Path

from castalia import atomic
from castalia.apps.prompt.matrix import test
from castalia.apps.prompt.pages import write
from castalia.cli.console import echo
from castalia.cli.demo import train
from castalia.language import current
from castalia.sentences import say

TEMPERATURES = {"careful": 0.3, "as-trained": 1.0, "wild": 6.0}
PROMPT = """---
about: one digit, {0}
variables:
  digit: {{type: choice, choices: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]}}
cond: {{label: "{{{{ digit }}}}"}}
sampling: {{temperature: {1}}}
---
"""
CASES = "\n".join(f'  - {{vars: {{digit: "{digit}"}}}}' for digit in range(10))
SUITE = f"""about: which temperature draws the digit that was asked for
prompts: [prompts]
models: [{{run: run, name: digits}}]
repeat: 4
defaults:
  assert: [{{type: class, value: "{{{{ digit }}}}"}}]
cases:
{CASES}
"""


def demo(folder: Path) -> Path:
    """The page of the suite."""
    train(
        "image/vae",
        "builtin/digits",
        ["training.minutes=0.15", "training.sample_every=0"],
        out=folder / "run",
    )
    for name, temperature in TEMPERATURES.items():
        path = folder / "prompts" / f"{name}.prompt.md"
        atomic.write(path, PROMPT.format(name, temperature))
    atomic.write(folder / "suite.yaml", SUITE)
    tested = test(folder / "suite.yaml", folder / "tested")
    echo(tested.headline, *(one.words() for one in tested.comparisons))
    echo(
        say("once more, or with prompts of yours: castalia prompt test {0}", folder / "suite.yaml")
    )
    return write(tested, current())
