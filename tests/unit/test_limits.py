"""Each limit of reading: what it stops, in the smallest file that asks for more, and that raising
it lets the file through. SECURITY.md lists them.
"""

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from castalia import bounded
from castalia.bounded import ReadLimits, packed
from castalia.bounded.gguf import check_gguf
from castalia.bounded.limits import GIB, KIB, MIB, units
from castalia.codecs import array_files
from castalia.data import archives, file_discovery, manifest, metadata
from castalia.errors import CastaliaError, DataError
from castalia.modalities.image.codec import ImageCodec
from castalia.modalities.music.files import midi, musicxml_read
from castalia.modalities.shape3d.files import formats
from castalia.modalities.text import tokenizers
from castalia.modalities.text.codec import TextCodec
from castalia.text_files import documents

# a limit that is too low by one, or nearly, and what reads the file
Case = tuple[int, Callable[[Path], Any]]


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def png(path: Path, width: int, height: int) -> Path:
    PIL.Image.new("L", (width, height)).save(path, "PNG")
    return path


def texts(path: Path, **config: Any) -> list[str]:
    return [str(text) for text in TextCodec(TextCodec.Config(**config)).read(path)]


def tune(notes: int) -> bytes:
    track = (
        b"".join(b"\x00\x90\x3c\x40\x10\x80\x3c\x00" for _ in range(notes)) + b"\x00\xff\x2f\x00"
    )
    return (
        b"MThd"
        + struct.pack(">IHHH", 6, 0, 1, 96)
        + b"MTrk"
        + struct.pack(">I", len(track))
        + track
    )


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape: tuple[int, ...], **more: Any) -> bytes:
    """The beginning of an .npy file, and a few of the values that it declares."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": shape, **more}
    )
    return buffer.getvalue() + bytes(48)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def measure(notes: str, inside: str = "") -> str:
    return (
        f"<score-partwise><part id='P1'><measure>{notes}</measure>{inside}</part></score-partwise>"
    )


NOTE = "<note><pitch><step>C</step><octave>4</octave></pitch><duration>{}</duration></note>"
TRIANGLES = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf 1 3 2\n"
PARQUET = pytest.importorskip("pyarrow.parquet")


def parquet(path: Path) -> Path:
    import pyarrow

    PARQUET.write_table(pyarrow.table({"text": ["some words", "some more"]}), path)
    return path


CASES: dict[str, list[Case]] = {
    "file_bytes": [
        (60, lambda f: list(ImageCodec().read(png(f / "a.png", 9, 9)))),
        (10, lambda f: bounded.read_text(written(f / "a", "x" * 11))),
    ],
    "score_bytes": [
        (40, lambda f: midi.read(written(f / "a.mid", tune(9)))),
        (
            90,
            lambda f: musicxml_read.read(
                zipped(f / "a.mxl", {"a.xml": measure(NOTE.format(1)).encode()})
            ),
        ),
    ],
    "score_notes": [(2, lambda f: midi.read(written(f / "a.mid", tune(9))))],
    "mesh_bytes": [(10, lambda f: formats.read(written(f / "a.obj", TRIANGLES)))],
    "mesh_faces": [(1, lambda f: formats.read(written(f / "a.obj", TRIANGLES)))],
    "json_bytes": [
        (10, lambda f: texts(written(f / "a.json", '[{"text": "abc"}]'))),
        (
            10,
            lambda f: manifest.load(written(f / "m.json", '{"castalia_manifest": 1, "files": []}')),
        ),
        (
            10,
            lambda f: tokenizers.load_foreign(
                str(written(f / "tokenizer.json", small_tokenizer())), False, False
            ),
        ),
    ],
    "json_depth": [
        (3, lambda f: texts(written(f / "a.jsonl", '{"text": "abc", "more": [[[1]]]}')))
    ],
    "json_values": [
        (3, lambda f: texts(written(f / "a.jsonl", '{"text": "abc", "more": [1, 2, 3]}')))
    ],
    "digits": [
        (5, lambda f: texts(written(f / "a.jsonl", '{"text": "abc", "more": 123456}'))),
        (5, lambda f: musicxml_read.read(written(f / "a.xml", measure(NOTE.format("1.00000"))))),
    ],
    "yaml_bytes": [(10, lambda f: bounded.parse_yaml("a: 1\nb: 2\nc: 3\n"))],
    "settings_bytes": [
        (
            3,
            lambda f: array_files.class_names(
                written(f / "classes.txt", "cat\ndog\n").with_name("x.npy")
            ),
        ),
        (3, lambda f: file_discovery.caption(written(f / "a.txt", "a cat"))),
        (3, lambda f: file_discovery.lines_of(written(f / "list.txt", "a.png\n"))),
    ],
    "xml_depth": [(3, lambda f: musicxml_read.read(written(f / "a.xml", measure(NOTE.format(1)))))],
    "xml_elements": [
        (4, lambda f: musicxml_read.read(written(f / "a.xml", measure(NOTE.format(1)))))
    ],
    "pixels": [
        (99, lambda f: list(ImageCodec().read(png(f / "a.png", 10, 10)))),
        (99, lambda f: ImageCodec.content(png(f / "a.png", 10, 10))),
    ],
    "row_bytes": [
        (
            15,
            lambda f: list(
                array_files.blocks(written(f / "x.npy", npy(np.zeros((2, 4), np.float32))))
            ),
        )
    ],
    "array_bytes": [
        (
            31,
            lambda f: list(
                array_files.blocks(written(f / "x.npy", npy(np.zeros((2, 4), np.float32, "F"))))
            ),
        ),
        (
            31,
            lambda f: array_files.labels(
                zipped(
                    f / "x.npz",
                    {"x.npy": npy(np.zeros((4, 1))), "y.npy": npy(np.zeros(4, np.int64))},
                )
            ),
        ),
        (31, lambda f: list(documents.rows(parquet(f / "a.parquet"))[1])),
    ],
    "rows": [
        (2, lambda f: list(array_files.blocks(written(f / "x.npy", npy(np.zeros((3, 1))))))),
        (2, lambda f: texts(written(f / "a.csv", "text\n1\n2\n3\n"))),
        (1, lambda f: texts(parquet(f / "a.parquet"))),
    ],
    "line_bytes": [
        (15, lambda f: texts(written(f / "a.jsonl", '{"text": "some words"}'))),
        (
            15,
            lambda f: metadata.load(
                written(f / "metadata.csv", "file_name,kind\nsome-picture-of-a-cat.png,cat\n"),
                ["kind"],
            ),
        ),
    ],
    "cell_characters": [
        (5, lambda f: texts(written(f / "a.csv", 'text\n"six\nandmore"\n'))),
        (
            9,
            lambda f: metadata.load(
                written(f / "metadata.csv", "file_name,kind\nsome-picture.png,cat\n"), ["kind"]
            ),
        ),
    ],
    "document_bytes": [(9, lambda f: texts(written(f / "a.txt", "ten words!"), document="file"))],
    "archive_members": [
        (1, lambda f: archives.unpacked(zipped(f / "a.zip", {"a": b"1", "b": b"2"}))),
        (
            1,
            lambda f: array_files.header(
                zipped(f / "x.npz", {"x.npy": npy(np.zeros((4, 1))), "y.npy": npy(np.zeros(4))})
            ),
        ),
    ],
    "inflated_bytes": [
        (
            1000,
            lambda f: archives.unpacked(zipped(f / "a.zip", {"a": bytes(600), "b": bytes(600)})),
        ),
        (1000, lambda f: texts(written(f / "a.txt.gz", gzip.compress(b"words " * 400, mtime=0)))),
        (
            1000,
            lambda f: list(
                array_files.blocks(zipped(f / "x.npz", {"x.npy": npy(np.ones((400, 1)))}))
            ),
        ),
        (
            1000,
            lambda f: list(
                array_files.blocks(
                    written(
                        f / "x.idx.gz",
                        gzip.compress(
                            b"\0\0\x08\x02" + struct.pack(">2I", 20, 99) + bytes(1980), mtime=0
                        ),
                    )
                )
            ),
        ),
        (1000, lambda f: midi_pieces(f)),
    ],
    "inflation_ratio": [(9, lambda f: archives.unpacked(zipped(f / "a.zip", {"a": bytes(9000)})))],
    "weights_bytes": [
        (
            9,
            lambda f: bounded.read_bytes(
                written(f / "model.safetensors", b"ten bytes!"), "weights_bytes"
            ),
        )
    ],
}


def small_tokenizer() -> str:
    from tokenizers import Tokenizer, models

    return str(Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")).to_str())


def midi_pieces(folder: Path) -> Any:
    from castalia.modalities.music.files import score_lines

    line = json.dumps({"quarter": 1, "parts": [{"notes": [[60, 1]]}]}) + "\n"
    return list(
        score_lines.read(
            written(folder / "a.pieces.gz", gzip.compress(line.encode() * 40, mtime=0))
        )
    )


def test_each_limit_has_a_case():
    assert CASES.keys() == ReadLimits.model_fields.keys()


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, cases in CASES.items() for number in range(len(cases))],
)
def test_a_limit_stops_what_is_beyond_it_and_can_be_raised(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(packed, "FREE", 0)
    most, read = CASES[name][number]
    (tmp_path / "data").mkdir()
    generous = {"inflation_ratio": 10**6} if name != "inflation_ratio" else {}
    with (
        bounded.using(ReadLimits(**{**generous, name: most})),
        pytest.raises(CastaliaError) as caught,
    ):
        read(tmp_path / "data")
    assert (
        f"data.limits.{name}=" in caught.value.fix
        and f"{most:,} {units()[name]}" in caught.value.what
    ), str(caught.value)
    with bounded.using(ReadLimits(inflation_ratio=10**6)):
        read(tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.npy", npy(np.zeros((2, 3)))[:-1]),
        ("x.npy", header((10**9, 3))),
        ("x.npy", header((3, 10**8))),
        ("x.npy", header((10**40, 10**40))),
        ("x.npy", header((10**9, 3), fortran_order=True)),
        ("x.npy", header((-2, 3))),
        ("x.npy", header((2, 3), descr="<U0")),
        ("x.npz", b""),
        ("x.npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", (1 << 32) - 1) + b"{" * 100),
        ("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000),
        ("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"-" * 8999 + b"1"),
        ("x.idx", b"\0\0\x08\x01" + struct.pack(">I", (1 << 32) - 1)),
        ("x.idx", b"\0\0\x0e\x08" + struct.pack(">8I", *[(1 << 32) - 1] * 8)),
        (
            "x.idx.gz",
            gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", 10**8, 10**9) + bytes(100), mtime=0),
        ),
        (
            "x.idx.gz",
            gzip.compress(b"\0\0\x08\x02" + struct.pack(">2I", 3, 10**9) + bytes(100), mtime=0),
        ),
    ],
)
def test_what_an_array_declares_is_not_allocated(name: str, data: bytes, tmp_path: Path):
    """numpy, asked for a terabyte, raises MemoryError, or takes it where the system lends what it
    does not have.
    """
    import tracemalloc

    tracemalloc.start()
    path = (
        written(tmp_path / name, data)
        if data
        else zipped(tmp_path / name, {"x.npy": header((3, 10**8))})
    )
    with pytest.raises(DataError):
        list(array_files.blocks(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def gguf(
    facts: bytes = b"", count: int = 0, tensors: int = 0, magic: bytes = b"GGUF", version: int = 3
) -> bytes:
    return magic + struct.pack("<IQQ", version, tensors, count) + facts


def fact(key: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value


def test_a_gguf_header_is_held_against_the_file(tmp_path: Path):
    words = struct.pack("<IQ", 8, 2) + b"".join(
        struct.pack("<Q", len(word)) + word for word in (b"one", b"two")
    )
    tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<IQQIQ", 2, 2, 3, 0, 0)
    good = gguf(
        fact("a", 4, struct.pack("<I", 7))
        + fact("b", 8, struct.pack("<Q", 2) + b"hi")
        + fact("c", 9, words)
        + tensor
        + bytes(24),
        3,
        1,
    )
    check_gguf(written(tmp_path / "good.gguf", good))
    nested = struct.pack("<IQ", 9, 1) * 30
    for bad in (
        good[:40],
        gguf(magic=b"GGML"),
        gguf(version=9),
        gguf(count=1 << 62),
        gguf(tensors=(1 << 64) - 1),
        gguf(fact("a", 99, b""), 1),
        gguf(fact("a", 8, struct.pack("<Q", 1 << 60)), 1),
        gguf(fact("a", 9, struct.pack("<IQ", 0, 1 << 60)), 1),
        gguf(fact("a", 9, nested), 1),
        gguf(struct.pack("<Q", 1) + b"w" + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0), 0, 1),
        gguf(struct.pack("<Q", 1) + b"w" + struct.pack("<I", 1 << 31), 0, 1),
    ):
        with pytest.raises(DataError):
            check_gguf(written(tmp_path / "bad.gguf", bad))


def test_security_md_lists_the_limits():
    """The table is this one; `python -m tests.unit.test_limits` prints it."""
    assert table() in (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")


def table() -> str:
    rows = ["| limit | default | of |", "|---|---|---|"]
    for name, field in ReadLimits.model_fields.items():
        rows.append(f"| `{name}` | {_size(field.default, units()[name])} | {field.description} |")
    return "\n".join(rows) + "\n"


def _size(value: int, unit: str) -> str:
    if unit == "bytes":
        step, word = next(
            (step, word)
            for step, word in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"), (1, "bytes"))
            if value % step == 0
        )
        return f"{value // step:,} {word}"
    return f"{value:,} {unit}"


if __name__ == "__main__":
    print(table())
