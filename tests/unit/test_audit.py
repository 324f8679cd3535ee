"""The audit: thresholds that are not judged by what set them, verdicts, membership, the verb, its
files and its page.
"""

import base64
import json
import random
import re
from pathlib import Path

import jsonschema
import numpy as np
import PIL.Image
import pytest
import torch
from tests.apps.command import TINY, inside
from tests.texts import SHORT

import castalia
from castalia.errors import DataError, RecipeError, Refused, RunError
from castalia.governance import audit as auditing
from castalia.governance import similarity as likeness
from castalia.governance.audit import inspect
from castalia.governance.audit_index import Index, open_index
from castalia.governance.audit_page import GIVEN, KINDS
from castalia.governance.calibration import Calibration, chance, crossed, threshold_of, verdict_of
from castalia.governance.membership import auc_interval, membership
from castalia.language import translate
from castalia.run import Run
from castalia.training.setup import open_data
from castalia.verbs.audit import audit

SCHEMA = json.loads((Path(auditing.__file__).parent / "audit.schema.json").read_text())


# Numbers ------------------------------------------------------------------------------------------


def test_the_threshold_is_an_order_statistic():
    distances = torch.arange(1, 1000).double() / 1000
    # 0.65% of 1,000, rounded down: the sixth
    assert threshold_of(distances, 1.0) == pytest.approx(0.006)
    assert threshold_of(distances, 0.002) == 0.002
    assert threshold_of(torch.tensor([0.3, 0.2]).double(), 1.0) == pytest.approx(0.2)


def test_the_rate_of_false_alarms_is_honest():
    """In simulation the cross-fitted rate is that of new items, about ALPHA, whatever the
    distribution.
    """
    rng = torch.Generator().manual_seed(0)
    reported, true = [], []
    for _ in range(60):
        held_out, fresh = (
            torch.rand(400, generator=rng).double() ** 3,
            torch.rand(4000, generator=rng).double() ** 3,
        )
        reported.append(crossed(held_out, 1.0) / 400)
        true.append((fresh < threshold_of(held_out, 1.0)).double().mean().item())
    assert np.mean(true) == pytest.approx(0.0065, abs=0.0025)
    assert np.mean(reported) <= 0.01 and np.mean(reported) == pytest.approx(
        np.mean(true), abs=0.0025
    )


def test_fishers_exact_test():
    scipy = pytest.importorskip("scipy.stats")
    for hits, n, other, m in ((3, 100, 1, 200), (10, 1000, 4, 900), (0, 50, 0, 50), (5, 5, 0, 3)):
        expected = scipy.fisher_exact(
            [[hits, n - hits], [other, m - other]], alternative="greater"
        ).pvalue
        assert chance(hits, n, other, m) == pytest.approx(expected, rel=1e-6)


def calibrated(power: float = 1.0, items: int = 400, alarms: int = 2) -> Calibration:
    return Calibration(0.3, "held-out items", items, alarms, 0.2, power={"exact": power})


@pytest.mark.parametrize(
    ("distances", "calibration", "expected"),
    [
        ([0.5] * 400, calibrated(), "none"),
        ([0.25] * 3 + [0.5] * 397, calibrated(), "none"),  # no more than new items give
        ([0.25] * 20 + [0.5] * 380, calibrated(), "copies"),
        # one is enough where no accident explains it
        ([0.01] + [0.5] * 399, calibrated(), "copies"),
        ([0.5] * 400, calibrated(power=0.4), "cannot tell"),
        ([0.01] * 9 + [0.5] * 391, calibrated(power=0.4), "copies"),  # seen is seen
        ([0.5] * 400, calibrated(alarms=40), "cannot tell"),
        (
            [0.5] * 400,
            Calibration(0.3, "a fixed threshold", 0, 0, 0.0, power={"exact": 1.0}),
            "cannot tell",
        ),
    ],
)
def test_verdicts(distances: list[float], calibration: Calibration, expected: str):
    assert verdict_of(torch.tensor(distances).double(), calibration)[0] == expected


def test_delong_by_hand_and_in_simulation():
    assert auc_interval(torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0]))[0] == 1.0
    assert auc_interval(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))[0] == 0.5
    rng = torch.Generator().manual_seed(0)
    # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    truth = 0.5 * (1 + torch.erf(torch.tensor(0.5))).item()
    inside_it = 0
    for _ in range(400):
        _value, low, high = auc_interval(
            torch.randn(60, generator=rng) + 1, torch.randn(90, generator=rng)
        )
        inside_it += low <= truth <= high
    assert 0.92 <= inside_it / 400 <= 0.98
    x, y = torch.randn(30, generator=rng), torch.randn(20, generator=rng)
    assert auc_interval(x, y)[0] == pytest.approx((x[:, None] > y).double().mean().item())


# Runs ---------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _few_planted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(auditing, "PLANTED", 4)
    monkeypatch.setattr(auditing, "LEAST_CHECKED", 60)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    overrides = {
        "data.limit": 600,
        "training.steps": 10,
        "training.batch": 16,
        "training.sample_every": 0,
        "training.threads": 1,
    }
    return castalia.train(
        "image/vae-mlp",
        "builtin/digits",
        overrides,
        out=tmp_path_factory.mktemp("audit") / "digits",
    )


@pytest.fixture(scope="module")
def verses(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return castalia.train(
        "text/ar",
        "builtin/tang",
        [*SHORT, "data.limit=600"],
        out=tmp_path_factory.mktemp("audit") / "tang",
    )


def pictures_of(run: Run, count: int) -> list[PIL.Image.Image]:
    return [run.codec.decode(row) for row in open_data(run).train.take(range(count)).x]


def saved(folder: Path, images: list[PIL.Image.Image]) -> Path:
    folder.mkdir()
    for number, image in enumerate(images):
        image.save(folder / f"file-{number:03d}.png")
    return folder


def test_a_healthy_run(digits: Run):
    document = audit(digits, n=60)
    jsonschema.validate(document, SCHEMA)
    assert document == json.loads((digits.folder / "audit" / "audit.json").read_text())
    assert document["verdict"] == "none" and document["checked"] == 60
    assert (
        document["false_alarm_rate"] <= 0.02
        and document["calibration"]["source"] == "held-out items"
    )
    assert not document["membership"]["shows"] and document["membership"]["attack"] == "loss"


def test_foreign_files_are_audited_and_copies_among_them_found(digits: Run, tmp_path: Path):
    held_out = open_data(digits).validation
    fresh = [digits.codec.decode(row) for row in held_out.take(range(50)).x]
    planted = [
        *pictures_of(digits, 2),
        pictures_of(digits, 4)[3].transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT),
    ]
    folder = saved(tmp_path / "foreign", [*planted, *fresh])
    (folder / "notes.md").write_text("not a picture")
    document = audit(digits, samples=folder, index=False)
    jsonschema.validate(document, SCHEMA)
    assert (
        document["verdict"] == "copies"
        and document["checked"] == 53
        and document["samples"] == "foreign"
    )
    named = {pair["sample"]: pair for pair in document["pairs"]}
    assert {"file-000.png", "file-001.png", "file-002.png"} <= set(named)
    assert named["file-000.png"]["kind"] == "exact" and named["file-002.png"]["kind"] in (
        "flipped",
        "exact",
    )
    assert document["copies"] <= 5 and all(pair["train"] for pair in document["pairs"])


def test_the_limit_sets_exit_code_seven(digits: Run, tmp_path: Path):
    folder = saved(tmp_path / "copied", pictures_of(digits, 12))
    told = inside(
        "audit",
        digits.folder,
        "--samples",
        folder,
        "--max-copies",
        0,
        "--no-index",
        cwd=tmp_path,
        code=7,
    )
    assert "12 of 12 samples are copies" in told
    inside(
        "audit", digits.folder, "--samples", folder, "--max-copies", 1, "--no-index", cwd=tmp_path
    )
    out = inside(
        "audit", digits.folder, "-n", 40, "--max-copies", 0, "--no-index", "--json", cwd=tmp_path
    )
    # what follows stood on stderr
    assert json.JSONDecoder().raw_decode(out)[0]["verdict"] == "none"
    inside("audit", digits.folder, "--max-copies", 2, cwd=tmp_path, code=2)
    inside("audit", digits.folder, "--lang", "fr", cwd=tmp_path, code=2)


def test_what_cannot_be_told_does_not_pass_a_limit():
    from castalia.verbs.audit import limit

    with pytest.raises(Refused, match="cannot tell"):
        limit({"verdict": "cannot tell", "notes": ["why"]}, 0.5, "page")
    limit({"verdict": "copies", "beyond_chance": 0.01, "copies": 1, "checked": 100}, 0.02, "page")


def test_a_corrupt_sample_is_named(digits: Run, tmp_path: Path):
    folder = saved(tmp_path / "damaged", pictures_of(digits, 2))
    (folder / "file-001.png").write_bytes((folder / "file-001.png").read_bytes()[:40])
    with pytest.raises(DataError) as error:
        audit(digits, samples=folder)
    assert "file-001.png" in error.value.where


def test_the_page_is_whole_and_offline(digits: Run, tmp_path: Path):
    folder = saved(tmp_path / "shown", pictures_of(digits, 3))
    for language in ("en", "zh"):
        audit(digits, samples=folder, index=False, language=language)
        page = (digits.folder / "audit" / "audit.html").read_text()
        assert not re.search(r"https?://|<script|<link", page)
        assert (
            translate(GIVEN, language) in page
            and "file-000.png" in page
            and translate(KINDS["exact"], language) in page
        )
        sources = re.findall(r'src="([^"]*)"', page)
        assert len(sources) >= 6 and all(
            source.startswith("data:image/png;base64,") for source in sources
        )
        assert all(
            base64.b64decode(source.partition(",")[2])[:4] == b"\x89PNG" for source in sources
        )


def test_the_index_answers_a_policy(digits: Run, tmp_path: Path):
    assert open_index(Run(tmp_path)) is None
    audit(digits, n=40)
    index = open_index(Run.open(digits.folder))
    assert isinstance(index, Index) and 0 < index.limit < 1
    similarity, name = index.nearest(pictures_of(digits, 6)[5])
    assert similarity > 0.99 and name == open_data(digits).train.where(5)
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8))
    assert index.nearest(noise)[0] < index.limit
    # where a policy asks
    assert likeness.open_index(digits).nearest(pictures_of(digits, 6)[5]) == (similarity, name)
    (digits.folder / "audit" / "index.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        open_index(digits)


def test_few_held_out_items(tmp_path: Path):
    """Training items are set apart instead, and with too few of those the audit says that it cannot
    tell.
    """
    for limit, source in ((200, "training items set apart"), (24, "a fixed threshold")):
        run = castalia.train(
            "image/vae-mlp",
            "builtin/digits",
            [*TINY, f"data.limit={limit}"][1:],
            out=tmp_path / str(limit),
        )
        document = audit(run, n=60, index=False)
        jsonschema.validate(document, SCHEMA)
        assert document["calibration"]["source"] == source
        assert any("held-out items to set the threshold by" in note for note in document["notes"])
        if source == "a fixed threshold":
            assert document["verdict"] == "cannot tell" and document["false_alarm_rate"] is None


def test_duplicates_across_the_split_are_reported(digits: Run, tmp_path: Path):
    """Files that differ in one pixel by one level escape the exact check and land on both sides."""
    folder = tmp_path / "twins"
    folder.mkdir()
    for number, image in enumerate(pictures_of(digits, 150)):
        image.save(folder / f"{number:03d}.png")
        twin = np.array(image)
        twin[0, 0] ^= 1
        PIL.Image.fromarray(twin).save(folder / f"{number:03d}-twin.png")
    run = castalia.train(
        "image/vae-mlp", folder, [*TINY[1:], "data.validation=0.3"], out=tmp_path / "run"
    )
    document = audit(run, n=60, index=False)
    assert document["calibration"]["duplicates"] > 5 and any(
        "duplicates across the split" in note for note in document["notes"]
    )
    assert document["verdict"] == "cannot tell"


def test_texts(verses: Run, tmp_path: Path):
    document = audit(verses, n=60)
    jsonschema.validate(document, SCHEMA)
    assert document["matcher"] == "texts" and document["verdict"] in ("none", "cannot tell")
    index = open_index(verses)
    assert index is not None
    side = open_data(verses).train
    poem = verses.codec.decode(next(iter(side.documents())))
    similarity, name = index.nearest(poem)
    assert similarity > index.limit and name == side.where(0)
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, document_ in enumerate(side.documents()):
        if number < 20:
            (folder / f"{number:02d}.txt").write_text(
                verses.codec.decode(document_), encoding="utf-8"
            )
    told = audit(verses, samples=folder, language="zh", index=False)
    jsonschema.validate(told, SCHEMA)
    assert (
        told["verdict"] == "copies" and told["copies"] >= 15 and told["pairs"][0]["kind"] == "exact"
    )
    page = (verses.folder / "audit" / "audit.html").read_text(encoding="utf-8")
    assert "<mark>" in page and translate(GIVEN, "zh") in page and not re.search(r"https?://", page)


# Membership ---------------------------------------------------------------------------------------


def letters(folder: Path, count: int) -> Path:
    """Random lines: nothing to learn from one about another."""
    folder.mkdir()
    rng = random.Random(0)
    lines = ["".join(rng.choice("abcdefgh") for _ in range(24)) for _ in range(count)]
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    return folder


LINES = [
    "codec.document=line",
    "codec.length=32",
    "family.width=48",
    "family.depth=2",
    "family.heads=2",
    "training.sample_every=0",
    "training.threads=1",
]


@pytest.fixture(scope="module")
def memoriser(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained on some 50 lines until it knows them."""
    place = tmp_path_factory.mktemp("member")
    overrides = [
        *LINES,
        "data.validation=0.5",
        "training.steps=180",
        "training.batch=32",
        "family.dropout=0",
    ]
    return castalia.train("text/ar", letters(place / "data", 100), overrides, out=place / "run")


def test_a_run_that_memorises_shows_it(memoriser: Run):
    found = membership(memoriser, memoriser.model(), open_data(memoriser), samples=None, seed=0)
    assert found.attack == "loss" and found.members >= 35
    assert found.shows and found.low > 0.8


def test_a_healthy_one_does_not(tmp_path: Path):
    run = castalia.train(
        "text/ar",
        letters(tmp_path / "data", 400),
        [*LINES, "data.validation=0.5", "training.steps=20"],
        out=tmp_path / "run",
    )
    found = membership(run, run.model(), open_data(run), samples=None, seed=0)
    assert not found.shows and found.low < 0.55


def test_shadow_models(memoriser: Run, monkeypatch: pytest.MonkeyPatch):
    dataset = open_data(memoriser)
    monkeypatch.setitem(memoriser.recipe.training.__dict__, "steps", 50)
    found = membership(memoriser, memoriser.model(), dataset, samples=None, seed=0, shadows=4)
    assert found.attack == "shadow" and found.auc > 0.8
    with pytest.raises(RecipeError, match="too few"):
        membership(memoriser, memoriser.model(), dataset, samples=None, seed=0, shadows=2)


def test_families_without_a_likelihood(tmp_path: Path):
    """A replayed training set gives its members away by distance; too few samples do not."""
    run = castalia.train(
        "image/gan",
        "builtin/digits",
        [*TINY[:1], "data.limit=300", "data.validation=0.3", *TINY[2:]],
        out=tmp_path / "run",
    )
    dataset, model = open_data(run), run.model()
    replayed = dataset.train.take(range(len(dataset.train))).x
    found = membership(run, model, dataset, samples=replayed, seed=0)
    assert found.attack == "distance" and found.shows and found.auc == 1.0
    assert membership(run, model, dataset, samples=replayed[:3], seed=0).auc is None
    with pytest.raises(RecipeError, match="no losses"):
        membership(run, model, dataset, samples=replayed, seed=0, shadows=4)


def test_inspect_writes_nothing(digits: Run, tmp_path: Path):
    before = {path: path.stat().st_mtime_ns for path in digits.folder.rglob("*")}
    inspect(digits, n=40)
    assert {path: path.stat().st_mtime_ns for path in digits.folder.rglob("*")} == before
