"""Sentences of the findings and facts of a check of sounds."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "silent": Sentence(
        "warning",
        "{count} sounds are silent.",
        "{count} sound is silent.",
    ),
    "clipped": Sentence(
        "warning",
        "{count} sounds are clipped: their loudest samples are cut off flat, which is heard as "
        "distortion and is learned.",
        "{count} sound is clipped: its loudest samples are cut off flat, which is heard as "
        "distortion and is learned.",
    ),
    "offset": Sentence(
        "note",
        "{count} sounds have a DC offset: their mean is not zero. A high-pass filter removes it.",
        "{count} sound has a DC offset: its mean is not zero. A high-pass filter removes it.",
    ),
    "tiny": Sentence(
        "warning",
        "{count} sounds are shorter than 20 milliseconds.",
        "{count} sound is shorter than 20 milliseconds.",
    ),
    "cut_off": Sentence(
        "warning",
        "{count} sounds are longer than the {seconds} seconds that training would take; the rest "
        "is left out. codec.seconds=... takes more; codec.cut=silence makes many sounds of a long "
        "recording.",
        "{count} sound is longer than the {seconds} seconds that training would take; the rest is "
        "left out. codec.seconds=... takes more; codec.cut=silence makes many sounds of a long "
        "recording.",
    ),
    "uneven": Sentence(
        "note",
        "The loudest sound is {decibels} dB above the quietest; training makes all equally loud "
        "(codec.level=none leaves them).",
    ),
    "rates": Sentence(
        "note",
        "The files have {count} different sample rates ({what}); all are brought to {rate} Hz.",
    ),
    "generated": Sentence(
        "warning",
        "{count} sounds carry Castalia's manifest: they were made by a model and are not real "
        "data.",
        "{count} sound carries Castalia's manifest: it was made by a model and is not real data.",
    ),
    "spoken": Sentence(
        "warning",
        "{count} sounds have a text beside them. If they are speech, a voice of somebody is "
        "personal data: audio/speech learns to say texts with it, and wants the speaker's consent "
        "in data.consent.",
        "{count} sound has a text beside it. If it is speech, a voice of somebody is personal "
        "data: audio/speech learns to say texts with it, and wants the speaker's consent in "
        "data.consent.",
    ),
    "voices": Sentence(
        "note",
        "If these are voices of people, they are personal data: have their consent, and say in the "
        "model's card whose voices they are.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "seconds": say_in("check", "seconds"),
    "total": say_in("check", "in all"),
    "stored": say_in("check", "stored as"),
    "rates": say_in("check", "sample rates"),
    "peaks": say_in("check", "peaks"),
    "trained": say_in("check", "training takes"),
}
