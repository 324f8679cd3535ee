"""The documentation as a site: it builds without a network, in both languages, and all its links
lead somewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both languages, built as `make docs` does; warnings are errors (`strict`)."""
    folder = tmp_path_factory.mktemp("site") / "site"
    for config, place in (("mkdocs.yml", folder), ("mkdocs.zh.yml", folder / "zh")):
        words = ["build", "--quiet", "--config-file", config, "--site-dir", str(place)]
        done = subprocess.run(
            [sys.executable, "-m", "mkdocs", *words],
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_links_and_files_are_all_there(site: Path):
    missing = []
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r'\b(?:href|src)="([^"#?]+)', text):
            if page.name == "404.html" or "://" in target or target.startswith("mailto:"):
                continue
            if not (page.parent / unquote(target)).exists():
                missing.append(f"{page.relative_to(site)}: {target}")
    assert missing == []


def test_nothing_is_loaded_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="(\w+:)?//', text)
        loaded += re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="(\w+:)?//', text)
        assert loaded == [], page.relative_to(site)


def test_the_reference_is_made_from_docstrings_in_both_languages(site: Path):
    for folder, title in ((site, "The verbs"), (site / "zh", "动词")):
        text = (folder / "reference" / "verbs.html").read_text(encoding="utf-8")
        assert f"<title>{title}" in text
        for verb in ("train", "sample", "edit", "evaluate", "audit", "export", "serve"):
            assert re.search(rf'id="castalia\.[a-z.]*\.{verb}"', text), verb
        assert "what must hold for the" in re.sub(r"\s+", " ", text)
    pages = {
        folder: {path.relative_to(folder) for path in folder.glob("reference/*.html")}
        for folder in (site, site / "zh")
    }
    assert len(pages[site]) >= 9 and pages[site] == pages[site / "zh"]
