"""Draws pictures or arrays from the model in this folder. Needs torch, numpy and pillow; Castalia
is not needed.

    python run.py -n 4 --seed 0 --out drawn
    python run.py -n 4 --cond label=3 --temperature 0.8

Sample i of seed s is always the same, however many are drawn, and it is the one that `castalia
sample` draws: the noise is the same, the network is the same, and only the last bit of a number may
differ. model.json says what goes into the network, codec.json how its numbers become an item,
castalia.json where the model comes from; each file that is written carries the last one inside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

HERE = Path(__file__).resolve().parent


# Noise: a function of counters --------------------------------------------------------------------


def generator(*counters: int | str) -> torch.Generator:
    """A generator that depends on the counters alone."""
    digest = hashlib.blake2b("/".join(map(str, counters)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def noise(kind: str, shape: list[int], rng: torch.Generator) -> torch.Tensor:
    if kind == "normal":
        return torch.randn(shape, generator=rng)
    uniform = torch.rand(shape, generator=rng)
    if kind == "logistic":
        return uniform.clamp(1e-6, 1 - 1e-6).logit()
    if kind == "gumbel":
        return -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
    return uniform


# The network --------------------------------------------------------------------------------------


def inputs(
    ports: list[dict], indices: range, seed: int, classes: dict[str, int], temperature: float
) -> list[torch.Tensor]:
    """What the network is given for the samples with these indices: noise, scaled by the
    temperature, and classes.
    """
    rngs = [generator("sample", seed, index) for index in indices]
    found = []
    for port in ports:
        if port["kind"] == "class":
            many = len(port["labels"])
            found.append(
                torch.tensor([classes.get(port["name"], index % many) for index in indices])
            )
            continue
        drawn = torch.stack([noise(port["kind"], port["shape"][1:], rng) for rng in rngs])
        found.append(drawn if port["kind"] == "uniform" else drawn * temperature)
    return found


def samples(count: int, seed: int, classes: dict[str, int], temperature: float):
    """(index, row, rows, tensor) of each sample; `rows` are computed together, as many at a time as
    Castalia does.
    """
    model = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
    network = torch.export.load(HERE / "sample.pt2").module()
    for first in range(0, count, model["sampling"]["batch"]):
        indices = range(first, min(count, first + model["sampling"]["batch"]))
        with torch.inference_mode():
            (x,) = network(
                *inputs(model["graphs"]["sample"]["inputs"], indices, seed, classes, temperature)
            )
        for row, index in enumerate(indices):
            yield index, row, len(indices), x[row]


# Where it comes from: the same label and seal as Castalia's own, so `castalia verify` knows the fil


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


# Items and files ----------------------------------------------------------------------------------


def picture(x: torch.Tensor) -> Image.Image:
    """(1 or 3, height, width) in [-1, 1]."""
    levels = (
        torch.nan_to_num(x, nan=0.0)
        .clamp(-1, 1)
        .add(1)
        .mul(127.5)
        .round()
        .to(torch.uint8)
        .permute(1, 2, 0)
        .numpy()
    )
    return Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)


def array(x: torch.Tensor, codec: dict) -> np.ndarray:
    """From zero mean and unit deviation back to the data's units."""
    largest = 3e38
    values = torch.nan_to_num(x.double(), nan=0.0, posinf=largest, neginf=-largest)
    mean, deviation = (
        torch.tensor(codec[name], dtype=torch.float32) for name in ("mean", "deviation")
    )
    return (values * deviation + mean).clamp(-largest, largest).float().numpy()


def save(x: torch.Tensor, codec: dict, path: Path, facts: dict) -> Path:
    """A PNG file, or an .npz file with the array as x; the manifest inside it, and in a picture the
    label for other programs (XMP).
    """
    if codec["kind"] == "image":
        item, chunks, path = picture(x), PngInfo(), path.with_suffix(".png")
        head = f"{item.mode} {item.width}x{item.height}\n"
        manifest = sealed(facts, hashlib.sha256(head.encode() + item.tobytes()).hexdigest())
        label = quoteattr(json.dumps(manifest["AIGC"], ensure_ascii=False))
        chunks.add_text("castalia", json.dumps(manifest, sort_keys=True))
        chunks.add_itxt(
            "XML:com.adobe.xmp",
            (HERE / "label.xmp").read_text(encoding="utf-8").replace("@AIGC@", label),
        )
        item.save(path, pnginfo=chunks)
    else:
        values, path = array(x, codec), path.with_suffix(".npz")
        values = values[None] if codec["rows"] else values
        head = f"{values.dtype.str} {values.shape}\n"
        manifest = sealed(
            facts,
            hashlib.sha256(head.encode() + np.ascontiguousarray(values).tobytes()).hexdigest(),
        )
        np.savez(path, x=values, manifest=np.array(json.dumps(manifest, sort_keys=True)))
    return path


def chosen(given: list[str], ports: list[dict]) -> dict[str, int]:
    """["label=shirt"] or ["label=6"] -> {"label": 6}."""
    known = {port["name"]: port["labels"] for port in ports if port["kind"] == "class"}
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
    parser = argparse.ArgumentParser(description="Draws from the model in this folder.")
    parser.add_argument("-n", type=int, default=4, help="how many (default: 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cond",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a class; without it, sample i has class i mod K",
    )
    parser.add_argument(
        "--temperature", type=float, help="scale of the noise; below 1 safer, above 1 wilder"
    )
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR")
    given = parser.parse_args()

    model, codec, origin = (
        json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("model", "codec", "castalia")
    )
    origin.pop("differences", None)  # of the export, not of a sample
    ports = model["graphs"]["sample"]["inputs"]
    temperature = (
        model["sampling"]["temperature"] if given.temperature is None else given.temperature
    )
    if temperature != 1 and any(port["kind"] == "uniform" for port in ports):
        sys.exit(
            "--temperature: this model draws by uniform noise, which has no scale; leave it out"
        )
    given.out.mkdir(parents=True, exist_ok=True)
    for index, row, rows, x in samples(given.n, given.seed, chosen(given.cond, ports), temperature):
        cond = dict(text.split("=", 1) for text in given.cond)
        facts = {
            "seed": given.seed,
            "index": index,
            "row": row,
            "rows": rows,
            "cond": cond,
            "options": {"temperature": temperature},
        }
        facts["time"] = datetime.now(UTC).isoformat(timespec="seconds")
        print(save(x, codec, given.out / f"{index:05d}", {**origin, **facts}))


if __name__ == "__main__":
    main()
