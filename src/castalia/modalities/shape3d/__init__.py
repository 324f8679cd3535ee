"""Shapes in three dimensions: meshes."""

from castalia.modalities.shape3d.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality, Named
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
    check=f"{_HERE}.check:ShapeCheck",
    matcher=f"{_HERE}.copies:Solids",
    contract=f"{_HERE}.contract:ShapeContract",
    demo=f"{_HERE}.demo:demo",
    presenter=f"{_HERE}.presenter:ShapePresenter",
    metrics={
        "point-sets": Named(
            f"{_HERE}.metrics.point_sets:PointSets",
            "1-NN accuracy, coverage and matching distance of shapes as point clouds",
        ),
        "solidity": Named(
            f"{_HERE}.metrics.solidity:Solidity",
            "closed, of one body, thick enough: what a 3-D printer asks",
        ),
    },
    titles={
        "nearest-is-same-chamfer": say("1-NN accuracy, Chamfer"),
        "nearest-is-same-emd": say("1-NN accuracy, earth mover"),
        "covered-chamfer": say("Coverage, Chamfer"),
        "covered-emd": say("Coverage, earth mover"),
        "matching-chamfer": say("Matching distance, Chamfer"),
        "matching-emd": say("Matching distance, earth mover"),
        "closed": say("Watertight"),
        "one-body": say("One body"),
        "sturdy": say("Thick walls"),
    },
    features={"shape3d-points-v1": f"{_HERE}.point_clouds:PointFeatures"},
    edits={
        "infill": Named(f"{_HERE}.edits:InfillShapes", "a part of a shape made anew"),
    },
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
