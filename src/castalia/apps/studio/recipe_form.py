"""A form of every key of a recipe, made from the schemas of its sections, and what was changed in
it, as `castalia train` takes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr
import yaml

from castalia.apps.studio.desk import Desk
from castalia.recipe import Recipe
from castalia.sentences import say

SECTIONS = {
    "training": say("training"),
    "family": say("model"),
    "codec": say("items"),
    "data": say("data"),
    "sampling": say("sampling"),
}
# chosen elsewhere on the page, or by the recipe itself
HIDDEN = frozenset(("data.source", "training.minutes", "codec.name", "family.name"))


class Key(NamedTuple):
    """One key: "training.batch", what the recipe says, what its schema says of it."""

    name: str
    value: Any
    schema: Mapping[str, Any]


def keys(plan: Recipe, section: str) -> list[Key]:
    """The keys of a section, nested ones with their path."""
    config: Any = {"training": plan.training, "data": plan.data, "sampling": plan.sampling}.get(
        section
    ) or getattr(plan, section).config
    schema = type(config).model_json_schema()
    values = plan.as_dict().get(section) or {}
    found = _walk(section, values, schema, schema.get("$defs", {}))
    return [key for key in found if key.name not in HIDDEN]


def fields(desk: Desk, plan: Recipe) -> tuple[list[Key], list[Any]]:
    """Components for all keys, in an accordion for each section."""
    shown, components = [], []
    for section, title in SECTIONS.items():
        with gr.Accordion(desk.voice(title), open=False), gr.Row():
            for key in keys(plan, section):
                shown.append(key)
                components.append(_component(desk, key))
    return shown, components


def changed(shown: Sequence[Key], values: Sequence[Any]) -> list[str]:
    """Overrides for what was changed: ["training.batch=32"]."""
    return [
        f"{key.name}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in zip(shown, values, strict=True)
        if value != _plain(key)
    ]


def _walk(
    before: str, values: Mapping[str, Any], schema: Mapping[str, Any], parts: Mapping[str, Any]
) -> Iterator[Key]:
    properties = schema.get("properties", {})
    for name, value in values.items():
        own = _resolved(properties.get(name, {}), parts)
        if isinstance(value, dict) and own.get("properties"):
            yield from _walk(f"{before}.{name}", value, own, parts)
        else:
            yield Key(f"{before}.{name}", value, own)


def _resolved(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to in its place; of alternatives, the one that is not null."""
    found = dict(schema)
    for one in schema.get("anyOf", schema.get("allOf", [])):
        if one.get("type") != "null":
            found = {**_resolved(one, parts), **found}
            break
    if "$ref" in found:
        found = {**parts.get(found.pop("$ref").rpartition("/")[2], {}), **found}
    return found


def _plain(key: Key) -> Any:
    """The value as its component has it."""
    if isinstance(key.value, bool | int | float):
        return key.value
    if isinstance(key.value, str) or "enum" in key.schema:
        return key.value
    return (
        "null" if key.value is None else yaml.safe_dump(key.value, default_flow_style=True).strip()
    )


def _component(desk: Desk, key: Key) -> Any:
    about: dict[str, Any] = {
        "label": key.name,
        "info": desk.voice(key.schema.get("description", "")) or None,
        "value": _plain(key),
        "min_width": 220,
        "interactive": True,  # gradio does not see by itself that a form of @gr.render is filled in
    }
    if isinstance(key.value, bool):
        return gr.Checkbox(**about)
    if isinstance(key.value, int | float):
        return gr.Number(**about, precision=0 if isinstance(key.value, int) else None)
    if "enum" in key.schema:
        return gr.Dropdown(list(key.schema["enum"]), **about)
    return gr.Textbox(**about)
