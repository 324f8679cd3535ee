"""Pictures."""

from castalia.modalities.image.data_sets import DATA_SETS
from castalia.modality import Foreign, Modality, Named
from castalia.sentences import say

_HERE = "castalia.modalities.image"

MODALITY = Modality(
    name="image",
    about="pictures: PNG, JPEG, WebP, GIF, BMP, TIFF, IDX, .npy",
    package=_HERE,
    item="picture",
    items=say("pictures"),
    codec=f"{_HERE}.codec:ImageCodec",
    first="image/vae",
    base="image/vae",
    demo=f"{_HERE}.demo:demo",
    check=f"{_HERE}.check:PictureCheck",
    matcher=f"{_HERE}.copies:Pictures",
    tables=f"{_HERE}.tables:tables",
    features={
        "castalia-net64-v1": f"{_HERE}.metrics.features:Net64Features",
        "castalia-net32-v1": f"{_HERE}.metrics.features:Net32Features",
        "effnetlite0": f"{_HERE}.metrics.features:EffnetFeatures",
    },
    edits={
        "infill": Named(f"{_HERE}.edits:InfillPictures", "parts of pictures made anew"),
        "outpaint": Named(f"{_HERE}.edits:Outpaint", "pictures continued beyond their edges"),
        "denoise": Named(f"{_HERE}.edits:Denoise", "noise taken away"),
        "upscale": Named(f"{_HERE}.edits:Upscale", "small pictures enlarged"),
        "colourise": Named(f"{_HERE}.edits:Colourise", "grey pictures coloured"),
    },
    presenter=f"{_HERE}.presenter:PicturePresenter",
    trials=f"{_HERE}.trials:trials",
    label=f"{_HERE}.label:labelled",
    watermark=f"{_HERE}.watermark:MARK",
    data=DATA_SETS,
    foreign=(
        Foreign(
            say("pictures in formats that are not read"),
            (".svg", ".psd", ".raw", ".cr2", ".nef", ".dng", ".jxl"),
            say("save them as PNG or JPEG"),
        ),
        Foreign(
            say("HEIC pictures"),
            (".heic", ".heif", ".hif"),
            say("pip install 'castalia[documents]' reads them; or save them as JPEG"),
        ),
    ),
    rank=10,
)
