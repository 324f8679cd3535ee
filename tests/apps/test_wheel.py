"""The wheel: small, complete, and it trains outside the checkout.

It is installed into a fresh virtual environment. The heavy dependencies are not installed a second
time: that environment gets a path file to the ones of this environment, which does not expose this
checkout (path files are not followed twice, so the editable installation stays invisible).
"""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGEST = 15 * 2**20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=140)
    assert done.returncode == 0, done.stderr[-2000:]
    (found,) = folder.glob("castalia-*.whl")
    return found


def test_it_is_small_and_complete(wheel: Path):
    assert wheel.stat().st_size < LARGEST, f"{wheel.stat().st_size / 2**20:.1f} MB"
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for pattern in (
        "modalities/*/recipes/*.yaml",
        "modalities/*/data/**/*",
        "**/*.safetensors",
        "**/locale/**/*.po",
        "**/*.py",
    ):
        for path in (ROOT / "src" / "castalia").glob(pattern):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT / "src")) in inside
    for name in ("LICENSE", "NOTICE"):
        assert any(path.endswith(f".dist-info/licenses/{name}") for path in inside)
    for name in ("digits", "fashion", "shakespeare", "tang"):
        assert any(f"/data/{name}/" in path and "LICEN" in path.upper() for path in inside), (
            f"builtin/{name} carries its licence"
        )
    assert not any(path.startswith(("tests/", "benchmarks/", "docs/")) for path in inside)


def test_it_trains_outside_the_checkout(wheel: Path, tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True
    )
    python = tmp_path / "venv" / "bin" / "python"
    packages = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    done = subprocess.run(install, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    work = tmp_path / "work"
    work.mkdir()
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CASTALIA_HOME": str(tmp_path / "home"),
        "PYTHONPATH": "",
    }
    program = "import castalia; print(castalia.__file__)"
    where = subprocess.run(
        [python, "-c", program],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert Path(where.strip()).is_relative_to(packages), "the checkout must not be what is tested"

    words = [
        tmp_path / "venv" / "bin" / "castalia",
        "train",
        "image/vae",
        "builtin/digits",
        "training.steps=2",
        "--out",
        "run",
    ]
    done = subprocess.run(
        words, cwd=work, env=environment, capture_output=True, text=True, timeout=140
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (work / "run" / "checkpoints" / "step-00000002" / "model.safetensors").exists()
