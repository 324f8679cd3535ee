"""One thread for every test: timings stay comparable, results bit-exact, and two workers share two
cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["CASTALIA_LANG"] = "en"  # whatever language this machine speaks
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# no net: what nobody foresaw reaches the test as it is
os.environ.setdefault("CASTALIA_DEBUG", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch

from tests.clock import Clock

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Caches of the tests live in a temporary folder: nothing of the user's is read, written or
    left behind.
    """
    home = tmp_path_factory.mktemp("castalia-home")
    patch = pytest.MonkeyPatch()
    patch.setenv("CASTALIA_HOME", str(home))
    yield home
    patch.undo()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which trainings are planned and sheets are due."""
    from castalia.training import time_budget

    made = Clock()
    monkeypatch.setattr(time_budget, "time", made)
    return made
