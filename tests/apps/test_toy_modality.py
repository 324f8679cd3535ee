"""A modality that is no part of Castalia, tests/toy_modality, installed as packages are: by an
entry point. All verbs work with it, in the command line, over HTTP and on every page, while the
spine knows nothing of it.
"""

import base64
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.chinese import english, visible

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).parents[1] / "toy_modality" / "dice"
FACE = tuple(chr(0x2680 + face) for face in range(6))
# Runs the commands given as JSON lists in one process: [words, exit code] -> what each printed.
PROGRAM = """
import contextlib, io, json, sys
from castalia.cli.main import main
out = []
for words in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code
    out.append([code or 0, said.getvalue()])
print(json.dumps(out))
"""
# Asks a server of the run `ar` in the folder it runs in.
SERVE = """
import json
from pathlib import Path
from tests.apps.serving import serving
with serving(Path("ar")) as up:
    made = up.post("/api/generate", {"run": "ar", "n": 2, "seed": 3}).json()
    file = up.post("/api/generate", {"run": "ar", "format": "file", "seed": 3})
    fields = {"run": "ar", "kind": "rethrow", "steps": "2", "least": "5", "seed": "1"}
    edit = up.post("/api/edit", data=fields, files=[("inputs", ("a.dice", b"1 2 3 4 5 6"))])
    print(json.dumps([made, file.status_code, edit.status_code, edit.json(), up.get("/", headers={"accept": "text/html"}).text]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy installed beside data of its kind: 300 series and 40 new ones."""
    folder = tmp_path_factory.mktemp("toy")
    shutil.copytree(TOY, folder / "site" / "dice")
    about = folder / "site" / "dice-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: dice\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[castalia.modality]\ndice = dice:MODALITY\n")
    rng = random.Random(0)
    for name, count in (("throws/a", 200), ("throws/b", 100), ("new/c", 40)):
        path = folder / f"{name}.dice"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{series(rng)}\n" for _ in range(count)))
    return folder


def series(rng: random.Random) -> str:
    """Throws that go up by one or two, over and over, so that there is something to learn."""
    throws, pips = [], rng.randint(1, 6)
    for _ in range(rng.randint(10, 20)):
        throws.append(pips)
        pips = (pips + rng.choice([0, 1])) % 6 + 1
    return " ".join(map(str, throws))


def python(place: Path, program: str, *words: str) -> str:
    """What a program prints in a process that has the toy."""
    path = os.pathsep.join([str(place / "site"), str(ROOT), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CASTALIA_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def castalia(place: Path, *commands: str) -> list[str]:
    """What each of the commands prints; all must succeed."""
    answers = json.loads(python(place, PROGRAM, json.dumps([one.split() for one in commands])))
    for command, (code, said) in zip(commands, answers, strict=True):
        assert code == 0, f"castalia {command}\n{said}"
    return [said for _, said in answers]


@pytest.fixture(scope="module")
def trained(place: Path) -> Iterator[Path]:
    """The same with two runs, `ar` and `seqvae`."""
    castalia(
        place,
        "train dice/ar throws --out ar",
        "train dice/seqvae throws --out seqvae",
        "sample ar -n 3 --seed 1 --out drawn",
    )
    yield place


def test_it_is_listed_and_checked(place: Path):
    codecs, recipes, checked, page, chinese = castalia(
        place,
        "list codecs",
        "list recipes",
        "check throws --against new --json",
        "check throws --out checked",
        "check throws --out checked-zh --lang zh",
    )
    assert "throws of dice" in codecs and "dice/ar" in recipes and "dice, short series" in recipes
    found = json.loads(checked)
    assert found["codec"] == "dice" and found["items"] == 300
    assert sum(found["facts"]["faces"].values()) > 3000
    assert any("castalia train dice/ar" in one["command"] for one in found["next"])
    assert "1: " in page and "6: " in page
    assert "300 (300 " in (place / "checked" / "report.html").read_text(encoding="utf-8")
    assert english(chinese) == []
    shown = visible(place / "checked-zh" / "report.html")
    assert english(shown) == [] and "点数" in shown


def test_it_is_sampled_with_a_manifest_that_verifies(trained: Path):
    drawn = sorted((trained / "drawn").glob("*.dice"))
    assert len(drawn) == 3 and all(set(one.read_text().split()) <= set("123456") for one in drawn)
    verified, _ = castalia(
        trained, "verify drawn/00001.dice", "reproduce drawn/00001.dice --out again"
    )
    assert "00001.dice" in verified
    assert next((trained / "again").glob("*.dice")).read_bytes() == drawn[1].read_bytes()
    sheet = (trained / "drawn" / "sheet.html").read_text(encoding="utf-8")
    for one in drawn:
        faces = "".join(FACE[int(pips) - 1] for pips in one.read_text().split())
        assert f'<p class="dice">{faces}</p>' in sheet and one.name in sheet


def test_it_is_edited(trained: Path):
    (trained / "one.dice").write_text("1 2 3 4 5 6 1 2\n")
    (trained / "two.dice").write_text("6 5 4 3 2 1\n")
    castalia(
        trained,
        "edit seqvae interpolate one.dice two.dice --steps 4 --out between",
        "edit ar rethrow one.dice --steps 2 --least 4 --out high",
        "reproduce high/00001.dice --inputs one.dice --out high-again",
    )
    between = sorted((trained / "between").glob("*.dice"))
    assert len(between) == 4 and all(one.read_text().strip() for one in between)
    high = sorted((trained / "high").glob("*.dice"))
    assert len(high) == 2 and all(set(one.read_text().split()) <= set("456") for one in high)
    assert json.loads(high[1].with_suffix(".json").read_text())["least"] == 4
    assert next((trained / "high-again").glob("*.dice")).read_bytes() == high[1].read_bytes()


def test_it_is_served(trained: Path):
    made, refused, code, edited, page = json.loads(python(trained, SERVE))
    assert [one["type"] for one in made["items"]] == ["text/x-dice"] * 2
    throws = [base64.b64decode(one["data"]).decode().split() for one in made["items"]]
    assert all(one and set(one) <= set("123456") for one in throws)
    assert refused == 400  # as a bare file it would lose its manifest, which lies beside
    assert code == 200, edited
    written = [base64.b64decode(one["data"]).decode() for one in edited["items"]]
    assert len(written) == 2 and all(set(one.split()) <= set("56") for one in written)
    assert "<html" in page and "/api/generate" in page and "dice" in page


def test_it_is_judged_by_its_own_metric_and_shown_by_its_presenter(trained: Path):
    said = castalia(
        trained,
        "evaluate ar -n 60",
        "evaluate seqvae -n 60 --lang zh",
        "compare ar seqvae --out both --lang zh",
    )
    assert [english(one) for one in said[1:]] == [[], []]
    scores = {
        one["name"]: one
        for one in json.loads((trained / "ar/eval/scores.json").read_text())["scores"]
    }
    assert 1 <= scores["pips"]["value"] <= 6
    report = (trained / "ar" / "eval" / "report.html").read_text(encoding="utf-8")
    assert any(face in report for face in FACE) and "Mean of the throws" in report
    (both,) = (trained / "both").glob("*.html")
    for page in (trained / "seqvae" / "eval" / "report.html", both):
        shown = visible(page)
        assert english(shown) == []
        assert any(face in shown for face in FACE) and "平均点数" in shown


def test_it_is_audited(trained: Path):
    (said,) = castalia(trained, "audit ar -n 40 --lang zh")
    assert english(said) == []
    found = json.loads((trained / "ar" / "audit" / "audit.json").read_text())
    assert found["training_items"] > 200 and found["matcher"] == "texts"
    page = trained / "ar" / "audit" / "audit.html"
    assert page.read_text(encoding="utf-8").count("<h1") == 1 and english(visible(page)) == []


def test_it_is_exported_and_runs_without_castalia(trained: Path):
    castalia(
        trained,
        "export ar --to safetensors tensors",
        "export ar --to bundle bundle",
        "export ar --to onnx onnx",
        "sample ar -n 1 --temperature 0 --length 12 --out likeliest",
        "card ar",
    )
    assert (trained / "tensors" / "castalia.json").is_file()
    # nothing of the toy or of Castalia is on the path
    drawn = alone(trained / "bundle", "-n", "2", "--seed", "1", "--length", "12")
    assert set(drawn) & set("123456")
    # the program beside an ONNX file always takes the likeliest token
    assert alone(trained / "onnx", "--length", "12") == [
        *(trained / "likeliest" / "00000.dice").read_text().split()
    ]


def alone(folder: Path, *words: str) -> list[str]:
    """The words that the run.py of an export prints."""
    done = subprocess.run(
        [sys.executable, str(folder / "run.py"), *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
