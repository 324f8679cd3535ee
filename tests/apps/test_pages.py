"""Every page in a real browser at three widths, in both languages: nothing is cut off, nothing lies
beyond the edge, and it is not blank.

The browser is Chromium or Chrome, whichever is there; continuous integration installs one, and
fails without.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import PIL.Image
import pytest

from tests.apps.command import TINY, inside

BROWSERS = [
    path
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
    if (path := shutil.which(name))
][:1]
WIDTHS = (390, 820, 1440)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
MEASURE = """
const wrong = {};
for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument, width = frame.clientWidth, bad = [];
  if (page.documentElement.scrollWidth > width + 1) bad.push("the page is " + page.documentElement.scrollWidth + " wide");
  for (const one of page.querySelectorAll("body *")) {
    const box = one.getBoundingClientRect(), style = frame.contentWindow.getComputedStyle(one);
    const rolls = one.closest("pre, .text, svg, [hidden]");
    if (box.width && (box.right > width + 1 || box.left < -1) && !rolls) bad.push(one.tagName + "." + one.className + " ends at " + Math.round(box.right));
    if (style.overflowX === "hidden" && one.scrollWidth > one.clientWidth + 1) bad.push(one.tagName + "." + one.className + " is cut");
  }
  if (!page.body.innerText.trim()) bad.push("nothing is written on it");
  if (bad.length) wrong[frame.id] = bad.slice(0, 5);
}
document.title = "measured";
document.body.innerHTML = "";
document.body.textContent = JSON.stringify(wrong);
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages that verbs write, of one small run; English, and Chinese beside it."""
    folder = tmp_path_factory.mktemp("pages")
    inside(
        "train",
        "image/vae",
        "builtin/digits",
        *TINY,
        "data.limit=400",
        "training.sample_every=1",
        "--out",
        "run",
        cwd=folder,
    )
    inside("sample", "run", "-n", 6, "--out", "drawn", cwd=folder)
    inside(
        "edit", "run", "vary", "drawn/00000.png", "drawn/00001.png", "--out", "varied", cwd=folder
    )
    inside(
        "train",
        "image/vae",
        "builtin/digits",
        *TINY,
        "data.limit=400",
        "training.seed=1",
        "training.sample_every=1",
        "--out",
        "other",
        "--lang",
        "zh",
        cwd=folder,
    )
    found = {
        "samples": folder / "drawn/sheet.html",
        "variants": folder / "varied/sheet.html",
        "training-en": folder / "run/training.html",
        "training-zh": folder / "other/training.html",
    }
    for language in ("en", "zh"):
        inside("evaluate", "run", "-n", 40, "--lang", language, cwd=folder)
        inside("audit", "run", "-n", 20, "--lang", language, cwd=folder)
        inside(
            "compare", "run", "other", "-n", 40, "--lang", language, "--out", "compared", cwd=folder
        )
        inside("check", "drawn", "--lang", language, "--out", "checked", cwd=folder, code=3)
        for name, page in (
            ("report", "run/eval/report.html"),
            ("audit", "run/audit/audit.html"),
            ("compare", "compared/compare.html"),
            ("check", "checked/report.html"),
        ):
            found[f"{name}-{language}"] = Path(
                shutil.copy(folder / page, folder / f"{name}-{language}.html")
            )
    return found


def test_continuous_integration_has_a_browser():
    assert BROWSERS or not os.environ.get("CI"), "install chromium"


@pytest.mark.parametrize("browser", BROWSERS)
def test_nothing_is_cut_off(browser: str, pages: dict[str, Path], tmp_path: Path):
    frames = "".join(
        f'<iframe id="{name} at {width}" style="width:{width}px;height:900px;border:0" '
        f'srcdoc="{html.escape(page.read_text(encoding="utf-8"))}"></iframe>'
        for name, page in pages.items()
        for width in WIDTHS
    )
    harness = tmp_path / "harness.html"
    harness.write_text(
        f'<meta charset="utf-8"><body>{frames}<script>onload = () => {{{MEASURE}}}</script></body>',
        encoding="utf-8",
    )
    shown = subprocess.run(
        [
            browser,
            *QUIET,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            harness.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert "<title>measured</title>" in shown, shown[-2000:]
    wrong = json.loads(html.unescape(re.sub(r"<[^>]+>", "", shown[shown.index("<body") :])))
    assert wrong == {}


@pytest.mark.parametrize("browser", BROWSERS)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_is_drawn_within_its_margins(
    browser: str, width: int, pages: dict[str, Path], tmp_path: Path
):
    """A picture of the report as it is seen: ink on it, and none in the margins."""
    harness, picture = tmp_path / "harness.html", tmp_path / "seen.png"
    source = html.escape(pages["report-zh"].read_text(encoding="utf-8"))
    harness.write_text(
        '<meta charset="utf-8"><body style="margin:0"><iframe '
        f'style="width:{width}px;height:1200px;border:0" '
        f'srcdoc="{source}"></iframe></body>',
        encoding="utf-8",
    )
    subprocess.run(
        [
            browser,
            *QUIET,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            f"--window-size={max(width, 600)},1200",
            harness.as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    with PIL.Image.open(picture) as image:
        seen = image.convert("L").crop((0, 0, width, 1200))
    least, most = seen.getextrema()
    assert most - least > 100, "the page is blank"
    for edge in (seen.crop((0, 0, 8, 1200)), seen.crop((width - 8, 0, width, 1200))):
        low, high = edge.getextrema()
        assert high - low < 12, "something reaches into the margin"
