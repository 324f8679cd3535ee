"""Instruction tuning of a small run: held-out nats on the assistant's tokens, before and after, in
English and Chinese.

    python benchmarks/chat.py DATA
        # about 12 minutes on one core; writes benchmarks/results/chat.json
    python benchmarks/chat.py DATA --steps 4 --dry        # a smoke run

DATA is a folder with dialogue/chatterbot_corpus (BSD-3: english.jsonl, chinese.jsonl with `turns`),
and for the pre-training text/wikitext2_valid and text/advertisegen_zh. A run of `text/ar` is
trained on the latter; `text/chat` goes on from it with two thirds of the steps. One in ten of the
*questions*, by the hash of their words, is held out with all its answers, because many have
several. Compared are, over the same held-out conversations:

    plain      the pre-trained run, which reads question and answer as two lines of a text: what
               there is before tuning
    tuned      after tuning, from the pre-trained run
    scratch    the same tuning from a run of the same vocabulary that was trained for one step

in nats per token of the first answer (its end included), the same tokens for all three; exchanges
that do not fit the context are left out. A question counts once, whatever its number of answers
(one has more than a hundred): the mean over questions of nats per token, with a delete-a-group
jackknife interval over questions. The ratio over all tokens stands beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import castalia
from castalia.codecs.conversation import Conversation
from castalia.evaluation.base import GROUPS, estimated, group_ids
from castalia.run import Run
from castalia.spec import Batch
from machine import write_result

LANGUAGES = ("english", "chinese")
PLAIN = {
    "codec.tokenizer": "bpe",
    "codec.vocab": 2048,
    "codec.length": 128,
    "training.batch": 16,
    "training.sample_every": 0,
    "training.threads": 1,
}
TUNED = {"training.batch": 16, "training.sample_every": 0, "training.threads": 1}


def prepared(data: Path, folder: Path) -> dict[str, list[Conversation]]:
    """Writes plain/ and train.jsonl; the held-out conversations of each language."""
    held: dict[str, list[Conversation]] = {language: [] for language in LANGUAGES}
    kept = []
    for language in LANGUAGES:
        for line in (
            (data / "dialogue/chatterbot_corpus" / f"{language}.jsonl")
            .read_text(encoding="utf-8")
            .splitlines()
        ):
            turns = json.loads(line)["turns"]
            if hashlib.sha256(turns[0].strip().lower().encode()).digest()[0] % 10:
                kept.append(json.dumps({"turns": turns}, ensure_ascii=False))
            else:
                held[language].append(Conversation.of(turns[:2]))
    (folder / "train.jsonl").write_text("\n".join(kept), encoding="utf-8")
    (folder / "plain").mkdir(exist_ok=True)
    (folder / "plain/en.txt").write_text(
        (data / "text/wikitext2_valid/valid.txt").read_text(encoding="utf-8"), encoding="utf-8"
    )
    texts = (data / "text/advertisegen_zh/ads.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in texts]
    column = max(rows[0], key=lambda name: len(str(rows[0][name])))
    (folder / "plain/zh.txt").write_text(
        "\n".join(str(row[column]) for row in rows), encoding="utf-8"
    )
    return held


@torch.inference_mode()
def answers(run: Run, held: list[Conversation]) -> tuple[Tensor, Tensor]:
    """Nats and tokens (n,) of each conversation's answers; of a run without roles, question and
    answer are two lines.
    """
    model, codec = run.model(), run.codec
    nats, tokens = [], []
    for talk in held:
        if codec.chats:
            x, weight = codec.encode(talk).long(), codec.weigh(talk)
        else:
            parts = [
                codec.tokenizer.encode(
                    turn.content + ("\n" if place + 1 < len(talk.messages) else "")
                )
                for place, turn in enumerate(talk.messages)
            ]
            x = torch.tensor(
                [
                    codec.spec.begin,
                    *(token for part in parts for token in part.tolist()),
                    codec.spec.end,
                ]
            )
            said = [
                turn.role == "assistant"
                for turn, part in zip(talk.messages, parts, strict=True)
                for _ in range(len(part))
            ]
            weight = torch.tensor([False, *said, True])
        batch = Batch(x[None], weight=weight[None].float())
        nats.append(float(model.nats(batch)[0]))
        tokens.append(float(weight[1:].sum()))
    return torch.tensor(nats).double(), torch.tensor(tokens).double()


def per_question(nats: Tensor, tokens: Tensor, question: Tensor) -> dict[str, float]:
    """Mean over questions of nats a token, with its jackknife interval; and the ratio over all
    tokens.
    """
    count = int(question.max()) + 1
    above, below = (
        torch.zeros(count, dtype=torch.float64).index_add_(0, question, values)
        for values in (nats, tokens)
    )
    each, groups = above / below, group_ids(count)
    without = [
        each[groups != group].mean().item()
        for group in range(GROUPS)
        if bool((groups == group).any())
    ]
    found = estimated(each.mean().item(), without)
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "over all tokens": (above.sum() / below.sum()).item(),
    }


def trained(recipe: str, data: Path, more: dict[str, Any], out: Path) -> Run:
    """The finished run in `out`, or a new one."""
    return (
        Run.open(out)
        if (out / "run.json").exists()
        else castalia.train(recipe, data, more, out=out)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="write no result")
    parser.add_argument(
        "--keep",
        type=Path,
        help="folder for the runs; those that are there already are not trained again",
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        held = prepared(given.data, folder)
        plain = trained(
            "text/ar",
            folder / "plain",
            {**PLAIN, "training.steps": given.steps},
            folder / "plain-run",
        )
        bare = trained(
            "text/ar", folder / "plain", {**PLAIN, "training.steps": 1}, folder / "bare-run"
        )
        runs: dict[str, list[Run]] = {"plain": [plain], "tuned": [], "scratch": []}
        for seed in range(given.seeds):
            for name, start in (("tuned", plain), ("scratch", bare)):
                more = {
                    **TUNED,
                    "training.steps": given.steps * 2 // 3,
                    "training.seed": seed,
                    "start_from": str(start.folder),
                }
                runs[name].append(
                    trained("text/chat", folder / "train.jsonl", more, folder / f"{name}-{seed}")
                )
        found: dict[str, Any] = {}
        for language in LANGUAGES:
            fits = [
                sum(len(plain.codec.tokenizer.encode(turn.content)) for turn in talk.messages) + 3
                <= plain.codec.spec.length
                for talk in held[language]
            ]
            left_out = len(fits) - sum(fits)
            held[language] = [talk for talk, fit in zip(held[language], fits, strict=True) if fit]
            questions = [
                hashlib.sha256(talk.messages[0].content.strip().lower().encode()).hexdigest()
                for talk in held[language]
            ]
            order = {name: place for place, name in enumerate(sorted(set(questions)))}
            question = torch.tensor([order[name] for name in questions])
            nats = {
                name: [answers(run, held[language]) for run in own] for name, own in runs.items()
            }
            tokens = nats["plain"][0][1]
            assert all(torch.equal(other[1], tokens) for own in nats.values() for other in own)
            mean = {
                name: torch.stack([one for one, _ in own]).mean(0) for name, own in nats.items()
            }
            found[language] = {
                "conversations": len(held[language]),
                "questions": len(order),
                "too long": left_out,
                "tokens": int(tokens.sum()),
                **{name: per_question(values, tokens, question) for name, values in mean.items()},
                "plain - tuned": per_question(mean["plain"] - mean["tuned"], tokens, question),
                "scratch - tuned": per_question(mean["scratch"] - mean["tuned"], tokens, question),
                "seeds": {
                    name: [float(one.sum() / tokens.sum()) for one, _ in own]
                    for name, own in nats.items()
                },
            }
        result = {
            "unit": "nats per token of the assistant",
            "steps": {"plain": given.steps, "chat": given.steps * 2 // 3},
            "seeds": given.seeds,
            "languages": found,
        }
    print(json.dumps(result, indent=2, ensure_ascii=False))
    if not given.dry:
        write_result("chat", result, seeds=range(given.seeds))


if __name__ == "__main__":
    main()
