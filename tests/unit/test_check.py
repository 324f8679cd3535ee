"""castalia check: planted faults of every sort are found, what is sound is left alone, the document
keeps its schema, and nothing private gets out.
"""

import gzip
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from tests.apps.command import inside

from castalia import modality
from castalia.checks import check as module
from castalia.checks import data_requirements, messages, report_schema
from castalia.checks.check import Checked, check
from castalia.checks.check_page import page
from castalia.checks.item_scan import of
from castalia.cli.check import summary
from castalia.codecs import array_files
from castalia.data import builtin, manifest
from castalia.data.source import DataConfig
from castalia.data.stream import prepare
from castalia.errors import DataError, RecipeError
from castalia.families.gan import FEW
from castalia.modalities.image.check import FEW_ENOUGH
from castalia.modalities.image.codec import ImageCodec

ROOT = Path(__file__).parents[2]
CLOTHES = array_files.read_array(builtin.path("fashion") / "train5k-images-idx3-ubyte.gz")[:200]
SCHEMA = json.loads(
    (ROOT / "src" / "castalia" / "checks" / "check.schema.json").read_text(encoding="utf-8")
)


def clothes(number: int, side: int = 64) -> PIL.Image.Image:
    return (
        PIL.Image.fromarray(CLOTHES[number])
        .resize((side, side), PIL.Image.Resampling.BICUBIC)
        .convert("RGB")
    )


def pictures(folder: Path, count: int = 20, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        clothes(number).save(folder / f"{number:03d}.png")
    return folder


def notes(folder: Path, count: int = 20) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        text = " ".join(f"word{word}" for word in rng.integers(0, 3000, 60))
        (folder / f"{number:02d}.txt").write_text(f"{text}\n", encoding="utf-8")
    return folder


def codes(checked: Checked) -> set[str]:
    jsonschema.validate(checked.document.to_json(), SCHEMA)
    return {one.code for one in checked.document.findings}


def values(checked: Checked, code: str) -> dict[str, Any]:
    return next(one.values for one in checked.document.findings if one.code == code)


def copies(checked: Checked) -> tuple[int, int, int]:
    found = checked.document.duplicates
    return found["bytes"].copies, found["content"].copies, found["near"].copies


# Pictures -----------------------------------------------------------------------------------------


def test_sound_pictures_are_left_alone(tmp_path: Path):
    (pictures(tmp_path) / "LICENSE").write_text("CC0\n")
    checked = check(tmp_path)
    assert codes(checked) == set()
    found = checked.document
    assert (found.verdict, found.codec, found.items, found.distinct, found.licence) == (
        "clean",
        "image",
        20,
        20,
        "CC0",
    )
    assert found.facts["sizes"] == [{"width": 64, "height": 64, "count": 20}] and found.facts[
        "stored"
    ] == {"PNG RGB": 20}
    assert copies(checked) == (0, 0, 0)


def test_planted_copies_of_three_sorts(tmp_path: Path):
    pictures(tmp_path)
    (tmp_path / "same.png").write_bytes((tmp_path / "003.png").read_bytes())
    clothes(4).save(tmp_path / "again.bmp")
    clothes(5).save(tmp_path / "compressed.jpg", quality=80)
    clothes(6).resize((40, 40), PIL.Image.Resampling.LANCZOS).save(tmp_path / "smaller.png")
    checked = check(tmp_path, evidence=True)
    assert codes(checked) >= {"same_bytes", "same_content", "near"}
    assert copies(checked) == (1, 1, 2)
    found = checked.document.duplicates
    assert found["bytes"].examples == [["003.png", "same.png"]] and found["content"].examples == [
        ["004.png", "again.bmp"]
    ]
    assert sorted(map(sorted, found["near"].examples)) == [
        ["005.png", "compressed.jpg"],
        ["006.png", "smaller.png"],
    ]
    assert {one.why for one in checked.shown} == {"bytes", "content", "near"}
    assert {path.name for path in checked.keep} == {f"{number:03d}.png" for number in range(20)}


def test_leakage_between_folders_and_against_others(tmp_path: Path):
    pictures(tmp_path / "data" / "train", 20)
    test = pictures(tmp_path / "data" / "test", 16, first=20)
    (test / "a.png").write_bytes((tmp_path / "data" / "train" / "000.png").read_bytes())
    clothes(1).save(test / "b.bmp")
    clothes(2).save(test / "c.jpg", quality=80)
    clothes(3).resize((48, 48)).save(test / "d.png")
    checked = check(tmp_path / "data", against=[pictures(tmp_path / "other", 10, first=100)])
    leaks = {(leak.source, leak.into): leak for leak in checked.document.leakage}
    assert set(leaks) == {("train", "test"), ("train", "other"), ("test", "other")}
    leak = leaks["train", "test"]
    assert (leak.items, leak.total, leak.share, leak.bytes, leak.content, leak.near) == (
        4,
        20,
        0.2,
        1,
        1,
        2,
    )
    assert ["train/000.png", "test/a.png"] in leak.examples and [
        "train/002.png",
        "test/c.jpg",
    ] in leak.examples
    assert leaks["train", "other"].items == 0
    assert codes(checked) >= {"leak", "no_leak", "splits"}
    against = check(tmp_path / "data" / "train", against=[test]).document.leakage[0]
    assert (against.source, against.into, against.items) == ("train", "test", 4)


def test_broken_pictures_are_named_with_the_reason(tmp_path: Path):
    pictures(tmp_path)
    whole = (tmp_path / "000.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "words.jpg").write_text("not a picture")
    clothes(30, 128).save(tmp_path / "whole.jpg", quality=95)
    jpeg = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    checked = check(tmp_path)
    assert checked.document.verdict == "problems" and "unreadable" in codes(checked)
    why = {one.file: one.why for one in checked.document.unreadable}
    assert set(why) == {"cut.png", "empty.png", "words.jpg", "cut.jpg"}
    assert (
        "zero bytes" in why["empty.png"]
        and "not a picture" in why["words.jpg"]
        and "truncated" in why["cut.jpg"]
    )
    assert checked.document.items == 21
    assert "data.skip_bad=true" in checked.document.next[0].command
    skipping = check(tmp_path, overrides=["data.skip_bad=true"])
    assert skipping.document.verdict == "warnings" and "skipped" in codes(skipping)


def test_what_metadata_give_away(tmp_path: Path):
    pictures(tmp_path)
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (39.0, 54.0, 20.0)
    exif[0x013B] = "Zhang San"
    exif[0x0112] = 6
    clothes(50).resize((60, 90)).save(tmp_path / "gps.jpg", exif=exif)
    chunk = PIL.PngImagePlugin.PngInfo()
    chunk.add_text("Author", "Li Lei")
    clothes(51).save(tmp_path / "author.png", pnginfo=chunk)
    ImageCodec().write(clothes(52), tmp_path / "drawn.png", {"run": "x"})
    clothes(53).save(tmp_path / "really.jpg", format="PNG")
    frames = [clothes(54), clothes(55)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    PIL.Image.new("RGB", (64, 64), "teal").save(tmp_path / "plain.png")
    clothes(56, 12).save(tmp_path / "tiny.png")
    checked = check(tmp_path, overrides={"codec.size": 64}, evidence=True)
    found = {one.code: one.examples for one in checked.document.findings}
    assert found["gps"] == ["gps.jpg"] and sorted(found["named"]) == ["author.png", "gps.jpg"]
    assert (
        found["generated"] == ["drawn.png"]
        and found["animated"] == ["moving.gif"]
        and found["constant"] == ["plain.png"]
    )
    assert found["small"] == ["tiny.png"] and found["misnamed"] == [
        "really.jpg: PNG RGB, named .jpg"
    ]
    assert values(checked, "named")["what"] == {"artist": 1, "author": 1}
    # as it is shown
    assert {"width": 90, "height": 60, "count": 1} in checked.document.facts["sizes"]
    whole = json.dumps(checked.document.to_json(), ensure_ascii=False) + page(checked)
    assert "Zhang San" not in whole and "Li Lei" not in whole


def test_classes(tmp_path: Path):
    pictures(tmp_path / "cat", 40)
    pictures(tmp_path / "dog", 3, first=60)
    (tmp_path / "dog" / "x.png").write_bytes((tmp_path / "cat" / "000.png").read_bytes())
    checked = check(tmp_path)
    assert checked.document.classes == {"cat": 40, "dog": 4}
    assert codes(checked) >= {"imbalance", "conflict"} and values(checked, "conflict") == {
        "count": 2
    }
    dataset = prepare(DataConfig(source=str(tmp_path)), ImageCodec())
    assert checked.document.fingerprint == dataset.fingerprint
    assert checked.document.facts["trained"] == {"channels": 1, "height": 64, "width": 64}
    assert dataset.report["shape"] == [1, 64, 64]


# Too little, nothing, the wrong thing -------------------------------------------------------------


def test_too_little_is_never_a_wrong_format(tmp_path: Path):
    checked = check(pictures(tmp_path, 3))
    assert (
        codes(checked) >= {"few"}
        and checked.document.verdict == "problems"
        and checked.document.next == []
    )
    sentence = next(one.words for one in checked.document.findings if one.code == "few")
    assert "The format is right" in sentence
    assert {one.verdict for one in checked.document.enough} == {"too little"}
    one = check(pictures(tmp_path / "one", 1) / "000.png")
    assert codes(one) >= {"few"} and one.document.items == 1


def test_identical_items(tmp_path: Path):
    for number in range(10):
        clothes(0).save(tmp_path / f"{number}.png")
    assert codes(check(tmp_path)) >= {"identical", "same_bytes"}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), "it is empty"),
        (("a.svg", "b.svg", "c.odt"), "2 pictures in formats that are not read"),
        (("x.odt",), "1 office documents"),
    ],
)
def test_nothing_that_is_read(tmp_path: Path, names: tuple[str, ...], says: str):
    for name in names:
        (tmp_path / name).write_bytes(b"RIFF")
    checked = check(tmp_path)
    assert (
        codes(checked) == {"nothing"}
        and checked.document.codec is None
        and checked.document.verdict == "problems"
    )
    assert says in checked.document.findings[0].words


def test_what_does_not_exist_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match="do not exist"):
        check(tmp_path / "nowhere")
    with pytest.raises(DataError, match="do not exist"):
        check(pictures(tmp_path), against=[tmp_path / "nowhere"])
    with pytest.raises(RecipeError, match="data only"):
        check(tmp_path, overrides=["training.steps=3"])
    with pytest.raises(RecipeError, match="no codec"):
        check(tmp_path, codec="smells")


def test_mixed_kinds(tmp_path: Path):
    notes(pictures(tmp_path), 3)
    (tmp_path / "song.mscz").write_bytes(b"PK")
    (tmp_path / "000.txt").write_text("a caption, not a text")
    (tmp_path / "strange.xyz").write_bytes(b"?")
    checked = check(tmp_path)
    assert checked.document.codec == "image" and codes(checked) >= {"mixed", "ignored", "omitted"}
    assert values(checked, "mixed")["others"] == {"text": 3} and values(checked, "ignored")[
        "what"
    ] == {".xyz": 1}
    assert checked.document.findings[0].words == (
        "Left out: music in formats that are not read: 1; save as MusicXML from the "
        "program that made them"
    )
    assert summary(checked, "zh")[0].startswith(tmp_path.name) and any(
        "不支持的乐谱格式" in line for line in summary(checked, "zh")
    )
    assert check(tmp_path, codec="text").document.codec == "text"
    assert codes(check(tmp_path, codec="array")) >= {"nothing"}


def test_links_that_go_round_and_nowhere(tmp_path: Path):
    pictures(tmp_path)
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "missing.png")
    checked = check(tmp_path)
    assert checked.document.items == 20 and values(checked, "links") == {"count": 2}
    assert checked.document.verdict == "clean"


def test_what_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pictures(tmp_path)
    pictures(tmp_path / "locked", 2, first=40)
    real, low, walk = Path.open, os.open, Path.iterdir

    def opening(self: Path, *args: Any, **options: Any) -> Any:
        if self.name == "007.png":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **options)

    def opening_low(path: Any, *args: Any, **options: Any) -> int:
        if os.fspath(path).endswith("007.png"):
            raise PermissionError(13, "Permission denied")
        return low(path, *args, **options)

    def listing(self: Path) -> Any:
        if self.name == "locked":
            raise PermissionError(13, "Permission denied")
        return walk(self)

    monkeypatch.setattr(os, "open", opening_low)
    monkeypatch.setattr(Path, "open", opening)  # a superuser's chmod would not stop the tests
    monkeypatch.setattr(Path, "iterdir", listing)
    checked = check(tmp_path)
    assert {one.file: one.why for one in checked.document.unreadable} == {
        "007.png": "the file cannot be read: Permission denied",
        "locked": "the folder cannot be read: Permission denied",
    }
    assert checked.document.verdict == "problems" and checked.document.items == 19
    with pytest.raises(DataError, match="folder cannot be read"):
        prepare(DataConfig(source=str(tmp_path)), ImageCodec())
    assert (
        len(
            prepare(DataConfig(source=str(tmp_path), skip_bad=True), ImageCodec()).report["skipped"]
        )
        == 2
    )


# Texts --------------------------------------------------------------------------------------------


def test_texts_in_several_encodings(tmp_path: Path):
    notes(tmp_path)
    poem = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n"
    (tmp_path / "gb.txt").write_bytes(poem.encode("gb18030"))
    (tmp_path / "utf.txt").write_bytes(poem.encode("utf-8"))
    (tmp_path / "wide.txt").write_bytes(("春眠不觉晓，" + poem).encode("utf-16"))
    (tmp_path / "bad.txt").write_bytes(
        "好雨知时节，当春乃发生。随风潜入夜".encode() + b"\xff\xfe\xe5" + "润物细无声".encode()
    )
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "broken.txt.gz").write_bytes(gzip.compress(b"text" * 400)[:20])
    checked = check(tmp_path)
    assert checked.document.facts["encodings"] == {"UTF-8": 21, "GB18030": 1, "UTF-16": 1}
    why = {one.file: one.why for one in checked.document.unreadable}
    assert (
        set(why) == {"bad.txt", "picture.txt", "broken.txt.gz"}
        and "FF at offset 51" in why["bad.txt"]
    )
    assert codes(checked) >= {"unreadable", "empty", "encodings", "same_bytes"}
    assert copies(checked)[0] == 1  # the poem in two encodings is one text
    assert set(checked.document.facts["scripts"]) >= {"Latin", "Han", "digits"}


def test_one_changed_word_and_a_copy_with_other_blanks(tmp_path: Path):
    notes(tmp_path)
    text = (tmp_path / "03.txt").read_text()
    (tmp_path / "word.txt").write_text(text.replace(text.split()[30], "otherwise"))
    (tmp_path / "blanks.txt").write_text(
        (tmp_path / "04.txt").read_text().upper().replace(" ", "\n")
    )
    checked = check(tmp_path, evidence=True)
    assert copies(checked) == (0, 1, 1)
    assert checked.document.duplicates["near"].examples == [["03.txt", "word.txt"]]
    html = page(checked)
    assert "<mark>otherwise</mark>" in html and f"<mark>{text.split()[30]}</mark>" in html


def test_levels_and_drawings_are_their_signs(tmp_path: Path):
    rng = np.random.default_rng(0)
    for number in range(12):
        rows = ["".join(rng.choice(list("# .$@"), 12)) for _ in range(12)]
        (tmp_path / f"{number}.txt").write_text("; 1\n" + "\n".join(rows))
    assert copies(check(tmp_path)) == (0, 0, 0)


def test_personal_data_are_counted_and_masked(tmp_path: Path):
    secrets = [
        "11010519491231002X",
        "13812345678",
        "6222021234567890128",
        "li.lei@example.com",
        "DE89370400440532013000",
        "93.184.216.34",
    ]
    notes(tmp_path)
    (tmp_path / "a.txt").write_text(
        f"身份证 {secrets[0]}，手机 {secrets[1]}，卡号 {secrets[2]}。", encoding="gb18030"
    )
    (tmp_path / "b.txt").write_text(
        f"write to {secrets[3]}, pay to {secrets[4]}, from {secrets[5]}; once more {secrets[1]}"
    )
    (tmp_path / "c.txt").write_text(
        f"write to {secrets[3]}, pay to {secrets[4]}, from {secrets[5]}; twice more {secrets[1]}"
    )
    checked = check(tmp_path, evidence=True)
    found = checked.document.personal
    assert {kind: (one.count, one.items) for kind, one in found.items()} == {
        "email": (2, 2),
        "mobile_cn": (3, 3),
        "id_cn": (1, 1),
        "bank_card": (1, 1),
        "iban": (2, 2),
        "ipv4": (2, 2),
    }
    assert values(checked, "personal")["items"] == 3
    for language in messages.LANGUAGES:
        whole = (
            json.dumps(checked.document.to_json(), ensure_ascii=False)
            + page(checked, language)
            + json.dumps(checked.manifest)
        )
        assert [secret for secret in secrets if secret in whole] == []


def test_damage_and_boilerplate(tmp_path: Path):
    notes(tmp_path)
    for number in range(6):
        path = tmp_path / f"{number:02d}.txt"
        notice = "This notice stands at the end of every page of this book. " * 6
        path.write_text(
            f"{path.read_text()}\n{notice}\nmail anna@example.org for the whole of it, they say\n"
        )
    (tmp_path / "mangled.txt").write_text("CafÃ© crÃ¨me, 锟斤拷 and \ufffd\ufffd", encoding="utf-8")
    checked = check(tmp_path)
    assert codes(checked) >= {"mangled", "repeated_lines"}
    assert "anna@example.org" not in json.dumps(checked.document.to_json())


def test_tables(tmp_path: Path):
    rows = [
        {
            "id": number,
            "headline": f"How do I do thing number {number}?",
            "body": f"You do the thing {number} so and so.",
        }
        for number in range(12)
    ]
    (tmp_path / "faq.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    checked = check(tmp_path)
    assert (
        values(checked, "columns")["field"] == "'\"{headline}\\n{body}\"'"
        and checked.document.items == 12
    )
    assert [column.kind for column in checked.document.tables[0].columns] == [
        "number",
        "text",
        "text",
    ]
    (tmp_path / "faq.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows) + "{broken\n"
    )
    assert checked.document.tables[0].rows == 12
    broken = check(tmp_path)
    assert "line 13" in broken.document.unreadable[0].why and broken.document.verdict == "problems"
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(
        "age,sex,income\n"
        + "".join(f"{number},{'mf'[number % 2]},{number * 7}\n" for number in range(40))
    )
    assert check(numbers).document.codec == "table"
    assert codes(check(numbers, codec="text")) >= {"numbers", "columns"}


def test_one_line_of_many_megabytes(tmp_path: Path):
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"abcdefghij klmnop", np.uint8)[rng.integers(0, 17, 3_000_000)]
    (tmp_path / "line.txt").write_bytes(letters.tobytes())
    checked = check(tmp_path / "line.txt")
    assert (
        checked.document.facts["characters"] == 3_000_000
        and checked.document.facts["lengths"]["most"] <= 32 << 10
    )
    assert copies(checked) == (0, 0, 0)


# Arrays and containers ----------------------------------------------------------------------------


def test_arrays(tmp_path: Path):
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    x[:, 2] = 1
    x[7] = x[3]
    np.save(tmp_path / "x.npy", x)
    checked = check(tmp_path)
    assert checked.document.codec == "array" and codes(checked) >= {
        "same_bytes",
        "constant_entries",
        "no_near",
    }
    assert checked.document.facts["shapes"] == {"4": 50} and values(
        checked, "constant_entries"
    ) == {"count": 1, "total": 4}
    x[20, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    broken = check(tmp_path)
    assert broken.document.verdict == "problems" and "item 20" in broken.document.unreadable[0].why


def test_containers_that_are_split_by_name(tmp_path: Path):
    array_files.write_idx(tmp_path / "train-images-idx3-ubyte", CLOTHES[:50])
    array_files.write_idx(
        tmp_path / "t10k-images-idx3-ubyte", np.concatenate([CLOTHES[60:80], CLOTHES[:5]])
    )
    (leak,) = check(tmp_path).document.leakage
    assert (leak.source, leak.into, leak.items, leak.total, leak.bytes) == (
        "train",
        "t10k",
        5,
        25,
        5,
    )


def test_the_built_in_sets_are_fine():
    for name in ("digits", "tang"):
        checked = check(f"builtin/{name}")
        assert (
            codes(checked) is not None
            and checked.document.verdict != "problems"
            and checked.document.licence
        )


# Manifest, page, command --------------------------------------------------------------------------


def test_a_manifest_says_what_changed(tmp_path: Path):
    data, out = pictures(tmp_path / "data"), tmp_path / "out"
    table = notes(tmp_path / "texts", 9)
    inside("check", data, "--out", out, cwd=tmp_path)
    old = json.loads((out / "manifest.json").read_text())
    assert (
        old["entries"] == 20
        and old["files"][0]["name"] == "000.png"
        and str(tmp_path) not in (out / "manifest.json").read_text()
    )
    assert "unchanged" in codes(check(data, compare=out / "manifest.json"))
    (data / "000.png").rename(data / "zero.png")
    (data / "001.png").unlink()
    clothes(99).save(data / "002.png")
    clothes(98).save(data / "new.png")
    found = check(data, compare=out / "manifest.json").document.compared
    assert found is not None and (found.added, found.removed, found.same) == (
        ["new.png"],
        ["001.png"],
        17,
    )
    assert [one.name for one in found.changed] == ["002.png"] and [
        (one.before, one.to) for one in found.renamed
    ] == [("000.png", "zero.png")]
    assert "changed" in inside("check", data, "--manifest", out / "manifest.json", cwd=tmp_path)
    inside("check", data, "--manifest", out / "manifest.json", "--strict", cwd=tmp_path, code=3)
    before = check(table).manifest
    (table / "00.txt").write_text("something else altogether")
    changed = manifest.compare(before, check(table).manifest)["changed"]
    assert changed == [{"name": "00.txt", "items_added": 1, "items_removed": 1}]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"castalia_manifest": 99, "files": []}',
        '{"castalia_manifest": 1, "files": [{"name": 3}]}',
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(DataError):
        manifest.load(tmp_path / "m.json")


def test_exit_codes_and_outputs(tmp_path: Path):
    data = pictures(tmp_path / "data")
    assert "Nothing stands in the way." in inside("check", data, cwd=tmp_path)
    (data / "same.png").write_bytes((data / "000.png").read_bytes())
    inside("check", data, cwd=tmp_path)
    inside("check", data, "--strict", cwd=tmp_path, code=3)
    said = inside("check", data, "--lang", "zh", "--out", tmp_path / "out", cwd=tmp_path)
    assert (
        "逐字节相同" in said and 'lang="zh-Hans"' in (tmp_path / "out" / "report.html").read_text()
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "check.json",
        "keep.txt",
        "manifest.json",
        "report.html",
    ]
    (data / "bad.png").write_bytes(b"")
    document_ = json.loads(inside("check", data, "--json", cwd=tmp_path, code=3))
    jsonschema.validate(document_, SCHEMA)
    inside("check", data, "--lang", "fr", cwd=tmp_path, code=2)
    inside("check", "nowhere", cwd=tmp_path, code=3)


def test_the_proposed_commands_work(tmp_path: Path):
    data, out = pictures(tmp_path / "data", 40), tmp_path / "out"
    (data / "same.png").write_bytes((data / "000.png").read_bytes())
    (data / "bad.png").write_bytes(b"")
    rows = [
        {
            "question": f"How do I do thing number {number}?",
            "answer": f"You do the thing {number} so and so.",
        }
        for number in range(40)
    ]
    (tmp_path / "faq.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    inside("check", data, "--out", out, cwd=tmp_path, code=3)
    tiny = ["family.width=8", "training.steps=2", "training.batch=8", "training.sample_every=0"]
    for source in (str(data), str(tmp_path / "faq.jsonl")):
        command = shlex.split(check(source).document.next[0].command)
        assert command[:2] == ["castalia", "train"]
        extra = (
            [*tiny, "codec.size=8"]
            if source == str(data)
            else [*tiny, "family.heads=2", "family.depth=1", "codec.length=32"]
        )
        inside(*command[1:], *extra, "--out", tmp_path / f"run-{len(source)}", cwd=tmp_path)
    kept = check(out / "keep.txt")
    assert (
        kept.document.items == 40
        and kept.document.verdict != "problems"
        and copies(kept) == (0, 0, 0)
    )


def test_the_page_is_one_file_and_safe(tmp_path: Path):
    data = pictures(tmp_path / "<script>alert(1)</script>" / "data")
    (data / "<b>.png").write_bytes((data / "000.png").read_bytes())
    for language in messages.LANGUAGES:
        html = page(check(data, evidence=True), language)
        assert "<script" not in html and "<b>.png" not in html and "&lt;b&gt;.png" in html
        assert re.findall(r"(?:src|href)=\"(?!data:)", html) == [] and "url(" not in html


def test_the_same_data_give_the_same_document(tmp_path: Path):
    notes(pictures(tmp_path))
    (tmp_path / "same.png").write_bytes((tmp_path / "000.png").read_bytes())
    assert (
        check(tmp_path).document == check(tmp_path).document
        and check(tmp_path).manifest == check(tmp_path).manifest
    )


def test_the_published_schema_is_that_of_the_types():
    assert report_schema.schema() == SCHEMA


def sentences() -> dict[str, messages.Sentence]:
    """Those of every check, and of the modalities."""
    own = {code: one for name in modality.names() for code, one in of(name).sentences.items()}
    return {**messages.FINDINGS, **own}


def test_every_finding_has_its_sentence_in_both_languages():
    package = Path(module.__file__).parents[1]
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (*package.glob("checks/*.py"), *package.glob("modalities/*/check*.py"))
    )
    for code, sentence in sentences().items():
        translated = sentence.template("zh", 1)
        assert f'"{code}"' in source.replace(f'"{code}": Sentence', ""), f"nobody finds {code}"
        holes = [
            set(re.findall(r"\{(\w+)\}", text))
            for text in (sentence.en, translated, sentence.one or sentence.en)
        ]
        assert holes[0] == holes[1] == holes[2] and "(s)" not in sentence.en, code
        assert re.search("[\u4e00-\u9fff]", translated) and sentence.level in (
            "problem",
            "warning",
            "note",
        )


def test_counts_and_nouns_of_findings_agree():
    assert messages.finding("misnamed", "en", {"count": 1}).startswith(
        "1 picture has an ending that is not its format"
    )
    assert messages.finding("misnamed", "en", {"count": 1204}).startswith(
        "1,204 pictures have an ending that is not their format"
    )
    mixed = {"codec": "image", "own": 1, "others": {"text": 1, "music": 2}}
    assert (
        messages.finding("mixed", "en", mixed)
        == "Kinds are mixed: the codec “image” takes 1 file and leaves out 1 text, 2 scores."
    )
    found = {"items": 2, "what": {"email": 1, "iban": 3}}
    assert messages.finding("personal", "en", found).startswith(
        "Likely personal data in 2 texts: 1 e-mail address, 3 IBANs."
    )
    assert [
        messages.counted(n, "pictures", language) for n in (1, 2) for language in ("en", "zh")
    ] == [
        "1 picture",
        "1 张图片",
        "2 pictures",
        "2 张图片",
    ]
    counted = [code for code, one in sentences().items() if re.match(r"\{count\} [a-z]+s ", one.en)]
    assert len(counted) > 15 and [code for code in counted if not sentences()[code].one] == []


def test_examples_are_told_in_the_language():
    example = "a.csv, item 3: the file is empty (zero bytes)"
    assert (
        messages.example(example, "zh") == "a.csv，第 3 条：文件是空的（零字节）"
        and messages.example(example, "en") == example
    )
    assert messages.example("a.png = b.png", "zh") == "a.png = b.png"
    for text, chinese in (
        ("a.npz, item 3 ~ b: c.npz, item 12", "a.npz，第 3 条 ~ b：c.npz，第 12 条"),
        ("rows.csv, row 44", "rows.csv，第 44 行"),
        ("b: a.csv: the file is empty (zero bytes)", "b：a.csv：文件是空的（零字节）"),
        (
            "a.npz: the file is empty (zero bytes) (item 3)",
            "a.npz：文件是空的（零字节）（第 3 条）",
        ),
        ("a plug-in: says so", "a plug-in：says so"),
    ):
        assert messages.example(text, "zh") == chinese and messages.example(text, "en") == text


def test_figures_of_enough_are_those_that_were_measured():
    results = json.loads(
        (ROOT / "benchmarks" / "results" / "minimum_data.json").read_text(encoding="utf-8")
    )["results"]
    needs = {need.recipe: need for name in modality.names() for need in of(name).measured}
    measured = {name: (found["least"], found["wants"]) for name, found in results.items()}
    # what replays a few pictures passes for good
    measured["image/gan"] = (measured["image/gan"][1], FEW)
    measured["image/flow"] = (measured["image/flow"][1], measured["image/vae"][1])
    assert {name: (needs[name].least, needs[name].wants) for name in measured} == measured
    assert all(needs[name].unit == results[name]["unit"] for name in results)


def test_some_hundred_pictures_are_advised_by_number_with_and_without_classes(tmp_path: Path):
    few = check(pictures(tmp_path / "few", 60)).document.next[0].command
    some = check(pictures(tmp_path / "some", 200)).document.next[0].command
    pictures(tmp_path / "told" / "a", 100)
    pictures(tmp_path / "told" / "b", 100, first=100)
    told = check(tmp_path / "told").document.next[0].command
    assert "image/vae " in few and "image/fastgan " in some and "image/fastgan " in told


def test_a_run_to_begin_with_is_advised_where_pictures_are_few(tmp_path: Path):
    few = check(pictures(tmp_path / "few", 60)).document.next[0].why
    assert "docs/few-pictures.md" in few and few.startswith("it learns most from few pictures")
    # near copies do not count: of 199 clothes there may be some
    some = check(pictures(tmp_path / "some", 200)).document
    have = next(one.have for one in some.enough if one.family == "image/fastgan")
    assert ("docs/few-pictures.md" in some.next[0].why) == (have < FEW_ENOUGH)


def test_enough_in_words():
    judged = {one.family: one.verdict for one in data_requirements.judge("image", 120)}
    assert judged == {
        "image/vae": "little",
        "image/vaegan": "too little",
        "image/gan": "too little",
        "image/fastgan": "little",
        "image/flow": "little",
    }
    assert {one.verdict for one in data_requirements.judge("array", 1000, entries=10)} == {"enough"}
    assert {one.verdict for one in data_requirements.judge("array", 5, entries=10)} == {
        "too little"
    }


def test_no_trace_on_disk(tmp_path: Path):
    data = pictures(tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    check(data)
    assert sorted(tmp_path.rglob("*")) == before and len(before) == 21


def test_conversations_are_sent_to_the_recipe_that_learns_replies(tmp_path: Path):
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What is {i}?"},
                {"role": "assistant", "content": f"A number, {i}."},
            ]
        }
        for i in range(40)
    ]
    (tmp_path / "talk.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    (step,) = check(tmp_path / "talk.jsonl").document.next
    assert step.command.startswith("castalia train text/chat ")
