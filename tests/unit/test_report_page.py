"""The report page: self-contained, complete, and readable as HTML."""

import base64
import io
import re
from html.parser import HTMLParser

import PIL.Image
import pytest
import torch

from castalia.evaluation import Evaluation, MetricResult, Neighbours
from castalia.evaluation.charts import curve, strip
from castalia.evaluation.overview_page import Section, write_overview
from castalia.evaluation.report_page import write_page
from castalia.sentences import say

SCORE = MetricResult(
    "frechet-castalia-net32-v1",
    4.2,
    3.9,
    4.5,
    500,
    (7,),
    "lower",
    0.4,
    {"naive": 150.0, "memoriser": 0.5},
    True,
    1.0,
    {"words": ["A <b>word</b>."], "reference": "50 held-out items"},
)


class Codec:
    """Grey pictures, or vectors of no modality that only `preview` can draw."""

    audible = ""
    takes_text = False

    def __init__(self, pictures: bool) -> None:
        self.pictures = pictures
        self.name = "image" if pictures else "vectors"

    def decode(self, x):
        return (
            PIL.Image.fromarray(((x[0].clamp(-1, 1) + 1) * 127.5).byte().numpy())
            if self.pictures
            else x.numpy()
        )

    def preview(self, items):
        return PIL.Image.new("RGB", (64, 32))


class Page(HTMLParser):
    VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.links, self.images, self.tags = [], [], 0, []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [
            value
            for name, value in attrs
            if name in ("src", "href", "srcset", "action", "poster", "data")
        ]
        self.images += tag == "img"
        if tag == "img":
            assert dict(attrs).get("alt") is not None
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def evaluation(scores=(SCORE,)) -> Evaluation:
    x = torch.rand(60, 1, 9, 9) * 2 - 1
    neighbours = Neighbours(
        x[:8],
        x[:32].unflatten(0, (8, 4)),
        torch.rand(8, 4),
        torch.zeros(8, 4, dtype=torch.int64),
        1.5,
    )
    return Evaluation(
        list(scores),
        x,
        x,
        neighbours,
        x[:45].unflatten(0, (5, 9)),
        ["A note with <tags> & signs."],
        [("headline", "It works."), ("fidelity", "Well.")],
    )


@pytest.fixture
def text(tmp_path) -> str:
    rows = [
        {
            "step": step,
            "time": step / 10,
            "main/loss": 100 / (step + 1),
            "main/kl": float("nan") if step == 3 else 1.0,
        }
        for step in range(300)
    ]
    write_page(
        evaluation(),
        Codec(True),
        tmp_path / "page.html",
        title="digits <&>",
        curves=rows,
        about={"recipe": "image/vae", "data": {"report": {"counts": {"train": 12345}}}},
    )
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_is_self_contained(text):
    page = Page(text)
    assert page.links and all(link.startswith("data:image/png;base64,") for link in page.links)
    rest = re.sub(r'"data:[^"]+"', '""', text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", rest)
    assert "script" not in page.tags and "iframe" not in page.tags


def test_every_picture_decodes(text):
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 48 + 48 + 8 + 32 + 45
    for picture in pictures[:3]:
        assert PIL.Image.open(io.BytesIO(base64.b64decode(picture))).size == (9, 9)


def test_all_sections_are_there_and_text_is_escaped(text):
    for heading in (
        "Samples beside real data",
        "Scores",
        "Nearest training items",
        "Walks in the latent space",
        "Training curves",
        "Provenance",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert (
        "digits &lt;&amp;&gt;" in text
        and "A note with &lt;tags&gt; &amp; signs." in text
        and "A &lt;b&gt;word&lt;/b&gt;." in text
    )
    assert "Compared with 50 held-out items." in text and "12,345" in text
    assert "prefers-color-scheme: dark" in text and '<html lang="en">' in text
    assert text.count("<polyline") == 4  # two curves, each raw and smoothed


def test_things_that_are_not_pictures(tmp_path):
    write_page(evaluation(), Codec(False), tmp_path / "page.html", title="vectors")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.images == 3  # samples, real data and walks, each drawn at once


def test_a_page_without_scores_or_evidence(tmp_path):
    empty = Evaluation(
        [MetricResult("kernel-raw", details={"words": ["refused"]})],
        torch.empty(0, 2),
        torch.empty(0, 2),
        None,
        None,
        [],
        [("headline", "Nothing.")],
    )
    write_page(empty, Codec(False), tmp_path / "page.html", title="empty")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.images == 0


def test_an_overview_leaves_out_what_no_model_has(tmp_path):
    """A score that one model has stands there with a dash for the others; one that none has would
    be a row of dashes.
    """
    none, some = MetricResult("kernel-raw"), MetricResult("vendi-raw", 3.5)
    judged = {"one": evaluation((SCORE, none)), "other": evaluation((none, some))}
    section = Section(judged, Codec(True), dict.fromkeys(judged, "report.html"))
    write_overview(tmp_path / "page.html", [section], title="two", lead="", next_steps={})
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr><td><b>(.*?)</b>", text)
    assert len(rows) == 2 and "Kernel distance" not in rows and "–" in text
    Page(text)


def test_an_overview_in_chinese(tmp_path):
    judged = {say("a transformer, a minute old"): evaluation((SCORE,))}
    section = Section(
        judged,
        Codec(True),
        dict.fromkeys(judged, "report.html"),
        say("Shakespeare"),
        more={say("pictures of what words say"): []},
    )
    steps = {"castalia sample x": say("more quatrains")}
    write_overview(
        tmp_path / "page.html",
        [section],
        title=say("Chorales, a minute old"),
        lead="",
        next_steps=steps,
        language="zh",
    )
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    Page(text)
    assert (
        'lang="zh-Hans"' in text
        and "训练了一分钟的圣咏" in text
        and "莎士比亚：先看样本" in text
        and "更多绝句" in text
    )
    words = re.sub(
        r"<style>.*?</style>|<[^>]*>|castalia sample x|Castalia", " ", text, flags=re.DOTALL
    )
    assert re.findall(r"\b(?:the|of|real|data|report|look|score|is|better)\b", words) == []


def test_a_strip_orders_its_marks():
    text = strip(SCORE)
    naive, model, floor = (
        float(re.search(pattern, text).group(1))
        for pattern in (r'naive" cx="([\d.]+)', r'model" cx="([\d.]+)', r'real" x1="([\d.]+)')
    )
    assert 0 < floor < model < naive <= 240
    assert strip(MetricResult("parameters", 5.0)) == ""
    assert "nan" not in strip(
        MetricResult(
            "kernel",
            -0.001,
            -0.002,
            0.001,
            floor=-0.0005,
            baselines={"naive": 5.0, "memoriser": None},
        )
    )


def test_a_curve_survives_odd_values():
    assert curve("flat", [0, 1, 2], [1.0, 1.0, 1.0]).startswith("<svg")
    assert (
        curve("one", [0], [1.0]) == "" and curve("none", [0, 1], [float("nan"), float("inf")]) == ""
    )
    spiked = curve("spike", range(1000), [1e9] + [1.0 + i / 1000 for i in range(999)])
    assert "1,000,000" not in spiked
