"""Sounds."""

from castalia.modalities.audio.data_sets import DATA_SETS
from castalia.modality import Aloud, Foreign, Modality, Named
from castalia.sentences import say

_HERE = "castalia.modalities.audio"

MODALITY = Modality(
    name="audio",
    about="sounds: WAV; FLAC, OGG, MP3 with an extra",
    package=_HERE,
    item="sound",
    items=say("sounds"),
    codec=f"{_HERE}.codec:AudioCodec",
    first="audio/flow",
    base="audio/flow",
    demo=f"{_HERE}.demo:demo",
    check=f"{_HERE}.check:SoundCheck",
    matcher=f"{_HERE}.copies:Sounds",
    presenter=f"{_HERE}.presenter:SoundPresenter",
    trials=f"{_HERE}.trials:trials",
    label=f"{_HERE}.label:labelled",
    watermark=f"{_HERE}.watermark:MARK",
    features={"castalia-sound32-v1": f"{_HERE}.metrics.features:Sound32Features"},
    edits={
        "infill": Named(f"{_HERE}.edits:InfillSounds", "gaps in sounds filled, or their end"),
        "denoise": Named(f"{_HERE}.edits:DenoiseSounds", "steady noise taken away"),
    },
    limits=(
        say(
            "If it learned voices of people, they are personal data: it may be used with their "
            "consent, and not to pass for them."
        ),
    ),
    aloud=Aloud(
        consent=say(
            "a voice of somebody is personal data, and a model that speaks with it is a copy of "
            "it: the recipe must state a consent"
        ),
        limits=(
            say(
                "A toy voice: it says short texts of the letters that it knows, mumbles what it "
                "has not heard, and is for learning how speech is made, not for use."
            ),
        ),
    ),
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("sounds in formats that are not read"),
            (".m4a", ".aac", ".wma", ".amr", ".ape", ".caf", ".rf64"),
            say("save them as WAV, FLAC or MP3"),
        ),
    ),
    media={".wav": "audio/wav"},
    rank=50,
)
