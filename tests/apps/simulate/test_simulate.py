"""`castalia simulate` as a whole: cases, declarations, files, pages and the command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import castalia
from castalia.apps.simulate import effects
from castalia.apps.simulate.demo import made_patients
from castalia.apps.simulate.experiment import Arm, Course, Effect, Measured, parsed
from castalia.apps.simulate.rules import rules_of
from castalia.apps.simulate.simulating import Simulated, simulate
from castalia.errors import CastaliaError, DataError, RecipeError, RunError
from tests.apps.chinese import english, visible
from tests.apps.command import inside

TRIAL = """title: Less salt
run: run
table: patients.csv
seed: 3
cases: 40
given: {diagnosis: hypertension}
rules: [30 <= age <= 80, diastolic <= systolic]
arms:
  usual diet: {}
  less salt: {cases: 50, effects: {systolic: {add: -12, sd: 2}}}
course: {times: [0, 4, 8], unit: weeks, columns: {systolic: {change: 0.5, sd: 3}}}
compare: {column: systolic, between: [usual diet, less salt], experiments: 300}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulate")
    (path / "patients.csv").write_text(made_patients(500, 2))
    tiny = ["training.steps=80", "training.epochs=40", "family.width=32", "training.threads=1"]
    words = [*tiny, "training.sample_every=0", "codec.bins=30", "--out", "run"]
    inside("train", "table/ar", "patients.csv", *words, cwd=path)
    (path / "trial.yaml").write_text(TRIAL)
    return path


@pytest.fixture(scope="module")
def made(folder: Path) -> Simulated:
    return simulate(folder / "trial.yaml", progress=False)


def test_cases_keep_conditions_and_rules(made: Simulated):
    assert [len(group.drawn.rows) for group in made.groups] == [40, 50]
    for group in made.groups:
        for row in group.made.rows:
            assert row["diagnosis"] == "hypertension" and 30 <= row["age"] <= 80
            assert row["diastolic"] <= row["systolic"]
        assert group.real is not None and len(group.real) > 50
        assert all(row["diagnosis"] == "hypertension" for row in group.real)


def test_every_row_and_file_says_that_it_is_simulated(made: Simulated, tmp_path: Path):
    made.write(tmp_path, "en")
    rows = list(csv.DictReader((tmp_path / "simulated.csv").open()))
    assert len(rows) == 90 * 3 and {row["simulated"] for row in rows} == {"simulated"}
    assert [row["case"] for row in rows[:4]] == ["1", "1", "1", "2"] and rows[-1]["case"] == "90"
    for name in ("simulated.manifest.json", "answer-key.manifest.json", "simulation.json"):
        content = json.loads((tmp_path / name).read_text())
        assert content["simulated"] is True and "no evidence" in content["warning"]
    assert "no evidence" in (tmp_path / "report.html").read_text()
    manifest = json.loads((tmp_path / "simulated.manifest.json").read_text())
    assert manifest["synthetic"] is True and manifest["model"] == made.origin["model"]
    ledger = (made.model.run.folder / "ledger.jsonl").read_text().splitlines()
    assert json.loads(ledger[-1])["app"] == "simulate"


def test_the_same_seed_gives_the_same_rows_and_another_one_others(folder: Path, made: Simulated):
    assert simulate(folder / "trial.yaml", progress=False).rows() == made.rows()
    assert simulate(folder / "trial.yaml", seed=4, progress=False).rows() != made.rows()


def test_the_answer_key_explains_every_cell(made: Simulated, tmp_path: Path):
    made.write(tmp_path, "en", answer_key=True)
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        *("answer-key", "simulated.csv", "simulated.manifest.json", "simulation.json")
    ]
    assert "effects" not in (tmp_path / "simulation.json").read_text()
    (tmp_path / "report.html").write_text("answers")
    with pytest.raises(RecipeError, match="answers of an earlier"):
        made.write(tmp_path, "en", answer_key=True)
    values = {
        (row["case"], row["time"]): row["systolic"]
        for row in csv.DictReader((tmp_path / "simulated.csv").open())
    }
    moved = 0
    for row in csv.DictReader((tmp_path / "answer-key/answer-key.csv").open()):
        assert row["column"] == "systolic" and row["value"] == values[row["case"], row["time"]]
        total = sum(float(row[part]) for part in ("drawn", "course", "effect"))
        moved += abs(total - float(row["value"])) > 0.5001  # a rule moved it
        if row["arm"] == "usual diet" or row["time"] == "0":
            assert float(row["effect"]) == 0
    assert moved <= 5
    assert "effects" in (tmp_path / "answer-key/simulation.json").read_text()


def test_the_comparison_is_that_of_the_rows(made: Simulated):
    last = {
        arm: [row[-3] for row in made.rows() if row[2] == arm and row[3] == 8]
        for arm in ("usual diet", "less salt")
    }
    found = made.comparison
    assert found is not None and found.n == (40, 50)
    assert found.difference == pytest.approx(
        np.mean(last["less salt"]) - np.mean(last["usual diet"])
    )
    power = made.power
    assert power is not None and power.low < power.simulated <= power.high
    assert power.size < -0.3 and abs(power.simulated - power.exact) < 0.15


def test_pages_in_both_languages(made: Simulated, tmp_path: Path):
    pages = {language: made.write(tmp_path / language, language) for language in ("en", "zh")}
    for page in pages.values():
        text = page.read_text()
        assert f"{made.power.exact:.1%}" in text and "Less salt" in text and "<svg" in text
    assert "模拟" in pages["zh"].read_text() and english(visible(pages["zh"])) == []


# Declarations -------------------------------------------------------------------------------------


def applied(
    arm: Arm, course: Course | None, rules: list, cases: list, seed: int = 0
) -> effects.Made:
    return effects.made(cases, arm, course, rules, np.random.default_rng(seed))


def test_an_effect_is_what_was_declared():
    cases = [{"x": float(value), "y": 1} for value in range(4000)]
    found = applied(Arm(effects={"x": Effect(add=-5, multiply=1.1, sd=2)}), None, [], cases)
    added = np.array(
        [row["x"] - 1.1 * case["x"] for row, case in zip(found.rows, cases, strict=True)]
    )
    assert added.mean() == pytest.approx(-5, abs=0.15) and added.std() == pytest.approx(2, abs=0.1)
    assert cases[7] == {"x": 7.0, "y": 1}, "what was drawn is left as it is"


def test_a_course_has_the_declared_slope_and_errors():
    course = Course(times=(0, 1, 5), columns={"x": Measured(change=2, spread=0.5, sd=3)})
    cases = [{"x": 100.0} for _ in range(4000)]
    found = applied(Arm(effects={"x": Effect(add=10, since=5)}), course, [], cases)
    values = np.array([row["x"] for row in found.rows]).reshape(-1, 3)
    assert (values[:, 0] == 100).all()
    assert values[:, 1].mean() == pytest.approx(102, abs=0.2)
    assert values[:, 2].mean() == pytest.approx(120, abs=0.3)
    assert values[:, 2].std() == pytest.approx(np.hypot(5 * 0.5, 3), abs=0.15)
    assert np.corrcoef(values[:, 1], values[:, 2])[0, 1] == pytest.approx(
        0.5 * 2.5 / np.hypot(0.5, 3) / np.hypot(2.5, 3), abs=0.05
    )


def test_what_breaks_a_rule_is_moved_and_counted():
    sheet = parsed("run: r\nrules: [0 <= x <= 10, x <= y, x + y == z]\n", "e")
    rules = rules_of(sheet, "cases", ["x", "y", "z"])
    found = applied(
        Arm(effects={"x": Effect(add=5)}), None, rules, [{"x": 9.0, "y": 12.0, "z": 21.0}]
    )
    assert found.rows == [{"x": 10, "y": 12.0, "z": 22.0}]
    assert found.moved == {"0 <= x <= 10": 1, "x + y == z": 1}


def test_rounding_does_not_swallow_an_effect():
    cases = [{"x": 3} for _ in range(5)]
    assert [
        row["x"] for row in applied(Arm(effects={"x": Effect(add=0.4)}), None, [], cases).rows
    ] == [3.4] * 5
    noisy = applied(Arm(effects={"x": Effect(add=0.4, sd=2)}), None, [], cases * 2000)
    values = [row["x"] for row in noisy.rows]
    assert all(float(value).is_integer() for value in values)
    assert np.mean(values) == pytest.approx(3.4, abs=0.08)


def test_what_mends_one_rule_may_not_break_another():
    sheet = parsed("run: r\nrules: [5 <= x, x <= y]\n", "e")
    rules = rules_of(sheet, "cases", ["x", "y"])
    arm = Arm(effects={"x": Effect(add=-1), "y": Effect(add=-9)})
    found = applied(arm, None, rules, [{"x": 6.0, "y": 7.0}])
    assert found.rows == [{"x": 5, "y": 5}] and not found.broken
    sheet = parsed("run: r\nrules: [0 <= z <= 5, x + y == z]\n", "e")
    rules = rules_of(sheet, "cases", ["x", "y", "z"])
    found = applied(arm, None, rules, [{"x": 6.0, "y": 20.0, "z": 5.0}])
    assert sum(found.broken.values()) == 1


def test_empty_cells_stay_empty_and_are_counted():
    found = applied(Arm(effects={"x": Effect(add=5)}), None, [], [{"x": None}, {"x": 1.0}])
    assert [row["x"] for row in found.rows] == [None, 6.0] and found.empty == {"x": 1}


# What cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("hypertension", "hypertensoin"), 6, "did you mean 'hypertension'"),
        (("{diagnosis:", "{diagnose:"), 6, "did you mean 'diagnosis'"),
        (("{systolic: {add", "{systolik: {add"), 10, "did you mean 'systolic'"),
        (("{systolic: {add", "{sex: {add"), 10, "holds no numbers"),
        (("column: systolic", "column: systolc"), 12, "did you mean 'systolic'"),
        (("[usual diet,", "[usual det,"), 12, "did you mean 'usual diet'"),
        (("[usual diet, less salt]", "[less salt, less salt]"), 12, "not compared with itself"),
        (("30 <= age", "81 <= age"), 7, "at least 81 and at most 80"),
        (("sd: 2}", "since: 99}"), 10, "nothing is measured"),
        (("cases: 40", "cases: 100000"), 5, None),
    ],
)
def test_mistakes_name_key_and_line(
    folder: Path, tmp_path: Path, change: tuple[str, str], line: int, words: str | None
):
    file = folder / "wrong.yaml"
    text = TRIAL.replace(*change)
    if words is None:  # huge: arms * times * cases
        text = text.replace("times: [0, 4, 8]", f"times: {list(range(60))}")
        words = "rows would be simulated"
    file.write_text(text)
    with pytest.raises(CastaliaError) as error:
        simulate(file, progress=False)
    assert words in str(error.value) and f"line {line}" in str(error.value)
    assert error.value.fix


def test_conditions_that_no_row_meets(folder: Path):
    file = folder / "none.yaml"
    text = TRIAL.replace("30 <= age <= 80", "86 <= age <= 90").replace("cases: 40", "cases: 3")
    text = text.partition("compare:")[0].replace("{cases: 50, ", "{")
    file.write_text(text)
    with pytest.raises(DataError, match="no row of the table meets the conditions"):
        simulate(file, progress=False)
    file.write_text(text.replace("86 <= age", "84 <= age"))
    # a few rows meet them: the model draws such rows seldom or never, and both are said
    try:
        found = simulate(file, progress=False)
    except RecipeError as error:
        assert "keep the rules; '84 <= age <= 90' refused" in str(error)
    else:
        assert any("mostly a guess" in note for note in found.notes)


def test_a_run_of_something_else_is_refused(folder: Path, tmp_path: Path):
    from tests.apps.command import TINY

    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "digits", cwd=tmp_path)
    with pytest.raises(RecipeError, match="not one of a table"):
        simulate(folder / "trial.yaml", run=tmp_path / "digits", progress=False)


def test_a_table_with_a_column_of_that_name(folder: Path, tmp_path: Path):
    rows = made_patients(60, 1).replace("weight\n", "case\n", 1)
    (tmp_path / "t.csv").write_text(rows)
    (tmp_path / "e.yaml").write_text("table: t.csv\nsettings: {training.steps: 2}\ncases: 2\n")
    with pytest.raises(DataError, match="a column 'case'"):
        simulate(tmp_path / "e.yaml", out=tmp_path / "out", progress=False)


def test_a_table_alone_is_learned_once(tmp_path: Path):
    (tmp_path / "t.csv").write_text(made_patients(60, 9))
    tiny = "settings: {training.steps: 2, training.threads: 1}\ncases: 2\n"
    (tmp_path / "e.yaml").write_text(f"table: t.csv\n{tiny}")
    first = simulate(tmp_path / "e.yaml", out=tmp_path, progress=False)
    again = simulate(tmp_path / "e.yaml", out=tmp_path, progress=False)
    assert again.rows() == first.rows() and again.origin == first.origin
    (tmp_path / "e.yaml").write_text(f"table: t.csv\n{tiny.replace('2,', '3,')}")
    with pytest.raises(RunError, match="in another way"):
        simulate(tmp_path / "e.yaml", out=tmp_path, progress=False)


def printed(out: str) -> dict:
    """The document on stdout; on a slow machine progress is on stderr, after it."""
    return json.JSONDecoder().raw_decode(out)[0]


def test_the_command(folder: Path):
    out = inside("simulate", "trial.yaml", "--cases", "20", "--out", "out", cwd=folder)
    assert "less salt: 20 simulated cases" in out
    assert "usual diet: 20 simulated cases" in out and "no evidence" in out and "power:" in out
    shown = printed(inside("simulate", "trial.yaml", "--json", "--out", "out2", cwd=folder))
    assert shown["simulated"] is True and shown["arms"]["less salt"]["cases"] == 50
    words = ("simulate", "trial.yaml", "--answer-key", "--lang", "zh", "--out", "out3")
    chinese = inside(*words, cwd=folder)
    assert "模拟" in chinese and english(chinese) == []
    assert (folder / "out3/answer-key/report.html").is_file()
    assert "--out DIR" in inside("simulate", "trial.yaml", cwd=folder, code=2)
    assert "out of range" in inside(
        "simulate", "trial.yaml", "--cases", "1", "--out", "o", cwd=folder, code=2
    )


def test_python_has_it_as_well():
    assert castalia.simulate is simulate
