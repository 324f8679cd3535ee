"""Tiny Shakespeare against nanoGPT's README command for a CPU: the time to a validation loss as
good.

    python benchmarks/text_race.py --peer FOLDER
        # FOLDER: a checkout of github.com/karpathy/nanoGPT; about 9 minutes on 2 cores
    python benchmarks/text_race.py --only plain --develop
        # one contestant on development chunks of the training part, writes nothing

nanoGPT runs from its own code: `prepare.py` on the same text, then `train.py` with the README's
arguments (4 layers, 4 heads, 128 wide, blocks of 64, batch 12, 2,000 iterations). Its time is the
sum of the iterations that it prints itself, without those in which it evaluates. Castalia trains
`text/ar` cut to no more parameters than nanoGPT has ("plain") and `text/ar-small` ("small") with
its own loop, for a number of steps fixed in CONTESTANTS. Every run is a fresh process; reading the
data and building the model is not timed for either side.

Judged is the *full* last tenth, in blocks of 64 predictions that do not overlap, each with one
character before it, in nats per character. A run counts only when its loss is at most the mark:
1.898 (what the command gave elsewhere) or what nanoGPT reached here, whichever is lower. The
Kneser-Ney counts stand beside it always. Settings were chosen on chunks spread over the training
part (--develop), never on the validation part.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from machine import spread, write_result
from text_ten_minutes import EXACT, blocks, per_character, shakespeare

BLOCK, MARK, GOALS = 64, 1.898, {"plain": 6.0, "small": 60.0}
README = [
    "config/train_shakespeare_char.py",
    "--device=cpu",
    "--compile=False",
    "--eval_iters=20",
    "--log_interval=1",
    "--block_size=64",
    "--batch_size=12",
    "--n_layer=4",
    "--n_head=4",
    "--n_embd=128",
    "--max_iters=2000",
    "--lr_decay_iters=2000",
    "--dropout=0.0",
]
CONTESTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": (
        "text/ar",
        {
            "codec.length": BLOCK,
            "family.width": 128,
            "family.depth": 4,
            "family.heads": 4,
            "family.activation": "relu2",
            "family.dropout": 0.0,
            "training.steps": 160,
            "training.batch": 32,
            "training.schedule.warmup": 10,
            "training.precision": "bf16",
        },
    ),
    "small": ("text/ar-small", {"training.steps": 26, "training.precision": "bf16"}),
}


def parts(develop: bool) -> tuple[str, str]:
    """(text to train on, text to judge by). develop: five chunks of 2% spread over the training
    part are judged, the rest trains.
    """
    train, held_out = shakespeare()
    if not develop:
        return train, held_out
    stride, size = len(train) // 5, len(train) // 50
    starts = range(stride // 2, len(train), stride)
    kept = [
        train[before:start]
        for before, start in zip(
            [0, *(start + size for start in starts)], [*starts, len(train)], strict=True
        )
    ]
    return "".join(kept), "".join(train[start : start + size] for start in starts)


@contextlib.contextmanager
def timed() -> Iterator[dict[str, float]]:
    found: dict[str, float] = {}
    begun = time.perf_counter(), time.process_time()
    yield found
    found |= {
        "seconds": time.perf_counter() - begun[0],
        "cpu_seconds": time.process_time() - begun[1],
    }


def run_nanogpt(options: argparse.Namespace) -> dict[str, Any]:
    """In a copy of the peer's folder, which is the working directory of its scripts."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(options.peer, folder, dirs_exist_ok=True)
        data = Path("data/shakespeare_char")
        (data / "input.txt").write_text("".join(shakespeare()), encoding="utf-8", newline="")
        # prepare.py imports `requests` for a download that is not needed, so an empty module will
        # do.
        Path("requests.py").touch()
        sys.path.insert(0, folder)
        said, argv = io.StringIO(), sys.argv
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(data / "prepare.py"), run_name="__main__")
            sys.argv = [
                "train.py",
                *README,
                *(f"--max_iters={options.steps}" for _ in range(bool(options.steps))),
            ]
            with timed() as whole:
                left = runpy.run_path("train.py", run_name="__main__")
        sys.argv = argv
        taken = {
            int(step): float(ms) / 1000
            for step, ms in re.findall(
                r"^iter (\d+): .* time ([\d.]+)ms", said.getvalue(), re.MULTILINE
            )
        }
        trained = sum(seconds for step, seconds in taken.items() if step % 250)
        trained *= len(taken) / sum(step % 250 > 0 for step in taken)
        held_out = torch.from_numpy(np.fromfile(data / "val.bin", dtype=np.uint16).astype(np.int64))
    rows, model, total = (
        held_out[: (len(held_out) - 1) // BLOCK * BLOCK + 1].unfold(0, BLOCK + 1, BLOCK),
        left["model"].eval(),
        0.0,
    )
    with torch.no_grad():
        for part in rows.split(64):
            total += float(model(part[:, :-1], part[:, 1:].contiguous())[1]) * len(part)
    share = trained / whole["seconds"]
    return {
        "loss": total / len(rows),
        "seconds": trained,
        "cpu_seconds": whole["cpu_seconds"] * share,
        "seconds_with_evaluation": whole["seconds"],
        "steps": len(taken),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "characters": rows.numel() - len(rows),
    }


def run_castalia(options: argparse.Namespace) -> dict[str, Any]:
    from castalia.families.ar import Ar
    from castalia.recipe import load
    from castalia.training.device import Solo
    from castalia.training.loop import fit, start
    from castalia.training.setup import build, parameter_count

    recipe, chosen = CONTESTANTS[options.worker]
    train, held_out = parts(options.develop)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        file.write_text(train, encoding="utf-8", newline="")
        fixed = {
            **EXACT,
            "data.validation": 0.0,
            "training.seed": options.seed,
            "training.sample_every": 0,
        }
        given = dict(word.split("=", 1) for word in options.set)
        plan = load(
            recipe,
            str(file),
            {
                **fixed,
                **chosen,
                **({"training.steps": options.steps} if options.steps else {}),
                **given,
            },
        )
        _, codec, dataset, family = build(plan)
        trainer = start(family, plan.training, dataset.train, dataset.validation, Solo(), None)
        with timed() as result:
            fit(trainer)
    model = trainer.averaged()
    if not isinstance(model, Ar):
        raise TypeError("the recipe's family is not 'ar'")
    rows = blocks(codec, held_out, BLOCK)
    return {
        **result,
        "loss": per_character(model, rows),
        "steps": trainer.step,
        "parameters": parameter_count(family),
        "characters": rows.numel() - len(rows),
    }


def run_counts(options: argparse.Namespace) -> dict[str, Any]:
    from castalia.modalities.text.codec import TextCodec, TextConfig
    from castalia.nn.kneser_ney import Counts

    train, held_out = parts(options.develop)
    codec = TextCodec(TextConfig(close=False, unknown="error"))
    codec.fit([train])
    ids, rows = codec.encode(train).long(), blocks(codec, held_out, BLOCK)
    counts = Counts(codec.spec.vocab, 6, codec.spec.begin)
    with timed() as result:
        counts.fit([ids])
    scores: Tensor = torch.cat([counts.score(part)[0] for part in rows.split(64)])
    return {**result, "loss": -float(scores.double().mean()), "order": 6}


WORKERS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "nanogpt": run_nanogpt,
    "plain": run_castalia,
    "small": run_castalia,
    "counts": run_counts,
}


def contest(worker: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run in a fresh process."""
    words = [
        sys.executable,
        __file__,
        "--worker",
        worker,
        "--seed",
        str(seed),
        "--threads",
        str(options.threads),
    ]
    words += [
        "--peer",
        str(options.peer),
        *(["--develop"] if options.develop else []),
        *(["--set", *options.set] if options.set else []),
    ]
    words += ["--steps", str(options.steps)] if options.steps else []
    found = subprocess.run(words, capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"{worker} failed:\n{found.stderr}")
    result: dict[str, Any] = json.loads(found.stdout.strip().splitlines()[-1])
    print(worker, seed, result, file=sys.stderr)
    return {"seed": seed, **result}


def judged(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Against nanoGPT's best: its lowest loss is the mark, its shortest time is what is divided."""
    mark = min(MARK, *(run["loss"] for run in runs["nanogpt"]))
    peer = {
        clock: min(run[clock] for run in runs["nanogpt"]) for clock in ("seconds", "cpu_seconds")
    }
    results: dict[str, Any] = {"block": BLOCK, "mark": mark, "goals": GOALS, "runs": runs}
    for name, goal in GOALS.items():
        good = [run for run in runs[name] if run["loss"] <= mark]
        sooner = [peer["seconds"] / run["seconds"] for run in runs[name]]
        results[name] = {
            "loss": spread([run["loss"] for run in runs[name]]),
            "seconds": spread([run["seconds"] for run in runs[name]]),
            "sooner": spread(sooner),
            "sooner_cpu": spread([peer["cpu_seconds"] / run["cpu_seconds"] for run in runs[name]]),
            "as_good": len(good),
            "of": len(runs[name]),
            "reached": len(good) == len(runs[name]) and min(sooner) >= goal,
        }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, help="folder of nanoGPT's code")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=tuple(WORKERS), help="this one alone; nothing is written")
    parser.add_argument(
        "--develop",
        action="store_true",
        help="judge by chunks of the training part; nothing is written",
    )
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="with --only: other settings"
    )
    parser.add_argument(
        "--steps", type=int, help="with --only: other than the fixed number of steps"
    )
    parser.add_argument("--worker", choices=tuple(WORKERS), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer is None and (options.only or options.worker or "nanogpt") == "nanogpt":
        parser.error("--peer FOLDER: a checkout of nanoGPT")
    if options.worker:
        torch.set_num_threads(options.threads)
        print(
            json.dumps(
                {name: round(value, 4) for name, value in WORKERS[options.worker](options).items()}
            )
        )
        return
    if options.only:
        found = [contest(options.only, seed, options) for seed in options.seeds]
        print(
            json.dumps(
                {
                    key: round(statistics.mean(run[key] for run in found), 4)
                    for key in ("loss", "seconds", "cpu_seconds")
                }
            )
        )
        return
    runs: dict[str, list[dict[str, Any]]] = {
        "nanogpt": [],
        "plain": [],
        "small": [],
        "counts": [contest("counts", 0, options)],
    }
    for index, seed in enumerate(options.seeds):
        if index % 2 == 0:  # nanoGPT's own seed is fixed; three runs show the spread of its time
            runs["nanogpt"].append(contest("nanogpt", seed, options))
        for name in GOALS:
            runs[name].append(contest(name, seed, options))
    write_result("text_race", judged(runs), seeds=options.seeds)


if __name__ == "__main__":
    main()
