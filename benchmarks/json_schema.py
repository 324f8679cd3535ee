"""JSON schemas as constraints: how many of the JSON Schema Test Suite's (draft 2020-12) are
accepted, whether every text that is written under them is valid, and what a mask costs.

    python benchmarks/json_schema.py --suite FOLDER
        # FOLDER: a checkout of github.com/json-schema-org/JSON-Schema-Test-Suite; about 5 minutes

Under every schema that is accepted, TEXTS texts are drawn over 32,000 tokens, each token uniformly
from those that are allowed: what no model does, and what finds the corners of a language. The
jsonschema package judges them, formats included. "cut" are texts that did not end within LENGTH
tokens. "automata" are Castalia's own, which serve where llguidance is not installed, and small
vocabularies; "llguidance" is what serves large ones. Times are of the processor, for the mask of
one row at one place.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import jsonschema
import regex
import torch

from castalia.constraints import parse
from castalia.constraints.budget import Budget
from castalia.constraints.token_grammar import Vocabulary
from castalia.errors import CastaliaError
from castalia.nn.grammar_masks import Masks
from constraints import vocabulary
from machine import write_result

TEXTS, LENGTH, SEED = 5, 120, 0
GOALS = {"accepted": 0.75, "valid": 1.0}
END = 1
DRAFT = "tests/draft2020-12"
IMPORTS = 5  # times each import is measured


# What people ask for: the masks of both engines are timed on these, too.
EVERYDAY: dict[str, Any] = {
    "a person": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 40},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "mail": {
                "type": "string",
                "pattern": "^[a-z0-9.]{1,30}@[a-z0-9]{1,20}[.][a-z]{2,6}$",
            },
        },
        "required": ["name", "age", "mail"],
        "additionalProperties": False,
    },
    "a list of words": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "word": {"type": "string"},
                "kind": {"enum": ["noun", "verb", "adjective"]},
                "times": {"type": "integer"},
            },
            "required": ["word", "kind"],
            "additionalProperties": False,
        },
        "minItems": 1,
        "maxItems": 20,
    },
    "one of 500 words": {"enum": [f"word {number * 7919 % 10007}" for number in range(500)]},
}


def schemas(suite: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted((suite / DRAFT).rglob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            name = path.relative_to(suite / DRAFT).as_posix()
            yield f"{name}: {case['description']}", case["schema"]


class Ecma:
    """Patterns as JSON Schema has them, ECMA 262's, in place of Python's `re`: \\w and \\d are
    ASCII,
    and \\p names Unicode's properties.
    """

    CLASSES: ClassVar = {"d": "[0-9]", "D": "[^0-9]", "w": "[A-Za-z0-9_]", "W": "[^A-Za-z0-9_]"}

    @classmethod
    def search(cls, pattern: str, text: str) -> Any:
        def spelled(escape: regex.Match[str]) -> str:
            if len(escape[1]) == 2:  # a control character
                return f"\\x{ord(escape[1][1]) % 32:02x}"
            return str(cls.CLASSES.get(escape[1], escape[0]))

        return regex.search(regex.sub(r"\\(c[A-Za-z]|.)", spelled, pattern), text, regex.V1)


def judge(schema: Any) -> Callable[[str], bool]:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)

    def valid(text: str) -> bool:
        try:
            with (
                mock.patch("jsonschema._keywords.re", Ecma),
                mock.patch("jsonschema._utils.re", Ecma),
            ):
                return bool(validator.is_valid(json.loads(text)))
        except ValueError:
            return False

    return valid


def draw(rule: Any, tokens: list[bytes], seed: int, spent: list[float]) -> str | None:
    """A text of uniformly drawn tokens; None where it is cut."""
    masks = Masks(rule, torch.zeros(len(tokens)), END)
    generator = torch.Generator().manual_seed(seed)
    state, found = rule.start(), b""
    for left in range(LENGTH, 0, -1):
        begun = time.thread_time()
        masks.ready(state)
        row = masks.row(state, left)
        spent.append(time.thread_time() - begun)
        if row is None:
            break
        open_ = (row == 0).nonzero().flatten()
        token = int(open_[int(torch.randint(len(open_), (1,), generator=generator))])
        if token == END:
            return found.decode()
        found += tokens[token]
        state = rule.advance(state, token)
    return found.decode(errors="replace") if masks.complete(state) else None


def measured(
    compiled: Callable[[str, Budget], Any], cases: list[tuple[str, Any]], tokens: list[bytes]
) -> dict[str, Any]:
    """One engine over all schemas."""
    spent: list[float] = []
    compiling: list[float] = []
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    bad: list[dict[str, Any]] = []
    for number, (name, schema) in enumerate(cases):
        begun = time.thread_time()
        try:
            rule = compiled(f"json:{json.dumps(schema)}", Budget())
        except CastaliaError as error:
            refused[error.what] += 1
            continue
        finally:
            compiling.append(time.thread_time() - begun)
        counts["accepted"] += 1
        valid = judge(schema)
        for text in (draw(rule, tokens, SEED + 1000 * number + row, spent) for row in range(TEXTS)):
            counts["texts"] += 1
            kind = "cut" if text is None else "valid" if valid(text) else "invalid"
            counts[kind] += 1
            if kind == "invalid":
                bad.append({"case": name, "text": str(text)[:200]})
                print(json.dumps(bad[-1]), file=sys.stderr, flush=True)
    cuts = statistics.quantiles(spent, n=100, method="inclusive")
    return {
        "schemas": len(cases),
        **{key: counts[key] for key in ("accepted", "texts", "valid", "invalid", "cut")},
        "mask_median_ms": round(1000 * statistics.median(spent), 3),
        "mask_p99_ms": round(1000 * cuts[98], 3),
        "mask_max_ms": round(1000 * max(spent), 1),
        "masks": len(spent),
        "compile_median_ms": round(1000 * statistics.median(compiling), 2),
        "compile_max_ms": round(1000 * max(compiling), 1),
        "refused": dict(refused.most_common(25)),
        "invalid_texts": bad[:20],
    }


def import_ms(module: str) -> float:
    """Processor time to import a module, beyond what Python and numpy take; the least of some."""

    def spent(words: str) -> float:
        program = f"import time, numpy\nbegun = time.process_time()\n{words}\n"
        program += "print(time.process_time() - begun)"
        return min(
            float(subprocess.check_output([sys.executable, "-c", program], text=True))
            for _ in range(IMPORTS)
        )

    return round(1000 * (spent(f"import {module}") - spent("pass")), 1)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--suite", type=Path, required=True)
    arguments.add_argument("--only", choices=("automata", "llguidance"))
    arguments.add_argument("--most", type=int, help="schemas")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    cases = list(itertools.islice(schemas(given.suite), given.most))
    tokens = vocabulary()
    known = Vocabulary(tokens, END)

    def automata(text: str, budget: Budget) -> Any:
        with budget:
            return parse.lifted(text, [known])

    engines = {
        "automata": automata,
        "llguidance": lambda text, budget: parse.grammar(text, known, budget=budget),
    }
    results: dict[str, Any] = {"goals": GOALS, "tokens": len(tokens), "texts_of_each": TEXTS}
    for name, compiled in engines.items():
        if given.only in (None, name):
            results[name] = measured(compiled, cases, tokens)
            everyday = measured(compiled, list(EVERYDAY.items()) * 4, tokens)
            results[name]["everyday"] = {
                key: value for key, value in everyday.items() if key.startswith("mask")
            }
            print(json.dumps(results[name], indent=1), file=sys.stderr, flush=True)
    if given.only is None and given.most is None:
        results["import_ms"] = {name: import_ms(name) for name in ("llguidance", "jsonschema")}
        write_result("json_schema", results, seeds=[SEED])
        ours = results["llguidance"]
        enough = ours["accepted"] >= GOALS["accepted"] * ours["schemas"]
        return int(not enough or ours["invalid"] > 0)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
