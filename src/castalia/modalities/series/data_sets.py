"""Built-in series: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "co2": DataSet(
        "2,284 weeks of carbon dioxide in the air over Mauna Loa, 1958 to 2001, with gaps",
        "public domain; C.D. Keeling and T.P. Whorf, Scripps Institution of Oceanography",
    ),
    "elnino": DataSet(
        "732 months of the surface temperature of the eastern Pacific, 1950 to 2010",
        "public domain; NOAA Climate Prediction Center",
    ),
    "sunspots": DataSet(
        "309 years of sunspots, 1700 to 2008",
        "public domain; SIDC, Royal Observatory of Belgium, by way of NOAA",
    ),
}
