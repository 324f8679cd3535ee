"""The consent that a recipe must state before a voice is learned: a model that says texts in the
voice of somebody is a copy of personal data.

Which items need one is the modality's to say (`Aloud.consent`). The sentence is the publisher's
own; it stands in the run's recipe, in run.json and on the card. Castalia cannot know whether it is
true.
"""

from __future__ import annotations

from typing import Any

from castalia import modality
from castalia.data.source import DataConfig
from castalia.errors import Refused
from castalia.sentences import say


def require_consent(config: DataConfig, codec: Any) -> None:
    """codec: or its class. Raises Refused where a model is to read texts letter by letter in
    somebody's voice, and the recipe states no consent. Built-in data have theirs in their licence.
    """
    owner = modality.of(codec)
    if owner is None or owner.aloud is None or config.consent.strip():
        return
    sources = (config.source,) if isinstance(config.source, str) else config.source
    builtin = all(source.startswith("builtin/") for source in sources)
    if config.caption_unit == "letter" and config.tells_captions and not builtin:
        raise Refused(
            owner.aloud.consent,
            where="data.consent",
            fix=say(
                "data.consent='...': whose voices these are, and that they agreed to this use; or "
                "the licence that allows it"
            ),
        )
