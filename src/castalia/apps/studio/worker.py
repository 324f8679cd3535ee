"""The processes of the studio's jobs: each does one `castalia` command, and writes what it prints
and its exit code into the folder of the job (jobs.py).

    python -m castalia.apps.studio.worker            forks a process for each folder named on stdin
    python -m castalia.apps.studio.worker FOLDER     does this one job

The first has torch loaded already, so a picture is there a second after it was asked for. A job has
a session of its own: it outlives the studio.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import traceback
from pathlib import Path

from castalia import atomic
from castalia.apps.studio.jobs import Job


def work(folder: Path) -> None:
    """Does the job of a folder in this process, and ends the process."""
    with open(folder / "lock", "a") as lock:  # held as long as the job runs
        fcntl.flock(lock, fcntl.LOCK_EX)
        for number, place in enumerate((os.devnull, folder / "out.txt", folder / "err.txt")):
            with open(place, "w+b") as stream:
                os.dup2(stream.fileno(), number)
        atomic.write(folder / "pid", f"{os.getpid()}\n")
        code = 1
        try:
            _command(folder)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        atomic.write(folder / "code", f"{code}\n")
    os._exit(code)


def _command(folder: Path) -> None:
    from castalia.cli.main import main

    main(Job(folder).facts["words"])


def serve_requests() -> None:
    """Loads what most jobs need, then forks one process for each line of stdin, until its end."""
    import castalia.verbs.sample
    import castalia.verbs.train  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a job: its folder tells
    for line in sys.stdin:
        sys.stdout.flush()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            work(Path(line.rstrip("\n")))


if __name__ == "__main__":
    if sys.argv[1:]:
        work(Path(sys.argv[1]))
    serve_requests()
