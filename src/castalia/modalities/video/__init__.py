"""Video."""

from castalia.modality import DataSet, Foreign, Modality, Named
from castalia.sentences import say

_HERE = "castalia.modalities.video"

MODALITY = Modality(
    name="video",
    about="clips: animated GIF, WebP and PNG; MP4, WebM, AVI, MOV with castalia[video]",
    package=_HERE,
    item="clip",
    items=say("clips"),
    codec=f"{_HERE}.codec:VideoCodec",
    first="video/flow",
    base="video/flow",
    check=f"{_HERE}.check:ClipCheck",
    matcher=f"{_HERE}.copies:Clips",
    presenter=f"{_HERE}.presenter:ClipPresenter",
    trials=f"{_HERE}.trials:trials",
    label=f"{_HERE}.label:labelled",
    demo=f"{_HERE}.demo:demo",
    features={"video-handmade-v1": f"{_HERE}.metrics.features:HandmadeFeatures"},
    edits={
        "predict": Named(f"{_HERE}.edits:Predict", "how clips go on"),
        "infill": Named(f"{_HERE}.edits:InfillClips", "missing frames and parts of frames"),
        "slow": Named(f"{_HERE}.edits:Slow", "frames between frames"),
    },
    data={
        "emoji": DataSet(
            "96 animated emoji, 8 frames of 32x32",
            "MIT; Fluent Emoji, Copyright (c) Microsoft Corporation; animations packed by LobeHub",
        ),
    },
    foreign=(
        Foreign(
            say("video files"),
            (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv"),
            say("pip install 'castalia[video]' reads most of them; or save them as animated GIF"),
        ),
    ),
    media={".webp": "image/webp", ".mkv": "video/x-matroska"},
    # before pictures: an animated file is a clip if it has several frames
    rank=8,
)
