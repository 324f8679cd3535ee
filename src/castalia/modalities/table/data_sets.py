"""Built-in tables: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "penguins": DataSet(
        "344 penguins of three species on three islands, measured; some cells missing",
        "CC0 1.0; Allison Horst, Alison Hill and Kristen Gorman, palmerpenguins",
    ),
    "census": DataSet(
        "8,000 people of the US census of 1994: age, education, work, income",
        "CC BY 4.0; Barry Becker and Ronny Kohavi, Adult, UCI Machine Learning Repository (1996)",
    ),
}
