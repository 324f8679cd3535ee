"""Documents of word processors, PDF, web pages and workbooks as texts and rows; what is damaged,
encrypted or silent is named.
"""

import io
import sys
import zipfile
from pathlib import Path

import pytest

from castalia import bounded
from castalia.data.source import DataConfig, open_source
from castalia.errors import DataError, MissingExtra
from castalia.modalities.text.codec import TextCodec, TextConfig
from castalia.omissions import collected


def read(path: Path, **settings: object) -> list[str]:
    return list(TextCodec(TextConfig(**settings)).read(path))


def pdf(path: Path, pages: list[str], password: str | None = None) -> Path:
    """A PDF file with a line of text on each page; an empty one where there is no text."""
    pypdf = pytest.importorskip("pypdf")
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")}
    )
    font[NameObject("/BaseFont")] = NameObject("/Helvetica")
    for text in pages:
        page = writer.add_blank_page(200, 200)
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode() if text else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    with path.open("wb") as file:
        writer.write(file)
    return path


def test_word_documents_with_tables(tmp_path: Path):
    docx = pytest.importorskip("docx")
    document = docx.Document()
    document.add_paragraph("Déjà vu, 又见面了。")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "a", "b"
    document.add_paragraph("The end.")
    document.save(tmp_path / "a.docx")
    assert read(tmp_path / "a.docx") == ["Déjà vu, 又见面了。\na\tb\nThe end.\n"]
    assert read(tmp_path / "a.docx", document="line") == ["Déjà vu, 又见面了。", "a\tb", "The end."]
    assert TextCodec().describe(next(TextCodec().read(tmp_path / "a.docx"))) == "DOCX"


def test_pdf_files(tmp_path: Path):
    with collected() as omissions:
        assert read(pdf(tmp_path / "a.pdf", ["Page one.", "", "Page three."])) == [
            "Page one.\n\nPage three.\n\n"
        ]
    assert [(one.what, one.count, one.example) for one in omissions.listed()] == [
        ("pages of PDF files without text", 1, "a.pdf")
    ]
    with pytest.raises(DataError, match="holds no text"):
        read(pdf(tmp_path / "b.pdf", ["", ""]))
    with pytest.raises(DataError, match="is encrypted"):
        read(pdf(tmp_path / "c.pdf", ["secret"], "x"))
    (tmp_path / "d.pdf").write_bytes(b"%PDF-1.7\nnothing of the kind")
    with pytest.raises(DataError, match="cannot be read") as caught:
        read(tmp_path / "d.pdf")
    assert caught.value.where == "d.pdf"


def test_web_pages_without_scripts_and_styles(tmp_path: Path):
    page = (
        "<!DOCTYPE html><html><head><title>No</title><style>p "
        "{}</style></head><body><h1>Title</h1><p>One &amp;\n two <b>bold</b>.<br>Next</p>"
        "<script>var hidden = "
        "'<p>';</script><ul><li>a<li>b</ul><table><tr><td>1<td>2</tr></table><pre>as\n  "
        "is</pre></body></html>"
    )
    (tmp_path / "a.html").write_text(page)
    assert read(tmp_path / "a.html") == [
        "Title\n\nOne & two bold.\nNext\n\na\nb\n\n1\t2\n\nas\n  is\n\n"
    ]
    (tmp_path / "b.htm").write_bytes('<meta charset="windows-1251"><p>Да</p>'.encode("cp1251"))
    assert read(tmp_path / "b.htm") == ["Да\n\n"]
    assert TextCodec().describe(next(TextCodec().read(tmp_path / "b.htm"))).startswith("HTML, ")


def test_workbooks_are_tables(tmp_path: Path):
    openpyxl = pytest.importorskip("openpyxl")
    import datetime

    book = openpyxl.Workbook()
    for row in (
        ["id", "text", "when"],
        [1, "hello", datetime.date(2026, 1, 2)],
        [2, "再见", None],
        [3, None, None],
    ):
        book.active.append(row)
    book.create_sheet("more").append(["text"])
    book.save(tmp_path / "a.xlsx")
    with collected() as omissions:
        assert read(tmp_path / "a.xlsx") == ["hello", "再见"]
    assert {one.what: one.count for one in omissions.listed()} == {
        "rows in which 'text' is empty": 1,
        "sheets of workbooks beyond the first": 1,
    }
    assert read(tmp_path / "a.xlsx", field="{id} {when}")[0] == "1 2026-01-02T00:00:00"


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
def test_damaged_and_swollen_files_are_named(name: str, tmp_path: Path):
    pytest.importorskip("docx")
    path = tmp_path / name
    for content, says in [
        (b"", "damaged"),
        (b"PK\x03\x04nothing", "damaged"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "encrypted"),
    ]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=says) as caught:
            read(path)
        assert caught.value.where == name
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * (4 << 20))
    path.write_bytes(raw.getvalue())
    with (
        bounded.using(bounded.ReadLimits(inflated_bytes=1 << 20)),
        pytest.raises(DataError, match="unpacks to too much"),
    ):
        read(path)
    with pytest.raises(DataError, match="cannot be read"):
        read(path)


@pytest.mark.parametrize(
    ("name", "module"), [("a.docx", "docx"), ("a.pdf", "pypdf"), ("a.xlsx", "openpyxl")]
)
def test_without_the_extra(name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(MissingExtra, match=r"castalia\[documents\]"):
        read(tmp_path / name)


def test_without_the_extra_a_folder_is_read_all_the_same_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "docx", None)
    (tmp_path / "letter.docx").write_bytes(b"PK")
    for number in range(10):
        (tmp_path / f"{number}.txt").write_text(f"the text of number {number}\n")
    source = open_source(DataConfig(source=str(tmp_path)), TextCodec())
    (left,) = source.omitted.listed()
    assert (
        len(source) == 10
        and (left.count, left.example) == (1, "letter.docx")
        and "castalia[documents]" in left.remedy
    )
    monkeypatch.undo()
    assert (
        "letter.docx"
        in open_source(DataConfig(source=str(tmp_path), skip_bad=True), TextCodec()).skipped[0][
            "file"
        ]
    )
