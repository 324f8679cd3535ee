"""`castalia.check`: data before training, and the page and files that describe them. What is
checked: checks/check.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from castalia import atomic
from castalia.checks import check as checks
from castalia.checks.check import Checked
from castalia.checks.check_page import write_page
from castalia.data.locate import Given
from castalia.language import Voice
from castalia.progress.views import shown


def check(
    data: Given,
    *,
    codec: str = "auto",
    against: Sequence[Given] = (),
    overrides: Mapping[str, Any] | Iterable[str] = (),
    compare: str | os.PathLike[str] | None = None,
    evidence: bool = False,
    out: str | os.PathLike[str] | None = None,
    language: str = "en",
    progress: bool | None = None,
) -> Checked:
    """Looks at `data`: a folder, a file, a list, a table or a built-in set. Other arguments as in
    checks/check.py.

    out: a folder for report.html (in `language`), check.json, manifest.json, and keep.txt, the
    files
    without copies. progress as for `train`.
    """
    Voice(language)  # a wrong language is said before the work, not after it
    with shown(progress):
        checked = checks.check(
            data,
            codec=codec,
            against=against,
            overrides=overrides,
            compare=compare,
            evidence=evidence or out is not None,
        )
    if out is not None:
        _write(checked, Path(out), language)
    return checked


def _write(checked: Checked, folder: Path, language: str) -> None:
    write_page(checked, folder / "report.html", language)
    atomic.write_json(folder / "check.json", checked.document.to_json())
    atomic.write_json(folder / "manifest.json", checked.manifest)
    if checked.keep:
        here = folder.resolve()
        atomic.write(
            folder / "keep.txt",
            "".join(
                f"{Path(os.path.relpath(path.resolve(), here)).as_posix()}\n"
                for path in checked.keep
            ),
        )
