"""What a reader may rely on in every file of the package."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "castalia"
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 710  # lines of at most 100 columns
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
BARE = {"ValueError", "TypeError", "RuntimeError", "Exception", "KeyError", "SystemExit"}
NETWORK_MODULES = {
    "socket",
    "urllib.request",
    "http.client",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in FILES:
        yield path.relative_to(PACKAGE), ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.AST) -> str:
    """The dotted name of what a call calls: "torch.load"; "" for anything else."""
    return (
        ast.unparse(node.func)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
        else ""
    )


def imports(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def says(node: ast.AST, keyword: str, value: object) -> bool:
    """Whether a call carries `keyword=value`, a literal."""
    return isinstance(node, ast.Call) and any(
        word.arg == keyword and isinstance(word.value, ast.Constant) and word.value.value is value
        for word in node.keywords
    )


def where(pick: Callable[[Path, Any], bool]) -> list[str]:
    return [
        f"{path}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if pick(path, node)
    ]


def test_there_is_something_to_check():
    assert len(FILES) > 30


def test_no_print_outside_the_command_line():
    programs = ("cli", "export/scripts")  # the latter are copied into exports and run by themselves
    assert (
        where(
            lambda path, node: called(node) == "print" and not path.as_posix().startswith(programs)
        )
        == []
    )


def test_nothing_unpickles_or_evaluates():
    bad = {"torch.save", "eval", "exec", "compile"}
    assert where(lambda path, node: called(node) in bad) == []
    assert (
        where(
            lambda path, node: (
                called(node) in {"np.load", "numpy.load"} and not says(node, "allow_pickle", False)
            )
        )
        == []
    )
    # The one exception: an extra's weights exist as a .pth only. weights_only=True builds tensors
    # and runs nothing.
    loads = where(
        lambda path, node: called(node) == "torch.load" and not says(node, "weights_only", True)
    )
    assert loads == []
    assert {
        place.partition(":")[0] for place in where(lambda path, node: called(node) == "torch.load")
    } <= {"modalities/image/metrics/features.py"}
    assert [str(path) for path, tree in trees() if imports(tree) & UNSAFE_MODULES] == []


def test_yaml_is_read_safely():
    assert (
        where(
            lambda path, node: called(node) in {"yaml.load", "yaml.unsafe_load", "yaml.full_load"}
        )
        == []
    )


def test_no_module_that_opens_connections():
    """The server listens, and an outside model is asked where the user gives its address; nothing
    else has a socket.
    """
    assert [str(path) for path, tree in trees() if imports(tree) & NETWORK_MODULES] == [
        "outside_model.py",
        "serving/server.py",
    ]


# Reads that have no limits of castalia.bounded, by file, and why that is right. "*": all that the
# file reads.
READS = {
    "bounded/*": "this is where reads are bounded",
    "testing/*": "contract tests, which read what they wrote",
    "export/scripts/*": "programs of their own, copied into exports; they read files beside them",
    "atomic.py": "files that it is just writing",
    "recipe.py": "recipes of the package",
    "language/__init__.py": "catalogues of the package and of installed ones",
    "modalities/text/demo.py": "built-in data",
    "pages/render.py": "files of the package",
    "modalities/image/metrics/frozen_network.py": "weights of the package",
    "modalities/image/metrics/features.py": "weights of an installed package",
    "modalities/text/near_duplicates.py": "its own temporary files",
    "modalities/level/drawing.py": "pictures over files that bounded opened; their text is read",
    "sampling/film.py": "sheets of a run, over a file that bounded opened, within pixels",
    "export/run_description.py": "programs of the package",
    "export/qwen3.py": "JSON that the codec has just made",
    "modalities/music/tokens/bpe.py": "JSON that the tokenizers library has just made",
    "modalities/text/tokenizers.py": "JSON that the tokenizers library has just made",
    "modalities/table/related/files.py": "it writes a .zip",
    "modalities/video/files.py": "decoders, over files that bounded opened, within their limits",
    "modalities/video/presenter.py": "its own temporary file",
    "modalities/image/codec.py": "open_picture, over a file that bounded opened, within pixels",
    "codecs/array_files.py": "it writes gzip, and opens members of bounded archives",
    "text_files/office.py": "it opens members of bounded archives",
    "modalities/music/files/musicxml_read.py": "it opens members of bounded archives",
    "data/archives.py": "it decompresses files that bounded opened, counting what comes out",
    "data/cache.py": "its own files, checked by size and hash",
    "governance/release_gate.py": "what it wrote a moment ago",
    "apps/studio/uploads.py": "scripts of the package",
    "apps/studio/create_tab.py": "it writes a .zip",
    "governance/labels/stamp.py": "two pictures that Castalia ships",
    "export/sealed.py": "a tar without compression that it has just decrypted, its names checked",
    "cli/completion.py": "the start file of the user's own shell",
    "notebook.py": "a page that Castalia wrote, its size looked at first",
    "run.py": "copies and hashes of files of a run, and its log line by line",
    "training/trackers.py": "sheets that were written a moment ago",
    "serving/rate_limits.py": "it adds a line to the file of keys",
}
LOADERS = {
    *(
        "json.load",
        "json.loads",
        "np.load",
        "np.fromfile",
        "np.memmap",
        "np.loadtxt",
        "np.genfromtxt",
        "mmap.mmap",
        "yaml.safe_load",
        "yaml.load",
    ),
    *(
        "zipfile.ZipFile",
        "tarfile.open",
        "gzip.open",
        "gzip.GzipFile",
        "gzip.decompress",
        "bz2.open",
        "bz2.BZ2File",
        "lzma.open",
        "zlib.decompress",
    ),
    *(
        "ElementTree.fromstring",
        "ElementTree.parse",
        "PIL.Image.open",
        "Image.open",
        "safetensors.safe_open",
        "safe_open",
        "load_file",
        "torch.load",
    ),
    *("os.open", "io.open", "wave.open"),
}
OPENERS = {"webbrowser.open", "Run.open", "cls.open"}  # these open no file for reading


def reads(node: ast.AST) -> str:
    """What of a call reads a file, or parses what a file held; "" for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    name = ast.unparse(node.func)
    if name in LOADERS or (
        name.endswith((".read_text", ".read_bytes")) and not name.startswith("bounded.")
    ):
        return name
    if (name == "open" or name.endswith(".open")) and name not in OPENERS:
        values = [*node.args, *(word.value for word in node.keywords if word.arg == "mode")]
        modes = [
            value.value
            for value in values
            if isinstance(value, ast.Constant) and isinstance(value.value, str)
        ]
        return (
            ""
            if any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax") for mode in modes)
            else name
        )
    return ""


def test_every_read_is_bounded():
    """Files are read through castalia.bounded, which has limits; the exceptions are files that
    Castalia itself wrote or ships.
    """
    unbounded = [
        f"{path}:{node.lineno} {reads(node)}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if reads(node) and not any(path.match(pattern) for pattern in READS)
    ]
    assert unbounded == [], (
        "read with bounded.read_bytes, read_text, open_regular, parse_json ..., or say in "
        "READS why not"
    )


def test_what_counts_as_a_read():
    for code in (
        "open(path)",
        "path.open('rb')",
        "path.open(encoding='utf-8')",
        "(a / b).read_text()",
        "x.read_bytes()",
        "json.loads(t)",
        "gzip.open(p)",
    ):
        assert reads(ast.parse(code, mode="eval").body), code
    for code in (
        "open(path, 'wb')",
        "path.open('x')",
        "open(path, mode='a')",
        "bounded.read_bytes(p)",
        "Run.open(name)",
        "file.read()",
    ):
        assert not reads(ast.parse(code, mode="eval").body), code


def test_errors_are_castalias_own():
    """Nothing bare reaches a user. Pydantic's validators must raise ValueError, and what reads
    files turns its own into DataError.
    """
    caught_beside = {
        "codecs/array_files.py",
        "modalities/music/files/musicxml_read.py",
        "modalities/music/files/score_lines.py",
    }
    found = []
    for path, tree in trees():
        validators = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and any("validator" in ast.unparse(mark) for mark in node.decorator_list)
        ]
        allowed = {id(inner) for function in validators for inner in ast.walk(function)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Raise)
                and node.exc is not None
                and called(node.exc) in BARE
                and id(node) not in allowed
                and str(path) not in caught_beside
            ):
                found.append(f"{path}:{node.lineno}")
    assert found == []


def test_no_check_of_input_is_an_assert():
    """`python -O` removes assertions. What a type checker is told (isinstance, not None) may stay;
    contract tests are assertions.
    """

    def narrowing(test: ast.expr) -> bool:
        return called(test) == "isinstance" or (
            isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot)
        )

    assert (
        where(
            lambda path, node: (
                isinstance(node, ast.Assert)
                and path.parts[0] != "testing"
                and not narrowing(node.test)
            )
        )
        == []
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_tells_one_story(path: Path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a header says what the file is"
    assert text.count("\n") <= LONGEST
    assert not any(mark in text for mark in ("TODO", "FIXME", "XXX"))
