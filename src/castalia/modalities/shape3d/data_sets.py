"""Built-in shapes: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "furniture": DataSet(
        "31 models of furniture, 4 classes",
        "CC0; authors of BlendSwap named in its LICENSE, by way of Sweet Home 3D",
    ),
}
