"""castalia demo lesson: a sheet of numbers and one of a story that is built in, in the current
language, and what the checker says of them.
"""

from __future__ import annotations

from pathlib import Path

from castalia.cli.console import echo
from castalia.language import current
from castalia.sentences import say

DATA = Path(__file__).parent / "data"
NUMBERS = ("arithmetic", "fractions", "equations", "units", "stories")


def demo(folder: Path) -> Path:
    """The worksheet of numbers."""
    from castalia.apps.lesson.file_checks import checked
    from castalia.apps.lesson.making import lesson

    language = current()
    story = DATA / f"story.{language}.txt"
    numbers = lesson(NUMBERS, n=30, steps=(1, 3), seed=1, language=language)
    words = lesson(("cloze", "vocabulary"), n=10, text=story, seed=1)
    page, other = numbers.write(folder), words.write(folder / "words")
    for file, text in ((folder / "lesson.json", None), (folder / "words" / "lesson.json", story)):
        found = checked(file, text)
        echo(say("{0} of {1} answers are right", len(found.right), len(found.every)))
    echo(say("of a text: {0}", other))
    return page
