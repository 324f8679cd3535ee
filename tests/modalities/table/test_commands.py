"""One CSV from check to reproduce, by the commands."""

import base64
import csv
import json
from pathlib import Path

import pytest
from tests.apps.command import inside
from tests.apps.serving import serving

from castalia.data import builtin

ROWS = 240


def castalia(*words: object, code: int = 0) -> str:
    return inside(*words, cwd=Path.cwd(), code=code)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a run of it."""
    folder = tmp_path_factory.mktemp("table")
    lines = (builtin.path("penguins") / "penguins.csv").read_text().splitlines(keepends=True)
    (folder / "birds.csv").write_text("".join(lines))
    castalia(
        "train",
        "table/ar",
        folder / "birds.csv",
        "--out",
        folder / "run",
        "training.steps=40",
        "training.sample_every=0",
        "training.threads=1",
    )
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_check_says_what_it_is(work: Path):
    words = castalia("check", work / "birds.csv", "--json")
    facts = json.loads(words[words.index("{") :])
    assert facts["codec"] == "table"
    said = castalia("check", work / "birds.csv")
    assert "Read as a table of 7 columns" in said
    assert "castalia train table/ar" in said


def test_one_file_is_drawn_and_made_again(work: Path):
    castalia("sample", work / "run", "-n", ROWS, "--seed", 3, "--out", work / "s")
    assert sorted(path.name for path in (work / "s").iterdir()) == [
        "00000.csv",
        "00000.json",
        "sheet.html",
    ]
    drawn = rows(work / "s" / "00000.csv")
    assert len(drawn) == ROWS
    assert list(drawn[0]) == list(rows(work / "birds.csv")[0])
    assert {row["species"] for row in drawn} <= {"Adelie", "Chinstrap", "Gentoo"}
    assert all(int(row["body_mass_g"]) % 25 == 0 for row in drawn if row["body_mass_g"])
    said = castalia(
        "reproduce", work / "s" / "00000.csv", "--out", work / "again", "--run", work / "run"
    )
    assert "identical, byte for byte" in said
    assert "intact" in castalia("verify", work / "s" / "00000.csv")


def test_given_columns_are_as_they_were_given(work: Path):
    castalia(
        "sample",
        work / "run",
        "-n",
        50,
        "--given",
        "species=Gentoo",
        "--given",
        "body_mass_g=5000",
        "--out",
        work / "g",
    )
    drawn = rows(work / "g" / "00000.csv")
    assert {(row["species"], row["body_mass_g"]) for row in drawn} == {("Gentoo", "5000")}
    assert len({row["bill_length_mm"] for row in drawn}) > 10
    said = castalia(
        "reproduce", work / "g" / "00000.csv", "--out", work / "again", "--run", work / "run"
    )
    assert "identical, byte for byte" in said
    said = castalia("sample", work / "run", "--given", "species=Emperor", code=2)
    assert "no value 'Emperor'" in said


def test_gaps_are_filled_and_nothing_else_is_touched(work: Path):
    castalia("edit", work / "run", "infill", work / "birds.csv", "--draws", 2, "--out", work / "i")
    before = rows(work / "birds.csv")
    one, other = (rows(work / "i" / f"0000{number}.csv") for number in range(2))
    gaps = 0
    for old, new in zip(before, one, strict=True):
        for name, cell in old.items():
            gaps += not cell
            assert new[name] == cell if cell else new[name] != ""
    assert gaps == 19
    assert one != other
    said = castalia(
        "reproduce",
        work / "i" / "00001.csv",
        "--inputs",
        work / "birds.csv",
        "--out",
        work / "again",
        "--run",
        work / "run",
    )
    assert "identical, byte for byte" in said


def test_a_column_is_predicted_with_probabilities(work: Path):
    words = castalia(
        "predict",
        work / "run",
        work / "birds.csv",
        "--column",
        "species",
        "--out",
        work / "p",
        "--json",
    )
    scores = json.loads(words[words.index("{") :])["scores"]
    assert scores["rows"] == 344
    assert scores["accuracy"] > 0.8
    first = rows(work / "p" / "00000.csv")[0]
    assert sum(
        float(first[f"p({name})"]) for name in ("Adelie", "Chinstrap", "Gentoo")
    ) == pytest.approx(1, abs=1e-3)
    castalia(
        "predict", work / "run", work / "birds.csv", "--column", "body_mass_g", "--out", work / "p2"
    )
    row = rows(work / "p2" / "00000.csv")[0]
    assert float(row["body_mass_g (5%)"]) <= float(row["body_mass_g (predicted)"])
    assert float(row["body_mass_g (predicted)"]) <= float(row["body_mass_g (95%)"])
    castalia("predict", work / "run", work / "birds.csv", "--out", work / "p3")
    assert all(float(row["nats"]) > 0 for row in rows(work / "p3" / "00000.csv"))


def test_it_is_judged_and_audited(work: Path):
    castalia("evaluate", work / "run", "-n", 40)
    scores = json.loads((work / "run" / "eval" / "scores.json").read_text())
    named = {score["name"]: score for score in scores["scores"]}
    assert {"column-shapes", "pair-trends", "row-auc", "same-rows", "bits-per-row"} <= set(named)
    assert "fidelity" in scores["verdict"]
    castalia("audit", work / "run")
    assert json.loads((work / "run" / "audit" / "audit.json").read_text())["matcher"] == "rows"


def test_a_policy_looks_at_every_row_of_a_table(work: Path):
    from castalia.governance.audit_index import open_index
    from castalia.modalities.table.row import Table
    from castalia.run import Run
    from castalia.training.setup import open_data

    castalia("audit", work / "run")
    run = Run.open(work / "run")
    index = open_index(run)
    assert index is not None
    known = run.codec.decode(next(iter(open_data(run).train.documents())))
    odd = run.codec.decode(run.codec.encode(known))
    far = type(known)(known.header, ("Gentoo", "Torgersen", "59", "13.1", "231", "2700", ""))
    assert index.nearest(Table([far, odd])).similarity == pytest.approx(1.0)
    assert index.nearest(Table([far])).similarity < 0.9


def test_over_http(work: Path, tmp_path: Path):
    """Rows with known columns, predictions and their scores; the file is made again from its
    manifest.
    """
    with serving(work / "run") as up:
        body = {"run": "run", "n": 20, "seed": 5, "given": {"species": "Gentoo"}}
        item = up.post("/api/generate", body).json()["items"]
        assert len(item) == 1
        (tmp_path / "drawn.csv").write_bytes(base64.b64decode(item[0]["data"]))
        (tmp_path / "drawn.json").write_text(json.dumps(item[0]["manifest"]))
        drawn = rows(tmp_path / "drawn.csv")
        assert len(drawn) == 20 and {row["species"] for row in drawn} == {"Gentoo"}
        bad = up.post("/api/generate", body | {"given": {"wings": "2"}})
        assert bad.status_code == 400 and "wings" in bad.text
        assert "given" in up.get("/api/schema/run").json()["properties"]
        files = {"inputs": ("birds.csv", (work / "birds.csv").read_bytes(), "text/csv")}
        asked = up.post("/api/predict", data={"run": "run", "column": "species"}, files=files)
        answer = asked.json()
        assert 0 <= answer["scores"]["accuracy"] <= 1
        predicted = base64.b64decode(answer["items"][0]["data"]).decode()
        assert len(predicted.splitlines()) == len(rows(work / "birds.csv")) + 1
        wrong = up.post("/api/predict", data={"run": "run", "column": "wings"}, files=files)
        assert wrong.status_code == 400 and "wings" in wrong.text
        none = up.post("/api/predict", data={"run": "run", "column": "species"})
        assert none.status_code in (400, 422)
    castalia(
        "reproduce", tmp_path / "drawn.csv", "--run", work / "run", "--out", tmp_path / "again"
    )
    assert (tmp_path / "again" / "drawn.csv").read_bytes() == (tmp_path / "drawn.csv").read_bytes()


def test_a_table_with_the_same_cells_under_other_names_keeps_its_own(tmp_path: Path):
    cells = "".join(f"{place % 7},{place % 5}\n" for place in range(200))
    for names in ("p,q", "r,s"):
        path = tmp_path / f"{names[0]}.csv"
        path.write_text(f"{names}\n{cells}")
        run = tmp_path / names[0]
        castalia(
            "train",
            "table/ar",
            path,
            "--out",
            run,
            "training.steps=2",
            "training.sample_every=0",
            "training.threads=1",
        )
        castalia("sample", run, "-n", 3, "--out", tmp_path / f"drawn-{names[0]}")
        drawn = (tmp_path / f"drawn-{names[0]}" / "00000.csv").read_text("utf-8-sig")
        assert drawn.splitlines()[0] == names
