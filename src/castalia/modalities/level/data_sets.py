"""Built-in levels: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "boxoban": DataSet(
        "2,000 Sokoban levels of 10 by 10 tiles and four boxes",
        "Apache-2.0; authors of DeepMind's Boxoban levels (Guez et al. 2018)",
    ),
}
