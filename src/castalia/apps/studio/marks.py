"""How everything that the studio makes is marked: a policy file (governance/policy.py) that boxes
of the page write. `castalia studio --policy FILE` takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from castalia import atomic, bounded
from castalia.apps.studio.desk import Desk
from castalia.apps.studio.workspace import Workspace
from castalia.errors import RunError
from castalia.sentences import say

# key of the policy -> what the box says
MARKS = {
    "watermark": say("a mark in the content, which stays when a messenger saves the file anew"),
    "labels": say("a label that people see or hear"),
    "credentials": say("a signed claim (needs castalia keys new)"),
}
FIRST = ("watermark",)  # of a new studio: what is made stays recognisable as made


def chosen(space: Workspace) -> list[str]:
    """The marks that are on."""
    place = space.root / space.RULES
    if not place.exists():
        return []
    rules = bounded.parse_yaml(bounded.read_text(place, "settings_bytes", RunError), place)
    return [name for name in MARKS if name in rules]


def choose(space: Workspace, names: Sequence[str], language: str) -> None:
    """Writes the policy. language: of the labels."""
    values = {
        "watermark": "{quality: 40}",
        "labels": f"{{language: {language}}}",
        "credentials": "true",
    }
    lines = ["format: 1", *(f"{name}: {values[name]}" for name in MARKS if name in names)]
    atomic.write(space.root / space.RULES, "\n".join(lines) + "\n")


def boxes(desk: Desk, whole: gr.Blocks) -> None:
    """The boxes; where a policy was given, its name."""
    if desk.space.given_policy is not None:
        gr.Markdown(desk.say("The rules are those of {0}.", desk.space.given_policy.name))
        return
    marks = gr.CheckboxGroup(
        [(desk.voice(words), name) for name, words in MARKS.items()],
        label=desk.say("Everything that is made gets"),
        elem_id="marks",
    )
    whole.load(lambda: chosen(desk.space), None, marks)
    marks.input(lambda names: choose(desk.space, names, desk.voice.language), marks, None)
