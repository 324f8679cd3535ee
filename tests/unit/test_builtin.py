"""The built-in sets: whole, licensed, small, and listed without loading anything heavy."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from castalia.codecs import array_files
from castalia.data import builtin
from castalia.data.source import DataConfig, open_source
from castalia.data.stream import prepare
from castalia.errors import DataError
from castalia.modalities.audio.codec import AudioCodec
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.music.codec import MusicCodec
from castalia.modalities.series.codec import SeriesCodec
from castalia.modalities.table.codec import TableCodec
from castalia.modalities.text.codec import TextCodec, TextConfig

PICTURES = {"digits": (1797, (1, 8, 8)), "fashion": (5000, (1, 28, 28))}
TEXTS = {"shakespeare": (69, 1_115_394, 65), "tang": (3991, 223_305, 4931)}

SERIES = {"co2": (2284, 59), "elnino": (732, 0), "sunspots": (309, 0)}
TABLES = {"census": (8000, 15), "penguins": (344, 7)}


def test_every_set_is_tested_below():
    assert set(builtin.names()) == {
        *PICTURES,
        *TEXTS,
        *TABLES,
        "boxoban",
        "chorales",
        "drums",
        "emoji",
        "furniture",
        *SERIES,
    }


@pytest.mark.parametrize("name", builtin.names())
def test_sets_are_licensed(name: str):
    folder = builtin.path(name)
    assert (folder / "LICENSE").is_file() and (folder / "README.md").is_file()
    assert builtin.about(name) and builtin.licence(name)
    notice = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")
    assert {
        "digits": "Alpaydin",
        "fashion": "Zalando",
        "shakespeare": "Karpathy",
        "tang": "JackeyGao",
        "chorales": "Boulanger-Lewandowski",
        "census": "Kohavi",
        "penguins": "Gorman",
        "drums": "Sonic Pi",
        "emoji": "Fluent Emoji",
        "furniture": "BlendSwap",
        "boxoban": "DeepMind",
        "co2": "Keeling",
        "elnino": "El Nino",
        "sunspots": "Royal Observatory",
    }[name] in notice


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_whole(name: str):
    dataset = prepare(DataConfig(source=f"builtin/{name}"), ImageCodec())
    count, shape = PICTURES[name]
    assert (
        dataset.report["items"]
        == dataset.report["distinct"]
        == count
        == len(dataset.train) + len(dataset.validation)
    )
    assert dataset.spec.shape == shape and dataset.licence == builtin.licence(name)
    assert len(dataset.conditions["label"]) == 10 and dataset.report["unlabelled"] == 0
    assert min(dataset.report["classes"].values()) > count / 12


@pytest.mark.parametrize("name", SERIES)
def test_series_are_whole(name: str):
    (one,) = SeriesCodec().histories(builtin.path(name) / f"{name}.csv")
    assert (len(one), int(np.isnan(one.values).sum())) == SERIES[name]


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_whole(name: str):
    (path,) = (file for file in builtin.path(name).iterdir() if file.name.startswith(f"{name}.csv"))
    rows = list(TableCodec().read(path))
    assert (len(rows), len(rows[0].cells)) == TABLES[name]


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_whole(name: str):
    documents, characters, distinct = TEXTS[name]
    codec = TextCodec()
    source = open_source(DataConfig(source=f"builtin/{name}"), codec)
    texts = [text for path in source.files for text in codec.read(path)]
    assert len(source) == len(texts) == documents and source.licence == builtin.licence(name)
    assert (sum(map(len, texts)), len(set("".join(texts)))) == (characters, distinct)


def test_shakespeare_is_the_published_file():
    text = "".join(TextCodec().read(builtin.path("shakespeare") / "input.txt.gz"))
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    )
    exact = TextCodec(TextConfig(unknown="error", close=False))
    exact.fit([text])
    assert exact.spec.vocab == 1 + 65


def test_tang_poems_are_their_lines():
    first = next(TextCodec().read(builtin.path("tang") / "poems.jsonl.gz"))
    assert first == "聞道黃花戍，頻年不解兵。\n可憐閨裏月，偏照漢家營。"


def test_chorales_are_the_standard_split():
    scores = {
        side: list(MusicCodec().read(builtin.path("chorales") / f"{side}.pieces.gz"))
        for side in ("train", "valid")
    }
    assert {side: len(found) for side, found in scores.items()} == {"train": 229, "valid": 76}
    assert sum(score.end for found in scores.values() for score in found) == 73_636  # sixteenths
    ranges = [
        [
            note.pitch
            for found in scores.values()
            for score in found
            for note in score.parts[part].notes
        ]
        for part in range(4)
    ]
    assert [(min(pitches), max(pitches)) for pitches in ranges] == [
        (60, 81),
        (52, 74),
        (46, 69),
        (36, 66),
    ]


def test_drums_are_whole():
    dataset = prepare(DataConfig(source="builtin/drums"), AudioCodec())
    assert dataset.report["items"] == dataset.report["distinct"] == 55
    assert set(dataset.report["classes"]) == {"electronic", "kick", "kit", "tabla"}
    assert dataset.licence == builtin.licence("drums")
    layout = dataset.codec.layout
    assert layout.rate == 16_000 and 0.9 < layout.samples / layout.rate < 1.1


def test_digits_are_the_published_ones():
    datasets = pytest.importorskip("sklearn.datasets")
    published = datasets.load_digits()
    folder = builtin.path("digits")
    pictures = array_files.read_array(folder / "digits-images-idx3-ubyte.gz")
    assert (np.rint(published.images * 255 / 16) == pictures).all()
    assert (published.target == array_files.labels(folder / "digits-images-idx3-ubyte.gz")).all()


def test_they_are_small():
    files = [file for name in builtin.names() for file in builtin.path(name).rglob("*")]
    assert sum(file.stat().st_size for file in files if file.is_file()) < 6e6


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from castalia.data import builtin; builtin.names(); print([m for m "
        "in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_wrong_name_gets_a_suggestion():
    with pytest.raises(DataError) as caught:
        builtin.path("fasion")
    assert "builtin/fashion" in caught.value.fix
