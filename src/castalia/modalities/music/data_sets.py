"""Built-in scores: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "chorales": DataSet(
        "305 chorales by J. S. Bach in four parts, sixteenth notes",
        "public domain; Johann Sebastian Bach; encoded by Boulanger-Lewandowski (2012) and "
        "Allan and Williams (2005)",
    ),
}
