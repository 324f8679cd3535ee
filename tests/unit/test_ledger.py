"""The hash chain: every kind of tampering is named, writers do not mix, and one that is killed in
the middle of a line loses nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.apps.command import inside

from castalia.errors import RunError
from castalia.governance import ledger

LINES = 6


def written(folder: Path, count: int = LINES) -> Path:
    path = folder / "ledger.jsonl"
    for number in range(count):
        ledger.append(path, {"event": "released", "content": f"c{number}", "name": "鹤"})
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_ledger_as_written_is_intact(path: Path) -> None:
    found = ledger.verify(path)
    assert (
        found.intact
        and not found.notes
        and found.lines == LINES
        and found.events == {"released": LINES}
    )
    entries = [json.loads(line) for line in lines(path)]
    assert [entry["n"] for entry in entries] == list(range(1, LINES + 1))
    assert entries[0]["prev"] == ledger.START and all(
        b["prev"] == a["hash"] for a, b in itertools.pairwise(entries)
    )
    assert found.head == ledger.Head(LINES, entries[-1]["hash"])
    assert ledger.verify(path, head=entries[2]["hash"][:12]).intact


def damaged(path: Path, changed: list[bytes], says: str) -> None:
    path.write_bytes(b"".join(changed))
    found = ledger.verify(path)
    assert any(says in problem for problem in found.problems), found.problems
    inside("ledger", "verify", path, cwd=path.parent, code=7)


def test_tampering_is_named(path: Path) -> None:
    whole = lines(path)
    damaged(
        path, [*whole[:2], whole[2].replace(b'"c2"', b'"c9"'), *whole[3:]], "line 3 was altered"
    )
    damaged(
        path, [*whole[:2], whole[2].replace(b", ", b",\t", 1), *whole[3:]], "line 3 was altered"
    )
    damaged(path, [*whole[:2], *whole[3:]], "line 3: entry 3 is missing before it")
    damaged(path, [*whole[:1], *whole[4:]], "line 2: entries 2 to 4 are missing")
    damaged(path, [whole[0], whole[2], whole[1], *whole[3:]], "out of order")
    damaged(path, [*whole[:3], whole[2], *whole[3:]], "doubled")
    damaged(path, whole[:-1], f"line {LINES} is missing from the end")
    damaged(path, whole[:-3], f"lines {LINES - 2} to {LINES} are missing from the end")
    damaged(path, [], f"lines 1 to {LINES} are missing")
    damaged(path, [*whole[:2], b"not an entry\n", *whole[3:]], "line 3 is not an entry")
    path.write_bytes(b"".join(whole))
    assert "intact" in inside("ledger", "verify", path, cwd=path.parent)


def test_an_entry_that_was_made_anew_does_not_fit(path: Path) -> None:
    """Altered, with a hash that fits the alteration: then the next line does not follow; the last
    line differs from the head.
    """
    for place, says in (
        (2, "line 4 does not follow"),
        (LINES - 1, "is not the one that ledger.jsonl.head remembers"),
    ):
        whole = lines(path)
        entry = json.loads(whole[place])
        entry["content"] = "other"
        entry["hash"] = ledger._hash(entry)
        damaged(path, [*whole[:place], ledger._text(entry) + b"\n", *whole[place + 1 :]], says)
        path.write_bytes(b"".join(whole))


def test_what_is_cut_from_both_files_shows_only_against_a_noted_head(path: Path) -> None:
    noted = ledger.verify(path).head.hash
    whole = lines(path)
    path.write_bytes(b"".join(whole[:-2]))
    path.with_name("ledger.jsonl.head").write_text(f"{LINES - 2} {json.loads(whole[-3])['hash']}\n")
    assert ledger.verify(path).intact
    assert "no line has the hash" in ledger.verify(path, head=noted).problems[0]
    inside("ledger", "verify", path, "--head", noted, cwd=path.parent, code=7)


def test_a_missing_head_and_a_missing_ledger(path: Path) -> None:
    path.with_name("ledger.jsonl.head").unlink()
    assert "may have been cut off" in ledger.verify(path).problems[0]
    ledger.append(path, {"event": "released"})
    assert ledger.verify(path).intact
    path.unlink()
    assert "missing from the end" in ledger.verify(path).problems[0]
    with pytest.raises(RunError, match="no ledger"):
        ledger.verify(path.with_name("other.jsonl"))


def test_a_writer_does_not_hide_that_lines_were_cut_off(path: Path) -> None:
    path.write_bytes(b"".join(lines(path)[:-2]))
    ledger.append(path, {"event": "released"})
    assert "entries 5 to 6 are missing" in ledger.verify(path).problems[0]


@given(st.data())
def test_any_changed_byte_is_found(data: st.DataObject) -> None:
    whole = CHANGED.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    other = CHANGED.with_name("other.jsonl")
    other.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    other.with_name("other.jsonl.head").write_bytes(
        CHANGED.with_name("ledger.jsonl.head").read_bytes()
    )
    found = ledger.verify(other)
    # The last line end alone may be lost to a killed writer: that is a note.
    assert not found.intact or (place == len(whole) - 1 and found.notes)


@pytest.fixture(autouse=True, scope="module")
def _changed(tmp_path_factory: pytest.TempPathFactory) -> None:
    global CHANGED
    CHANGED = written(tmp_path_factory.mktemp("changed"), 3)


CHANGED = Path()

# Writers that are stopped, and several at once ----------------------------------------------------


@pytest.mark.parametrize("kept", [1, 40, -2])
def test_a_torn_line_is_closed_in_the_open(path: Path, kept: int) -> None:
    whole = lines(path)
    path.write_bytes(b"".join(whole) + whole[-1][:kept])
    found = ledger.verify(path)
    assert found.intact and "is torn" in found.notes[0]
    ledger.append(path, {"event": "released"})
    found = ledger.verify(path)
    assert found.intact and found.events == {"released": LINES + 1, "mended": 1}
    assert f"line {LINES + 1} was torn" in found.notes[0]
    torn = lines(path)
    damaged(
        path, [*torn[:LINES], b"another\n", *torn[LINES + 1 :]], f"line {LINES + 1} is not an entry"
    )


def test_a_line_that_lacks_only_its_end_is_kept(path: Path) -> None:
    before = path.with_name("ledger.jsonl.head").read_text()
    ledger.append(path, {"event": "released"})
    path.write_bytes(path.read_bytes()[:-1])
    # the writer was stopped before it came to the head
    path.with_name("ledger.jsonl.head").write_text(before)
    assert ledger.verify(path).intact
    ledger.append(path, {"event": "released"})
    assert ledger.verify(path).events == {"released": LINES + 2} and ledger.verify(path).intact


WRITER = """
import io, sys, time
from pathlib import Path
from castalia.governance import ledger

path, count, name, slow = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "slow"
write = ledger._write

def half(file, entry, head):  # half a line reaches the disk, then the writer hangs
    buffer = io.BytesIO()
    found = write(buffer, entry, head)
    file.write(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    file.flush()
    time.sleep(60)
    return found

for number in range(count):
    if slow and number == count - 1:
        ledger._write = half
    ledger.append(path, {"event": "released", "writer": name, "number": number})
"""


def writer(path: Path, count: int, name: str, how: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(count), name, how],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def numbers_of(path: Path, name: str) -> list[int]:
    entries = [json.loads(line) for line in lines(path) if line.endswith(b"}\n")]
    return [entry["number"] for entry in entries if entry.get("writer") == name]


def test_kill_9_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """Another writer already waits for its turn: it gets the lock, closes the torn line, says so,
    and goes on.
    """
    path = tmp_path / "ledger.jsonl"
    first = writer(path, 4, "a", "slow")
    while (
        not path.exists() or path.read_bytes().endswith(b"\n") or path.read_bytes().count(b"\n") < 3
    ):
        assert first.poll() is None, "the writer ended by itself"
        time.sleep(0.002)
    second = writer(path, 3, "b")
    time.sleep(0.3)
    assert path.read_bytes().count(b"\n") == 3 and second.poll() is None, (
        "the second waits while the first hangs"
    )
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert second.wait() == 0
    found = ledger.verify(path)
    assert found.intact and found.events == {"released": 6, "mended": 1}
    assert found.notes == ["line 4 was torn by a writer that was stopped, and closed by line 5"]
    assert numbers_of(path, "a") == [0, 1, 2] and numbers_of(path, "b") == [0, 1, 2]
    assert "torn" in inside("ledger", "verify", path, cwd=tmp_path)


def test_processes_and_threads_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    children = [writer(path, 150, name) for name in ("a", "b")]

    def write(name: str) -> None:
        for number in range(50):
            ledger.append(path, {"event": "released", "writer": name, "number": number})

    threads = [threading.Thread(target=write, args=(name,)) for name in ("c", "d", "e")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [child.wait() for child in children] == [0, 0]
    found = ledger.verify(path)
    assert found.intact and not found.notes and found.lines == 450
    for name, count in (("a", 150), ("b", 150), ("c", 50), ("d", 50), ("e", 50)):
        assert numbers_of(path, name) == list(range(count))


def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        ledger.append(tmp_path / "file" / "ledger.jsonl", {"event": "released"})
