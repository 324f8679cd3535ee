"""The image codec: every kind of picture in, exact pixels out, and whatever is bad is named."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from castalia.data.stream import to_unit
from castalia.errors import DataError, SpecError
from castalia.modalities.image import augment
from castalia.modalities.image.codec import (
    ImageCodec,
    ImageConfig,
    contact_sheet,
    flattened,
    read_manifest,
)
from castalia.nn.counter_random import generator
from castalia.testing.codecs import check_codec

MODES = (
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "CMYK",
    "YCbCr",
    "HSV",
    "LAB",
    "I",
    "F",
    "I;16",
)


def codec(
    size: int | tuple[int, int] | None = None, channels: int | None = None, **options: object
) -> ImageCodec:
    return ImageCodec(ImageConfig(size=size, channels=channels, **options))


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> PIL.Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return PIL.Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def of_mode(mode: str, height: int, width: int) -> PIL.Image.Image:
    if mode in ("I", "F", "I;16"):
        ramp = np.linspace(0, 65535, height * width).reshape(height, width)
        return PIL.Image.fromarray(
            ramp.astype({"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode])
        )
    steps = {"RGBa": ("RGBA", "RGBa"), "PA": ("P", "PA")}.get(mode, (mode,))
    picture = noise(height, width)
    if mode == "LAB":
        return PIL.Image.merge("LAB", picture.split())
    for step in steps:
        picture = picture.convert(step)
    return picture


def saved(path: Path, picture: PIL.Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def test_contract():
    check_codec(codec(), [noise(9, 7, 3, seed) for seed in range(3)])
    check_codec(codec(8), [noise(9, 17, 1, seed) for seed in range(3)])


# Properties ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]))
    )
)
def test_pixels_survive_exactly_at_their_own_size(pixels: np.ndarray):
    channels = pixels.shape[2]
    item = PIL.Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
    used = codec((pixels.shape[0], pixels.shape[1]), channels)
    decoded = used.decode(to_unit(used.spec, used.encode(item)))
    assert np.array_equal(np.asarray(decoded), np.asarray(item))


@settings(max_examples=80, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    size=st.one_of(st.integers(1, 33), st.tuples(st.integers(1, 33), st.integers(1, 33))),
    channels=st.sampled_from([1, 3]),
    fit=st.sampled_from(["crop", "pad", "stretch"]),
)
def test_any_picture_encodes_to_the_spec_and_a_second_trip_loses_nothing(
    mode, height, width, size, channels, fit
):
    used = codec(size, channels, fit=fit)
    stored = used.encode(of_mode(mode, height, width))
    assert (
        stored.dtype == torch.uint8
        and tuple(stored.shape) == used.spec.shape
        and stored.is_contiguous()
    )
    again = used.encode(used.decode(to_unit(used.spec, stored)))
    assert torch.equal(stored, again)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.sampled_from([1, 3]), st.integers(1, 8), st.integers(1, 8)),
        elements=st.floats(width=32),
    )
)
def test_decode_never_raises_on_values(values: np.ndarray):
    x = torch.from_numpy(values)
    pixels = np.asarray(codec().decode(x)).reshape(values.shape[1], values.shape[2], -1)
    expected = np.rint(
        (np.clip(np.nan_to_num(values.astype(np.float64), nan=0.0), -1, 1) + 1) * 127.5
    )
    assert np.abs(pixels - expected.transpose(1, 2, 0)).max() <= 1


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]
)
def test_decode_takes_any_number_type(dtype: torch.dtype):
    assert codec().decode(torch.ones(3, 2, 2, dtype=dtype)).getpixel((0, 0)) == (255, 255, 255)


def test_decode_names_a_wrong_shape():
    with pytest.raises(SpecError, match="1 or 3"):
        codec().decode(torch.zeros(2, 4, 4))


# Kinds of pictures --------------------------------------------------------------------------------


def test_exif_rotation_is_applied(tmp_path: Path):
    upright = PIL.Image.new("RGB", (8, 4), "white")
    upright.putpixel((0, 0), (255, 0, 0))
    # what a camera on its side stores; orientation 6 turns it back
    turned = upright.transpose(PIL.Image.Transpose.ROTATE_90)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.png", turned, exif=exif)
    (item,) = codec().read(path)
    assert item.size == (8, 4) and item.getpixel((0, 0)) == (255, 0, 0)


def test_transparency_is_laid_on_white(tmp_path: Path):
    clear = PIL.Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = PIL.Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    palette = PIL.Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    for name, item, expected in (
        ("clear", clear, 255),
        ("half", half, 127),
        ("palette", palette, 255),
    ):
        path = saved(
            tmp_path / f"{name}.png", item, **({"transparency": 0} if name == "palette" else {})
        )
        (found,) = codec().read(path)
        assert codec(4, 3).encode(found).float().mean().item() == pytest.approx(expected, abs=1), (
            name
        )


def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path):
    ramp = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    for ending in ("png", "tif"):
        path = saved(tmp_path / f"a.{ending}", PIL.Image.fromarray(ramp))
        (item,) = codec().read(path)
        assert codec(16, 1).encode(item).flatten().tolist() == list(range(256))


def test_floating_point_pictures(tmp_path: Path):
    for scale in (1, 255):
        values = (np.arange(16, dtype=np.float32) / 15 * scale).reshape(4, 4)
        (item,) = codec().read(saved(tmp_path / f"{scale}.tif", PIL.Image.fromarray(values)))
        assert codec(4, 1).encode(item).flatten().tolist() == [17 * step for step in range(16)]


def test_cmyk_becomes_its_colours(tmp_path: Path):
    (item,) = codec().read(
        saved(tmp_path / "a.jpg", PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100)
    )
    assert item.mode == "CMYK" and codec().describe(item) == "JPEG CMYK"
    red, green, blue = codec(8, 3).encode(item).float().mean((1, 2)).tolist()
    assert red > 240 and green < 15 and blue < 15


def test_one_bit_and_first_frames(tmp_path: Path):
    (item,) = codec().read(saved(tmp_path / "a.png", PIL.Image.new("1", (4, 4), 1)))
    assert item.mode == "1" and codec(4, 1).encode(item).unique().tolist() == [255]
    frames = [PIL.Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    items = list(codec().read(path))
    assert len(items) == 1 and codec(4, 3).encode(items[0])[:, 0, 0].tolist() == [255, 0, 0]


def test_content_wins_over_the_name(tmp_path: Path):
    path = tmp_path / "a.png"
    noise(8, 8).save(path, "JPEG")
    (item,) = codec().read(path)
    assert codec().describe(item) == "JPEG RGB named .png"


def test_large_jpegs_are_decoded_small_without_visible_loss(tmp_path: Path):
    smooth = PIL.Image.fromarray(
        np.add.outer(np.arange(512) // 4, np.arange(768) // 6).astype(np.uint8)
    )
    path = saved(tmp_path / "a.jpg", smooth, quality=95)
    small, whole = codec(32, 1), codec((32, 32), 1)
    (quick,) = small.read(path)
    assert quick.width < 768 and min(quick.size) >= 64
    with PIL.Image.open(path) as picture:
        slow = whole.encode(picture)
    assert (small.encode(quick).int() - slow.int()).abs().max() <= 3


# Bad files ----------------------------------------------------------------------------------------


def _png(width: int, height: int) -> bytes:
    """A PNG header that claims any size, with one compressed byte behind it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def _bytes(form: str) -> bytes:
    file = io.BytesIO()
    noise(64, 64).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_damaged_files_are_named(tmp_path: Path, form: str):
    whole = _bytes(form)
    for name, content in (
        ("empty", b""),
        ("half", whole[: len(whole) // 2]),
        ("start", whole[:20]),
        ("text", b"This is not a picture."),
    ):
        path = tmp_path / f"{name}.{form.lower() if form != 'JPEG' else 'jpg'}"
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            list(codec(16).read(path))
        assert path.name in caught.value.where and caught.value.fix


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_a_decompression_bomb_is_refused_before_decoding(tmp_path: Path, side: int):
    (tmp_path / "bomb.png").write_bytes(_png(side, side))
    with pytest.raises(DataError, match="too large to decode safely"):
        list(codec(16).read(tmp_path / "bomb.png"))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    form=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF"]),
    place=st.floats(0, 1),
    value=st.integers(0, 255),
    cut=st.booleans(),
)
def test_flipped_bytes_give_a_picture_or_a_data_error(
    tmp_path: Path, form: str, place: float, value: int, cut: bool
):
    content = bytearray(_bytes(form))
    position = int(place * (len(content) - 1))
    content[position] = value
    path = tmp_path / f"a.{form.lower()}"
    path.write_bytes(bytes(content[:position]) if cut else bytes(content))
    try:
        (item,) = codec(16).read(path)
        codec(16, 3).encode(item)
    except DataError as error:
        assert path.name in error.where


# Sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 3, (28, 28)),
        ([(20, 30)] * 3, (20, 30)),
        ([(300, 200)] * 3, (64, 64)),
        ([(40, 40), (30, 50)], (32, 32)),
        ([(90, 80), (70, 99)], (64, 64)),
    ],
)
def test_size_is_taken_from_the_pictures(sizes, expected):
    used = codec()
    used.fit([noise(*size) for size in sizes])
    assert used.spec.shape == (3, *expected)


def test_grey_pictures_stored_as_colour_are_grey():
    used = codec(8)
    used.fit(
        [noise(8, 8, 1, seed).convert(mode) for seed, mode in enumerate(["L", "RGB", "RGBA", "P"])]
    )
    assert used.spec.shape == (1, 8, 8)
    used = codec(8)
    used.fit([noise(8, 8, 1), noise(8, 8, 3)])
    assert used.spec.shape == (3, 8, 8)


def test_fit_modes_place_the_picture():
    """A wide picture, left half black and right half white, into a square."""
    wide = PIL.Image.new("L", (40, 20), 0)
    wide.paste(255, (20, 0, 40, 20))
    crop, pad, stretch = (
        codec(20, 1, fit=fit).encode(wide)[0] for fit in ("crop", "pad", "stretch")
    )
    assert crop[:, :9].max() == 0 and crop[:, 11:].min() == 255
    assert stretch[:, :8].max() <= 20 and stretch[:, 12:].min() >= 235
    assert (
        pad[:5].unique().numel() == 1 and pad[7:13, :8].max() <= 20 and pad[7:13, 12:].min() >= 235
    )


def test_unknown_size_is_said():
    with pytest.raises(SpecError, match="fit"):
        _ = codec().spec
    with pytest.raises(DataError, match="no picture"):
        codec().fit([])
    with pytest.raises(ValueError, match="between 1 and 4096"):
        ImageConfig(size=0)


# Writing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp"])
def test_manifest_survives(tmp_path: Path, ending: str):
    manifest = {"run": "r1", "seed": 3, "text": "鹤 \u0000 é", "nested": {"a": [1, None, 2.5]}}
    path = tmp_path / f"a.{ending}"
    codec().write(noise(16, 16), path, manifest)
    assert codec().read_manifest(path) == read_manifest(path) == manifest
    codec().write(noise(16, 16), path)
    assert read_manifest(path) is None


def test_written_bytes_depend_on_nothing_else(tmp_path: Path):
    for name in ("a.png", "b.png"):
        codec().write(noise(16, 16), tmp_path / name, {"seed": 1})
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_foreign_pictures_have_no_manifest(tmp_path: Path):
    exif = PIL.Image.Exif()
    exif[0x010E] = "Holiday {2024}"
    assert read_manifest(saved(tmp_path / "a.jpg", noise(8, 8), exif=exif)) is None
    (tmp_path / "b.png").write_bytes(b"no")
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"not written as \.bmp"):
        codec().write(noise(8, 8), tmp_path / "c.bmp")


def test_contact_sheet_enlarges_small_pictures_exactly():
    items = [noise(8, 8, 1, seed) for seed in range(5)]
    sheet = contact_sheet(items)
    assert sheet.size == (3 * 64 + 2 * 2, 2 * 64 + 2)
    for place, item in enumerate(items):
        row, column = divmod(place, 3)
        cell = sheet.crop((column * 66, row * 66, column * 66 + 64, row * 66 + 64)).convert("L")
        assert np.array_equal(np.asarray(cell)[3::8, 3::8], np.asarray(item))
    assert contact_sheet([]).size == (64, 64)
    assert codec(8, 1).preview(items).size == sheet.size


# Augmentations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flip", "shift", "crop", "colour"])
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentations_differ_by_row_and_seed(name: str, channels: int):
    one = torch.randint(0, 256, (1, channels, 16, 16), generator=generator("x"), dtype=torch.uint8)
    batch = one.expand(12, -1, -1, -1).contiguous()
    function = codec(16, channels).augmentations[name]
    first = function(batch, generator(1))
    assert first.dtype == torch.uint8 and first.shape == batch.shape
    assert torch.equal(first, function(batch, generator(1))) and not torch.equal(
        first, function(batch, generator(2))
    )
    assert len(first.unique(dim=0)) > 1
    assert torch.equal(batch, one.expand(12, -1, -1, -1)), "the stored batch was changed"


def test_flip_mirrors_half_of_the_pictures():
    batch = torch.arange(4, dtype=torch.uint8).expand(1000, 1, 4, 4).contiguous()
    flipped = augment.flip(batch, generator(0))
    mirrored = (flipped == batch.flip(-1)).all((1, 2, 3))
    assert (mirrored | (flipped == batch).all((1, 2, 3))).all()
    assert 400 < mirrored.sum() < 600


def test_shift_moves_by_whole_pixels_and_mirrors_the_border():
    batch = torch.full((64, 1, 16, 16), 255, dtype=torch.uint8)
    batch[:, :, 8, 8] = 0
    moved = augment.shift(batch, generator(0))
    # white comes in at the border, the dot stays whole
    assert (moved == 0).sum((1, 2, 3)).tolist() == [1] * 64
    places = (moved[:, 0] == 0).nonzero()[:, 1:]
    assert places.min() >= 6 and places.max() <= 10 and len(places.unique(dim=0)) > 10


def test_shift_fills_with_the_mirror_image():
    row = torch.arange(16, dtype=torch.uint8).expand(200, 1, 16, 16).contiguous()
    moved = {tuple(line.tolist()) for line in augment.shift(row, generator(0))[:, 0, 0]}
    assert moved == {
        (2, 1, *range(14)),
        (1, *range(15)),
        tuple(range(16)),
        (*range(1, 16), 14),
        (*range(2, 16), 14, 13),
    }
    assert (
        augment.shift(torch.full((4, 1, 1, 1), 7, dtype=torch.uint8), generator(0))
        .flatten()
        .tolist()
        == [7] * 4
    )


def test_colour_of_a_grey_picture_stays_grey_and_crop_of_a_flat_one_stays_flat():
    flat = torch.full((8, 3, 8, 8), 100, dtype=torch.uint8)
    assert torch.equal(augment.crop(flat, generator(0)), flat)
    coloured = augment.colour(flat, generator(0))
    assert (coloured.amax((1, 2, 3)) == coloured.amin((1, 2, 3))).all() and len(
        coloured[:, 0, 0, 0].unique()
    ) > 2
    assert coloured.min() >= 80 and coloured.max() <= 120


def test_flattened_keeps_plain_pictures_as_they_are():
    plain = noise(4, 4)
    assert flattened(plain, 3) is plain
    assert np.array_equal(
        np.asarray(flattened(plain, 1)), np.asarray(PIL.ImageOps.grayscale(plain))
    )
