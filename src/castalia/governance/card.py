"""The model and data card: Markdown from what a run knows about itself, in English or Chinese.

Nothing on it is guessed. What a person must add (what the model is for, what it must not be used
for) is asked for in so many words. The sections follow Mitchell et al. 2019 (model cards,
arXiv:1810.03993) and Gebru et al. 2021 (data sheets, arXiv:1803.09010), as far as facts go; the
duties are in legal_duties.py. No local path is on the card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from castalia import bounded, modality
from castalia.config import hold
from castalia.errors import RunError
from castalia.escapes import markdown
from castalia.governance import ledger
from castalia.governance.ai_mark import producer_of
from castalia.governance.credentials import SIGNED
from castalia.governance.legal_duties import Duty, Known, Switch, chinese, european
from castalia.governance.policy import Policy
from castalia.language import Voice, recognised
from castalia.run import Run
from castalia.run_files import ScoresFacts
from castalia.sentences import plural, say, say_in, series

MARKS = {"met": "☑", "partly": "◐", "open": "☐"}
STATES = {"met": say("met"), "partly": say("partly"), "open": say("open")}
EVENTS = {"released": say("released"), "refused": say("refused"), "mended": say("mended")}


def render(run: Run, lang: str = "en", policy: Policy | None = None) -> str:
    """The card of a run. Raises RecipeError for a language that is not there, RunError for a run
    without weights.
    """
    policy, voice = policy or Policy(), Voice(lang)
    about, recipe, data = run.about, run.recipe, run.about["data"]
    report: dict[str, Any] = data.get("report") or {}
    unknown, by_hand = say("not stated"), say("*to be written by its publisher*")
    verdict = _ledger(run)
    lines = [
        f"# {markdown(run.id)}",
        "",
        voice.say(
            "Model and data card, made by castalia {0} from the run itself.",
            markdown(about["versions"]["castalia"]),
        ),
        "",
    ]
    lines += _section(
        voice,
        say("Model"),
        [
            (
                say("recipe"),
                markdown(f"{recipe.title} ({recipe.family.name}, {recipe.codec.name})"),
            ),
            (say("parameters"), f"{about['parameters']:,}, {about['precision']}"),
            (say("weights"), say("SHA-256 `{0}`, step {1}", run.model_hash(), run.last_step)),
            (say("conditions"), markdown(_conditions(run)) or say("none")),
            (
                say("begins with"),
                markdown(", ".join(parent["run"] for parent in about["parents"]))
                or say("random weights"),
            ),
            *(
                [(say("learns what is made by"), _chain(about["chain"]))]
                if about["chain"] is not None
                else []
            ),
            (say("licence"), markdown(policy.licence or "") or unknown),
            (say("producer"), markdown(producer_of(policy.producer)) or unknown),
            (say("intended use"), by_hand),
        ],
    )
    lines += _section(
        voice,
        say("Data"),
        [
            (say("source"), markdown(_source(report.get("source", recipe.data.named)))),
            (say("licence"), markdown(data.get("licence") or "") or unknown),
            (say_in("card", "items"), _items(report)),
            (
                say("split"),
                say(
                    "{0} for training, {1} held out",
                    report.get("train", "?"),
                    report.get("validation", "?"),
                ),
            ),
            (
                say("classes"),
                markdown(
                    ", ".join(
                        f"{name} {count}" for name, count in (report.get("classes") or {}).items()
                    )
                )
                or say("none"),
            ),
            *(
                (
                    markdown(name),
                    markdown(", ".join(f"{value} {count}" for value, count in known.items())),
                )
                for name, known in (report.get("told") or {}).items()
            ),
            (say("fingerprint"), f"`{data['fingerprint']}`"),
            (say("people in the data, consent"), markdown(recipe.data.consent) or by_hand),
        ],
    )
    lines += _section(voice, say("Training"), _training(run))
    lines += _scores(run, voice)
    lines += _section(voice, say("Released so far"), _released(verdict))
    lines += [
        f"## {voice.say('Limits')}",
        "",
        *(f"- {voice(one)}" for one in _limits(run, voice)),
        "",
    ]
    codec, suffix = type(run.codec), run.codec.suffix
    known = Known(
        embedded=not codec.sidecar,
        labelled=codec.labels_files,
        released=0 if verdict is None else verdict.events.get("released", 0),
        intact=None if verdict is None else verdict.intact,
        producer=markdown(producer_of(policy.producer)),
        watermark=_switch(policy.watermark is not None, bool(modality.part_of(codec, "watermark"))),
        signature=_switch(policy.credentials, bool(SIGNED & {suffix, *codec.formats})),
        label=_switch(
            policy.labels is not None,
            codec.native is str or bool(modality.part_of(codec, "label")),
        ),
    )
    lines += _duties(
        voice,
        say("EU AI Act, Article 50, and the Code of Practice on AI-generated content"),
        european(known),
    )
    lines += _duties(
        voice, say("China: Measures for Labelling AI-Generated Content"), chinese(known)
    )
    lines.append(
        voice.say(
            "A checklist of facts, not legal advice. *Open*: the software cannot know, or "
            "does not do it. Article 50 applies since 2 August 2026; systems that were on the "
            "market before have until 2 December 2026 for 50(2), by the Digital Omnibus that "
            "the Council adopted on 29 June 2026. The labelling measures apply since 1 "
            "September 2025. The layout of the AIGC field "
            "was taken from implementations in use, not from the text of the standard: check "
            "it before you rely on it."
        )
    )
    return "\n".join(lines) + "\n"


def _section(voice: Voice, title: str, rows: list[tuple[str, str]]) -> list[str]:
    return [
        f"## {voice(title)}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {voice(name)} | {voice(value)} |" for name, value in rows),
        "",
    ]


def _source(source: Any) -> str:
    """The name alone: paths are private."""
    text = str(source)
    return text if text.startswith("builtin/") else Path(text).name or "?"


def _chain(chain: dict[str, Any]) -> str:
    """The run between data and model, its family and its weights."""
    return say(
        "{0} ({1}), SHA-256 `{2}`",
        markdown(chain["run"]),
        markdown(str(chain["family"].get("name"))),
        chain["model"],
    )


def _conditions(run: Run) -> str:
    parts = []
    for name, condition in run.about["conditions"].items():
        names = condition.get("names", [])
        parts.append(
            f"{name}: {', '.join(map(str, names[:12]))}"
            + (f" … ({len(names)})" if len(names) > 12 else "")
        )
    return "; ".join(parts)


def _items(report: dict[str, Any]) -> str:
    return say(
        "{0} ({1} duplicates, {2} could not be read)",
        report.get("items", "?"),
        (report.get("duplicates") or {}).get("copies", 0),
        len(report.get("skipped") or []),
    )


def _training(run: Run) -> list[tuple[str, str]]:
    rows = [row for row in run.metrics() if row.get("seconds") is not None]
    versions, config = run.about["versions"], run.recipe.training
    facts: list[tuple[str, str]] = [
        (
            say_in("card", "steps"),
            say(
                "{0} / {1} ({2}), batch {3}, seed {4}",
                run.last_step,
                run.total_steps,
                say("finished") if run.finished else say("not finished"),
                config.batch,
                config.seed,
            ),
        )
    ]
    if rows:
        last = rows[-1]
        memory = max(float(row.get("memory_mb") or 0) for row in rows)
        cost = f"{last['seconds']:,.{0 if last['seconds'] >= 10 else 1}f} s, {memory:,.0f} MB"
        facts.append((say("time and peak memory"), cost))
    machine = say(
        "{0}, {1}, {2} threads, torch {3}",
        *(markdown(str(versions[name])) for name in ("system", "cpu", "threads", "torch")),
    )
    facts.append((say("machine"), machine))
    return facts


def _scores(run: Run, voice: Voice) -> list[str]:
    title = f"## {voice.say('Evaluation')}"
    scores = _judged(run)
    if scores is None:
        return [title, "", voice.say("Not judged yet: castalia evaluate"), ""]
    head = (
        say("score"),
        say("value"),
        say("95% interval"),
        say("better"),
        say("real vs real"),
        say("informative"),
    )
    informative = {True: say("yes"), False: say("**no**"), None: "-"}
    better = {"lower": say("lower"), "higher": say("higher")}
    lines = [title, "", f"| {' | '.join(map(voice, head))} |", "|---|---|---|---|---|---|"]
    for score in scores:
        low, high = score["low"], score["high"]
        interval = "-" if low is None or high is None else f"{low:.4g} .. {high:.4g}"
        direction = score.get("better") or "-"
        cells = [
            markdown(voice(recognised(score["name"]))),
            _number(score["value"]),
            interval,
            voice(better.get(direction, direction)),
            _number(score.get("floor")),
            voice(informative[score.get("informative")]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _judged(run: Run) -> list[dict[str, Any]] | None:
    """The scores of the last evaluation; None where there was none. Raises RunError for a file that
    is damaged.
    """
    path = run.folder / "eval" / "scores.json"
    if not path.exists():
        return None
    raw = bounded.parse_json(
        bounded.read_bytes(path, "json_bytes", RunError),
        path,
        f"castalia evaluate {run.folder}",
        RunError,
    )
    return hold(
        ScoresFacts, raw, say("scores.json is damaged"), path, f"castalia evaluate {run.folder}"
    ).model_dump()["scores"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _switch(on: bool, possible: bool) -> Switch:
    return "none" if not possible else "on" if on else "off"


def _ledger(run: Run) -> ledger.Verdict | None:
    try:
        return ledger.verify(run.folder / "ledger.jsonl")
    except RunError:
        return None


def _released(verdict: ledger.Verdict | None) -> list[tuple[str, str]]:
    if verdict is None:
        return [(say("ledger"), say("none: nothing was released"))]
    counts = series(
        say("{0} {1}", count, EVENTS.get(event) or markdown(event, 40))
        for event, count in verdict.events.items()
    )
    state = say("intact") if verdict.intact else say("NOT INTACT")
    head = verdict.head.hash
    return [
        (say("ledger"), say("{0}: {1}", state, counts)),
        (say("head"), f"`{head}`" if head.isalnum() else markdown(head)),
    ]


def _limits(run: Run, voice: Voice) -> list[str]:
    """Limits of the model that follow from the facts."""
    limits: list[str] = []
    report = run.about["data"].get("report") or {}
    items = report.get("train")
    if isinstance(items, int):
        limits.append(
            plural(
                "It has seen {0} training item and stands for nothing beyond it.",
                "It has seen {0} training items and stands for nothing beyond them.",
                items,
            )
        )
    if not run.finished:
        limits.append(say("Training is not finished."))
    if run.about["data"].get("licence") is None:
        limits.append(
            say("The licence of the data is not stated: make sure that you may use them.")
        )
    scores = _judged(run)
    if scores is None:
        limits.append(say("It was not judged."))
    else:
        mute = [score["name"] for score in scores if score.get("informative") is False]
        if mute:
            names = series(markdown(voice(recognised(name))) for name in mute)
            limits.append(say("These scores tell nothing here: {0}.", names))
    if not (run.folder / "audit").exists():
        limits.append(
            say(
                "There is no audit of memorisation and privacy: whether samples repeat "
                "training items is not known beyond the scores."
            )
        )
    owner = modality.of(run.codec)
    own = () if owner is None else owner.limits
    return [*limits, *own, *modality.caveats(run.codec, run.conditions)]


def _duties(voice: Voice, title: str, duties: list[Duty]) -> list[str]:
    head = " | ".join(map(voice, (say("where"), say("asks"), say("state"), say("because"))))
    rows = [
        f"| {MARKS[duty.state]} | {duty.where} | {voice(duty.asks)} | "
        f"{voice(STATES[duty.state])} | {voice(duty.answer)} |"
        for duty in duties
    ]
    return [
        f"## {voice(title)}",
        "",
        f"| | {head} |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
