"""README and docs/ are executed: every command in them works as written, and both languages say the
same commands.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from castalia import recipe_sections, registry
from castalia.data.source import DataConfig
from tests.apps.page import blocks, run_page, without_comments

ROOT = Path(__file__).parents[2]
ENGLISH_ONLY = {"design.md", "files.md"}
NO_COMMANDS = {"docs/README.md", "docs/glossary.md"}
GUIDES = sorted(page.name for page in (ROOT / "docs").glob("*.md") if page.name not in ENGLISH_ONLY)
PAIRS = [
    ("README.md", "README.zh-CN.md"),
    *[(f"docs/{name}", f"docs/zh/{name}") for name in GUIDES],
    ("benchmarks/README.md", "benchmarks/README.zh-CN.md"),
]
EVERY = sorted(
    {ROOT / page for pair in PAIRS for page in pair}
    | set(ROOT.glob("*.md"))
    | set((ROOT / "docs").rglob("*.md"))
    | set((ROOT / "examples").glob("*.md"))
)


@pytest.mark.parametrize(
    "page", [english for english, _ in PAIRS if english.startswith(("docs", "README"))]
)
def test_commands_run_as_written(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    ran = run_page(ROOT / page)
    assert ran or page in NO_COMMANDS, "a how-to page shows commands"


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_both_languages_have_the_same_commands(english: str, chinese: str):
    kinds = ("bash", "python", "console", "yaml")
    first, second = blocks(ROOT / english, *kinds), blocks(ROOT / chinese, *kinds)
    assert [(block.language, without_comments(block)) for block in first] == [
        (block.language, without_comments(block)) for block in second
    ]


def test_every_page_exists_in_chinese():
    assert sorted(page.name for page in (ROOT / "docs" / "zh").glob("*.md")) == GUIDES


@pytest.mark.parametrize("page", EVERY, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    missing = [
        target
        for target in targets
        if "://" not in target and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert missing == []


def test_make_targets_in_the_docs_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {
        target
        for page in EVERY
        for block in blocks(page, "console", "bash")
        for target in re.findall(r"^\s*make ([a-z-]+)", block.text, flags=re.MULTILINE)
    }
    assert named and named <= targets


def test_recipe_keys_are_all_explained():
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    configs = {
        "data": DataConfig,
        "training": recipe_sections.TrainConfig,
        "sampling": recipe_sections.SampleConfig,
    }
    configs |= {
        "training.optimiser": recipe_sections.OptimiserConfig,
        "training.schedule": recipe_sections.ScheduleConfig,
        "training.early_stop": recipe_sections.EarlyStopConfig,
    }
    configs |= {
        f"codec {name}": registry.resolve("codec", name).Config for name in registry.known("codec")
    }
    configs |= {
        f"family {name}": registry.resolve("family", name).Config for name in registry.FAMILIES
    }
    missing = [
        f"{part}.{field}"
        for part, config in configs.items()
        for field in config.model_fields
        if f"`{field}`" not in text
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("page", "everyone"), [("docs/recipes.md", "all"), ("docs/zh/recipes.md", "全部")]
)
def test_family_keys_are_listed_under_their_families(page: str, everyone: str):
    """The table of family keys says, of every key, exactly which families have it."""
    section = (ROOT / page).read_text(encoding="utf-8").partition("\n## family\n")[2]
    said: dict[str, set[str]] = {}
    for keys, families in re.findall(r"^\| (`.*?`) \| (.*?) \|", section, flags=re.MULTILINE):
        for key in re.findall(r"`(\w+)`", keys):
            said[key] = (
                set(registry.FAMILIES)
                if families == everyone
                else set(re.split(r"[,、]\s*", families))
            )
    fields = {
        name: set(registry.resolve("family", name).Config.model_fields)
        for name in registry.FAMILIES
    }
    assert said == {
        key: {name for name in fields if key in fields[name]}
        for key in set().union(*fields.values())
    }


def test_exit_codes_are_all_explained():
    import inspect

    from castalia import errors

    text = (ROOT / "docs" / "errors-and-exit-codes.md").read_text(encoding="utf-8")
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, errors.CastaliaError) and error is not errors.CastaliaError:
            assert re.search(rf"\|\s*{error.exit_code}\s*\|\s*`{name}`", text), (
                f"{name}: exit code {error.exit_code}"
            )


@pytest.mark.parametrize(
    "program", ["benchmarks/tables.py", "docs/scripts/matrix.py", "docs/scripts/files.py"]
)
def test_what_is_generated_is_up_to_date(program: str):
    done = subprocess.run(
        [sys.executable, program, "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_front_page_is_short(page: str):
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) < 180


def test_terms_of_the_glossary_are_those_of_the_translations():
    catalogues = (ROOT / "src" / "castalia").rglob("*.po")
    said = "".join(path.read_text(encoding="utf-8") for path in catalogues)
    rows = re.findall(
        r"^\| ([a-z, -]+) \| (\S+) \|", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) > 30
    missing = [term for _, terms in rows for term in terms.split("、") if term not in said]
    assert missing == []
    chinese = (ROOT / "docs" / "zh" / "glossary.md").read_text(encoding="utf-8")
    assert all(f"| {terms} | {english} |" in chinese for english, terms in rows)
