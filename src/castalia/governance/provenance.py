"""From a file back to where it came from: is it intact, whose is it, and can it be made again.

`examine` holds a file against its own manifest, and against the run and the ledger where these are
here. `remake` computes the item anew from the manifest, in a block of the same shape and with as
many threads, and writes the same file: the same bytes on the same machine and versions.

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

import PIL
import torch

from castalia import atomic, bounded, registry, user_dirs
from castalia.codecs.base import Codec, is_file
from castalia.errors import CastaliaError, DataError, RunError
from castalia.escapes import one_line
from castalia.governance.ai_mark import is_sealed
from castalia.governance.ledger import lines
from castalia.governance.manifest import damage, require
from castalia.governance.release_gate import SCHEMA, Gate, write_sealed
from castalia.run import Run, versions
from castalia.sampling.edit import edit_of, options_in
from castalia.sampling.generate import reproduce
from castalia.sentences import say
from castalia.spec import Dense
from castalia.verbs.edit import edit

# of a block that a manifest may ask for, unless the run itself computes larger ones
MOST_ROWS = 1024
State = Literal["intact", "altered", "unknown"]
# what can change a byte
CAUSES = ("castalia", "torch", "python", "cpu", "threads", "system", "pillow")


@dataclass
class Finding:
    """What is known about one file. problems: what does not match; notes: what else there is to
    say.
    """

    path: Path
    state: State
    manifest: dict[str, Any] | None = None
    run: Path | None = None
    line: int | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def describe(gate: Gate, inputs: Sequence[str]) -> list[dict[str, str]]:
    """Name and hash of each file that an edit begins with, or the text that was typed instead;
    texts pass the gate.

    Raises DataError for a file that cannot be read.
    """
    found = []
    for one in inputs:
        for item in gate.codec.given(one):
            if isinstance(item, str):
                gate.prepare_text(item)
        if is_file(one):
            found.append({"name": Path(one).name, "sha256": _sha256(Path(one))})
        else:
            found.append(
                {
                    "typed": one,
                    "sha256": hashlib.sha256(one.encode(errors="surrogatepass")).hexdigest(),
                }
            )
    return found


def manifest_of(path: Path) -> tuple[dict[str, Any] | None, type[Codec[Any]] | None]:
    """The manifest of a file and the codec that knows such files; (None, a codec) without a
    manifest.

    Raises DataError for a file that is missing, that no codec claims, or that none can read.
    """
    if not path.is_file():
        raise DataError(say("there is no such file"), where=path, fix=say("check the path"))
    codecs = [registry.resolve("codec", name) for name in registry.known("codec")]
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


# Is it intact -------------------------------------------------------------------------------------


def examine(path: Path, run: Run | None = None) -> Finding:
    """Hold a file against its manifest, and against `run` or the run that this machine
    remembers.
    """
    manifest, codec = manifest_of(path)
    if codec is None:
        raise DataError(say("no codec knows files of this kind"), where=path)
    content = codec.content(path)
    if manifest is None:
        return _stripped(path, content, run)
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
    if finding.problems:
        finding.state = "altered"
    elif run is not None and finding.run is None:
        finding.state = "unknown"
    return finding


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
    if _step_of(run, manifest) is None and (
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


def _stripped(path: Path, content: str, run: Run | None) -> Finding:
    """A file without a manifest: unknown, unless a ledger here has released just this content."""
    finding = Finding(path, "unknown", notes=[say("it carries no manifest")])
    for folder in [run.folder] if run is not None else user_dirs.known_folders():
        entry = ledger_entry(folder / "ledger.jsonl", content)
        if entry is not None:
            finding.state, finding.run, finding.line = "altered", folder, entry[0]
            finding.problems.append(say("its manifest was taken out"))
            finding.notes = []
            break
    return finding


def ledger_entry(
    ledger: Path, content: str, own: object = None
) -> tuple[int, dict[str, Any]] | None:
    """(line number, entry) of the release of this content under the seal `own`, else of the newest;
    None where there is none.

    Equal content may leave more than once: made again, or by a model that makes everything the
    same.
    """
    found = None
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
                found = (number, entry)
                if own is not None and entry.get("seal") == own:
                    break
    return found


# Can it be made again -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Reproduction:
    """What came of it. identical: byte for byte. same_content: at least what the file holds.
    difference: in words. causes: what differs here.
    """

    path: Path
    run: Path
    identical: bool
    same_content: bool
    difference: str
    causes: list[str]


def run_of(manifest: dict[str, Any], given: Run | None = None, *, trust_code: bool = False) -> Run:
    """The run that made a file: `given`, or the one that this machine remembers. Raises RunError
    where it is not here.
    """
    if given is not None:
        return given
    folder = user_dirs.folder_of(str(manifest.get("model")))
    if folder is None:
        raise RunError(
            say("the run '{0}' is not known on this machine", manifest.get("run")),
            where=say("weights {0}", str(manifest.get("model"))[:16]),
            fix="castalia reproduce FILE --run FOLDER",
        )
    return Run.open(folder, trust_code=trust_code)


def remake(
    path: Path,
    out: Path,
    *,
    run: Run | None = None,
    inputs: Sequence[Path] = (),
    trust_code: bool = False,
) -> Reproduction:
    """Make the item of `path` again, into the folder `out`, and compare. Sets the number of threads
    to the manifest's.

    inputs: the files that an edit began with, in the order of then. Raises DataError where they are
    not those, or the file has no manifest.
    """
    manifest, kind = manifest_of(path)
    if manifest is None or kind is None or "content" not in manifest:
        raise DataError(
            say("the file carries no manifest to make it from"),
            where=path,
            fix=say("castalia verify FILE says more"),
        )
    require(manifest, path, kind)
    if (out / path.name).resolve() == path.resolve():
        raise DataError(
            say("the reproduction would replace the file itself"),
            where=out,
            fix=say("name another folder with --out"),
        )
    opened = run_of(manifest, run, trust_code=trust_code)
    most = max(MOST_ROWS, opened.recipe.sampling.batch)
    if (manifest.get("rows") or 1) > most:
        raise DataError(
            say(
                "the manifest asks for {0:,} items in one block, this run computes at most {1:,}",
                manifest["rows"],
                most,
            ),
            where=path,
            fix=say("raise sampling.batch in the run's recipe.yaml if it was made so"),
        )
    step = _step_of(opened, manifest)
    if step is None:
        raise RunError(
            say("the run does not have the weights that made this file"),
            where=f"{opened.folder}: {str(manifest.get('model'))[:16]}",
            fix=say("another run made it, or its checkpoint is gone (training.keep)"),
        )
    told = manifest.get("versions")
    told = told if isinstance(told, dict) else {}
    if isinstance(told.get("threads"), int):
        torch.set_num_threads(max(1, told["threads"]))
    model = opened.model(str(manifest.get("weights", "ema")), step)
    try:
        item = (
            _edited(opened, manifest, inputs, model)
            if "edit" in manifest
            else _item(manifest, reproduce(opened, manifest, model=model).item)
        )
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise DataError(
            say("the manifest does not describe an item of this run"),
            where=path,
            fix=say("castalia verify FILE says more"),
        ) from error
    codec, facts, target = opened.codec, dict(manifest), out / path.name
    with atomic.place(target) as temporary:
        write_sealed(codec, item, temporary, facts)
        if codec.sidecar:
            atomic.write_json(target.with_suffix(codec.sidecar), facts)
    found = codec.content(path)
    same = facts["content"] == found
    identical = _sha256(target) == _sha256(path) and (not codec.sidecar or facts == manifest)
    causes = [] if identical else _causes(manifest, told, facts["content"], found)
    return Reproduction(
        target,
        opened.folder,
        identical,
        same,
        "none" if same else _difference(codec, path, target),
        causes,
    )


def _item(manifest: dict[str, Any], item: Any) -> Any:
    """A streamed text went out without its prompt."""
    return item.removeprefix(manifest.get("prompt") or "") if "streamed" in manifest else item


def _edited(run: Run, manifest: dict[str, Any], inputs: Sequence[Path], model: Any) -> Any:
    wanted, needed = manifest.get("inputs"), ("seed", "index", "cond")
    if (
        not isinstance(wanted, list)
        or not all(isinstance(one, dict) and "sha256" in one for one in wanted)
        or not set(needed) <= set(manifest)
    ):
        raise DataError(
            say("the manifest does not say what this edit was made from"),
            where=str(manifest["edit"]),
            fix=say("make it with castalia edit"),
        )
    names = ", ".join(str(one["name"]) for one in wanted if "name" in one)
    if not inputs and names:
        fix = say("--inputs FILE, once for each, in this order")
        raise DataError(
            say("this file is an edit: it needs what it was made from"), where=names, fix=fix
        )
    if [_sha256(one) for one in inputs] != [one["sha256"] for one in wanted if "typed" not in one]:
        given = ", ".join(one.name for one in inputs)
        raise DataError(
            say("the inputs are not the files that the edit began with"),
            where=given,
            fix=say("as then: {0}", names),
        )
    options = options_in(manifest, edit_of(manifest["edit"], run.codec).Options)
    files = iter(inputs)
    given = [str(one["typed"]) if "typed" in one else str(next(files)) for one in wanted]
    made = edit(
        run,
        manifest["edit"],
        given,
        seed=manifest["seed"],
        cond=manifest["cond"],
        labels=manifest.get("labels"),
        model=model,
        **options,
    )
    return made[manifest["index"]]


def _causes(manifest: dict[str, Any], told: dict[str, Any], made: str, found: str) -> list[str]:
    """Why the bytes may differ. made, found: hashes of the content now made and of the file's."""
    if made == manifest["content"] != found:
        return [say("what was made now is what the manifest says: the file was altered since")]
    now = {**versions(), "pillow": PIL.__version__}
    causes = [
        say("{0}: {1} then, {2} now", name, told.get(name), now[name])
        for name in CAUSES
        if told.get(name) != now[name]
    ]
    if not is_sealed(manifest):
        causes.append(say("the manifest was changed"))
    elif made == found and not causes:
        causes.append(say("the same content was saved anew by another program"))
    return causes


def _step_of(run: Run, manifest: dict[str, Any]) -> int | None:
    """The checkpoint whose weights made the file: first the one that the manifest names."""
    steps = sorted(run.steps, key=lambda step: (step != manifest.get("step"), -step))
    weights = manifest.get("weights", "ema")
    if weights not in ("ema", "model"):
        return None
    return next(
        (step for step in steps if run.model_hash(weights, step) == manifest.get("model")), None
    )


def _difference(codec: Codec[Any], first: Path, second: Path) -> str:
    """How far two files are apart, in words."""
    try:
        one, other = next(iter(codec.read(first))), next(iter(codec.read(second)))
    except (DataError, StopIteration):
        return say("the file cannot be read")
    spec = codec.spec
    if isinstance(spec, Dense):
        left, right = codec.encode(one).double(), codec.encode(other).double()
        worst, moved = float((left - right).abs().max()), int((left != right).sum())
        unit = say("levels of {0}", spec.levels) if spec.levels else say("standard deviations")
        return say("at most {0:.6g} {1}, in {2} of {3} values", worst, unit, moved, left.numel())
    texts = str(one), str(other)
    place = next(
        (number for number, (a, b) in enumerate(zip(*texts, strict=False)) if a != b),
        min(map(len, texts)),
    )
    return say("from character {0} on", place)


def _sha256(path: Path) -> str:
    with bounded.open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
