"""Two processes (gloo) end with identical weights, and see what one process with twice the
accumulation sees.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.texts import SHORT, corpus

import castalia
from castalia.training import device as devices

TINY = {
    "image/vae": [
        "training.steps=6",
        "training.batch=16",
        "training.log_every=1",
        "training.threads=1",
        "training.sample_every=0",
        "training.precision=fp32",
        "codec.size=16",
    ],
    "image/gan": [
        "training.steps=6",
        "training.batch=16",
        "training.log_every=1",
        "training.threads=1",
        "training.sample_every=0",
        "training.precision=fp32",
        "codec.size=16",
    ],
}


TEXT = [
    *SHORT,
    "training.batch=16",
    "training.log_every=1",
    "training.precision=fp32",
    "family.counts=3",
    "data.development=0.2",
]


def launch(recipe: str, out: Path, words: list[str]) -> None:
    """words: the data source, then overrides."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("two.py")
    processes = []
    for rank in range(2):
        environment = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
        }
        environment |= {
            "NODE_RANK": "0",
            "GROUP_RANK": "0",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "TORCHELASTIC_RUN_ID": "test",
        }
        processes.append(
            subprocess.Popen(
                [sys.executable, str(script), recipe, str(out), *words],
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in processes:
        _, errors = process.communicate(timeout=170)
        assert process.returncode == 0, errors[-2000:]


@pytest.mark.parametrize("recipe", sorted(TINY))
def test_two_processes_equal_twice_the_accumulation(recipe: str, tmp_path: Path):
    launch(recipe, tmp_path / "two", ["builtin/digits", *TINY[recipe]])
    first, second = (load_file(tmp_path / "two" / f"rank{rank}.safetensors") for rank in range(2))
    # each rank saw its own half
    buffers = {name for name in first if "running_" in name or "num_batches" in name}
    for name in first.keys() - buffers:
        assert torch.equal(first[name], second[name]), name
    alone = castalia.train(
        recipe, "builtin/digits", [*TINY[recipe], "training.accumulate=2"], out=tmp_path / "one"
    )
    curves = [
        [{k: v for k, v in row.items() if k.endswith("/total")} for row in run.metrics()]
        for run in (alone, castalia.open(tmp_path / "two"))
    ]
    assert len(curves[0]) == len(curves[1]) == 6
    for left, right in zip(*curves, strict=True):
        assert left == pytest.approx(right, rel=2e-4)


def test_two_processes_share_one_stream_of_windows(tmp_path: Path):
    """Counts are equal in both, and the gate's turns fall together."""
    words = [str(corpus(tmp_path / "texts")), *TEXT, "training.steps=10"]
    # the first process decides the steps, and shares them
    launch("text/ar", tmp_path / "two", [*words, "training.minutes=30"])
    first, second = (load_file(tmp_path / "two" / f"rank{rank}.safetensors") for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first) and "counts.token" in first
    alone = castalia.train(
        "text/ar", words[0], [*words[1:], "training.accumulate=2"], out=tmp_path / "one"
    )
    curves = [
        [
            kept
            for row in run.metrics()
            if (kept := {name: value for name, value in row.items() if name.endswith("/total")})
        ]
        for run in (alone, castalia.open(tmp_path / "two"))
    ]
    assert curves[0]
    for left, right in zip(*curves, strict=True):
        assert left == pytest.approx(right, rel=2e-4)


def test_fabric_and_plain_torch_give_identical_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain = castalia.train("image/vae", "builtin/digits", TINY["image/vae"], out=tmp_path / "plain")
    opened = devices.open_device
    monkeypatch.setattr(
        "castalia.verbs.train.open_device", lambda config: opened(config, fabric=True)
    )
    fabric = castalia.train(
        "image/vae", "builtin/digits", TINY["image/vae"], out=tmp_path / "fabric"
    )
    assert plain.model_hash("model") == fabric.model_hash("model")
    assert plain.model_hash("ema") == fabric.model_hash("ema")
