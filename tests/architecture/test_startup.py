"""`import castalia` and `castalia --help` are light: no torch, little time.

The limits here are three times the promised ones (0.15 s and 0.4 s of CPU), because test machines
are busy; benchmarks/startup.py measures the promised ones.
"""

import resource
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "pydantic", "lightning_fabric", "PIL", "typer", "rich", "yaml")
PROBE = f"; import sys; print([name for name in {HEAVY} if name in sys.modules])"
CASES = {
    "import castalia": ("import castalia", 0.45),
    "castalia --help": (
        "import castalia.cli.main as m, contextlib, io\nwith "
        "contextlib.redirect_stdout(io.StringIO()): m._dispatch(['--help'])\n",
        1.2,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_heavy_is_imported_and_it_is_quick(case: str):
    program, limit = CASES[case]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program + PROBE.lstrip("; ") if program.endswith("\n") else program + PROBE,
        ],
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < limit, f"{case} took {seconds:.2f} s of CPU"


def test_listing_names_imports_no_family():
    program = (
        "import sys; from castalia import registry; registry.names('family'); "
        "registry.names('codec'); print('torch' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True
        ).stdout.strip()
        == "False"
    )
