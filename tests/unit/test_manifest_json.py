"""A file has one manifest."""

from pathlib import Path

import PIL.Image
import PIL.PngImagePlugin
import pytest

from castalia.codecs import manifest_json
from castalia.errors import DataError
from castalia.modalities.image.codec import read_manifest


def test_two_that_differ_are_refused(tmp_path: Path):
    assert manifest_json.only(["somebody's text", '{"a": 1}', '{"a": 1}'], "x") == {"a": 1}
    assert manifest_json.only(["", "[1]", "{" * 1000], "x") is None
    with pytest.raises(DataError, match="more than one manifest"):
        manifest_json.only(['{"a": 1}', '{"a": 2}'], "x")
    info = PIL.PngImagePlugin.PngInfo()
    info.add_itxt("castalia", '{"generator": "castalia 1"}')
    PIL.Image.new("L", (2, 2)).save(tmp_path / "one.png", pnginfo=info)
    assert read_manifest(tmp_path / "one.png") == {"generator": "castalia 1"}
    info.add_text("castalia", '{"generator": "castalia 2"}')
    PIL.Image.new("L", (2, 2)).save(tmp_path / "two.png", pnginfo=info)
    with pytest.raises(DataError, match="more than one manifest"):
        read_manifest(tmp_path / "two.png")
