"""VAE against pythae on Fashion-MNIST: the same MLP 784-512-16, the same bound, interleaved, median
of the rounds.

    python benchmarks/vae_pythae.py --peer FOLDER
        # FOLDER: pip install --no-deps --target FOLDER pythae imageio
    python benchmarks/vae_pythae.py --peer FOLDER --quick  # a smoke run of seconds, writes nothing

pythae (0.1.2) runs from its own code with its own trainer and default networks: Adam 1e-3, batch
64, --epochs epochs. Castalia runs `image/vae-mlp` with the steps that the recipe says, and a
convolutional VAE with as many steps as fit into 90% of what pythae took in the same round. Every
run is a fresh process; building the data and the model is not timed, training is, with all that
each trainer does meanwhile.

Metric, for all, by one function on the 10,000 test pictures: -ELBO in pythae's terms, half the
squared error summed over pixels in [0, 1] plus the divergence in nats, one draw of the latent per
picture from a fixed seed. Up to a constant it is the bound of a Gaussian of unit variance, which
all three train on (deviation 2 in signed units is deviation 1 in [0, 1]).
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from machine import spread, write_result

FASHION = Path("/usr/share/datasets/fashion-mnist")
QUARTER = 4.0
# The same likelihood as the MLP, so that the bounds compare; blocks on 7x7 and 4x4 positions.
CONV = [
    "family.body=conv",
    "family.width=48",
    "family.depth=1",
    "family.patch=4",
    "family.latent=16",
    "family.likelihood=gaussian",
    "family.spread=fixed",
    "family.deviation=2.0",
    "family.kl_warmup=0.0",
    "training.batch=64",
    "training.optimiser.rate=4.0e-3",
    "training.schedule={name: linear, warmup: 40}",
    "training.ema=0.99",
]


def pictures(part: str, limit: int | None) -> Tensor:
    """(N, 1, 28, 28) float32 in [0, 1] of an IDX file; part: "train" or "t10k"."""
    raw = gzip.decompress((FASHION / f"{part}-images-idx3-ubyte.gz").read_bytes())
    x = torch.from_numpy(np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28).copy())
    return x[:limit].float() / 255


def bound(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]], decode: Callable[[Tensor], Tensor], x: Tensor
) -> float:
    """Mean -ELBO of pictures (N, 1, 28, 28) in [0, 1]. encode: mean and log-variance; decode: mean
    picture in [0, 1].
    """
    rng, total = torch.Generator().manual_seed(0), 0.0
    with torch.no_grad():
        for block in x.split(500):
            mean, log_variance = encode(block)
            z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=rng)
            error = 0.5 * (decode(z).reshape(block.shape) - block).square().flatten(1).sum(1)
            divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
            total += float((error + divergence).double().sum())
    return total / len(x)


def timed(train: Callable[[], object]) -> dict[str, float]:
    begun = time.perf_counter(), time.process_time()
    train()
    return {
        "seconds": time.perf_counter() - begun[0],
        "cpu_seconds": time.process_time() - begun[1],
    }


def run_pythae(options: argparse.Namespace) -> dict[str, Any]:
    sys.path.append(options.peer)
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    x = pictures("train", options.limit)
    torch.manual_seed(options.seed)
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=16))
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=options.epochs,
            learning_rate=1e-3,
            per_device_train_batch_size=64,
            seed=options.seed,
            no_cuda=True,
        )
        trainer = BaseTrainer(
            model=model, train_dataset=BaseDataset(x, torch.zeros(len(x))), training_config=config
        )
        result = timed(trainer.train)
    model = trainer.model.eval()

    def encode(block: Tensor) -> tuple[Tensor, Tensor]:
        found = model.encoder(block)
        return found.embedding, found.log_covariance

    images = options.epochs * len(x)
    return {
        **result,
        "images": images,
        "bound": bound(
            encode, lambda z: model.decoder(z)["reconstruction"], pictures("t10k", None)
        ),
    }


def run_castalia(options: argparse.Namespace) -> dict[str, Any]:
    from castalia.nn.gaussian_latent import Posterior
    from castalia.recipe import load
    from castalia.training.device import Solo
    from castalia.training.loop import Trainer, fit, start
    from castalia.training.setup import build

    def trainer_of(steps: int | None) -> Trainer:
        chosen = [
            "data.conditional=false",
            "data.validation=0.0",
            f"training.seed={options.seed}",
            "training.precision=bf16",
        ]
        chosen += ["training.sample_every=0", *(CONV if options.worker == "conv" else [])]
        chosen += [f"data.limit={options.limit}"] if options.limit else []
        chosen += [f"training.steps={steps}"] if steps else []
        plan = load("image/vae-mlp", str(FASHION / "train-images-idx3-ubyte.gz"), chosen)
        _, _, dataset, family = build(plan)
        return start(family, plan.training, dataset.train, dataset.validation, Solo(), None)

    steps = options.steps
    if options.budget:
        rehearsal = trainer_of(1_000_000)
        for count in (5, 20):  # the first few pay for lazy kernels
            begun = time.perf_counter()
            for _ in range(count):
                rehearsal.train_step()
        steps = max(1, int(options.budget / ((time.perf_counter() - begun) / 20)))
    trainer = trainer_of(steps)
    result = timed(lambda: fit(trainer))
    model: Any = trainer.averaged()

    def encode(block: Tensor) -> tuple[Tensor, Tensor]:
        posterior = Posterior.of(model.encoder(2 * block - 1, None))
        return posterior.mean, posterior.log_variance

    images = trainer.step * trainer.config.batch
    return {
        **result,
        "images": images,
        "bound": bound(
            encode, lambda z: 0.5 * (model.from_latent(z, {}) + 1), pictures("t10k", None)
        ),
    }


def work(options: argparse.Namespace) -> None:
    """One run in this process; the result is the last line of standard output."""
    torch.set_num_threads(options.threads)
    result = run_pythae(options) if options.worker == "pythae" else run_castalia(options)
    print(json.dumps({name: round(value, 4) for name, value in result.items()}))


def contest(worker: str, seed: int, options: argparse.Namespace, *more: str) -> dict[str, float]:
    words = [
        sys.executable,
        __file__,
        "--worker",
        worker,
        "--seed",
        str(seed),
        "--threads",
        str(options.threads),
        "--epochs",
        str(options.epochs),
    ]
    words += [
        "--peer",
        options.peer,
        *(["--limit", str(options.limit)] if options.limit else []),
        *more,
    ]
    found = subprocess.run(words, capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"{worker} failed:\n{found.stderr}")
    result: dict[str, float] = json.loads(found.stdout.strip().splitlines()[-1])
    print(worker, result, file=sys.stderr)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", required=True, help="folder that pythae was installed into")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--epochs", type=int, default=3, help="pythae's epochs over the 60,000 pictures"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="two rounds of a few steps; nothing is written"
    )
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--worker", choices=("pythae", "mlp", "conv"), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--budget", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
        return
    if options.quick:
        options.rounds, options.epochs, options.limit = 2, 1, 2000
    runs: dict[str, list[dict[str, float]]] = {"pythae": [], "mlp": [], "conv": []}
    for seed in range(options.rounds):
        runs["pythae"].append(contest("pythae", seed, options))
        runs["mlp"].append(
            contest("mlp", seed, options, *(["--steps", "20"] if options.quick else []))
        )
        runs["conv"].append(
            contest("conv", seed, options, "--budget", str(0.9 * runs["pythae"][-1]["seconds"]))
        )
    speedups = [
        peer["seconds"] / ours["seconds"]
        for peer, ours in zip(runs["pythae"], runs["mlp"], strict=True)
    ]
    cpu = [
        peer["cpu_seconds"] / ours["cpu_seconds"]
        for peer, ours in zip(runs["pythae"], runs["mlp"], strict=True)
    ]
    medians = {
        name: statistics.median(run["bound"] for run in found) for name, found in runs.items()
    }
    shares = [
        ours["seconds"] / peer["seconds"]
        for peer, ours in zip(runs["pythae"], runs["conv"], strict=True)
    ]
    results = {
        "metric": "-ELBO on the 10,000 test pictures: half squared error in [0, 1] plus KL, nats "
        "per picture",
        "threads": options.threads,
        "epochs_of_pythae": options.epochs,
        "runs": runs,
        "bound": {name: spread([run["bound"] for run in found]) for name, found in runs.items()},
        "seconds": {
            name: spread([run["seconds"] for run in found]) for name, found in runs.items()
        },
        "speedup": spread(speedups),
        "speedup_cpu": spread(cpu),
        "conv_share_of_time": spread(shares),
        "mlp_reached": medians["mlp"] <= medians["pythae"]
        and statistics.median(speedups) >= QUARTER,
        "conv_reached": medians["conv"] < medians["pythae"] and statistics.median(shares) <= 1.0,
        "goal": QUARTER,
    }
    if options.quick:
        print(json.dumps(results, indent=2))
    else:
        write_result("vae_pythae", results, seeds=range(options.rounds))


if __name__ == "__main__":
    main()
