"""Shell completion: `castalia --install-completion [bash|zsh|fish]`, `--show-completion`, and
`--complete`, which the scripts call.

`castalia --complete WORD... PREFIX` prints what may stand in PREFIX's place: verbs, options,
recipes, runs, built-in data. It asks the verb's own signature, so nothing is listed twice, and
imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from castalia import app, atomic, modality
from castalia.cli.commands import first_words, longest, parser_of
from castalia.cli.console import echo
from castalia.cli.demo import demos
from castalia.errors import DataError, RecipeError
from castalia.language import LANGUAGES, constant, say

BASH = r"""# castalia: words at the Tab key
_castalia() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        line=${line%%$'\t'*}
        case $line in */ | *=) compopt -o nospace 2>/dev/null ;; esac
        COMPREPLY+=("$(printf '%q' "$line")")
    done < <(castalia --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _castalia castalia
"""
ZSH = r"""#compdef castalia
# castalia: words at the Tab key
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_castalia() {
    local line
    local -a words_ about_
    for line in ${(f)"$(castalia --complete "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
        words_+=("${line%%$'\t'*}")
        about_+=("${line/$'\t'/  -- }")
    done
    if (( $#words_ )); then compadd -l -d about_ -a words_; else _files; fi
}
compdef _castalia castalia
"""
FISH = r"""# castalia: words at the Tab key
function __castalia
    set -l words (commandline -opc) (commandline -ct)
    castalia --complete $words[2..-1] 2>/dev/null
end
complete -c castalia -a '(__castalia)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
GLOBAL = ("--help", "--version", "--lang", "--limit", "--install-completion", "--show-completion")
# What stands in an argument's place, by (verb, its metavar), where the metavar alone is ambiguous.
KINDS = {
    ("list", "KIND"): ("runs", "recipes", "data", "families", "codecs"),
    ("ledger", "verify"): ("verify",),
    ("keys", "new|show|recipient"): ("new", "show", "recipient"),
}
# The same for the values of options.
VALUES: dict[str, tuple[str, ...]] = {
    "--lang": tuple(LANGUAGES),
    "--to": ("bundle", "onnx", "peft", "safetensors", "transformers"),
    "--install-completion": tuple(SCRIPTS),
    "--show-completion": tuple(SCRIPTS),
}


def command(name: str, words: Sequence[str]) -> int:
    """--install-completion [SHELL], --show-completion [SHELL], --complete WORD..."""
    if name == "--complete":
        for word, about in candidates(words):
            echo(f"{word}\t{about}" if about else word)
        return 0
    shell = words[0] if words else Path(os.environ.get("SHELL", "")).name
    if shell not in SCRIPTS:
        what = (
            say("there is no completion for the shell '{0}'", shell)
            if shell
            else say("the shell is not known")
        )
        raise RecipeError(what, where=name, fix=f"castalia {name} bash | zsh | fish")
    if name == "--show-completion":
        echo(SCRIPTS[shell].rstrip())
        return 0
    echo(*install(shell))
    return 0


def install(shell: str, home: Path | None = None) -> list[str]:
    """Writes the script, and the line that reads it where the shell does not by itself; what was
    written. Raises DataError.
    """
    home = home or Path.home()
    if shell == "fish":
        path = (
            Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
            / "fish"
            / "completions"
            / "castalia.fish"
        )
    else:
        path = (
            Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
            / "castalia"
            / f"completion.{shell}"
        )
    lines = [say("wrote {0}", path)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, SCRIPTS[shell])
        if shell != "fish":
            start = home / f".{shell}rc"
            known = (
                start.read_text(encoding="utf-8", errors="surrogateescape")
                if start.exists()
                else ""
            )
            line = f'[ -f "{path}" ] && . "{path}"  # castalia: words at the Tab key'
            if line not in known.splitlines():
                with open(start, "a", encoding="utf-8") as file:
                    file.write(("" if not known or known.endswith("\n") else "\n") + line + "\n")
                lines.append(say("added a line that reads it to {0}", start))
    except OSError as error:
        raise DataError(
            say("the completion cannot be written: {0}", error),
            path,
            say("print it with --show-completion"),
        ) from error
    return [*lines, say("it works in new shells: castalia <Tab>")]


class Word(NamedTuple):
    """A candidate and one line about it."""

    word: str
    about: str = ""


def candidates(words: Sequence[str]) -> list[Word]:
    """What may stand in the place of the last word, which is a beginning. words: what follows
    `castalia` on the line.
    """
    *before, prefix = words or [""]
    return [one for one in _candidates(before, prefix) if one.word.startswith(prefix)]


def _candidates(before: Sequence[str], prefix: str) -> Iterable[Word]:
    if before and before[-1] in VALUES:
        return map(Word, VALUES[before[-1]])
    if before and before[-1] == "--codec":
        return map(Word, ("auto", *modality.names()))
    first = first_words()
    start = next((index for index, word in enumerate(before) if word in first), None)
    if start is None:
        words = [Word(name, constant(one.about)) for name, one in first.items()]
        return [*words, *map(Word, GLOBAL)] if not before or before[0].startswith("--lang") else []
    rest = before[start:]
    verb = longest(rest)
    if not verb:  # the second word of an app's command
        own = app.every()[rest[0]].commands if len(rest) == 1 else {}
        return [Word(word, constant(one.about)) for word, one in own.items()]
    options, arguments = _signature(verb)
    given, waiting = 0, ""
    for word in rest[len(verb.split()) :]:
        if waiting:
            waiting = ""
        elif word.startswith("-"):
            waiting = word if word in options and options[word].takes else ""
        else:
            given += 1
    if waiting:
        return _things(verb, options[waiting].metavar, prefix)
    if prefix.startswith("-"):
        return [Word(name, constant(one.help)) for name, one in options.items()]
    if not arguments:
        return []
    return _things(verb, arguments[min(given, len(arguments) - 1)], prefix)


class _Option(NamedTuple):
    takes: bool  # whether a value follows
    metavar: str
    help: str


def _signature(verb: str) -> tuple[dict[str, _Option], list[str]]:
    """(option -> what it is, metavar of each positional place) of a verb."""
    options: dict[str, _Option] = {}
    arguments: list[str] = []
    for one in parser_of(verb).params:
        if one.param_type_name == "argument":
            metavar = one.metavar or one.name.upper()
            arguments += metavar.split() if verb == "train" else [metavar]
        else:
            about = _Option(not one.is_flag, one.metavar or "", one.help or "")
            options |= dict.fromkeys([*one.opts, *one.secondary_opts], about)
    return options | {"--limit": _Option(True, "", ""), "--help": _Option(False, "", "")}, arguments


def _things(verb: str, metavar: str, prefix: str) -> Iterator[Word]:
    """Runs, recipes, data, kinds: what an argument or the value of an option may be. Nothing where
    the shell's own file names are right.
    """
    if verb == "demo":
        yield from map(Word, demos())
    elif (verb, metavar) in KINDS:
        yield from map(Word, KINDS[verb, metavar])
    elif (verb, metavar) == ("edit", "KIND"):
        from castalia.sampling.edit import kinds

        yield from map(Word, kinds())
    elif "RUN" in metavar:
        yield from _runs()
    elif metavar == "RECIPE":
        yield from map(Word, sorted(modality.recipes()))
    elif "DATA" in metavar:
        builtin: Any = import_module("castalia.data.builtin")
        yield from (
            Word(f"builtin/{name}", constant(builtin.about(name))) for name in builtin.names()
        )
        yield from map(Word, _paths(prefix))


def _runs() -> Iterator[Word]:
    from castalia.user_dirs import known_folders

    here = sorted(
        Path("runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    names = [path.parent.name for path in here]
    if names:
        yield Word("latest", names[0])
    yield from map(Word, names)
    yield from (
        Word(str(folder))
        for folder in known_folders()
        if folder.resolve().parent != Path("runs").resolve()
    )


def _paths(prefix: str) -> list[str]:
    folder, _, begin = prefix.rpartition("/")
    root = Path(f"{folder}/" if folder or prefix.startswith("/") else ".").expanduser()
    try:
        entries = sorted(
            path
            for path in root.iterdir()
            if path.name.startswith(begin) and (begin or not path.name.startswith("."))
        )
    except OSError:
        return []
    return [
        f"{folder}/{path.name}" if "/" in prefix else path.name
        for path in entries
        if not path.is_dir()
    ] + [
        (f"{folder}/{path.name}" if "/" in prefix else path.name) + "/"
        for path in entries
        if path.is_dir()
    ]
