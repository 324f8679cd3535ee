"""docs/files.md: a map of the source files, made from the docstrings of the modules.

python docs/scripts/files.py            # write it again
python docs/scripts/files.py --check    # exit code 1 when it is out of date (a test runs this)
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "files.md"
PACKAGE = ROOT / "src" / "castalia"
OPENING = """# Map of files

Made by `docs/scripts/files.py` from the first paragraph of each module's docstring; a test fails
when it is out of date. [design.md](design.md) says how the folders depend on each other.
"""


def folders() -> Iterator[Path]:
    """The package and its folders with Python files, each before what is inside it; modalities
    last.
    """
    found = {path.parent for path in PACKAGE.rglob("*.py")}
    yield from sorted(found, key=lambda one: ("modalities" in one.parts, one.parts))


def about(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line, as Markdown."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = " ".join(text.split("\n\n")[0].split())
    spans = line.split("`")  # every second one is code
    spans[::2] = [re.sub(r"([\\|<*\[_])", r"\\\1", span) for span in spans[::2]]
    return "`".join(spans)


def page() -> str:
    """The whole page."""
    parts = [OPENING]
    for folder in folders():
        name = folder.relative_to(PACKAGE.parent).as_posix()
        lines = [f"## {name}/", ""]
        if (folder / "__init__.py").is_file():
            lines += [about(folder / "__init__.py"), ""]
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        if modules:
            lines += ["| file | what it is |", "|---|---|"]
            lines += [f"| `{path.name}` | {about(path)} |" for path in modules]
            lines.append("")
        parts.append("\n".join(lines))
    return "\n".join(parts)


def main() -> int:
    made = page()
    if "--check" not in sys.argv:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == made:
        return 0
    print("docs/files.md is out of date; run: python docs/scripts/files.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
