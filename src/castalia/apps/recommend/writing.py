"""Suggestions as a document, a table, a page, and sentences about whether they can be believed."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import castalia
from castalia import atomic
from castalia.apps.recommend.backtest import Task, Tested
from castalia.apps.recommend.events import day_of
from castalia.apps.recommend.suggesting import MOST_SHOWN, Suggestions
from castalia.evaluation.base import Estimate
from castalia.governance.release_gate import Gate
from castalia.language import Voice, current
from castalia.pages.render import render
from castalia.sentences import Message, say, series

NAMES: dict[str, Message] = {
    "popular": say("popular, overall"),
    "recent": say("popular of late"),
    "before": say("had before, of late the more"),
    "knn": say("neighbours of items"),
    "als": say("matrix factorisation"),
    "ar": say("transformer over histories"),
    "blend": say("the blend"),
}
TASKS: dict[str, Message] = {
    "all": say("everything in the period"),
    "new": say("only what is new to the user"),
    "basket": say("the first day on which the user comes back"),
}
PERSONAL = say(
    "Histories and suggestions are personal data: show each user's to that user, or to those who "
    "may see the history."
)
SHOWN_USERS, SHOWN_ITEMS = 20, 30
COLUMNS = (
    "user",
    "place",
    "item",
    "name",
    "kind",
    "reason",
    "because",
    "users",
    "among",
    "personal_data",
)


def findings(made: Suggestions) -> Iterator[str]:
    """Whether the suggestions can be believed, in sentences."""
    parts = [
        say("{0} {1:.0%}", NAMES[name], share)
        for name, share in sorted(made.weights.items(), key=lambda one: -one[1])
        if share
    ]
    yield say("Suggested by: {0}.", series(parts))
    tested = made.tested
    if tested is None:
        yield say("Nothing was tested on the past.")
        return
    yield say(
        "Tested on what {0:,} users did from {1} to {2}; {3:,} of them are new and could only get "
        "what is popular.",
        tested.users,
        day_of(tested.begin),
        day_of(tested.end),
        tested.cold,
    )
    if tested.cold_items:
        yield say(
            "{0:.1%} of the events of that time are of {1:,} items that were not there before; "
            "nobody could suggest these, and they count as missed.",
            tested.cold_events,
            tested.cold_items,
        )
    task = tested.tasks.get("all" if made.again else "new")
    if task is None:
        yield say("Nobody of them had anything that could have been suggested.")
        return
    yield from _compared(task)


def _compared(task: Task) -> Iterator[str]:
    blend, knn = task.scores["blend"], task.scores["knn"]
    yield say(
        "Of {0:,} users: ten suggestions of the blend reach NDCG {1} and find {2} of what they "
        "had; neighbours of items {3} and {4}.",
        task.users,
        _interval(blend[0]),
        _percent(blend[1]),
        _interval(knn[0]),
        _percent(knn[1]),
    )
    for name in ("blend", "ar"):
        if name not in task.against or (name == "blend" and task.weights == {"knn": 1.0}):
            continue
        gain = task.against[name][0]
        between = f"{gain.low:+.3f} … {gain.high:+.3f}"
        if gain.low > 0:
            yield say(
                "{0}: better than neighbours of items, NDCG {1:+.3f} ({2}).",
                NAMES[name],
                gain.value,
                between,
            )
        elif gain.high < 0:
            yield say(
                "{0}: worse than neighbours of items, NDCG {1:+.3f} ({2}).",
                NAMES[name],
                gain.value,
                between,
            )
        else:
            yield say(
                "{0}: not told apart from neighbours of items, NDCG {1:+.3f} ({2}).",
                NAMES[name],
                gain.value,
                between,
            )
    if "ar" in task.scores and not task.weights.get("ar"):
        yield say(
            "The transformer has no part in the blend: in the period in which the blend was chosen "
            "it added nothing."
        )


def document(made: Suggestions, rows: bool = True) -> dict[str, Any]:
    """JSON. rows: with the suggestions themselves."""
    events, voice = made.events, Voice(current())
    known: dict[str, Any] = {
        "source": events.source,
        "events": len(events),
        "users": len(events.users),
        "items": len(events.items),
        "from": day_of(float(events.time[0])),
        "to": day_of(float(events.time[-1])),
        "notes": [voice(one) for one in (*events.notes, *made.notes)],
        "findings": [voice(one) for one in findings(made)],
        "again": made.again,
        "method": made.method,
        "weights": dict(made.weights),
        "least_users_of_a_count": made.least,
        "seed": made.seed,
        "back_test": None if made.tested is None else _test(made.tested),
        "items_with_too_few_users": {
            "count": len(made.few),
            "items": list(made.few[:MOST_SHOWN]),
        },
        "unknown_users": list(made.unknown[:MOST_SHOWN]),
        "personal_data": voice(PERSONAL),
    }
    if rows:
        known["suggestions"] = [dict(zip(COLUMNS, row, strict=True)) for row in table(made)]
    return known


def _test(tested: Tested) -> dict[str, Any]:
    return {
        "from": day_of(tested.begin),
        "to": day_of(tested.end),
        "users": tested.users,
        "new_users": tested.cold,
        "judged_users": tested.drawn,
        "new_items": tested.cold_items,
        "share_of_events_of_new_items": tested.cold_events,
        "tasks": {
            name: {
                "users": task.users,
                "weights": dict(task.weights),
                "methods": {
                    method: {"ndcg@10": _figures(pair[0]), "recall@10": _figures(pair[1])}
                    for method, pair in task.scores.items()
                    if not (name == "new" and method == "before")
                },
                "against_neighbours": {
                    method: {"ndcg@10": _figures(pair[0]), "recall@10": _figures(pair[1])}
                    for method, pair in task.against.items()
                },
            }
            for name, task in tested.tasks.items()
        },
    }


def table(made: Suggestions) -> Iterator[tuple[Any, ...]]:
    """Rows of COLUMNS."""
    events, voice = made.events, Voice(current())
    for one in made.rows:
        because = one.reason.because
        yield (
            one.user,
            one.place,
            events.items[one.item],
            events.names[one.item],
            one.reason.kind,
            voice(one.reason.words),
            events.items[because] if because >= 0 else "",
            one.reason.users or "",
            one.reason.among or "",
            "yes",
        )


def write(made: Suggestions, folder: Path) -> Path:
    """suggestions.csv with its manifest beside it, recommend.json, recommend.html; the page."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(table(made))
    released(made, text.getvalue(), folder / "suggestions.csv")
    atomic.write_json(folder / "recommend.json", document(made, rows=False))
    place = folder / "recommend.html"
    atomic.write(place, page(made, current()))
    return place


def released(made: Suggestions, text: str, path: Path) -> None:
    """The table, and beside it the manifest: what made it of what. Where a run had a part, the
    run's policy is asked and its ledger gets a line. With a byte order mark, so that spreadsheets
    read it.
    """
    said = {
        "recommend": {
            "source": made.events.source,
            "weights": dict(made.weights),
            "again": made.again,
            "least": made.least,
        },
        "seed": made.seed,
        "personal_data": True,
    }
    if made.run is not None and made.weights.get("ar"):
        gate = Gate(made.run)
        facts = gate.facts_of(**said)
        gate.emit_text("\ufeff" + text, facts)
    else:
        content = hashlib.sha256(("\ufeff" + text).encode()).hexdigest()
        facts = {"generator": f"castalia {castalia.__version__}", **said, "content": content}
    atomic.write(path, "\ufeff" + text)
    atomic.write_json(path.with_suffix(".json"), facts)


def page(made: Suggestions, language: str) -> str:
    """HTML: the figures, and the suggestions of the first users."""
    voice, tasks = Voice(language), []
    if made.tested is not None:
        for name, task in made.tested.tasks.items():
            rows = [
                {
                    "name": NAMES[method],
                    "ndcg": _interval(pair[0]),
                    "recall": _interval(pair[1]),
                    "share": f"{task.weights.get(method, 0):.0%}" if method != "blend" else "",
                }
                for method, pair in task.scores.items()
                if not (name == "new" and method == "before")
            ]
            tasks.append({"title": TASKS[name], "users": task.users, "rows": rows})
    groups = []
    for user, rows in groupby(made.rows, key=lambda one: one.user):
        if len(groups) == SHOWN_USERS:
            break
        groups.append(
            {
                "user": user,
                "rows": [
                    {
                        "place": one.place,
                        "item": made.events.items[one.item],
                        "name": made.events.names[one.item],
                        "reason": one.reason.words,
                    }
                    for one in rows
                ],
            }
        )
    return render(
        "recommend.html.j2",
        language,
        title=voice.say("What comes next: {0}", made.events.source),
        made=made,
        findings=list(findings(made)),
        notes=[*made.events.notes, *made.notes],
        tasks=tasks,
        groups=groups,
        more=len({one.user for one in made.rows}) - len(groups),
        few=made.few[:SHOWN_ITEMS],
        begin=day_of(float(made.events.time[0])),
        end=day_of(float(made.events.time[-1])),
        personal=PERSONAL,
    )


def _figures(one: Estimate) -> Mapping[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def _interval(one: Estimate) -> str:
    return f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})"


def _percent(one: Estimate) -> str:
    return f"{one.value:.1%} ({one.low:.1%}–{one.high:.1%})"
