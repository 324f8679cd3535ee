"""Sentences of the findings and facts of a check of pictures."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "constant": Sentence(
        "warning",
        "{count} pictures are of a single colour.",
        "{count} picture is of a single colour.",
    ),
    "small": Sentence(
        "warning",
        "{count} pictures are less than half as large as training would make them ({width} x "
        "{height}) and would be blurred.",
        "{count} picture is less than half as large as training would make it ({width} x "
        "{height}) and would be blurred.",
    ),
    "gps": Sentence(
        "warning",
        "{count} pictures carry GPS coordinates in their EXIF data. Training does not read them, "
        "but whoever gets the files does.",
        "{count} picture carries GPS coordinates in its EXIF data. Training does not read them, "
        "but whoever gets the file does.",
    ),
    "named": Sentence(
        "note",
        "{count} pictures name somebody or a camera in their metadata ({what}).",
        "{count} picture names somebody or a camera in its metadata ({what}).",
    ),
    "generated": Sentence(
        "warning",
        "{count} pictures carry Castalia's manifest: they were drawn by a model and are not real "
        "data.",
        "{count} picture carries Castalia's manifest: it was drawn by a model and is not real "
        "data.",
    ),
    "captioned": Sentence(
        "note",
        "{count} pictures have captions; image/flow-words draws pictures from words, "
        "image/captioner says what pictures show.",
        "{count} picture has a caption; image/flow-words draws pictures from words, "
        "image/captioner says what pictures show.",
    ),
    "misnamed": Sentence(
        "note",
        "{count} pictures have an ending that is not their format; they are read all the same.",
        "{count} picture has an ending that is not its format; it is read all the same.",
    ),
    "animated": Sentence(
        "note",
        "{count} files have several frames or pages; only the first is read.",
        "{count} file has several frames or pages; only the first is read.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "widths": say_in("check", "width"),
    "heights": say_in("check", "height"),
    "stored": say_in("check", "stored as"),
    "sizes": say_in("check", "sizes"),
    "trained": say_in("check", "trained at"),
}
