"""The built-in sets: whole, licensed, small, and listed without loading anything heavy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from castalia.codecs import containers
from castalia.codecs.image import ImageCodec
from castalia.data import builtin
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.errors import DataError

COUNTS = {"digits": (1797, (1, 8, 8)), "fashion": (5000, (1, 28, 28))}


@pytest.mark.parametrize("name", builtin.names())
def test_sets_are_whole_and_licensed(name: str):
    folder = builtin.path(name)
    assert (folder / "LICENSE").is_file() and (folder / "README.md").is_file()
    assert builtin.about(name) and builtin.licence(name)
    dataset = prepare(DataConfig(source=f"builtin/{name}"), ImageCodec())
    count, shape = COUNTS[name]
    assert dataset.report["items"] == dataset.report["distinct"] == count == len(dataset.train) + len(dataset.validation)
    assert dataset.spec.shape == shape and dataset.licence == builtin.licence(name)
    assert len(dataset.conditions["label"]) == 10 and dataset.report["unlabelled"] == 0
    assert min(dataset.report["classes"].values()) > count / 12


def test_digits_are_the_published_ones():
    datasets = pytest.importorskip("sklearn.datasets")
    published = datasets.load_digits()
    folder = builtin.path("digits")
    pictures = containers.read_array(folder / "digits-images-idx3-ubyte.gz")
    assert (np.rint(published.images * 255 / 16) == pictures).all()
    assert (published.target == containers.labels(folder / "digits-images-idx3-ubyte.gz")).all()


def test_they_are_small():
    folder = Path(builtin.__file__).parent
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts) < 5e6


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from castalia.data import builtin; builtin.names(); print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wrong_name_gets_a_suggestion():
    with pytest.raises(DataError) as caught:
        builtin.path("fasion")
    assert "builtin/fashion" in caught.value.fix
