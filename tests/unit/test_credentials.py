"""Signed claims in files: read back by the library's own reader, broken by any change, kept as
ingredients.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from castalia.codecs.base import Codec
from castalia.errors import DataError, RunError
from castalia.governance import credentials
from castalia.governance.credentials import Signer
from castalia.modalities.audio.codec import AudioCodec
from castalia.modalities.audio.sound import Sound, on_grid
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.video.clip import Clip
from castalia.modalities.video.codec import VideoCodec

c2pa = pytest.importorskip("c2pa")
NAME, PROGRAM = "示例 Ltd", "castalia 0.1.0"
MANIFEST: dict[str, Any] = {"generator": PROGRAM, "AIGC": {"Label": "1"}, "synthetic": True}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def item(ending: str) -> tuple[Codec[Any], Any]:
    if ending == ".wav":
        return AudioCodec(), Sound(on_grid(noise(8000) / 128 - 1), 8000)
    if ending == ".mp4":
        pytest.importorskip("av")
        return VideoCodec(), Clip(noise(4, 32, 32, 3), 5.0)
    return ImageCodec(), PIL.Image.fromarray(noise(64, 64, 3))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    patch = pytest.MonkeyPatch()
    patch.setenv("CASTALIA_CONFIG", str(tmp_path_factory.mktemp("settings")))
    credentials.make(NAME)
    yield Signer()
    patch.undo()


def signed(signer: Signer, path: Path, **more: Any) -> Path:
    codec, one = item(path.suffix)
    codec.write(one, path, MANIFEST)
    signer.sign(path, PROGRAM, **more)
    return path


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".wav", ".mp4"])
def test_a_signed_file_keeps_what_it_holds_and_is_read_by_others(
    signer: Signer, ending: str, tmp_path: Path
):
    codec, one = item(ending)
    plain = tmp_path / f"plain{ending}"
    codec.write(one, plain, MANIFEST)
    path = signed(signer, tmp_path / f"signed{ending}")
    assert type(codec).content(path) == type(codec).content(plain)
    assert type(codec).read_manifest(path) == MANIFEST
    with open(path, "rb") as file:
        found = json.loads(c2pa.Reader(ending[1:], file).json())
    assert found["validation_state"] == "Valid"
    active = found["manifests"][found["active_manifest"]]
    assert credentials.MADE_BY_ALGORITHM in json.dumps(active["assertions"])
    assert active["claim_generator_info"][0]["name"] == "castalia"
    claim = credentials.read(path)
    assert claim is not None
    assert (claim.state, claim.signer) == ("trusted", NAME)
    assert path.stat().st_size - plain.stat().st_size < 8000  # no thumbnail


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".wav", ".mp4"])
def test_one_changed_byte_breaks_the_claim(signer: Signer, ending: str, tmp_path: Path):
    codec, one = item(ending)
    codec.write(one, tmp_path / f"plain{ending}", MANIFEST)
    path = signed(signer, tmp_path / f"signed{ending}")
    data, plain = bytearray(path.read_bytes()), (tmp_path / f"plain{ending}").read_bytes()
    middle = next(
        at
        for start in range(len(plain) // 2, len(plain) - 12, 12)
        if (at := data.find(plain[start : start + 12])) > 0
    )
    data[middle + 6] ^= 1
    path.write_bytes(bytes(data))
    claim = credentials.read(path)
    assert claim is not None
    assert claim.state == "broken"
    assert any("mismatch" in code.lower() for code in claim.problems)


def test_the_claims_of_inputs_are_kept(signer: Signer, tmp_path: Path):
    first = signed(signer, tmp_path / "first.jpg")
    bare = tmp_path / "bare.png"
    item(".png")[1].save(bare)
    (tmp_path / "text.txt").write_text("no format that holds a claim")
    inputs = [first, bare.read_bytes(), tmp_path / "text.txt"]
    path = signed(signer, tmp_path / "second.png", inputs=inputs)
    claim = credentials.read(path)
    assert claim is not None
    assert (claim.state, claim.ingredients) == ("trusted", 2)
    with open(path, "rb") as file:
        found = json.loads(c2pa.Reader("image/png", file).json())
    assert len(found["manifests"]) == 2  # the first one's, whole, in the second


def test_files_without_claims_and_strangers_claims(
    signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bare = tmp_path / "bare.png"
    item(".png")[1].save(bare)
    assert credentials.read(bare) is None
    assert credentials.read(tmp_path / "a.txt") is None
    path = signed(signer, tmp_path / "a.png")
    monkeypatch.setenv("CASTALIA_CONFIG", str(tmp_path / "elsewhere"))
    claim = credentials.read(path)
    assert claim is not None
    assert claim.state == "valid"  # whoever signed it is not known here
    with pytest.raises(RunError, match="no key"):
        Signer()


def test_keys_are_the_users_alone_and_never_replaced(signer: Signer):
    assert stat.S_IMODE(credentials.private().stat().st_mode) == 0o600
    with pytest.raises(RunError, match="already"):
        credentials.make("another")


def test_a_chain_of_the_users_is_taken_and_a_wrong_one_refused(
    signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    certificates, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificates.write_bytes(credentials.chain().read_bytes())
    key.write_bytes(credentials.private().read_bytes())
    monkeypatch.setenv("CASTALIA_CONFIG", str(tmp_path / "other"))
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(DataError, match="do not sign"):
        credentials.take(certificates, wrong)
    assert not credentials.private().exists()
    credentials.take(certificates, key)
    claim = credentials.read(signed(Signer(), tmp_path / "a.png"))
    assert claim is not None
    assert claim.state == "trusted"
