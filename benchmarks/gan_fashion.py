"""GANs on Fashion-MNIST, four minutes each, against the textbook DCGAN in the same interleaved run.

    python benchmarks/gan_fashion.py --threads 2
        about 26 minutes of training, and judging; writes benchmarks/results/gan_fashion.json
    python benchmarks/gan_fashion.py --quick --out DIR
        smoke test: a few seconds each, three contestants

At half-time all but the peer and the best candidate leave the race. Every contestant owns a
training clock (wall seconds inside its own steps). They take turns in short slices, so that a busy
neighbour hits all of them alike; sampling and judging happen between slices and are not counted.
Candidates are trained
by the product itself: a recipe, `castalia.training`, a run directory under .benchmark/gan_fashion;
the peer is benchmarks/peers/dcgan_textbook.py, whose SHA-256 is recorded. After each round
everything is saved, and the same command continues where a stopped one left off; --fresh begins
again.

Score: Frechet distance of 10,000 samples to the 10,000 test pictures (which no contestant saw) in
the 128 features of gan_judge.py, frozen by hash before any tuning; precision and recall with k = 5.
A second network, castalia-net32-v1, must agree in order. Both batch-norm modes are tried for the
peer's samples and the better one counts. A candidate's number of steps, which its schedule needs,
is planned anew every few seconds from its speed so far.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from castalia import recipe as recipes
from castalia import registry
from castalia.abilities import SampleOptions
from castalia.data.stream import prepare
from castalia.evaluation.features import features_for
from castalia.evaluation.frechet_distance import distance, moments
from castalia.evaluation.precision_recall import manifold_scores
from castalia.modalities.image.metrics import net32
from castalia.nn.counter_random import counter_seed
from castalia.run import Run
from castalia.sampling.generate import draw
from castalia.spec import Dense
from castalia.training.device import open_device
from castalia.training.loop import Trainer, start
from gan_judge import FASHION, SHA256, fashion, features, load, signed
from machine import HERE, write_result
from peers.dcgan_textbook import Textbook

PEER = HERE / "peers" / "dcgan_textbook.py"
WORK = HERE.parent / ".benchmark" / "gan_fashion"
DEFAULT = "gan"  # the default recipe
CLOSELY = ("textbook", "gan")  # judged at every clock, for the curve
CLOCKS = (5, 10, 15, 20, 25, 30, 60, 120, 180, 240)  # ends of slices, own seconds
FINALISTS = 1
SHOWN = (30, 120, 240)  # where the others are judged
PLAN_EVERY = 1 / 60  # share of the time between two plans
SAFETY = 0.995  # planned share of the time, so that a candidate ends its schedule

# name -> (recipe, overrides, what is different). All run with seed 0; the one that ends best runs
# with seeds 1 and 2, too.
CANDIDATES: dict[str, tuple[str, dict[str, Any], str]] = {
    DEFAULT: ("image/gan", {}, "the default recipe"),
    "rate 1e-3": ("image/gan", {"training.optimiser.rate": 1e-3}, "half the rate"),
    "unmatched": (
        "image/gan",
        {"family.matching": 0.0, "training.optimiser.rate": 1e-3},
        "half the rate, no matched moments",
    ),
    "pairs": (
        "image/gan",
        {"family.objective": "relativistic", "family.penalty": 0.0, "family.critic_norm": "batch"},
        "relativistic pairing with batch norm instead of penalties",
    ),
    "hinge": ("image/gan-hinge", {}, "hinge, spectral norm"),
    "relativistic": ("image/gan-relativistic", {}, "relativistic pairing, R1 + R2"),
}


@dataclass
class Score:
    """One judgement; `net32` is the second network, asked, like precision and recall, only at the
    end.
    """

    seconds: float
    frechet: float
    frechet_train: float
    frechet_net32: float | None = None
    precision: float | None = None
    recall: float | None = None
    recall_net32: float | None = None
    precision_net32: float | None = None
    samples_per_second: float | None = None


@dataclass
class Judges:
    """Both networks with the moments of the test pictures in them."""

    n: int
    network: Any = field(default_factory=load)
    second: Any = field(
        default_factory=lambda: features_for(Dense((1, 28, 28), levels=256), net32.NAME)
    )

    def __post_init__(self) -> None:
        test, train = signed(fashion("t10k")[0]), signed(fashion("train")[0])
        self.test, self.test_second = (
            features(self.network, test)[: max(self.n, 200)],
            self._second(test)[: max(self.n, 200)],
        )
        self.moments, self.moments_second = moments(self.test), moments(self.test_second)
        self.moments_train = moments(features(self.network, train))
        self.floor = {
            "frechet": distance(*self.moments_train, *self.moments),
            "frechet_net32": distance(*moments(self._second(train)), *self.moments_second),
        }

    @torch.inference_mode()
    def _second(self, x: Tensor) -> Tensor:
        return torch.cat([self.second.extract(part) for part in x.split(500)])

    def score(self, x: Tensor, seconds: float, *, whole: bool) -> Score:
        one = features(self.network, x)
        first = moments(one)
        score = Score(
            seconds, distance(*first, *self.moments), distance(*first, *self.moments_train)
        )
        if whole:
            two = self._second(x)
            score.frechet_net32 = distance(*moments(two), *self.moments_second)
            manifold, other = (
                manifold_scores(one, self.test),
                manifold_scores(two, self.test_second),
            )
            score.precision, score.recall = manifold["precision"], manifold["recall"]
            score.precision_net32, score.recall_net32 = other["precision"], other["recall"]
        return score


class Peer:
    """The textbook script with a clock."""

    name, seed, about, recipe, clock = "textbook", 0, "the peer", None, 0.0

    def __init__(self, folder: Path, budget: float) -> None:
        self.path = folder / "peer.pt"
        self.textbook = Textbook(fashion("train")[0], self.seed)
        self.step = 0

    def train(self, until: float) -> None:
        while self.clock < until:
            begun = time.perf_counter()
            self.textbook.train_step()
            self.clock += time.perf_counter() - begun
        self.step = self.textbook.step

    def samples(self, n: int) -> list[Tensor]:
        """Both ways to use batch norm; the judge takes the better one."""
        return [self.textbook.sample(n, 0, statistics=mode) for mode in ("running", "batch")]

    @property
    def images(self) -> int:
        return self.step * self.textbook.batch

    @property
    def done(self) -> bool:
        return False

    def save(self) -> None:
        torch.save(self.textbook.state(), self.path)

    def load(self, clock: float) -> None:
        self.textbook.load(torch.load(self.path, weights_only=True))
        self.clock, self.step = clock, self.textbook.step


class Candidate:
    """A recipe trained by `castalia.training`, with a clock."""

    def __init__(self, name: str, seed: int, folder: Path, budget: float) -> None:
        source, overrides, self.about = CANDIDATES[name]
        self.name, self.seed, self.clock, self.budget = name, seed, 0.0, budget
        self.planned = 0.0  # clock of the last plan
        common = {
            "data.validation": 0.0,
            "data.conditional": False,
            "codec.size": 28,
            "training.seed": seed,
            "training.steps": 1_000_000,
            "training.keep": 1,
        }
        self.recipe = recipes.load(
            source, FASHION / "train-images-idx3-ubyte.gz", {**common, **overrides}
        )
        codec = registry.resolve("codec", self.recipe.codec.name)(self.recipe.codec.config)
        dataset = prepare(self.recipe.data, codec, home=WORK / "cache")
        torch.manual_seed(counter_seed("build", seed))
        family = registry.resolve("family", self.recipe.family.name)(
            self.recipe.family.config, codec.spec, dataset.conditions
        )
        self.trainer: Trainer = start(
            family,
            self.recipe.training,
            dataset.train,
            dataset.validation,
            open_device(self.recipe.training),
            None,
        )
        self.folder = folder / f"{name.replace(' ', '-')}-{seed}"
        whole = (self.folder / "run.json").exists()
        self.trainer.run = (
            Run(self.folder)
            if whole
            else Run.create(self.recipe, codec, dataset.conditions, {}, out=self.folder)
        )

    @property
    def step(self) -> int:
        return self.trainer.step

    @property
    def images(self) -> int:
        return self.step * self.trainer.config.batch

    @property
    def done(self) -> bool:
        """The schedule has ended; what is left of the time stays unused."""
        return self.step >= self.trainer.config.steps

    def plan(self) -> None:
        """Steps for the rest of the time at the mean speed so far. The speed of the last seconds
        would follow the clock closer, but one
        pause of the machine then ends the schedule on the spot.
        """
        ahead = (self.budget * SAFETY - self.clock) * self.step / self.clock
        self.trainer.config = self.trainer.config.model_copy(
            update={"steps": max(self.step + 1, self.step + round(ahead))}
        )
        self.planned = self.clock

    def train(self, until: float) -> None:
        while self.clock < until and not self.done:
            begun = time.perf_counter()
            self.trainer.train_step()
            self.clock += time.perf_counter() - begun
            if self.clock - self.planned > PLAN_EVERY * self.budget:
                self.plan()

    def samples(self, n: int) -> list[Tensor]:
        model = self.trainer.averaged()
        begun = time.perf_counter()
        x = draw(model, 0, 0, n, {}, SampleOptions(), 250)
        self.samples_per_second = n / (time.perf_counter() - begun)
        return [x]

    def save(self) -> None:
        state = self.trainer
        if state.run is not None and state.run.last_step != state.step:
            state.save()

    def load(self, clock: float) -> None:
        if self.trainer.run is not None and self.trainer.run.last_step:
            self.trainer.load(self.trainer.run, self.trainer.run.last_step)
        self.clock = clock
        self.planned = clock


Contestant = Peer | Candidate


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--threads", type=int, default=2)
    options.add_argument(
        "--seconds", type=float, default=240.0, help="training time of each contestant"
    )
    options.add_argument("--only", nargs="*", help="candidates by name; default all")
    options.add_argument("--seeds", type=int, default=3, help="seeds of the winner")
    options.add_argument("--n", type=int, default=10_000, help="samples per judgement")
    options.add_argument("--fresh", action="store_true", help="forget a stopped run")
    options.add_argument(
        "--quick",
        action="store_true",
        help="smoke test: 6 seconds, 500 samples, one seed, two candidates",
    )
    options.add_argument("--out", type=Path, default=HERE / "results")
    given = options.parse_args()
    if given.quick:
        given.seconds, given.n, given.seeds, given.only = (
            6.0,
            500,
            1,
            given.only or [DEFAULT, "hinge"],
        )
    torch.set_num_threads(given.threads)
    chosen = list(CANDIDATES) if given.only is None else given.only
    work = WORK / f"{given.seconds:g}s"
    if given.fresh and work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    contestants: list[Contestant] = [
        Peer(work, given.seconds),
        *(Candidate(name, 0, work, given.seconds) for name in chosen),
    ]
    judges = Judges(given.n)
    clocks = [clock * given.seconds / CLOCKS[-1] for clock in CLOCKS]
    scores = race(contestants, judges, clocks, work / "progress.json")
    winner = min(
        (judged[-1].frechet, name) for name, judged in zip(chosen, scores[1:], strict=True)
    )[1]
    again: list[Contestant] = [
        Candidate(winner, seed, work, given.seconds) for seed in range(1, given.seeds)
    ]
    scores += race(again, judges, clocks, work / "progress-seeds.json")
    results = summary(contestants + again, scores, judges, winner, given)
    write_result("gan_fashion", results, seeds=list(range(given.seeds)), folder=given.out)
    print(table(results))


def race(
    contestants: list[Contestant], judges: Judges, clocks: list[float], path: Path
) -> list[list[Score]]:
    """Rounds of slices to the end; returns each contestant's judgements."""
    budget = clocks[-1]
    saved = (
        json.loads(path.read_text())
        if path.exists()
        else {
            "round": 0,
            "clocks": [0.0] * len(contestants),
            "steps": [0] * len(contestants),
            "scores": [[] for _ in contestants],
        }
    )
    scores = [[Score(**entry) for entry in entries] for entries in saved["scores"]]
    racing = set(saved.get("racing", [contestant.name for contestant in contestants]))
    for contestant, clock, steps in zip(contestants, saved["clocks"], saved["steps"], strict=True):
        if clock:
            contestant.load(clock)
            if isinstance(contestant, Candidate):
                contestant.trainer.config = contestant.trainer.config.model_copy(
                    update={"steps": steps}
                )
    for number in range(saved["round"], len(clocks)):
        until = clocks[number]
        last, halfway = number == len(clocks) - 1, until == budget / 2
        for contestant, judged in zip(contestants, scores, strict=True):
            if contestant.name not in racing:
                continue
            contestant.train(until)
            shown = any(abs(until - clock * budget / CLOCKS[-1]) < 1e-6 for clock in SHOWN)
            if last or halfway or shown or (contestant.name in CLOSELY and not contestant.seed):
                found = [
                    judges.score(x, contestant.clock, whole=last or halfway)
                    for x in contestant.samples(judges.n)
                ]
                score = min(found, key=lambda entry: entry.frechet)
                score.samples_per_second = getattr(contestant, "samples_per_second", None)
                judged.append(score)
                who = f"{contestant.name:14} seed {contestant.seed}"
                print(
                    f"{who}  {contestant.clock:6.1f} s  step {contestant.step:6}  FD "
                    f"{score.frechet:8.3f}",
                    file=sys.stderr,
                    flush=True,
                )
            contestant.save()
        if halfway:
            racing = finalists(contestants, scores)
        progress = {
            "round": number + 1,
            "clocks": [contestant.clock for contestant in contestants],
            "steps": [
                contestant.trainer.config.steps if isinstance(contestant, Candidate) else 0
                for contestant in contestants
            ],
            "scores": [[vars(score) for score in judged] for judged in scores],
            "racing": sorted(racing),
        }
        path.with_suffix(".part").write_text(json.dumps(progress))
        path.with_suffix(".part").replace(path)
    return scores


def finalists(contestants: list[Contestant], scores: list[list[Score]]) -> set[str]:
    """At half-time the peer and the best `FINALISTS` candidates stay: time is better spent on seeds
    of the winner.
    """
    found = zip(contestants, scores, strict=True)
    candidates = sorted(
        (judged[-1].frechet, contestant.name)
        for contestant, judged in found
        if contestant.name != "textbook"
    )
    return {"textbook", *(name for _, name in candidates[:FINALISTS])}


def summary(
    contestants: list[Contestant],
    scores: list[list[Score]],
    judges: Judges,
    winner: str,
    given: argparse.Namespace,
) -> dict[str, Any]:
    """Plain JSON: one row per contestant, then what the winner reached against the peer."""
    rows = []
    for contestant, judged in zip(contestants, scores, strict=True):
        rows.append(
            {
                "name": contestant.name,
                "about": contestant.about,
                "seed": contestant.seed,
                "seconds": round(contestant.clock, 1),
                "steps": contestant.step,
                "images_per_second": round(contestant.images / contestant.clock),
                **{
                    name: round(value, 4)
                    for name, value in vars(judged[-1]).items()
                    if name != "seconds" and value is not None
                },
                "curve": [[round(score.seconds, 1), round(score.frechet, 4)] for score in judged],
                "recipe": None
                if contestant.recipe is None
                else {
                    key: value
                    for key, value in contestant.recipe.as_dict().items()
                    if key in ("family", "training")
                },
            }
        )
    peer, wins = rows[0], [row for row in rows if row["name"] == winner]
    single = [row for row in rows if row["seed"] == 0]
    orders = [
        sorted(range(len(single)), key=lambda index: single[index][key])
        for key in ("frechet", "frechet_net32")
    ]
    reached = [
        next((point[0] for point in row["curve"] if point[1] <= peer["frechet"]), None)
        for row in wins
    ]
    return {
        "judge": {
            "network": "gan_judge",
            "sha256": SHA256,
            "features": 128,
            "reference": f"{len(judges.test)} test pictures",
            "samples": given.n,
            "floor": judges.floor,
        },
        "second": {"network": net32.NAME, "sha256": net32.SHA256},
        "peer_sha256": hashlib.sha256(PEER.read_bytes()).hexdigest(),
        "rows": rows,
        "winner": {
            "name": winner,
            "frechet": [row["frechet"] for row in wins],
            "precision": [row["precision"] for row in wins],
            "recall": [row["recall"] for row in wins],
            "peer": peer["frechet"],
            "peer_over_winner": [round(peer["frechet"] / row["frechet"], 1) for row in wins],
            "peer_over_winner_net32": [
                round(peer["frechet_net32"] / row["frechet_net32"], 1) for row in wins
            ],
            "seconds_to_the_peers_end": reached,
        },
        "rank_agreement": kendall(
            [row["frechet"] for row in single], [row["frechet_net32"] for row in single]
        ),
        "same_order": orders[0] == orders[1],
    }


def kendall(x: list[float], y: list[float]) -> float:
    """Kendall's tau: share of pairs that two scores put in the same order minus the share in
    opposite order.
    """
    pairs = [(a, b) for a in range(len(x)) for b in range(a)]
    return round(
        sum(1 if (x[a] - x[b]) * (y[a] - y[b]) > 0 else -1 for a, b in pairs) / max(1, len(pairs)),
        3,
    )


def table(results: dict[str, Any]) -> str:
    lines = [
        f"{'contestant':14} {'seed':>4} {'images/s':>9} {'FD':>8} {'net32':>8} "
        f"{'precision':>9} {'recall':>7}"
    ]
    for row in sorted(results["rows"], key=lambda row: row["frechet"]):
        lines.append(
            f"{row['name']:14} {row['seed']:4} {row['images_per_second']:9} "
            f"{row['frechet']:8.3f} {row['frechet_net32']:8.4f} {row['precision']:9.3f} "
            f"{row['recall']:7.3f}"
        )
    winner = results["winner"]
    return "\n".join(
        [
            *lines,
            f"peer / winner {winner['peer_over_winner']}, second network "
            f"{winner['peer_over_winner_net32']}; seconds to the peer's end "
            f"{winner['seconds_to_the_peers_end']}",
        ]
    )


if __name__ == "__main__":
    main()
