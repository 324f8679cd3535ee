"""The transformer over histories: a run of `table/history`, and what it says comes next."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from castalia import atomic
from castalia.abilities import Decodes
from castalia.apps.recommend.events import Events
from castalia.apps.recommend.methods import Scores
from castalia.errors import RunError
from castalia.governance.release_gate import Gate
from castalia.run import Run
from castalia.sentences import say
from castalia.verbs.train import train

RECIPE = "table/history"
_ROWS = 64


def trained(
    events: Events, folder: Path, overrides: Mapping[str, Any], progress: bool | None
) -> Run:
    """A run in `folder`/run, of the events as they stand in `folder`/histories.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["user", "item"])
    writer.writerows(
        (events.users[user], events.items[item])
        for user, item in zip(events.user.tolist(), events.item.tolist(), strict=True)
    )
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "histories.csv"
    atomic.write(source, text.getvalue())
    known = {"codec.entity": "user", "codec.item": "item", "training.sample_every": 0}
    return train(RECIPE, source, {**known, **overrides}, out=folder / "run", progress=progress)


def opened(run: Run) -> Run:
    """The run, if it is one of histories. Raises RunError where it is not."""
    if run.recipe.codec.name != "history" or run.recipe.family.name != "ar":
        raise RunError(
            say("the run is no model of histories"),
            where=run.folder,
            fix=say("castalia train {0}, or a folder that castalia recommend kept", RECIPE),
        )
    return run


def continued(run: Run, events: Events) -> Scores:
    """(U, I) log-probabilities of the next item after all events of a user; -inf for items that the
    run does not know.
    """
    codec, gate = run.codec, Gate(run)
    model, spec = gate.model(), codec.spec
    assert isinstance(model, Decodes)  # `ar` is
    token = np.array([(codec.tokens([item]) or [0])[0] for item in events.items])
    known = np.flatnonzero(token)
    order = np.argsort(events.user, kind="stable")
    starts = np.searchsorted(events.user[order], np.arange(len(events.users) + 1))

    def prompt(user: int) -> list[int]:
        own = events.item[order[starts[user] : starts[user + 1]]]
        ids = [spec.begin, *(one for one in token[own].tolist() if one)]
        return ids[-spec.length :]

    def scores(users: np.ndarray) -> np.ndarray:
        made = np.full((len(users), len(events.items)), -np.inf, np.float32)
        for start in range(0, len(users), _ROWS):
            rows = [prompt(int(user)) for user in users[start : start + _ROWS]]
            longest = max(map(len, rows))
            ids = torch.full((len(rows), longest), spec.begin)
            mask = torch.zeros(len(rows), longest, dtype=torch.bool)
            for place, row in enumerate(rows):
                ids[place, : len(row)] = torch.tensor(row)
                mask[place, : len(row)] = True
            logits, _ = model.prefill(ids, mask, {})
            made[start : start + len(rows), known] = (
                logits.log_softmax(-1)[:, torch.from_numpy(token[known])].float().cpu().numpy()
            )
        return made

    return scores
