"""Files beside a page: pictures and sound by relative links, anything else as its presenter shows
it, inside the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from castalia.pages.html import Html

# what browsers show and play by themselves
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".svg")
SOUND = (".wav", ".mp3", ".ogg", ".flac", ".m4a")


@dataclass(frozen=True)
class Link:
    """name: what is read; address: relative to the page, quoted for a URL."""

    name: str
    address: str


@dataclass(frozen=True)
class Shown:
    """One item: its files, and how it is shown where a browser does not show the first of them.

    caption: what stands below it, such as its class. place: the folder of the files as the page
    sees it, with a slash at its end.
    """

    files: Sequence[Path]
    shown: Html | None = None
    caption: str = ""
    place: str = ""

    @property
    def links(self) -> list[Link]:
        return [Link(file.name, quote(self.place + file.name)) for file in self.files]

    @property
    def played(self) -> list[str]:
        """Addresses of the files that a page can play; none where what is shown has a player."""
        if self.shown is not None and "<audio" in self.shown:
            return []
        return [one.address for one in self.links if one.name.lower().endswith(SOUND)]

    @property
    def is_picture(self) -> bool:
        """Whether the first file is a picture that browsers show."""
        return is_picture(self.files[0])

    @property
    def kind(self) -> str:
        """How wide its cell is: "wide" for what is shown inside the page."""
        return "" if self.shown is None else "wide"


def is_picture(path: Path) -> bool:
    """Whether browsers show a file of this name."""
    return path.name.lower().endswith(PICTURES)
