"""How well the linter of prompts agrees with labels: Cohen's kappa, precision, recall and F1 a rule
and language, on those of texts/prompt_lint.jsonl that its rules were not made with.

    python benchmarks/prompt_lint.py                 held-out half, later prompts
    python benchmarks/prompt_lint.py --development   the other half, with every disagreement

F1 over all counts every (prompt, rule) that label and linter agree on. The labels and their guide:
texts/prompt_lint.md. One person wrote labels and linter.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from castalia.apps.prompt.lint import RULES, lint

LABELS = Path(__file__).resolve().parent / "texts" / "prompt_lint.jsonl"
Pair = tuple[bool, bool]  # broken says the label, broken says the linter


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--development", action="store_true")
    every = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    if parser.parse_args().development:
        rows = [row for row in every if row["half"] == "development"]
        found = judged(rows)
        for row, rules in zip(rows, found, strict=True):
            missed, extra = set(row["violates"]) - rules, rules - set(row["violates"])
            if missed or extra:
                print(f"missed {sorted(missed)}, extra {sorted(extra)}: {row['text'][:300]!r}")
        print(json.dumps(agreement(rows, found), indent=1))
        return 0
    from machine import write_result

    held = [row for row in every if row["half"] == "held out"]
    parts = {
        "held out": held,
        "held out, en": [row for row in held if row["language"] == "en"],
        "held out, zh": [row for row in held if row["language"] == "zh"],
        "later": [row for row in every if row["half"] == "later"],
    }
    results = {name: agreement(rows, judged(rows)) for name, rows in parts.items()}
    speed = round(rate([row["text"] for row in held]))
    write_result("prompt_lint", {"parts": results, "prompts_per_cpu_second": speed})
    return 0


def judged(rows: Sequence[dict[str, Any]]) -> list[set[str]]:
    """The rules that each prompt breaks, says the linter."""
    return [{one.rule for one in lint(row["text"])} for row in rows]


def agreement(rows: Sequence[dict[str, Any]], found: Sequence[set[str]]) -> dict[str, Any]:
    """Measures by rule, and over all (prompt, rule)."""
    pairs = {
        rule: [(rule in row["violates"], rule in one) for row, one in zip(rows, found, strict=True)]
        for rule in RULES
    }
    every = [pair for one in pairs.values() for pair in one]
    return {
        "prompts": len(rows),
        "rules": {rule: measures(one) for rule, one in pairs.items()},
        "over all": measures(every),
    }


def measures(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Cohen's kappa (1960), precision, recall and F1; None where a measure is not defined."""
    both = sum(label and said for label, said in pairs)
    labelled = sum(label for label, _ in pairs)
    said = sum(said for _, said in pairs)
    count = len(pairs)
    same = sum(label == said for label, said in pairs) / count
    chance = (labelled * said + (count - labelled) * (count - said)) / count**2
    return {
        "broken": labelled,
        "found": said,
        "kappa": round((same - chance) / (1 - chance), 3) if chance < 1 else None,
        "precision": round(both / said, 3) if said else None,
        "recall": round(both / labelled, 3) if labelled else None,
        "f1": round(2 * both / (labelled + said), 3) if labelled + said else None,
    }


def rate(texts: Sequence[str]) -> float:
    """Prompts a CPU second, after a first round."""
    for text in texts:
        lint(text)
    begin = time.process_time()
    for _ in range(3):
        for text in texts:
            lint(text)
    return 3 * len(texts) / (time.process_time() - begin)


if __name__ == "__main__":
    sys.exit(main())
