"""One edit over HTTP, whichever route asked for it: options checked by the policy, limits, the
items, their manifests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from castalia.sampling.edit import Edit, EditOptions, Served, facts_of, options_of
from castalia.sentences import say
from castalia.serving.generation import GenerationService, Released
from castalia.serving.http_errors import Invalid
from castalia.serving.loaded_runs import Hosted

MOST_INPUTS = 16  # of an edit


@dataclass(frozen=True)
class EditRequest:
    """kind: of `hosted.edits`; suffix: the ending of the answers, None for the codec's own."""

    hosted: Hosted
    kind: str
    edit: Edit
    options: EditOptions
    seed: int
    cond: Mapping[str, str | int]
    suffix: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """The part of a manifest that says how it was made."""
        return facts_of(self.kind, self.options, self.seed, self.cond)


def inputs_of(contents: Sequence[bytes]) -> list[dict[str, str]]:
    """The inputs as manifests name them, which `castalia reproduce` needs; the names are ours,
    because a client's may say anything.
    """
    return [
        {"name": f"input-{number}", "sha256": hashlib.sha256(content).hexdigest()}
        for number, content in enumerate(contents)
    ]


def options_over_http(kind: str, edit: Edit, given: Mapping[str, Any]) -> EditOptions:
    """Raises RecipeError for options of another edit, Invalid for values above `Served`."""
    options = options_of(kind, edit, given)
    for name, most in served(edit).items():
        if getattr(options, name) > most:
            raise Invalid(say("{0} is at most {1:g} here", name, most), name)
    return options


def served(edit: Edit) -> dict[str, float]:
    """The options that have an end of their own over HTTP."""
    return {
        name: one.most
        for name, field in edit.Options.model_fields.items()
        for one in field.metadata
        if isinstance(one, Served)
    }


async def prepare(request: EditRequest) -> None:
    """Before anything is read: what the policy says of the options."""
    if not -(2**63) <= request.seed < 2**63:
        raise Invalid(say("a seed has 64 bits"), "seed")
    await run_in_threadpool(request.hosted.gate.prepare_options, request.facts, dict(request.cond))


async def edited(
    service: GenerationService,
    request: EditRequest,
    contents: Sequence[bytes],
    inputs: Sequence[Any],
) -> list[Released]:
    """What came out, in files of the request's ending. contents: the bytes that `inputs` were read
    from.
    """
    hosted, edit, options = request.hosted, request.edit, request.options
    if edit.results(len(inputs), options) > service.limits.items:
        raise Invalid(say("at most {0} items come out", service.limits.items), "steps")
    tokens = await run_in_threadpool(edit.work, hosted.codec, inputs, options)
    if tokens > 4 * service.limits.tokens:
        raise Invalid(
            say("the inputs are too long for so many versions: {0} tokens", tokens),
            "inputs",
            say("at most {0}, or ask for less", 4 * service.limits.tokens),
        )
    service.charge(tokens)
    known = hosted.known(request.cond, inputs) if edit.conditioned else {}
    items: Sequence[Any] = await service.call(
        hosted,
        lambda: edit.run(hosted.family, hosted.codec, inputs, options, request.seed, known),
    )

    def released() -> list[Released]:
        given = inputs_of(contents)
        written = []
        for index, item in enumerate(items):
            facts = hosted.gate.facts_of(
                **request.facts, inputs=given, labels=[None] * len(given), index=index
            )
            data = hosted.gate.emit_bytes(item, facts, request.suffix, contents)
            written.append(Released(data, facts))
        return written

    return await run_in_threadpool(released)
