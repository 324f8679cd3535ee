"""Put marks on what leaves, and say in its manifest how."""

from __future__ import annotations

from typing import Any

from castalia import modality
from castalia.codecs.base import Codec
from castalia.errors import RunError
from castalia.governance.watermark.key import Key
from castalia.governance.watermark.watermark import MarksItems, MarksSampling
from castalia.nn.tournament import Tournament
from castalia.sentences import say


def marked(codec: Codec[Any], item: Any, model: str, quality: float) -> tuple[Any, dict[str, Any]]:
    """The item with the mark of the weights `model` (SHA-256), and what its manifest says of that:
    {"watermark": {"method", "mark", "quality"}}, the mark "" where the item has no room for one.
    Items whose modality has no such mark come back as they are, with {}.
    """
    method = modality.part_of(codec, "watermark")
    if not isinstance(method, MarksItems) or not isinstance(item, method.native):
        return item, {}
    key = Key.own()
    mark = "" if method.trouble(item) else key.mark_of(model)
    facts = {"method": method.name, "mark": mark, "quality": quality}
    item = method.marked(item, key, mark, quality) if mark else item
    return item, {"watermark": facts}


def sampler(codec: Codec[Any], model: str) -> Tournament | None:
    """By what the tokens of the weights `model` are drawn under a policy with marks; None for items
    whose modality has no such mark.
    """
    method = modality.part_of(codec, "watermark")
    return method.sampler(Key.own(), model, codec) if isinstance(method, MarksSampling) else None


def sampler_again(codec: Codec[Any], facts: dict[str, Any]) -> Tournament | None:
    """The same for an item that is made anew from its manifest. Raises RunError where this
    installation has not the key of that mark.
    """
    method = modality.part_of(codec, "watermark")
    if not facts.get("watermark") or not isinstance(method, MarksSampling):
        return None
    return method.sampler(key_of(facts), str(facts.get("model")), codec)


def marked_again(codec: Codec[Any], item: Any, facts: dict[str, Any]) -> Any:
    """An item that is made anew, with the mark that its manifest names. Raises RunError where this
    installation has not the key of that mark.
    """
    told = facts.get("watermark")
    method = modality.part_of(codec, "watermark")
    if not isinstance(told, dict) or not told.get("mark") or not isinstance(method, MarksItems):
        return item
    return method.marked(item, key_of(facts), told["mark"], float(told["quality"]))


def key_of(facts: dict[str, Any]) -> Key:
    """The key of the mark that a manifest names. Raises RunError where it is not here."""
    key = Key.known()
    told = facts["watermark"]
    if key is None or key.mark_of(str(facts.get("model"))) != told.get("mark"):
        raise RunError(
            say("the file has a watermark of another installation"),
            where=say("mark {0}", told.get("mark")),
            fix=say("reproduce it where it was made, or bring that key here"),
        )
    return key
