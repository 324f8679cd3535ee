"""The spine (all of the package but `modalities`) knows no modality by name, and works with one of
them deleted. An app may name the recipe that it trains, and no more.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from castalia import modality

PACKAGE = Path(__file__).parents[2] / "src" / "castalia"
NAMES = {"array", "audio", "image", "level", "music", "series", "shape3d", "table", "text", "video"}
# Where a word is the name of a modality and means something else, by file: the words, and what.
MEANT_OTHERWISE = {
    "checks/report_schema.py": ({"text"}, "kinds of a table's columns"),
    "checks/check_page.py": ({"level"}, "how grave a finding is"),
    "cli/console.py": ({"table"}, "the function of that name"),
    "codecs/conversation.py": ({"text"}, "fields of other programs' conversations"),
    "constraints/json_schema.py": ({"array"}, "JSON Schema's type"),
    "constraints/schema_rewriting.py": ({"array"}, "JSON Schema's type"),
    "constraints/schema_shapes.py": ({"array"}, "JSON Schema's type"),
    "data/source.py": ({"text"}, "what a column of captions is called"),
    "outside_model.py": ({"text"}, "a field of OpenAI's messages"),
    "evaluation/compare.py": ({"level"}, "how sure a verdict is"),
    "export/run_description.py": ({"text"}, "the program that writes text is scripts/*_text.py"),
    "export/bundle.py": ({"text"}, "a word of a README"),
    "export/onnx.py": ({"text"}, "a word of a README"),
    "export/scripts/bundle_dense.py": (
        {"image"},
        "a kind of codec.json, written by Modality.tables",
    ),
    "export/scripts/onnx_dense.py": ({"image"}, "a kind of codec.json, written by Modality.tables"),
    "language/__init__.py": ({"series"}, "the function of that name"),
    "pages/html.py": ({"text"}, "the function of that name"),
    "pages/render.py": ({"series"}, "the function of that name"),
    "serving/castalia_api.py": ({"array", "text"}, "JSON Schema's type; a field of a form"),
    "serving/openai_api.py": ({"text"}, "fields of OpenAI's requests and answers"),
    "serving/openai_images.py": ({"image"}, "fields of OpenAI's requests"),
    "serving/openai_speech.py": ({"audio"}, "a value of a field of OpenAI's requests"),
    "serving/openai_chat.py": ({"audio", "text"}, "fields of OpenAI's requests"),
    "serving/middleware.py": ({"level"}, "a key of log lines"),
    "testing/codecs.py": ({"text"}, "a key of a manifest"),
    "testing/malformed.py": ({"text"}, "a way to damage a file"),
    "text_files/documents.py": ({"text"}, "a column of tables"),
    "text_files/office.py": ({"table"}, "the element of HTML"),
}
# Recipes and data by name, and modules of a modality; MIME types of texts are none.
OF_A_MODALITY = re.compile(
    r"^(array|audio|image|level|music|series|shape3d|table|video)/(?!wav|flac|mpeg)[a-z]"
    r"|^text/(?!plain|html|event-stream)[a-z]"
    r"|castalia\.modalities\.\w|^builtin/[a-z]"
)


def spine() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(("modalities/", "apps/")):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def words(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, string) of a module, without docstrings and without what is said to people."""
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("say", "say_in", "N_")
        ):
            silent |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
        ):
            yield node.lineno, node.value


def test_the_names_are_those_of_the_modalities():
    assert set(modality.names()) == NAMES


def test_the_spine_names_no_modality():
    found = [
        f"{name}:{line} {word!r}"
        for name, tree in spine()
        for line, word in words(tree)
        if word in NAMES - MEANT_OTHERWISE.get(name, (set(), ""))[0] or OF_A_MODALITY.search(word)
    ]
    assert found == [], (
        "ask the descriptor (castalia/modality.py), or say in MEANT_OTHERWISE why not"
    )


def test_no_exception_is_left_over():
    used = {name: {word for _, word in words(tree)} for name, tree in spine()}
    assert {
        name: sorted(allowed - used.get(name, set()))
        for name, (allowed, _) in MEANT_OTHERWISE.items()
        if allowed - used.get(name, set())
    } == {}


WITHOUT = """
import importlib, json, pkgutil, sys
import castalia
from castalia import modality
assert castalia.__file__.startswith(sys.argv[1]), castalia.__file__
failed = []
for one in pkgutil.walk_packages(castalia.__path__, "castalia."):
    if ".scripts." not in one.name and not one.name.endswith("__main__"):
        try:
            importlib.import_module(one.name)
        except Exception as error:
            failed.append(f"{one.name}: {error!r}")
tiny = {"training.steps": 2, "training.batch": 4, "training.threads": 1, "training.sample_every": 0}
image = castalia.train("image/vae", "builtin/digits", {**tiny, "codec.size": 8, "family.width": 8, "data.limit": 60}, out="image")
text = castalia.train("text/ar-small", "builtin/tang", {**tiny, "data.limit": 60, "family.width": 16}, out="text")
made = [len(castalia.sample(run, n=2)) for run in (image, text)]
from castalia.cli.main import main
codes = []
for words in (["list", "recipes"], ["list", "codecs"], ["list", "data"], ["check", "builtin/digits", "--json"], ["demo"]):
    try:
        codes.append(main(words) or 0)
    except SystemExit as stop:
        codes.append(stop.code or 0)
print("RESULT", json.dumps([failed, modality.names(), made, codes]))
"""


def test_all_else_works_without_one_of_them(tmp_path: Path):
    """A copy of the package without modalities/music: everything imports, lists,
    trains, samples.
    """
    shutil.copytree(
        PACKAGE,
        tmp_path / "src" / "castalia",
        ignore=lambda folder, names: {
            name
            for name in names
            if name == "__pycache__" or (name == "music" and Path(folder).name == "modalities")
        },
    )
    assert not (tmp_path / "src" / "castalia" / "modalities" / "music").exists()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    failed, names, made, codes = json.loads(done.stdout.rpartition("RESULT")[2])
    assert failed == []
    assert names == [
        "video",
        "image",
        "array",
        "series",
        "table",
        "level",
        "text",
        "audio",
        "shape3d",
    ]
    assert made == [2, 2] and codes == [0] * 5
    assert "music/" not in done.stdout  # no recipe of it is listed
