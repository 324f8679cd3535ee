"""Writes texts with the model in this folder. Needs torch and numpy, and `tokenizers` where the
folder has a tokenizer.json; not Castalia.

    python run.py --prompt "Once upon" --length 200
    python run.py -n 4 --seed 0 --temperature 0.8 --top-p 0.95 --out written

Text i of seed s is always the same, however many are written, and it is the one that `castalia
sample` writes: the random numbers and the rules are the same. model.json says what goes into the
network, codec.json what each token writes, grammar.npz which tokens may follow so that characters
stay whole, castalia.json where the model comes from.
"""

from __future__ import annotations

import argparse
import codecs
import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
MODEL, CODEC, ORIGIN = (
    json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("model", "codec", "castalia")
)
BEGIN, END, CONTEXT = CODEC["begin"], CODEC["end"], CODEC["length"]
DRAWN_AT_ONCE = 64  # random numbers of a text; drawn by another count they would be others


# Text and tokens ----------------------------------------------------------------------------------

# what each of them writes
TOKENS = [token.encode() if isinstance(token, str) else bytes(token) for token in CODEC["tokens"]]


def encoded(text: str) -> list[int]:
    """Token numbers of a prompt: by the tokenizer, or character by character, bytes where a
    character has no token.
    """
    if (HERE / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
        tokenizer.encode_special_tokens = True  # "<|end|>" in a text is seven characters
        return [BEGIN, *tokenizer.encode(text, add_special_tokens=False).ids]
    number = {token: place for place, token in enumerate(TOKENS) if token}
    ids = [BEGIN]
    for character in text:
        whole = character.encode()
        parts = [whole] if whole in number else [bytes([byte]) for byte in whole]
        if any(part not in number for part in parts):
            sys.exit(f"--prompt: the model does not know the character '{character}'")
        ids += [number[part] for part in parts]
    return ids


def decoded(ids: list[int]) -> str:
    """Half a character at the end is dropped."""
    raw = b"".join(TOKENS[token] for token in ids).removeprefix(CODEC["lead"].encode())
    return codecs.getincrementaldecoder("utf-8")("replace").decode(raw)


class Grammar:
    """Which tokens may follow, so that characters are whole wherever a text ends."""

    NEVER = 255

    def __init__(self) -> None:
        tables = np.load(HERE / "grammar.npz", allow_pickle=False)
        self.after = tables["after"]  # (states, vocabulary): the state behind a token
        # how many tokens, itself included, until no character is open
        self.costs = torch.from_numpy(tables["costs"])

    def follow(self, ids: list[int]) -> int:
        """The state behind a prompt."""
        state = 0
        for token in ids:
            state = int(self.after[state, token]) if self.costs[state, token] < self.NEVER else 0
        return state

    def allowed(self, state: int, left: int) -> torch.Tensor:
        """(vocabulary,) bool: what may come where `left` tokens more will be written."""
        costs = self.costs[state]
        open_ = costs < self.NEVER
        timely = open_ & (costs <= min(left, self.NEVER))
        return timely if bool(timely.any()) else open_


# Which token --------------------------------------------------------------------------------------


def choose(
    logits: torch.Tensor,
    allowed: torch.Tensor,
    uniform: torch.Tensor,
    seen: torch.Tensor,
    made: torch.Tensor,
    rules,
) -> torch.Tensor:
    """One token a row (rows,), from logits (rows, vocabulary) and a random number a row; seen,
    made: how often each token occurred.
    """
    if rules.repetition != 1 or rules.frequency != 0:
        harder = torch.where(logits > 0, logits / rules.repetition, logits * rules.repetition)
        logits = torch.where(seen > 0, harder, logits) - rules.frequency * made
    if rules.temperature not in (0, 1):
        logits = logits / rules.temperature
    weights = logits.log_softmax(1).masked_fill(~allowed, -torch.inf).softmax(1)
    if rules.temperature == 0:
        return weights.argmax(1)
    if rules.top_k is not None and rules.top_k < weights.shape[1]:
        weights = weights.masked_fill(weights < weights.topk(rules.top_k).values[:, -1:], 0)
    if rules.top_p < 1:
        falling = weights.sort(descending=True).values
        before = falling.cumsum(1) - falling
        kept = (
            (before < rules.top_p * weights.sum(1, keepdim=True)).sum(1, keepdim=True).clamp(min=1)
        )
        weights = weights.masked_fill(weights < falling.gather(1, kept - 1), 0)
    if rules.min_p > 0:
        weights = weights.masked_fill(weights < rules.min_p * weights.amax(1, keepdim=True), 0)
    mass = weights.cumsum(1)
    return torch.searchsorted(mass, uniform[:, None] * mass[:, -1:], right=True)[:, 0].clamp(
        max=weights.shape[1] - 1
    )


def generator(*counters: int | str) -> torch.Generator:
    """A generator that depends on the counters alone."""
    digest = hashlib.blake2b("/".join(map(str, counters)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


# Writing ------------------------------------------------------------------------------------------


class Reader:
    """The network and what it remembers of some texts, which are equally long."""

    def __init__(self, network, classes: list[torch.Tensor]) -> None:
        self.network, self.classes, self.taken = network, classes, CONTEXT
        self.ports = [
            port for port in MODEL["graphs"]["step"]["inputs"] if port["name"].startswith("past_")
        ]

    def read(self, texts: list[list[int]]) -> torch.Tensor:
        """Logits (rows, vocabulary) of what follows; all but the last token of the texts was read
        before, unless the context is full.
        """
        if self.taken < CONTEXT:
            new = [ids[-1:] for ids in texts]
            self.taken += 1
        else:  # begin again, with the last half of what does not fit
            self.taken = len(texts[0]) if len(texts[0]) <= CONTEXT else max(1, CONTEXT // 2)
            new = [ids[-self.taken :] for ids in texts]
            self.memory = [self.nothing(port, len(texts)) for port in self.ports]
        logits, *self.memory = self.network(torch.tensor(new), *self.memory, *self.classes)
        return logits

    def keep(self, rows: list[int]) -> None:
        """Go on with these rows only."""
        self.memory = [part[rows] for part in self.memory]
        self.classes = [part[rows] for part in self.classes]

    @staticmethod
    def nothing(port: dict, rows: int) -> torch.Tensor:
        shape = [{"rows": rows, "past": 0}.get(side, side) for side in port["shape"]]
        return torch.full(shape, BEGIN) if port["kind"] == "token" else torch.zeros(shape)


def stopped(ids: list[int], stops: list[str]) -> int | None:
    """How many tokens to keep once a stop string has appeared: those before the one in which it
    begins.
    """
    raw = b"".join(TOKENS[token] for token in ids)
    places = [place for stop in stops if stop and (place := raw.find(stop.encode())) >= 0]
    if not places:
        return None
    ends = np.cumsum([len(TOKENS[token]) for token in ids])
    return int((ends <= min(places)).sum())


@torch.inference_mode()
def write(
    network, grammar: Grammar, prompt: list[int], indices: range, classes: dict[str, int], rules
) -> list[list[int]]:
    """The new tokens of the texts with these indices."""
    ports = [port for port in MODEL["graphs"]["step"]["inputs"] if port["kind"] == "class"]
    told = [
        torch.tensor([classes.get(port["name"], index % len(port["labels"])) for index in indices])
        for port in ports
    ]
    reader, rngs = (
        Reader(network, told),
        [generator("sample", rules.seed, index) for index in indices],
    )
    texts: list[list[int]] = [[] for _ in indices]
    states = [grammar.follow(prompt)] * len(texts)
    given = torch.bincount(torch.tensor(prompt), minlength=len(TOKENS)).float()
    made = torch.zeros(len(texts), len(TOKENS))
    live = list(range(len(texts)))
    for place in range(rules.length):
        if place % DRAWN_AT_ONCE == 0:
            uniforms = torch.stack([torch.rand(DRAWN_AT_ONCE, generator=rng) for rng in rngs], 1)
        logits = reader.read([prompt + texts[row] for row in live])
        allowed = torch.stack([grammar.allowed(states[row], rules.length - place) for row in live])
        tokens = choose(
            logits,
            allowed,
            uniforms[place % DRAWN_AT_ONCE, live],
            given + made[live],
            made[live],
            rules,
        ).tolist()
        going = []
        for number, (row, token) in enumerate(zip(live, tokens, strict=True)):
            if token == END:
                continue
            texts[row].append(token)
            made[row, token] += 1
            states[row] = int(grammar.after[states[row], token])
            kept = stopped(texts[row], rules.stop) if rules.stop else None
            if kept is None:
                going.append(number)
            else:
                texts[row] = texts[row][:kept]
        if len(going) < len(live):
            reader.keep(going)
            live = [live[number] for number in going]
        if not live:
            break
    return texts


# Where it comes from: the same label and seal as Castalia's own, so `castalia verify` knows the
# file-


def digest(document: dict) -> str:
    return hashlib.sha256(
        json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    ).hexdigest()


def sealed(facts: dict, content: str) -> dict:
    """The manifest of an item: with the hash of its content, the label of GB 45438-2025 and the
    hash of all the rest.
    """
    manifest = {**facts, "content": content}
    manifest["AIGC"] = {
        "Label": "1",
        "ContentProducer": manifest.get("producer", ""),
        "ProduceID": digest(manifest)[:32],
        "ReservedCode1": f"sha256:{content}",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    manifest["seal"] = digest(manifest)
    return manifest


def chosen(given: list[str]) -> dict[str, int]:
    """["label=tang"] or ["label=0"] -> {"label": 0}."""
    known = {
        port["name"]: port["labels"]
        for port in MODEL["graphs"]["step"]["inputs"]
        if port["kind"] == "class"
    }
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        labels = known.get(name, [])
        if value in labels:
            found[name] = labels.index(value)
        elif value.isdigit() and int(value) < len(labels):
            found[name] = int(value)
        else:
            sys.exit(
                f"--cond {text}: "
                + (
                    f"one of {', '.join(labels)}"
                    if labels
                    else f"the conditions are: {', '.join(known) or 'none'}"
                )
            )
    return found


def main() -> None:
    usual = MODEL["sampling"]
    parser = argparse.ArgumentParser(description="Writes texts with the model in this folder.")
    parser.add_argument("-n", type=int, default=1, help="how many texts (default: 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--prompt", default="", help="what every text begins with; \\n is a line end"
    )
    parser.add_argument(
        "--length",
        type=int,
        default=usual["length"] or CONTEXT,
        help="most new tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=usual["temperature"],
        help="0: always the likeliest (default: %(default)s)",
    )
    parser.add_argument(
        "--top-k",
        type=int,
        default=usual["top_k"],
        help="only the k likeliest tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=usual["top_p"],
        help="the likeliest that hold this much mass (default: %(default)s)",
    )
    parser.add_argument(
        "--min-p",
        type=float,
        default=usual["min_p"],
        help="at least this share of the likeliest (default: %(default)s)",
    )
    parser.add_argument(
        "--repetition",
        type=float,
        default=usual["repetition"],
        help="above 1: what occurred becomes less likely",
    )
    parser.add_argument(
        "--frequency",
        type=float,
        default=usual["frequency"],
        help="taken off a logit for each time its token was written",
    )
    parser.add_argument(
        "--stop", action="append", help="a string that ends a text; may be given several times"
    )
    parser.add_argument(
        "--cond",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a class; without it, text i has class i mod K",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="also write files: 00000.txt, and where it comes from in 00000.json",
    )
    rules = parser.parse_args()
    if (
        rules.length < 1
        or rules.temperature < 0
        or rules.repetition <= 0
        or (rules.top_k is not None and rules.top_k < 1)
    ):
        parser.error(
            "--length and --top-k are 1 or more, --temperature is 0 or more, --repetition above 0"
        )
    if not (0 < rules.top_p <= 1 and 0 <= rules.min_p <= 1):
        parser.error("--top-p is above 0 and at most 1, --min-p from 0 to 1")
    rules.stop = [
        text.replace("\\n", "\n") for text in (usual["stop"] if rules.stop is None else rules.stop)
    ]
    sys.stdout.reconfigure(encoding="utf-8")

    ORIGIN.pop("differences", None)
    network, grammar, classes = (
        torch.export.load(HERE / "step.pt2").module(),
        Grammar(),
        chosen(rules.cond),
    )
    start = rules.prompt.replace("\\n", "\n")
    prompt = encoded(start)
    options = {name: value for name, value in vars(rules).items() if name in usual and name != "n"}
    for first in range(0, rules.n, usual["batch"]):
        indices = range(first, min(rules.n, first + usual["batch"]))
        for row, (index, ids) in enumerate(
            zip(indices, write(network, grammar, prompt, indices, classes, rules), strict=True)
        ):
            text = decoded(prompt + ids)
            print(text.rstrip(), "-" * 40, sep="\n")
            if rules.out is not None:
                rules.out.mkdir(parents=True, exist_ok=True)
                cond = dict(given.split("=", 1) for given in rules.cond)
                facts = {
                    "seed": rules.seed,
                    "index": index,
                    "row": row,
                    "rows": len(indices),
                    "cond": cond,
                    "options": options,
                }
                facts |= {"prompt": start} if start else {}
                facts["time"] = datetime.now(UTC).isoformat(timespec="seconds")
                path = rules.out / f"{index:05d}.txt"
                path.write_bytes(text.encode())
                manifest = sealed({**ORIGIN, **facts}, hashlib.sha256(text.encode()).hexdigest())
                path.with_suffix(".json").write_text(
                    json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
                )


if __name__ == "__main__":
    main()
