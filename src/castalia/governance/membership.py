"""Membership inference: can someone who holds the model recognise the items it was trained on?

loss       the training items have the smaller losses (Yeom et al. 2018, arXiv:1709.01604). For
           families that score.
shadow     how much likelier an item's loss is under models that were trained with it than under
           models that were not (LiRA, Carlini et al. 2022, arXiv:2112.03570): k more models of the
           same recipe, each trained on a random half of the items in question.
distance   a training item has a nearer sample (GAN-Leaks, Chen et al. 2020, arXiv:1909.03935). For
           dense data of families that do not score.

The area under the curve is 0.5 where nothing can be inferred and 1 where everything can; its
interval is that of DeLong et al. 1988.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import Scores
from castalia.data.stream import Dataset, Side, Split
from castalia.data.windows import Windows
from castalia.errors import RecipeError
from castalia.evaluation.base import NORMAL, wilson
from castalia.evaluation.dense_evidence import batches_of
from castalia.evaluation.features import extract, features_for
from castalia.evaluation.nearest_neighbours import nearest
from castalia.families.base import Family
from castalia.nn.counter_random import counter_seed, generator, generators
from castalia.progress import tracked
from castalia.run import Run
from castalia.sentences import plural, row, say
from castalia.spec import Dense, Tokens
from castalia.training.device import open_device
from castalia.training.loop import start

MOST = 1000  # items a side
MOST_TOKENS = 100_000  # of each side
FEWEST = 20  # items a side below which no result is given
LEAST_SHADOWS = 4
CLEAR = 0.55  # an interval above this counts as a leak; less is of no use to anybody


@dataclass(frozen=True)
class Membership:
    """auc with its 95% interval over `members` training items and `others` held-out ones; None,
    with words, where it cannot be had.
    """

    attack: str
    auc: float | None
    low: float | None
    high: float | None
    members: int
    others: int
    words: str = ""

    @property
    def shows(self) -> bool:
        """Whether members can clearly be recognised."""
        return self.low is not None and self.low > CLEAR

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"shows": self.shows}


def auc_interval(members: Tensor, others: Tensor) -> tuple[float, float, float]:
    """(AUC, low, high): probability that a member (m,) has a larger score than another (n,), ties
    half; 95% by DeLong's variance.

    Where all or none are recognised the variance is 0, and Wilson's interval at the smaller side
    stands in.
    """
    m, n = len(members), len(others)
    x, y = members.double(), others.double()
    ordered_y, ordered_x = y.sort().values, x.sort().values
    above = (
        torch.searchsorted(ordered_y, x) + torch.searchsorted(ordered_y, x, right=True)
    ).double() / (2 * n)
    below = 1 - (
        torch.searchsorted(ordered_x, y) + torch.searchsorted(ordered_x, y, right=True)
    ).double() / (2 * m)
    auc = above.mean().item()
    variance = (above.var().item() / m if m > 1 else 0.0) + (
        below.var().item() / n if n > 1 else 0.0
    )
    if variance <= 0:
        return auc, *wilson(auc, min(m, n))
    half = NORMAL * math.sqrt(variance)
    return auc, max(0.0, auc - half), min(1.0, auc + half)


def membership(
    run: Run,
    model: Family,
    dataset: Dataset,
    *,
    samples: Tensor | None,
    seed: int,
    shadows: int = 0,
) -> Membership:
    """samples (N, *shape): what a model that does not score has drawn. shadows: how many more
    models to train for the shadow attack.

    Raises RecipeError for too few shadow models, or for shadows of a family that does not score.
    """
    if shadows and (shadows < LEAST_SHADOWS or not isinstance(model, Scores)):
        what = (
            plural("{0} shadow model is too few", "{0} shadow models are too few", shadows)
            if isinstance(model, Scores)
            else say("a '{0}' model has no losses to compare", model.name)
        )
        raise RecipeError(
            what,
            where="--shadow",
            fix=say("at least {0}, for a family that scores; or leave it out", LEAST_SHADOWS),
        )
    sides = dataset.train, dataset.validation
    count = min(MOST, *(_units(side) for side in sides))
    attack = "shadow" if shadows else "loss" if isinstance(model, Scores) else "distance"
    if count < FEWEST:
        words = say(
            "not computed: it needs {0} training and {0} held-out items, and there are {1} and {2}",
            FEWEST,
            *map(_units, sides),
        )
        return Membership(attack, None, None, None, 0, 0, words)
    chosen = [
        torch.randperm(_units(side), generator=generator("membership", seed, turn))[:count]
        for turn, side in enumerate(sides)
    ]
    if attack == "distance" and (
        samples is None or not isinstance(dataset.spec, Dense) or len(samples) < FEWEST
    ):
        return Membership(
            attack,
            None,
            None,
            None,
            0,
            0,
            say(
                "not computed: a '{0}' model gives no likelihood, and there are too few samples",
                model.name,
            ),
        )
    if attack == "shadow":
        scores = _shadow_scores(run, model, dataset, chosen, shadows, seed)
    elif attack == "loss":
        scores = [
            -losses(model, side, items, seed) for side, items in zip(sides, chosen, strict=True)
        ]
    else:
        features = features_for(dataset.spec, codec=dataset.codec)
        drawn = extract(features, [samples])  # type: ignore[list-item] - not None here
        features_of = [
            extract(features, (batch.x for batch in batches_of(side, items)))
            for side, items in zip(sides, chosen, strict=True)
        ]
        scores = [-nearest(rows, drawn)[0][:, 0] for rows in features_of]
    words = ""
    if isinstance(dataset.train, Windows) and isinstance(dataset.validation, Windows):
        strange = _strange(dataset.train, dataset.validation)[chosen[1]]
        scores[1] = scores[1].masked_fill(strange, torch.nan)
        words = (
            plural(
                "{0} held-out text with symbols that no training text has was left out",
                "{0} held-out texts with symbols that no training text has were left out",
                int(strange.sum()),
            )
            if strange.any()
            else ""
        )
    scores = [part[part.isfinite()] for part in scores]
    if min(map(len, scores)) < FEWEST:
        return Membership(
            attack,
            None,
            None,
            None,
            0,
            0,
            row(
                "; ",
                [say("not computed: fewer than {0} comparable items on a side", FEWEST), words],
            ),
        )
    return Membership(attack, *auc_interval(*scores), len(scores[0]), len(scores[1]), words)


def _units(side: Side) -> int:
    """Items: rows of dense data, documents of tokens, but rows of these where documents are few."""
    if isinstance(side, Split):
        return len(side)
    documents = _documents(side)
    return documents if documents >= FEWEST else len(side)


def _documents(side: Windows) -> int:
    return int(side.document_of(range(len(side)))[-1]) + 1 if len(side) else 0


def _strange(train: Windows, held_out: Windows) -> Tensor:
    """(units,) bool: held-out items with tokens that never occur in training. Those are
    recognisably new without any model.
    """
    known = torch.zeros(train.spec.vocab, dtype=torch.bool)
    for document in train.documents():
        known[document] = True
    documents = torch.tensor([not bool(known[document].all()) for document in held_out.documents()])
    return (
        documents
        if len(documents) >= FEWEST
        else documents[held_out.document_of(range(len(held_out)))]
    )


@torch.inference_mode()
def losses(model: Scores, side: Side, items: Tensor, seed: int) -> Tensor:
    """(n,) float64: nats of each item, or per coded token of each document; noise of item i is a
    function of (seed, i). NaN for tokens beyond the first MOST_TOKENS.
    """
    device = model.device  # type: ignore[attr-defined] - every model is a Family
    if isinstance(side, Split):
        parts = [
            model.nats(batch, generators(seed, first * 125, len(batch.x))).double().cpu()
            for first, batch in enumerate(batches_of(side, items, device))
        ]
        return torch.cat(parts)
    everything = torch.arange(len(side))
    owner = side.document_of(everything) if _documents(side) >= FEWEST else everything
    total, coded = (
        torch.zeros(int(owner.max()) + 1).double(),
        torch.zeros(int(owner.max()) + 1).double(),
    )
    place = torch.full((len(total),), -1)
    place[items] = torch.arange(len(items))
    rows = everything[place[owner] >= 0]
    rows = rows[place[owner[rows]].argsort(stable=True)][
        : max(FEWEST, MOST_TOKENS // side.spec.length)
    ]
    for part in rows.split(16):
        batch = next(iter(batches_of(side, part, device)))
        nats = model.nats(batch, generators(seed, int(part[0]), len(part))).double().cpu()
        total.index_add_(0, owner[part], nats)
        coded.index_add_(0, owner[part], batch.counted(side.spec.begin).double().cpu())
    return torch.where(coded > 0, total / coded, torch.nan)[items]


def _shadow_scores(
    run: Run, model: Scores, dataset: Dataset, chosen: list[Tensor], count: int, seed: int
) -> list[Tensor]:
    """Scores of members and of others: log N(loss; with) - log N(loss; without), one standard
    deviation for all (few shadows).
    """
    sides: Any = (dataset.train, dataset.validation)
    if isinstance(dataset.spec, Tokens) and any(_documents(side) < FEWEST for side in sides):
        raise RecipeError(
            say("there are too few documents to train shadow models on"),
            where="--shadow",
            fix=say("codec.document=paragraph or line"),
        )
    size = len(chosen[0])
    inside = torch.zeros(count, 2 * size, dtype=torch.bool)
    losses_of = torch.zeros(count, 2 * size, dtype=torch.float64)
    for number in range(count):
        # in pairs: what one model is trained on, the next is not, so that each item is in half of
        # them
        order = torch.randperm(2 * size, generator=generator("shadow", seed, number // 2))
        half = order[:size] if number % 2 == 0 else order[size:]
        inside[number, half] = True
        mine, theirs = chosen[0][inside[number, :size]], chosen[1][inside[number, size:]]
        shadow = _train(run, dataset, sides[0].mixed(mine, sides[1], theirs), seed + number)
        losses_of[number] = torch.cat(
            [losses(shadow, side, items, seed) for side, items in zip(sides, chosen, strict=True)]
        )  # type: ignore[arg-type]
    target = torch.cat(
        [losses(model, side, items, seed) for side, items in zip(sides, chosen, strict=True)]
    )
    mean_in = (losses_of * inside).sum(0) / inside.sum(0)
    mean_out = (losses_of * ~inside).sum(0) / (~inside).sum(0)
    rest = torch.where(inside, losses_of - mean_in, losses_of - mean_out)
    variance = rest[:, rest.isfinite().all(0)].square().mean().clamp_min(1e-12)
    score = ((target - mean_out).square() - (target - mean_in).square()) / (2 * variance)
    return [score[:size], score[size:]]


def _train(run: Run, dataset: Dataset, side: Side, seed: int) -> Family:
    """A model of the run's recipe on other items; no file is written."""
    config = run.recipe.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("shadow", seed))
        family = run.build()
        trainer = start(
            family, config, side, dataset.validation, open_device(config), None, dataset.development
        )
        steps = config.steps or run.last_step or 0
        for _ in tracked(range(steps), "training a shadow model", steps, "steps"):
            trainer.train_step()
        return trainer.averaged()
