"""README's tables, in both languages: which verb does what for which kind of data, made from
descriptors, recipes and the abilities of families; and the tools for a purpose (apps).

python docs/scripts/matrix.py            # rewrite what is between the markers
python docs/scripts/matrix.py --check    # exit code 1 when a page is out of date (a test runs this)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from castalia import app, modality, recipe, registry
from castalia.abilities import ABILITIES
from castalia.codecs.base import Codec
from castalia.codecs.protocols import Streams
from castalia.evaluation.base import DenseEvidence, Evidence, TokenEvidence
from castalia.export.targets import TARGETS
from castalia.language import constant
from castalia.modality import Modality
from castalia.sampling.edit import Infill, edits_of
from castalia.spec import Dense, Tokens

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
BEGIN, END = "<!-- matrix: made by docs/scripts/matrix.py -->", "<!-- end of matrix -->"
HEADS = {"en": "verb", "zh": "动词"}
YES = {"en": "yes", "zh": "可以"}
METRICS = {"en": "{} metrics", "zh": "{} 个指标"}
EVIDENCE = {Dense: DenseEvidence, Tokens: TokenEvidence}
ORDER = ("generate", "interpolate", "vary", "infill", "score", "images", "completions", "chat")


class Facts:
    """What one modality can do. families: of its shipped recipes."""

    def __init__(self, one: Modality) -> None:
        self.modality = one
        self.codec: Codec[Any] = one.load("codec")(one.load("codec").Config())
        titles = [title for title in recipe.shipped() if title.startswith(f"{one.name}/")]
        used = {recipe.read_yaml(title)["family"]["name"] for title in titles}
        self.families = [name for name in registry.FAMILIES if name in used]
        self.classes = [registry.resolve("family", name) for name in self.families]
        self.abilities = {
            ability for name in self.families for ability in registry.FAMILIES[name].abilities
        }
        self.writes = isinstance(self.codec, Streams)

    def files(self) -> list[str]:
        """Endings of the files that `sample` writes."""
        return list(dict.fromkeys((self.codec.suffix, *self.codec.formats)))

    def edits(self) -> list[str]:
        """Kinds of edits that some family of its recipes has the ability for."""
        able = {ABILITIES[name] for name in self.abilities}
        return [
            kind
            for kind, edit in edits_of(self.codec).items()
            if edit.needs in {None, *able} and (self.writes or type(edit) is not Infill)
        ]

    def metrics(self) -> list[str]:
        """Metrics that read evidence of its kinds and judge its items."""
        kinds = {kind for family in self.classes for kind in family.accepts}
        evidence: list[type[Evidence]] = [EVIDENCE[kind] for kind in kinds]
        classes = {name: registry.resolve("metric", name) for name in registry.known("metric")}
        return [
            name
            for name, metric in classes.items()
            if any(issubclass(one, metric.reads) for one in evidence)
            and issubclass(self.codec.native, metric.judges)
        ]

    def exports(self) -> list[str]:
        """Formats of `export`: graphs need the codec's tables, `transformers` a language model."""
        needs = {
            "bundle": bool(self.modality.tables),
            "onnx": bool(self.modality.tables),
            "transformers": self.writes,
            "peft": self.writes and "pretrained" in self.families,
        }
        return [name for name in TARGETS if needs.get(name, True)]

    def serves(self) -> list[str]:
        """What clients may ask of a server."""
        can = {"generate", *self.edits()}
        can |= {"score"} if "scores" in self.abilities else set()
        if self.writes:
            can |= {"completions", "chat"}
        elif self.codec.suffix == ".png":
            can.add("images")
        return [*(name for name in ORDER if name in can), *sorted(can - set(ORDER))]


def matrix(language: str) -> str:
    """The table."""
    facts = [Facts(one) for one in modality.every().values()]
    yes = YES[language]
    rows: dict[str, list[str]] = {
        "check": [yes for _ in facts],
        "train": [", ".join(one.families) for one in facts],
        "sample": [", ".join(f"`{ending}`" for ending in one.files()) for one in facts],
        "edit": [", ".join(one.edits()) for one in facts],
        "evaluate": [METRICS[language].format(len(one.metrics())) for one in facts],
        "audit": [yes for _ in facts],
        "compare": [yes for _ in facts],
        "export": [", ".join(one.exports()) for one in facts],
        "serve": [", ".join(one.serves()) for one in facts],
    }
    head = [HEADS[language], *(one.modality.name for one in facts)]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| `{verb}` | {' | '.join(cells)} |" for verb, cells in rows.items()]
    return "\n".join(lines)


def tools(language: str) -> str:
    """The apps, each with a line and its page."""
    head = {"en": ("tool", "what for"), "zh": ("工具", "用途")}[language]
    lines = [f"| {' | '.join(head)} |", "|---|---|"]
    for one in app.every().values():
        about = constant(one.about, language)
        pages = sorted((ROOT / "docs").glob(f"{one.name}*.md"))
        folder = "docs" if language == "en" else "docs/zh"
        links = ", ".join(f"[{page.stem}]({folder}/{page.name})" for page in pages)
        lines.append(f"| `castalia {one.name}` | {about} ({links}) |")
    return "\n".join(lines)


def main() -> int:
    stale = []
    for language, path in PAGES.items():
        text = path.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, closed, after = rest.partition(END)
        if not closed:
            raise SystemExit(f"{path.name} has lost its markers: {BEGIN} ... {END}")
        tables = f"{matrix(language)}\n\n{tools(language)}"
        made = f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"
        if made != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(made, encoding="utf-8")
    if "--check" in sys.argv and stale:
        print(f"{', '.join(stale)}: run python docs/scripts/matrix.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
