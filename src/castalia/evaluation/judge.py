"""Evaluate a trained model against real data: run all metrics, collect what pages show, and write
the verdict.

    judged = evaluate(run.model(), run.codec, dataset, n=2000, seed=0, batch=64)
    judged.to_json(run.id)                      report_page.write_page(judged, run.codec, path, ...)

Five questions, whatever the data: fidelity, diversity, novelty, utility (where there are classes),
cost. Not here: how sides are chosen (dense_evidence.py, token_evidence.py), the statistics (one
file per kind) and the page (report_page.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from castalia import registry
from castalia.abilities import Encodes
from castalia.errors import CastaliaError, SpecError
from castalia.evaluation.base import Evidence, Metric, MetricResult
from castalia.evaluation.dense_evidence import Gathered, conditions_of, gather
from castalia.evaluation.nearest_neighbours import nearest
from castalia.evaluation.ngram_overlap import Shared, longest_shared
from castalia.evaluation.second_opinion import second_opinion
from castalia.evaluation.token_evidence import gather_passages
from castalia.evaluation.verdict import verdict_for
from castalia.language import Voice, join, say
from castalia.nn.counter_random import generator
from castalia.progress import tracked
from castalia.spec import Classes, Tokens

if TYPE_CHECKING:
    from castalia.codecs.base import Codec
    from castalia.data.stream import Dataset
    from castalia.families.base import Family

SHOWN = 64  # real items beside samples
QUERIES, NEIGHBOURS = 8, 4
ROWS, STEPS = 5, 9  # latent interpolations


@dataclass(frozen=True)
class Neighbours:
    """Samples and their nearest training items in the feature network, the nearest sample first.

    queries (Q, *shape); items (Q, K, *shape); distances (Q, K) in feature units; indices (Q, K)
    into dataset.train.
    typical  median distance of a held-out item to its nearest training item, the scale to read
             distances by; None without held-out items.
    """

    queries: Tensor
    items: Tensor
    distances: Tensor
    indices: Tensor
    typical: float | None


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    scores         in the order of the questions.
    samples        the first samples, at most 256: (K, *shape) float32 in the spec's unit, or
                   passages (n,) int64 of tokens.
    real           held-out items, or passages of them, to put beside the samples.
    neighbours     None when samples cannot be compared, and for tokens.
    interpolation  (rows, steps, *shape): walks between the latents of two real items, which stand
                   at both ends as they are: the first and last column are the items themselves.
                   None when the model does not encode.
    verdict        one headline, then a sentence or two per question.
    shared         the longest stretches that samples have word for word from the training text; for
                   texts only.
    key            a digest of the real items that samples were compared with: two evaluations with
                   one key can be compared in pairs.
    """

    scores: list[MetricResult]
    samples: Tensor | list[Tensor]
    real: Tensor | list[Tensor]
    neighbours: Neighbours | None
    interpolation: Tensor | None
    notes: list[str]
    verdict: list[tuple[str, str]]
    shared: list[Shared] = field(default_factory=list)
    key: str = ""

    def to_json(self, run_id: str, language: str = "en") -> dict[str, Any]:
        """{"schema": 1, "run": run_id, "scores": [...], ...}: every key of every score is there,
        null where it has no meaning.

        the schema is scores.schema.json beside this file; words are in `language`.
        """
        voice = Voice(language)
        return {
            "schema": 1,
            "run": run_id,
            "language": language,
            "verdict": {question: voice(words) for question, words in self.verdict},
            "notes": [voice(note) for note in self.notes],
            "scores": [voice.plain(score.to_json()) for score in self.scores],
        }

    def score(self, kind: str) -> MetricResult | None:
        """The score whose name is `kind` or starts with `kind-`, e.g. "frechet"."""
        return next(
            (
                score
                for score in self.scores
                if score.name == kind or score.name.startswith(kind + "-")
            ),
            None,
        )


def evaluate(
    model: Family,
    codec: Codec[Any],
    dataset: Dataset,
    *,
    n: int | None = None,
    seed: int = 0,
    batch: int = 64,
    against: Tensor | Sequence[Tensor] | None = None,
    network: str | None = None,
    metrics: Sequence[str] | None = None,
) -> Evaluation:
    """Judge `model` by n samples of `seed`, drawn `batch` rows at a time.

    n        None: as many as the real data allow, at most 2000 (tokens: as make about 50,000). It
             is reduced, with a note, where data are few.
    against  (M, *shape) real items in the spec's unit to compare with instead of the held-out ones;
             tokens: documents (n,) int64 each.
    network  feature network (features.network_names); None: the default of the spec.
    metrics  names from the registry; None: all.
    Raises AbilityError when the model cannot sample, MissingExtra or SpecError for a network that
    is not there or does not fit.
    """
    was_training = model.training
    model.eval()
    try:
        if isinstance(dataset.spec, Tokens):
            return _judge_tokens(model, codec, dataset, n, seed, batch, against, metrics)
        if against is not None and not isinstance(against, Tensor):
            raise SpecError(
                say("items to compare with must be one tensor"),
                where="against",
                fix=say("torch.stack them"),
            )
        return _judge_dense(model, codec, dataset, n, seed, batch, against, network, metrics)
    finally:
        model.train(was_training)


def _judge_dense(
    model: Family,
    codec: Codec[Any],
    dataset: Dataset,
    n: int | None,
    seed: int,
    batch: int,
    against: Tensor | None,
    network: str | None,
    metrics: Sequence[str] | None,
) -> Evaluation:
    gathered = gather(model, dataset, n=n, seed=seed, batch=batch, against=against, network=network)
    scores, notes = _scores(gathered.evidence, metrics, codec.native)
    side = dataset.validation if len(dataset.validation) else dataset.train
    shown = torch.randperm(len(side), generator=generator("evaluate", seed, "shown"))[:SHOWN]
    if against is None and side is dataset.train:
        notes.append(say("There are no held-out items: the real data shown are training items."))
    real = against[:SHOWN] if against is not None else side.take(shown).x
    neighbours = (
        _neighbours(gathered, dataset) if len(gathered.evidence.training) > NEIGHBOURS else None
    )
    walks = interpolate(model, dataset, seed)
    key = _key(gathered.evidence)
    words = verdict_for(codec)(scores)
    if network is None and gathered.real:
        second, remarks = second_opinion(
            gathered.evidence, scores, {"model": gathered.samples, **gathered.real}
        )
        scores += second
        words = [
            (question, join([answer, *remarks]) if question == "fidelity" else answer)
            for question, answer in words
        ]
    return Evaluation(
        scores, gathered.samples, real, neighbours, walks, gathered.notes + notes, words, key=key
    )


def _judge_tokens(
    model: Family,
    codec: Codec[Any],
    dataset: Dataset,
    n: int | None,
    seed: int,
    batch: int,
    against: Sequence[Tensor] | None,
    metrics: Sequence[str] | None,
) -> Evaluation:
    gathered = gather_passages(model, codec, dataset, n=n, seed=seed, batch=batch, against=against)
    scores, notes = _scores(gathered.evidence, metrics, codec.native)
    if against is None and not len(dataset.validation):
        notes.append(
            say(
                "There are no held-out documents: the real ones shown were trained on, and "
                "nothing says how well new ones are predicted."
            )
        )
    samples, real = gathered.samples[:SHOWN], gathered.real[:SHOWN]
    shared, key = longest_shared(gathered), _key(gathered.evidence)
    words = verdict_for(codec)(scores)
    return Evaluation(scores, samples, real, None, None, gathered.notes + notes, words, shared, key)


def _scores(
    evidence: Evidence, metrics: Sequence[str] | None, native: type
) -> tuple[list[MetricResult], list[str]]:
    """Of the metrics that read this kind of evidence and judge this kind of item. One that fails
    with a reason costs its own scores only.
    """
    scores: list[MetricResult] = []
    notes: list[str] = []
    asked = registry.names("metric") if metrics is None else metrics
    for name in tracked(asked, "computing scores", len(asked), "metrics"):
        metric: Metric = registry.resolve("metric", name)()
        if not isinstance(evidence, metric.reads) or not issubclass(native, metric.judges):
            continue
        try:
            scores.extend(metric.scores(evidence))
        except CastaliaError as error:
            notes.append(say("The metric '{0}' gave up: {1}.", name, error.what))
    return scores, notes


def _key(evidence: Evidence) -> str:
    """Of the reference and of the held-out rows: what two models must share to be compared in
    pairs.
    """
    digest = hashlib.sha256(evidence.reference.contiguous().numpy().tobytes())
    for batch in evidence.batches:
        digest.update(batch.x.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _neighbours(gathered: Gathered, dataset: Dataset) -> Neighbours | None:
    """Half the queries are the samples nearest to any training item, the suspects; the others are
    the first samples.
    """
    evidence = gathered.evidence
    features = evidence.candidates.get("model")
    if features is None:
        return None
    features = features[: len(gathered.samples)]
    distances, places = nearest(features, evidence.training, NEIGHBOURS)
    suspects = distances[:, 0].argsort(stable=True)[: QUERIES // 2].tolist()
    others = [row for row in range(len(features)) if row not in suspects][: QUERIES - len(suspects)]
    chosen = torch.tensor(sorted(suspects + others, key=lambda row: distances[row, 0].item()))
    indices = gathered.visited[places[chosen]]
    items = dataset.train.take(indices.flatten()).x.unflatten(0, indices.shape)
    held_out = evidence.held_out[:1000]
    typical = (
        nearest(held_out, evidence.training)[0][:, 0].median().item() if len(held_out) else None
    )
    return Neighbours(gathered.samples[chosen], items, distances[chosen], indices, typical)


@torch.inference_mode()
def interpolate(
    model: Family, dataset: Dataset, seed: int, rows: int = ROWS, steps: int = STEPS
) -> Tensor | None:
    """Straight walks between posterior means of pairs of held-out items: (rows, steps, *shape), or
    None if the model does not encode.

    Pairs share a class where the model has class conditions, so that a walk is one of the latent
    alone.
    """
    side = dataset.validation if len(dataset.validation) > 1 else dataset.train
    if not isinstance(model, Encodes) or len(side) < 2:
        return None
    order = torch.randperm(len(side), generator=generator("evaluate", seed, "walks"))
    first, second = _pairs(model, dataset, side, order, rows)
    a, b = side.take(first), side.take(second)
    cond = conditions_of(model, side, first)
    start, stop = (model.to_latent(x.x.to(model.device), cond) for x in (a, b))
    walk = [a.x]
    for step in range(steps - 2):
        share = step / max(1, steps - 3)
        walk.append(model.from_latent(start + share * (stop - start), cond).float().cpu())
    return torch.stack([*walk, b.x], dim=1)


def _pairs(
    model: Family, dataset: Dataset, side: Any, order: Tensor, rows: int
) -> tuple[Tensor, Tensor]:
    labels = {
        name: side.take(order).cond[name]
        for name, kind in model.conditions.items()
        if isinstance(kind, Classes)
    }
    pairs: list[tuple[int, int]] = []
    used: set[int] = set()
    for place in range(len(order)):
        if place in used or len(pairs) == rows:
            continue
        partner = next(
            (
                other
                for other in range(place + 1, len(order))
                if other not in used and all(bool(y[other] == y[place]) for y in labels.values())
            ),
            None,
        )
        if partner is not None:
            used |= {place, partner}
            pairs.append((place, partner))
    if not pairs:
        pairs = [(0, 1)]
    return order[torch.tensor([a for a, _ in pairs])], order[torch.tensor([b for _, b in pairs])]
