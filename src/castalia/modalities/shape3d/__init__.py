"""Shapes in three dimensions: meshes."""

from castalia.modalities.shape3d.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality
from castalia.sentences import say

_HERE = "castalia.modalities.shape3d"

MODALITY = Modality(
    name="shape3d",
    about="shapes: meshes as GLB, STL, OBJ, PLY, OFF",
    package=_HERE,
    item="shape",
    items=say("shapes"),
    codec=f"{_HERE}.codec:ShapeCodec",
    first="shape3d/vae",
    base="shape3d/vae",
    presenter=f"{_HERE}.presenter:ShapePresenter",
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("models in formats that are not read"),
            (
                ".gltf",
                ".fbx",
                ".blend",
                ".3ds",
                ".dae",
                ".3mf",
                ".step",
                ".stp",
                ".iges",
                ".igs",
                ".usdz",
                ".skp",
            ),
            say("save them as GLB or STL from the program that made them, or from Blender"),
        ),
    ),
    media={
        ".glb": "model/gltf-binary",
        ".stl": "model/stl",
        ".obj": "model/obj",
        ".ply": "model/ply",
        ".off": "model/off",
    },
    rank=60,
)
