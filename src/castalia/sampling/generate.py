"""Generate samples from a trained model, each a function of (seed, index).

Sample i of seed s has the same noise however many others are asked for. The last bit of a result
still depends on how many rows are computed together, so a sample remembers the size of its block
and its row: `reproduce` computes a block of that shape again and gives the same bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from castalia.abilities import Decodes, Infills, SampleOptions, Samples
from castalia.captions import Caption
from castalia.codecs.base import Codec
from castalia.codecs.conversation import Conversation
from castalia.codecs.protocols import Collects, Streams, TakesGiven, constrains, need, vets
from castalia.constraints.budget import Budget, CompileLimits
from castalia.errors import RecipeError, SpecError, meant
from castalia.families.base import Family
from castalia.nn.counter_random import generators
from castalia.nn.decode import Completion, Decoder, Stop, complete
from castalia.nn.tournament import Tournament
from castalia.progress import note, stage
from castalia.registry import require
from castalia.run import Run
from castalia.sampling.vetting import flaw_of, tries_of
from castalia.sentences import say
from castalia.spec import Classes, Condition, Dense, Grammar, Tokens, Words


@dataclass(frozen=True)
class Request:
    """How many samples, from which seed, under which condition (class name or index by condition
    name).

    first  index of the first sample; batch  rows computed together.
    prompt      native item that every sample begins with (a text, a score), or its tokens (n,) from
                `begin` on, or a Conversation that the sample replies to; None: begin freely. Tokens
                only.
    constraint  what every sample must be, in the codec's words ("regex:[0-9]+"); it holds for what
                follows the prompt.
    budget      how much work the constraint may be; None: CompileLimits' defaults.
    given       parts of every sample that are known, by name (columns of a row); the others are
                drawn given them.
    mark        a watermark's key, by whose tournament tokens are drawn.
    """

    n: int
    seed: int = 0
    cond: dict[str, str | int] = field(default_factory=dict)
    options: SampleOptions = field(default_factory=SampleOptions)
    first: int = 0
    batch: int = 64
    prompt: Any = None
    constraint: str | None = None
    budget: CompileLimits | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    mark: Tournament | None = None


@dataclass(frozen=True)
class Sample:
    """One generated item with what is needed to make it again.

    item  native (a picture); x (*shape) tensor in the spec's unit, or (n,) tokens; rows/row size of
          its block and place in it.
    facts  what only tokens have: why it ended, nats under the model, nats that a constraint cost,
           the request's prompt and constraint. Where the codec vets items: `tries`, how often it
           was drawn, and its proof, or its `flaw` where no try passed (sampling/vetting.py).
    """

    item: Any
    x: Tensor
    index: int
    seed: int
    rows: int
    row: int
    cond: dict[str, str | int]
    options: SampleOptions
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


def request_of(
    run: Run,
    n: int | None = None,
    seed: int | None = None,
    cond: Mapping[str, str | int] | None = None,
    options: SampleOptions | None = None,
) -> Request:
    """A request filled up from the recipe's sampling section."""
    config = run.recipe.sampling
    if options is None:
        options = SampleOptions(
            **{field.name: getattr(config, field.name) for field in fields(SampleOptions)}
        )
    count = config.n if n is None else n
    if count < 1:
        raise RecipeError(
            say("at least one sample must be asked for"), where=f"n={count}", fix=say("n=1 or more")
        )
    return Request(count, seed or 0, dict(cond or {}), options, batch=config.batch)


def generate(run: Run, request: Request, *, model: Family | None = None) -> Iterator[Sample]:
    """Samples one by one, in order of their index. `model` spares loading the run's
    weights again.
    """
    family = run.model() if model is None else model
    codec = run.codec
    if request.given:
        yield from _generate_given(family, codec, request)
        return
    if isinstance(codec.spec, Tokens):
        yield from _generate_tokens(family, codec, request)
        return
    if request.prompt is not None or request.constraint is not None:
        raise RecipeError(
            say("only models of tokens take a prompt or a constraint"),
            where=run.recipe.family.name,
            fix=say("leave it out"),
        )
    note(*passed_over(family.conditions, request.cond))
    for first, rows in _counted(blocks(request.first, request.n, request.batch), request.n):
        begun = time.perf_counter()
        x = draw(family, request.seed, first, rows, request.cond, request.options, rows)
        seconds = (time.perf_counter() - begun) / rows
        for row in range(rows):
            yield Sample(
                codec.decode(x[row]),
                x[row],
                first + row,
                request.seed,
                rows,
                row,
                request.cond,
                request.options,
                seconds,
            )


def reproduce(
    run: Run,
    manifest: dict[str, Any],
    *,
    model: Family | None = None,
    mark: Tournament | None = None,
) -> Sample:
    """The sample that `manifest` describes, computed in a block of the same shape: byte-identical
    on the same machine. mark: the watermark's key that it was drawn by.

    Raises RecipeError for a manifest that describes no sample.
    """
    if not {"seed", "index", "rows", "row"} <= set(manifest):
        raise RecipeError(
            say("this manifest does not describe a sample"),
            where="manifest",
            fix=say("an edit is made again by: castalia reproduce FILE"),
        )
    index, row, rows = manifest["index"], manifest["row"], manifest["rows"]
    options = manifest.get("options", {})
    options = SampleOptions(**{**options, "stop": tuple(options.get("stop", ()))})
    prompt, constraint = manifest.get("prompt"), manifest.get("constraint")
    if "prompt_tokens" in manifest:
        prompt = torch.tensor(manifest["prompt_tokens"])
    if "messages" in manifest:
        prompt = Conversation.of(manifest["messages"])
    request = Request(
        manifest.get("count", rows),  # of a collection, all of its samples
        manifest["seed"],
        manifest.get("cond", {}),
        options,
        index - row,
        rows,
        prompt,
        constraint,
        given=manifest.get("given", {}),
        mark=mark,
    )
    samples = list(generate(run, request, model=model))
    return collected(run.codec, samples, rows) if "count" in manifest else samples[row]


def collected(codec: Codec[Any], samples: Sequence[Sample], batch: int) -> Sample:
    """Samples of one request, drawn `batch` at a time, as the one item that their codec writes of
    them; with the facts that reproduce it.
    """
    first = samples[0]
    together = need(
        codec, Collects, say("the codec '{0}' writes a file for each item", codec.name)
    ).collected([sample.item for sample in samples])
    facts = {
        name: value
        for name, value in first.facts.items()
        if name in ("prompt_tokens", "constraint", "given")
    }
    return replace(
        first,
        item=together,
        rows=min(batch, len(samples)),
        facts={**facts, "count": len(samples)},
        seconds=sum(sample.seconds for sample in samples),
    )


def _counted(parts: Iterable[tuple[int, int]], count: int) -> Iterator[tuple[int, int]]:
    """(first, rows) of each block, counted in samples while they are drawn."""
    with stage("drawing samples", count, "samples") as work:
        for first, rows in parts:
            yield first, rows
            work.advance(rows)


def _generate_given(family: Family, codec: Codec[Any], request: Request) -> Iterator[Sample]:
    """Samples of which parts are given: the others are drawn as an infill."""
    if request.prompt is not None or request.constraint is not None or request.options.stop:
        raise RecipeError(
            say("what is given by name goes with no prompt, constraint or stop"),
            where="given",
            fix=say("leave one out"),
        )
    takes = need(
        codec,
        TakesGiven,
        say("the codec '{0}' has no parts to be given by name", codec.name),
        where="--given",
        fix=say("leave it out"),
    )
    x, keep = takes.partial(request.given)
    model = require(family, Infills, say("draw the rest of an item"))
    for first, rows in _counted(blocks(request.first, request.n, request.batch), request.n):
        begun = time.perf_counter()
        drawn = model.infill(
            x.to(family.device).expand(rows, -1),
            keep.to(family.device).expand(rows, -1),
            generators(request.seed, first, rows),
            condition(family, request.cond, rows, first),
            request.options.temperature,
        ).cpu()
        seconds = (time.perf_counter() - begun) / rows
        for row, tokens in enumerate(drawn):
            item = takes.with_given(codec.decode(tokens), request.given)
            yield Sample(
                item,
                tokens,
                first + row,
                request.seed,
                rows,
                row,
                request.cond,
                request.options,
                seconds,
                {"given": dict(request.given)},
            )


def _generate_tokens(family: Family, codec: Codec[Any], request: Request) -> Iterator[Sample]:
    spec = _tokens(codec)
    grammar, stop = limits(codec, request)
    prompt = prompt_ids(codec, request.prompt)
    for first, rows in _counted(blocks(request.first, request.n, request.batch), request.n):
        begun = time.perf_counter()
        rngs, cond = (
            generators(request.seed, first, rows),
            condition(family, request.cond, rows, first),
        )
        model = require(family, Decodes, say("be read out token by token"))
        made: dict[int, Sample] = {}
        waiting = list(range(rows))
        for tried in range(1, 1 + tries_of(codec)):
            completions = complete(
                model,
                [prompt.to(family.device)] * len(waiting),
                [rngs[row] for row in waiting],  # which go on where the last try left them
                request.options,
                spec=spec,
                cond={name: value[waiting] for name, value in cond.items()},
                grammars=grammar,
                stop=stop,
                mark=request.mark,
            )
            for row, done in zip(waiting, completions, strict=True):
                one = completed(codec, request, prompt, done, first + row, rows, row)
                made[row] = _vetted(codec, family, request, one, tried)
            waiting = [row for row in waiting if "flaw" in made[row].facts]
            if not waiting:
                break
        seconds = (time.perf_counter() - begun) / rows
        yield from (replace(made[row], seconds=seconds) for row in range(rows))


def _vetted(
    codec: Codec[Any], family: Family, request: Request, sample: Sample, tried: int
) -> Sample:
    """The sample, mended where it has a flaw that can be; with how often it was drawn and its
    proof, or its flaw, among its facts. As it is where the codec does not vet.
    """
    if not vets(codec):
        return sample

    def flaw(item: Any) -> str:
        return flaw_of(codec, family.conditions, item, request.cond, request.constraint)

    item, facts = sample.item, {**sample.facts, "tries": tried}
    wrong = flaw(item)
    if wrong and (other := codec.mended(item)) != item:
        item, wrong = other, flaw(other)
        facts["mended"] = True
    facts |= {"flaw": wrong} if wrong else codec.proof(item)
    return replace(sample, item=item, facts=facts)


def completed(
    codec: Codec[Any],
    request: Request,
    prompt: Tensor,
    done: Completion,
    index: int,
    rows: int,
    row: int,
    seconds: float = 0.0,
) -> Sample:
    """A completion of `prompt` (n,) as a sample of the request, with the facts that
    reproduce it.
    """
    x = torch.cat([prompt, torch.tensor(done.tokens, dtype=torch.int64)])
    facts = asked(request, prompt)
    facts |= {
        "ended": done.reason,
        "tokens": len(done.tokens),
        "nats": done.nats,
        "constraint_nats": done.constraint_nats,
    }
    # of a conversation, the reply
    item = codec.decode(x[len(prompt) :] if isinstance(request.prompt, Conversation) else x)
    return Sample(
        item, x, index, request.seed, rows, row, request.cond, request.options, seconds, facts
    )


def asked(request: Request, ids: Tensor | None = None) -> dict[str, Any]:
    """Prompt, constraint and watermark as a manifest holds them, in JSON: a text, the messages of a
    conversation, or else the tokens. ids: of the prompt.
    """
    prompt = {"prompt": request.prompt}
    if isinstance(request.prompt, Conversation):
        prompt = {"messages": request.prompt.plain()}
    elif request.prompt is not None and not isinstance(request.prompt, str):
        prompt = {"prompt_tokens": None if ids is None else ids.tolist()}
    mark = request.mark
    told = None if mark is None else {"method": mark.name, "mark": mark.number}
    facts = {**prompt, "constraint": request.constraint, "watermark": told}
    return {name: value for name, value in facts.items() if value is not None}


def stream(run: Run, request: Request, *, model: Family | None = None) -> Iterator[str]:
    """The text of the first sample in whole characters, as they come; the prompt is not repeated.
    Closing it stops the computation.
    """
    family = run.model() if model is None else model
    codec = run.codec
    streamer = need(
        codec,
        Streams,
        say("the codec '{0}' has no text to stream", codec.name),
        where="stream",
        fix=say("leave --stream out"),
    ).streamer()
    decoder = Decoder(
        require(family, Decodes, say("be read out token by token")),
        spec=_tokens(codec),
        device=family.device,
    )
    grammar, stop = limits(codec, request)
    cond = condition(family, request.cond, 1, request.first)
    rngs = generators(request.seed, request.first, 1)
    decoder.add(
        [prompt_ids(codec, request.prompt)],
        rngs,
        request.options,
        cond=cond,
        grammars=grammar,
        stop=stop,
        mark=request.mark,
    )
    # A stop string is cut off, so what may still become one waits: no more tokens than the string
    # has bytes.
    behind = max((len(text.encode()) for text in request.options.stop), default=0)
    tokens: list[int] = []
    given, ended = 0, False
    while decoder.live:
        step = decoder.step().checked()
        tokens += step.tokens.values()
        for done in step.finished.values():
            tokens, ended = done.tokens, True
        for token in tokens[given : len(tokens) if ended else max(given, len(tokens) - behind)]:
            given += 1
            yield streamer.push(token)
    yield streamer.finish()


def draw_tokens(
    family: Family,
    spec: Tokens,
    seed: int,
    first: int,
    count: int,
    cond: Mapping[str, Any],
    options: SampleOptions,
    batch: int = 64,
) -> list[Completion]:
    """Unprompted samples first .. first + count - 1 of `seed`."""
    model = require(family, Decodes, say("be read out token by token"))
    completions: list[Completion] = []
    for start, rows in _counted(blocks(first, count, batch), count):
        prompts = [torch.tensor([spec.begin], device=family.device)] * rows
        conditions = condition(family, cond, rows, start)
        completions += complete(
            model, prompts, generators(seed, start, rows), options, spec=spec, cond=conditions
        )
    return completions


def prompt_ids(codec: Codec[Any], prompt: Any) -> Tensor:
    """(n,) int64: `begin` and the prompt's tokens, open at the end."""
    spec = _tokens(codec)
    if isinstance(prompt, Tensor):
        return prompt
    if prompt is None or prompt == "":
        return torch.tensor([spec.begin])
    return codec.opening(prompt)


def limits(codec: Codec[Any], request: Request) -> tuple[Grammar | None, Stop | None]:
    """What must hold for the new tokens, and what ends them; None where nothing was asked."""
    grammar, stop = None, None
    if request.constraint is not None:
        grammar = constrains(codec, request.constraint).constrain(
            request.constraint, Budget(request.budget)
        )
    if request.options.stop:
        streams = need(
            codec,
            Streams,
            say("the codec '{0}' has no text to stop at", codec.name),
            where="stop",
            fix=say("leave sampling.stop out"),
        )
        stop = streams.stopper(request.options.stop)
    return grammar, stop


def _tokens(codec: Codec[Any]) -> Tokens:
    if not isinstance(codec.spec, Tokens):
        raise SpecError(
            say("this needs a model of tokens"),
            where=say("codec '{0}' gives {1}", codec.name, type(codec.spec).__name__),
        )
    return codec.spec


@torch.inference_mode()
def draw(
    family: Family,
    seed: int,
    first: int,
    count: int,
    cond: Mapping[str, Any],
    options: SampleOptions,
    batch: int = 64,
) -> Tensor:
    """(count, *shape) float32 samples first .. first + count - 1 of `seed`, on the CPU, in the
    spec's unit.
    """
    parts = [
        draw_block(family, [Stretch(seed, start, rows, cond)], options)
        for start, rows in blocks(first, count, batch)
    ]
    return torch.cat(parts) if parts else torch.empty(0, *getattr(family.spec, "shape", ()))


class Stretch(NamedTuple):
    """Samples first .. first + rows - 1 of a seed, under a condition."""

    seed: int
    first: int
    rows: int
    cond: Mapping[str, Any]


@torch.inference_mode()
def draw_block(family: Family, stretches: Sequence[Stretch], options: SampleOptions) -> Tensor:
    """(R, *shape) float32 on the CPU: all rows of the stretches computed together, R in number. A
    row depends on its own seed, index and condition; its last bit also on R and its place, as with
    any block.
    """
    sampler = require(family, Samples, "sample")
    rngs = [rng for part in stretches for rng in generators(part.seed, part.first, part.rows)]
    conditions = [condition(family, part.cond, part.rows, part.first) for part in stretches]
    cond = {name: torch.cat([one[name] for one in conditions]) for name in family.conditions}
    x = sampler.sample(rngs, cond, options).float().cpu()
    _check(family, x, len(rngs))
    return x


def condition(family: Family, cond: Mapping[str, Any], rows: int, first: int) -> dict[str, Tensor]:
    """Tensors for each of the family's conditions, for samples first .. first + rows - 1.

    A value is a class name, a class number, a caption, or a tensor with one class or caption per
    sample index. A model's only class condition, when it is not given, is spread evenly: sample i
    gets class i mod K. Of several, those that are not given are dropped, because not all
    combinations make sense; so is a caption.
    """
    expect(family.conditions, cond)
    tensors = {}
    for name, kind in family.conditions.items():
        value = cond.get(name)
        if isinstance(value, Tensor):
            value = value[first : first + rows]
        elif isinstance(kind, Words):
            value = torch.tensor([Caption(kind).asked(name, str(value or ""))] * rows)
        elif value is None and len(family.conditions) > 1:
            value = torch.full((rows,), _count(kind))
        elif value is None:
            value = torch.arange(first, first + rows) % max(1, _count(kind))
        else:
            value = torch.full((rows,), class_index(name, kind, value))
        tensors[name] = value.to(family.device)
    return tensors


def passed_over(conditions: Mapping[str, Condition], cond: Mapping[str, Any]) -> list[str]:
    """A sentence for each caption that is asked for with words which the model does not know."""
    sentences = []
    for name, kind in conditions.items():
        asked = cond.get(name)
        if isinstance(kind, Words) and isinstance(asked, str):
            unknown = Caption(kind).unknown(asked)
            if unknown:
                sentences.append(
                    say("the model was never told, and passes over: {0}", ", ".join(unknown[:10]))
                )
    return sentences


def conditions_of_items(
    conditions: Mapping[str, Condition],
    cond: Mapping[str, str | int],
    known: Sequence[Mapping[str, str]],
) -> dict[str, Tensor]:
    """(B,) classes of B given items for each condition: as asked for, else what is known of the
    item, else "unknown", the index after the last; (B, words) of captions, as asked for.
    """
    expect(conditions, cond)
    tensors = {}
    for name, kind in conditions.items():
        if isinstance(kind, Words):
            numbers = Caption(kind).asked(name, str(cond.get(name, "")))
            tensors[name] = torch.tensor([numbers] * len(known), dtype=torch.int64)
            continue
        names = kind.names if isinstance(kind, Classes) else ()
        asked = class_index(name, kind, cond[name]) if name in cond else None
        own = [names.index(item[name]) if item.get(name) in names else len(names) for item in known]
        tensors[name] = torch.tensor(
            own if asked is None else [asked] * len(known), dtype=torch.int64
        )
    return tensors


def expect(conditions: Mapping[str, Condition], cond: Mapping[str, Any]) -> None:
    """Raises RecipeError for a name that is no condition of the run."""
    for name in sorted(set(cond) - set(conditions)):
        known = ", ".join(conditions) or "none: this run is unconditional"
        raise RecipeError(
            say("the run has no condition '{0}'", name[:80]),
            where="--cond",
            fix=say("{0}known: {1}", meant(name, conditions), known),
        )


def _count(kind: Condition) -> int:
    return len(kind) if isinstance(kind, Classes) else 0


def caption_name(conditions: Mapping[str, Condition]) -> str | None:
    """The name of the condition that is a text; None where the model is told none."""
    return next((name for name, kind in conditions.items() if isinstance(kind, Words)), None)


def class_index(name: str, kind: Condition, value: str | int) -> int:
    """The index of a class given by name or by number."""
    names = kind.names if isinstance(kind, Classes) else ()
    if isinstance(value, str) and value in names:
        return names.index(value)
    text = str(value)
    if text in names:
        return names.index(text)
    if text.isdigit() and int(text) < len(names):
        return int(text)
    raise RecipeError(
        say("'{0}' has no class '{1}'", name, value),
        where="--cond",
        fix=say("{0}one of: {1}", meant(text, names), ", ".join(names)),
    )


def blocks(first: int, count: int, size: int) -> Iterator[tuple[int, int]]:
    """(first index, rows) of each block."""
    for start in range(first, first + count, size):
        yield start, min(size, first + count - start)


def _check(family: Family, x: Tensor, rows: int) -> None:
    """Sampler out: shapes are checked by hand at this border."""
    if isinstance(family.spec, Dense) and tuple(x.shape) != (rows, *family.spec.shape):
        raise SpecError(
            say("the sampler gave another shape than its spec"),
            where=say("{0} against {1}", tuple(x.shape), (rows, *family.spec.shape)),
        )
