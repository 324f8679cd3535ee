"""castalia audit RUN [--samples DIR] [--max-copies R] [--shadow K] [--lang zh] [--json]."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson, TrustCode
from castalia.errors import RecipeError
from castalia.language import constant, current, recognised
from castalia.sentences import plural, say, series

SHOWN = 10


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    samples: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="DIR",
            help="files of any program to audit against the run's training data, instead of its "
            "own samples",
        ),
    ] = None,
    max_copies: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            metavar="R",
            help="share of copies beyond false alarms that is still accepted, e.g. 0 or 0.01; else "
            "exit code 7",
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            help="samples to draw; default: as many as there are held-out items, at most 10,000",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the samples that are drawn")] = 0,
    shadow: Annotated[
        int,
        typer.Option(
            metavar="K",
            help="train K shadow models for membership inference; each takes as long as the run",
        ),
    ] = 0,
    index: Annotated[
        bool,
        typer.Option(
            help="leave an index in the run for a release policy; it holds reduced training items"
        ),
    ] = True,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Look for copies of training items among samples, shifted, mirrored, cropped, recoloured or
    edited, and for traces of who was in the data.
    """
    from castalia.run import Run
    from castalia.verbs.audit import audit, limit

    if max_copies is not None and not 0 <= max_copies <= 1:
        raise RecipeError(
            say("the limit is a share of the samples"),
            where=f"--max-copies {max_copies}",
            fix=say("for example 0, or 0.01 for 1%"),
        )
    opened = Run.open(run, trust_code=trust_code)
    document = audit(
        opened, samples=samples, n=n, seed=seed, shadows=shadow, index=index, language=current()
    )
    page = opened.folder / "audit" / "audit.html"
    if json:
        say_json(document)
    else:
        echo(*summary(document), "", say("look at: {0}", page))
    if max_copies is not None:
        limit(document, max_copies, page)
    return 0


def summary(document: dict[str, Any]) -> list[str]:
    false, membership = document["false_alarm_rate"], document["membership"]
    alarms = (
        say("unknown")
        if false is None
        else say(
            "{0:.2%} of {1} {2}",
            false,
            document["calibration"]["items"],
            recognised(document["calibration"]["source"]),
        )
    )
    lines = [
        say("verdict       {0}", constant(document["verdict"])),
        say(
            "copies        {0} of {1} ({2:.2%}), against {3}",
            document["copies"],
            plural("{0} sample", "{0} samples", document["checked"]),
            document["rate"],
            plural("{0} training item", "{0} training items", document["training_items"]),
        ),
        say("false alarms  {0}, threshold {1:.3f}", alarms, document["threshold"]),
        say(
            "would find    {0}",
            series(
                say("{0} {1:.0%}", constant(kind), share)
                for kind, share in document["calibration"]["power"].items()
            ),
        ),
    ]
    if membership["auc"] is None:
        lines.append(say("membership    {0}", recognised(membership["words"])))
    else:
        members = (
            say("members can be told") if membership["shows"] else say("members cannot be told")
        )
        lines.append(
            say(
                "membership    AUC {0:.3f} ({1:.3f} .. {2:.3f}), {3} attack: {4}",
                membership["auc"],
                membership["low"],
                membership["high"],
                constant(membership["attack"]),
                members,
            )
        )
    lines += map(recognised, document["notes"])
    if document["pairs"]:
        rows = [
            [pair["sample"], str(pair["train"]), constant(pair["kind"]), f"{pair['distance']:.3f}"]
            for pair in document["pairs"][:SHOWN]
        ]
        lines += [
            "",
            table([say("sample"), say("training item"), say("kind"), say("distance")], rows),
        ]
        if len(document["pairs"]) > SHOWN:
            lines.append(say("... and {0} more in audit.json", len(document["pairs"]) - SHOWN))
    return lines
