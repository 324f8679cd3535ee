"""The studio's folder: data that were dropped, jobs, and what was made. Runs stand beside it, where
the command line has them.

    studio/
        lock                one studio a folder
        incoming/           uploads that are not data yet
        data/NAME/          the files, with LICENSE where one was stated
        data/NAME.json      source, and what was chosen about them
        checks/NAME/        what `castalia check` wrote
        jobs/               jobs.py
        made/000012/        what the job 12 wrote: samples, edits, exports
        kept/               what somebody marked as a favourite
        policy.yaml         how what is made is marked
        votes/              preferences, as the recipes of docs/preferences.md read them
    runs/
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from castalia import atomic, run
from castalia.apps.studio.jobs import Job, Jobs, read_json
from castalia.data import archives, builtin
from castalia.errors import CastaliaError, DataError, RunError
from castalia.run import Run
from castalia.sentences import say

LONGEST = 60  # characters of the name of data
_FORBIDDEN = re.compile(r"[^\w.-]+")  # in the name of a folder


class Data:
    """One set of data: built-in, or dropped into the studio."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.folder = root / "data" / name
        self.checked = root / "checks" / name.replace("/", "-")

    @property
    def builtin(self) -> bool:
        return self.name.startswith("builtin/")

    @property
    def settings(self) -> dict[str, Any]:
        """licence, source; overrides: of recipes that read it; unique: whether copies are left
        out.
        """
        place = self.root / "data" / f"{self.name}.json"
        if self.builtin or not place.exists():
            return {}
        return dict(read_json(place, "settings_bytes"))

    def choose(self, **settings: Any) -> None:
        atomic.write_json(self.root / "data" / f"{self.name}.json", {**self.settings, **settings})

    @property
    def place(self) -> str:
        """Where `castalia` finds it: a folder, the archive in it, or the list without copies."""
        if self.builtin:
            return self.name
        if self.settings.get("unique"):
            return str(self.checked / "keep.txt")
        files = [one for one in self.folder.iterdir() if one.name != "LICENSE"]
        alone = len(files) == 1 and (archives.is_archive(files[0].name) or files[0].is_file())
        return str(files[0] if alone else self.folder)

    @property
    def overrides(self) -> list[str]:
        return list(self.settings.get("overrides", []))

    @property
    def words(self) -> list[str]:
        """As `castalia check` and `castalia train` take it."""
        return [self.place, *self.overrides]

    @property
    def found(self) -> dict[str, Any] | None:
        """What its newest check found; None before the first."""
        place = self.checked / "check.json"
        return dict(read_json(place)) if place.exists() else None


class Workspace:
    """All of it; made when the studio starts. policy: for everything that is made; None: the one
    that the page writes (marks.py). Raises RunError where another one has the folder.
    """

    RULES = "policy.yaml"

    def __init__(self, root: Path, runs: Sequence[Path] = (), policy: Path | None = None) -> None:
        self.root, self.given, self.given_policy = root, list(runs), policy
        for name in ("data", "checks", "made", "kept", "votes"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._lock = open(root / "lock", "a")  # noqa: SIM115 - held until `close`
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise RunError(
                say("another studio works in this folder"),
                root,
                say("open that one, or choose another --folder"),
            ) from error
        shutil.rmtree(root / "incoming", ignore_errors=True)  # of a studio that ended meanwhile
        self.jobs = Jobs(root / "jobs")

    @property
    def policy(self) -> Path | None:
        """The policy of what is made now."""
        own = self.root / self.RULES
        return self.given_policy or (own if own.exists() else None)

    def close(self) -> None:
        self.jobs.close()
        self._lock.close()

    # data

    def data(self, name: str) -> Data:
        return Data(self.root, name)

    def own_data(self) -> list[str]:
        """Names of what was dropped, newest first."""
        folders = [one for one in (self.root / "data").iterdir() if one.is_dir()]
        return [
            one.name
            for one in sorted(folders, key=lambda one: one.stat().st_mtime, reverse=True)
            if not one.name.startswith(".")
        ]

    def all_data(self) -> list[str]:
        return [*self.own_data(), *(f"builtin/{name}" for name in builtin.names())]

    @contextmanager
    def receiving(self, batch: str, place: str) -> Iterator[BinaryIO]:
        """Where a file that comes in is written; it appears whole or not at all."""
        target = self._incoming(batch) / Path(*_parts(place))
        with atomic.place(target) as temporary, open(temporary, "wb") as sink:
            yield sink

    def add_data(self, batch: str, name: str, licence: str, source: str) -> Data:
        """Makes data of what came in. Raises DataError for nothing, and for a name that is
        taken.
        """
        incoming = self._incoming(batch)
        found = sorted(incoming.iterdir()) if batch and incoming.is_dir() else []
        if not found:
            raise DataError(say("no files were given"), name, say("drop files, a folder or a zip"))
        # what was dropped is one folder: its content
        folder = found[0] if len(found) == 1 and found[0].is_dir() else incoming
        name = _FORBIDDEN.sub("-", (name or found[0].stem).strip()).strip("-.")[:LONGEST] or "data"
        data = self.data(name)
        if data.folder.exists():
            raise DataError(
                say("there are data of this name already"), name, say("choose another name")
            )
        if licence.strip():
            lines = [licence.strip(), *([source.strip()] if source.strip() else [])]
            atomic.write(folder / "LICENSE", "\n".join(lines) + "\n")
        folder.replace(data.folder)
        shutil.rmtree(incoming, ignore_errors=True)
        data.choose(licence=licence.strip(), source=source.strip())
        return data

    def received(self, batch: str) -> dict[str, Path]:
        """The files of a batch, by name."""
        folder = self._incoming(batch)
        return {one.name: one for one in folder.iterdir()} if batch and folder.is_dir() else {}

    def _incoming(self, batch: str) -> Path:
        return self.root / "incoming" / batch

    # runs

    def runs(self) -> list[Run]:
        """Newest first; those that were named when the studio began come first."""
        named = [Run.open(one) for one in self.given if (one / "run.json").exists()]
        folders = {one.folder.resolve() for one in named}
        listed = [one for one in run.listing() if one.folder.resolve() not in folders]
        return [*named, *reversed(listed)]

    def readable_runs(self) -> list[tuple[str, str]]:
        """(what a run is called, its folder) of those that can be read and have been trained."""
        found = []
        for one in self.runs():
            try:
                recipe, step = one.about["recipe"]["title"], one.last_step
            except CastaliaError:
                continue
            if step is not None:
                name = one.folder.name
                named = recipe.replace("/", "-") in name
                found.append((name if named else f"{name} · {recipe}", str(one.folder)))
        return found

    def new_run(self, recipe: str) -> Path:
        """A folder for one."""
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        return run.ROOT / f"{stamp}-{recipe.replace('/', '-')}-{os.urandom(2).hex()}"

    # what was made

    def made(self) -> Path:
        """A new and empty folder for what a job will write, its number nobody else's."""
        while True:
            names = [one.name for one in (self.root / "made").iterdir()]
            taken = [int(one) for one in names if one.isdigit()]
            folder = self.root / "made" / f"{1 + max(taken, default=0):06d}"
            try:
                folder.mkdir()
            except FileExistsError:  # another user was faster
                continue
            return folder

    def trainings(self) -> list[Job]:
        """Jobs of the queue, newest first."""
        return [one for one in reversed(self.jobs.all()) if one.facts["queued"]]

    def inside(self, path: Path) -> bool:
        """Whether a file is one that the studio shows: of its folder, or of a run."""
        real = path.resolve()
        roots = [self.root, run.ROOT, *self.given]
        return any(real.is_relative_to(one.resolve()) for one in roots)


def _parts(name: str) -> Iterator[str]:
    """The parts of a name that came from a browser, none of which leads out of a folder."""
    parts = [one for one in Path(name.replace("\\", "/")).parts if one not in ("/", "..", ".")]
    yield from (parts or ["file"])
