"""Writes a text with step.onnx, always the likeliest token. Needs onnxruntime and numpy; neither
torch nor Castalia.

    python run.py --prompt "Once upon" --length 100

The text is the one that `castalia sample --temperature 0` writes. A prompt for a model with a
tokenizer.json also needs `tokenizers`.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
MODEL, CODEC = (
    json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")) for name in ("model", "codec")
)
# what each of them writes
TOKENS = [token.encode() if isinstance(token, str) else bytes(token) for token in CODEC["tokens"]]
BEGIN, END, CONTEXT, NEVER = CODEC["begin"], CODEC["end"], CODEC["length"], 255


def encoded(text: str) -> list[int]:
    """Token numbers: by the tokenizer, or character by character, bytes where a character has no
    token.
    """
    if (HERE / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
        tokenizer.encode_special_tokens = True
        return [BEGIN, *tokenizer.encode(text, add_special_tokens=False).ids]
    number = {token: place for place, token in enumerate(TOKENS) if token}
    parts = []
    for character in text:
        whole = character.encode()
        parts += [whole] if whole in number else [bytes([byte]) for byte in whole]
    if any(part not in number for part in parts):
        sys.exit("--prompt: there is a character that the model does not know")
    return [BEGIN, *(number[part] for part in parts)]


def read(
    session: onnxruntime.InferenceSession, ids: list[int], memory: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits (vocabulary,) of what follows some new tokens, and the memory with them in it."""
    given = {"tokens": np.array([ids], np.int64)}
    for port in MODEL["graphs"]["step"]["inputs"]:
        if port["name"] in memory:
            given[port["name"]] = memory[port["name"]]
        elif port["kind"] == "class":
            given[port["name"]] = np.zeros(1, np.int64)
        elif port["name"] != "tokens":  # nothing was read yet
            shape = [{"rows": 1, "past": 0}.get(side, side) for side in port["shape"]]
            given[port["name"]] = (
                np.full(shape, BEGIN, np.int64)
                if port["kind"] == "token"
                else np.zeros(shape, np.float32)
            )
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, given), strict=True))
    return found.pop("logits")[0], {
        name.replace("present_", "past_"): part for name, part in found.items()
    }


def write(session: onnxruntime.InferenceSession, prompt: list[int], length: int) -> list[int]:
    """At most `length` new tokens. grammar.npz says what may follow, so that characters
    stay whole.
    """
    tables = np.load(HERE / "grammar.npz", allow_pickle=False)
    after, costs = tables["after"], tables["costs"].astype(np.int64)
    state = 0
    for token in prompt:
        state = after[state, token] if costs[state, token] < NEVER else 0
    ids, taken, memory = list(prompt), CONTEXT, {}
    while len(ids) < len(prompt) + length:
        if taken < CONTEXT:
            new, taken = ids[-1:], taken + 1
        else:  # begin, or begin again with the last half of what does not fit
            taken, memory = len(ids) if len(ids) <= CONTEXT else max(1, CONTEXT // 2), {}
            new = ids[-taken:]
        logits, memory = read(session, new, memory)
        left = len(prompt) + length - len(ids)
        allowed = costs[state] < NEVER
        timely = allowed & (costs[state] <= left)
        token = int(np.where(timely if timely.any() else allowed, logits, -np.inf).argmax())
        if token == END:
            break
        ids.append(token)
        state = after[state, token]
    return ids


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a text with step.onnx.")
    parser.add_argument("--prompt", default="")
    parser.add_argument(
        "--length", type=int, default=CONTEXT, help="most new tokens (default: %(default)s)"
    )
    given = parser.parse_args()
    sys.stdout.reconfigure(encoding="utf-8")
    session = onnxruntime.InferenceSession(HERE / "step.onnx", providers=["CPUExecutionProvider"])
    ids = write(session, encoded(given.prompt), given.length)
    print(
        b"".join(TOKENS[token] for token in ids)
        .removeprefix(CODEC["lead"].encode())
        .decode(errors="ignore")
    )


if __name__ == "__main__":
    main()
