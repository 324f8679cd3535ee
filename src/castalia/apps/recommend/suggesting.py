"""`castalia.recommend`: events in, suggestions with reasons out, and how they would have done."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from castalia import bounded
from castalia.apps.recommend import methods
from castalia.apps.recommend.backtest import Tested, cuts_of, tested
from castalia.apps.recommend.blending import FILLER, fused, lists_of
from castalia.apps.recommend.events import DAY, Events, read, split
from castalia.apps.recommend.histories import continued, opened, trained
from castalia.apps.recommend.methods import Past, Scores
from castalia.apps.recommend.reasons import Reason, Reasons
from castalia.errors import DataError, RecipeError, RunError, meant
from castalia.run import Run
from castalia.sentences import plural, say
from castalia.text_files import columns

METHODS = ("popular", "recent", "before", "knn", "als", "ar")
REPEATS = 0.05  # share of events from which coming back to an item is taken for usual
MOST_N, MOST_SHOWN = 100, 1000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """user: as the file names it. place: from 1 on. item: its number among the events' items."""

    user: str
    place: int
    item: int
    reason: Reason


@dataclass(frozen=True)
class Suggestions:
    """again: whether items that a user had are suggested. weights: of the methods. tested: None
    where the past could not be asked. few: items that fewer than `least` users had. unknown: users
    that were asked for and have no event.
    """

    events: Events
    rows: Sequence[Suggestion]
    method: str
    again: bool
    weights: Mapping[str, float]
    tested: Tested | None
    least: int
    seed: int
    few: Sequence[str]
    unknown: Sequence[str]
    run: Run | None = None
    notes: list[str] = field(default_factory=list)


def recommend(
    data: str | os.PathLike[str],
    *,
    user: str,
    item: str,
    time: str,
    name: str | None = None,
    weight: str | None = None,
    least_weight: float | None = None,
    users: Sequence[str] = (),
    n: int = 10,
    again: bool | None = None,
    without: str | os.PathLike[str] | None = None,
    method: str = "blend",
    minutes: float = 4.0,
    run: str | os.PathLike[str] | Run | None = None,
    out: str | os.PathLike[str] | None = None,
    least: int = 5,
    seed: int = 0,
    overrides: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Suggestions:
    """What users may want next: each row of the table says whom (user), what (item) and when
    (time).

    name, weight, least_weight: see events.read. users: for whom; none: for all. again: whether what
    a user had may be suggested; None: where that is usual in the data. without: a table with items
    that nobody gets. method: one of METHODS, or "blend", chosen on the past. minutes: of training
    the transformer, twice, on the past and on everything; 0: it is left out. run: one that is there
    already, in place of training. out: where runs are kept. least: users that a count in a reason
    must have.

    Raises DataError for a file that cannot be used, RecipeError for wishes that cannot be met.

    >>> castalia.recommend("events.csv", user="who", item="sku", time="date", minutes=0)
    """
    _possible(n, minutes, method, least, run, out)
    events = read(Path(data), user, item, time, name=name, weight=weight, least=least_weight)
    notes: list[str] = []
    barred = _barred(events, without, item, notes)
    usual = events.repeated >= REPEATS if again is None else again
    if again is None:
        notes.append(
            say(
                "{0:.1%} of events come back to an item on another day, so what a user had {1}",
                events.repeated,
                say("may be suggested again") if usual else say("is not suggested again"),
            )
        )
    given = None if run is None else opened(run if isinstance(run, Run) else Run.open(run))
    settings = {**(overrides or {})}
    if minutes:
        settings.setdefault("training.minutes", minutes / 2)
    with TemporaryDirectory() as desk:
        place = Path(desk if out is None else out)
        cuts, result = cuts_of(events), None
        learned: Run | None = None
        if given is not None:
            weights = {method: 1.0} if method != "blend" else _kept_weights(given, usual, notes)
        else:
            if cuts is None:
                notes.append(
                    say("the past is too short to test anything on it: hardly anybody comes back")
                )
                weights = {"knn": 1.0}
            else:
                if minutes and method in ("blend", "ar"):
                    known = events.before(cuts.first)
                    learned = _trained(known, place / "back-test", settings, progress, notes)
                result = tested(events, cuts, partial(methods_of, learned, seed), seed)
                task = result.tasks.get("all" if usual else "new")
                weights = {"knn": 1.0} if task is None else dict(task.weights)
            if method != "blend":
                weights = {method: 1.0}
            if weights.get("ar") and (learned is not None or cuts is None):
                given = _trained(events, place, settings, progress, notes)
                weights = weights if given is not None else {"knn": 1.0}
        window = _window(events, cuts is not None)
        rows, unknown = _rows(events, given, weights, window, users, n, usual, barred, least, seed)
        few = np.flatnonzero(Past(events).holders < least)
        served = len({one.user for one in rows})
        left = len(set(users) if users else events.users) - served
        if left:
            notes.append(
                plural(
                    "{0:,} user gets no suggestion: there is no item left that was not had",
                    "{0:,} users get no suggestion: there is no item left that they have not had",
                    left,
                )
            )
        return Suggestions(
            events,
            rows,
            method,
            usual,
            weights,
            result,
            least,
            seed,
            [events.items[one] for one in few.tolist()],
            unknown,
            given,
            notes,
        )


def methods_of(
    run: Run | None,
    seed: int,
    past: Past,
    window: float,
    names: Collection[str] = METHODS,
) -> dict[str, Scores]:
    """The methods called `names` over one past; the transformer where there is a run."""
    makers: dict[str, Callable[[], Scores]] = {
        "popular": lambda: methods.same_for_all(past.holders),
        "recent": lambda: methods.same_for_all(past.recent(window)),
        "before": lambda: methods.before(past, window),
        "knn": lambda: methods.by_neighbours(past, past.neighbours),
        "als": lambda: methods.factorised(past, seed),
    }
    if run is not None:
        makers["ar"] = lambda: continued(run, past.events)
    return {name: make() for name, make in makers.items() if name in names}


def _rows(
    events: Events,
    run: Run | None,
    weights: Mapping[str, float],
    window: float,
    users: Sequence[str],
    n: int,
    again: bool,
    barred: np.ndarray,
    least: int,
    seed: int,
) -> tuple[list[Suggestion], list[str]]:
    past = Past(events)
    reasons = Reasons(past, past.neighbours, window, least)
    places = {one: place for place, one in enumerate(events.users)}
    asked = list(dict.fromkeys(users)) if users else list(events.users)
    known = np.array([places[one] for one in asked if one in places], dtype=np.int64)
    unknown = [one for one in asked if one not in places]
    made: list[Suggestion] = []
    popular = past.recent(window)
    if len(known):
        names = {FILLER, *(name for name, share in weights.items() if share)}
        wanted = methods_of(run, seed, past, window, names)
        whole, new = lists_of(wanted, past, known, barred)
        chosen = fused(whole if again else new, weights, len(events.items), n)
        for user, items in zip(known.tolist(), chosen, strict=True):
            made += [
                Suggestion(events.users[user], place, one, reasons.of(user, one))
                for place, one in enumerate(items.tolist(), 1)
                if one >= 0
            ]
    best = np.lexsort((-past.holders, -popular))
    best = best[~barred[best]][:n]
    for name in unknown:
        made += [
            Suggestion(name, place, one, reasons.of(None, one))
            for place, one in enumerate(best.tolist(), 1)
        ]
    return made, unknown


def _trained(
    events: Events,
    folder: Path,
    settings: Mapping[str, Any],
    progress: bool | None,
    notes: list[str],
) -> Run | None:
    """None, and a sentence, where histories are too few to learn from."""
    try:
        return trained(events, folder, settings, progress)
    except DataError as error:
        notes.append(say("the transformer is left out: {0}", error.what))
        return None


def _kept_weights(run: Run, again: bool, notes: list[str]) -> dict[str, float]:
    """Those that were chosen when castalia recommend made the run; else the run alone."""
    kept = run.folder.parent / "recommend.json"
    if kept.is_file():
        known = bounded.parse_json(bounded.read_text(kept), kept.name)
        test = known.get("back_test") if isinstance(known, dict) else None
        task = ((test or {}).get("tasks") or {}).get("all" if again else "new")
        weights = (task or {}).get("weights")
        if isinstance(weights, dict) and set(weights) <= set(METHODS):
            notes.append(say("methods are blended as {0} says; nothing was tested anew", kept))
            return {name: float(share) for name, share in weights.items()}
    notes.append(
        say("the run alone suggests; it may know these events, so nothing is tested on them")
    )
    return {"ar": 1.0}


def _window(events: Events, testable: bool) -> float:
    """Seconds of "of late": as long as the last tenth of the events took."""
    first = split(events, 0.1) if testable else 0
    return max(DAY, float(events.time[-1] - events.time[first]))


def _barred(
    events: Events, path: str | os.PathLike[str] | None, item: str, notes: list[str]
) -> np.ndarray:
    """(I,) bool: items of the list."""
    barred = np.zeros(len(events.items), dtype=bool)
    if path is None:
        return barred
    listed = {one for one in columns.read(Path(path), [item]).cells(item) if one}
    places = {one: place for place, one in enumerate(events.items)}
    barred[[places[one] for one in listed if one in places]] = True
    strangers = sorted(listed - set(places))
    if strangers:
        notes.append(
            plural(
                "{0} item of the list to leave out has no event: {1}",
                "{0} items of the list to leave out have no event: {1}",
                len(strangers),
                ", ".join(strangers[:8]),
            )
        )
    if barred.all():
        raise DataError(
            say("every item is left out"), Path(path).name, say("leave some to be suggested")
        )
    return barred


def _possible(
    n: int,
    minutes: float,
    method: str,
    least: int,
    run: object,
    out: str | os.PathLike[str] | None,
) -> None:
    if not 1 <= n <= MOST_N:
        raise RecipeError(say("between 1 and {0} suggestions", MOST_N), f"--n {n}", "--n 10")
    if method not in (*METHODS, "blend"):
        raise RecipeError(
            say("there is no method '{0}'", method[:40]),
            "--method",
            say(
                "{0}methods: {1}",
                meant(method[:40], (*METHODS, "blend")),
                ", ".join((*METHODS, "blend")),
            ),
        )
    if not 0 <= minutes < float("inf"):
        raise RecipeError(say("minutes are zero or more"), f"--minutes {minutes}", "--minutes 4")
    if method == "ar" and run is None and not minutes:
        raise RecipeError(
            say("the transformer needs minutes, or a run"), "--method ar", "--minutes 4"
        )
    if least < 2:
        raise RecipeError(
            say("a count of one user tells who it is"), f"--least {least}", say("2 or more")
        )
    if out is not None and run is None and minutes:
        for folder in (Path(out) / "run", Path(out) / "back-test" / "run"):
            if (folder / "run.json").exists():
                raise RunError(
                    say("there is already a run in this folder"),
                    folder,
                    say("--run {0} goes on with it; or choose another --out", Path(out) / "run"),
                )
