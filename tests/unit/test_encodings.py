"""Which encoding a file is in: found where its bytes tell, asked for where they do not, and damaged
UTF-8 never taken for something else.
"""

from pathlib import Path

import pytest

from castalia.errors import DataError
from castalia.text_files import encoding_detection, encodings

TEXTS = {
    "pt": "A educação e a informação são direitos da população; não há exceções à regra.\n",
    "fi": "Hyvää päivää, tänään sää on hyvä ja lähdemme kävelylle. Älä pelkää!\n",
    "sv": "Åäö är på väg över ån. Åska och regn väntas på söndag.\n",
    "es": "¿Qué? ¡Sí! «España» mañana. El niño soñó con un pingüino.\n",
    "en": "“…well,” he said — “it’s 5 € too much for a café crème.”\n",
    "pl": "Zażółć gęślą jaźń. Chłopiec pobiegł na łąkę, żeby zobaczyć źrebię.\n",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy, když přišla zima.\n",
    "tr": "Yağmur yağdığı için çocuklar dışarı çıkmadı, ama güneş akşam göründü.\n",
    "ru": "Съешь ещё этих мягких французских булок, да выпей чаю.\n",
    "el": "Ο γέρος ψαράς έβγαινε κάθε πρωί στη θάλασσα. Άλλαξε ο καιρός.\n",
    "ar": "كان الصياد العجوز يخرج كل صباح إلى البحر ويعود بعد الظهر.\n",
    "he": "הדייג הזקן יצא בכל בוקר אל הים וחזר אחר הצהריים.\n",
    "th": "ชาวประมงเฒ่าออกทะเลทุกเช้าและกลับบ้านในตอนบ่าย\n",
    "ja": "こんにちは世界。今日は天気がいいですね。コーヒーを飲みましょう。\n",
    "ko": "안녕하세요 세계 여러분, 오늘은 날씨가 좋습니다.\n",
    "zh": "孩子们在院子里玩耍，母亲在厨房里煮汤。\n",
    "zt": "孩子們在院子裡玩耍，母親在廚房裡煮湯。\n",
}
PAIRS = [
    ("pt", "latin-1"),
    ("fi", "latin-1"),
    ("sv", "cp1252"),
    ("es", "latin-1"),
    ("en", "cp1252"),
    ("es", "mac-roman"),
    ("sv", "iso8859-15"),
    ("pl", "cp1250"),
    ("pl", "iso8859-2"),
    ("cs", "cp1250"),
    ("cs", "iso8859-2"),
    ("tr", "cp1254"),
    ("ru", "cp1251"),
    ("ru", "koi8-r"),
    ("ru", "iso8859-5"),
    ("el", "cp1253"),
    ("el", "iso8859-7"),
    ("ar", "cp1256"),
    ("he", "cp1255"),
    ("th", "tis-620"),
    ("ja", "shift_jis"),
    ("ja", "euc_jp"),
    ("ja", "iso2022_jp"),
    ("ko", "euc_kr"),
    ("zh", "gbk"),
    ("zt", "big5"),
    ("zt", "gb18030"),
]


def read(path: Path) -> str:
    return "".join(encodings.blocks(path, encodings.detect(path)))


def stored(folder: Path, raw: bytes, name: str = "a.txt") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(raw)
    return folder / name


@pytest.mark.parametrize(("language", "encoding"), PAIRS)
def test_files_are_read_as_they_were_written(language: str, encoding: str, tmp_path: Path):
    assert read(stored(tmp_path, TEXTS[language].encode(encoding))) == TEXTS[language]


def test_what_the_bytes_do_not_tell_is_asked_for(tmp_path: Path):
    path = stored(tmp_path, "č".encode("cp1250"))
    with pytest.raises(DataError, match="do not tell") as caught:
        read(path)
    assert "codec.encoding=" in caught.value.fix and caught.value.where == "a.txt"
    with pytest.raises(DataError, match=r"codec\.encoding=utf-16-le"):
        read(stored(tmp_path, TEXTS["zh"].encode("utf-16-le")))


def test_files_of_a_folder_are_decided_together(tmp_path: Path):
    raw = "větší\n".encode("iso8859-2")
    alone = encoding_detection.guess(raw)
    assert not alone.sure, "this file needs its neighbours"
    with pytest.raises(DataError, match="do not tell"):
        read(stored(tmp_path / "alone", raw))
    for number in range(6):
        stored(tmp_path / "many", f"{number}. {TEXTS['cs']}".encode("iso8859-2"), f"b{number}.txt")
    assert read(stored(tmp_path / "many", raw)) == "větší\n"


@pytest.mark.parametrize(
    "text",
    ["The price was 5 €", "plain words, then 中文字", "naïve 😀", "Смысл", "déjà vu 10 €, 20 €"],
)
def test_utf8_cut_inside_a_character_is_refused(text: str, tmp_path: Path):
    raw = text.encode()
    for size in range(1, len(raw)):
        try:
            raw[:size].decode()
        except UnicodeDecodeError as error:
            if raw[: error.start].isascii() and size - error.start == 1:
                continue  # one byte above 127 in ASCII may be Latin-1
            with pytest.raises(
                DataError, match=f"at offset {error.start} cannot be decoded as UTF-8"
            ):
                read(stored(tmp_path, raw[:size]))


@pytest.mark.parametrize("size", [1, 2])
def test_one_cut_character_among_words_is_never_taken_for_chinese(size: int, tmp_path: Path):
    with pytest.raises(DataError):
        read(stored(tmp_path, b"It costs five " + "€".encode()[:size]))


@pytest.mark.parametrize(
    "broken",
    [
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xe4\xb8",
        b"\xf4\x90\x80\x80",
    ],
)
def test_overlong_forms_surrogates_and_cut_sequences_are_refused(broken: bytes, tmp_path: Path):
    for rest in ("plain words " * 30, "mit Umlauten: über Äpfel und Öl, süß. ", TEXTS["zh"] * 5):
        raw = rest.encode() + broken + rest.encode()
        with pytest.raises(
            DataError, match=f"at offset {len(rest.encode())} cannot be decoded as UTF-8"
        ):
            read(stored(tmp_path, raw))


def test_the_sample_keeps_rare_bytes_and_is_bounded():
    lines = [b"\xe9t\xe9 " * 20] * 2000 + [b"5 \x80\n"] + [b"ascii"] * 9
    sample = encoding_detection.sample_of(b"\n".join(lines), True)
    assert (
        len(sample) < 2 * encoding_detection.SAMPLE and b"\x80" in sample and b"ascii" not in sample
    )
