"""Exports that are programs: ONNX files by onnxruntime and bundles without Castalia against the run
that they came from.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import PIL.Image
import PIL.PngImagePlugin
import pytest
import torch
from tests.untrained import SMALL_TEXT, untrained
from torch import nn

from castalia import registry
from castalia.abilities import SampleOptions
from castalia.errors import AbilityError, MissingExtra, RunError
from castalia.export import bundle, onnx, safetensors
from castalia.export.targets import MANIFEST, Exported, export
from castalia.governance.provenance import examine
from castalia.nn.counter_random import generators, noise_rows
from castalia.run import Run
from castalia.sampling.generate import Request, draw, generate, request_of
from castalia.spec import Classes, Condition

TEXTS = [
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n" * 4,
    "To be, or not to be, that is the question:\n" * 8,
]
CLASSES: dict[str, Condition] = {"label": Classes(("cat", "狗", "cow"))}
ROOT = Path(__file__).parents[2]

# Runs in a process that cannot import what the first argument names: programs, each with several
# lists of words.
ALONE = """
import json, os, runpy, sys
from importlib.abc import MetaPathFinder
without, calls = json.loads(sys.argv[1]), json.loads(sys.argv[2])
class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in without:
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Blocked())
for program, folder, words in calls:
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    sys.argv = [program, *words]
    with open("printed.txt", "a", encoding="utf-8") as sys.stdout:
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as stop:
            print(stop.code)
"""


def alone(calls: list[tuple[Exported, Path, list[str]]], *without: str) -> None:
    """Calls run.py of exports in folders, words being the arguments; each folder gets what it
    prints as printed.txt.
    """
    given = [(str(made.folder / "run.py"), str(folder), words) for made, folder, words in calls]
    words = [sys.executable, "-I", "-c", ALONE, json.dumps(without), json.dumps(given)]
    done = subprocess.run(words, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


# pytest would keep each of its thousands of lines
logging.getLogger("torch.__trace").setLevel(logging.WARNING)


class Both(NamedTuple):
    """A run and two exports of it."""

    run: Run
    onnx: Exported
    bundle: Exported

    def session(self, name: str) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(
            self.onnx.folder / f"{name}.onnx", providers=["CPUExecutionProvider"]
        )


def both(folder: Path, run: Run) -> Both:
    return Both(run, export(run, "onnx", folder / "onnx"), export(run, "bundle", folder / "bundle"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("pictures")
    item = PIL.Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    run = untrained(
        folder / "run",
        "image/gan",
        [item],
        "family.width=8",
        "sampling.batch=3",
        conditions=CLASSES,
    )
    return both(folder, run)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("vectors")
    items = [np.array([1.0, 200.0, -3.0], np.float32) * k for k in (1, 2, 4)]
    return both(
        folder, untrained(folder / "run", "array/vae", items, "family.width=8", "family.latent=2")
    )


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Bytes, and a context that a text soon outgrows: characters must stay whole, and the memory
    begins anew.
    """
    folder = tmp_path_factory.mktemp("texts")
    more = (
        "codec.tokenizer=byte",
        "codec.length=24",
        "family.depth=1",
        "family.kv_heads=2",
        "sampling.batch=3",
        "sampling.top_k=50",
    )
    return both(
        folder, untrained(folder / "run", "text/ar", TEXTS, *SMALL_TEXT, *more, conditions=CLASSES)
    )


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Merges, n-grams, documents without an end, squared ReLU."""
    folder = tmp_path_factory.mktemp("pieces")
    more = (
        "codec.tokenizer=bpe",
        "codec.close=false",
        "family.ngrams=[2, 3]",
        "family.ngram_rows=101",
    )
    return both(folder, untrained(folder / "run", "text/ar-small", TEXTS, *SMALL_TEXT, *more))


def test_onnxruntime_draws_the_same_pictures(pictures: Both):
    model, session = pictures.run.model(), pictures.session("sample")
    for rows in (1, 5):
        noise = noise_rows("normal", generators(7, 0, rows), model.config.latent)
        told = torch.arange(rows) % 3
        (found,) = session.run(["data"], {"noise": noise.numpy(), "label": told.numpy()})
        wanted = draw(model, 7, 0, rows, {}, SampleOptions(), batch=rows)
        assert wanted.std() > 0.1
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4, rtol=0)
    assert session.get_inputs()[0].shape == ["rows", model.config.latent]


def test_onnxruntime_encodes_draws_and_decodes_vectors(vectors: Both):
    model = vectors.run.model()
    for rows in (1, 6):
        rngs = generators(2, 0, rows)
        given = {
            name: noise_rows("normal", rngs, size)
            for name, size in (("noise", 2), ("outcome_normal", 3))
        }
        (drawn,) = vectors.session("sample").run(
            ["data"], {name: value.numpy() for name, value in given.items()}
        )
        np.testing.assert_allclose(
            drawn, draw(model, 2, 0, rows, {}, SampleOptions(), rows).numpy(), atol=1e-4, rtol=0
        )
        latent, log_variance = vectors.session("encode").run(None, {"data": drawn})
        np.testing.assert_allclose(
            latent, model.to_latent(torch.from_numpy(drawn), {}).detach().numpy(), atol=1e-4, rtol=0
        )
        (mean,) = vectors.session("decode").run(None, {"latent": latent})
        np.testing.assert_allclose(
            mean,
            model.from_latent(torch.from_numpy(latent), {}).detach().numpy(),
            atol=1e-4,
            rtol=0,
        )
        assert log_variance.shape == (rows, 2) and np.abs(mean - drawn).max() > 1e-2


def test_onnxruntime_begins_with_noise_where_the_prior_is_learned(tmp_path: Path):
    """Samples of a conditional model, and a latent there and back."""
    item = PIL.Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3) % 251)
    run = untrained(
        tmp_path / "run",
        "image/vae",
        [item],
        "family.width=8",
        "family.latent=3",
        "family.prior=flow",
        "family.prior_layers=2",
        "family.overlap=true",
        conditions=CLASSES,
    )
    made = export(run, "onnx", tmp_path / "out")
    sample, encode = (
        onnxruntime.InferenceSession(made.folder / f"{name}.onnx") for name in ("sample", "encode")
    )
    model, told = run.model(), torch.arange(4) % 3
    noise = noise_rows("normal", generators(7, 0, 4), 3)
    (found,) = sample.run(["data"], {"noise": noise.numpy(), "label": told.numpy()})
    with torch.no_grad():
        wanted = model.sample(generators(7, 0, 4), {"label": told}, SampleOptions())
        vector = model._vector({"label": told}, 4, noise.device)
        unmapped = model.likelihood.mean(model.decoder(noise, vector))
        latent = model.to_latent(wanted, {"label": told})
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4, rtol=0)
    assert float((unmapped - wanted).abs().max()) > 0.01
    (encoded,) = encode.run(None, {"data": wanted.numpy(), "label": told.numpy()})
    np.testing.assert_allclose(encoded, latent.numpy(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("which", ["texts", "pieces"])
def test_onnxruntime_reads_token_by_token(which: str, request: pytest.FixtureRequest):
    made: Both = request.getfixturevalue(which)
    model, session = made.run.model(), made.session("step")
    names = [output.name for output in session.get_outputs()]
    for rows in (1, 3):
        ids = torch.randint(3, 250, (rows, 9), generator=torch.Generator().manual_seed(rows))
        ids[:, 0] = made.run.spec.begin
        told = {"label": torch.arange(rows)} if made.run.conditions else {}
        memory = {
            "past_keys": np.zeros(
                (rows, model.config.depth, model.network.blocks[0].attention.kv_heads, 0, 8),
                np.float32,
            )
        }
        memory["past_values"] = memory["past_keys"]
        if which == "pieces":
            memory["past_tokens"] = np.full((rows, 2), made.run.spec.begin)
        for start, stop in ((0, 4), (4, 5), (5, 9)):
            given = {
                "tokens": ids[:, start:stop].numpy(),
                **memory,
                **{name: value.numpy() for name, value in told.items()},
            }
            found = dict(zip(names, session.run(None, given), strict=True))
            memory = {
                name.replace("present", "past"): value
                for name, value in found.items()
                if name != "logits"
            }
            wanted = model.prefill(ids[:, :stop], torch.ones(rows, stop).bool(), told)[0]
            assert wanted.std() > 0.3
            np.testing.assert_allclose(found["logits"], wanted.numpy(), atol=1e-4, rtol=0)


# What the programs draw and write -----------------------------------------------------------------

RULES = {
    "temperature": 0.9,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.01,
    "repetition": 1.2,
    "frequency": 0.1,
}
STOPS = ("e", "a", "o", " ", "1", "明")
# name -> words, and what Castalia is asked for the same
WRITTEN: dict[str, tuple[list[str], dict[str, Any], SampleOptions]] = {
    "greedy": (
        ["--temperature", "0", "--length", "60", "--prompt", "床前 to"],
        {"n": 1, "prompt": "床前 to"},
        SampleOptions(temperature=0, length=60, top_k=50),
    ),
    "usual": (
        ["-n", "4", "--seed", "5", "--cond", "label=cow"],
        {"n": 4, "seed": 5, "cond": {"label": "cow"}},
        SampleOptions(top_k=50),
    ),
    "ruled": (
        [
            "-n",
            "2",
            "--length",
            "70",
            *(
                word
                for name, value in RULES.items()
                for word in (f"--{name.replace('_', '-')}", str(value))
            ),
        ],
        {"n": 2},
        SampleOptions(length=70, **RULES),
    ),
    "stopped": (
        ["-n", "3", *(word for stop in STOPS for word in ("--stop", stop))],
        {"n": 3},
        SampleOptions(top_k=50, stop=STOPS),
    ),
}
MERGED = (
    ["-n", "2", "--prompt", "to be <|end|>月\\n", "--length", "60", "--out", "."],
    "to be <|end|>月\n",
)
DRAWN = {
    "all": (["-n", "5", "--seed", "3"], Request(5, 3, batch=3)),
    "dogs": (
        ["-n", "2", "--cond", "label=狗", "--temperature", "0.5"],
        Request(2, 0, {"label": "狗"}, SampleOptions(temperature=0.5), batch=3),
    ),
}


@pytest.fixture(scope="module")
def bundled(
    pictures: Both,
    vectors: Both,
    texts: Both,
    pieces: Both,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """What bundles make where there is no Castalia."""
    out = tmp_path_factory.mktemp("bundled")
    calls = [
        (pictures.bundle, out / name, [*words, "--out", "."]) for name, (words, _) in DRAWN.items()
    ]
    calls += [
        (texts.bundle, out / name, [*words, "--out", "."])
        for name, (words, _, _) in WRITTEN.items()
    ]
    calls += [
        (pieces.bundle, out / "merged", MERGED[0]),
        (vectors.bundle, out, ["-n", "3", "--temperature", "0.7", "--out", "vectors"]),
    ]
    calls += [
        (made.bundle, out / "refused", ["--cond", "label=horse"]) for made in (pictures, texts)
    ]
    calls += [
        (texts.bundle, out / "wrong", words.split())
        for words in ("--top-p 0", "--top-k 0", "--length 0", "--temperature -1")
    ]
    alone(calls, "castalia")
    return out


@pytest.mark.parametrize("name", DRAWN)
def test_a_bundle_draws_castalias_pictures(name: str, pictures: Both, bundled: Path):
    for sample in generate(pictures.run, DRAWN[name][1]):
        with PIL.Image.open(bundled / name / f"{sample.index:05d}.png") as found:
            apart = np.abs(np.asarray(found).astype(int) - np.asarray(sample.item).astype(int))
            facts = json.loads(found.info["castalia"])
        assert apart.shape == (8, 8, 3) and apart.max() <= 1, "a level may be rounded the other way"
        assert facts["synthetic"] and facts["model"] == pictures.run.model_hash()
        assert (facts["index"], facts["row"], facts["rows"], facts["cond"]) == (
            sample.index,
            sample.row,
            sample.rows,
            sample.cond,
        )


def test_a_bundle_draws_castalias_vectors(vectors: Both, bundled: Path):
    for sample in generate(vectors.run, Request(3, options=SampleOptions(temperature=0.7))):
        found = np.load(bundled / "vectors" / f"{sample.index:05d}.npz", allow_pickle=False)
        assert (
            found["x"].shape == (1, 3)
            and json.loads(str(found["manifest"]))["index"] == sample.index
        )
        np.testing.assert_allclose(found["x"][0], sample.item, rtol=1e-4, atol=1e-3)


def test_what_a_bundle_makes_is_verified(bundled: Path, vectors: Both, tmp_path: Path):
    """Sealed and labelled as Castalia's own, and as easily seen to be changed."""
    for path in (
        bundled / "all" / "00001.png",
        bundled / "vectors" / "00000.npz",
        bundled / "stopped" / "00000.txt",
    ):
        finding = examine(path)
        assert finding.state == "intact" and not finding.problems, (path.name, finding)
    with PIL.Image.open(bundled / "all" / "00001.png") as found:
        chunks = PIL.PngImagePlugin.PngInfo()
        chunks.add_text("castalia", found.info["castalia"])
        chunks.add_itxt("XML:com.adobe.xmp", found.info["XML:com.adobe.xmp"])
        found.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT).save(
            tmp_path / "turned.png", pnginfo=chunks
        )
    assert examine(tmp_path / "turned.png").state == "altered"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_bundle_writes_castalias_texts(name: str, texts: Both, bundled: Path):
    _, asked, options = WRITTEN[name]
    printed = (bundled / name / "printed.txt").read_bytes().decode()
    ended = set()
    for sample in generate(texts.run, Request(**asked, options=options, batch=3)):
        assert (bundled / name / f"{sample.index:05d}.txt").read_bytes().decode() == sample.item
        assert sample.item.rstrip() in printed
        ended.add(sample.facts["ended"])
        facts = json.loads(
            (bundled / name / f"{sample.index:05d}.json").read_text(encoding="utf-8")
        )
        assert (
            facts["options"]["temperature"] == options.temperature
            and facts["synthetic"]
            and facts["row"] == sample.row
        )
    assert name != "stopped" or "stop" in ended


def test_a_bundle_of_merges_takes_prompts(pieces: Both, bundled: Path):
    request = replace(request_of(pieces.run, 2, 0), prompt=MERGED[1])
    for sample in generate(
        pieces.run, replace(request, options=replace(request.options, length=60))
    ):
        assert (bundled / "merged" / f"{sample.index:05d}.txt").read_bytes().decode() == sample.item


def test_what_makes_no_sense_is_refused(bundled: Path):
    assert (bundled / "wrong" / "printed.txt").read_text() == "2\n" * 4, "argparse's exit code"
    printed = (bundled / "refused" / "printed.txt").read_text(encoding="utf-8").splitlines()
    assert printed == ["--cond label=horse: one of cat, 狗, cow"] * 2


def test_the_programs_beside_onnx_files(
    pictures: Both, vectors: Both, texts: Both, pieces: Both, tmp_path: Path
):
    calls = [
        (made.onnx, tmp_path / made.run.recipe.title, ["-n", "2", "--out", "."])
        for made in (pictures, vectors)
    ]
    calls += [
        (made.onnx, tmp_path / made.run.recipe.title, ["--prompt", "明月 be", "--length", "55"])
        for made in (texts, pieces)
    ]
    alone(calls, "castalia", "torch")
    for made in (pictures, vectors):
        place = tmp_path / made.run.recipe.title
        found = [
            made.run.codec.encode(next(made.run.codec.read(place / name)))
            for name in (place / "printed.txt").read_text().splitlines()
        ]
        assert len(found) == 2 and not torch.equal(found[0], found[1])
    for made in (texts, pieces):
        (sample,) = generate(
            made.run, Request(1, prompt="明月 be", options=SampleOptions(temperature=0, length=55))
        )
        printed = (tmp_path / made.run.recipe.title / "printed.txt").read_bytes().decode()
        assert printed == sample.item + "\n" and len(sample.item) > 12


# What is written, and what is not -----------------------------------------------------------------


@pytest.mark.parametrize("which", ["pictures", "vectors", "texts", "pieces"])
def test_the_manifest_says_how_well_they_agree_and_nothing_says_where(
    which: str, request: pytest.FixtureRequest
):
    made: Both = request.getfixturevalue(which)
    for one, target in ((made.onnx, "onnx"), (made.bundle, "bundle")):
        manifest = json.loads((one.folder / MANIFEST).read_text())
        assert (manifest["export"], manifest["model"], manifest["licence"]["data"]) == (
            target,
            made.run.model_hash(),
            "CC0-1.0",
        )
        assert one.difference == max(manifest["differences"].values()) <= 1e-4
        assert set(manifest["differences"]) == set(made.run.model().graphs())
        assert one.sizes == {path.name: path.stat().st_size for path in one.folder.iterdir()}
        if target == "onnx":
            assert one.difference > 0 and manifest["opset"] == onnx.OPSET
        for path in one.folder.iterdir():
            contents = [path.read_bytes()]
            if path.suffix == ".pt2":
                with zipfile.ZipFile(path) as archive:
                    contents = [
                        archive.read(name)
                        for name in archive.namelist()
                        if not name.endswith("sample_inputs/model.pt")
                    ]
                    assert all(
                        archive.getinfo(name).file_size == 0
                        for name in archive.namelist()
                        if name.endswith(".pt")
                    )
            for content in contents:
                for trace in (
                    b"site-packages",
                    b"stack_trace",
                    b", line ",
                    str(ROOT).encode(),
                    str(one.folder.parent).encode(),
                ):
                    assert trace not in content, f"{path.name}: {trace.decode()}"


class Off(nn.Module):
    """A module whose first output is a little wrong."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        first, *rest = self.module(*inputs)
        return (first + 2e-4, *rest)


@pytest.mark.parametrize(("target", "module"), [("onnx", onnx), ("bundle", bundle)])
def test_what_does_not_agree_is_not_written(
    target: str, module: Any, vectors: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trace = module.trace
    monkeypatch.setattr(
        module, "trace", lambda graph: trace(replace(graph, module=Off(graph.module)))
    )
    with pytest.raises(RunError, match=r"2\.0e-04 apart"):
        export(vectors.run, target, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_large_weights_lie_in_a_file_beside(
    pictures: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(onnx, "INLINE", 0)
    made = export(pictures.run, "onnx", tmp_path / "out")
    assert made.sizes["sample.onnx.data"] > made.sizes["sample.onnx"]
    (tmp_path / "out").rename(tmp_path / "moved")
    given = {"noise": np.ones((2, 64), np.float32), "label": np.zeros(2, np.int64)}
    session = onnxruntime.InferenceSession(tmp_path / "moved" / "sample.onnx")
    np.testing.assert_allclose(
        session.run(None, given)[0], pictures.session("sample").run(None, given)[0], atol=1e-6
    )


def test_missing_packages_are_named(vectors: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra) as caught:
        export(vectors.run, "onnx", tmp_path / "out")
    assert caught.value.fix == "pip install 'castalia[onnx]'"


@pytest.mark.parametrize("target", ["onnx", "bundle"])
def test_counts_have_no_graph(target: str, tmp_path: Path):
    run = untrained(tmp_path / "run", "text/ar", TEXTS, *SMALL_TEXT, "family.counts=3")
    with pytest.raises(AbilityError) as caught:
        export(run, target, tmp_path / "out")
    assert caught.value.where == "family.counts=3" and not (tmp_path / "out").exists()


def test_runs_without_weights_or_with_code_of_their_own_are_refused(tmp_path: Path):
    run = untrained(
        tmp_path / "run", "array/vae", [np.zeros(2, np.float32), np.ones(2, np.float32)]
    )
    run.about["plugins"] = {"energy.py:Energy": "0"}
    with pytest.raises(AbilityError, match="plug-in"):
        export(run, "bundle", tmp_path / "out")
    bare = Run.create(
        run.recipe,
        run.codec,
        {},
        {"data": {"fingerprint": "f"}, "recipe": run.recipe.as_dict()},
        tmp_path / "bare",
    )
    for target in ("onnx", "bundle", "safetensors", "transformers"):
        with pytest.raises(RunError, match="no checkpoint"):
            export(bare, target, tmp_path / "out")


@pytest.mark.parametrize("which", ["pictures", "vectors", "texts", "pieces"])
def test_safetensors_load_without_the_run(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
):
    run: Run = request.getfixturevalue(which).run
    made = export(run, "safetensors", tmp_path / "out")
    model, codec = safetensors.load(tmp_path / "out")
    own = run.model()
    assert codec.spec == run.spec and model.conditions == run.conditions and not model.training
    wanted, found = (one.sample(generators(1, 0, 3), {}, SampleOptions()) for one in (own, model))
    assert torch.equal(wanted, found) and made.difference == 0
    readme = (made.folder / "README.md").read_text(encoding="utf-8")
    assert all(
        f"`{name}` | {tuple(value.shape)}" in readme for name, value in own.state_dict().items()
    )
    assert all(
        str(tmp_path) not in path.read_text(encoding="utf-8")
        for path in made.folder.iterdir()
        if path.suffix != ".safetensors"
    )


def test_safetensors_hold_merged_pairs_and_no_path(tmp_path: Path):
    import tokenizers

    theirs = tokenizers.Tokenizer(
        tokenizers.models.BPE({"<unk>": 0, "a": 1, "b": 2}, [], unk_token="<unk>")
    )
    theirs.save(str(tmp_path / "tokenizer.json"))
    more = (
        f"codec.tokenizer={tmp_path / 'tokenizer.json'}",
        f"data.source={tmp_path / 'mine.txt'}",
        "training.adapt={lora: 2}",
        "start_from=parent",
    )
    run = untrained(tmp_path / "run", "text/ar", TEXTS, *SMALL_TEXT, *more)
    export(run, "safetensors", tmp_path / "out")
    model, _ = safetensors.load(tmp_path / "out")
    assert all(
        torch.equal(value, model.state_dict()[name])
        for name, value in run.model().state_dict().items()
    )
    text = (tmp_path / "out" / "recipe.yaml").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and "mine.txt" in text
    (tmp_path / "out" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(RunError, match="not a whole export"):
        safetensors.load(tmp_path / "out")


def test_every_family_that_makes_data_has_graphs():
    """Those that only mend or describe say that they have none."""
    makes = {*registry.families_that("samples"), *registry.families_that("compresses")}
    assert {name for name in registry.FAMILIES if name not in makes} == {"restorer", "captioner"}
    assert all("graphs" in vars(registry.resolve("family", name)) for name in makes)
