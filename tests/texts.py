"""Texts made by a small grammar, in English and Chinese, and the settings that a text run is tried
with in a second.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

SHORT = [
    "codec.length=32",
    "family.width=16",
    "family.depth=1",
    "family.heads=2",
    "training.steps=6",
    "training.batch=8",
    "training.log_every=2",
    "training.sample_every=0",
    "training.threads=1",
]
WHO = {
    "en": ("the cat", "a dog", "the old king", "my aunt"),
    "zh": ("那只猫", "一条狗", "老国王", "我姑姑"),
}
DOES = {
    "en": ("sees", "follows", "does not like", "sings to"),
    "zh": ("看见", "跟着", "不喜欢", "唱给"),
}
MARK = {"en": " {} {}.\n", "zh": "{}{}听。\n"}


def sentences(count: int, seed: int = 0, language: str = "en") -> str:
    """`count` sentences, one a line: "the cat follows a dog."."""
    rng = random.Random(seed)
    who, does = WHO[language], DOES[language]
    return "".join(
        rng.choice(who) + MARK[language].format(rng.choice(does), rng.choice(who))
        for _ in range(count)
    )


def corpus(
    folder: Path, files: int = 24, lines: int = 30, language: str = "en", seed: int = 0
) -> Path:
    """A folder of text files."""
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number:02d}.txt").write_text(
            sentences(lines, 1000 * seed + number, language), encoding="utf-8"
        )
    return folder


def conversations(path: Path, count: int = 60, seed: int = 0) -> Path:
    """A table of conversations in both languages, one a line; some have a system's message, some
    two exchanges.
    """
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        language = ("en", "zh")[number % 2]
        who = rng.choice(WHO[language])
        ask, say = (
            ("what does {} do?", "{} {} {}.") if language == "en" else ("{}做什么？", "{}{}{}。")
        )
        answer = say.format(who, rng.choice(DOES[language]), rng.choice(WHO[language]))
        turns = [
            {"role": "user", "content": ask.format(who)},
            {"role": "assistant", "content": answer},
        ]
        if number % 3 == 0:
            turns = [{"role": "system", "content": "简短。"}, *turns]
        if number % 5 == 0:
            turns += [
                {"role": "user", "content": f"{number}?"},
                {"role": "assistant", "content": answer},
            ]
        rows.append(json.dumps({"messages": turns}, ensure_ascii=False))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path
