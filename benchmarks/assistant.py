"""The assistant on questions that it was not calibrated on: half of the entries are taken out of
the base, and their questions have no answer.

    python benchmarks/assistant.py FOLDER

FOLDER: of banking77/train.csv (77 intents with many ways to ask each), cdc_faq/faq.csv,
chatterbot_corpus/chinese.jsonl and crosswoz_zh/dialogues.jsonl. Of banking77 the base has 52% of
each intent's questions as those that people asked before, 18% calibrate the gate, and the last 15%
are asked (15% were looked at while this was written). The others have one way to ask each entry:
the gate is calibrated as `castalia assistant build` does without questions, and what is asked are
variants of the entry's questions, words left out and one put in, which no person wrote.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from castalia.apps.assistant import judging
from castalia.apps.assistant.answering import ask
from castalia.apps.assistant.desk import Desk, calibrate, indexed, varied
from castalia.apps.assistant.embeddings import embeddings
from castalia.apps.assistant.reading import Passage
from machine import write_result

WANTED = 0.05
SEEDS = (0, 1, 2, 3, 4)
EVERY = 50_000  # vectors that are kept, so that a text is embedded once for all draws
MANY = 10_000  # passages of the timing


def banking(folder: Path, seed: int, embeddings: bool) -> list[judging.Judged]:
    """Intents as entries."""
    generator = random.Random(seed)
    intents: dict[str, list[str]] = {}
    with (folder / "banking77" / "train.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            intents.setdefault(row["category"], []).append(row["text"])
    names = sorted(intents)
    generator.shuffle(names)
    base, known, asked = [], [], []
    for place, name in enumerate(names):
        questions = intents[name]
        generator.shuffle(questions)
        first, last = int(0.7 * len(questions)), int(0.85 * len(questions))
        if place >= len(names) // 2:
            asked += [(one, None) for one in questions[last:]]
            continue
        cut = int(0.75 * first)
        base.append(Passage(name.replace("_", " "), "banking77", tuple(questions[:cut]), 1))
        known += [(one, place) for one in questions[cut:first]]
        asked += [(one, place) for one in questions[last:]]
    index = indexed(base, embeddings=embeddings)
    return judging.judge(Desk(base, index, calibrate(base, index, known, WANTED, seed)), asked)


def entries(
    pairs: Iterable[tuple[str, str]], language: str, seed: int, embeddings: bool
) -> list[judging.Judged]:
    """(question, answer) pairs, one way to ask each."""
    generator = random.Random(seed)
    passages = [
        Passage(answer, "faq", (question,), 1, language=language)
        for question, answer in dict(pairs).items()
    ]
    generator.shuffle(passages)
    half = len(passages) // 2
    base, gone = passages[:half], passages[half:]
    words = [term for one in passages for term in one.questions[0].split()]
    index = indexed(base, embeddings=embeddings)
    desk = Desk(base, index, calibrate(base, index, None, WANTED, seed))
    asked: list[tuple[str, int | None]] = [
        (varied(one, words, generator), place) for place, one in enumerate(base)
    ]
    return judging.judge(desk, [*asked, *((one.questions[0], None) for one in gone)])


def pairs_of(folder: Path) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Name -> (language, questions with answers)."""
    with (folder / "cdc_faq" / "faq.csv").open(encoding="utf-8") as file:
        cdc = [(row["question"], row["answer"]) for row in csv.DictReader(file)]
    chatter = [
        tuple(json.loads(line)["turns"][:2])
        for line in (folder / "chatterbot_corpus" / "chinese.jsonl").read_text("utf-8").splitlines()
    ]
    woz = []
    path = folder / "crosswoz_zh" / "dialogues.jsonl"
    for line in path.read_text("utf-8").splitlines():
        turns = json.loads(line)["turns"]
        woz.append((turns[0]["text"], turns[1]["text"]))
    return {
        "cdc_faq": ("en", cdc),
        "chatterbot_corpus": ("zh", [(one[0], one[1]) for one in chatter if len(one) == 2]),
        "crosswoz_zh": ("zh", woz),
    }


def timing(folder: Path) -> dict[str, float]:
    """One core, 10,000 passages."""
    with (folder / "banking77" / "train.csv").open(encoding="utf-8") as file:
        rows = [row["text"] for row in csv.DictReader(file)]
    passages = [Passage(f"answer {place}", "faq", (one,), 1) for place, one in enumerate(rows)]
    passages = passages[:MANY]
    begun = time.process_time()
    index = indexed(passages)
    opened = time.process_time() - begun
    desk = Desk(passages, index, calibrate(passages[:200], indexed(passages[:200]), None, 0.05, 0))
    spent = []
    for question in rows[::101]:
        begun = time.process_time()
        ask(desk, f"please, {question}")
        spent.append(time.process_time() - begun)
    return {
        "passages": len(passages),
        "index_cpu_seconds": round(opened, 2),
        "median_ms": round(1e3 * statistics.median(spent), 1),
        "most_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def judged(folder: Path, embeddings: bool) -> Iterator[dict[str, Any]]:
    """A row for each set of questions."""
    draws = {"banking77": ("en", [banking(folder, seed, embeddings) for seed in SEEDS])}
    for name, (language, pairs) in pairs_of(folder).items():
        draws[name] = (language, [entries(pairs, language, seed, embeddings) for seed in SEEDS])
    for name, (language, some) in draws.items():
        tallies = [judging.tallies(one)[0] for one in some]
        row: dict[str, Any] = {"data": name, "language": language, "embeddings": embeddings}
        for part in ("answered", "right", "false"):
            values = [getattr(one, part) for one in tallies]
            row[part] = {"median": statistics.median(values), "all": values}
        row["questions"] = tallies[0].answerable + tallies[0].unanswerable
        print(json.dumps(row), flush=True)
        yield row


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("data", type=Path)
    folder = words.parse_args().data
    embeddings().kept = EVERY
    clock = timing(folder)
    rows: list[dict[str, Any]] = []
    for with_embeddings in (False, True):
        rows += judged(folder, with_embeddings)
    write_result("assistant", {"rows": rows, "timing": clock}, seeds=SEEDS)


if __name__ == "__main__":
    main()
