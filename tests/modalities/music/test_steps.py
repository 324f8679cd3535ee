"""The grammars of music say for whole rows what they say token by token."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from castalia.modalities.music.tokens.chords import Chords
from castalia.modalities.music.tokens.grid import Grid, is_held

GRID, CHORDS, SHEET = (
    Grid(4, 30, ("soprano", "bass", "alto")),
    Chords(1, 30, 4),
    Grid(2, 15, ("melody", "chords")),
)


@pytest.mark.parametrize("form", [GRID, CHORDS, SHEET], ids=["grid", "chords", "lead sheet"])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**20))
def test_rows_and_states_agree(form: Any, seed: int) -> None:
    """Two random documents in a row, filled up to whole steps; then the same without its first
    step, where anything may have sounded.
    """
    spec, rng = form.spec, torch.Generator().manual_seed(seed)
    grammar: Any = spec.grammar
    row: list[int] = []
    known: list[torch.Tensor] = []
    for steps in (5, 3):
        state = grammar.start()
        row += [spec.begin] * (1 + -len(row) % spec.period)
        known += [torch.zeros(0)] * (len(row) - 1 - len(known))
        while True:
            allowed = grammar.allowed(state)
            known.append(allowed)
            near = allowed.clone()
            begins = torch.from_numpy(
                ~is_held(np.arange(len(near)))
                if isinstance(form, Grid)
                else np.ones(len(near), dtype=bool)
            )
            begins[:24] = False
            # fewer pitches, or there would hardly be a hold
            near &= ~begins | (torch.rand(len(near), generator=rng) < 0.1)
            ended = len(known) > steps * spec.period and bool(allowed[spec.end])
            token = spec.end if ended else int(torch.multinomial(near.float(), 1, generator=rng))
            row.append(token)
            state = grammar.advance(state, token)
            if token == spec.end:
                break
    x = torch.tensor([row])
    found = grammar.along(x)[0]
    assert all(
        torch.equal(one, other) for one, other in zip(found, known, strict=True) if len(other)
    )
    later = grammar.along(x[:, spec.period :])[0]
    assert later.shape == found[spec.period :].shape and (found[spec.period :] & ~later).sum() == 0
    if isinstance(form, Grid):
        state = grammar.inside()
        for place, token in enumerate(row[spec.period + 1 : row.index(spec.end)]):
            assert torch.equal(later[place], grammar.allowed(state))
            state = grammar.advance(state, token)


def test_a_context_holds_whole_steps() -> None:
    assert [form.spec.length for form in (GRID, CHORDS, SHEET)] == [30, 28, 14]
    assert [form.spec.period for form in (GRID, CHORDS, SHEET)] == [3, 4, 2]
