"""promptfoo's YAML, read as a suite: prompts, providers, tests, defaultTest and the common
assertions, so that people who have such files can bring them along.

https://www.promptfoo.dev/docs/configuration/. What is not understood is refused by its name, never
passed over; what means something a little different here is a note. Programs inside of a
configuration are not executed: JavaScript never, Python from a file under --trust-code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from castalia import bounded
from castalia.errors import RecipeError
from castalia.sentences import say
from castalia.text_files import tables

OLLAMA = "http://localhost:11434/v1"
MOST = 1000  # combinations of one test's lists of values
# what says nothing about the answers
PASSED_OVER = ("outputPath", "sharing", "commandLineOptions", "writeLatestResults", "tags")
KNOWN = ("description", "prompts", "providers", "targets", "tests", "defaultTest")
KNOWN += ("evaluateOptions", "env", "assertionTemplates", *PASSED_OVER)
SHARED = "#/assertionTemplates/"
# providers that are programs, or speak something else
OTHER = ("python", "exec", "file", "javascript", "golang", "ruby", "http", "https", "webhook")
OTHER += ("websocket", "ws", "mcp", "browser", "echo", "sequence", "manual-input", "package")
SAME = ("contains", "icontains", "equals", "starts-with", "regex", "is-json", "contains-json")
LISTS = ("contains-any", "contains-all", "icontains-any", "icontains-all")
_FILES = (".txt", ".md", ".json", ".yaml", ".yml", ".csv", ".jsonl", ".tsv")
_EXPECTED = re.compile(r"(not-)?([a-z-]+)(?:\(([0-9.]+)\))?(?::\s*(.*))?", re.DOTALL)
FIX = say("write it as docs/prompts.md says, or leave it out")


def recognised(raw: Mapping[str, Any]) -> bool:
    """Whether this is a configuration of promptfoo and not a suite."""
    return not {"cases", "models"} & set(raw) and bool(
        {"providers", "targets", "tests", "defaultTest"} & set(raw)
    )


def converted(
    raw: Mapping[str, Any], base: Path, llm: str, replaced: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """(the suite as it would be written, notes on what differs). llm: the address of providers that
    name none. replaced: other models take the place of the providers, which are not looked at.
    Raises RecipeError.
    """
    try:
        return _converted(raw, base, llm, replaced)
    except (AttributeError, TypeError, ValueError, KeyError) as failure:
        raise RecipeError(
            say("this is not as promptfoo writes it: {0}", failure), "promptfoo", FIX
        ) from failure


def _converted(
    raw: Mapping[str, Any], base: Path, llm: str, replaced: bool
) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    for name in raw:
        if name not in KNOWN:
            raise _refused(say("promptfoo's `{0}` is not read here", name), name)
        if name in PASSED_OVER or name == "env":
            notes.append(say("promptfoo's `{0}` was passed over", name))
    default, tests = raw.get("defaultTest") or {}, _tests(raw.get("tests"), base)
    shared = raw.get("assertionTemplates") or {}
    judge = (default.get("options") or {}).get("provider")
    providers = [] if replaced else _listed(raw.get("providers") or raw.get("targets"))
    made: dict[str, Any] = {
        "about": str(raw.get("description") or ""),
        "prompts": [one for entry in _listed(raw.get("prompts")) for one in _prompt(entry, base)],
        "models": [_provider(one, llm) for one in providers],
        "defaults": _test(default, base, shared, notes)[0],
        "cases": [case for one in tests for case in _test(one, base, shared, notes)],
        "repeat": (raw.get("evaluateOptions") or {}).get("repeat", 1),
    }
    if judge is not None:
        made["judge"] = _provider(judge, llm)
    elif len(made["models"]) == 1 and _judges(made):
        made["judge"] = made["models"][0]
        notes.append(say("the tested model judges its own answers: name another in `judge`"))
    return made, list(dict.fromkeys(notes))


def _judges(made: Mapping[str, Any]) -> bool:
    return any(
        one["type"].endswith("judge")
        for case in (made["defaults"], *made["cases"])
        for one in case["assert"]
    )


def _refused(what: str, where: object) -> RecipeError:
    return RecipeError(what, str(where)[:80], FIX)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


# Prompts -----------------------------------------------------------------------------------------


def _prompt(entry: Any, base: Path) -> list[dict[str, str]]:
    if isinstance(entry, dict):
        text, name = entry.get("raw") or entry.get("id"), entry.get("label")
        if not isinstance(text, str):
            raise _refused(say("a prompt of this kind is not read here"), entry)
        return [{**one, "name": str(name or one["name"])} for one in _prompt(text, base)]
    text = str(entry)
    plain = text.removeprefix("file://")
    if plain.endswith((".js", ".ts", ".mjs", ".py")) or ".py:" in plain:
        raise _refused(say("prompts that are programs are not executed here"), plain)
    named = plain != text or (plain.endswith(_FILES) and "\n" not in plain)
    if not named:
        return [{"name": " ".join(text.split())[:40], "body": _chat(text)}]
    paths = sorted(base.glob(plain)) if "*" in plain else [base / plain]
    return [one for path in paths for one in _of_file(path)]


def _of_file(path: Path) -> list[dict[str, str]]:
    """The prompts of a file: a text file may hold several, with lines of --- between them."""
    text = _text(path)
    parts = re.split(r"^---\s*$", text, flags=re.MULTILINE) if path.suffix == ".txt" else [text]
    bodies = [part.strip("\n") + "\n" for part in parts if part.strip()]
    return [
        {"name": path.stem if len(bodies) == 1 else f"{path.stem} {number}", "body": _chat(body)}
        for number, body in enumerate(bodies, 1)
    ]


def _chat(text: str) -> str:
    """A prompt that is a list of messages in JSON becomes one with marks."""
    if not text.lstrip().startswith("["):
        return text
    try:
        turns = json.JSONDecoder().decode(text)
        return "\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in turns)
    except (ValueError, TypeError, KeyError, RecursionError):
        return text


def _text(path: Path) -> str:
    return bounded.read_text(path, "settings_bytes", RecipeError)


# Providers ---------------------------------------------------------------------------------------


def _provider(entry: Any, llm: str) -> dict[str, Any]:
    told = entry if isinstance(entry, dict) else {"id": entry}
    config = told.get("config") or {}
    words = str(told.get("id") or "").split(":")
    kind, model = (
        words[0],
        ":".join(words[2:] if words[1:2] in (["chat"], ["completion"]) else words[1:]),
    )
    api = "text" if words[1:2] == ["completion"] else "chat"
    address = config.get("apiBaseUrl") or llm or (OLLAMA if kind == "ollama" else "")
    if kind in OTHER or not model:
        raise _refused(
            say("the provider '{0}' is not asked here", str(told.get("id"))[:60]), "providers"
        )
    if not address:
        raise RecipeError(
            say("the provider '{0}' has no address, and none is guessed", str(told["id"])[:60]),
            "providers",
            say("give it: --llm ADDRESS, or config.apiBaseUrl"),
        )
    settings = {"temperature": "temperature", "top_p": "top_p", "max_tokens": "length"}
    for name in config:
        if name not in (*settings, "apiBaseUrl", "stop", "cost", "inputCost", "outputCost"):
            raise _refused(say("promptfoo's `{0}` is not read here", f"config.{name}"), name)
    sampling = {here: config[there] for there, here in settings.items() if there in config}
    prices = [config.get(name, config.get("cost")) for name in ("inputCost", "outputCost")]
    return {
        "llm": address,
        "model": model,
        "name": str(told.get("label") or told.get("id")),
        "api": api,
        "sampling": {**sampling, **({"stop": config["stop"]} if "stop" in config else {})},
        **({"price": [1e6 * one for one in prices]} if None not in prices else {}),
    }


# Tests -------------------------------------------------------------------------------------------


def _tests(given: Any, base: Path) -> list[Any]:
    found: list[Any] = []
    for one in _listed(given):
        if not isinstance(one, str):
            found.append(one)
            continue
        path = base / one.removeprefix("file://")
        if path.suffix in (".yaml", ".yml"):
            inner = bounded.parse_yaml(_text(path), path.name, FIX, RecipeError)
            found += _tests(inner, path.parent)
        elif path.suffix in (".js", ".ts", ".py"):
            raise _refused(say("tests that are programs are not executed here"), one)
        else:
            found += [_row(row) for _, row in tables.rows(path)[1]]
    return found


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table: columns are variables, `__expected` what is asserted."""
    test: dict[str, Any] = {"vars": {}, "assert": []}
    for name, value in row.items():
        if name.startswith("__expected"):
            if value is not None and str(value).strip():
                test["assert"].append(_expected(str(value)))
        elif name in ("__description", "__prefix", "__suffix", "__threshold"):
            if name not in ("__description", "__threshold"):
                raise _refused(say("promptfoo's `{0}` is not read here", name), name)
            key = name.removeprefix("__")
            test[key] = value if key == "description" else float(value)
        elif value is not None:
            test["vars"][name] = value
    return test


def _expected(text: str) -> dict[str, Any]:
    """ "contains-all: a, b", "similar(0.8): text"; anything else is what the answer equals."""
    match = _EXPECTED.fullmatch(text.strip())
    known = {*SAME, *LISTS, *OTHERS}
    if match is None or match[2] not in known:
        return {"type": "equals", "value": text}
    found: dict[str, Any] = {"type": f"{match[1] or ''}{match[2]}"}
    found |= {} if match[3] is None else {"threshold": float(match[3])}
    return found | ({} if not match[4] else {"value": match[4]})


def _test(
    test: Any, base: Path, shared: Mapping[str, Any], notes: list[str]
) -> list[dict[str, Any]]:
    """Its cases: lists of values stand for one case each. shared: assertions by name."""
    if not isinstance(test, dict):
        raise _refused(say("a test is a mapping"), test)
    for name in test:
        if name not in ("vars", "assert", "description", "threshold", "options", "metadata"):
            raise _refused(say("promptfoo's `{0}` is not read here", name), name)
    options = set(test.get("options") or {}) - {"provider"}
    if options:
        raise _refused(
            say("promptfoo's `{0}` is not read here", f"options.{min(options)}"), "options"
        )
    asserts = [_assertion(one, shared, notes) for one in test.get("assert") or []]
    values = {
        name: [_value(one, base) for one in value]
        if isinstance(value, list)
        else [_value(value, base)]
        for name, value in (test.get("vars") or {}).items()
    }
    combined = list(product(*values.values()))[: MOST + 1]
    if len(combined) > MOST:
        raise _refused(say("the lists of one test make more than {0:,} cases", MOST), "vars")
    made = []
    for chosen in combined:
        case = {"vars": dict(zip(values, chosen, strict=True)), "assert": asserts}
        case |= {"threshold": test["threshold"]} if "threshold" in test else {}
        made.append(case | ({"name": str(test["description"])} if "description" in test else {}))
    return made


def _value(value: Any, base: Path) -> Any:
    if isinstance(value, str) and value.startswith("file://"):
        path = value.removeprefix("file://")
        if path.endswith((".js", ".ts", ".py")):
            raise _refused(say("values that are programs are not executed here"), path)
        return _text(base / path)
    return value


# Assertions --------------------------------------------------------------------------------------


def _assertion(one: Any, shared: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    if isinstance(one, dict) and str(one.get("$ref")).startswith(SHARED):
        one = shared.get(one["$ref"].removeprefix(SHARED))
    if not isinstance(one, dict) or not isinstance(one.get("type"), str):
        raise _refused(say("an assertion has a type"), one)
    told = dict(one)
    turned = "not-" if told["type"].startswith("not-") else ""
    kind = told.pop("type").removeprefix("not-")
    made = {} if "weight" not in told else {"weight": told.pop("weight")}
    made |= {} if "metric" not in told else {"name": told.pop("metric")}
    if kind in LISTS:
        made["value"] = _listed_words(told.pop("value", None))
    elif kind in OTHERS:
        kind, more = OTHERS[kind](told, notes)
        made |= more
    made |= told
    return {"type": turned + kind, **made}


def _listed_words(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _latency(told: dict[str, Any], notes: list[str]) -> tuple[str, dict[str, Any]]:
    return "latency", {"max": float(told.pop("threshold", 0)) / 1000}


def _cost(told: dict[str, Any], notes: list[str]) -> tuple[str, dict[str, Any]]:
    return "cost", {"max": float(told.pop("threshold", 0))}


def _rubric(told: dict[str, Any], notes: list[str]) -> tuple[str, dict[str, Any]]:
    if told.pop("provider", None) is not None:
        notes.append(say("one model judges all: that of the suite's `judge`"))
    return "judge", {}


def _similar(told: dict[str, Any], notes: list[str]) -> tuple[str, dict[str, Any]]:
    told.pop("provider", None)
    notes.append(
        say("`similar` compares wording (chrF) here, not embeddings: look at the thresholds again")
    )
    return "similar", {}


def _python(told: dict[str, Any], notes: list[str]) -> tuple[str, dict[str, Any]]:
    value = str(told.pop("value", ""))
    if not value.startswith("file://"):
        raise RecipeError(
            say("Python code stands in a file, not in a suite"),
            value[:60],
            say("write `value: file://checks.py:FUNCTION`"),
        )
    path = value.removeprefix("file://")
    return "python", {"value": path if ".py:" in path else f"{path}:get_assert"}


OTHERS: dict[str, Callable[[dict[str, Any], list[str]], tuple[str, dict[str, Any]]]] = {
    "latency": _latency,
    "cost": _cost,
    "llm-rubric": _rubric,
    "similar": _similar,
    "python": _python,
}
