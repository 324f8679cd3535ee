"""Look for this installation's mark in a file, and for the run that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from castalia import modality, user_dirs
from castalia.codecs.base import Codec
from castalia.errors import CastaliaError
from castalia.governance.ledger import lines
from castalia.governance.watermark.key import Key
from castalia.governance.watermark.watermark import MarksItems, MarksSampling, Reading
from castalia.run import Run
from castalia.sentences import say

State = Literal["yes", "no", "unknown"]


@dataclass
class Detection:
    """What is known about the mark in one file.

    state   "yes": the mark of this installation is there. "no": it is not, or too weak to be
            found. "unknown": nothing could be looked for; notes say why.
    chance  see Reading. mark, run: which weights it names, and where they are.
    """

    path: Path
    state: State
    chance: float | None = None
    mark: str = ""
    run: Path | None = None
    notes: list[str] = field(default_factory=list)


def detect(path: Path, kind: type[Codec[Any]], given: Run | None = None) -> Detection:
    """kind: the codec that knows such files. given: a run that is asked beside those that this
    machine remembers. Raises DataError for a file that cannot be read.
    """
    key, owner = Key.known(), modality.of(kind)
    method = None if owner is None else owner.load("watermark")
    if method is None:
        return _nothing(path, say("there is no mark for files of this kind"))
    if key is None:
        return _nothing(path, say("this installation has put no mark on anything: it has no key"))
    items = kind(kind.Config()).read(path)
    item = next(items, None)
    if not isinstance(item, method.native):
        return _nothing(path, say("there is no mark for files of this kind"))
    if isinstance(method, MarksItems):
        reading = method.look(item, key)
    else:
        reading = _drawn(method, item, key, owner, given)
    if reading.chance is None:
        return _nothing(path, reading.trouble)
    found = Detection(path, "yes" if reading.found else "no", reading.chance)
    found.notes += [reading.trouble] if reading.trouble else []
    if next(items, None) is not None:
        found.notes.append(say("only the first item of the file was looked at"))
    if reading.found and reading.mark:
        found.mark, found.run = reading.mark, run_with(reading.mark, key, given)
    return found


def run_with(mark: str, key: Key, given: Run | None = None) -> Path | None:
    """The folder of the run whose weights have this mark, by their hash or by its ledger; None
    where it is not known here.
    """
    for model, folder in _models(given):
        if key.mark_of(model) == mark:
            return folder
    folders = [] if given is None else [given.folder]
    for folder in (*folders, *user_dirs.known_folders()):
        ledger = folder / "ledger.jsonl"
        if ledger.is_file() and any(f'"mark": "{mark}"'.encode() in line for line in lines(ledger)):
            return folder
    return None


def _nothing(path: Path, why: str) -> Detection:
    return Detection(path, "unknown", notes=[why])


def _drawn(method: MarksSampling, item: Any, key: Key, owner: Any, given: Run | None) -> Reading:
    """Text is held against the weights that are known here, for each by the tokens of its codec."""
    codecs: dict[str, Codec[Any]] = {}
    opened: dict[Path, Codec[Any] | None] = {} if given is None else {given.folder: given.codec}
    for model, folder in _models(given):
        if folder not in opened:
            try:
                opened[folder] = Run.open(folder).codec
            except CastaliaError:  # it needs code that is not trusted, or is damaged
                opened[folder] = None
        codec = opened[folder]
        if codec is not None and modality.of(codec) is owner:
            codecs[model] = codec
    return method.look_for(item, key, codecs)


def _models(given: Run | None) -> Iterator[tuple[str, Path]]:
    """(SHA-256, folder) of weights: of the given run, or of all that were made here."""
    if given is not None:
        for step in given.steps:
            yield given.model_hash(step=step), given.folder
        return
    still = set(user_dirs.known_folders())
    for entry in user_dirs.remembered():
        if isinstance(entry.get("model"), str) and Path(entry["folder"]) in still:
            yield entry["model"], Path(entry["folder"])
