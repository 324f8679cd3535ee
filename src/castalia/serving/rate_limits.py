"""Limits on what one request and one key may ask for, and the key file.

A key file has a line for each key, `name sha256-hex [requests=N] [tokens=N]`: the hash of the key,
never the key, and what its owner may ask for in a minute where that differs from the server's rule.
The keys are long and random, so a plain hash cannot be turned round.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from castalia import bounded
from castalia.constraints.budget import CompileLimits
from castalia.errors import RecipeError
from castalia.sentences import say
from castalia.serving.http_errors import Busy, Unknown

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
PREFIX = "castalia-"


@dataclass(frozen=True)
class Limits:
    """Of one request, unless noted otherwise.

    body      bytes; they are counted before anything is parsed.
    pixels    of a picture that is sent in, from its header, before a pixel is decoded.
    items     samples of a request (n, over all its prompts), and items that are sent in.
    tokens    new tokens of a text (max_tokens), and of a prompt.
    constraint  work that a constraint may be.
    seconds   until the result must be there.
    patience  seconds for a whole body to come in, for headers, and for a client to take what it is
              sent.
    requests, new_tokens  of a key in a minute; None: as many as it likes.
    """

    body: int = 8 << 20
    pixels: int = 1 << 24
    items: int = 64
    tokens: int = 8192
    seconds: float = 120.0
    patience: float = 20.0
    requests: int | None = None
    new_tokens: int | None = None
    constraint: CompileLimits = field(default_factory=CompileLimits)


class Bucket:
    """`rate` a minute, refilled as time passes; a minute's worth may be used at once. None: no
    limit.
    """

    def __init__(self, rate: int | None) -> None:
        self.rate, self.left, self.seen = rate, float(rate or 0), time.monotonic()

    def wait(self, wanted: float) -> float:
        """Seconds until there is `wanted`; 0 when there is."""
        if self.rate is None:
            return 0.0
        now = time.monotonic()
        self.left = min(self.rate, self.left + (now - self.seen) * self.rate / 60)
        self.seen = now
        return max(0.0, (min(wanted, self.rate) - self.left) * 60 / self.rate)

    def take(self, count: float) -> None:
        """What was used; it may be more than there was, and is then owed."""
        if self.rate is not None:
            self.left -= count

    def reserve(self, count: float) -> None:
        """Take what a request may use, before it uses it. Raises Busy where there is less, now or
        ever.
        """
        seconds = self.wait(count)
        if self.rate is None:
            return
        if count > self.rate:
            raise Busy(
                say(
                    "this request may use {0:,.0f} tokens, and this key has {1:,} a minute",
                    count,
                    self.rate,
                ),
                fix=say("ask for less: a smaller max_tokens or n"),
                seconds=60.0,
            )
        if seconds > 0:
            raise Busy(
                say(
                    "this request may use {0:,.0f} tokens, and this key has {1:,.0f} left "
                    "of this minute",
                    count,
                    max(0.0, self.left),
                ),
                where=say("{0:,} a minute", self.rate),
                fix=say("try again later, or ask for less: a smaller max_tokens or n"),
                seconds=seconds,
            )
        self.take(count)


class Metered(Protocol):
    """Work that counts its tokens: engine.Ticket."""

    used: int


class Bill:
    """The tokens of one request: what it may use is taken from its key before it begins, what it
    did not use goes back when it ends, however it ends.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket, self.reserved, self.added = bucket, 0, 0
        self.tickets: list[Metered] = []

    @property
    def used(self) -> int:
        return self.added + sum(ticket.used for ticket in self.tickets)

    def reserve(self, most: int) -> None:
        """Raises Busy where the key has less left."""
        self.bucket.reserve(most)
        self.reserved += most

    def add(self, tokens: int) -> None:
        """Tokens that no ticket counts."""
        self.added += tokens

    def settle(self) -> None:
        """Give back what was not used. Once, when nothing is computed for the request any more."""
        self.bucket.take(self.used - self.reserved)
        self.reserved = self.added = 0
        self.tickets.clear()


@dataclass
class Key:
    """An API key and its use. The only one without a hash stands for this machine's own users."""

    name: str
    digest: str = ""
    requests: Bucket = field(default_factory=lambda: Bucket(None))
    tokens: Bucket = field(default_factory=lambda: Bucket(None))

    def admit(self) -> None:
        """Count a request. Raises Busy when the key has used up its minute."""
        for bucket, wanted, what in (
            (self.requests, 1.0, say("requests")),
            (self.tokens, 1.0, say("tokens")),
        ):
            seconds = bucket.wait(wanted)
            if seconds > 0:
                raise Busy(
                    say("this key has used up its {0} of this minute", what),
                    where=say("{0:,} a minute", bucket.rate),
                    fix=say("try again later"),
                    seconds=seconds,
                )
        self.requests.take(1)


class Keys:
    """The keys of a file, or none: then every client that reaches the server may use it."""

    def __init__(self, keys: Sequence[Key] = (), limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.keys = tuple(keys)
        self.anyone = Key(
            "local", requests=Bucket(limits.requests), tokens=Bucket(limits.new_tokens)
        )

    @classmethod
    def load(cls, path: Path, limits: Limits) -> Keys:
        """Raises RecipeError for a file that cannot be read, has a line that is no key, or has
        none.
        """
        try:
            lines = bounded.read_text(path, "settings_bytes", RecipeError).splitlines()
        except RecipeError as error:
            raise RecipeError(
                say("the file of keys cannot be read: {0}", error.what),
                where=path,
                fix=f"castalia serve --new-key NAME --api-key-file {path}",
            ) from error
        keys = [
            _key(line, f"{path}, line {number}", limits)
            for number, line in enumerate(lines, 1)
            if line.strip() and line[0] != "#"
        ]
        names = [key.name for key in keys]
        if not keys or len(set(names)) < len(names):
            what = (
                say("two keys have the same name") if keys else say("there is no key in the file")
            )
            raise RecipeError(
                what, where=path, fix=f"castalia serve --new-key NAME --api-key-file {path}"
            )
        return cls(keys, limits)

    def find(self, authorization: str) -> Key:
        """Whose key an Authorization header holds. Raises Unknown. Takes as long whichever key it
        is.
        """
        if not self.keys:
            return self.anyone
        scheme, _, given = authorization.partition(" ")
        digest = hashlib.sha256(given.strip().encode(errors="replace")).hexdigest()
        match = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                match = key
        if match is None or scheme.lower() != "bearer":
            raise Unknown(
                say("this server wants a key, and this is none of its keys")
                if given
                else say("this server wants a key"),
                where="Authorization: Bearer KEY",
                fix=say("ask whoever runs the server; castalia serve --new-key NAME makes one"),
            )
        return match


def new_key(path: Path, name: str) -> str:
    """A new key, whose hash is added to the file. It is nowhere but in what this returns."""
    if not NAME.fullmatch(name):
        raise RecipeError(
            say("a key's name has letters, digits, dot, dash and underscore, 64 at most"),
            where=f"--new-key {name[:80]!r}",
        )
    if path.exists() and any(
        line.split()[:1] == [name]
        for line in bounded.read_text(path, "settings_bytes", RecipeError).splitlines()
    ):
        raise RecipeError(
            say("there is a key called '{0}' already", name),
            where=path,
            fix=say("take another name, or delete its line"),
        )
    key = PREFIX + secrets.token_urlsafe(32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(
        os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8"
    ) as file:
        file.write(f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n")
    return key


def _key(line: str, where: str, limits: Limits) -> Key:
    name, digest, *more = [*line.split(), "", ""][: max(2, len(line.split()))]
    rates = {"requests": limits.requests, "tokens": limits.new_tokens}
    for word in more:
        option, _, value = word.partition("=")
        if option not in rates or not value.isdigit() or int(value) < 1:
            raise RecipeError(
                say("this is no limit of a key"),
                where=f"{where}: {word}",
                fix=say("requests=60 or tokens=10000, a minute"),
            )
        rates[option] = int(value)
    if not NAME.fullmatch(name) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise RecipeError(
            say("this line is no key"),
            where=where,
            fix=say("a line is: name, and the SHA-256 of the key in hexadecimal"),
        )
    return Key(name, digest, Bucket(rates["requests"]), Bucket(rates["tokens"]))
