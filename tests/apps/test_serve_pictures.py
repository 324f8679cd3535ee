"""Pictures changed over HTTP, by the official client: edits and variations of a flow."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import castalia
from castalia import Run
from castalia.modalities.image.codec import read_manifest
from castalia.verbs.reproduce import reproduce as remake
from tests.apps.serving import Running, serving

openai = pytest.importorskip("openai")
RUN: list[Path] = []
# of the client's method for variations
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    run = castalia.train(
        "image/flow",
        "builtin/digits",
        ["training.steps=4", "training.minutes=null", "training.sample_every=0", "family.width=8"],
        out=tmp_path_factory.mktemp("runs") / "digits",
    )
    RUN.append(run.folder)
    with serving(run.folder) as server:
        yield server


def png(picture: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def opened(one) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(one.b64_json))), dtype=int)


DIGIT = PIL.Image.fromarray((np.arange(64).reshape(8, 8) * 4).astype(np.uint8))


def test_an_edit_keeps_what_the_mask_does_not_name(up: Running, tmp_path: Path) -> None:
    mask = PIL.Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (4, 4, 8, 8))
    found = up.client.images.edit(
        model="digits",
        image=("a.png", png(DIGIT)),
        mask=("mask.png", png(mask)),
        prompt="3",
        n=2,
        extra_body={"seed": 5},
    )
    assert len(found.data) == 2
    for index, one in enumerate(found.data):
        kept = np.ones((8, 8), dtype=bool)
        kept[4:, 4:] = False
        assert (opened(one)[kept] == np.asarray(DIGIT, dtype=int)[kept]).all()
        path = tmp_path / f"{index}.png"
        path.write_bytes(base64.b64decode(one.b64_json))
        manifest = read_manifest(path)
        assert manifest is not None
        assert (manifest["edit"], manifest["seed"], manifest["index"]) == ("infill", 5, index)
        assert manifest["cond"] == {"label": "3"}
    assert (opened(found.data[0]) != opened(found.data[1])).any()


def test_a_transparent_part_is_a_mask(up: Running) -> None:
    clear = DIGIT.convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 3, 8))
    found = up.client.images.edit(model="digits", image=png(clear), prompt="")
    assert (opened(found.data[0])[:, 3:] == np.asarray(DIGIT, dtype=int)[:, 3:]).all()


def test_variations(up: Running) -> None:
    found = up.client.images.create_variation(model="digits", image=png(DIGIT), n=3)
    assert len(found.data) == 3 and opened(found.data[0]).shape == (8, 8)
    assert found.data[0].model_extra["castalia"]["edit"] == "vary"


def test_other_edits_have_the_general_route(up: Running) -> None:
    assert {"infill", "denoise", "upscale", "vary"} <= set(
        up.get("/api/runs").json()["runs"][0]["can"]
    )
    form = {"run": "digits", "kind": "upscale", "factor": "2"}
    answer = up.post("/api/edit", data=form, files=[("inputs", ("a.png", png(DIGIT)))]).json()
    content = base64.b64decode(answer["items"][0]["data"])
    assert PIL.Image.open(io.BytesIO(content)).size == (16, 16)


def test_what_cannot_be_edited_is_named(up: Running) -> None:
    small = png(PIL.Image.new("L", (4, 4), 255))
    for given, match in (
        ({}, "nothing says which part"),
        ({"mask": ("mask.png", small)}, "the mask has another size than the picture"),
        ({"mask": ("mask.png", b"no picture")}, "the mask is not a picture"),
        ({"mask": ("mask.png", png(PIL.Image.new("L", (8, 8))))}, "the mask is empty"),
        ({"mask": ("mask.png", png(PIL.Image.new("L", (8, 8), 255)))}, "the mask covers all"),
        ({"size": "1024x1024"}, "this run draws 8x8"),
        ({"extra_body": {"strength": "1"}}, "the field strength has no meaning here"),
        ({"extra_body": {"mask": "/etc/passwd"}}, "the field mask is a file"),
    ):
        with pytest.raises(openai.APIStatusError, match=match):
            up.client.images.edit(model="digits", image=png(DIGIT), prompt="", **given)
    with pytest.raises(openai.APIStatusError, match="colour grey pictures"):
        answer = up.post(
            "/api/edit",
            data={"run": "digits", "kind": "colourise"},
            files=[("inputs", ("a.png", png(DIGIT)))],
        )
        raise openai.APIStatusError(answer.text, response=answer, body=None)


def test_an_edit_over_http_is_made_again(up: Running, tmp_path: Path) -> None:
    given, mask = tmp_path / "given.png", PIL.Image.new("L", (8, 8))
    given.write_bytes(png(DIGIT))
    mask.paste(255, (2, 2, 5, 5))
    for name, form in (
        ("infill", {"mask": ("mask.png", png(mask)), "prompt": "7"}),
        ("vary", {}),
    ):
        call = up.client.images.edit if form else up.client.images.create_variation
        found = call(model="digits", image=given.read_bytes(), n=2, **form)  # type: ignore[operator]
        made = tmp_path / f"{name}.png"
        made.write_bytes(base64.b64decode(found.data[1].b64_json))
        again = remake(made, tmp_path / "again", run=Run.open(RUN[0]), inputs=[given])
        assert again.identical, name
