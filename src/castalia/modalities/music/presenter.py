"""Scores on pages: as piano rolls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from castalia.language import Voice
from castalia.modalities.music.score import Score
from castalia.modalities.music.svg import bars_of, notes_of, roll
from castalia.pages import html
from castalia.pages.html import Html
from castalia.pages.presenter import Drawn


class ScorePresenter(Drawn):
    def pair(self, one: Score, other: Score, voice: Voice) -> tuple[Html, Html]:
        return roll(notes_of(one), bars=bars_of(one)), roll(notes_of(other), bars=bars_of(other))

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        two = [
            roll(evidence[f"{side}_roll"], name, evidence.get(f"{side}_bars", ()))
            for side, name in zip(("sample", "train"), names, strict=True)
        ]
        words = voice.say(
            "{0} notes, {1} of their steps changed, {2:.0f} bits",
            evidence["length"],
            evidence["edits"],
            evidence["bits"],
        )
        return html.block("pair", two) + html.measure(words)
