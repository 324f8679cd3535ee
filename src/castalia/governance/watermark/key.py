"""The secret of an installation, from which every mark in content follows.

It lies in the user's settings (user_dirs.settings), readable by the user alone, and is made when
the first mark is put on. Whoever has it can find marks and forge them; whoever loses it can find
none of the older ones. A mark names weights by a number of 64 bits that only the key connects with
them.
"""

from __future__ import annotations

import fcntl
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from castalia import atomic, bounded, user_dirs
from castalia.errors import RunError, StorageError
from castalia.sentences import say

BYTES = 32


def place() -> Path:
    """Where the key is."""
    return user_dirs.settings() / "watermark.key"


@dataclass(frozen=True)
class Key:
    """secret: `BYTES` bytes; it is in no message and in no manifest."""

    secret: bytes = field(repr=False)

    @classmethod
    def known(cls) -> Self | None:
        """The installation's key; None where no mark was put on yet. Raises RunError for a file
        that is no key.
        """
        path = place()
        if not path.exists():
            return None
        text = bounded.read_text(path, "settings_bytes", RunError).strip()
        try:
            secret = bytes.fromhex(text)
        except ValueError:
            secret = b""
        if len(secret) != BYTES:
            raise RunError(
                say("the key of the watermarks is damaged"),
                where=path,
                fix=say("bring a copy back; a new key does not find older marks"),
            )
        return cls(secret)

    @classmethod
    def own(cls) -> Self:
        """The installation's key, made now where there is none. Raises StorageError where it cannot
        be written.
        """
        path = place()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(path.with_suffix(".lock"), "ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # two processes make one key
                known = cls.known()
                if known is not None:
                    return known
                made = cls(secrets.token_bytes(BYTES))
                with atomic.place(path) as temporary:
                    temporary.touch(0o600)
                    temporary.write_text(made.secret.hex() + "\n", "ascii")
                return made
        except OSError as error:
            raise StorageError(
                say("the key of the watermarks cannot be written: {0}", error.strerror or error),
                where=path,
                fix=say("set CASTALIA_CONFIG to a folder that can be written"),
            ) from error

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, which tells nothing of the others."""
        return hmac.digest(self.secret, purpose.encode(), "sha256")

    def mark_of(self, model: str) -> str:
        """The number of weights (SHA-256 of their file): 16 hexadecimal digits."""
        return self.derived(f"mark of {model}")[:8].hex()
