"""The release ledger: one JSON line for each item that was released or refused, each hash-chained
to the line before it.

    {"n": 17, "time": ..., "event": "released", ..., "prev": hash of line 16, "hash": hash of this
        line without "hash"}

Beside it, `ledger.jsonl.head` holds number and hash of the last line. It shows tampering: a line
that was altered, taken out, put in or moved breaks the chain and is named; lines cut off the end
are missed because the head knows their number. Its limit: whoever may write both files can write
both anew, because no secret is involved. Copy the head elsewhere from time to time, and
`verify(head=...)` finds that too.

Writers in several processes and threads take turns (flock). One that is killed in the middle of a
line leaves half a line; the next writer ends that line and records it in a line of its own
("mended"), so that nothing is taken out of the file. No text of a prompt is kept, only its hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from castalia import bounded
from castalia.errors import DataError, RunError, StorageError
from castalia.sentences import say

START = "0" * 64
LONGEST = 1 << 20  # bytes of a line; an entry has some hundred
_MOST_LINES = 10**15
_CHUNK = 1 << 16


class Head(NamedTuple):
    """The last line: its number, counted from 1, and its hash. (0, START) before the first."""

    n: int
    hash: str


@dataclass(frozen=True)
class Verdict:
    """The result of `verify`. problems: signs of tampering, a sentence each; notes: what else
    happened.
    """

    lines: int
    head: Head
    events: dict[str, int]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.problems


def append(path: Path, entry: Mapping[str, Any]) -> Head:
    """Add one line: `entry` with number, time and chain. Raises StorageError when it cannot be
    written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            # a description of its own, so threads wait for one another too
            fcntl.flock(file, fcntl.LOCK_EX)
            last, torn = _tail(file)
            # a cut ledger goes on where it was cut: the gap shows
            head = max(last, _read_head(path) or last, key=lambda one: one.n)
            if torn and (entry_like := _parsed(torn)) is not None and entry_like["n"] == head.n + 1:
                file.write(b"\n")  # only its line end was missing
                head = Head(entry_like["n"], entry_like["hash"])
            elif torn:
                file.write(b"\n")
                mended = {
                    "event": "mended",
                    "bytes": len(torn),
                    "torn": hashlib.sha256(torn).hexdigest(),
                }
                head = _write(file, mended, head)
            head = _write(file, entry, head)
            file.flush()
            _write_head(path, head)
    except OSError as error:
        raise StorageError(
            say("the ledger cannot be written: {0}", error.strerror or error),
            where=path,
            fix=say("--ledger FILE puts it elsewhere"),
        ) from error
    return head


def verify(path: Path, head: str | None = None) -> Verdict:
    """Read the whole chain. head: a hash of a line that was noted earlier, which must be there.

    Raises RunError where there is no ledger, and none is missed.
    """
    noted = _read_head(path)
    if not path.exists() and noted is None:
        raise RunError(
            say("there is no ledger"),
            where=path,
            fix=say("it is written when something is released: castalia sample RUN"),
        )
    problems: list[str] = []
    notes: list[str] = []
    events: dict[str, int] = {}
    last, count, torn, seen = Head(0, START), 0, None, {START}
    at_noted: str | None = START if noted is not None and noted.n == 0 else None
    for number, raw in enumerate(lines(path), 1):
        whole = raw.endswith(b"\n")
        entry = _parsed(raw)
        if entry is None:
            if torn is not None:
                problems.append(say("line {0} is not an entry", torn[0]))
            torn = (number, raw.rstrip(b"\n"), whole)
            continue
        count += 1
        if torn is not None:
            problems += _closed(torn, entry, number, notes)
            torn = None
        problems += _link(number, entry, last, raw)
        last = Head(entry["n"], entry["hash"]) if entry["n"] >= last.n else last
        seen.add(entry["hash"])
        event = str(entry.get("event"))
        events[event] = events.get(event, 0) + 1
        if noted is not None and entry["n"] == noted.n:
            at_noted = entry["hash"]
        if not whole:
            notes.append(
                say(
                    "line {0} lacks its line end: the writer was stopped; the next one goes on",
                    number,
                )
            )
    if torn is not None:
        (problems if torn[2] else notes).append(
            say("line {0} is not an entry", torn[0])
            if torn[2]
            else say(
                "line {0} is torn: its writer was stopped in the middle; the next writer will "
                "close it",
                torn[0],
            )
        )
    problems += _against(noted, last, at_noted, notes, path)
    if head is not None and not any(one.startswith(head) for one in seen):
        problems.append(
            say(
                "no line has the hash {0}: lines were cut off, or the ledger was written anew", head
            )
        )
    return Verdict(count, last, events, problems, notes)


def _against(
    noted: Head | None, last: Head, at_noted: str | None, notes: list[str], path: Path
) -> list[str]:
    name = _head_path(path).name
    if noted is None:
        if last.n <= 1:
            return []  # its writer was stopped between the first line and the head
        return [say("{0} is missing or damaged: lines may have been cut off the end", name)]
    if noted.n > last.n:
        return [
            say("lines {0} to {1} are missing from the end", last.n + 1, noted.n)
            if noted.n > last.n + 1
            else say("line {0} is missing from the end", noted.n)
        ]
    if at_noted != noted.hash:
        return [
            say(
                "entry {0} is not the one that {1} remembers: the ledger was written anew",
                noted.n,
                name,
            )
        ]
    if noted.n < last.n:
        notes.append(
            say(
                "{0} is {1} behind: a writer was stopped before it could note its line",
                name,
                last.n - noted.n,
            )
        )
    return []


def _link(number: int, entry: dict[str, Any], last: Head, raw: bytes) -> list[str]:
    """What is wrong between one line and the line before it."""
    if _hash(entry) != entry["hash"] or _text(entry) != raw.rstrip(b"\n"):
        return [say("line {0} was altered", number)]
    if entry["n"] > last.n + 1:
        missing = (
            say("entry {0} is", last.n + 1)
            if entry["n"] == last.n + 2
            else say("entries {0} to {1} are", last.n + 1, entry["n"] - 1)
        )
        return [say("line {0}: {1} missing before it", number, missing)]
    if entry["n"] <= last.n:
        return [say("line {0}: entry {1} is out of order or doubled", number, entry["n"])]
    if entry["prev"] != last.hash:
        return [
            say(
                "line {0} does not follow from the line before it: one of them was replaced", number
            )
        ]
    return []


def _closed(
    torn: tuple[int, bytes, bool], entry: dict[str, Any], number: int, notes: list[str]
) -> list[str]:
    """A torn line is fine where the next line records it."""
    if entry.get("event") == "mended" and entry.get("torn") == hashlib.sha256(torn[1]).hexdigest():
        notes.append(
            say(
                "line {0} was torn by a writer that was stopped, and closed by line {1}",
                torn[0],
                number,
            )
        )
        return []
    return [say("line {0} is not an entry", torn[0])]


def _write(file: IO[bytes], entry: Mapping[str, Any], head: Head) -> Head:
    line = {
        "n": head.n + 1,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **entry,
        "prev": head.hash,
    }
    line["hash"] = _hash(line)
    file.write(_text(line) + b"\n")
    return Head(line["n"], line["hash"])


def _text(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode(errors="replace")


def _hash(entry: Mapping[str, Any]) -> str:
    """Of the line as it is written, but for its hash."""
    return hashlib.sha256(
        _text({key: value for key, value in entry.items() if key != "hash"})
    ).hexdigest()


def digest(document: Any) -> str:
    """SHA-256 of a JSON document, whatever the order of its keys and its layout."""
    return hashlib.sha256(
        json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode(
            errors="surrogatepass"
        )
    ).hexdigest()


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        entry = bounded.parse_json(raw)
    except DataError:
        return None
    fits = isinstance(entry, dict) and type(entry.get("n")) is int and 0 < entry["n"] < _MOST_LINES
    return entry if fits and isinstance(entry.get("hash"), str) and "prev" in entry else None


def _tail(file: IO[bytes]) -> tuple[Head, bytes]:
    """The last whole entry, and what stands after it without a line end."""
    size = file.seek(0, os.SEEK_END)
    block, start = b"", size
    while start > 0 and size - start < 2 * LONGEST:
        step = min(_CHUNK, start)
        start -= step
        file.seek(start)
        block = file.read(step) + block
        whole, newline, torn = block.rpartition(b"\n")
        if not newline:
            continue
        for line in reversed(whole.split(b"\n")[0 if start == 0 else 1 :]):
            entry = _parsed(line)
            if entry is not None:
                return Head(entry["n"], entry["hash"]), torn
    return Head(0, START), block.rpartition(b"\n")[2]


def lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; none where there is no file. Of a line that is too long for an entry,
    only its beginning, with its end.

    Raises RunError for what is no regular file.
    """
    if not path.exists():
        return
    with bounded.open_regular(path, RunError) as file:
        while line := file.readline(LONGEST):
            rest = line
            while len(rest) == LONGEST and not rest.endswith(b"\n"):
                rest = file.readline(LONGEST)
            yield line if rest is line else line + b"..." + rest[-1:]


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(path: Path) -> Head | None:
    try:
        with bounded.open_regular(_head_path(path), RunError) as file:
            n, text = file.read(200).decode("ascii").split()
        return Head(int(n), text) if len(n) < 16 and len(text) == len(START) else None
    except (RunError, OSError, ValueError):
        return None


def _write_head(path: Path, head: Head) -> None:
    """Renamed into place, under the ledger's lock; not synced, for a line may cost no
    disk access.
    """
    temporary = _head_path(path).with_name(f".{path.name}.head.tmp")
    try:
        temporary.write_text(f"{head.n} {head.hash}\n", encoding="ascii")
        temporary.replace(_head_path(path))
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
