"""`castalia reproduce`: the item of a file made again from its manifest, in a block of the same
shape and with as many threads, and written as the same file: the same bytes on the same machine and
versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL
import torch

from castalia import atomic, user_dirs
from castalia.codecs.base import Codec
from castalia.errors import DataError, RunError
from castalia.governance.ai_mark import is_sealed
from castalia.governance.labels.wording import labelled
from castalia.governance.manifest import require
from castalia.governance.provenance import manifest_of, sha256_of, step_of
from castalia.governance.release_gate import write_sealed
from castalia.governance.watermark.marking import marked_again, sampler_again
from castalia.run import Run, versions
from castalia.sampling import generate
from castalia.sampling.edit import edit_of, options_in
from castalia.sentences import say
from castalia.spec import Dense
from castalia.verbs.edit import edit

# of a block that a manifest may ask for, unless the run itself computes larger ones
MOST_ROWS = 1024
# what can change a byte
CAUSES = ("castalia", "torch", "python", "cpu", "threads", "system", "pillow")


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


def reproduce(
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
    if manifest is None or "content" not in manifest:
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
    step = step_of(opened, manifest)
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
            else _item(manifest, _drawn(opened, manifest, model).item)
        )
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise DataError(
            say("the manifest does not describe an item of this run"),
            where=path,
            fix=say("castalia verify FILE says more"),
        ) from error
    codec, facts, target = opened.codec, dict(manifest), out / path.name
    if facts.get("label"):
        item = labelled(codec, item, facts["label"]) or item
    item = marked_again(codec, item, facts)
    with atomic.place(target) as temporary:
        write_sealed(codec, item, temporary, facts)
        if codec.sidecar:
            atomic.write_json(target.with_suffix(codec.sidecar), facts)
    found = codec.content(path)
    same = facts["content"] == found
    identical = sha256_of(target) == sha256_of(path) and (not codec.sidecar or facts == manifest)
    causes = [] if identical else _causes(manifest, told, facts["content"], found)
    return Reproduction(
        target,
        opened.folder,
        identical,
        same,
        "none" if same else _difference(codec, path, target),
        causes,
    )


def _drawn(run: Run, manifest: dict[str, Any], model: Any) -> generate.Sample:
    mark = sampler_again(run.codec, manifest)
    return generate.reproduce(run, manifest, model=model, mark=mark)


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
    if [sha256_of(one) for one in inputs] != [
        one["sha256"] for one in wanted if "typed" not in one
    ]:
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
    elif made == found and manifest.get("credentials"):
        causes.append(say("the file is signed, and no signature can be made twice"))
    elif made == found and not causes:
        causes.append(say("the same content was saved anew by another program"))
    return causes


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
