"""How well the linter of prompts agrees with labels: Cohen's kappa, precision, recall and F1 a rule
and language, on the half of texts/prompt_lint.jsonl that its rules were not made with.

    python benchmarks/prompt_lint.py                 the held-out half; writes a result
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
    half = "development" if parser.parse_args().development else "held out"
    rows = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["half"] == half]
    found = [{one.rule for one in lint(row["text"])} for row in rows]
    results = {
        "half": half,
        "all": agreement(rows, found),
        "by language": {
            language: agreement(
                *zip(
                    *(
                        (r, f)
                        for r, f in zip(rows, found, strict=True)
                        if r["language"] == language
                    ),
                    strict=True,
                )
            )
            for language in ("en", "zh")
        },
        "prompts_per_cpu_second": round(rate([row["text"] for row in rows])),
    }
    if half == "development":
        for row, rules in zip(rows, found, strict=True):
            missed, extra = set(row["violates"]) - rules, rules - set(row["violates"])
            if missed or extra:
                print(f"missed {sorted(missed)}, extra {sorted(extra)}: {row['text'][:300]!r}")
        print(json.dumps(results, indent=1))
    else:
        from machine import write_result

        write_result("prompt_lint", results)
    return 0


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
