"""What a prompt tells a model that does not go on with texts: its caption, or the classes that it
names. And a class by its name, whatever condition it belongs to.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from castalia.errors import RecipeError, meant
from castalia.sampling.generate import caption_name
from castalia.sentences import say
from castalia.spec import Classes, Condition

SHOWN = 40  # classes of a condition that an error names


def told_by(
    prompt: str, conditions: Mapping[str, Condition], cond: Mapping[str, str | int]
) -> dict[str, str | int]:
    """Conditions beside `cond`, by name: the text itself of a model that is told one, else the
    classes that the text names, of each condition one at most. Raises RecipeError where it names
    none, or several.
    """
    caption = caption_name(conditions)
    if caption is not None and caption not in cond:
        return {caption: prompt} if prompt.strip() else {}
    classes = {name: kind.names for name, kind in conditions.items() if isinstance(kind, Classes)}
    return classes_named(prompt, classes, cond)


def classes_named(
    prompt: str, classes: Mapping[str, tuple[str, ...]], cond: Mapping[str, str | int]
) -> dict[str, str | int]:
    """The class that a prompt names, in the words of the data, whichever language they are in:
    "猫", or "a picture of a cat"; of a run that is told several things one of each at most: "a red
    circle".
    """
    wanted = _plain(prompt)
    if not wanted:
        return {}
    if not classes:
        raise RecipeError(
            say("this run draws without being told what"), where="prompt", fix='prompt=""'
        )
    matches = {
        (name, own)
        for name, names in classes.items()
        if name not in cond
        for own in names
        if _plain(own) == wanted or _within(_plain(own), wanted)
    }
    exact = {(name, own) for name, own in matches if _plain(own) == wanted}
    chosen = dict(exact or matches)
    if not chosen or len(chosen) < len(exact or matches) or len(exact) > 1:
        known = ", ".join(own for names in classes.values() for own in names[:SHOWN])
        what = (
            say("the prompt names no class of this run")
            if not chosen
            else say("the prompt names several classes of this run")
        )
        raise RecipeError(what, where="prompt", fix=say("one of: {0}", known))
    return dict(chosen)


def class_named(conditions: Mapping[str, Condition], value: str, where: str) -> tuple[str, int]:
    """(condition, number) of the class of this name; of several the first condition's. Raises
    RecipeError, with the names that there are.
    """
    names = classes_of(conditions)
    if not names:
        raise RecipeError(
            say("there are no classes"),
            where=where,
            fix=say("train on a folder with a sub-folder for each class, data.conditional=true"),
        )
    if value not in names:
        raise RecipeError(
            say("there is no class '{0}'", value[:80]),
            where=where,
            fix=say("{0}one of: {1}", meant(value[:80], names), ", ".join(names)),
        )
    return names[value]


def classes_of(conditions: Mapping[str, Condition]) -> dict[str, tuple[str, int]]:
    """Class -> (condition, number), of all conditions that are classes."""
    known: dict[str, tuple[str, int]] = {}
    for name, kind in conditions.items():
        if isinstance(kind, Classes):
            for number, one in enumerate(kind.names):
                known.setdefault(one, (name, number))
    return known


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _within(name: str, text: str) -> bool:
    """Whether a name stands in a text as a word; in scripts without spaces, anywhere."""
    if re.search(r"[\u3040-\u30ff\u3400-\u9fff]", name):
        return name in text
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
