"""castalia assistant build FAQ.csv docs/ --out DESK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from castalia.cli.console import echo, say_json
from castalia.cli.options import AsJson
from castalia.sentences import plural, say

if TYPE_CHECKING:
    from castalia.apps.assistant.desk import Desk


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="tables with the columns question and answer; documents; folders of them",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DESK", help="folder of the desk")],
    questions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="table of questions that people asked, each with the answer or with nothing where "
            "there is none: the desk learns from them when to be silent",
        ),
    ] = None,
    false_answers: Annotated[
        float,
        typer.Option(help="the most of the questions without an answer that may be answered"),
    ] = 0.05,
    human: Annotated[
        str, typer.Option(help="how a person is reached, such as a telephone number")
    ] = "",
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings",
            help="compare sentences by what they mean, too (castalia[assistant]); slower",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="of the questions that are made of the entries")] = 0,
    json: AsJson = False,
) -> int:
    """Make a desk that answers from these files, or says that it cannot."""
    from dataclasses import asdict

    from castalia.apps.assistant.desk import build

    desk = build(
        files,
        questions=questions,
        false_answers=false_answers,
        human=human,
        embeddings=embeddings,
        seed=seed,
    ).save(out)
    gate = desk.gate
    for one in desk.sources:
        if one.problem:
            echo(say("left out: {0}: {1}", one.name, one.problem), err=True)
    for clash in desk.clashes:
        echo(
            say("a question with more than one answer: {0}", clash.question),
            f"    {', '.join(clash.places)}",
            err=True,
        )
    if json:
        say_json(
            {
                "desk": str(out),
                "passages": len(desk.passages),
                "languages": list(desk.languages),
                "sources": [asdict(one) for one in desk.sources],
                "clashes": [asdict(one) for one in desk.clashes],
                "gate": gate.document(),
            }
        )
        return 0
    echo(
        say(
            "{0} of {1} in {2}",
            plural("{0} passage", "{0} passages", len(desk.passages)),
            plural("{0} file", "{0} files", sum(not one.problem for one in desk.sources)),
            out,
        ),
        say(
            "calibrated on {0} with an answer and {1} without one",
            plural("{0} question", "{0} questions", gate.answerable),
            gate.unanswerable,
        ),
        say(
            "of those it would answer {0:.0%}, {1:.0%} of the answers right; of these {2:.1%}",
            gate.answered,
            gate.right,
            gate.passed / max(gate.unanswerable, 1),
        ),
    )
    if gate.kept:
        echo(
            say(
                "false answers: at most {0:.1%}, with 95% confidence for such questions", gate.bound
            )
        )
    else:
        echo(
            say(
                "too few questions to promise {0:.0%} of false answers: the bound is {1:.1%}; "
                "give more with --questions",
                gate.wanted,
                gate.bound,
            )
        )
    if gate.made:
        echo(say("these questions were made of the entries; real ones (--questions) are better"))
    echo(say('try: castalia assistant ask {0} "{1}"', out, _example(desk)))
    return 0


def _example(desk: Desk) -> str:

    return next((one.questions[0][:80] for one in desk.passages if one.questions), "...")
