"""From a file back to where it came from: is it intact, and whose is it.

`examine` holds a file against its own manifest, and against the run and the ledger where these are
here. Whether it can be made again: verbs/reproduce.py.

A manifest is no signature: whoever knows this code can write one. What nobody can do without the
weights is to make the item again, and what nobody can do without the ledger is to have been noted
in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from castalia import bounded, registry, user_dirs
from castalia.codecs.base import Codec, is_file
from castalia.errors import CastaliaError, DataError, MissingExtra
from castalia.escapes import one_line
from castalia.governance import credentials
from castalia.governance.ai_mark import is_sealed
from castalia.governance.credentials import Claim
from castalia.governance.ledger import lines
from castalia.governance.manifest import damage
from castalia.governance.release_gate import SCHEMA, Gate
from castalia.governance.watermark.detection import detect
from castalia.run import Run
from castalia.sentences import say

State = Literal["intact", "altered", "unknown"]


@dataclass
class Finding:
    """What is known about one file. claim: signed in it (C2PA). problems: what does not match;
    notes: what else there is to say.
    """

    path: Path
    state: State
    manifest: dict[str, Any] | None = None
    run: Path | None = None
    line: int | None = None
    claim: Claim | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def describe(gate: Gate, inputs: Sequence[str]) -> list[dict[str, str]]:
    """Name and hash of each file that an edit begins with, or the text that was typed instead;
    texts pass the gate.

    Raises DataError for a file that cannot be read.
    """
    descriptions = []
    for one in inputs:
        for item in gate.codec.given(one):
            if isinstance(item, str):
                gate.prepare_text(item)
        if is_file(one):
            descriptions.append({"name": Path(one).name, "sha256": sha256_of(Path(one))})
        else:
            descriptions.append(
                {
                    "typed": one,
                    "sha256": hashlib.sha256(one.encode(errors="surrogatepass")).hexdigest(),
                }
            )
    return descriptions


def manifest_of(path: Path) -> tuple[dict[str, Any] | None, type[Codec[Any]]]:
    """The manifest of a file and the codec that knows such files; (None, a codec) without a
    manifest.

    Raises DataError for a file that is missing, that no codec claims, or that none can read.
    """
    if not path.is_file():
        raise DataError(say("there is no such file"), where=path, fix=say("check the path"))
    codecs: list[type[Codec[Any]]] = [
        registry.resolve("codec", name) for name in registry.known("codec")
    ]
    # a still WebP is a picture, an animated one a clip
    codecs.sort(key=lambda one: not (one.claims(path.name) and one.prefers(path)))
    error: DataError | None = None
    readable = None
    for codec in (
        one
        for one in codecs
        if one.claims(path.name) or path.name.lower().endswith(one.formats or " ")
    ):
        try:
            manifest = codec.read_manifest(path)
        except DataError as trouble:
            error = error or trouble
            continue
        readable = readable or codec
        if manifest is not None and str(manifest.get("generator", "")).startswith("castalia "):
            return manifest, codec
    if readable is None and error is not None:
        raise error
    if readable is None:
        raise DataError(
            say("no codec knows files of this kind"),
            where=path,
            fix=say("castalia verify takes what castalia sample and edit write"),
        )
    return None, readable


def kind_of(path: Path) -> type[Codec[Any]]:
    """The codec that knows a file. Raises DataError like `manifest_of`."""
    return manifest_of(path)[1]


# Is it intact -------------------------------------------------------------------------------------


def examine(path: Path, run: Run | None = None) -> Finding:
    """Hold a file against its manifest, and against `run` or the run that this machine
    remembers.
    """
    manifest, codec = manifest_of(path)
    content = codec.content(path)
    if manifest is None:
        finding = _stripped(path, content, run, codec)
        _read_claim(finding)
        return finding
    finding = Finding(path, "intact", manifest)
    if type(manifest.get("schema")) is not int or manifest["schema"] != SCHEMA:
        finding.state = "unknown"
        finding.notes.append(
            say("its manifest is of another version: {0}", one_line(manifest.get("generator"), 100))
        )
        return finding
    trouble = damage(manifest, codec)
    if trouble is not None:
        finding.problems.append(say("the manifest is damaged: {0}", trouble))
    if "content" not in manifest and trouble is None:
        finding.state = "unknown"
        finding.notes.append(
            say(
                "its manifest has no hash of the content: it did not leave through the gate "
                "(an exported model wrote it?)"
            )
        )
        return finding
    if manifest.get("content") != content:
        finding.problems.append(say("the content is not what was released"))
    if not is_sealed(manifest):
        finding.problems.append(say("the manifest was changed"))
    elif not codec.is_labelled(path, manifest):
        finding.problems.append(say("the label for other programs (XMP) was changed or taken out"))
    _compare(finding, run)
    _read_claim(finding)
    if finding.problems:
        finding.state = "altered"
    elif run is not None and finding.run is None:
        finding.state = "unknown"
    return finding


def _read_claim(finding: Finding) -> None:
    """The signed claim in the file, and whether there should be one."""
    told = (finding.manifest or {}).get("credentials")
    try:
        finding.claim = credentials.read(finding.path)
    except MissingExtra as error:
        if told is not None:
            finding.notes.append(say("the signature was not looked at: {0}", error.fix))
        return
    claim = finding.claim
    if claim is None and told is not None:
        finding.problems.append(say("its content credentials (C2PA) were taken out"))
    elif claim is not None and claim.state == "broken":
        finding.problems.append(credentials.described(claim))
        finding.state = "altered"
    elif claim is not None:
        finding.notes.append(credentials.described(claim))


def _compare(finding: Finding, given: Run | None) -> None:
    """With the run: does it have such weights, are its data and recipe these, does its ledger have
    the line.
    """
    manifest = finding.manifest or {}
    run = given
    if run is None:
        try:
            folder = user_dirs.folder_of(str(manifest.get("model")))
            run = None if folder is None else Run.open(folder)
        except CastaliaError as error:
            finding.notes.append(f"{error.what} ({error.where})")
        if run is None:
            finding.notes.append(say("the model is not known on this machine"))
            return
    entry = ledger_entry(
        run.folder / "ledger.jsonl", str(manifest.get("content")), manifest.get("seal")
    )
    if step_of(run, manifest) is None and (
        entry is None or entry[1].get("model") != manifest.get("model")
    ):
        finding.notes.append(
            say("{0} has no such weights: another run, or a checkpoint that is gone", run.folder)
        )
        return
    finding.run = run.folder
    for name, value in (
        ("run", run.id),
        ("data", run.about["data"]["fingerprint"]),
        ("recipe", run.recipe_hash),
    ):
        if manifest.get(name) != value:
            finding.problems.append(
                say(
                    "the manifest says {0} {1}, the run has {2}",
                    name,
                    str(manifest.get(name))[:16],
                    value[:16],
                )
            )
    licence = manifest.get("licence")
    if not isinstance(licence, dict) or licence.get("data") != run.about["data"].get("licence"):
        finding.problems.append(say("the manifest names another licence of the data than the run"))
    if entry is not None:
        finding.line = entry[0]
        if entry[1].get("seal") != manifest.get("seal"):
            finding.problems.append(
                say("the ledger noted another manifest for this content (line {0})", entry[0])
            )
    else:
        finding.notes.append(say("the run's ledger has no line for it"))


def _stripped(path: Path, content: str, run: Run | None, codec: type[Codec[Any]]) -> Finding:
    """A file without a manifest: unknown, unless a ledger here has released just this content, or
    the content has this installation's mark.
    """
    finding = Finding(path, "unknown", notes=[say("it carries no manifest")])
    for folder in [run.folder] if run is not None else user_dirs.known_folders():
        entry = ledger_entry(folder / "ledger.jsonl", content)
        if entry is not None:
            finding.state, finding.run, finding.line = "altered", folder, entry[0]
            finding.problems.append(say("its manifest was taken out"))
            finding.notes = []
            return finding
    mark = detect(path, codec, run)
    if mark.state == "yes":
        finding.state, finding.run = "altered", mark.run
        finding.problems.append(
            say("its manifest was taken out, and the content has this installation's mark")
        )
        finding.notes = [
            say("a chance of {0:.1g} without the mark", mark.chance),
            *([] if mark.run else [say("the mark does not say which run made it")]),
        ]
    return finding


def ledger_entry(
    ledger: Path, content: str, own: object = None
) -> tuple[int, dict[str, Any]] | None:
    """(line number, entry) of the release of this content under the seal `own`, else of the newest;
    None where there is none.

    Equal content may leave more than once: made again, or by a model that makes everything the
    same.
    """
    newest = None
    if not ledger.is_file():
        return None
    for number, raw in enumerate(lines(ledger), 1):
        if content.encode() in raw:
            try:
                entry = bounded.parse_json(raw)
            except DataError:
                continue
            if (
                isinstance(entry, dict)
                and entry.get("event") == "released"
                and entry.get("content") == content
            ):
                newest = (number, entry)
                if own is not None and entry.get("seal") == own:
                    break
    return newest


def step_of(run: Run, manifest: dict[str, Any]) -> int | None:
    """The checkpoint whose weights made the file: first the one that the manifest names."""
    steps = sorted(run.steps, key=lambda step: (step != manifest.get("step"), -step))
    weights = manifest.get("weights", "ema")
    if weights not in ("ema", "model"):
        return None
    return next(
        (step for step in steps if run.model_hash(weights, step) == manifest.get("model")), None
    )


def sha256_of(path: Path) -> str:
    with bounded.open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
