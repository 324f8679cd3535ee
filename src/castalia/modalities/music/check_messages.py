"""What a check of scores says: the sentences of its findings and the names of its facts, in
English and in Chinese.
"""

from __future__ import annotations

from castalia.checks.messages import Sentence

FINDINGS: dict[str, Sentence] = {
    "silent": Sentence(
        "warning",
        "{count} scores have no note.",
        "{count} 份乐谱没有任何音符。",
        "{count} score has no note.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "notes": ("notes", "音符"),
    "notes_of_one": ("notes of a piece", "每首音符"),
    "quarters": ("length, quarter notes", "长度（四分音符）"),
    "parts": ("parts", "声部"),
    "in_voices": ("pieces in voices", "按声部写的曲子"),
    "keys": ("keys", "调"),
    "metres": ("metres", "拍号"),
    "pitches": ("pitches", "音高"),
}
