"""The words of visible labels.

China's 人工智能生成合成内容标识办法 (2025), article 4, and GB 45438-2025 ask for words that hold
"人工智能" or "AI" and "生成" or "合成": at the beginning, end or in the middle of a text, at the
edge or in a corner of a picture, at the beginning of a video; of a sound, as words or as a rhythm
at its beginning or end. Read from public summaries, not from the standard's own text. The EU's AI
Act asks for a clear label, without words of its own.
"""

from __future__ import annotations

from typing import Any, Literal

from castalia import modality
from castalia.codecs.base import Codec

Language = Literal["en", "zh"]
WORDS: dict[Language, str] = {"en": "AI-generated", "zh": "AI生成"}


def line(language: Language) -> str:
    """The first line of a labelled text."""
    return f"【{WORDS[language]}】\n" if language == "zh" else f"[{WORDS[language]}]\n"


def labelled(codec: Codec[Any], item: Any, language: Language) -> Any | None:
    """The item with its label; None where items of this kind have none, or this one no room."""
    if isinstance(item, str):
        return line(language) + item
    put = modality.part_of(codec, "label")
    return None if put is None or not isinstance(item, codec.native) else put(item, language)
