"""Built-in sounds: what each set in the folder `data` is, its licence and attribution."""

from castalia.modality import DataSet

DATA_SETS = {
    "drums": DataSet(
        "55 struck sounds, 16 kHz, 4 classes: kick, kit, electronic, tabla",
        "CC0 1.0; authors by file in its README, from Sonic Pi's samples",
    ),
}
