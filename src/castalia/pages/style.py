"""The style sheet of the pages, from page.css beside this file."""

from pathlib import Path

CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
