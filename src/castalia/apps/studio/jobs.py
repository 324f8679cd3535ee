"""The studio's jobs: `castalia` commands, each in a folder of its own, done by processes that
outlive the studio.

    jobs = Jobs(Path("studio/jobs"))
    job = jobs.add(["evaluate", "runs/faces"], title="report of faces")
    job.state                           "queued", "running", "done" ...

Jobs of the queue are done one after the other: the machine's cores are few, and a training beside a
training takes twice as long. What answers at once (a picture, a check of a file) is done beside
them. A job's folder is all there is of it, so a studio that starts again finds everything as it
was:

    job.json    its words, what it is called, and what it makes
    pid, lock   of its process; the lock is held while it runs, and the kernel drops it
    out.txt, err.txt, code
    asked       "pause" or "stop", where somebody did
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from castalia import atomic, bounded
from castalia.errors import CastaliaError, RunError
from castalia.sentences import say

State = Literal["queued", "running", "done", "paused", "stopped", "failed"]
OVER: tuple[State, ...] = ("done", "stopped", "failed")
TICK = 0.3  # seconds between two looks at the queue
STOPPED = {130, 143}  # exit codes of a training that a signal ended with its work saved
TAIL = 4096  # bytes of a log's end that are read


def read_json(path: Path, limit: str = "document_bytes") -> Any:
    """What a file of the studio holds. limit: of its size, by name. Raises RunError."""
    return bounded.parse_json(bounded.read_bytes(path, limit, RunError), path, error=RunError)


@dataclass(frozen=True)
class Job:
    """One job, as its folder tells."""

    folder: Path

    @property
    def number(self) -> int:
        return int(self.folder.name)

    @property
    def facts(self) -> dict[str, Any]:
        """words, title, makes (a folder or a page), again (the words that continue it; []: none),
        answers (exit codes other than 0 that are answers, too), queued (or done at once), added
        (seconds since 1970).
        """
        return dict(read_json(self.folder / "job.json", "settings_bytes"))

    @property
    def title(self) -> str:
        return str(self.facts["title"])

    @property
    def makes(self) -> Path:
        return Path(self.facts["makes"])

    @property
    def code(self) -> int | None:
        """The exit code; None before the end."""
        text = self._text("code").strip()
        return int(text) if text.lstrip("-").isdigit() else None

    @property
    def state(self) -> State:
        code, asked = self.code, self._text("asked")
        if code == 0 or code in self.facts["answers"]:
            return "done"
        if code in STOPPED and asked:
            return "paused" if asked == "pause" else "stopped"
        if code is not None:
            return "failed"
        if asked == "stop" and not (self.folder / "pid").exists():
            return "stopped"
        if not (self.folder / "pid").exists():
            return "queued"
        return "running" if self._locked() else "failed"

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def output(self) -> Any:
        """The JSON document that it printed; None where it printed none."""
        with suppress(CastaliaError):
            return read_json(self.folder / "out.txt")
        return None

    @property
    def last_words(self) -> str:
        """The end of what it said on stderr: how far it is, or what went wrong; "" before it
        begins.
        """
        with (
            suppress(OSError, CastaliaError),
            bounded.open_regular(self.folder / "err.txt", RunError) as file,
        ):
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            return file.read(TAIL).decode(errors="replace").strip()
        return ""

    def wait(self, patience: float = 600.0) -> Job:
        """Until it is over or paused. Raises RunError after so many seconds."""
        end = time.monotonic() + patience
        while self.state in ("queued", "running"):
            if time.monotonic() > end:
                raise RunError(say("the job is not over"), self.title, say("look at the queue"))
            time.sleep(0.05)
        return self

    def signal(self, asked: Literal["pause", "stop"]) -> None:
        """Ask it to end. What it has trained is saved by the command itself."""
        if self.state not in ("queued", "running", "paused"):
            return
        atomic.write(self.folder / "asked", asked)
        with suppress(ValueError, ProcessLookupError):
            if self._locked():
                os.killpg(int(self._text("pid")), signal.SIGTERM)

    def _text(self, name: str) -> str:
        try:
            return bounded.read_text(self.folder / name, "settings_bytes", RunError)
        except RunError:
            return ""

    def _locked(self) -> bool:
        """Whether its process lives."""
        if not (self.folder / "lock").exists():
            return False
        with open(self.folder / "lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


class Jobs:
    """The jobs of one folder, and the thread that starts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._sent: set[int] = set()  # given to a process, which may not have begun
        self._over: set[int] = set()  # which never change again, so that a long list costs nothing
        self._worker: subprocess.Popen[str] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tend, name="castalia-jobs", daemon=True)
        self._thread.start()

    def add(
        self,
        words: Sequence[str],
        *,
        title: str,
        makes: Path | str = "",
        again: Iterable[str] = (),
        answers: Iterable[int] = (),
        queued: bool = True,
    ) -> Job:
        """A new job. words: of `castalia`. makes: the folder or the page that it will leave. again:
        words that continue it after a pause. answers: exit codes that are no failures, as that of a
        file which was altered. queued: whether it waits for those before it.
        """
        with self._lock:
            number = 1 + max((one.number for one in self.all()), default=0)
            folder = self.folder / f"{number:06d}"
            facts = {
                "words": list(words),
                "title": title,
                "makes": str(makes),
                "again": list(again),
                "answers": list(answers),
                "queued": queued,
                "added": time.time(),
            }
            with atomic.folder(folder) as temporary:
                atomic.write_json(temporary / "job.json", facts)
            job = Job(folder)
            if not queued:
                self._start(job)
            return job

    def all(self) -> list[Job]:
        """Oldest first."""
        return [
            Job(one)
            for one in sorted(self.folder.iterdir())
            if one.name.isdigit() and (one / "job.json").exists()
        ]

    def resume(self, job: Job) -> None:
        """Puts a paused job into the queue again, where it goes on from its last checkpoint."""
        if job.state != "paused":
            return
        with self._lock:
            facts = job.facts
            if facts["again"] and (job.makes / "run.json").exists():
                atomic.write_json(job.folder / "job.json", {**facts, "words": facts["again"]})
            for name in ("code", "asked", "pid"):
                (job.folder / name).unlink(missing_ok=True)
            self._sent.discard(job.number)

    def close(self) -> None:
        """No job is started any more; those that run go on."""
        self._ended.set()
        self._thread.join()
        if self._worker is not None and self._worker.stdin is not None:
            self._worker.stdin.close()
            self._worker.wait()

    def _tend(self) -> None:
        self._warm()
        while not self._ended.wait(TICK):
            with self._lock, suppress(OSError, CastaliaError):
                states = [
                    (one, one.state)
                    for one in self.all()
                    if one.number not in self._over and one.facts["queued"]
                ]
                self._over.update(one.number for one, state in states if state in OVER)
                busy = any(
                    state == "running" or (state == "queued" and one.number in self._sent)
                    for one, state in states
                )
                first = next((one for one, state in states if state == "queued"), None)
                if first is not None and not busy:
                    self._start(first)

    def _warm(self) -> subprocess.Popen[str]:
        """The process that forks others."""
        with self._lock:
            if self._worker is None or self._worker.poll() is not None:
                self._worker = subprocess.Popen(
                    [sys.executable, "-m", "castalia.apps.studio.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,  # Ctrl-C ends the studio, and no job
                )
            return self._worker

    def _start(self, job: Job) -> None:
        self._sent.add(job.number)
        if sys.platform == "linux":
            worker = self._warm()
            assert worker.stdin is not None
            worker.stdin.write(f"{job.folder.resolve()}\n")
            worker.stdin.flush()
        else:  # a process that has loaded torch cannot be forked everywhere
            subprocess.Popen(
                [sys.executable, "-m", "castalia.apps.studio.worker", str(job.folder.resolve())],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
