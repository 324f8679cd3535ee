"""Contract tests of a family's abilities: each does what its protocol says, and a family that lacks
it passes. `ABILITY_CHECKS` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from castalia.abilities import SampleOptions, abilities_of
from castalia.errors import AbilityError
from castalia.nn.counter_random import generator, generators
from castalia.spec import Batch, Dense, Tokens
from castalia.testing.family_case import FamilyCase

AGREEMENT = 1e-4  # values of one sample, whatever the number of rows computed with it


def samples(case: FamilyCase) -> None:
    """Shape, dtype, range, determinism; row i depends on rngs[i] and its own condition only, to
    1e-4 whatever the batch.
    """
    model: Any = case.build().eval()
    if "samples" not in abilities_of(model):
        return
    options = SampleOptions()
    with torch.no_grad():
        x = model.sample(generators(3, 0, 6), _conditions(case, 6), options)
        again = model.sample(generators(3, 0, 6), _conditions(case, 6), options)
        part = model.sample(
            generators(3, 2, 3),
            {name: value[2:5] for name, value in _conditions(case, 6).items()},
            options,
        )
        other = model.sample(generators(4, 0, 6), _conditions(case, 6), options)
        free = model.sample(generators(3, 0, 2), {}, options)
    shape, dtype = form(case.spec)
    ensure(
        x.shape == (6, *shape) and free.shape == (2, *shape),
        f"shape {tuple(x.shape)}, expected {(6, *shape)}",
    )
    ensure(x.dtype == dtype, f"dtype {x.dtype}, expected {dtype}")
    low, high = (0, case.spec.vocab - 1) if isinstance(case.spec, Tokens) else case.spec.limits
    ensure(
        bool(torch.isfinite(x).all())
        and float(x.min()) >= low - 1e-5
        and float(x.max()) <= high + 1e-5,
        f"values from {float(x.min())} to {float(x.max())}, expected within [{low}, {high}]",
    )
    ensure(torch.equal(x, again), "the same generators gave other values")
    ensure(
        bool((x[2:5] - part).abs().max() <= AGREEMENT),
        f"rows differ by {float((x[2:5] - part).abs().max()):.2g} between batch sizes",
    )
    ensure(not torch.equal(x, other), "other generators gave the same values")


def encodes(case: FamilyCase) -> None:
    """to_latent is deterministic without generators and a draw with them; from_latent gives the
    spec's shape and range.
    """
    model: Any = case.build().eval()
    if "encodes" not in abilities_of(model) or isinstance(case.spec, Tokens):
        return
    batch = case.batch(6)
    with torch.no_grad():
        mean, again = (model.to_latent(batch.x, batch.cond) for _ in range(2))
        drawn, redrawn = (
            model.to_latent(batch.x, batch.cond, generators(0, 0, 6)) for _ in range(2)
        )
        alone = model.to_latent(
            batch.x[1:2], {name: value[1:2] for name, value in batch.cond.items()}
        )
        back = model.from_latent(mean, batch.cond)
    ensure(mean.shape[0] == 6 and torch.equal(mean, again), "the mean latent is not deterministic")
    ensure(
        drawn.shape == mean.shape and torch.equal(drawn, redrawn),
        "draws with equal generators differ",
    )
    ensure(
        bool((alone - mean[1:2]).abs().max() <= AGREEMENT),
        "a latent depends on the other rows of its batch",
    )
    ensure(
        back.shape == batch.x.shape and back.dtype == torch.float32,
        f"from_latent gives {tuple(back.shape)} {back.dtype}",
    )
    low, high = case.spec.limits
    ensure(
        float(back.min()) >= low - 1e-5 and float(back.max()) <= high + 1e-5,
        "from_latent leaves the unit's range",
    )


def generates(case: FamilyCase) -> None:
    """from_latent takes standard normal noise of latent_shape, gives the spec's shape and range,
    row by row, and of dense data has a gradient in every row's latent.
    """
    model: Any = case.build().eval()
    if "generates" not in abilities_of(model):
        return
    z = torch.randn(6, *model.latent_shape, generator=generator("generates"))
    told = _conditions(case, 6)
    with torch.no_grad():
        made, again, free = (model.from_latent(z, one) for one in (told, told, {}))
        alone = model.from_latent(z[1:2], {name: value[1:2] for name, value in told.items()})
    shape, dtype = form(case.spec)
    ensure(
        made.shape == free.shape == (6, *shape) and made.dtype == dtype,
        f"from_latent gives {tuple(made.shape)} {made.dtype}",
    )
    ensure(torch.equal(made, again), "from_latent is not deterministic")
    ensure(
        bool((alone - made[1:2]).abs().max() <= AGREEMENT),
        "an item depends on the other rows of its batch",
    )
    if isinstance(case.spec, Tokens):
        return
    low, high = case.spec.limits
    ensure(
        float(made.min()) >= low - 1e-5 and float(made.max()) <= high + 1e-5,
        "from_latent leaves the unit's range",
    )
    z.requires_grad_()
    made = model.from_latent(z, told)
    ensure(made.requires_grad, "from_latent has no gradient in the latent")
    (slope,) = torch.autograd.grad(made.square().sum(), z)
    moved = slope.flatten(1).abs().amax(1) > 0
    ensure(bool(torch.isfinite(slope).all() and moved.all()), "a latent has no gradient")


def scores(case: FamilyCase) -> None:
    """nats is (B,), finite, deterministic with and without generators, independent of the other
    rows to 1e-4 relative.
    """
    model: Any = case.build().eval()
    if "scores" not in abilities_of(model):
        return
    batch = case.batch(4)
    segment = None if batch.segment is None else batch.segment[1:2]
    one = Batch(
        batch.x[1:2], segment=segment, cond={name: value[1:2] for name, value in batch.cond.items()}
    )
    values, again = (
        model.nats(batch, [generator("score", row) for row in range(4)]) for _ in range(2)
    )
    alone = model.nats(one, [generator("score", 1)])
    ensure(values.shape == (4,) and bool(torch.isfinite(values).all()), f"nats gives {values}")
    ensure(
        torch.equal(values, again) and torch.equal(model.nats(batch), model.nats(batch)),
        "nats is not deterministic",
    )
    ensure(
        bool((values[1] - alone[0]).abs() <= 1e-4 * values[1].abs() + 1e-3),
        f"nats of a row is {values[1].item()} in a batch and {alone[0].item()} alone",
    )
    ensure(isinstance(model.exact, bool), "`exact` says whether nats is a bound")


def decodes(case: FamilyCase) -> None:
    """Token by token agrees with all at once to 1e-4, for rows of unequal length; `take` and `join`
    change no row.
    """
    model: Any = case.build().eval()
    if "decodes" not in abilities_of(model) or not isinstance(case.spec, Tokens):
        return
    x = case.batch(5).x.clone()
    x[:, 0] = case.spec.begin
    cond = _conditions(case, 5)
    lengths = torch.tensor([1, 4, 4, 2, 6])
    mask = torch.arange(6) < lengths[:, None]
    whole = [
        model.prefill(
            x[row : row + 1, : lengths[row] + 3],
            torch.ones(1, lengths[row] + 3).bool(),
            _row(cond, row),
        )[0]
        for row in range(5)
    ]
    logits, state = model.prefill(torch.where(mask, x[:, :6], case.spec.begin), mask, cond)
    ensure(
        bool((state.lengths == lengths).all()),
        f"lengths {state.lengths.tolist()} after a prefill of {lengths.tolist()}",
    )
    ensure(
        logits.shape == (5, case.spec.vocab) and logits.dtype == torch.float32,
        f"logits {tuple(logits.shape)} {logits.dtype}",
    )
    for step in range(3):
        logits, state = model.step(x[torch.arange(5), lengths + step], state)
    ensure(
        bool((logits - torch.cat(whole)).abs().max() <= AGREEMENT),
        "token by token gives other logits than all at once",
    )
    first, second = (
        model.prefill(x[rows][:, :4], torch.ones(len(rows), 4).bool(), _row(cond, rows))[1]
        for rows in ([0, 1], [2, 3, 4])
    )
    straight = model.step(x[:, 4], model.prefill(x[:, :4], torch.ones(5, 4).bool(), cond)[1])[0]
    joined = model.step(x[:, 4], first.join(second))[0]
    ensure(bool((joined - straight).abs().max() <= AGREEMENT), "joined rows give other logits")
    state = model.prefill(x[:, :4], torch.ones(5, 4).bool(), cond)[1].take(torch.tensor([3, 1]))
    taken = model.step(x[[3, 1], 4], state)[0]
    ensure(
        bool((taken - straight[[3, 1]]).abs().max() <= AGREEMENT), "taken rows give other logits"
    )


def infills(case: FamilyCase) -> None:
    """Kept entries come back as they were; the rest is a function of the generators. A family may
    lack the ability in some of its settings.
    """
    model: Any = case.build().eval()
    if "infills" not in abilities_of(model):
        return
    batch = case.batch(4)
    keep = torch.rand(batch.x.shape, generator=generator("keep")) < 0.5
    keep[:, 0] |= isinstance(case.spec, Tokens)
    try:
        filled, again = (
            model.infill(batch.x, keep, generators(1, 0, 4), batch.cond) for _ in range(2)
        )
    except AbilityError:
        return
    ensure(
        filled.shape == batch.x.shape and torch.equal(filled[keep], batch.x[keep]),
        "kept entries were changed",
    )
    ensure(torch.equal(filled, again), "the same generators gave other values")


def predicts(case: FamilyCase) -> None:
    """A distribution over tokens, which what stands at the place has no part in. A family may lack
    the ability in some of its settings.
    """
    model: Any = case.build().eval()
    if "predicts" not in abilities_of(model):
        return
    batch = case.batch(4)
    other = batch.x.clone()
    other[:, 2] = (other[:, 2] + 1) % case.spec.vocab  # type: ignore[union-attr]
    try:
        one, two = (model.predict(x, 2, batch.cond) for x in (batch.x, other))
    except AbilityError:
        return
    ensure(
        bool((one.exp().sum(1) - 1).abs().max() <= AGREEMENT), "the probabilities do not sum to 1"
    )
    ensure(bool((one - two).abs().max() <= AGREEMENT), "the predicted token was looked at")


def describes(case: FamilyCase) -> None:
    """Captions are words that are known and allowed, at least one, then zeros; a function of the
    row and of its generator, whatever the other rows.
    """
    model: Any = case.build().eval()
    if "describes" not in abilities_of(model):
        return
    x, words = case.batch(6).x, model.words
    said, again = (model.describe(x, generators(0, 0, 6), 1.0) for _ in range(2))
    part = model.describe(x[2:4], generators(0, 2, 2), 1.0)
    ensure(torch.equal(said, again), "the same generators gave other captions")
    ensure(torch.equal(said[2:4], part), "a caption depends on the other rows of its batch")
    ensure(said.shape == (6, words.length), f"captions have the shape {tuple(said.shape)}")
    ensure(bool((said[:, 0] > 0).all() and (said <= len(words)).all()), "a word is not known")
    over = (said == 0).cummax(1).values if words.length else said
    ensure(not bool((said * over).any()), "a word stands behind the end")
    only = torch.arange(len(words)) == 1
    limited = model.describe(x, generators(0, 0, 6), 1.0, only)
    ensure(bool(((limited == 0) | (limited == 2)).all()), "a word that is not allowed was used")


def matches(case: FamilyCase) -> None:
    """Vectors of items and captions have one width and length 1, whatever the other rows."""
    model: Any = case.build().eval()
    if "matches" not in abilities_of(model):
        return
    batch = case.batch(6)
    ids = next(iter(batch.cond.values()))
    items, captions = model.item_vectors(batch.x), model.caption_vectors(ids)
    ensure(items.shape == captions.shape, "items and captions have vectors of other widths")
    for vectors, alone in (
        (items, model.item_vectors(batch.x[1:2])),
        (captions, model.caption_vectors(ids[1:2])),
    ):
        ensure(
            bool((vectors.norm(dim=1) - 1).abs().max() <= AGREEMENT), "a vector is not of length 1"
        )
        ensure(
            bool((vectors[1:2] - alone).abs().max() <= AGREEMENT),
            "a vector depends on the other rows of its batch",
        )


def restores(case: FamilyCase) -> None:
    """What is restored agrees with what is known, as a function of the generators; nothing is taken
    from data without noise, and each row has its own noise. A family may lack either in some of its
    settings.
    """
    model: Any = case.build().eval()
    if "restores" not in abilities_of(model):
        return
    batch = case.batch(4)
    keep = torch.rand(batch.x.shape, generator=generator("keep")) < 0.5

    def consistent(x: Tensor) -> Tensor:
        return torch.where(keep, batch.x, x)

    able = False
    with suppress(AbilityError):
        found, again = (
            model.restore(consistent, generators(1, 0, 4), batch.cond) for _ in range(2)
        )
        ensure(torch.equal(found, consistent(found)), "the result disagrees with what is known")
        ensure(torch.equal(found, again), "the same generators gave other values")
        able = True
    levels = torch.tensor([0.0, 0.1, 0.5, 1.0])
    with suppress(AbilityError):
        clean = model.denoise(batch.x, levels, batch.cond)
        alone = model.denoise(
            batch.x[2:3], levels[2:3], {name: value[2:3] for name, value in batch.cond.items()}
        )
        ensure(clean.shape == batch.x.shape, f"denoise gives {tuple(clean.shape)}")
        ensure(
            bool((clean[0] - batch.x[0]).abs().max() <= AGREEMENT),
            "data without noise were changed",
        )
        ensure(
            bool((clean[2:3] - alone).abs().max() <= AGREEMENT), "a row depends on the other rows"
        )
        able = True
    ensure(able, "neither restore nor denoise does anything")


def attends(case: FamilyCase) -> None:
    """Maps of each layer: every row a distribution over its own column and earlier ones, whatever
    comes later or stands in other rows.
    """
    model: Any = case.build().eval()
    if "attends" not in abilities_of(model):
        return
    x = case.batch(3).x[:, :6].clone()
    x[:, 0] = case.spec.begin
    maps, alone, shorter = model.attention(x), model.attention(x[1:2]), model.attention(x[:, :4])
    ensure(len(maps) > 0, "there is no layer")
    for layer, whole in enumerate(maps):
        ensure(
            whole.ndim == 4 and (len(whole), *whole.shape[2:]) == (3, 6, 6),
            f"layer {layer}: shape {tuple(whole.shape)}",
        )
        ensure(
            whole.dtype == torch.float32 and bool((whole >= 0).all()),
            f"layer {layer}: {whole.dtype}, from {float(whole.min())}",
        )
        ensure(
            bool(((whole.sum(-1) - 1).abs() <= AGREEMENT).all()),
            f"layer {layer}: a row does not sum to one",
        )
        ensure(bool((whole.triu(1) == 0).all()), f"layer {layer}: a token looks ahead")
        ensure(
            bool((whole[1:2] - alone[layer]).abs().max() <= AGREEMENT),
            f"layer {layer}: a map depends on the other rows",
        )
        ensure(
            bool((whole[:, :, :4, :4] - shorter[layer]).abs().max() <= AGREEMENT),
            f"layer {layer}: a map depends on later tokens",
        )


ABILITY_CHECKS: dict[str, Callable[[FamilyCase], None]] = {
    "samples": samples,
    "encodes": encodes,
    "generates": generates,
    "scores": scores,
    "decodes": decodes,
    "infills": infills,
    "predicts": predicts,
    "describes": describes,
    "matches": matches,
    "restores": restores,
    "attends": attends,
}


def form(spec: Dense | Tokens) -> tuple[tuple[int, ...], torch.dtype]:
    """Shape of one item or full row, and the dtype that models see."""
    return (
        ((spec.length + 1,), torch.int64)
        if isinstance(spec, Tokens)
        else (spec.shape, torch.float32)
    )


def _row(cond: dict[str, Tensor], rows: int | list[int]) -> dict[str, Tensor]:
    return {name: value[[rows] if isinstance(rows, int) else rows] for name, value in cond.items()}


def _conditions(case: FamilyCase, rows: int) -> dict[str, Tensor]:
    return case.batch(rows).cond


def ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
