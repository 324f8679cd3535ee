"""castalia demo recommend: a made shop whose customers have tastes, and what they may want next."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from castalia import atomic
from castalia.cli.console import echo
from castalia.sentences import say

USERS, ITEMS, DAYS, SEED = 300, 60, 180, 7
_KINDS = ("tea", "茶", "bread", "soap", "paper", "wool")


def demo(folder: Path) -> Path:
    """The page of the suggestions."""
    from castalia.apps.recommend.suggesting import recommend
    from castalia.apps.recommend.writing import findings, write

    events = folder / "made-events.csv"
    atomic.write(events, made_events(USERS, ITEMS, DAYS, SEED))
    echo(say("made events: {0} users, {1} items, {2} days, seed {3}", USERS, ITEMS, DAYS, SEED))
    made = recommend(
        events,
        user="who",
        item="sku",
        time="date",
        name="title",
        minutes=0.5,
        out=folder,
        overrides={"family.width": 32, "family.depth": 1, "family.heads": 2},
    )
    echo(*findings(made))
    return write(made, folder)


def made_events(users: int, items: int, days: int, seed: int) -> str:
    """A CSV of events: each user likes one kind of item, buys some of it in a fixed order, and
    rarely something of another kind.
    """
    rng = np.random.default_rng(seed)
    kinds = len(_KINDS)
    of_kind = [np.arange(kind, items, kinds) for kind in range(kinds)]
    begin, rows = date(2025, 1, 6), list[tuple[str, str]]()
    for user in range(users):
        taste, place = int(rng.integers(kinds)), int(rng.integers(items))
        day = int(rng.integers(0, days // 2))
        while day < days:
            own = of_kind[taste] if rng.random() < 0.85 else of_kind[int(rng.integers(kinds))]
            item = int(own[place % len(own)])
            when = (begin + timedelta(day)).isoformat()
            title = f"{_KINDS[item % kinds]} {item // kinds + 1}"
            rows.append((when, f"{when},{user:04},{item:05},{title}\n"))
            place += 1 if rng.random() < 0.8 else int(rng.integers(len(own)))
            day += int(rng.geometric(0.08))
    return "date,who,sku,title\n" + "".join(line for _, line in sorted(rows))
