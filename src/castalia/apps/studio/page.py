"""The studio's page in one language: a line about the queue, and seven tabs."""

from __future__ import annotations

import re

import gradio as gr

from castalia.apps.studio import (
    create_tab,
    data_tab,
    edit_tab,
    judge_tab,
    ship_tab,
    train_tab,
    vote_tab,
)
from castalia.apps.studio.desk import Desk, note
from castalia.pages.render import stylesheet

SANS = (
    "Source Sans 3",
    "Segoe UI",
    "Helvetica Neue",
    "Noto Sans",
    "PingFang SC",
    "Noto Sans CJK SC",
    "sans-serif",
)
MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")
# the colours of pages/page.css; gradio's own are too pale to be read (WCAG 2, contrast 4.5)
PAPER, CARD, INK, SOFT, ACCENT = "#fbfaf7", "#ffffff", "#1d2327", "#5d676d", "#0f6e84"
DARK_PAPER, DARK_CARD, DARK_INK, DARK_SOFT, DARK_ACCENT = (
    *("#14181b", "#1b2024", "#e6e4df", "#a5adb2"),
    "#5cc3da",
)
THEME = gr.themes.Base(primary_hue="cyan", neutral_hue="stone", font=SANS, font_mono=MONO).set(
    body_background_fill=PAPER,
    body_background_fill_dark=DARK_PAPER,
    block_background_fill=CARD,
    block_background_fill_dark=DARK_CARD,
    body_text_color=INK,
    body_text_color_dark=DARK_INK,
    body_text_color_subdued=SOFT,
    body_text_color_subdued_dark=DARK_SOFT,
    block_info_text_color=SOFT,
    block_info_text_color_dark=DARK_SOFT,
    color_accent=ACCENT,
    button_primary_background_fill=ACCENT,
    button_primary_background_fill_dark=ACCENT,
    button_primary_background_fill_hover="#0b5566",
    button_primary_background_fill_hover_dark="#0b5566",
    button_primary_text_color="#ffffff",
    button_primary_text_color_dark="#ffffff",
    link_text_color=ACCENT,
    link_text_color_dark=DARK_ACCENT,
)
USERS = 16  # who may wait for the same kind of answer at once
LOOK = 2.0  # seconds between two looks at the queue
OTHER = {"en": ("zh", "zh-Hans", "中文"), "zh": ("en", "en", "English")}
STYLE = """
.gradio-container > main { max-width: 96rem; margin: 0 auto; width: 100%; }
.queue { min-height: 1.5rem; margin: -.5rem 0; }
.top { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between; }
.top h1 { font-size: 1.4rem; margin: 0; }
/* what went wrong is said once, in the message */
[data-testid="status-tracker"]:has(> .error) { display: none !important; }
.tabs button.selected { color: var(--link-text-color); }
iframe.page {
  width: 100%; height: 78vh; border: 1px solid var(--border-color-primary); border-radius: 8px;
  background: var(--background-fill-primary);
}
.said { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.lines textarea { font-family: var(--font-mono); font-size: .85rem; }
.opens a { color: var(--link-text-color); }
.opens { margin: 0; text-align: right; font-size: .85rem; }
.drop {
  border: 2px dashed var(--border-color-primary); border-radius: 8px; padding: 1rem;
  text-align: center;
}
.drop.over { border-color: var(--color-accent); }
.drop button {
  border: 1px solid var(--border-color-primary); border-radius: 6px; padding: .3rem .8rem;
  margin: .2rem; background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color); cursor: pointer;
}
.drop button:focus-visible { outline: 2px solid var(--color-accent); }
.painter canvas {
  display: block; width: min(100%, 22rem); margin: .6rem auto; touch-action: none;
  cursor: crosshair;  image-rendering: pixelated; border: 1px solid var(--border-color-primary);
}
.cards > div { max-height: 26rem; overflow-y: auto; }
.cards label { width: 100%; align-items: flex-start; }
.cards label span { white-space: normal; }
.shown img { image-rendering: pixelated; min-width: 8rem; }
"""


def head(language: str) -> str:
    """What stands in the page's head: its language, which gradio takes from the browser; and how
    items look, where they are shown as on pages.
    """
    browser, tag = {"en": ("en", "en"), "zh": ("zh-CN", "zh-Hans")}[language]
    pages = str(stylesheet())
    colours = re.findall(r":root \{[^}]*\}", pages)[0]
    rules = pages[pages.index("* { box-sizing") : pages.index("@media screen and (max-width: 50")]
    return (
        f'<script>Object.defineProperty(navigator, "language", {{get: () => "{browser}"}});'
        f'document.documentElement.lang = "{tag}";</script>'
        f"<style>{colours}\n@scope (.shown) {{\n{rules}\n}}</style>"
    )


def make_page(desk: Desk) -> gr.Blocks:
    """The page; gradio mounts it (site.py)."""
    code, tag, name = OTHER[desk.voice.language]
    with gr.Blocks(title="Castalia", analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            f'<header class="top"><h1>Castalia</h1>'
            f'<a href="../language/{code}" lang="{tag}">{name}</a></header>'
        )
        queue = gr.HTML(elem_classes="queue")
        with gr.Tabs():
            with gr.Tab(desk.say("Data"), id="data"):
                data = data_tab.build(desk, page)
            train_tab.build(desk, data)
            judge_tab.build(desk)
            create_tab.build(desk)
            edit_tab.build(desk)
            vote_tab.build(desk)
            ship_tab.build(desk, page)
        timer = gr.Timer(LOOK)

        def busy(seen: str) -> object:
            jobs = [one for one in desk.space.trainings() if one.state in ("running", "queued")]
            running = next((one for one in jobs if one.state == "running"), None)
            waiting = sum(one.state == "queued" for one in jobs)
            line = "" if running is None else desk.status(running)
            if waiting:
                line += note(desk.say("waiting: {0}", waiting))
            return gr.skip() if line == seen else line

        timer.tick(busy, queue, queue, show_progress="hidden")
    return page.queue(default_concurrency_limit=USERS)
