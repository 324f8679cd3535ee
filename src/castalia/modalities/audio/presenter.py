"""Sounds on pages: a spectrogram with a player below it, the sound inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from castalia.codecs import riff
from castalia.language import Voice
from castalia.modalities.audio.drawing import spectrogram
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.pages import html
from castalia.pages.html import Html

SHOWN = 12  # sounds of one block: each takes about as many bytes as its file
LONGEST = 10.0  # seconds of a sound that are put into a page


class SoundPresenter:
    def __init__(self, codec: Any) -> None:
        self.codec = codec

    def items(self, items: Sequence[Sound], voice: Voice) -> Html:
        return html.block("sounds", [self.item(item, voice) for item in items[:SHOWN]])

    def item(self, item: Sound, voice: Voice) -> Html:
        return html.block("sound", [self._drawn(item, voice), player(item)])

    def pair(self, one: Sound, other: Sound, voice: Voice) -> tuple[Html, Html]:
        return self.item(one, voice), self.item(other, voice)

    def evidence(self, evidence: Mapping[str, Any], names: tuple[str, str], voice: Voice) -> Html:
        """Nothing: the sounds themselves are the evidence."""
        return Html()

    def _drawn(self, item: Sound, voice: Voice) -> Html:
        words = voice.say("spectrogram of {0:.2f} s", item.seconds)
        return html.drawing(spectrogram(item), words)


def player(sound: Sound) -> Html:
    """An <audio> element with the sound inside, 16-bit WAV; of a long one, the beginning."""
    samples = sound.samples[: int(LONGEST * sound.rate)]
    whole = (on_grid(samples) * 32768).astype(np.dtype("<i2"))
    data = base64.b64encode(riff.wav(whole.tobytes(), sound.rate)).decode()
    return Html('<audio controls preload="none" src="data:audio/wav;base64,{}"></audio>').format(
        data
    )
