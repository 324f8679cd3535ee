"""Render the templates of pages/templates, and of the folders `templates` of apps.

    page = render("report.html.j2", "zh", title="...", rows=[...])

Templates escape every value that is not `Html`, and give each sentence (made by `say`) in the
reader's language, so neither can be forgotten. A value that a template uses and is not given
raises an error. jinja2 is imported with the first page, not before.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from castalia import app, atomic
from castalia.language import Voice
from castalia.pages.html import Html
from castalia.sentences import Message, join, plural, say, say_in, series

if TYPE_CHECKING:
    import jinja2

FOLDER = Path(__file__).parent
TAGS = {"zh": "zh-Hans"}  # the language of a page, for `lang`


def render(template: str, language: str = "en", **values: Any) -> str:
    """The document. language: "en" or "zh"; another raises RecipeError."""
    return environment(language).get_template(template).render(**values)


def write(path: Path, template: str, language: str = "en", **values: Any) -> None:
    """`render` to a file, whole or not at all."""
    atomic.write(path, render(template, language, **values))


@lru_cache
def stylesheet() -> Html:
    """page.css without comments and indentation."""
    text = (FOLDER / "page.css").read_text(encoding="utf-8")
    return Html(re.sub(r"\s*\n\s*", "\n", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)).strip())


@lru_cache
def script(name: str) -> Html:
    """A script of this folder."""
    return Html((FOLDER / name).read_text(encoding="utf-8"))


@lru_cache
def environment(language: str) -> jinja2.Environment:
    """Templates that speak `language`. Raises RecipeError for one that is not there."""
    import jinja2

    voice = Voice(language)
    folders = [FOLDER, *(Path(str(one.folder)) for one in app.every().values())]
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder / "templates" for folder in folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: voice(value) if isinstance(value, Message) else value,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "say": say,
        "say_in": say_in,
        "plural": plural,
        "join": join,
        "series": series,
        "voice": voice,
        "lang": TAGS.get(language, language),
        "stylesheet": stylesheet,
        "script": script,
    }
    return made
