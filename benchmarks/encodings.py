"""How often the encoding of a text file is found, asked for, or wrong: ours against
charset-normalizer.

    python benchmarks/encodings.py              # writes benchmarks/results/encodings.json

Texts: benchmarks/texts/sentences.txt, own sentences in 27 languages. Every second sentence, and all
of six languages, are the judged half; the rest is what constants were chosen on. Files are made of
1 to 400 sentences of one language in each encoding that people used for it and that holds all its
characters. A file counts as right when it is decoded to its own text, as asked when an error names
codec.encoding, else as wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from machine import HERE, write_result

UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")
WEST = ("cp1252", "latin-1", "iso8859-15", "mac-roman")
ENCODINGS = {
    "en": WEST,
    "fr": WEST,
    "de": WEST,
    "es": WEST,
    "pt": WEST,
    "it": WEST,
    "sv": WEST,
    "fi": WEST,
    "da": WEST,
    "pl": ("cp1250", "iso8859-2"),
    "cs": ("cp1250", "iso8859-2"),
    "hu": ("cp1250", "iso8859-2"),
    "ro": ("cp1250", "iso8859-2"),
    "hr": ("cp1250", "iso8859-2"),
    "tr": ("cp1254", "iso8859-9"),
    "ru": ("cp1251", "koi8-r", "iso8859-5"),
    "uk": ("cp1251", "koi8-u"),
    "bg": ("cp1251", "iso8859-5"),
    "el": ("cp1253", "iso8859-7"),
    "ar": ("cp1256",),
    "he": ("cp1255", "iso8859-8"),
    "th": ("tis-620", "cp874"),
    "zh": ("gb18030", "gbk", "gb2312"),
    "zt": ("big5", "gb18030"),
    "ja": ("shift_jis", "euc_jp", "iso2022_jp"),
    "ko": ("euc_kr", "cp949"),
}
UNSEEN = ("it", "da", "hr", "bg", "he", "ro")  # languages of the judged half alone
LENGTHS = (1, 1, 2, 3, 8, 40, 400)  # sentences in a file
SEEDS = {"development": 11, "judged": 12}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--half", choices=["development", "judged"], help="only this half, without writing a result"
    )
    parser.add_argument("--show", action="store_true", help="print what is wrong or asked")
    words = parser.parse_args()
    results = {}
    for half in [words.half] if words.half else ["development", "judged"]:
        files = list(made(half))
        results[half] = {
            name: judged(files, reader, words.show) for name, reader in READERS.items()
        }
        for name, result in results[half].items():
            print(
                f"{half:<12}{name:<20}"
                + "  ".join(
                    f"{key} {result[key]}"
                    for key in ("files", "right", "asked", "wrong", "seconds")
                )
            )
    if not words.half:
        write_result("encodings", results, seeds=list(SEEDS.values()))
    return 0


def sentences() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (HERE / "texts" / "sentences.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and line[2:4] in ENCODINGS and line[4] == " ":
            found[language := line[2:4]] = []
        elif not line.startswith("#"):
            found[language].append(line)
    return found


def made(half: str) -> Any:
    """(language, encoding, bytes, text) of every file."""
    rng = random.Random(SEEDS[half])
    for language, lines in sentences().items():
        own = lines if language in UNSEEN else lines[half == "judged" :: 2]
        if language in UNSEEN and half == "development":
            continue
        for encoding in (*ENCODINGS[language], *UNICODE):
            for length in LENGTHS if encoding not in UNICODE else LENGTHS[1:5]:
                fitting = [line for line in own if _fits(line, encoding)]
                if not fitting:
                    continue
                text = "\n".join(rng.choice(fitting) for _ in range(length))
                if rng.random() < 0.3:  # a piece of it, at least 20 bytes
                    start = rng.randrange(max(1, len(text) // 2))
                    text = text[start : start + max(24, len(text) // 3)]
                if len(text.encode(encoding)) >= 20:
                    yield language, encoding, text.encode(encoding), text


def _fits(line: str, encoding: str) -> bool:
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def ours(path: Path) -> str | None:
    from castalia.errors import DataError
    from castalia.text_files import encodings

    try:
        return "".join(encodings.blocks(path, encodings.detect(path)))
    except DataError:
        return None


def peer(path: Path) -> str | None:
    import charset_normalizer

    best = charset_normalizer.from_path(path).best()
    return None if best is None else str(best)


READERS = {"castalia": ours, "charset-normalizer": peer}


def judged(files: list[Any], reader: Any, show: bool) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    by_encoding: dict[str, Counter[str]] = {}
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        for language, encoding, raw, text in files:
            path.write_bytes(raw)
            found = reader(path)
            verdict = (
                "asked" if found is None else "right" if found.lstrip("\ufeff") == text else "wrong"
            )
            counts[verdict] += 1
            by_encoding.setdefault(encoding, Counter())[verdict] += 1
            if show and verdict != "right" and reader is ours:
                print(
                    f"  {verdict} {language} {encoding} {len(raw)}: {text[:60]!r} -> "
                    f"{found and found[:60]!r}",
                    file=sys.stderr,
                )
    return {
        "files": len(files),
        **{name: counts[name] for name in ("right", "asked", "wrong")},
        "right_or_asked": round(1 - counts["wrong"] / len(files), 4),
        "seconds": round(time.process_time() - start, 2),
        "encodings": {name: dict(one) for name, one in sorted(by_encoding.items())},
    }


if __name__ == "__main__":
    sys.exit(main())
