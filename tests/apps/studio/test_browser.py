"""The studio in a browser, as its users have it: nothing is mocked, and what is downloaded is
verified.

With CASTALIA_SCREENSHOTS=DIR the pictures of the documentation are written there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from castalia.apps.studio.jobs import Job
from tests.apps.command import inside

BROWSERS = [path for name in ("chromium", "google-chrome") if (path := shutil.which(name))][:1]
pytestmark = pytest.mark.skipif(not BROWSERS, reason="no browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
TABS = {
    "en": ("Data", "Train", "Judge", "Create", "Edit", "Vote", "Ship"),
    "zh": ("数据", "训练", "评判", "生成", "编辑", "投票", "发布"),
}
WAIT = 60_000  # ms
WORKING = "[data-testid=status-tracker]"  # what gradio shows over something that is being made


class Studio:
    """`castalia studio` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "castalia", "studio", "--port", "0", "--no-open"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+/", line)
        assert found, line
        self.address = found[0]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two runs: poems and chorales."""
    place = tmp_path_factory.mktemp("desk")
    text = ["codec.length=24", "family.width=32", "family.depth=1", "training.steps=6"]
    quick = [*text, "training.batch=8", "training.sample_every=0", "training.threads=1"]
    inside("train", "text/ar-small", "builtin/tang", *quick, "--out", "runs/poems", cwd=place)
    music = ["training.steps=2", "training.batch=2", "training.sample_every=0", *quick[1:3]]
    inside("train", "music/ar", "builtin/chorales", *music, "--out", "runs/tunes", cwd=place)
    return place


@pytest.fixture(scope="module")
def studio(folder: Path) -> Iterator[Studio]:
    made = Studio(folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=BROWSERS[0], args=FLAGS)


def opened(browser: Any, studio: Studio, language: str = "en", width: int = 1440) -> Any:
    """A new user's page. Anything that the browser complains of fails the test that closes it."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, accept_downloads=True, locale="en-GB"
    )
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((studio.address, "data:", "blob:"))
            or page.complaints.append(f"outside: {request.url}")
        ),
    )
    page.goto(f"{studio.address}{language}/")
    page.get_by_role("tab").first.wait_for()
    return page


def tab(page: Any, name: str) -> Any:
    """The panel of a tab."""
    page.get_by_role("tab", name=name, exact=True).click()
    return page.get_by_role("tabpanel").filter(visible=True)


def choose(page: Any, panel: Any, label: str, value: str) -> None:
    panel.get_by_label(label, exact=True).first.click()
    page.get_by_role("option").filter(has_text=value).first.click()
    page.keyboard.press("Escape")


def shot(page: Any, name: str) -> None:
    """A picture for the documentation, where it is asked for."""
    place = os.environ.get("CASTALIA_SCREENSHOTS")
    if place:
        page.wait_for_timeout(800)  # pictures inside are still coming
        page.screenshot(path=str(Path(place) / f"{name}.png"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of two classes, a copy, and a file that is none."""
    place = tmp_path_factory.mktemp("given") / "squares"
    for number in range(64):
        picture = PIL.Image.new("RGB", (16, 16), (number * 4, 40, 90))
        picture.paste((255, 255, 0), (number % 8, number // 8, number % 8 + 6, number // 8 + 6))
        folder = place / ("even" if number % 2 == 0 else "odd")
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number}.png")
    shutil.copy(place / "even" / "0.png", place / "even" / "copy.png")
    (place / "odd" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    return place


def test_from_a_dropped_folder_to_a_verified_zip(
    browser: Any, studio: Studio, pictures: Path, tmp_path: Path
):
    page = opened(browser, studio)
    page.locator("input[name=folder]").set_input_files(str(pictures))
    page.get_by_text("files here: 66").wait_for()
    page.get_by_label("Where they come from").fill("drawn by a test")
    page.get_by_role("button", name="Add and check").click()
    report = page.frame_locator("iframe.page")
    report.get_by_text("Training would stop").first.wait_for()
    shot(page, "studio-data")
    panel = tab(page, "Train")  # in spite of what the check found
    panel.get_by_role("button", name="Start", exact=True).click()
    panel.get_by_text("failed", exact=False).filter(has_text="broken.png").first.wait_for()
    tab(page, "Data")
    for fix in ("Leave out what cannot be read", "Leave copies out"):
        page.get_by_role("button", name=fix).click()
        page.get_by_role("button", name=fix).wait_for(state="detached")
    report.get_by_text("Training would stop").wait_for(state="detached")

    panel = tab(page, "Train")
    panel.get_by_text("★ image/vae").first.wait_for()
    page.wait_for_timeout(1500)  # the list is made anew whenever the tab is opened
    panel.get_by_role("radio", name="image/vae-mlp").check()
    panel.get_by_role("heading", name="image/vae-mlp").wait_for()
    panel.get_by_role("button", name="All settings").click()
    panel.get_by_role("button", name="training").click()
    steps = panel.get_by_label("training.steps", exact=True)
    steps.fill("150")
    panel.get_by_role("button", name="items").click()
    panel.get_by_label("codec.size", exact=True).fill("16")
    panel.get_by_role("button", name="Start", exact=True).click()
    panel.get_by_text("running", exact=False).first.wait_for()
    page.reload()  # in the middle of a training: nothing is lost
    panel = tab(page, "Train")
    panel.get_by_text("image/vae-mlp of squares · done").first.wait_for()
    panel.frame_locator("iframe.page").get_by_text("Trained").first.wait_for()
    shot(page, "studio-train")

    panel = tab(page, "Create")
    choose(page, panel, "Run", "vae-mlp")
    panel.get_by_role("button", name="Draw").click()
    panel.frame_locator("iframe.page").get_by_text("16 samples").wait_for()
    shot(page, "studio-create")
    with page.expect_download() as download:
        panel.locator("a", has_text="KB").first.click()
    archive = tmp_path / "made.zip"
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as files:
        files.extractall(tmp_path)
    document = json.loads(inside("verify", tmp_path / "00000.png", "--json", cwd=studio.folder))
    assert document["files"][0]["state"] == "intact"
    panel.get_by_role("button", name="The same again").click()
    panel.get_by_text("every byte is the same").wait_for()
    panel.get_by_role("button", name="Keep").click()
    panel.get_by_text("kept in").wait_for()
    assert list((studio.folder / "studio" / "kept").glob("*.png"))

    panel = tab(page, "Ship")
    panel.locator("input[type=file]").first.set_input_files(str(tmp_path / "00001.png"))
    panel.get_by_role("cell", name="intact").wait_for()
    assert page.complaints == []
    page.context.close()


def test_texts_votes_and_music(browser: Any, studio: Studio):
    page = opened(browser, studio)
    panel = tab(page, "Create")
    choose(page, panel, "Run", "poems")
    panel.get_by_label("How it begins").fill("白日")
    panel.get_by_label("number input for Temperature").fill("0.5")
    panel.get_by_role("button", name="Draw").click()
    panel.frame_locator("iframe.page").get_by_text("白日").nth(3).wait_for()
    shown = panel.locator(".lines textarea").input_value()
    assert "--prompt=白日" in shown and "--temperature=0.5" in shown
    choose(page, panel, "Run", "tunes")
    panel.get_by_label("How it begins").wait_for(state="detached")
    panel.get_by_label("number input for How many").fill("2")
    panel.get_by_role("button", name="Draw").click()
    panel.frame_locator("iframe.page").locator("audio").first.wait_for()

    panel = tab(page, "Vote")
    choose(page, panel, "Run", "poems")
    panel.get_by_role("button", name="Begin").click()
    for number in range(1, 11):
        panel.get_by_text(f"{number} of 10").wait_for()
        panel.get_by_role("button", name="The right one").click()
    panel.get_by_text("10 votes are kept").wait_for()
    rows = (studio.folder / "studio" / "votes" / "poems.jsonl").read_text().splitlines()
    assert len(rows) == 10 and set(json.loads(rows[0])) == {"prompt", "chosen", "rejected"}
    assert page.complaints == []
    page.context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_tab_can_be_read_by_everybody(browser: Any, studio: Studio, language: str):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(browser, studio, language, width=390)
    serious = []
    for number, name in enumerate(TABS[language]):
        if number:  # narrow screens keep the last tabs in a menu
            found = page.get_by_role("tab", name=name, exact=True)
            if not found.is_visible():
                page.locator(".overflow-menu > button").click()
                found = (
                    page.get_by_role("tab", name=name, exact=True)
                    .or_(page.locator(".overflow-dropdown button", has_text=name))
                    .filter(visible=True)
                    .first
                )
            found.click()
        page.wait_for_timeout(700)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, (name, wide)
        if number in (0, 3):
            shot(page, f"studio-narrow-{language}-{number}")
        results = Axe().run(page, {"exclude": [[WORKING]]}).response["violations"]
        serious += [
            (name, one["id"], one["nodes"][0]["html"][:100])
            for one in results
            if one["impact"] in ("serious", "critical")
        ]
    assert serious == []
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
    page.context.close()


def test_a_studio_that_was_killed_and_two_users(browser: Any, folder: Path, studio: Studio):
    alone = folder.parent / "alone"
    (alone / "runs").mkdir(parents=True)
    shutil.copytree(folder / "runs" / "poems", alone / "runs" / "poems")
    first = Studio(alone)
    page = opened(browser, first)
    panel = tab(page, "Judge")
    choose(page, panel, "Run", "poems")
    panel.get_by_role("button", name="Is it any good?").click()
    panel.get_by_text("running").first.wait_for()
    first.kill()
    page.context.close()
    second = Studio(alone)
    job = Job(alone / "studio" / "jobs" / "000001")
    assert job.state in ("running", "done")  # it has not noticed
    job.signal("stop")
    users = [opened(browser, second), opened(browser, second, "zh")]
    for page, (create, draw) in zip(users, (("Create", "Draw"), ("生成", "生成")), strict=True):
        panel = tab(page, create)
        panel.get_by_role("button", name=draw, exact=True).click()
    for page in users:
        page.get_by_role("tabpanel").filter(visible=True).frame_locator("iframe.page").locator(
            "h1"
        ).wait_for()
        page.context.close()
    assert len({one.name for one in (alone / "studio" / "made").glob("*") if one.is_dir()}) == 2
    second.close()
