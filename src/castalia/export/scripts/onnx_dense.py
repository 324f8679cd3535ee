"""Draws pictures or arrays with sample.onnx. Needs onnxruntime and numpy, and pillow for pictures;
neither torch nor Castalia.

    python run.py -n 4 --seed 0 --out drawn

The noise is numpy's, so a seed gives other samples here than in Castalia; fed with equal noise,
both give equal samples.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
MODEL, CODEC = (
    json.loads((HERE / f"{name}.json").read_text(encoding="utf-8")) for name in ("model", "codec")
)


def noise(kind: str, shape: list[int], rng: np.random.Generator) -> np.ndarray:
    """normal, logistic, gumbel (a temperature would scale these) or uniform."""
    draw = {
        "normal": rng.standard_normal,
        "logistic": rng.logistic,
        "gumbel": rng.gumbel,
        "uniform": rng.random,
    }[kind]
    return draw(size=shape).astype(np.float32)


def inputs(rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What the network is given: noise, and the classes by turns."""
    found = {}
    for port in MODEL["graphs"]["sample"]["inputs"]:
        if port["kind"] == "class":
            found[port["name"]] = np.arange(rows, dtype=np.int64) % len(port["labels"])
        else:
            found[port["name"]] = noise(port["kind"], [rows, *port["shape"][1:]], rng)
    return found


def save(x: np.ndarray, path: Path) -> Path:
    if CODEC["kind"] == "image":
        from PIL import Image

        levels = np.rint((np.clip(x, -1, 1) + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)
        path = path.with_suffix(".png")
        Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels).save(path)
    else:
        path = path.with_suffix(".npy")
        item = (x * np.array(CODEC["deviation"]) + np.array(CODEC["mean"])).astype(np.float32)
        np.save(path, item[None] if CODEC["rows"] else item)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws from sample.onnx.")
    parser.add_argument("-n", type=int, default=4, help="how many (default: 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    session = onnxruntime.InferenceSession(HERE / "sample.onnx", providers=["CPUExecutionProvider"])
    (samples,) = session.run(["data"], inputs(given.n, np.random.default_rng(given.seed)))
    for index, x in enumerate(samples):
        print(save(x, given.out / f"{index:05d}"))


if __name__ == "__main__":
    main()
