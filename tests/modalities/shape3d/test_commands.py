"""The five commands on a folder of meshes: check, train, sample, edit, audit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.modalities.shape3d.solids import ball, block

import castalia
from castalia.cli.main import main
from castalia.modalities.shape3d.codec import ShapeCodec
from castalia.modalities.shape3d.contract import furniture
from castalia.modalities.shape3d.files import formats
from castalia.modalities.shape3d.mesh import Mesh, is_watertight
from castalia.modalities.shape3d.shape import Shape

TINY = {
    "codec.size": 16,
    "family.width": 8,
    "family.patch": 4,
    "training.steps": 2,
    "training.minutes": None,
    "training.batch": 4,
    "training.threads": 1,
    "training.sample_every": 0,
}


def run_words(*words: str) -> None:
    """A command that has to end well."""
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main(list(words)))
    assert not ended.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 tables in two classes, one of them twice, turned; an open ball, a plate, a broken file."""
    made = tmp_path_factory.mktemp("meshes")
    for number in range(24):
        path = made / ("low" if number % 2 else "high") / f"{number:02d}.stl"
        path.parent.mkdir(exist_ok=True)
        ShapeCodec().write(Shape(furniture(number).mesh), path)
    mesh = furniture(1).mesh
    turned = mesh.vertices[:, [2, 1, 0]] * (1, 1, -1)
    ShapeCodec().write(Shape(Mesh(turned.astype("float32"), mesh.faces)), made / "low" / "t.obj")
    whole = ball(100.0)
    ShapeCodec().write(Shape(Mesh(whole.vertices, whole.faces[9:])), made / "low" / "open.ply")
    ShapeCodec().write(Shape(block(10, 0.01, 10)), made / "high" / "plate.off")
    ShapeCodec().write(furniture(7), made / "high" / "made.glb", {"synthetic": True})
    (made / "high" / "cloud.obj").write_text("v 0 0 0\nv 1 0 0\n")
    return made


def test_check_names_what_is_wrong(folder: Path) -> None:
    document = castalia.check(folder).document
    found = {finding.code: finding for finding in document.findings}
    assert found["open"].values["count"] == 1 and "open.ply" in found["open"].examples[0]
    assert found["generated"].values["count"] == 1
    assert found["thin"].values["count"] == 1
    assert "units" in found and "lying" not in found
    assert "near" in found and found["near"].values["count"] >= 1
    assert any("cloud.obj" in str(finding.examples) for finding in document.findings)
    assert document.codec == "shape3d"


def test_from_a_folder_to_closed_meshes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "high" / "cloud.obj").unlink(missing_ok=True)
    run = castalia.train("shape3d/flow", folder, TINY, out=tmp_path / "run")
    assert set(run.conditions) == {"label"}
    run_words("sample", "run", "-n", "2", "--format", "glb", "--format", "stl", "--out", "s")
    for path in sorted((tmp_path / "s").glob("0000*")):
        assert is_watertight(formats.read(path).mesh)
        assert (ShapeCodec.read_manifest(path) or {})["synthetic"] is True
    page = (tmp_path / "s" / "sheet.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") >= 2 and "<script" not in page
    run_words("verify", "s/00000.glb")
    (first, second) = castalia.edit(run, "infill", ["s/00000.glb"], part="left", steps=2)
    assert is_watertight(first.mesh) and is_watertight(second.mesh)
    way = castalia.edit(run, "interpolate", ["s/00000.glb", "s/00001.glb"], steps=3)
    assert len(way) == 3
