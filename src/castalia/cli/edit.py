"""castalia edit RUN KIND INPUT... [--seed S] --out DIR."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Optional, get_args

import typer
from pydantic.fields import FieldInfo

from castalia.cli.console import conditions, echo, say_json
from castalia.cli.options import AsJson, LedgerFile, PolicyFile, TrustCode
from castalia.sampling.edit import (
    Metavar,
    edit_of,
    every,
    facts_of,
    options_of,
    several,
    with_files,
)
from castalia.sentences import plural, say, series


def _fields() -> dict[str, list[FieldInfo]]:
    """The options of all edits by name, with the fields of those that have them."""
    fields: dict[str, list[FieldInfo]] = {}
    for _, one in every():
        for name, field in one.Options.model_fields.items():
            fields.setdefault(name, []).append(field)
    return fields


def _flag(name: str, fields: list[FieldInfo]) -> inspect.Parameter:
    """--NAME. Its default is shown where all edits that have the option agree on it."""
    first = fields[0]
    alternatives = [one for one in get_args(first.annotation) if one is not NoneType]
    scalar = alternatives[0] if len(alternatives) == 1 else first.annotation
    kind: Any = scalar if scalar in (int, float, bool) else list[str] if several(first) else str
    same = all(field.default == first.default for field in fields)
    default = first.default if same and kind in (int, float, bool) else None
    metavar = next((one.name for one in first.metadata if isinstance(one, Metavar)), None)
    option = typer.Option(metavar=metavar, help=first.description)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind if default is not None else kind | None, option],
    )


def _named(context: typer.Context, flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given, so that an edit without such an option is noticed."""
    return {
        name: value
        for name, value in flags.items()
        if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"
    }


def _with_flags(command: Callable[..., int]) -> Callable[..., int]:
    """`command` with the options of all edits in its signature, behind --seed."""
    known = inspect.signature(command, eval_str=True)
    own = [one for one in known.parameters.values() if one.kind is not one.VAR_KEYWORD]
    place = next(index for index, one in enumerate(own) if one.name == "seed") + 1
    flags = [_flag(name, fields) for name, fields in _fields().items()]
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in (*own[:place], *flags, *own[place:])
    ]
    command.__signature__ = known.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command


@_with_flags
def command(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="a folder, a prefix, or 'latest'")],
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="interpolate: from each input to the next; vary: variants of each; mix: one of "
            "all; style: each as another class; direction: each moved along a direction; invert: "
            "what the model makes of each; infill: fill a text's gaps, [[12]] or [[]], or a "
            "score's parts",
        ),
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...", help="files that the run's codec reads, or the texts themselves"
        ),
    ],
    out: Annotated[Path, typer.Option(help="folder for the results and sheet.html")],
    formats: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--format",
            metavar="ENDING",
            help="of the files, e.g. mid, musicxml, wav; may be given several times",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="of the noise in vary")] = 0,
    cond: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="a condition; default: the input's folder name"),
    ] = None,
    policy: PolicyFile = None,
    ledger: LedgerFile = None,
    trust_code: TrustCode = False,
    json: AsJson = False,
    **flags: Any,
) -> int:
    """Edit given items with a run whose family has latents (VAE, VAE-GAN, flow, GAN, VAE of
    sentences), or fill the gaps of texts and scores (ar).
    """
    from castalia.cli.output_folder import Batch, inputs_of
    from castalia.codecs.base import is_file
    from castalia.data.file_discovery import given_files
    from castalia.governance import provenance
    from castalia.governance.policy import Policy
    from castalia.governance.release_gate import Gate
    from castalia.run import Run
    from castalia.verbs.edit import edit, folder_labels

    opened = Run.open(run, trust_code=trust_code)
    inputs = given_files(inputs, opened.codec)
    gate = Gate(opened, policy=Policy.load(policy) if policy else None, ledger=ledger)
    given = conditions(cond or [])
    chosen = edit_of(kind, opened.codec)
    settings = options_of(kind, chosen, with_files(chosen, _named(context, flags)))
    asked = facts_of(kind, settings, seed, given)
    gate.prepare_options(asked, given)
    facts = {
        **asked,
        "inputs": provenance.describe(gate, inputs),
        "labels": folder_labels(opened, inputs),
    }
    edited = edit(
        opened,
        kind,
        inputs,
        seed=seed,
        cond=given,
        model=gate.model(),
        **settings.model_dump(),
    )
    batch, began = Batch(gate, out, formats), [Path(one) for one in inputs if is_file(one)]
    for index, item in enumerate(edited):
        batch.emit(index, item, gate.facts_of(index=index, **facts), inputs=began)
    names = series(Path(one).name if is_file(one) else one for one in inputs)
    title = say("{0}: {1}", chosen.title or kind, names)
    document = batch.document(title, inputs_of(opened.codec, inputs), together=chosen.least > 1)
    if json:
        say_json({"run": opened.id, **document})
    else:
        echo(
            say("{0} in {1}", plural("{0} item", "{0} items", batch.items), out),
            say("look at: {0}", out / document["sheet"]),
        )
    return batch.code()
