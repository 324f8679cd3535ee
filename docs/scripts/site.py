"""Hooks of mkdocs (mkdocs.yml): pages of the API reference, and links that leave the site's folder.

A page of docs/ links to what a reader of the repository sees: examples, the other language, files
beside docs/. In the site, the other language is its own folder, and all else is copied to files/.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any, NamedTuple

from mkdocs.structure.files import File, Files

import castalia

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


# what `castalia.NAME` is, for each function among the public names
VERBS = (
    *(f"{where}.{name}" for name, where in sorted(castalia._WHERE.items()) if name.islower()),
    "castalia.export.targets.export",
)


class Page(NamedTuple):
    """A page of the reference: its title and first line in both languages, and the modules and
    objects that it shows.
    """

    en: tuple[str, str]
    zh: tuple[str, str]
    objects: tuple[str, ...]


REFERENCE = {
    "verbs": Page(
        ("The verbs", "What one does with Castalia; the same functions as `castalia.train` ..."),
        (
            "动词",
            "用 Castalia 做的事；与 `castalia.train` 等是同样的函数。说明取自源代码，为英文。",
        ),
        VERBS,
    ),
    "runs": Page(
        ("Runs and recipes", "A run is a folder; a recipe says how it was made."),
        ("运行与配方", "运行是一个文件夹；配方说明它是怎样训练的。说明取自源代码，为英文。"),
        ("castalia.run", "castalia.recipe", "castalia.recipe_sections"),
    ),
    "spec": Page(
        ("Vocabulary", "What data are once they are tensors, and what models can do."),
        ("词汇", "数据变成张量之后是什么，模型能做什么。说明取自源代码，为英文。"),
        ("castalia.spec", "castalia.abilities"),
    ),
    "modalities": Page(
        ("Codecs and modalities", "What a kind of data brings along."),
        ("编解码器与模态", "一种数据需要提供什么。说明取自源代码，为英文。"),
        ("castalia.modality", "castalia.codecs.base", "castalia.registry"),
    ),
    "families": Page(
        ("Families", "What a family of models owes, and the built-in ones."),
        ("模型族", "模型族的约定，以及内置的模型族。说明取自源代码，为英文。"),
        (
            "castalia.families.base",
            "castalia.families.vae",
            "castalia.families.gan",
            "castalia.families.vaegan",
            "castalia.families.ar",
            "castalia.families.seqvae",
            "castalia.families.pretrained",
        ),
    ),
    "evaluation": Page(
        ("Evaluation and audit", "Metrics, their results, and what an audit says."),
        ("评判与审计", "指标、指标的结果，以及审计的结论。说明取自源代码，为英文。"),
        ("castalia.evaluation.base", "castalia.evaluation.judge", "castalia.governance.audit"),
    ),
    "constraints": Page(
        ("Constraints", "What every text must be, as grammars over tokens."),
        ("约束", "每条文本必须满足的形式，即词元上的文法。说明取自源代码，为英文。"),
        ("castalia.constraints.parse", "castalia.constraints.budget"),
    ),
    "testing": Page(
        ("Contract tests", "What your own family, codec or metric must pass."),
        ("合约测试", "您自己的模型族、编解码器或指标必须通过的测试。说明取自源代码，为英文。"),
        ("castalia.testing",),
    ),
    "errors": Page(
        ("Errors", "Every exception, with its exit code and HTTP status."),
        ("错误", "每个异常，以及它的退出码和 HTTP 状态。说明取自源代码，为英文。"),
        ("castalia.errors",),
    ),
}


CSS = ".language-text code { white-space: pre-wrap; }"  # docstrings in columns, on narrow screens


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages of the reference, their style, and copies of what pages link to
    outside docs/.
    """
    for name, page in REFERENCE.items():
        title, opening = page.zh if config.theme["language"] == "zh" else page.en
        blocks = "".join(f"\n::: {one}\n" for one in page.objects)
        content = f"# {title}\n\n{opening}\n{blocks}"
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    files.append(File.generated(config, "assets/columns.css", content=CSS))
    for page_file in [one for one in files.documentation_pages() if one.abs_src_path]:
        text = FENCE.sub("", Path(page_file.abs_src_path).read_text(encoding="utf-8"))
        for link in LINK.finditer(text):
            target = (Path(page_file.abs_src_path).parent / link[2]).resolve()
            copy = _copy_of(target)
            if target.is_file() and _outside(target, config) and not files.get_file_from_path(copy):
                files.append(File.generated(config, copy, abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links that leave the folder of the site lead to the other language or to copies in files/."""
    if page.file.abs_src_path is None:  # made by on_files
        return markdown
    here = Path(page.file.abs_src_path).parent
    site = Path(config.site_dir)
    root = site.parent if config.theme["language"] == "zh" else site
    start = site / posixpath.dirname(page.file.dest_uri)
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    def moved(match: re.Match[str]) -> str:
        target = (here / match[2]).resolve()
        if not target.is_file():
            return match[0]
        if _outside(target, config):
            up = "../" * page.file.src_uri.count("/")
            return f"{match[1]}{up}{_copy_of(target)})"
        if target.is_relative_to(config.docs_dir) and not _other_language(target, config):
            return match[0]
        built = root / target.relative_to(DOCS).with_suffix(".html")
        built = built.with_name(built.name.replace("README.html", "index.html"))
        words = match[1].removeprefix("[").removesuffix("](")
        href = Path(os.path.relpath(built, start)).as_posix() + (match[3] or "")
        return f'<a href="{href}">{words}</a>'

    text = LINK.sub(moved, FENCE.sub(keep, markdown))
    return re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], text)


def _other_language(target: Path, config: Any) -> bool:
    return target.is_relative_to(DOCS / "zh") != (config.theme["language"] == "zh")


def _outside(target: Path, config: Any) -> bool:
    """Whether a file is in neither language's folder of pages."""
    page = target.is_relative_to(DOCS) and target.suffix == ".md"
    return not page and not target.is_relative_to(config.docs_dir)


def _copy_of(target: Path) -> str:
    """Where its copy is, from the root of the site; programs and Markdown as plain text."""
    if not target.is_relative_to(ROOT):
        return ""
    ending = ".txt" if target.suffix in ("", ".py", ".md") else ""
    return f"files/{target.relative_to(ROOT).as_posix()}{ending}"
