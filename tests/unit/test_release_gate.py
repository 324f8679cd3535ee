"""The gate: what a released item carries, what never leaves, and how a file that was changed
afterwards is found out.
"""

from __future__ import annotations

import gc
import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from tests.texts import SHORT, corpus

import castalia
from castalia import Run, user_dirs
from castalia.abilities import SampleOptions
from castalia.codecs.ai_label import PNG_KEY, TC260, packet
from castalia.errors import DataError, Refused, RunError
from castalia.governance import ai_mark, ledger, provenance, similarity
from castalia.governance.policy import Policy
from castalia.governance.release_gate import Gate
from castalia.modalities.image.codec import read_manifest
from castalia.run import versions
from castalia.sampling.generate import Request, generate, reproduce

TINY = {
    "codec.size": 8,
    "family.width": 8,
    "training.steps": 2,
    "training.batch": 8,
    "training.threads": 1,
    "training.sample_every": 0,
}
POLICY = Policy.model_validate(
    {
        "producer": {"name": "示例 & Co"},
        "licence": "CC-BY-4.0",
        "blocked": [
            {"id": "bombs", "terms": ["big bomb", "敏感词"]},
            {"id": "names", "terms": ["老国王"], "applies": "input"},
        ],
        "options": [
            {"id": "calm", "option": "temperature", "most": 1.2},
            {"id": "few", "option": "n", "most": 3},
            {"id": "short", "option": "length", "most": 20},
        ],
    }
)

SHORTLY = SampleOptions(length=5)


@pytest.fixture(scope="module")
def picture_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return castalia.train(
        "image/vae", "builtin/digits", TINY, out=tmp_path_factory.mktemp("pictures") / "run"
    )


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("texts")
    corpus(folder / "texts", files=10, language="zh")
    return castalia.train("text/ar", folder / "texts", SHORT, out=folder / "run")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def entries(book: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in book.read_text(encoding="utf-8").splitlines()]


def released(gate: Gate, folder: Path, ending: str = ".png", **request: Any) -> Path:
    (sample,) = generate(gate.run, Request(1, **request), model=gate.model())
    return gate.emit(sample.item, folder / f"a{ending}", gate.facts(sample))


# What an item carries -----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_picture_carries_manifest_and_labels(
    picture_run: Run, tmp_path: Path, book: Path, ending: str
) -> None:
    gate = Gate(picture_run, policy=POLICY, ledger=book)
    path = released(gate, tmp_path, ending)
    manifest = read_manifest(path)
    assert manifest is not None and manifest["synthetic"] is True
    assert (
        manifest["model"] == picture_run.model_hash()
        and manifest["data"] == picture_run.about["data"]["fingerprint"]
    )
    assert {
        "run",
        "step",
        "recipe",
        "time",
        "seed",
        "index",
        "rows",
        "row",
        "cond",
        "options",
        "seal",
    } <= set(manifest)
    assert {"castalia", "torch", "python", "cpu", "threads", "pillow"} <= set(manifest["versions"])
    assert manifest["licence"]["model"] == "CC-BY-4.0" and manifest["licence"]["data"].startswith(
        "CC BY 4.0"
    )
    with PIL.Image.open(path) as picture:
        text = picture.info.get("XML:com.adobe.xmp") or picture.info["xmp"].decode()
    (description,) = ElementTree.fromstring(text.partition("?>")[2].rpartition("<?")[0])[0]
    mark = json.loads(description.attrib[f"{{{TC260}}}AIGC"])
    assert mark == manifest["AIGC"] and list(mark) == [
        "Label",
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    ]
    assert (
        mark["Label"] == "1"
        and mark["ContentProducer"] == "示例 & Co"
        and len(mark["ProduceID"]) == 32
    )
    assert description.attrib[
        "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    ].endswith("/trainedAlgorithmicMedia")
    found = provenance.examine(path)
    assert found.state == "intact" and found.run == picture_run.folder.resolve()
    (line,) = entries(book)
    assert (line["event"], line["content"], line["seal"]) == (
        "released",
        manifest["content"],
        manifest["seal"],
    )


def test_bytes_for_a_wire_are_the_bytes_of_the_file(
    picture_run: Run, text_run: Run, tmp_path: Path, book: Path
) -> None:
    for run, ending in ((picture_run, ".png"), (picture_run, ".webp"), (text_run, ".txt")):
        gate = Gate(run, ledger=book, app="server")
        (sample,) = generate(
            run, Request(1, seed=1, options=SampleOptions(length=9)), model=gate.model()
        )
        facts = gate.facts(sample)
        path = gate.emit(sample.item, tmp_path / f"b{ending}", dict(facts))
        assert gate.emit_bytes(sample.item, facts, ending) == path.read_bytes()
        manifest, _ = provenance.manifest_of(path)
        assert facts == manifest, "the facts are completed, so that they can be sent beside"
    assert {line["app"] for line in entries(book)} == {"server"}


def test_threads_do_not_mix(picture_run: Run, book: Path) -> None:
    gate = Gate(picture_run, ledger=book, app="server")

    def send(level: int) -> bool:
        picture = PIL.Image.new("L", (8, 8), level)
        data = [gate.emit_bytes(picture, gate.facts_of(index=level)) for _ in range(8)]
        return all(PIL.Image.open(io.BytesIO(one)).tobytes() == picture.tobytes() for one in data)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(send, range(0, 256, 17)))
    assert ledger.verify(book).events == {"released": 128} and ledger.verify(book).intact


def test_nothing_stays_on_the_desk(picture_run: Run, book: Path) -> None:
    gate = Gate(picture_run, ledger=book)
    gate.emit_bytes(PIL.Image.new("L", (8, 8)), gate.facts_of())
    desk = gate._desk
    assert any(desk.iterdir())
    del gate
    gc.collect()
    assert not desk.exists()


def test_two_items_have_two_numbers(picture_run: Run, tmp_path: Path, book: Path) -> None:
    gate = Gate(picture_run, ledger=book)
    first, second = (
        read_manifest(released(gate, tmp_path / str(seed), seed=seed)) for seed in (0, 1)
    )
    assert first is not None and second is not None
    assert (
        first["AIGC"]["ProduceID"] != second["AIGC"]["ProduceID"]
        and first["content"] != second["content"]
    )


def test_no_path_is_in_a_manifest_or_a_ledger(picture_run: Run, tmp_path: Path, book: Path) -> None:
    """Neither the machine's folders nor a user's name, whatever an edit began with."""
    gate = Gate(picture_run, ledger=book)
    inputs = [released(gate, tmp_path / "a secret folder" / name) for name in "xy"]
    facts = gate.facts_of(
        edit="vary",
        inputs=provenance.describe(gate, inputs),
        seed=0,
        index=0,
        steps=1,
        strength=0.5,
        cond={},
        labels=[None],
    )
    path = gate.emit(PIL.Image.open(inputs[0]).copy(), tmp_path / "out.png", facts)
    told = json.dumps(read_manifest(path)) + book.read_text()
    for secret in (
        str(tmp_path),
        "a secret folder",
        str(Path.home()),
        str(picture_run.folder.parent),
        "/tmp",
        "/home",
        "/root",
    ):
        assert secret not in told
    assert "a.png" in told


# What does not leave ------------------------------------------------------------------------------


def test_a_blocked_text_leaves_nothing_but_a_line(
    text_run: Run, tmp_path: Path, book: Path
) -> None:
    gate = Gate(text_run, policy=POLICY, ledger=book)
    with pytest.raises(Refused) as caught:
        gate.emit("说敏 感詞", tmp_path / "out" / "a.txt", gate.facts_of(seed=7, index=3))
    assert caught.value.where == "rule bombs" and not (tmp_path / "out").exists()
    with pytest.raises(Refused):
        gate.emit_bytes("a BIG-bomb", gate.facts_of())
    assert [(line["event"], line["rule"], line["side"]) for line in entries(book)] == [
        ("refused", "bombs", "output")
    ] * 2
    assert (
        "敏" not in book.read_text()
        and entries(book)[0]["index"] == 3
        and entries(book)[0]["policy"] == POLICY.digest
    )
    gate.emit("老国王", tmp_path / "out" / "a.txt", gate.facts_of())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.json", "a.txt"]


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (Request(1, prompt="老國王", options=SHORTLY), "names"),
        (Request(1, prompt="big bomb", options=SHORTLY), "bombs"),
        (Request(1, constraint="regex:big bomb", options=SHORTLY), "bombs"),
        (Request(4, options=SHORTLY), "few"),
        (Request(1, options=SampleOptions(temperature=1.3, length=5)), "calm"),
        (Request(1), "short"),  # no length stands for the context, which is longer
    ],
)
def test_what_does_not_come_in(text_run: Run, book: Path, request_: Request, rule: str) -> None:
    gate = Gate(text_run, policy=POLICY, ledger=book)
    with pytest.raises(Refused) as caught:
        gate.prepare(request_)
    assert caught.value.where == f"rule {rule}"
    (line,) = entries(book)
    assert line["event"] == "refused" and line["rule"] == rule and 'bomb"' not in json.dumps(line)


def test_a_condition_that_is_not_given_is_every_class(picture_run: Run, book: Path) -> None:
    threes = Policy.model_validate(
        {"options": [{"id": "threes", "option": "cond.label", "only": ["3"]}]}
    )
    gate = Gate(picture_run, policy=threes, ledger=book)
    gate.prepare(Request(1, cond={"label": "3"}))
    for cond in ({}, {"label": "4"}):
        with pytest.raises(Refused, match=r"cond\.label"):
            gate.prepare(Request(1, cond=cond))  # type: ignore[arg-type]


def test_what_may_come_in_is_not_changed(text_run: Run, book: Path) -> None:
    request = Request(3, prompt="那只猫", options=SampleOptions(temperature=1.2, length=20))
    assert (
        Gate(text_run, policy=POLICY, ledger=book).prepare(request) is request and not book.exists()
    )


def test_prompts_are_kept_as_hashes_only(text_run: Run, tmp_path: Path, book: Path) -> None:
    gate = Gate(text_run, ledger=book)
    released(gate, tmp_path, ".txt", prompt="那只猫", options=SampleOptions(length=4))
    assert (
        "那只猫" not in book.read_text(encoding="utf-8") and len(entries(book)[0]["prompt"]) == 64
    )


def test_nothing_leaves_that_cannot_be_noted(picture_run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="ledger cannot be written"):
        released(Gate(picture_run, ledger=tmp_path / "file" / "ledger.jsonl"), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def screened(gate: Gate, pieces: list[str], prompt: str = "") -> tuple[str, str]:
    """(what went out, how it ended)."""
    screen, sent = gate.screen(prompt), ""
    try:
        for piece in pieces:
            sent += screen.push(piece)
        sent += screen.finish()
    except Refused as refusal:
        assert refusal.where == "rule bombs"
    gate.close(screen, gate.facts_of(prompt=prompt))
    return sent, screen.state


def test_a_stream_stops_before_a_blocked_term(text_run: Run, book: Path) -> None:
    gate = Gate(text_run, policy=POLICY, ledger=book)
    assert screened(gate, ["他说", "敏", "、感", "詞。"]) == ("他说", "refused")
    assert screened(gate, list("a big bomb goes off")) == ("a ", "refused")
    assert screened(gate, ["a big b", "omb"]) == ("a ", "refused"), "at the end a word is whole"
    assert screened(gate, ["感詞"], prompt="他说敏") == ("", "refused"), (
        "a term may begin in the prompt"
    )
    assert screened(gate, list("a big bombardment 敏感")) == ("a big bombardment 敏感", "whole")
    assert screened(gate, ["omb"], prompt="big b")[1] == "refused"
    assert screened(gate, ["的感词"], prompt="他说敏") == ("的感词", "whole")
    assert [line["event"] for line in entries(book)] == ["refused"] * 4 + [
        "released",
        "refused",
        "released",
    ]
    assert all(line.get("rule") == "bombs" for line in entries(book) if line["event"] == "refused")


def test_a_stream_that_the_client_leaves_is_noted(text_run: Run, book: Path) -> None:
    gate = Gate(text_run, policy=POLICY, ledger=book)
    screen = gate.screen()
    screen.push("那只")
    facts = gate.facts_of()
    gate.close(screen, facts)
    assert facts["streamed"] == entries(book)[0]["streamed"] == "broken off" and ai_mark.is_sealed(
        facts
    )


# Similarity ---------------------------------------------------------------------------------------

CLOSE = Policy.model_validate({"similarity": {"id": "no-copies", "most": 0.9}})


def index(run: Run, folder: Path, **facts: Any) -> Run:
    """A copy of the run with an audit index."""
    shutil.copytree(run.folder, folder)
    (folder / "audit").mkdir()
    content = {
        "format": 1,
        "measure": "brightness",
        "data": run.about["data"]["fingerprint"],
        **facts,
    }
    (folder / "audit" / "index.json").write_text(json.dumps(content))
    return Run.open(folder)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({}, "does not know: brightness"),
        ({"data": "other"}, "of other data"),
        ({"format": 2}, "format"),
    ],
)
def test_an_index_that_does_not_fit_refuses_to_start(
    picture_run: Run, tmp_path: Path, facts: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        Gate(index(picture_run, tmp_path / "run", **facts), policy=CLOSE)


def test_without_an_index_nothing_starts(picture_run: Run) -> None:
    with pytest.raises(Refused, match="no audit index"):
        Gate(picture_run, policy=CLOSE)


class Brightness:
    def nearest(self, item: Any) -> similarity.Nearest:
        return similarity.Nearest(float(np.asarray(item).mean() / 255), "item 3")


def brightness(run: Run, facts: dict[str, Any]) -> Brightness:
    return Brightness()


def test_what_is_too_similar_does_not_leave(
    picture_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(similarity.MEASURES, "brightness", f"{__name__}:brightness")
    gate = Gate(
        index(picture_run, tmp_path / "run"), policy=CLOSE, ledger=tmp_path / "ledger.jsonl"
    )
    gate.emit(PIL.Image.new("L", (8, 8), 100), tmp_path / "a.png", gate.facts_of())
    with pytest.raises(Refused, match=r"too similar .* 1\.000, at most 0\.9 · 与训练数据过于相似"):
        gate.emit(PIL.Image.new("L", (8, 8), 255), tmp_path / "b.png", gate.facts_of())
    assert (tmp_path / "a.png").exists() and not (tmp_path / "b.png").exists()
    with pytest.raises(Refused, match="nothing is streamed"):
        gate.screen()


# A file that was changed afterwards ---------------------------------------------------------------


def saved(picture: PIL.Image.Image, path: Path, manifest: dict[str, Any]) -> Path:
    """As an editor that keeps metadata would save it."""
    chunks = PIL.PngImagePlugin.PngInfo()
    chunks.add_text("castalia", json.dumps(manifest, sort_keys=True))
    chunks.add_itxt(PNG_KEY, packet(manifest) or "")
    picture.save(path, pnginfo=chunks)
    return path


@pytest.fixture
def original(picture_run: Run, tmp_path: Path) -> Path:
    return released(Gate(picture_run), tmp_path / "original")


def problems(path: Path, run: Run | None = None) -> str:
    found = provenance.examine(path, run)
    assert found.state == "altered", found
    return "; ".join(found.problems)


def test_changed_pixels_are_found(original: Path, tmp_path: Path) -> None:
    manifest = read_manifest(original)
    picture = PIL.Image.open(original)
    picture.load()
    assert (
        manifest is not None
        and provenance.examine(saved(picture, tmp_path / "same.png", manifest)).state == "intact"
    )
    picture.putpixel((3, 3), 255 - int(picture.getpixel((3, 3))))  # type: ignore[arg-type]
    assert (
        problems(saved(picture, tmp_path / "b.png", manifest))
        == "the content is not what was released"
    )


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_label_that_was_taken_out_is_missed(
    picture_run: Run, tmp_path: Path, ending: str
) -> None:
    path = released(Gate(picture_run), tmp_path, ending)
    manifest, content = read_manifest(path), path.read_bytes()
    assert content.count(b"TC260:AIGC") == 1
    if ending == ".png":  # an editor that keeps text but not XMP
        chunks = PIL.PngImagePlugin.PngInfo()
        chunks.add_text("castalia", json.dumps(manifest))
        PIL.Image.open(path).save(path, pnginfo=chunks)
    else:
        path.write_bytes(content.replace(b"TC260:AIGC", b"TC260:NONE"))
    assert problems(path) == "the label for other programs (XMP) was changed or taken out"


@pytest.mark.parametrize(
    "field",
    ["seed", "run", "model", "data", "recipe", "licence", "time", "versions", "content", "AIGC"],
)
def test_changed_facts_are_found(original: Path, tmp_path: Path, field: str) -> None:
    manifest = read_manifest(original)
    assert manifest is not None
    manifest[field] = "other"
    assert "the manifest was changed" in problems(
        saved(PIL.Image.open(original), tmp_path / "b.png", manifest)
    )


def test_facts_that_were_sealed_anew_do_not_fit_the_run_and_its_ledger(
    picture_run: Run, original: Path, tmp_path: Path
) -> None:
    for field, says in (
        ("seed", "ledger noted another manifest"),
        ("data", "the manifest says data other"),
        ("licence", "another licence"),
    ):
        manifest = read_manifest(original)
        assert manifest is not None
        manifest[field] = "other"
        ai_mark.seal(manifest, manifest["content"])
        assert says in problems(
            saved(PIL.Image.open(original), tmp_path / "b.png", manifest), picture_run
        )


def test_a_manifest_that_was_taken_out_is_missed(original: Path, tmp_path: Path) -> None:
    """An ordinary save drops it; the ledger of a run that is known here still has the content."""
    PIL.Image.open(original).save(tmp_path / "bare.png")
    assert "its manifest was taken out" in problems(tmp_path / "bare.png")
    PIL.Image.open(original).rotate(90).save(tmp_path / "turned.png")
    assert provenance.examine(tmp_path / "turned.png").state == "unknown"


def test_files_of_others_are_unknown(picture_run: Run, original: Path, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (5, 5)).save(tmp_path / "a.jpg")
    assert provenance.examine(tmp_path / "a.jpg").state == "unknown"
    (tmp_path / "a.txt").write_text("a text")
    (tmp_path / "a.json").write_text('{"seed": 1}')
    assert provenance.examine(tmp_path / "a.txt").state == "unknown"
    manifest = {**(read_manifest(original) or {}), "schema": 99}
    assert (
        provenance.examine(saved(PIL.Image.open(original), tmp_path / "b.png", manifest)).state
        == "unknown"
    )
    other = castalia.train(
        "image/vae", "builtin/digits", {**TINY, "training.seed": 5}, out=tmp_path / "other"
    )
    assert provenance.examine(original, other).state == "unknown", "another run did not make it"
    for name, content in (("c.png", b"\x89PNG nonsense"), ("d.xyz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError):
            provenance.examine(tmp_path / name)
    with pytest.raises(DataError, match="no such file"):
        provenance.examine(tmp_path / "nowhere.png")


def test_changed_texts_and_manifests_beside_them(text_run: Run, tmp_path: Path, book: Path) -> None:
    path = released(
        Gate(text_run, ledger=book),
        tmp_path,
        ".txt",
        prompt="那只猫",
        options=SampleOptions(length=6),
    )
    assert provenance.examine(path).state == "intact"
    path.write_text(path.read_text(encoding="utf-8") + "。", encoding="utf-8")
    assert problems(path) == "the content is not what was released"
    path.with_suffix(".json").unlink()
    assert provenance.examine(path).state == "unknown"


# The way back to the run --------------------------------------------------------------------------


def test_a_run_that_was_moved_says_so_until_it_is_used_again(tmp_path: Path) -> None:
    run = castalia.train(
        "image/vae", "builtin/digits", {**TINY, "training.seed": 9}, out=tmp_path / "here"
    )
    model = run.model_hash()
    assert user_dirs.folder_of(model) == (tmp_path / "here").resolve()
    shutil.move(tmp_path / "here", tmp_path / "there")
    with pytest.raises(RunError, match="was here, but is no longer"):
        user_dirs.folder_of(model)
    moved = Run.open(tmp_path / "there")
    Gate(moved, ledger=tmp_path / "ledger.jsonl")
    assert user_dirs.folder_of(model) == (tmp_path / "there").resolve()
    assert user_dirs.folder_of("0" * 64) is None


def test_what_differs_is_measured_and_explained(
    picture_run: Run, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = castalia.reproduce(original, tmp_path / "again")
    assert (
        same.identical
        and same.same_content
        and same.path.read_bytes() == original.read_bytes()
        and not same.causes
    )
    now = versions()
    monkeypatch.setattr(
        "castalia.verbs.reproduce.versions", lambda: {**now, "torch": "9.9", "threads": 7}
    )
    draw = reproduce

    def brighter(run: Run, manifest: dict[str, Any], **more: Any) -> Any:
        sample = draw(run, manifest, **more)
        sample.item.putpixel((0, 0), min(255, int(sample.item.getpixel((0, 0))) + 2))
        return sample

    monkeypatch.setattr("castalia.sampling.generate.reproduce", brighter)
    other = castalia.reproduce(original, tmp_path / "other")
    assert not other.identical and other.difference == "at most 2 levels of 256, in 1 of 64 values"
    assert other.causes == [
        f"torch: {now['torch']} then, 9.9 now",
        f"threads: {now['threads']} then, 7 now",
    ]


def test_an_altered_file_is_told_from_a_failed_reproduction(original: Path, tmp_path: Path) -> None:
    manifest, picture = read_manifest(original), PIL.Image.open(original)
    picture.load()
    picture.putpixel((3, 3), 255 - int(picture.getpixel((3, 3))))  # type: ignore[arg-type]
    made = castalia.reproduce(
        saved(picture, tmp_path / "b.png", manifest or {}), tmp_path / "again"
    )
    assert not made.identical and made.causes == [
        "what was made now is what the manifest says: the file was altered since"
    ]
    copy = PIL.Image.open(original)
    copy.load()
    saved(copy, tmp_path / "copy.png", manifest or {}).write_bytes(
        (tmp_path / "copy.png").read_bytes() + b"trailing"
    )
    made = castalia.reproduce(tmp_path / "copy.png", tmp_path / "again")
    assert (
        made.same_content
        and not made.identical
        and made.causes == ["the same content was saved anew by another program"]
    )
    for field in ("index", "rows", "options"):
        changed = {**(manifest or {}), field: "nonsense"}
        with pytest.raises(DataError, match="does not describe an item"):
            castalia.reproduce(saved(copy, tmp_path / "c.png", changed), tmp_path / "again")
    with pytest.raises(DataError, match="replace the file itself"):
        castalia.reproduce(original, original.parent)


def test_the_ledger_of_all_this_is_intact(picture_run: Run, tmp_path: Path) -> None:
    released(Gate(picture_run), tmp_path)  # the other tests may have run in another process
    assert ledger.verify(picture_run.folder / "ledger.jsonl").intact
