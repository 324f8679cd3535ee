"""Built-in texts: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "shakespeare": DataSet(
        "40,000 lines of Shakespeare's plays, 1.1 million characters of English",
        "public domain; William Shakespeare, selected by Andrej Karpathy",
    ),
    "tang": DataSet(
        "3,991 poems of the Tang dynasty, 223,000 characters of classical Chinese",
        "MIT; Copyright 2016 JackeyGao (chinese-poetry); the poems are in the public domain",
    ),
}
