"""The page of an audit: the verdict, the pairs side by side, and how the threshold was set. One
offline file, English or Chinese.

Everything that it says follows from audit.json; here are only the words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from castalia.data.stream import Split
from castalia.governance.audit_result import Audit
from castalia.governance.copy_matcher import Matches
from castalia.language import Voice
from castalia.pages.presenter import presenter_of
from castalia.pages.render import write
from castalia.sentences import join, say, series
from castalia.sentences import row as row_of

PAIRS, NEAREST = 48, 6
GIVEN = say("These files hold copies of the training data")
VERDICTS = {
    "copies": say("The model copies its training data"),
    "none": say("No sign of copies"),
    "cannot tell": say("This audit cannot tell"),
}
KINDS = {
    "exact": say("exact"),
    "shifted": say("shifted"),
    "flipped": say("flipped"),
    "cropped": say("cropped"),
    "recoloured": say("recoloured"),
    "near": say("near"),
    "quieter": say("quieter"),
    "noisy": say("noisy"),
    "edited": say("edited"),
    "transposed": say("in another key"),
    "tempo": say("at another tempo"),
    "turned": say("turned"),
    "resized": say("resized"),
    "one part": say("one part alone"),
}
ATTACKS = {"loss": say("loss"), "shadow": say("shadow"), "distance": say("distance")}
SOURCES = {
    "held-out items": say("held-out items"),
    "training items set apart": say(
        "training items set apart, because fewer than 50 are held out,"
    ),
    "a fixed threshold": say("a fixed threshold"),
}


def write_page(result: Audit, path: Path, *, title: str, language: str = "en") -> None:
    """Writes `path` whole or not at all."""
    document, voice = result.document, Voice(language)
    order = result.matches.distance.argsort(stable=True).tolist()
    hits = order[: min(PAIRS, document["copies"])]
    shown = hits or [row for row in order[:NEAREST] if result.matches.train[row] >= 0]
    fresh = (
        result.fresh.distance.argsort(stable=True).tolist()[:NEAREST]
        if document["calibration"]["source"] == "held-out items"
        else []
    )
    own = document["samples"].startswith("seed ")
    write(
        path,
        "audit.html.j2",
        language,
        title=title,
        samples=_samples(document),
        headline=GIVEN
        if document["verdict"] == "copies" and not own
        else VERDICTS[document["verdict"]],
        questions=_questions(document),
        notes=_notes(document),
        heading=say("Samples and the training items that they copy")
        if hits
        else say("The nearest samples, none below the threshold"),
        lead=say(
            "The nearest {0} of {1:,}; left the sample, right the training item.",
            len(shown),
            document["copies"],
        )
        if hits
        else "",
        found=_pairs(result, result.matches, result.samples, shown, result.names, voice),
        fresh=_pairs(result, result.fresh, result.held_out, fresh, [], voice),
        provenance=_provenance(document),
    )


def _questions(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Four questions and their answers."""
    calibration, copies = document["calibration"], document["copies"]
    counted = say(
        "{0:,} of {1:,} samples ({2:.2%}) are nearer to one of {3:,} training items than the "
        "threshold.",
        *(copies, document["checked"], document["rate"], document["training_items"]),
    )
    explained = ""
    false = document["false_alarm_rate"]
    if false is not None and copies:
        expected = min(copies, false * document["checked"])
        explained = say("False alarms explain {0:.1f} of them.", expected)
    power = series(
        say("{0} {1:.0%}", KINDS.get(kind, kind), share)
        for kind, share in calibration["power"].items()
    )
    return [
        (say("Copies"), join([counted, explained])),
        (say("False alarms"), _alarms(calibration, false)),
        (
            say("What it would find"),
            say("Of altered copies of training items, planted to try the audit: {0}.", power),
        ),
        (say("Membership"), _membership(document["membership"])),
    ]


def _alarms(calibration: dict[str, Any], rate: float | None) -> str:
    if calibration["interval"] is None:
        return say("Unknown: there are too few real items, and a fixed threshold stands in.")
    return say(
        "{0:.2%} of {1:,} {2} (95%: {3:.2%} to {4:.2%}) are called copies by a threshold that they "
        "did not set.",
        rate,
        calibration["items"],
        SOURCES[calibration["source"]],
        *calibration["interval"],
    )


def _membership(membership: dict[str, Any]) -> str:
    if membership["auc"] is None:
        return say(
            "Not computed: too few items, or a model without a likelihood and too few samples."
        )
    values = (
        *(membership["auc"], membership["low"], membership["high"]),
        *(ATTACKS[membership["attack"]], membership["members"], membership["others"]),
    )
    if membership["shows"]:
        return say(
            "Members can be told from other items: AUC {0:.3f} (95%: {1:.3f} to {2:.3f}), {3} "
            "attack on {4:,} and {5:,} items.",
            *values,
        )
    return say(
        "Members cannot be told from other items: AUC {0:.3f} (95%: {1:.3f} to {2:.3f}), {3} "
        "attack on {4:,} and {5:,} items.",
        *values,
    )


def _notes(document: dict[str, Any]) -> list[str]:
    duplicates = document["calibration"]["duplicates"]
    notes = []
    if duplicates:
        words = say(
            "{0:,} held-out items are training items but for small changes: duplicates across the "
            "split.",
            duplicates,
        )
        notes.append(words)
    if document["verdict"] == "cannot tell":
        words = say(
            "New real items are as near to training items as altered copies are, or there are too "
            "few of them. Finding nothing would prove nothing."
        )
        notes.append(words)
    return notes


def _pairs(
    result: Audit,
    matched: Matches,
    items: Any,
    rows: Sequence[int],
    names: Sequence[str],
    voice: Voice,
) -> list[dict[str, Any]]:
    """The queries `rows` beside the training items that they are nearest to. How a copy was made
    is told of copies alone: what is farther away than the threshold is only the nearest.
    """
    shows, threshold = presenter_of(result.codec), result.document["threshold"]
    pairs = []
    for row in rows:
        train, distance = int(matched.train[row]), float(matched.distance[row])
        own = (names[row] if names else "", result.where(train) if train >= 0 else "")
        pair: dict[str, Any] = {
            "names": row_of(" ← ", own),
            "kind": KINDS.get(matched.kinds[row], matched.kinds[row])
            if matched is result.matches and distance < threshold
            else "",
            "distance": say("distance {0:.3f} (threshold {1:.3f})", distance, threshold),
            "evidence": "",
            "sides": (),
        }
        if matched.evidence:
            if not matched.evidence[row]:
                continue
            pair["evidence"] = shows.evidence(matched.evidence[row], own, voice)
        else:
            sides = [items[row]]
            if isinstance(result.training, Split) and 0 <= train < len(result.training):
                sides.append(result.training.take(torch.tensor([train])).x[0])
            native = [result.codec.decode(x) for x in sides]
            pair["sides"] = [shows.item(x, voice) or shows.items([x], voice) for x in native]
        pairs.append(pair)
    return pairs


def _provenance(document: dict[str, Any]) -> list[tuple[str, str]]:
    names = {
        "run": say("run"),
        "model": say("model"),
        "data": say("data"),
        "samples": say("samples from"),
        "matcher": say("matcher"),
        "threshold": say("threshold"),
        "training_items": say("training items"),
        "seconds": say("seconds"),
    }
    shown = {**document, "samples": _samples(document)}
    return [
        (name, shown[key] if isinstance(shown[key], str) else str(shown[key]))
        for key, name in names.items()
    ]


def _samples(document: dict[str, Any]) -> str:
    """The samples that were audited: the seed of the run's own, or the name of their folder."""
    own = re.fullmatch(r"seed ([0-9]+)", document["samples"])
    return say("seed {0}", own[1]) if own else document["samples"]
