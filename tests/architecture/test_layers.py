"""The layers of docs/design.md: import-linter keeps them, and would notice a breach."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    """import-linter with the project's contracts over the package in `source`."""
    program = (
        "import sys; from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "pyproject.toml")],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_contracts_hold():
    done = lint(ROOT / "src")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_breach_is_noticed_even_when_it_is_lazy(tmp_path: Path):
    shutil.copytree(
        ROOT / "src" / "castalia",
        tmp_path / "castalia",
        ignore=shutil.ignore_patterns("__pycache__", "*.npz", "*.safetensors"),
    )
    with open(tmp_path / "castalia" / "nn" / "counter_random.py", "a") as file:
        file.write(
            "\n\ndef upwards():\n    from castalia.verbs.train import train\n\n    return train\n"
        )
    with open(tmp_path / "castalia" / "sampling" / "generate.py", "a") as file:
        file.write("\n\nimport lightning_fabric\n")
    done = lint(tmp_path)
    assert done.returncode != 0
    assert "castalia.nn.counter_random -> castalia.verbs.train" in done.stdout, (
        done.stdout + done.stderr
    )
    assert "castalia.sampling.generate -> lightning_fabric" in done.stdout
