"""Text files as users have them: encodings found or named, what is broken said by offset, documents
cut in bounded memory, tables.
"""

import gzip
import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from castalia.data.source import DataConfig, open_source
from castalia.errors import CastaliaError, DataError, MissingExtra
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.text_files import encodings

CHINESE = "聞道黃花戍，頻年不解兵。\n可憐閨裏月，偏照漢家營。\n"
SIMPLE = "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。\n"
FRENCH = "Déjà vu : le café était fermé, hélas. Où êtes-vous allé cet été ?\nÇa va.\n"


def read(path: Path, **settings: object) -> list[str]:
    return list(TextCodec(TextConfig(**settings)).read(path))


def stored(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Encodings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "codec", "label"),
    [
        ("plain", "ascii", "UTF-8"),
        (CHINESE, "utf-8", "UTF-8"),
        (CHINESE, "utf-8-sig", "UTF-8 with BOM"),
        (CHINESE + "😀", "utf-16", "UTF-16"),
        (CHINESE, "utf-32", "UTF-32"),
        (SIMPLE, "gbk", "GB18030"),
        (SIMPLE, "gb2312", "GB18030"),
        (CHINESE + "𠮷野家 €", "gb18030", "GB18030"),
        ("他说：OK，用 Python 写 a=1。", "gb18030", "GB18030"),
        ("联通", "gbk", "GB18030"),
        (FRENCH, "latin-1", "Latin-1"),
        ("naïve", "latin-1", "Latin-1"),
        ("“quoted” – 5 €, naïve café", "cp1252", "Latin-1"),
    ],
)
def test_encodings_are_found_and_reported(text: str, codec: str, label: str, tmp_path: Path):
    path = stored(tmp_path, "a.txt", text.encode(codec))
    (item,) = TextCodec().read(path)
    assert (item, TextCodec().describe(item)) == (text, label)


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf16_of_either_order(order: str, tmp_path: Path):
    mark = {"le": b"\xff\xfe", "be": b"\xfe\xff"}[order]
    assert read(stored(tmp_path, "a.txt", mark + CHINESE.encode(f"utf-16-{order}"))) == [CHINESE]
    bare = stored(tmp_path, "b.txt", FRENCH.encode(f"utf-16-{order}"))
    with pytest.raises(DataError, match=f"codec.encoding=utf-16-{order}"):
        read(bare)
    assert read(bare, encoding=f"utf-16-{order}") == [FRENCH]


def test_a_named_encoding(tmp_path: Path):
    path = stored(tmp_path, "a.txt", "白日依山盡".encode("big5"))
    assert read(path, encoding="big5") == ["白日依山盡"]
    assert read(stored(tmp_path, "b.txt", CHINESE.encode("utf-8-sig")), encoding="utf-8") == [
        CHINESE
    ]
    with pytest.raises(DataError, match="as ascii"):
        read(path, encoding="ascii")
    for wrong in ("utf-99", "hex", "rot13"):
        with pytest.raises(ValidationError, match="not an encoding"):
            TextConfig(encoding=wrong)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 3 * encodings.BLOCK // 2))
def test_a_broken_byte_is_named_by_offset_wherever_it_is(
    place: int, tmp_path_factory: pytest.TempPathFactory
):
    raw = bytearray((CHINESE * 23_000).encode()[: 3 * encodings.BLOCK // 2 + 64])
    while raw[place] & 0xC0 == 0x80:  # the first byte of a character
        place += 1
    raw[place] = 0xFF
    path = stored(tmp_path_factory.mktemp("broken"), "notes.txt", bytes(raw))
    with pytest.raises(
        DataError, match=rf"FF at offset {place} cannot be decoded as UTF-8"
    ) as caught:
        read(path)
    assert caught.value.where == "notes.txt"


def test_damaged_files_do_not_become_mojibake(tmp_path: Path):
    cut = stored(tmp_path, "cut.txt", CHINESE.encode()[:-3])
    with pytest.raises(DataError, match=f"at offset {len(CHINESE.encode()) - 4}"):
        read(cut)
    raw = bytearray(SIMPLE.encode("gbk"))
    raw[4] = 0xFF
    with pytest.raises(DataError, match="at offset 4 cannot be decoded as GB18030"):
        read(stored(tmp_path, "gbk.txt", bytes(raw)))
    with pytest.raises(DataError, match="offset 44 once unpacked"):
        read(
            stored(
                tmp_path,
                "a.txt.gz",
                gzip.compress("好".encode() * 14 + b"ab\xff" + "好".encode() * 9),
            )
        )


def test_binary_files_are_refused_in_clear_words(tmp_path: Path):
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    picture = (tmp_path / "picture.png").rename(tmp_path / "picture.txt")
    with pytest.raises(DataError, match=r"is a PNG picture, not text.*\n.*picture\.txt"):
        read(picture)
    noise = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    for number, content in enumerate([noise, b"\0" * 100, b"PK\x03\x04rest", bytes(range(256))]):
        with pytest.raises(DataError, match=f"{number}.md"):
            read(stored(tmp_path, f"{number}.md", content))
    assert read(stored(tmp_path, "form.txt", "page\fbreak \x1b[1mbold")) == [
        "page\fbreak \x1b[1mbold"
    ]


def test_mixed_encodings_are_fine_and_equal_texts_are_one(tmp_path: Path):
    for number, codec in enumerate(("utf-8", "utf-16", "gb18030", "utf-8-sig")):
        stored(tmp_path, f"{number}.txt", SIMPLE.encode(codec))
    source = open_source(DataConfig(source=str(tmp_path)), TextCodec())
    assert len(source) == 4 and len({digest.tobytes() for digest in source.digest}) == 1


@settings(max_examples=80, deadline=None)
@given(
    text=st.text(
        st.characters(exclude_categories=("Cs",), exclude_characters="\x00"),
        min_size=1,
        max_size=50,
    )
)
def test_blocks_join_to_the_text_wherever_they_are_cut(
    text: str, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("blocks")
    before = encodings.BLOCK
    try:
        for size in (1, 2, 3, 7):
            encodings.BLOCK = size
            for codec in ("utf-8", "gb18030", "utf-16-le"):
                path = stored(folder, "a.txt", (text + "\r\nend").encode(codec))
                found = encodings.blocks(path, encodings.Encoding(codec, codec))
                assert "".join(found) == (text.removeprefix("\ufeff") + "\r\nend").replace(
                    "\r\n", "\n"
                )
    finally:
        encodings.BLOCK = before


# Documents ----------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 200_000))
def test_pieces_join_to_the_text(seed: int, size: int, tmp_path_factory: pytest.TempPathFactory):
    rng = np.random.default_rng(seed)
    letters = np.array(["a", " ", "日", "é", "😀", "\n", "\n\n"])
    text = "x" + "".join(rng.choice(letters, size // 3 + 1, p=rng.dirichlet(np.full(7, 0.3))))
    path = stored(tmp_path_factory.mktemp("pieces"), "a.txt", text)
    codec = TextCodec()
    pieces = list(codec.read(path))
    assert "".join(pieces) == text
    assert [piece.encode() for piece in pieces] == list(codec.contents(path))
    sizes = [len(piece.encode()) for piece in pieces]
    total = len(text.encode())
    if total <= 16 << 10:
        assert sizes == [total]
    else:  # some 32 pieces, or more of 16 KiB: enough for both sides of a split
        about = min(16 << 10, total // 32) if total > 32 << 10 else 1 << 10
        assert min(sizes) > about // 4 and max(sizes) <= about + about // 2 and len(sizes) >= 16


def test_pieces_prefer_blank_lines_then_line_ends(tmp_path: Path):
    poems = "\n\n".join(CHINESE.strip() for _ in range(2000))
    pieces = read(stored(tmp_path, "poems.txt", poems))
    assert len(pieces) > 5 and all(piece.endswith("\n\n") for piece in pieces[:-1])
    lines = "\n".join(["a line of some length"] * 8000)
    assert all(piece.endswith("\n") for piece in read(stored(tmp_path, "lines.txt", lines))[:-1])


def test_pieces_do_not_depend_on_the_encoding(tmp_path: Path):
    text = CHINESE * 40_000
    utf8, utf16 = (
        stored(tmp_path, f"{codec}.txt", text.encode(codec)) for codec in ("utf-8", "utf-16")
    )
    packed = stored(tmp_path, "packed.txt.gz", gzip.compress(text.encode(), 1))
    assert (
        list(TextCodec().contents(utf8))
        == list(TextCodec().contents(utf16))
        == list(TextCodec().contents(packed))
    )


@pytest.mark.parametrize("document", ["auto", "line", "paragraph"])
def test_one_endless_line_takes_bounded_memory(document: str, tmp_path: Path):
    path = stored(tmp_path, "line.txt", "字".encode() * (8 << 20))
    codec = TextCodec(TextConfig(document=document))
    tracemalloc.start()
    total = sum(map(len, codec.contents(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 24 << 20 and peak < 16 << 20


def test_paragraphs_and_lines(tmp_path: Path):
    path = stored(tmp_path, "a.txt", "\n\none\r\n  more\n \t\n\n\ntwo\n\n三\n")
    assert read(path, document="paragraph") == ["one\n  more", "two", "三"]
    assert read(path, document="line") == ["one", "  more", "two", "三"]
    assert read(path, document="file") == ["\n\none\n  more\n \t\n\n\ntwo\n\n三\n"]
    assert read(stored(tmp_path, "b.txt", " \n\n ")) == read(stored(tmp_path, "c.py", "")) == []
    large = stored(tmp_path, "d.txt", "word " * 60_000)
    assert len(read(large, document="file")) == 1 and len(read(large, document="line")) > 10


# Tables -------------------------------------------------------------------------------------------


def jsonl(folder: Path, rows: list[object], name: str = "a.jsonl") -> Path:
    return stored(folder, name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


POEMS = [
    {"title": "其一", "author": "甲", "lines": ["白日依山尽，", "黄河入海流。"]},
    {"title": "其二", "author": None, "lines": ["空山"]},
]


def test_columns_and_templates(tmp_path: Path):
    path = jsonl(tmp_path, POEMS)
    assert read(path) == ["白日依山尽，\n黄河入海流。", "空山"]
    assert read(path, field="title") == ["其一", "其二"]
    assert read(path, field="author") == ["甲"], "an empty document is left out"
    assert read(path, field="{title}·{author}\n{lines}") == [
        "其一·甲\n白日依山尽，\n黄河入海流。",
        "其二·\n空山",
    ]
    assert read(path, field=r"{title}\n{lines}")[1] == "其二\n空山"
    with pytest.raises(DataError, match=r"no column 'titel'.*\n.*a\.jsonl.*\n.*'title'"):
        read(path, field="{titel}")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "t", "content": "c"}, "t"),
        ({"id": 3, "content": "c", "note": "n"}, "c"),
        ({"id": 3, "body": "b"}, "b"),
    ],
)
def test_the_column_that_is_meant_when_nobody_says(
    row: dict[str, object], expected: str, tmp_path: Path
):
    path = jsonl(tmp_path, [row])
    assert read(path) == [expected]
    chosen = next(name for name, value in row.items() if value == expected)
    assert TextCodec().describe(next(TextCodec().read(path))) == f"UTF-8, column {chosen}"


def test_a_template_names_its_columns(tmp_path: Path):
    codec = TextCodec(TextCodec.Config(field="{a}={b}{a}"))
    assert [
        (item, codec.describe(item)) for item in codec.read(jsonl(tmp_path, [{"a": "x", "b": "y"}]))
    ] == [("x=yx", "UTF-8, columns a + b")]


def test_a_table_with_several_texts_asks(tmp_path: Path):
    with pytest.raises(DataError, match="may be any of: headline, body"):
        read(jsonl(tmp_path, [{"headline": "q", "body": "a"}]))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"text": "a\\ud83d"}', r"U\+D83D"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_lines_are_named(line: str, says: str, tmp_path: Path):
    path = stored(tmp_path, "a.jsonl", '{"text": "fine"}\n\n' + line + "\n")
    with pytest.raises(DataError, match=says) as caught:
        read(path)
    assert re.search(r"a\.jsonl, (line|row) 3", caught.value.where)


def test_csv_and_tsv(tmp_path: Path):
    raw = 'id,text\r\n1,"two\r\nlines, ""quoted"""\r\n2,' + "长" * 100_000 + "\r\n"
    expected = ['two\nlines, "quoted"', "长" * 100_000]
    assert read(stored(tmp_path, "a.csv", raw)) == expected
    assert read(stored(tmp_path, "b.csv", raw.encode("gb18030"))) == expected
    assert read(stored(tmp_path, "c.csv.gz", gzip.compress(raw.encode()))) == expected
    assert read(stored(tmp_path, "d.tsv", "text\tid\nhere\u2028too\t1\n")) == ["here\u2028too"]


def test_parquet(tmp_path: Path):
    pyarrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    parquet.write_table(pyarrow.Table.from_pylist(POEMS), tmp_path / "a.parquet")
    (first, second) = TextCodec().read(tmp_path / "a.parquet")
    assert (first, second, TextCodec().describe(first)) == (
        "白日依山尽，\n黄河入海流。",
        "空山",
        "Parquet, column lines",
    )


def test_parquet_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"a\.parquet.*\n.*castalia\[parquet\]"):
        read(stored(tmp_path, "a.parquet", b"PAR1"))


# Sources ------------------------------------------------------------------------------------------


def test_which_files_of_a_folder_are_texts(tmp_path: Path):
    (tmp_path / "src").mkdir()
    for name in ("a.txt", "b.MD", "src/main.py", "src/lib.rs", "c.jsonl.gz"):
        content = gzip.compress(b'{"text": "packed"}\n') if name.endswith("gz") else name.encode()
        stored(tmp_path, name, content)
    for name in (
        "README.md",
        "readme.zh.txt",
        "LICENSE.txt",
        "LICENCE.md",
        "NOTICE.txt",
        "CHANGELOG.md",
        "metadata.csv",
        "x.png",
        "x.json",
    ):
        stored(tmp_path, name, b"about")
    source = open_source(DataConfig(source=str(tmp_path)), TextCodec())
    assert source.names == ["a.txt", "b.MD", "c.jsonl.gz", "src/lib.rs", "src/main.py"]
    assert sum(source.ignored.values()) == 8, "metadata.csv is for columns beside files"
    assert open_source(DataConfig(source=str(tmp_path / "README.md")), TextCodec()).names == [
        "README.md"
    ], "named, so it is meant"


def test_skip_bad_lists_what_cannot_be_read(tmp_path: Path):
    stored(tmp_path, "good.txt", CHINESE)
    stored(tmp_path, "bad.txt", b"\x89PNG")
    with pytest.raises(CastaliaError, match=r"bad\.txt"):
        open_source(DataConfig(source=str(tmp_path)), TextCodec())
    source = open_source(DataConfig(source=str(tmp_path), skip_bad=True), TextCodec())
    assert len(source) == 1 and source.skipped[0]["file"] == "bad.txt"


def test_written_texts_carry_their_manifest_beside_them(tmp_path: Path):
    codec = TextCodec(TextConfig(tokenizer="byte"))
    codec.write(CHINESE, tmp_path / "00000.txt", {"seed": 1})
    assert (tmp_path / "00000.txt").read_bytes() == CHINESE.encode()
    assert json.loads((tmp_path / "00000.json").read_text()) == {"seed": 1}
    assert open_source(DataConfig(source=str(tmp_path)), codec).names == ["00000.txt"], (
        "a folder of samples is a folder of texts"
    )


def test_units_and_preview():
    codec = TextCodec()
    assert codec.units("日本é") == {"byte": 8, "character": 3}
    picture = codec.preview([CHINESE, "", "long " * 1000, "tab\there\x00"])
    assert picture.mode == "RGB" and picture.width > 100 and np.asarray(picture).min() < 100


def test_rows_of_tables_part_into_lines_where_that_is_asked_for(tmp_path: Path) -> None:
    table = tmp_path / "poems.jsonl"
    table.write_text(
        '{"lines": ["床前明月光，", "疑是地上霜。"]}\n{"lines": ["one\\n\\ntwo", "three"]}\n',
        encoding="utf-8",
    )

    def texts(document: str) -> list[str]:
        return [str(item) for item in TextCodec(TextConfig(document=document)).read(table)]  # type: ignore[arg-type]

    assert texts("auto") == ["床前明月光，\n疑是地上霜。", "one\n\ntwo\nthree"]
    assert texts("line") == ["床前明月光，", "疑是地上霜。", "one", "two", "three"]
    assert texts("paragraph") == ["床前明月光，\n疑是地上霜。", "one", "two\nthree"]
