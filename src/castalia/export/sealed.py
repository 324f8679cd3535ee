"""Runs sealed for transport: one file in the age format, which only its recipients open.

https://age-encryption.org/v1, through pyrage (extra `sealed`). Inside is a plain tar of the folder:
a run with its ledger, or an export. A recipient is an age1... or an ssh-... public key. The private
key of this installation lies in the user's settings.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from castalia import atomic, bounded, user_dirs
from castalia.errors import DataError, MissingExtra, RecipeError, RunError
from castalia.sentences import say

LEFT_OUT = frozenset({"lock"})  # who writes to the run at the moment


def private() -> Path:
    """Where the installation's private key is."""
    return user_dirs.settings() / "transport.key"


def own_recipient() -> str:
    """The public key of this installation, which others seal for; made now where there is none."""
    pyrage = _library()
    if not private().exists():
        private().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic.place(private()) as temporary:
            temporary.touch(0o600)
            temporary.write_text(f"{pyrage.x25519.Identity.generate()}\n", "ascii")
    return str(_identity(private()).to_public())


def seal(folder: Path, file: Path, recipients: Sequence[str]) -> Path:
    """`folder`, whole, as one file for the recipients. Raises RecipeError where there is none, or
    one is no key; RunError where the file is there already; MissingExtra.
    """
    pyrage, keys = _library(), [_recipient(one) for one in recipients]
    if not keys:
        raise RecipeError(
            say("nobody could open it: name a recipient"), "--encrypt", "--encrypt age1..."
        )
    if file.exists():
        raise RunError(
            say("something else is in the way of the export"), file, say("name a new file")
        )
    with atomic.place(file) as temporary, tempfile.TemporaryFile(dir=file.parent) as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder)
                if path.is_file() and not path.is_symlink() and name.name not in LEFT_OUT:
                    archive.add(path, str(PurePosixPath(name)), filter=_without_owner)
        packed.seek(0)
        with open(temporary, "wb") as target:
            pyrage.encrypt_io(packed, target, keys)
    return file


def unseal(file: Path, out: Path, identity: Path | None = None) -> Path:
    """Opens a sealed file into the new folder `out`. identity: a file with a private key; None: the
    installation's own. Raises RunError where there is no key or `out` is there; DataError where the
    key does not open the file, or it is damaged.
    """
    pyrage, key = _library(), _identity(identity or private())
    if out.exists():
        raise RunError(
            say("something else is in the way of the export"), out, say("name a new folder")
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out.parent) as packed:
        try:
            with bounded.open_regular(file) as source:
                pyrage.decrypt_io(source, packed, [key])
        except (pyrage.DecryptError, ValueError, OSError) as error:
            raise DataError(
                say("the key does not open this file, or it is damaged: {0}", str(error)[:200]),
                file,
                say("ask the sender to seal it for: {0}", key.to_public())
                if hasattr(key, "to_public")
                else say("ask the sender for whom it was sealed"),
            ) from error
        packed.seek(0)
        with atomic.folder(out) as temporary:
            _unpack(packed, temporary, file)
    return out


def _unpack(packed: IO[bytes], folder: Path, file: Path) -> None:
    """Files alone, none outside of the folder; a plain tar inflates nothing."""
    try:
        with tarfile.open(fileobj=packed, mode="r:") as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                held = archive.extractfile(member) if member.isreg() else None
                outside = name.is_absolute() or ".." in name.parts or "\\" in member.name
                if held is None or outside or not name.parts:
                    raise DataError(
                        say("the sealed file holds what is no file of a run"),
                        file,
                        say("open it with age and look at it"),
                    )
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "wb") as written:
                    shutil.copyfileobj(held, written)
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise DataError(
            say("the sealed file holds what is no file of a run"),
            file,
            say("open it with age and look at it"),
        ) from error


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _recipient(text: str) -> Any:
    pyrage = _library()
    kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text.strip())
    except (pyrage.RecipientError, ValueError) as error:
        raise RecipeError(
            say("'{0}' is no key of a recipient", text[:80]),
            "--encrypt",
            say("it begins with age1 or ssh-; the recipient sees it by: castalia keys recipient"),
        ) from error


def _identity(path: Path) -> Any:
    pyrage = _library()
    if not path.exists():
        raise RunError(
            say("there is no key to open it with"), path, "castalia keys recipient, --identity FILE"
        )
    data = bounded.read_bytes(path, "settings_bytes", RunError)
    try:
        if data.startswith(b"-----BEGIN"):
            return pyrage.ssh.Identity.from_buffer(data)
        lines = [one for one in data.decode().splitlines() if one and not one.startswith("#")]
        return pyrage.x25519.Identity.from_str(lines[0].strip())
    except (pyrage.IdentityError, ValueError, IndexError) as error:
        raise RunError(
            say("this is no private key of age or ssh"), path, say("name another file")
        ) from error


def _library() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise MissingExtra("pyrage", "sealed") from error
    return pyrage
