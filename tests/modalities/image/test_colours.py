"""Whatever a picture's file says of its colours, its frames and its place upright is what is seen;
what is left out is counted.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps
import pytest

from castalia.data.source import DataConfig, open_source
from castalia.errors import DataError
from castalia.modalities.image import codec as image
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.image.colours import flattened

CORNERS = (
    np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    .repeat(8, 0)
    .repeat(8, 1)
)


def read(path: Path) -> PIL.Image.Image:
    return next(ImageCodec().read(path))


def png(
    path: Path, colour: int, depth: int, row: bytes, clear: tuple[int, ...], width: int
) -> Path:
    """One row of pixels with a transparent value."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    chunks = (
        chunk(b"IHDR", head)
        + chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))
        + chunk(b"IDAT", zlib.compress(b"\0" + row))
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_grey_is_white_at_any_depth(depth: int, channels: int, tmp_path: Path):
    """Dark pixels stay; those of the transparent value, the second darkest, are as
    white as paper.
    """
    top = (1 << depth) - 1
    values = [0, 1, top, 1]
    bits = "".join(f"{value:0{depth}b}" for value in values)
    row = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    seen = np.asarray(
        flattened(read(png(tmp_path / "a.png", 0, depth, row, (1,), 4)), channels)
    ).reshape(4, channels)
    assert seen.tolist() == [[0] * channels, [255] * channels, [255] * channels, [255] * channels]
    kept = np.asarray(
        flattened(read(png(tmp_path / "b.png", 0, depth, row, (0,), 4)), channels)
    ).reshape(4, channels)
    assert kept[0, 0] == 255 and kept[1, 0] == round(255 / top)


def test_a_transparent_colour_of_16_bits(tmp_path: Path):
    row = b"".join(
        struct.pack(">HHH", *pixel) for pixel in [(0, 0, 0), (40_000, 0, 0), (0, 40_000, 0)]
    )
    seen = np.asarray(flattened(read(png(tmp_path / "a.png", 2, 16, row, (40_000, 0, 0), 3)), 3))
    assert seen[0].tolist() == [[0, 0, 0], [255, 255, 255], [0, 156, 0]]


def test_palettes_with_a_transparent_colour(tmp_path: Path):
    picture = PIL.Image.fromarray(CORNERS).quantize(4)
    picture.save(tmp_path / "a.png", transparency=picture.getpixel((0, 0)))
    picture.save(tmp_path / "a.gif", transparency=picture.getpixel((0, 0)))
    for name in ("a.png", "a.gif"):
        assert flattened(read(tmp_path / name), 3).getpixel((0, 0)) == (255, 255, 255)
        assert flattened(read(tmp_path / name), 3).getpixel((15, 0)) == (0, 255, 0)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_one_pixel_that_is_no_number_leaves_the_others_as_they_are(wrong: float, tmp_path: Path):
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    PIL.Image.fromarray(values).save(tmp_path / "good.tif")
    values[3, 4] = wrong
    PIL.Image.fromarray(values).save(tmp_path / "bad.tif")
    good, bad = (
        np.asarray(flattened(read(tmp_path / name), 1)).astype(int)
        for name in ("good.tif", "bad.tif")
    )
    assert bad[3, 4] == (255 if wrong == np.inf else 0)
    bad[3, 4] = good[3, 4]
    assert (good == bad).all() and good.max() == 255
    assert [(one.what, one.count) for one in ImageCodec().omitted(read(tmp_path / "bad.tif"))] == [
        ("pixels that are NaN or infinite", 1)
    ]
    assert list(ImageCodec().omitted(read(tmp_path / "good.tif"))) == []


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_pictures_are_turned_upright(orientation: int, ending: str, tmp_path: Path):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(CORNERS[:, :12]).save(
        tmp_path / f"a{ending}", exif=exif, quality=95, lossless=True
    )
    turned = PIL.Image.fromarray(CORNERS[:, :12])
    turned.getexif()[0x0112] = orientation
    wanted = PIL.ImageOps.exif_transpose(turned)
    seen = flattened(read(tmp_path / f"a{ending}"), 3)
    assert seen.size == wanted.size == ((12, 16) if orientation < 5 else (16, 12))
    assert np.abs(np.asarray(seen).astype(int) - np.asarray(wanted)).mean() < 12


def exchanged() -> bytes:
    """A profile whose red is sRGB's blue and the other way round."""
    data = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    data = (
        data.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    )
    return data.replace("sRGB".encode("utf-16-be"), "xBGR".encode("utf-16-be")).replace(
        b"sRGB", b"xBGR"
    )


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif"])
def test_colour_profiles_are_applied(ending: str, tmp_path: Path):
    picture = PIL.Image.new("RGB", (8, 8), (250, 10, 10))
    picture.save(tmp_path / f"a{ending}", icc_profile=exchanged(), quality=95)
    picture.save(
        tmp_path / f"b{ending}",
        icc_profile=PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes(),
        quality=95,
    )
    picture.save(tmp_path / f"c{ending}", icc_profile=b"no profile at all", quality=95)
    other, same, damaged = (
        flattened(read(tmp_path / f"{name}{ending}"), 3).getpixel((4, 4)) for name in "abc"
    )
    assert np.abs(np.array(other) - (10, 10, 250)).max() <= 6
    assert np.abs(np.array(same) - (250, 10, 10)).max() <= 4 and damaged == same


def test_profiles_count_under_transparency_and_palettes(tmp_path: Path):
    PIL.Image.new("RGBA", (8, 8), (255, 0, 0, 255)).save(
        tmp_path / "a.png", icc_profile=exchanged()
    )
    PIL.Image.new("RGB", (8, 8), (255, 0, 0)).quantize(2).save(
        tmp_path / "b.png", icc_profile=exchanged()
    )
    assert (
        flattened(read(tmp_path / "a.png"), 3).getpixel((0, 0))
        == flattened(read(tmp_path / "b.png"), 3).getpixel((0, 0))
        == (0, 0, 255)
    )


def test_lab_is_read(tmp_path: Path):
    PIL.Image.merge("LAB", [PIL.Image.new("L", (4, 4), value) for value in (255, 128, 128)]).save(
        tmp_path / "a.tif"
    )
    assert min(flattened(read(tmp_path / "a.tif"), 3).getpixel((0, 0))) >= 250


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png", ".tif"])
def test_frames_after_the_first_are_counted(ending: str, tmp_path: Path):
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    frames[0].save(tmp_path / f"a{ending}", save_all=True, append_images=frames[1:], lossless=True)
    picture = read(tmp_path / f"a{ending}")
    assert flattened(picture, 3).getpixel((0, 0)) == (255, 0, 0)
    assert [(one.what, one.count) for one in ImageCodec().omitted(picture)] == [
        ("frames and pages after the first", 2)
    ]


def bytes_of(form: str) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(CORNERS).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    "name", ["a.png", "a.JPG", "a.jpe", "a.jfif", "a.webp", "a", "a.jpg_large", "a.bin", "a.1"]
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_known_by_their_content(name: str, form: str, tmp_path: Path):
    (tmp_path / name).write_bytes(bytes_of(form))
    (tmp_path / "notes").write_bytes(b"no picture")
    source = open_source(DataConfig(source=str(tmp_path)), ImageCodec())
    assert source.names == [name] and read(tmp_path / name).size == (16, 16)


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.jpg", "a"])
def test_heic_is_read_where_its_package_is(name: str, tmp_path: Path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(PIL.Image.fromarray(CORNERS.repeat(4, 0).repeat(4, 1))).save(
        tmp_path / "a.heic", quality=90
    )
    (tmp_path / "a.heic").rename(tmp_path / name)
    source = open_source(DataConfig(source=str(tmp_path)), ImageCodec())
    assert source.names == [name] and not source.omitted
    assert (
        np.abs(np.array(flattened(read(tmp_path / name), 3).getpixel((2, 2))) - (255, 0, 0)).max()
        < 40
    )


def test_heic_is_never_passed_over_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    for name, data in (("a.png", bytes_of("PNG")), ("b.heic", heic), ("c.jpg", heic)):
        (tmp_path / name).write_bytes(data)
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    monkeypatch.setattr(
        image,
        "_FORMATS",
        {form: endings for form, endings in image._FORMATS.items() if form != "HEIF"},
    )
    monkeypatch.setattr(
        ImageCodec,
        "extensions",
        tuple(one for one in ImageCodec.extensions if one not in (".heic", ".heif", ".hif")),
    )
    source = open_source(DataConfig(source=str(tmp_path)), ImageCodec())
    assert source.names == ["a.png", "c.jpg"]
    assert [
        (one.what, one.count, "castalia[documents]" in one.remedy)
        for one in source.omitted.listed()
    ] == [("HEIC pictures", 1, True)]
    with pytest.raises(DataError, match=r"pip install 'castalia\[documents\]'"):
        read(tmp_path / "c.jpg")


def test_avif_is_read(tmp_path: Path):
    PIL.Image.fromarray(CORNERS).save(tmp_path / "a.avif", quality=95)
    assert read(tmp_path / "a.avif").size == (16, 16)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_what_breaks_off_is_named(form: str, tmp_path: Path):
    noise = PIL.Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    )
    noise.save(tmp_path / "a.jpg", form)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"a\.jpg"):
        read(tmp_path / "a.jpg")
