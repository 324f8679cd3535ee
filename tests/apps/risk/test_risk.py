"""`castalia risk` as a whole: its numbers, its files and pages, the command, and HTTP."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import castalia
from castalia.apps.risk.assessing import Risk, Rule, risk
from castalia.apps.risk.demo import made_prices
from castalia.errors import CastaliaError, DataError, MissingExtra
from tests.apps.chinese import english, visible
from tests.apps.command import inside
from tests.apps.serving import serving

WEIGHTS = {"STOCK": 0.6, "BOND": 0.4}
FAST = {"methods": ["historical", "simulated"], "window": 500, "test": 150, "paths": 2000}


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    path.write_text(made_prices(700, 3))
    return path


@pytest.fixture(scope="module")
def made(prices: Path) -> Risk:
    return risk(prices, weights=WEIGHTS, value=100_000, progress=False, **FAST)


def test_the_forecast_from_the_end_is_that_of_the_window(made: Risk):
    last = made.portfolio[-500:]
    found = {(one.method, one.level, one.horizon): one for one in made.estimates}
    assert found["historical", 0.99, 1].var == pytest.approx(-np.sort(last)[4])
    assert found["historical", 0.99, 1].es == pytest.approx(-np.sort(last)[:5].mean())
    for one in made.estimates:
        assert 0 < one.var < one.es
    for name in ("historical", "simulated"):
        assert found[name, 0.95, 1].var < found[name, 0.99, 1].var < found[name, 0.99, 10].var


def test_the_same_file_and_seed_give_the_same_document(prices: Path, made: Risk):
    again = risk(prices, weights=WEIGHTS, value=100_000, progress=False, **FAST)
    assert json.dumps(again.document()) == json.dumps(made.document())
    other = risk(prices, weights=WEIGHTS, seed=1, progress=False, **FAST)
    assert other.estimates[-1].var != made.estimates[-1].var


def test_the_files_hold_what_was_computed(made: Risk, tmp_path: Path):
    made.write(tmp_path, "en")
    document = json.loads((tmp_path / "risk.json").read_text())
    assert document["assets"] == WEIGHTS and document["returns"] == 699
    rows = list(csv.DictReader((tmp_path / "backtest.csv").open()))
    assert len(rows) == 150
    test = next(
        one
        for one in document["tests"]
        if (one["method"], one["level"], one["horizon"]) == ("simulated", 0.95, 1)
    )
    exceeded = [row for row in rows if float(row["return"]) < -float(row["var_simulated_0.95"])]
    assert test["exceedances"] == len(exceeded)
    levels = list(csv.DictReader((tmp_path / "levels.csv").open()))
    assert len(levels) == 700
    assert float(levels[-1]["value"]) - float(levels[0]["value"]) == pytest.approx(
        100 * np.log1p(made.portfolio).sum(), abs=1e-5
    )
    assert len(list(csv.DictReader((tmp_path / "levels-before-test.csv").open()))) == 550


def test_pages_in_both_languages(made: Risk, tmp_path: Path):
    pages = {language: made.write(tmp_path / language, language) for language in ("en", "zh")}
    one = next(
        e for e in made.estimates if (e.method, e.level, e.horizon) == ("simulated", 0.99, 1)
    )
    for page in pages.values():
        text = page.read_text()
        assert f"{100 * one.var:.2f}%" in text and f"{100_000 * one.var:,.0f}" in text
        assert text.count("<svg") == 3
    assert "Simulations are not promises" in pages["en"].read_text()
    assert "模拟不是承诺" in pages["zh"].read_text()
    assert english(visible(pages["zh"])) == []


def test_trading_says_what_holding_would_have_brought(made: Risk):
    traded = made.traded
    assert traded is not None and traded.past_steps == 599
    exact = 0.999 * np.prod(1 + made.portfolio[100:]) - 1
    assert traded.past_holding.total[0] == pytest.approx(exact)
    assert traded.drawn.total.shape == (1000,)
    document = made.document()["trading"]
    assert "not promises" in document["warning"]
    assert document["drawn"]["rule"]["loses"] == pytest.approx((traded.drawn.total < 0).mean())


def test_garch_where_arch_is_installed(prices: Path):
    pytest.importorskip("arch")
    found = risk(prices, weights=WEIGHTS, methods=["garch"], test=60, rule=None, progress=False)
    assert found.methods == ["garch"] and found.traded is None
    assert 0.005 < found.estimates[0].var < 0.05


def test_without_arch_the_rest_works(prices: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "arch", None)
    found = risk(prices, weights=WEIGHTS, test=60, rule=None, progress=False)
    assert found.methods == ["historical", "filtered", "simulated"]
    assert any("castalia[risk]" in note for note in found.notes)
    with pytest.raises(MissingExtra):
        risk(prices, weights=WEIGHTS, methods=["garch"], test=60, progress=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"levels": [1.5]}, "a level lies"),
        ({"horizons": [0]}, "horizon is out of range"),
        ({"horizons": [500]}, "horizon is out of range"),
        ({"paths": 10**9}, "number of paths"),
        ({"paths": 90_000, "horizons": [200]}, "number of paths"),
        ({"levels": [0.9] * 11}, "too many levels"),
        ({"window": 5000}, "does not fit a series of 699"),
        ({"window": 80, "horizons": [90]}, "longer than the window"),
        ({"test": 5000}, "back-test of 5000"),
        ({"methods": ["garhc"]}, "did you mean 'garch'"),
        ({"methods": ["run"]}, "no run was given"),
        ({"rule": Rule(100, 20)}, "rule of trading"),
        ({"seed": -1}, "seed"),
        ({"value": -5.0}, "value of a portfolio"),
        ({"weights": {"STOCK": 0.6}}, "sum to 0.6"),
        ({"weights": {"STOCK": -150.0, "BOND": 151.0}}, "loses everything"),
        ({"values": ["STOKC"]}, "did you mean 'STOCK'"),
    ],
)
def test_what_does_not_make_sense_is_said(prices: Path, options: dict, words: str):
    with pytest.raises(CastaliaError) as error:
        risk(prices, progress=False, **{"weights": WEIGHTS, **options})
    assert words in str(error.value) and error.value.fix


def test_a_short_series(tmp_path: Path):
    path = tmp_path / "short.csv"
    path.write_text(made_prices(100, 3))
    with pytest.raises(DataError, match="99 returns"):
        risk(path, progress=False)
    path.write_text(made_prices(201, 3))
    found = risk(path, progress=False)
    assert found.window == 100 and any("the series is short" in note for note in found.notes)


def test_short_weights_are_said(prices: Path):
    found = risk(prices, weights={"STOCK": 1.5, "BOND": -0.5}, rule=None, progress=False, **FAST)
    assert any("sold short" in note for note in found.notes)


def printed(out: str) -> dict:
    """The document on stdout; on a slow machine progress is on stderr, after it."""
    return json.JSONDecoder().raw_decode(out)[0]


def test_the_command(prices: Path, tmp_path: Path):
    words = ("risk", prices, "--weight", "STOCK=60%", "--weight", "BOND=0.4", "--test", "100")
    few = ("--methods", "historical,simulated", "--paths", "1000", "--horizons", "1")
    out = inside(*words, *few, "--out", "out", cwd=tmp_path)
    assert "Kupiec p" in out and "not promises" in out and (tmp_path / "out/report.html").is_file()
    shown = printed(inside(*words, *few, "--json", cwd=tmp_path))
    assert shown["estimates"][0]["method"] == "historical" and len(shown["tests"]) == 6
    chinese = inside(*words, *few, "--lang", "zh", cwd=tmp_path)
    assert "在险价值" in chinese and english(chinese) == []
    assert "95%" in inside(*words, *few, "--levels", "95%", "--rule", "none", cwd=tmp_path)
    wrong = inside("risk", prices, "--weight", "STOCK", cwd=tmp_path, code=2)
    assert "STOCK" in wrong
    assert "not both" in inside("risk", prices, "--prices", "--returns", cwd=tmp_path, code=2)
    assert "20/100" in inside("risk", prices, "--rule", "20", cwd=tmp_path, code=2)


def test_python_has_it_as_well():
    assert castalia.risk is risk


def test_over_http(prices: Path, tmp_path: Path):
    from tests.apps.command import TINY

    inside("train", "image/vae", "builtin/digits", *TINY, "--out", "run", cwd=tmp_path)
    with serving(tmp_path / "run") as up:

        def asked(**fields: str):
            files = {"data": ("prices.csv", prices.read_bytes(), "text/csv")}
            few = {"methods": "historical", "test": "60", "horizons": "1", "rule": "none"}
            return up.post("/api/risk", data={**few, **fields}, files=files)

        answer = asked(weights="STOCK=0.6,BOND=0.4", language="zh").json()
        assert answer["source"] == "prices.csv" and "在险价值" in answer["page"]
        exact = risk(
            prices,
            weights=WEIGHTS,
            methods=["historical"],
            test=60,
            horizons=[1],
            rule=None,
            progress=False,
        ).document()
        assert {**answer, "page": None} == {**exact, "page": None}
        assert asked(value="STOKC").status_code == 400
        assert asked(weights="STOCK=0.6").status_code == 400
        assert asked(kind="profits").status_code == 400
        assert asked(paths="90000").status_code == 400
        assert asked(test="9000").status_code == 400
        assert asked(horizons="1,2,3,4").status_code == 400
        assert asked(window="x").status_code in (400, 422)
        assert asked(language="fr").status_code == 400


@pytest.mark.parametrize("steps", ["levels-before-test.csv", "levels.csv"])
def test_paths_of_a_trained_run(prices: Path, tmp_path: Path, steps: str):
    few = {**FAST, "test": 30}
    risk(prices, weights=WEIGHTS, rule=None, progress=False, **few).write(tmp_path / "out")
    tiny = ["training.steps=3", "training.sample_every=0", "training.threads=1", "family.depth=1"]
    inside("train", "series/ar", f"out/{steps}", *tiny, "--out", "run", cwd=tmp_path)
    found = risk(
        prices,
        weights=WEIGHTS,
        methods=["run"],
        test=30,
        horizons=[1],
        run=tmp_path / "run",
        rule=Rule(2, 5, steps=5),
        progress=False,
    )
    fair = [note for note in found.notes if "The run was" in note]
    assert len(fair) == 1
    assert ("its test is fair" in fair[0]) == (steps == "levels-before-test.csv")
    assert found.methods == ["run"] and found.traded is not None and found.traded.method == "run"
    assert 0.0005 < found.estimates[0].var < 0.5
