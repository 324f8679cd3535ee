"""Marks in content: what they survive, what they cost, and how often they are seen where none is.

    python benchmarks/watermark.py pictures DATA --photographs FOLDER --vae RUN
    python benchmarks/watermark.py texts DATA --en RUN --zh RUN
    python benchmarks/watermark.py sounds DATA

DATA is a folder with `images`, `audio` and `text`. pictures: photographs that no constant was
chosen with (cut and scaled to one size), and small ones; `--vae` is an image/vae of those of 64
pixels. texts: runs of text/ar-small, two minutes on one core each. A mark counts as found at the
bound of 1e-4 that `castalia detect` has. Every item has a key of its own.
"""

from __future__ import annotations

import argparse
import io
import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from PIL.Image import Resampling
from PIL.ImageEnhance import Brightness
from PIL.ImageFilter import GaussianBlur

from castalia import Run
from castalia.abilities import SampleOptions
from castalia.governance.watermark.carrier import Carrier, chance
from castalia.governance.watermark.key import Key
from castalia.governance.watermark.watermark import MOST_CHANCE
from castalia.modalities.audio.resample import resampled
from castalia.modalities.audio.sound import Sound
from castalia.modalities.audio.watermark import MARK as SOUND
from castalia.modalities.image.watermark import MARK as PICTURE
from castalia.modalities.text.watermark import MARK as TEXT
from castalia.modalities.text.watermark import tokens_of
from castalia.nn.counter_random import generators
from castalia.nn.decode import complete
from castalia.nn.tournament import Tournament, score
from machine import write_result

SEED = 0
NUMBER = "0123456789abcdef"


def key(number: int) -> Key:
    return Key(b"benchmark" + number.to_bytes(23, "big"))


# Pictures -----------------------------------------------------------------------------------------

Picture = PIL.Image.Image


def saved(picture: Picture, form: str, quality: int) -> Picture:
    memory = io.BytesIO()
    picture.save(memory, form, quality=quality)
    memory.seek(0)
    return PIL.Image.open(memory).convert(picture.mode)


def cut(picture: Picture, share: float, rng: random.Random) -> Picture:
    """Without `share` of each side, at a place of its own."""
    width, height = (round(side * (1 - share)) for side in picture.size)
    left, top = (rng.randint(0, a - b) for a, b in zip(picture.size, (width, height), strict=True))
    return picture.crop((left, top, left + width, top + height))


def scaled(picture: Picture, ratio: float) -> Picture:
    return picture.resize(
        (round(picture.width * ratio), round(picture.height * ratio)), Resampling.BICUBIC
    )


def noisy(picture: Picture, deviation: float, rng: random.Random) -> Picture:
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, deviation, np.shape(picture))
    return PIL.Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


Attack = Callable[[Picture, random.Random], Picture]
ATTACKS: dict[str, Attack] = {
    "none": lambda one, rng: one,
    "JPEG 70": lambda one, rng: saved(one, "JPEG", 70),
    "JPEG 40": lambda one, rng: saved(one, "JPEG", 40),
    "WebP 60": lambda one, rng: saved(one, "WEBP", 60),
    "cut 10%": lambda one, rng: cut(one, 0.1, rng),
    "cut 30%": lambda one, rng: cut(one, 0.3, rng),
    "scale 50%": lambda one, rng: scaled(one, 0.5),
    "scale 200%": lambda one, rng: scaled(one, 2),
    "brightness 80%": lambda one, rng: Brightness(one).enhance(0.8),
    "brightness 120%": lambda one, rng: Brightness(one).enhance(1.2),
    "turn 3 degrees": lambda one, rng: one.rotate(rng.choice((-3, 3)), Resampling.BICUBIC),
    "messenger (75%, JPEG 75)": lambda one, rng: saved(scaled(one, 0.75), "JPEG", 75),
    "noise 5": lambda one, rng: noisy(one, 5, rng),
    "noise 15": lambda one, rng: noisy(one, 15, rng),
    "blur 1": lambda one, rng: one.filter(GaussianBlur(1)),
    "blur 2": lambda one, rng: one.filter(GaussianBlur(2)),
    "mirror": lambda one, rng: one.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT),
    "turn 10 degrees": lambda one, rng: one.rotate(10, Resampling.BICUBIC),
}
OUTSIDE = ("cut 30%", "mirror", "turn 10 degrees")  # of the search; four pictures show that


def photographs(folder: Path, side: int, count: int) -> list[Picture]:
    """Squares of one size from places and scales of their own."""
    rng = random.Random(SEED)
    opened = [PIL.Image.open(path).convert("RGB") for path in sorted(folder.glob("*.jp*g"))]
    large = [one for one in opened if min(one.size) >= side]
    pieces = []
    for number in range(count):
        one = large[number % len(large)]
        size = rng.randint(side, min(one.size))
        left, top = rng.randint(0, one.width - size), rng.randint(0, one.height - size)
        piece = one.crop((left, top, left + size, top + size))
        pieces.append(piece.resize((side, side), Resampling.LANCZOS))
    return pieces


def folder_of(data: Path, name: str, count: int, side: int | None = None) -> list[Picture]:
    place = data / "images" / name
    files = sorted(path for path in place.rglob("*") if path.suffix in (".png", ".jpg"))
    chosen = random.Random(SEED).sample(files, min(count, len(files)))
    found = [PIL.Image.open(path).convert("RGBA").convert("RGB") for path in chosen]
    return [one if side is None else one.resize((side, side), Resampling.LANCZOS) for one in found]


def noise_ratio(plain: Picture, made: Picture) -> float:
    error = np.mean((np.asarray(plain, float) - np.asarray(made, float)) ** 2)
    return float(10 * math.log10(255**2 / error)) if error else math.inf


def pictures_row(name: str, plain: Sequence[Picture], quality: float = 40) -> dict[str, Any]:
    marked = [PICTURE.marked(one, key(number), NUMBER, quality) for number, one in enumerate(plain)]
    row: dict[str, Any] = {
        "set": name,
        "pictures": len(plain),
        "side": plain[0].width,
        "quality": quality,
        "psnr": min(map(noise_ratio, plain, marked)),
        "attacks": {},
    }
    for attack, change in ATTACKS.items():
        rng = random.Random(SEED)
        tried = marked[:4] if attack in OUTSIDE else marked
        read = [PICTURE.look(change(one, rng), key(n)) for n, one in enumerate(tried)]
        row["attacks"][attack] = {
            "found": sum(one.found for one in read) / len(read),
            "number": sum(one.mark == NUMBER for one in read) / len(read),
        }
    return row


def regenerated(run: Run, plain: Sequence[Picture], quality: float) -> dict[str, Any]:
    """Marked pictures that an autoencoder has drawn anew."""
    model, codec = run.model(), run.codec
    marked = [PICTURE.marked(one, key(n), NUMBER, quality) for n, one in enumerate(plain)]
    x = torch.stack([codec.encode(one) for one in marked]).float() / 127.5 - 1
    with torch.inference_mode():
        again = model.from_latent(model.to_latent(x, {}), {})
    drawn = [codec.decode(one) for one in again]
    ratios = [noise_ratio(a.convert(b.mode), b) for a, b in zip(drawn, marked, strict=True)]
    return {
        "pictures": len(plain),
        "quality": quality,
        "psnr": float(np.mean(ratios)),
        "found": sum(PICTURE.look(one, key(n)).found for n, one in enumerate(drawn)) / len(drawn),
    }


def bound(picture: Picture, keys: int) -> dict[str, Any]:
    """One picture under many keys, at one alignment: how often chances are below what they say."""
    values = np.asarray(picture.convert("L").resize((64, 64)), float)
    chances = []
    for number in range(keys):
        carrier = Carrier(key(number).secret, (64, 64), (3, 24))
        chances.append(chance(carrier.find(carrier.spectrum(values)).z, 64 * 64))
    return {
        "keys": keys,
        **{f"at most {level:g}": float(np.mean(np.array(chances) <= level)) for level in (1, 0.1)},
        "least": min(chances),
    }


def pictures(data: Path, folder: Path | None, vae: Path | None) -> None:
    rows = []
    if folder is not None:
        for side, count in ((512, 6), (256, 12), (160, 6)):
            rows.append(pictures_row("photographs", photographs(folder, side, count)))
            print(side, rows[-1]["attacks"])
    else:
        print("no --photographs: only small pictures are measured")
    for name, side, quality in (
        ("faces_london", None, 40),
        ("blood_cells", None, 40),
        ("twemoji64", None, 40),
        ("twemoji64", None, 36),
        ("blood_cells", 48, 40),
        ("blood_cells", 32, 40),
    ):
        found = folder_of(data, name, 20, side)
        rows.append(pictures_row(name, found, quality))
        print(rows[-1]["set"], rows[-1]["side"], rows[-1]["attacks"]["none"])
    clean = [
        PICTURE.look(one, key(number))
        for name in ("faces_congress_gray", "blood_cells", "twemoji64", "omniglot_small")
        for number, one in enumerate(folder_of(data, name, 200, 64))
    ]
    clean += [
        PICTURE.look(one, key(number))
        for number, one in enumerate(photographs(folder, 256, 12) if folder else [])
    ]
    results = {
        "rows": rows,
        "clean": {
            "pictures": len(clean),
            "found": sum(one.found for one in clean),
            "least": min(one.chance or 1 for one in clean),
        },
        "bound": bound(folder_of(data, "blood_cells", 1)[0], 1000),
    }
    if vae is not None:
        faces = folder_of(data, "faces_congress_gray", 40)
        results["regenerated"] = regenerated(Run.open(vae), faces, 40)
    write_result("watermark_pictures", results, seeds=[SEED])


# Texts --------------------------------------------------------------------------------------------

LENGTHS = (25, 50, 100, 200, 400)
REPLACED = (0.1, 0.2, 0.3, 0.5)
TEXTS = 48
REAL = {
    "en": ("wikitext2_valid/valid.txt", "state_of_the_union/2006-GWBush.txt"),
    "zh": ("tang_poems_zh/poems.txt", "advertisegen_zh/ads.jsonl"),
}


def coin(codec: Any, number: int) -> Tournament:
    found = TEXT.sampler(key(number), "weights", codec)
    assert found is not None
    return found


def written(run: Run, marked: bool) -> Iterator[tuple[list[int], float]]:
    """Tokens of texts, none of which ends early, and their nats under the model."""
    model, codec, spec = run.model(), run.codec, run.spec
    banned = () if spec.end is None else (spec.end,)
    options = SampleOptions(length=max(LENGTHS))
    for number in range(TEXTS):
        mark = coin(codec, number) if marked else None
        (done,) = complete(
            model,
            [torch.tensor([spec.begin])],
            generators(SEED, number, 1),
            options,
            spec=spec,
            banned=banned,
            mark=mark,
        )
        yield done.tokens, done.nats / len(done.tokens)


def replaced(tokens: list[int], codec: Any, share: float, rng: random.Random) -> list[int]:
    """Words (of Chinese, characters) replaced by others of the same texts, then encoded anew."""
    text = str(codec.decode(torch.tensor([codec.spec.begin, *tokens])))
    blank = " " if " " in text else ""
    words = text.split(" ") if blank else list(text)
    changed = [rng.choice(words) if rng.random() < share else word for word in words]
    return tokens_of(codec, blank.join(changed))


def found_share(scores: Sequence[float]) -> float:
    return float(np.mean([chance(z, 1) <= MOST_CHANCE for z in scores]))


def calibration(codec: Any, data: Path, language: str) -> dict[str, Any]:
    """Stretches of 200 tokens of real texts, each with a key of its own."""
    scores: list[float] = []
    for name in REAL[language]:
        tokens = tokens_of(codec, (data / "text" / name).read_text("utf-8")[:400_000])
        for first in range(0, min(len(tokens) - 200, 200_000), 200):
            scores.append(score(coin(codec, len(scores)), tokens[first : first + 200])[0])
    tails = [math.erfc(z / math.sqrt(2)) / 2 for z in scores]
    return {
        "stretches": len(scores),
        "z mean": float(np.mean(scores)),
        "z deviation": float(np.std(scores)),
        "z largest": max(scores),
        "normal": {f"{p:g}": float(np.mean(np.array(tails) <= p)) for p in (0.05, 0.01, 0.001)},
        "bound": {
            f"{p:g}": float(np.mean([chance(z, 1) <= p for z in scores]))
            for p in (0.05, 0.01, 0.001)
        },
        "found": sum(chance(z, 1) <= MOST_CHANCE for z in scores),
    }


def texts_row(run: Run, data: Path, language: str) -> dict[str, Any]:
    codec = run.codec
    plain = [nats for _, nats in written(run, marked=False)]
    made = list(written(run, marked=True))
    marks = [coin(codec, number) for number in range(TEXTS)]
    by_length = {}
    for length in LENGTHS:
        scores = [
            score(mark, tokens[:length])[0] for mark, (tokens, _) in zip(marks, made, strict=True)
        ]
        by_length[length] = {"z": float(np.median(scores)), "found": found_share(scores)}
    rng, changed = random.Random(SEED), {}
    for share in REPLACED:
        scores = [
            score(mark, replaced(tokens[:200], codec, share, rng))[0]
            for mark, (tokens, _) in zip(marks, made, strict=True)
        ]
        changed[f"{share:.0%}"] = {"z": float(np.median(scores)), "found": found_share(scores)}
    costs = np.array([nats for _, nats in made]) - np.array(plain)
    return {
        "language": language,
        "texts": TEXTS,
        "vocabulary": codec.spec.vocab,
        "context": marks[0].context,
        "nats": float(np.mean(plain)),
        "cost": float(costs.mean()),
        "cost_error": float(costs.std(ddof=1) / math.sqrt(TEXTS)),
        "length": by_length,
        "replaced at 200": changed,
        "real": calibration(codec, data, language),
    }


def texts(data: Path, runs: dict[str, Path]) -> None:
    rows = [texts_row(Run.open(path), data, language) for language, path in runs.items()]
    write_result("watermark_texts", rows, seeds=[SEED])


# Sounds -------------------------------------------------------------------------------------------


def mp3(sound: Sound) -> Sound:
    """At 128 kbit/s and 44,100 samples a second, as people have it."""
    import soundfile

    memory, rate = io.BytesIO(), 44_100
    samples = resampled(sound.samples, sound.rate, rate)
    # libsndfile: 320 kbit/s less this share of 288
    level = {"bitrate_mode": "CONSTANT", "compression_level": 2 / 3}
    soundfile.write(memory, samples, rate, format="MP3", **level)
    memory.seek(0)
    return Sound(soundfile.read(memory, dtype="float32")[0], rate)


def with_noise(sound: Sound, ratio: float) -> Sound:
    loud = math.sqrt(float(np.mean(sound.samples**2))) * 10 ** (-ratio / 20)
    noise = np.random.default_rng(SEED).normal(0, loud, len(sound.samples))
    return Sound((sound.samples + noise).astype(np.float32), sound.rate)


def faster(sound: Sound, ratio: float) -> Sound:
    return Sound(resampled(sound.samples, round(1000 * ratio), 1000), sound.rate)


SOUNDS: dict[str, Callable[[Sound], Sound]] = {
    "none": lambda one: one,
    "MP3 128 kbit/s": mp3,
    "resampled to 11,025 Hz": lambda one: Sound(resampled(one.samples, one.rate, 11_025), 11_025),
    "noise at 20 dB": lambda one: with_noise(one, 20),
    "noise at 10 dB": lambda one: with_noise(one, 10),
    "10% cut from each end": lambda one: one.part(
        len(one.samples) // 10, len(one.samples) * 9 // 10
    ),
    "half as loud": lambda one: Sound(one.samples / 2, one.rate),
    "1% faster": lambda one: faster(one, 1.01),
}


def recordings(data: Path, name: str, seconds: float | None) -> list[Sound]:
    """Sounds of a folder as they are, or one after another, cut into pieces."""
    from castalia.modalities.audio.files import read

    found = [read(path) for path in sorted((data / "audio" / name).rglob("*.wav"))]
    if seconds is None:
        return [one for one in found if not SOUND.trouble(one)][:40]
    rate = found[0].rate
    whole = np.concatenate([one.samples for one in found if one.rate == rate])
    size = round(seconds * rate)
    return [
        Sound(whole[first : first + size], rate) for first in range(0, len(whole) - size, size)
    ][:16]


def sounds(data: Path) -> None:
    rows = []
    for name, seconds in (
        ("spoken_digits", None),
        ("drum_oneshots", None),
        ("mandarin_syllables", None),
        ("phone_prompts_en", None),
        ("mandarin_syllables", 5.0),
        ("phone_prompts_en", 10.0),
    ):
        plain = recordings(data, name, seconds)
        made = [SOUND.marked(one, key(n), NUMBER, 40) for n, one in enumerate(plain)]
        ratios = [
            10 * math.log10(np.mean(a.samples**2) / np.mean((a.samples - b.samples) ** 2))
            for a, b in zip(plain, made, strict=True)
        ]
        row = {
            "set": name,
            "sounds": len(plain),
            "seconds": float(np.median([one.seconds for one in plain])),
            "ratio": min(ratios),
            "clean": sum(SOUND.look(one, key(n)).found for n, one in enumerate(plain)),
            "attacks": {},
        }
        for attack, change in SOUNDS.items():
            read = [SOUND.look(change(one), key(n)) for n, one in enumerate(made)]
            row["attacks"][attack] = {
                "found": sum(one.found for one in read) / len(read),
                "number": sum(one.mark == NUMBER for one in read) / len(read),
            }
        rows.append(row)
        print(row["set"], row["seconds"], row["attacks"])
    write_result("watermark_sounds", rows, seeds=[SEED])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("pictures", "texts", "sounds"))
    parser.add_argument("data", type=Path)
    for name in ("photographs", "vae", "en", "zh"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.part == "pictures":
        pictures(given.data, given.photographs, given.vae)
    elif given.part == "texts":
        texts(
            given.data,
            {name: path for name in ("en", "zh") if (path := getattr(given, name)) is not None},
        )
    else:
        sounds(given.data)


if __name__ == "__main__":
    main()
