"""Music in notes: scores of parts."""

from castalia.modalities.music.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality, Named
from castalia.sentences import say

_HERE = "castalia.modalities.music"

MODALITY = Modality(
    name="music",
    about="music in notes: MIDI, files of pieces",
    package=_HERE,
    item="score",
    items=say("scores"),
    codec=f"{_HERE}.codec:MusicCodec",
    first="music/ar",
    base="music/ar",
    demo=f"{_HERE}.demo:demo",
    check=f"{_HERE}.check:ScoreCheck",
    matcher=f"{_HERE}.copies:Music",
    verdict=f"{_HERE}.verdict:verdict_music",
    presenter=f"{_HERE}.presenter:ScorePresenter",
    contract=f"{_HERE}.contract:MusicContract",
    metrics={
        "music": Named(
            f"{_HERE}.metrics.statistics:MusicStatistics",
            "keys, intervals, durations, voices and groove of music",
        ),
        "motifs": Named(
            f"{_HERE}.metrics.motif_novelty:Motifs",
            "share of melodies that the training pieces have",
        ),
    },
    titles={
        "pitch-class": say("Pitch classes"),
        "key-clarity": say("Clarity of key"),
        "melodic-interval": say("Melodic intervals"),
        "durations": say("Durations"),
        "note-density": say("Density of notes"),
        "polyphony": say("Polyphony"),
        "voice-range": say("Ranges of voices"),
        "crossings": say("Crossings of voices"),
        "parallels": say("Parallel fifths and octaves"),
        "groove": say("Groove"),
        "seen-motifs": say("Melodies seen in training"),
        "longest-motif": say("Longest melody seen in training"),
    },
    edits={
        "infill": Named(f"{_HERE}.edits:InfillScores", "parts and bars of a score made anew"),
    },
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("music in formats that are not read"),
            (".mscz", ".mscx", ".gp5", ".gpx", ".gp", ".sib", ".musx"),
            say("save as MusicXML from the program that made them"),
        ),
    ),
    media={
        ".musicxml": "application/vnd.recordare.musicxml+xml",
        ".wav": "audio/wav",
        ".mid": "audio/midi",
    },
    rank=40,
)
