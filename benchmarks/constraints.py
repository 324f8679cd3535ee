"""What hostile constraints cost: processor time to compile each, and of the longest step of a batch
in which somebody else writes, too.

    python benchmarks/constraints.py [--before FOLDER]
        # FOLDER: a checkout of an earlier commit, measured the same way; about 2 minutes a side

Each case runs in a process of its own, of at most CAP seconds of processor time, over 32,000
tokens. Two rows are written side by side, one under the constraint and one free; a step is what a
server's engine does between two looks at anything else. "shared" is the share of the steps in which
the free row got its token. Python's collector of garbage is off while steps are timed: its pauses
(given apart) depend on all that the process
holds. Goals: no compilation above its limit, no step above 100 ms.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CAP, STEPS, TOKENS, SEED = 10, 40, 32_000, 0
GOAL = 0.1  # seconds of one step


def doubled(levels: int, width: int = 2, *, optional: bool = False) -> dict[str, Any]:
    """Objects that name the next level `width` times each."""
    parts: dict[str, Any] = {f"d{levels}": {"type": "integer"}}
    for level in range(levels):
        names = {f"p{number}": {"$ref": f"#/$defs/d{level + 1}"} for number in range(width)}
        parts[f"d{level}"] = {
            "type": "object",
            "properties": names,
            **({} if optional else {"required": list(names)}),
        }
    return {"$defs": parts, "$ref": "#/$defs/d0"}


def cases() -> dict[str, str]:
    numbers = random.Random(SEED)
    schemas: dict[str, Any] = {
        "$ref twice at each of 15 levels": doubled(15),
        "$ref six times at each of 12 levels, optional": doubled(12, 6, optional=True),
        "enum of 100,000 texts": {"enum": [f"value {number}" for number in range(100_000)]},
        "enum of 10,000 random texts": {
            "enum": [f"{numbers.getrandbits(64):016x}" for _ in range(10_000)]
        },
        "a million items": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 10**6,
            "maxItems": 10**9,
        },
        "maxLength of a milliard": {"type": "string", "maxLength": 10**9},
        "2,000 optional properties": {
            "properties": {f"p{number}": {"type": "string"} for number in range(2000)}
        },
        "anyOf 100 objects": {
            "anyOf": [
                {
                    "properties": {
                        f"p{number}": {"type": "string"} for number in range(first, first + 40)
                    }
                }
                for first in range(100)
            ]
        },
        "patterns that overlap": {"type": "string", "pattern": "a.{30}b|c.{30}d"},
        "patterns with counters": {"type": "string", "pattern": "(a|b|c)[^d]{0,50}e[^f]{0,50}g"},
    }
    patterns = {
        "nested nullable repeats": "((a?){50}){50}",
        "nested nullable choices": "(((a|b?){50}){50}){50}",
        "nullables in a row": "(a?b?c?d?e?f?g?){1000}",
        "words, none or ninety": "((a|b|c|d|ab|bc|cd)?){90}",
        "nullable classes, five deep": "(((([a-z]?){20}[0-9]?){20} ?){20},?){20}",
        "stars of stars": r"(([^a]*[^b]*)*[^c]*)*d",
        "2 ** 20 subsets": ".*a.{20}",
        "2 ** 100 subsets": ".*[aeiou].{100}.*",
        "wide classes": r"(\w|\W\d|\s\S|[^\w\d]|\D)*\w{300}",
        "99 wide alternatives": "("
        + "|".join(rf"\w{{{count}}}\W" for count in range(1, 100))
        + ")*",
        "10,000 single characters": "["
        + "".join(chr(0x4E00 + 2 * number) for number in range(10_000))
        + "]{1,50}",
        "ambiguous counters": r"(\w{1,50} ?){1,50}x",
        "400,000 characters": "ab" * 200_000,
        "500 groups": "(" * 500 + ")" * 500,
    }
    return {
        **{name: f"json:{json.dumps(schema)}" for name, schema in schemas.items()},
        **{name: f"regex:{pattern}" for name, pattern in patterns.items()},
        "verse:7x40+rhyme": "verse:7x40+rhyme",
    }


def vocabulary() -> list[bytes]:
    """begin, end, all bytes, all words of up to three letters, of two letters behind a blank,
    numbers, Chinese characters, and longer words.
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    texts = ["".join(word) for size in (2, 3) for word in itertools.product(letters, repeat=size)]
    texts += [
        " " + "".join(word) for size in (1, 2) for word in itertools.product(letters, repeat=size)
    ]
    texts += [f"{number:0{size}d}" for size in (2, 3) for number in range(10**size)]
    texts += [chr(0x4E00 + number) for number in range(8000)]
    draws = random.Random(SEED)
    longer = dict.fromkeys(
        "".join(draws.choices(letters, k=draws.randint(4, 12))) for _ in range(TOKENS)
    )
    known = [b"", b"", *(bytes([byte]) for byte in range(256)), *(text.encode() for text in texts)]
    return [*known, *(word.encode() for word in itertools.islice(longer, TOKENS - len(known)))]


def measured(text: str, tokens: list[bytes], known: Any) -> dict[str, Any]:
    """What one constraint costs; what is known so far is printed on the way, in case that the rest
    takes too long.
    """
    import torch

    from castalia.abilities import SampleOptions
    from castalia.constraints.parse import grammar
    from castalia.errors import CastaliaError
    from castalia.nn.counter_random import generators
    from castalia.nn.decode import Decoder
    from castalia.spec import Tokens
    from castalia.testing.synthetic import Rolling

    begun, found = time.thread_time(), dict[str, Any]()
    try:
        rule = grammar(text, known)
    except CastaliaError as error:
        return {"compile_s": round(time.thread_time() - begun, 2), "refused": error.what}
    except RecursionError:
        return {
            "compile_s": round(time.thread_time() - begun, 2),
            "refused": "RecursionError, a traceback",
        }
    found["compile_s"] = round(time.thread_time() - begun, 2)
    print(json.dumps(found), flush=True)
    decoder = Decoder(Rolling(len(tokens), codes=101), Tokens(512, len(tokens), 0, 1), banned=[])
    limited = "seconds" in inspect.signature(decoder.step).parameters
    begin, options = [torch.tensor([0])], SampleOptions(length=600)
    free = decoder.add(begin, generators(SEED, 0, 1), options, grammars=None)[0]
    try:
        decoder.add(begin, generators(SEED, 1, 1), options, grammars=rule)
    except CastaliaError as error:
        return {**found, "refused": error.what}
    worst, shared, steps, pauses = 0.0, 0, 0, 0.0
    gc.disable()
    while decoder.live and steps < STEPS:
        begun = time.thread_time()
        try:
            step = decoder.step(0.02) if limited else decoder.step()
        except CastaliaError as error:
            return {**found, "failed": error.what}
        worst = max(worst, time.thread_time() - begun)
        found["worst_step_ms"], steps, shared = (
            round(1000 * worst),
            steps + 1,
            shared + (free in step.tokens or free in step.finished),
        )
        print(json.dumps({**found, "steps": steps}), flush=True)
        begun = time.thread_time()
        if steps % 10 == 0:
            gc.collect()
            pauses = max(pauses, time.thread_time() - begun)
        if free not in decoder.live:
            break
    return {
        **found,
        "steps": steps,
        "shared": round(shared / steps, 2),
        "collector_ms": round(1000 * pauses),
    }


def side() -> None:
    """All cases with the package that is on the path, each in a fork of its own that is ended after
    CAP seconds of processor time.
    """
    import torch

    import castalia.constraints.parse
    import castalia.nn.decode
    import castalia.testing.synthetic  # noqa: F401 - all that a case needs is there before it is timed
    from castalia.constraints.token_grammar import Vocabulary

    torch.set_num_threads(1)
    tokens = vocabulary()
    known = Vocabulary(tokens, 1)
    for name, text in cases().items():
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(into, 1)
            used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
            resource.setrlimit(resource.RLIMIT_CPU, (int(used) + CAP, int(used) + CAP + 1))
            print(json.dumps(measured(text, tokens, known)), flush=True)
            os._exit(0)
        os.close(into)
        with os.fdopen(out) as pipe:
            lines = pipe.read().splitlines()
        whole = os.waitpid(child, 0)[1] == 0
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        print(
            json.dumps({"case": name, **found, **({} if whole else {"broken_off_after_s": CAP})}),
            flush=True,
        )


def run_side(folder: Path) -> list[dict[str, Any]]:
    """The same in a process that has the package of `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    with subprocess.Popen(
        [sys.executable, __file__, "--side"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        rows = []
        for line in process.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            rows.append(json.loads(line))
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    steps = sorted(row["worst_step_ms"] for row in rows if "worst_step_ms" in row)
    return {
        "worst_step_ms": steps[-1],
        "median_worst_step_ms": steps[len(steps) // 2],
        "worst_compile_s": max(row.get("compile_s", CAP) for row in rows),
        "refused": sum("refused" in row for row in rows),
        "broken_off": sum("broken_off_after_s" in row for row in rows),
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--before", type=Path)
    arguments.add_argument("--side", action="store_true")
    given = arguments.parse_args()
    if given.side:
        side()
        return 0
    from machine import commit, write_result

    folders = {
        "now": Path(__file__).resolve().parent.parent,
        **({"before": given.before.resolve()} if given.before else {}),
    }
    results: dict[str, Any] = {"cap_s": CAP, "goal_step_ms": 1000 * GOAL}
    for name, folder in folders.items():
        measured_commit = commit(folder / "benchmarks")
        rows = run_side(folder)
        results[name] = {"commit": measured_commit, **summary(rows), "cases": rows}
    write_result("constraints", results, seeds=[SEED])
    return int(results["now"]["worst_step_ms"] > 1000 * GOAL or results["now"]["broken_off"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
