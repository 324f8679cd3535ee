"""castalia evaluate RUN [--against DIR] [--seeds K] [--edits] [--agreement RUN] [--lang zh]
[--json].
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from castalia.cli.console import echo, say_json, table
from castalia.cli.options import AsJson, TrustCode
from castalia.errors import RecipeError
from castalia.language import current, translate
from castalia.sentences import say


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    against: Annotated[
        str | None, typer.Option(metavar="DIR", help="other real data to compare with")
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "-n", help="samples to judge; default: as many as the real data allow, at most 2000"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the judged samples")] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            help="trainings: retrain with so many seeds less one, and say how much scores vary "
            "with training"
        ),
    ] = 1,
    edits: Annotated[
        bool,
        typer.Option(
            "--edits",
            help="judge edits of held-out items instead: damaged on purpose, beside simple methods",
        ),
    ] = False,
    agreement: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="judge instead whether samples agree with their captions, by a captioner run",
        ),
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(help="of --agreement's samples; default: the run's own")
    ] = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
) -> int:
    """Judge a run against real data: scores with intervals, baselines and a page to look at."""
    from castalia.registry import families_that
    from castalia.run import Run
    from castalia.training.loop import Interrupted
    from castalia.verbs.evaluate import evaluate, evaluate_agreement, evaluate_captions

    if seeds < 1:
        raise RecipeError(
            say("a run was trained at least once"),
            where=f"--seeds {seeds}",
            fix=say("--seeds 3 retrains twice"),
        )
    opened = Run.open(run, trust_code=trust_code)
    if edits:
        return _edits(opened, seed, json)
    if agreement is not None:
        judge = Run.open(agreement, trust_code=trust_code)
        return _captions(
            opened,
            evaluate_agreement(opened, judge, guidance=guidance, seed=seed),
            "agreement.json",
            json,
        )
    family = opened.recipe.family.name
    if family in families_that("matches") and family not in families_that("samples"):
        return _captions(opened, evaluate_captions(opened, seed=seed), "captions.json", json)
    try:
        document = evaluate(
            opened, against=against, n=n, seed=seed, seeds=seeds, language=current()
        )
    except Interrupted as stop:
        echo(
            say("\n{0}; nothing is lost", stop),
            say("go on with: castalia evaluate {0} --seeds {1}", run, seeds),
            err=True,
        )
        return 128 + stop.signal
    if json:
        say_json(document)
        return 0
    echo(score_table(document["scores"]), "", document["verdict"]["headline"], *document["notes"])
    echo("", say("look at: {0}", opened.folder / "eval" / "report.html"))
    return 0


def _edits(run: Any, seed: int, json: bool) -> int:
    """The table of `--edits`."""
    from castalia.verbs.evaluate import evaluate_edits

    document = evaluate_edits(run, seed=seed)
    if json:
        say_json(document)
        return 0
    echo(
        edit_table(document["rows"]),
        "",
        say("{0} held-out items; higher is better", document["items"]),
        say("written to {0}", run.folder / "eval" / "edits.json"),
    )
    return 0


def _captions(run: Any, document: dict[str, Any], name: str, json: bool) -> int:
    """The table of a captioner's evaluation, and of `--agreement`."""
    if json:
        say_json(document)
        return 0
    echo(
        caption_table(document["rows"]),
        "",
        say("{0} held-out items; higher is better", document["items"]),
        say("written to {0}", run.folder / "eval" / name),
    )
    return 0


def caption_table(rows: list[dict[str, Any]]) -> str:
    """A line for each question and language, in percent."""
    from castalia.evaluation.caption_trials import LANGUAGES

    return table(
        [say("found or right"), say("captions in"), say("percent (95%)"), say("beside it")],
        [
            [
                translate(row["question"]),
                translate(LANGUAGES[row["language"]]),
                f"{row['value']:.1%} ({max(0.0, row['low']):.1%} .. {min(1.0, row['high']):.1%})",
                f"{translate(row['against'])} {row['baseline']:.1%}",
            ]
            for row in rows
        ],
    )


def edit_table(rows: list[dict[str, Any]]) -> str:
    """A line for each task and method, a pair of columns for each score."""
    names = list(dict.fromkeys(row["score"] for row in rows))
    lines: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        cell = f"{row['value']:.2f} ({row['low']:.2f} .. {row['high']:.2f})"
        if "gain" in row:
            cell += f" {row['gain']:+.2f} ({row['gain_low']:+.2f} .. {row['gain_high']:+.2f})"
        lines.setdefault((row["task"], row["method"]), []).append(cell)
    return table(
        [
            say("edit"),
            say("method"),
            *(say("{0} (95%), gain on the best simple", name) for name in names),
        ],
        [[translate(task), translate(method), *cells] for (task, method), cells in lines.items()],
    )


BASELINES = {"naive": say("naive"), "memoriser": say("memoriser"), "counts": say("counts")}


def score_table(scores: list[dict[str, Any]]) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.4g}"

    rows = []
    for score in scores:
        low, high = score["low"], score["high"]
        interval = "-" if low is None or high is None else f"{number(low)} .. {number(high)}"
        baselines = ", ".join(
            f"{translate(BASELINES.get(name, name))} {number(value)}"
            for name, value in (score["baselines"] or {}).items()
        )
        informative = {True: say("yes"), False: say("NO"), None: "-"}[score["informative"]]
        rows.append(
            [
                score["name"],
                number(score["value"]),
                interval,
                {"lower": say("lower"), "higher": say("higher")}.get(score["better"] or "", "-"),
                number(score["floor"]),
                baselines or "-",
                informative,
            ]
        )
    return table(
        [
            say("score"),
            say("value"),
            say("95% interval"),
            say("better"),
            say("real vs real"),
            say("baselines"),
            say("informative"),
        ],
        rows,
    )
