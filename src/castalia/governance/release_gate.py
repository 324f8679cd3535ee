"""The release gate: whatever comes in through an application passes `prepare`, whatever leaves
through it passes `emit`.

A released file appears whole or not at all and carries a manifest of where it came from; the ledger
has a line for it before it appears. The manifest names no local path; it has all that `reproduce`
needs. Its parts:

    schema generator synthetic                  what wrote it, and that the item is made by a
                                                machine
    run model step weights data recipe          from which run: hashes of weights, data and recipe
    licence producer                            licences of data and model; who answers for it,
                                                where a policy says so
    time versions                               when, and under which versions, CPU and threads
    seed index rows row cond options ...        what makes the item again; see sample_facts
    watermark                                   how the content is marked (governance/watermark/)
    label                                       in which language people are told (labels/)
    credentials                                 who signed the file (credentials.py)
    content AIGC seal                           hash of the decoded item; ai_mark.py; hash of the
                                                rest of the manifest

Policies are in policy.py, the chain of lines in ledger.py. Library users may call `castalia.sample`
without it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import PIL

import castalia
from castalia import atomic, user_dirs
from castalia.codecs.base import Codec
from castalia.codecs.protocols import vets
from castalia.errors import Refused, RunError
from castalia.families.base import Family
from castalia.governance import ledger
from castalia.governance.ai_mark import producer_of, seal
from castalia.governance.blocked_terms import Scanner
from castalia.governance.credentials import SIGNED, Signer
from castalia.governance.labels.wording import labelled, line
from castalia.governance.policy import Blocked, Policy, Side, blocked
from castalia.governance.similarity import open_index
from castalia.governance.watermark.marking import marked, sampler
from castalia.run import Run, versions
from castalia.sampling.generate import Request, Sample, asked
from castalia.sampling.vetting import flaw_of
from castalia.sentences import say
from castalia.spec import Tokens

SCHEMA = 1


@dataclass(frozen=True)
class Origin:
    """What all outputs of one run have in common; computed once, because it hashes the weights."""

    run: str
    model: str
    step: int
    weights: str
    data: str
    recipe: str
    licence: str | None
    version: str


def origin(run: Run) -> Origin:
    """Raises RunError for a run without a checkpoint."""
    step, data = run.last_step, run.about["data"]
    path, model = run.weights_path(step=step), run.model_hash(step=step)
    return Origin(
        run.id,
        model,
        step or 0,
        path.stem,
        data["fingerprint"],
        run.recipe_hash,
        data.get("licence"),
        castalia.__version__,
    )


def sample_facts(sample: Sample) -> dict[str, Any]:
    """The part of a manifest from which one sample is made again."""
    return {
        "seed": sample.seed,
        "index": sample.index,
        "rows": sample.rows,
        "row": sample.row,
        "cond": sample.cond,
        "options": {**asdict(sample.options), "stop": list(sample.options.stop)},
        **sample.facts,
    }


def request_facts(request: Request) -> dict[str, Any]:
    """The same of a request for one text that is streamed."""
    return {
        "seed": request.seed,
        "index": request.first,
        "rows": 1,
        "row": 0,
        "cond": request.cond,
        "options": {**asdict(request.options), "stop": list(request.options.stop)},
        **asked(request),
    }


class Gate:
    """The one way in and out of a run for an application; opened once per run, safe to use from
    several threads.

    Raises RunError for a run without a checkpoint, Refused for a policy that asks for what the run
    does not have.
    """

    def __init__(
        self,
        run: Run,
        *,
        policy: Policy | None = None,
        ledger: Path | None = None,
        app: str = "cli",
    ) -> None:
        """ledger: where released and refused items are noted; None: RUN/ledger.jsonl. app: who uses
        the gate, for the ledger.
        """
        self.run, self.policy, self.app = run, policy or Policy(), app
        self.origin = origin(run)
        _remember(run, self.origin)
        self.ledger = ledger or run.folder / "ledger.jsonl"
        self._signer = Signer() if self.policy.credentials else None
        self._likeness = open_index(run) if self.policy.similarity is not None else None
        # where items for a wire are written, a file per thread
        self._desk = Path(mkdtemp(prefix="castalia-"))
        weakref.finalize(self, shutil.rmtree, self._desk, ignore_errors=True)

    @property
    def codec(self) -> Codec[Any]:
        return self.run.codec

    def model(self) -> Family:
        """The weights that the manifests name, even where training has gone on meanwhile."""
        return self.run.model(step=self.origin.step)

    # In -------------------------------------------------------------------------------------------

    def prepare(self, request: Request) -> Request:
        """The request, with the key of the policy's watermark where its tokens are to be drawn by
        one, else unchanged. Raises Refused, `where` naming the rule, for a blocked prompt or
        an option that the policy forbids.
        """
        options = asdict(request.options)
        spec = self.codec.spec
        if isinstance(spec, Tokens):  # what None stands for
            options["length"] = (
                spec.length if request.options.length is None else request.options.length
            )
            options["top_k"] = (
                spec.vocab if request.options.top_k is None else request.options.top_k
            )
        asked = {
            "n": request.n,
            "seed": request.seed,
            "batch": request.batch,
            "constraint": request.constraint,
        }
        self.prepare_options({**options, **asked}, request.cond)
        for text in (request.prompt, request.constraint, request.options.negative):
            if isinstance(text, str) and text:
                self.prepare_text(text)
        if self.policy.watermark is not None:
            request = replace(request, mark=sampler(self.codec, self.origin.model))
        return request

    def prepare_text(self, text: str) -> None:
        """The same check for any other text that comes in: inputs of an edit, turns of a chat."""
        self._pass(self.policy.text(text, "input"), "input", {"prompt": text})

    def prepare_options(
        self, options: Mapping[str, Any], cond: Mapping[str, Any] | None = None
    ) -> None:
        """The same check for options that no Request holds: kind ("edit"), steps and strength of an
        edit; cond: its conditions by name.
        """
        conditions = {
            f"cond.{name}": (cond or {}).get(name)
            for name in {**self.run.conditions, **(cond or {})}
        }
        self._pass(self.policy.given({**options, **conditions}), "input", {})
        for value in (cond or {}).values():  # a class, or what a model is told in words
            if isinstance(value, str):
                self.prepare_text(value)

    # Out ------------------------------------------------------------------------------------------

    def facts(self, sample: Sample) -> dict[str, Any]:
        """The manifest of a sample, but for what `emit` adds: content, AIGC, seal."""
        return self.facts_of(**sample_facts(sample))

    def facts_of(self, **more: Any) -> dict[str, Any]:
        """The same for whatever else leaves: facts_of(edit="vary", ...)."""
        source = self.origin
        return {
            "schema": SCHEMA,
            "generator": f"castalia {source.version}",
            "synthetic": True,
            "run": source.run,
            "model": source.model,
            "step": source.step,
            "weights": source.weights,
            "data": source.data,
            "recipe": source.recipe,
            "producer": producer_of(self.policy.producer),
            "licence": {"data": source.licence, "model": self.policy.licence},
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": {**versions(), "pillow": PIL.__version__},
            **more,
        }

    def emit(
        self, item: Any, path: Path, facts: dict[str, Any], inputs: Sequence[Path | bytes] = ()
    ) -> Path:
        """Write one item with its manifest; atomic. Completes `facts`; returns `path`. inputs: the
        files that it was made from, whose signed claims are kept.

        Raises Refused where the policy forbids the item: then nothing is written but the ledger's
        line.
        """
        item, codec = self._leaving(item, facts), self.codec
        with atomic.place(path) as temporary:
            self._write(item, temporary, facts, inputs)
            self._note("released", facts)
            if codec.sidecar:  # before the item appears, so that none ever is without
                atomic.write_json(path.with_suffix(codec.sidecar), facts)
        return path

    def emit_bytes(
        self,
        item: Any,
        facts: dict[str, Any],
        suffix: str | None = None,
        inputs: Sequence[Path | bytes] = (),
    ) -> bytes:
        """What `emit` would write, for a wire. Completes `facts`, which are sent beside where the
        format has no room for them.

        suffix: another of the codec's formats, e.g. ".webp". Raises Refused like `emit`.
        """
        item = self._leaving(item, facts)
        path = self._desk / f"{threading.get_ident()}{suffix or self.codec.suffix}"
        self._write(item, path, facts, inputs)
        data = path.read_bytes()
        self._note("released", facts)
        return data

    def emit_text(self, text: str, facts: dict[str, Any]) -> str:
        """A text that is no item of the codec, such as a caption. Completes `facts`; returns the
        text. Raises Refused like `emit`.
        """
        self._pass(self.policy.text(text, "output"), "output", facts)
        text = self._labelled(text, facts)
        seal(facts, hashlib.sha256(text.encode(errors="replace")).hexdigest())
        self._note("released", facts)
        return text

    def screen(self, prompt: str = "", *, plain: bool = False) -> Screen:
        """For one streamed text. prompt: what it continues; a term that begins in there is found
        too. plain: it is for programs, and has no label.

        Raises Refused where the policy limits similarity: what has been sent cannot be compared
        first.
        """
        rule = self.policy.similarity
        if rule is not None:
            words = say("similarity is checked on whole items, so nothing is streamed")
            self._pass(rule.refused(words), "output", {"prompt": prompt})
        if vets(self.codec):
            words = say("items are judged whole, so nothing is streamed")
            self._pass(_unfit(words, None), "output", {"prompt": prompt})
        return Screen(self.policy, prompt, plain=plain)

    def close(self, screen: Screen, facts: dict[str, Any]) -> None:
        """The ledger's line for a streamed text, however it ended. Completes `facts` with the hash
        of what went out.
        """
        facts["streamed"] = screen.state
        if screen.label and self.policy.labels is not None:
            facts["label"] = self.policy.labels.language
        seal(facts, screen.content)
        if screen.rule is None:
            self._note("released", facts)
        else:
            self._note("refused", {**facts, "rule": screen.rule.id, "side": "output"})

    def _leaving(self, item: Any, facts: dict[str, Any]) -> Any:
        """The item as the policy lets it go, with its label and its mark; completes `facts` by
        that. Raises Refused.
        """
        self._check(item, facts)
        item = self._labelled(item, facts)
        if self.policy.watermark is None:
            return item
        quality = self.policy.watermark.quality
        item, told = marked(self.codec, item, self.origin.model, quality)
        facts |= told
        return item

    def _labelled(self, item: Any, facts: dict[str, Any]) -> Any:
        """Texts that must have a form are for programs, and have no label."""
        language = None if self.policy.labels is None else self.policy.labels.language
        if language is None or (isinstance(item, str) and facts.get("constraint")):
            return item
        made = labelled(self.codec, item, language)
        if made is None:
            return item
        facts["label"] = language
        return made

    def _write(
        self, item: Any, path: Path, facts: dict[str, Any], inputs: Sequence[Path | bytes]
    ) -> None:
        """The file with its manifest, signed where the policy says so and its format has room."""
        signs = self._signer is not None and path.suffix.lower() in SIGNED
        if self._signer is not None and signs:
            facts["credentials"] = self._signer.name
        write_sealed(self.codec, item, path, facts)
        if self._signer is not None and signs:
            self._signer.sign(path, facts["generator"], inputs)

    def _check(self, item: Any, facts: Mapping[str, Any]) -> None:
        if isinstance(item, str):
            self._pass(self.policy.text(item, "output"), "output", facts)
        rule = self.policy.similarity
        if rule is not None and self._likeness is not None:
            near = self._likeness.nearest(item)
            if not near.similarity <= rule.most:
                words = say(
                    "this is too similar to a training item: {0:.3f}, at most {1:g}",
                    near.similarity,
                    rule.most,
                )
                self._pass(rule.refused(words), "output", facts)
        flaw = flaw_of(
            self.codec,
            self.run.conditions,
            item,
            facts.get("cond") or {},
            facts.get("constraint"),
        )
        if flaw:
            self._pass(_unfit(flaw, facts.get("tries")), "output", facts)

    def _pass(self, refusal: Refused | None, side: Side, facts: Mapping[str, Any]) -> None:
        if refusal is not None:
            self._note(
                "refused", {**facts, "rule": refusal.where.removeprefix("rule "), "side": side}
            )
            raise refusal

    def _note(self, event: str, facts: Mapping[str, Any]) -> None:
        """A ledger line: hashes and numbers, no text."""
        line: dict[str, Any] = {
            "event": event,
            "app": self.app,
            "run": self.origin.run,
            "model": self.origin.model,
        }
        line |= {
            name: facts[name]
            for name in ("rule", "side", "content", "seal", "seed", "index", "edit", "streamed")
            if name in facts
        }
        if facts.get("watermark", {}).get("mark"):
            line["mark"] = facts["watermark"]["mark"]
        prompt = facts.get("prompt") or (
            json.dumps(facts["messages"], ensure_ascii=False) if facts.get("messages") else ""
        )
        if prompt:
            line["prompt"] = hashlib.sha256(str(prompt).encode(errors="replace")).hexdigest()
        if self.policy != Policy():
            line["policy"] = self.policy.digest
        ledger.append(self.ledger, line)


class Screen:
    """A streamed text under a policy. What might begin a blocked term waits, no longer than that
    term.
    """

    def __init__(self, policy: Policy, prompt: str = "", *, plain: bool = False) -> None:
        self.label = "" if plain or policy.labels is None else line(policy.labels.language)
        self._told = not self.label
        terms = policy.terms("output")
        self.rule: Blocked | None = None
        self._scanner = Scanner(terms) if terms else None
        self._sent = hashlib.sha256()
        self._finished = False
        self._ahead = 0  # characters of the prompt that are still held
        if self._scanner is not None and prompt:
            self._ahead = len(prompt) - len(self._scanner.push(prompt))
            self._scanner.blocked_by = None  # the prompt was judged by `prepare`

    def push(self, piece: str) -> str:
        """What may go out now. Raises Refused at a blocked term."""
        return self._sending(piece if self._scanner is None else self._scanner.push(piece))

    def finish(self) -> str:
        """The rest, at the end of the text."""
        rest = self._sending("" if self._scanner is None else self._scanner.finish())
        self._finished = True
        return rest

    @property
    def state(self) -> str:
        """How it ended: "whole", "refused", or "broken off"."""
        return "refused" if self.rule is not None else "whole" if self._finished else "broken off"

    @property
    def content(self) -> str:
        """SHA-256 of what went out, UTF-8."""
        return self._sent.hexdigest()

    def _sending(self, text: str) -> str:
        if self._scanner is not None and self._scanner.blocked_by is not None:
            self.rule = self._scanner.blocked_by
            raise blocked(self._scanner.blocked_by)
        text, self._ahead = text[self._ahead :], max(0, self._ahead - len(text))
        if text and not self._told:
            text, self._told = self.label + text, True
        self._sent.update(text.encode(errors="replace"))
        return text


def _unfit(flaw: str, tries: int | None) -> Refused:
    """The error for an item that its codec does not let out (codecs/protocols.py, Vets)."""
    return Refused(
        flaw if tries is None else say("none of {0:,} draws was fit to leave: {1}", tries, flaw),
        where=say("rule {0}", "vetted"),
        fix=say("ask for less, let it draw more often (codec.tries), or train longer"),
    )


def write_sealed(codec: Codec[Any], item: Any, path: Path, facts: dict[str, Any]) -> None:
    """Write the item; complete `facts` by what a reader will find in it; embed them where the
    format has room.
    """
    codec.write(item, path)
    seal(facts, codec.content(path))
    if not codec.sidecar:
        codec.write(item, path, facts)


def _remember(run: Run, source: Origin) -> None:
    """Registers a run that was copied or moved here."""
    try:
        known = user_dirs.folder_of(source.model) == run.folder.resolve()
    except RunError:
        known = False
    if not known:
        user_dirs.remember(run.id, run.folder, step=source.step, model=source.model)
