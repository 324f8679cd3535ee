"""Words to pictures on a made set: coloured shapes of two sizes at places, some compositions never
shown in training. What is asked for is checked by looking at the pixels, not by a network.

    python benchmarks/composed_shapes.py [--minutes 4] [--seeds 0 1 2] [--guidance 2]
                                         [--times uniform logit-normal]

Each picture has an English and a Chinese caption ("a large red circle, left", "左边的大红圆"), and
a model learns both. Judged on compositions of colour and shape that training never had: colour,
shape, size and place read off the drawn picture by exact rules, in percent of all that were asked
for; the rules are right on all pictures that the set itself draws. Chance is printed beside it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw

from machine import write_result

SIDE = 32
COLOURS = {  # English, Chinese, RGB
    "red": ("红", (220, 40, 40)),
    "green": ("绿", (40, 170, 60)),
    "blue": ("蓝", (50, 80, 220)),
    "yellow": ("黄", (230, 200, 40)),
    "purple": ("紫", (150, 60, 180)),
}
SHAPES = {"circle": "圆", "square": "方块", "triangle": "三角", "cross": "十字"}
SIZES = {"small": ("小", 4.5), "large": ("大", 8.0)}
PLACES = {
    "left": ("左边", (10, 16)),
    "right": ("右边", (22, 16)),
    "top": ("上面", (16, 10)),
    "bottom": ("下面", (16, 22)),
}
UNSEEN = [("red", "triangle"), ("blue", "circle"), ("yellow", "cross"), ("green", "square")]
Thing = tuple[str, str, str, str]  # colour, shape, size, place


def things() -> list[Thing]:
    return list(itertools.product(COLOURS, SHAPES, SIZES, PLACES))


def drawn(thing: Thing, rng: random.Random) -> Image.Image:
    """32 x 32, four times larger and reduced, on a light ground; shaken by a pixel."""
    colour, shape, size, place = thing
    scale = 4
    ground = rng.randint(225, 255)
    picture = Image.new("RGB", (SIDE * scale, SIDE * scale), (ground,) * 3)
    pen = ImageDraw.Draw(picture)
    x, y = (scale * (one + rng.uniform(-1, 1)) for one in PLACES[place][1])
    r = scale * SIZES[size][1] * rng.uniform(0.92, 1.08)
    fill = tuple(int(np.clip(one + rng.uniform(-15, 15), 0, 255)) for one in COLOURS[colour][1])
    if shape == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif shape == "square":
        s = 0.89 * r
        pen.rectangle((x - s, y - s, x + s, y + s), fill=fill)
    elif shape == "triangle":
        s = 1.35 * r
        pen.polygon(
            [(x, y - 0.75 * s), (x - 0.75 * s, y + 0.6 * s), (x + 0.75 * s, y + 0.6 * s)], fill=fill
        )
    else:
        s = 1.1 * r
        w = 0.33 * r
        pen.rectangle((x - s, y - w, x + s, y + w), fill=fill)
        pen.rectangle((x - w, y - s, x + w, y + s), fill=fill)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def captions(thing: Thing) -> tuple[str, str]:
    colour, shape, size, place = thing
    return (
        f"a {size} {colour} {shape}, {place}",
        f"{PLACES[place][0]}的{SIZES[size][0]}{COLOURS[colour][0]}{SHAPES[shape]}",
    )


def read(picture: Image.Image) -> dict[str, str]:
    """Colour, shape, size and place of the one thing on a picture, by rules."""
    pixels = np.asarray(picture.convert("RGB"), dtype=float)
    saturation = pixels.max(2) - pixels.min(2)
    mask = saturation > 60
    if mask.sum() < 8:
        return {}
    inner = saturation >= np.quantile(saturation[mask], 0.4)
    mean = pixels[mask & inner].mean(0)
    hue = mean - mean.mean()
    colour = max(
        COLOURS,
        key=lambda name: _cosine(hue, np.subtract(COLOURS[name][1], np.mean(COLOURS[name][1]))),
    )
    rows, columns = np.nonzero(mask)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    box = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(float)
    shape = max(SHAPES, key=lambda name: _likeness(box, name))
    centre = np.array(
        [(columns.min() + columns.max()) / 2 + 0.5, (rows.min() + rows.max()) / 2 + 0.5]
    )
    place = min(PLACES, key=lambda name: float(((centre - PLACES[name][1]) ** 2).sum()))
    size = "large" if max(height, width) > 13.2 else "small"
    return {"colour": colour, "shape": shape, "size": size, "place": place}


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-9))


def _likeness(box: np.ndarray, shape: str) -> float:
    """Overlap (intersection over union) of a mask with the shape that fills its box."""
    height, width = box.shape
    y, x = np.mgrid[0:height, 0:width] + 0.5
    u, v = 2 * x / width - 1, 2 * y / height - 1
    ideal = {
        "circle": u**2 + v**2 <= 1,
        "square": np.ones_like(box, dtype=bool),
        "triangle": np.abs(u) <= (v + 1) / 2,
        "cross": (np.abs(u) <= 0.4) | (np.abs(v) <= 0.4),
    }[shape]
    got = box > 0
    return float((ideal & got).sum() / max(1, (ideal | got).sum()))


def write(folder: Path, each: int = 20, seed: int = 0) -> None:
    """`each` pictures of every composition but the unseen ones, and captions.jsonl."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, thing in enumerate([one for one in things() if one[:2] not in UNSEEN] * each):
        name = f"{number:05d}.png"
        drawn(thing, rng).save(folder / name)
        english, chinese = captions(thing)
        lines.append(json.dumps({"file": name, "en": english, "zh": chinese}, ensure_ascii=False))
    (folder / "captions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def asked() -> list[Thing]:
    return [one for one in things() if one[:2] in UNSEEN]


def hits(thing: Thing, picture: Image.Image) -> dict[str, bool]:
    found = read(picture)
    names = ("colour", "shape", "size", "place")
    return {name: found.get(name) == value for name, value in zip(names, thing, strict=True)}


def rules_are_right() -> float:
    """Share of drawn things whose four attributes the rules read correctly."""
    rng = random.Random(1)
    every = [one for one in things() for _ in range(4)]
    return float(np.mean([all(hits(one, drawn(one, rng)).values()) for one in every]))


def measure(
    minutes: float, seed: int, guidance: float, times: str, each: int = 2
) -> dict[str, object]:
    import castalia
    from castalia.abilities import SampleOptions

    with TemporaryDirectory() as place:
        folder = Path(place)
        write(folder / "data")
        run = castalia.train(
            "image/flow-words",
            folder / "data",
            {
                "data.caption": ["en", "zh"],
                "training.minutes": minutes,
                "training.seed": seed,
                "family.times": times,
            },
            out=folder / "run",
        )
        rows = []
        for language in (0, 1):
            for thing in asked():
                made = castalia.sample(
                    run,
                    each,
                    seed,
                    {"caption": captions(thing)[language]},
                    SampleOptions(guidance=guidance),
                )
                rows += [(language, hits(thing, one.item)) for one in made]
        return {
            "steps": run.last_step,
            **{
                f"{name}_{key}": float(
                    np.mean([hit[key] for kind, hit in rows if kind == language])
                )
                for language, name in enumerate(("en", "zh"))
                for key in ("colour", "shape", "size", "place")
            },
            **{
                f"{name}_all": float(
                    np.mean([all(hit.values()) for kind, hit in rows if kind == language])
                )
                for language, name in enumerate(("en", "zh"))
            },
        }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=4)
    words.add_argument("--seeds", type=int, nargs="+", default=[0])
    words.add_argument("--guidance", type=float, default=2.0)
    words.add_argument("--times", nargs="+", default=["uniform", "logit-normal"])
    given = words.parse_args()
    rows: list[dict[str, object]] = []
    for seed, times in itertools.product(given.seeds, given.times):
        measured = measure(given.minutes, seed, given.guidance, times)
        rows.append({"seed": seed, "times": times, **measured})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    results = {
        "minutes": given.minutes,
        "guidance": given.guidance,
        "rules": round(rules_are_right(), 4),
        "chance": {"colour": 1 / 5, "shape": 1 / 4, "size": 1 / 2, "place": 1 / 4, "all": 1 / 160},
        "rows": rows,
    }
    write_result("composed_shapes", results, seeds=given.seeds)


if __name__ == "__main__":
    main()
