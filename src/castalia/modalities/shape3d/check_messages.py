"""Sentences of the findings and facts of a check of shapes."""

from __future__ import annotations

from castalia.checks.messages import Sentence
from castalia.sentences import say_in

FINDINGS: dict[str, Sentence] = {
    "open": Sentence(
        "note",
        "{count} meshes are not closed: they have borders, or sheets that meet. Holes are judged "
        "by rays from six sides; what is written is always closed. codec.repair=refuse leaves them "
        "out instead.",
        "{count} mesh is not closed: it has borders, or sheets that meet. Holes are judged by rays "
        "from six sides; what is written is always closed. codec.repair=refuse leaves it out "
        "instead.",
    ),
    "turned": Sentence(
        "note",
        "{count} meshes have faces that look inwards; what is inside is then judged by counting "
        "faces, which is less certain.",
        "{count} mesh has faces that look inwards; what is inside is then judged by counting "
        "faces, which is less certain.",
    ),
    "bodies": Sentence(
        "note",
        "{count} meshes consist of several bodies; they are kept together as one shape.",
        "{count} mesh consists of several bodies; they are kept together as one shape.",
    ),
    "thin": Sentence(
        "warning",
        "{count} meshes are thinner than a voxel at the trained size ({size}); they come out as "
        "sheets.",
        "{count} mesh is thinner than a voxel at the trained size ({size}); it comes out as a "
        "sheet.",
    ),
    "units": Sentence(
        "note",
        "The longest sides of the meshes reach from {least} to {most}: their files have different "
        "units. Each shape is made as large as its box (codec.scale=each), so this does not "
        "matter.",
    ),
    "units_shared": Sentence(
        "warning",
        "The longest sides of the meshes reach from {least} to {most}: their files seem to have "
        "different units, and with codec.scale=shared the small ones vanish. Use codec.scale=each, "
        "or bring them to one unit.",
    ),
    "lying": Sentence(
        "warning",
        "Of the meshes that do not say which way is up, most are flatter along y than along z. If "
        "they lie on their backs in pictures, set codec.up=z.",
    ),
    "generated": Sentence(
        "warning",
        "{count} meshes carry Castalia's manifest: they were made by a model and are not real "
        "data.",
        "{count} mesh carries Castalia's manifest: it was made by a model and is not real data.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "faces": say_in("check", "triangles"),
    "closed": say_in("check", "closed"),
    "bodies": say_in("check", "bodies"),
    "longest": say_in("check", "longest side"),
    "stored": say_in("check", "stored as"),
}
