"""No telemetry: training, sampling and judging open no socket. Python's audit hooks see every
attempt.
"""

import os
import subprocess
import sys
from pathlib import Path

WATCH = """
import os, sys
seen = []
def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.gethostname", "socket.__new__"):
        seen.append(event)
    elif event == "socket.__new__" and arguments[1] != 1:  # 1 = AF_UNIX, which stays on this machine
        seen.append(event)
sys.addaudithook(watch)
"""
REPORT = "\nprint('SOCKETS', seen)\n"


def sockets(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WATCH + program + REPORT],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.rpartition("SOCKETS")[2].strip()


def test_the_main_job_opens_no_socket(tmp_path: Path):
    program = """
import castalia
run = castalia.train("image/vae", "builtin/digits", {"training.steps": 2, "training.batch": 8, "training.threads": 1}, out="run")
castalia.sample(run, n=2)
castalia.evaluate(run, n=150)
"""
    assert sockets(program, tmp_path) == "[]"
    assert (tmp_path / "run" / "eval" / "report.html").exists()


def test_the_watch_would_notice(tmp_path: Path):
    program = (
        "import socket\ntry: socket.create_connection(('127.0.0.1', 9), timeout=0.1)\nexcept "
        "OSError: pass\n"
    )
    assert "socket.connect" in sockets(program, tmp_path)
