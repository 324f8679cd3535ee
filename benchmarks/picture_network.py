"""Train castalia-net64: one frozen colour network from the pictures of free software.

    python benchmarks/picture_network.py collect --out PICTURES      (Debian 12, 20 minutes)
    python benchmarks/picture_network.py train --pictures PICTURES --out DIR   (45 minutes, 2 cores)

`collect` downloads the PACKAGES of Debian's main section (free by the Debian Free Software
Guidelines; each package's copyright file is kept beside its crops), and cuts every picture of
64 pixels or more into crops of 96 x 96: its middle, and more of them the larger it is. Crops
without contrast and crops that look alike are left out.

`train` takes two crops of 64 x 64 of each picture, the second damaged in three of four cases, and
asks two questions of the same layers: which crops belong together (Chen et al. 2020, SimCLR,
arXiv 2002.05709, equation 1), and which damage a crop has and how much. A tenth of the pictures is
held out, and only used for the accuracies in the JSON file that is written beside the weights.

None of the data sets that Castalia ships or is measured on is used. The shipped file was made once
and is frozen by hash; running this again gives another network, which needs a new name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from benchmarks.machine import write_result
from benchmarks.picture_damage import TAUGHT, damaged, uniform
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.modalities.image.metrics.net64 import (
    CONTENT,
    DIMENSION,
    NAME,
    NECK,
    QUALITY,
    SIDE,
    STAGES,
    UNITS,
    WIDTHS,
    Net64,
    mean_and_deviation,
)

PACKAGES = (
    "tuxpaint-stamps-default",
    "gnome-backgrounds",
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "mate-backgrounds",
    "plasma-workspace-wallpapers",
    "sway-backgrounds",
    "ukui-wallpapers",
    "gcompris-qt-data",
    "sweethome3d-furniture",
    "wesnoth-1.16-data",
    "stellarium-data",
    "hedgewars-data",
    "warzone2100-data",
    "endless-sky-data",
    "megaglest-data",
    "openarena-data",
    "gimp-help-en",
    "freeorion-data",
    "trigger-rally-data",
    "extremetuxracer-data",
    "lincity-ng-data",
    "torcs-data",
    "widelands-data",
    "naev-data",
)
CROP = 96
FILES, CROPS = 4000, 24  # at most, of a package and of a picture
ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".tga", ".bmp"}
ARCHIVES = {".wz", ".pk3", ".zip", ".sh3f"}
# first bytes of pictures within Qt's resource files
MAGIC = ((b"\x89PNG\r\n\x1a\n", ".png"), (b"\xff\xd8\xff", ".jpg"), (b"RIFF", ".webp"))

BATCH, STEPS, RATE = 96, 3600, 2e-3
DAMAGED = 0.75
GREY, INVERTED = 0.25, 0.05
TEMPERATURE = 0.15
AMOUNT = 0.5  # weight of the amount of damage beside its name


def collect(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if (out / f"{package}.npz").exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            crops, owners, version = crops_of_package(package, Path(folder), out)
        if crops:
            partial = out / f"{package}.partial.npz"
            np.savez(partial, x=np.stack(crops), group=np.array(owners), version=version)
            partial.rename(out / f"{package}.npz")
        print(f"{version}: {len(set(owners))} pictures, {len(crops)} crops", flush=True)


def crops_of_package(
    package: str, folder: Path, out: Path
) -> tuple[list[np.ndarray], list[int], str]:
    subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder / "content"], check=True)
    archive.unlink()
    for text in folder.glob("content/usr/share/doc/*/copyright"):
        (out / f"{package}.copyright").write_bytes(text.read_bytes())
    unpack(folder)
    rng = np.random.default_rng(0)
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file() and not path.is_symlink()
    )
    if len(files) > FILES:
        files = [files[i] for i in sorted(rng.permutation(len(files))[:FILES])]
    seen: set[bytes] = set()
    crops, owners = [], []
    for number, path in enumerate(files):
        try:
            image = opened(path, rng)
        except (OSError, ValueError, SyntaxError):  # what Pillow raises of broken pictures
            continue
        for crop in crops_of(image, rng):
            small = Image.fromarray(crop).resize((8, 8), Image.Resampling.BOX)
            look = (np.asarray(small) // 24).tobytes()
            if crop.std() >= 12 and look not in seen:
                seen.add(look)
                crops.append(crop)
                owners.append(number)
    return crops, owners, archive.name


def unpack(folder: Path) -> None:
    """Archives, and pictures within resource files, beside them."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in ARCHIVES and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(path.with_name(path.name + ".content"))
        elif path.suffix == ".rcc":
            content = path.read_bytes()
            for magic, ending in MAGIC:
                start = content.find(magic)
                while start >= 0:
                    target = path.with_name(f"{path.name}.{start:012d}{ending}")
                    target.write_bytes(content[start : start + 3_000_000])
                    start = content.find(magic, start + len(magic))


def opened(path: Path, rng: np.random.Generator) -> Image.Image:
    with Image.open(path) as image:
        if image.format == "JPEG":
            image.draft("RGB", (1600, 1600))
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            ground = (int(rng.choice([255, 255, 0, 128])),) * 3 + (255,)
            image = Image.alpha_composite(Image.new("RGBA", image.size, ground), image)
        image = image.convert("RGB")
    image.thumbnail((2400, 2400), Image.Resampling.BILINEAR, reducing_gap=2)
    return image


def crops_of(image: Image.Image, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """uint8 (96, 96, 3): the middle, and random squares, one for each 60,000 pixels."""
    width, height = image.size
    short = min(width, height)
    if short < SIDE or max(width, height) > 6 * short:
        return
    squares = [((width - short) / 2, (height - short) / 2, short)]
    for _ in range(0 if short < 200 else min(CROPS, width * height // 60_000 + 1)):
        size = float(np.exp(rng.uniform(np.log(max(CROP, short / 6)), np.log(short))))
        squares.append((rng.uniform(0, width - size), rng.uniform(0, height - size), size))
    for left, top, size in squares:
        how = Image.Resampling.LANCZOS if size > CROP else Image.Resampling.BICUBIC
        box = (left, top, left + size, top + size)
        yield np.asarray(image.resize((CROP, CROP), how, box=box, reducing_gap=3))


class Trained(nn.Module):
    """Net64 with batch norm after each layer, and the heads. `folded` gives the network
    that ships.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride, 1, bias=False) for i, o, stride in WIDTHS
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _ in WIDTHS)
        self.neck = nn.Conv2d(WIDTHS[-1][1], NECK, 1, bias=False)
        self.neck_norm = nn.BatchNorm2d(NECK)
        self.content = nn.Linear(NECK * 16, CONTENT)
        moments = 2 * sum(WIDTHS[stage][1] for stage in STAGES)
        self.moments_norm = nn.BatchNorm1d(moments, affine=False)
        self.quality = nn.Linear(moments, UNITS)
        self.project = nn.Sequential(nn.Linear(CONTENT, 256), nn.ReLU(), nn.Linear(256, 64))
        self.kind = nn.Linear(UNITS, len(TAUGHT) + 1)
        self.amount = nn.Linear(UNITS, len(TAUGHT) + 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 128) content and (B, 96) quality."""
        moments = []
        for number, (convolution, norm) in enumerate(
            zip(self.convolutions, self.norms, strict=True)
        ):
            y = F.relu(norm(convolution(x)))
            x = x + y if x.shape == y.shape else y
            if number in STAGES:
                moments.append(mean_and_deviation(x))
        content = F.relu(self.content(F.relu(self.neck_norm(self.neck(x))).flatten(1)))
        return content, F.relu(self.quality(self.moments_norm(torch.cat(moments, 1))))

    @torch.no_grad()
    def folded(self) -> Net64:
        """Without batch norms, in values that float16 holds."""
        network = Net64()
        sources = [*zip(self.convolutions, self.norms, strict=True), (self.neck, self.neck_norm)]
        for target, (source, norm) in zip(
            [*network.convolutions, network.neck], sources, strict=True
        ):
            scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
            target.weight.copy_(source.weight * scale.view(-1, 1, 1, 1))
            target.bias.copy_(norm.bias - norm.running_mean * scale)
        network.content.load_state_dict(self.content.state_dict())
        scale = (self.moments_norm.running_var + self.moments_norm.eps).rsqrt()
        network.quality.weight.copy_(self.quality.weight * scale)
        network.quality.bias.copy_(
            self.quality.bias - self.quality.weight @ (self.moments_norm.running_mean * scale)
        )
        return network


def load(folder: Path) -> tuple[Tensor, Tensor, list[dict]]:
    """Crops uint8 (N, 3, 96, 96), the number of the picture each is from, and what was read."""
    crops, owners, packages = [], [], []
    first = 0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            x, group, version = stored["x"], stored["group"], str(stored["version"])
        crops.append(torch.from_numpy(x).permute(0, 3, 1, 2))
        owners.append(torch.from_numpy(group) + first)
        first += int(group.max()) + 1
        packages.append({"file": version, "pictures": len(np.unique(group)), "crops": len(x)})
    return torch.cat(crops), torch.cat(owners), packages


def views(x: Tensor, rng: torch.Generator) -> Tensor:
    """uint8 (B, 3, 96, 96) -> (B, 3, 64, 64) in [-1, 1]: a random part, mirrored or not, in
    slightly other colours.
    """
    rows = len(x)
    scale = uniform(rows, 0.45, 1.0, rng)
    stretch = uniform(rows, -0.15, 0.15, rng).exp()
    wide, high = (scale * stretch).clamp(max=1), (scale / stretch).clamp(max=1)
    flip = 1 - 2 * (torch.rand(rows, generator=rng) < 0.5).float()
    right = (1 - wide) * uniform(rows, -1, 1, rng)
    down = (1 - high) * uniform(rows, -1, 1, rng)
    zero = torch.zeros(rows)
    matrix = torch.stack(
        [torch.stack([wide * flip, zero, right], 1), torch.stack([zero, high, down], 1)], 1
    )
    grid = F.affine_grid(matrix, [rows, 3, SIDE, SIDE], align_corners=False)
    y = F.grid_sample(x.float() / 127.5 - 1, grid, padding_mode="border", align_corners=False)
    gain = uniform(rows, 0.8, 1.2, rng).view(-1, 1, 1, 1)
    tint = 0.06 * torch.randn((rows, 3, 1, 1), generator=rng)
    shift = 0.1 * torch.randn((rows, 1, 1, 1), generator=rng)
    return (y * gain + tint + shift).clamp(-1, 1)


def recoloured(first: Tensor, second: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Some pairs in grey, some as negatives."""
    grey = torch.rand(len(first), generator=rng) < GREY
    sign = torch.where(torch.rand(len(first), generator=rng) < INVERTED, -1.0, 1.0)
    result = []
    for x in (first, second):
        x = x * sign.view(-1, 1, 1, 1)
        x[grey] = x[grey].mean(1, keepdim=True)
        result.append(x)
    return result[0], result[1]


def batch(
    crops: Tensor, owners: Tensor, by_picture: list[Tensor], rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Views (2B, 3, 64, 64) of B pictures, the second half damaged; kinds and amounts (2B,)."""
    chosen = torch.randperm(len(by_picture), generator=rng)[:BATCH].tolist()
    one = torch.stack(
        [
            by_picture[picture][torch.randint(len(by_picture[picture]), (), generator=rng)]
            for picture in chosen
        ]
    )
    first, second = recoloured(views(crops[one], rng), views(crops[one], rng), rng)
    return with_damage(first, second, rng)


def with_damage(
    first: Tensor, second: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    rows = len(first)
    kinds = torch.randint(1, len(TAUGHT) + 1, (rows,), generator=rng)
    kinds[torch.rand(rows, generator=rng) >= DAMAGED] = 0
    amounts = torch.rand(rows, generator=rng)
    second = damaged(second, kinds, amounts, rng, TAUGHT)
    none = torch.zeros(rows, dtype=torch.long)
    return (
        torch.cat([first, second]).contiguous(memory_format=torch.channels_last),
        torch.cat([none, kinds]),
        torch.cat([torch.zeros(rows), amounts]),
    )


def losses(network: Trained, x: Tensor, kinds: Tensor, amounts: Tensor) -> dict[str, Tensor]:
    with torch.autocast("cpu", torch.bfloat16):  # a third faster
        content, quality = network(x)
    content, quality = content.float(), quality.float()
    z = F.normalize(network.project(content), dim=1)
    half = len(x) // 2
    logits = z @ z.T / TEMPERATURE
    logits.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(x)).roll(half)
    guess = network.amount(quality).gather(1, kinds[:, None])[:, 0]
    hit = kinds > 0
    return {
        "pairs": F.cross_entropy(logits, partner),
        "kind": F.cross_entropy(network.kind(quality), kinds),
        "amount": AMOUNT * F.mse_loss(guess[hit], amounts[hit]),
    }


def train(crops: Tensor, owners: Tensor, kept: Tensor, out: Path) -> Trained:
    """Goes on from `out`/checkpoint.pt where there is one."""
    rows = kept.nonzero()[:, 0]
    by_picture = list(
        rows.split(torch.unique_consecutive(owners[rows], return_counts=True)[1].tolist())
    )
    network = Trained().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, RATE, total_steps=STEPS, pct_start=0.08
    )
    checkpoint, first, running = out / "checkpoint.pt", 0, {}
    if checkpoint.exists():
        stored = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(stored["network"])
        optimiser.load_state_dict(stored["optimiser"])
        schedule.load_state_dict(stored["schedule"])
        first = stored["step"]
    started = time.perf_counter()
    for step in range(first, STEPS):
        rng = torch.Generator().manual_seed(step)
        x, kinds, amounts = batch(crops, owners, by_picture, rng)
        parts = losses(network, x, kinds, amounts)
        optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        optimiser.step()
        schedule.step()
        for name, part in parts.items():
            running[name] = 0.98 * running.get(name, part.item()) + 0.02 * part.item()
        if step % 100 == 99:
            words = " ".join(f"{name} {value:.3f}" for name, value in running.items())
            print(f"step {step + 1} {words} {time.perf_counter() - started:.0f} s", flush=True)
        if step % 250 == 249 or step + 1 == STEPS:
            state = {
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "step": step + 1,
            }
            torch.save(state, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").rename(checkpoint)
    return network.eval()


@torch.no_grad()
def frozen(network: Trained, crops: Tensor) -> Net64:
    """The folded network with its directions, in values that float16 holds. Of undamaged crops the
    content has a total variance of 128, and each direction, before it is compressed, one of 1.
    """
    result = network.folded().eval()
    rng = torch.Generator().manual_seed(0)
    chosen = crops[torch.randperm(len(crops), generator=rng)[:6000]]
    pairs = []
    for part in chosen.split(250):
        clean, other = recoloured(views(part, rng), views(part, rng), rng)
        kinds = torch.randint(1, len(TAUGHT) + 1, (len(part),), generator=rng)
        amounts = torch.rand(len(part), generator=rng)
        other = damaged(other, kinds, amounts, rng, TAUGHT)
        pairs.append(
            [network(x.contiguous(memory_format=torch.channels_last)) for x in (clean, other)]
        )
    (content, quality), (_, hurt) = (
        [torch.cat(half).double() for half in zip(*side, strict=True)]
        for side in zip(*pairs, strict=True)
    )
    scale = (128 / content.var(0).sum()).sqrt()
    result.content.weight.mul_(scale)
    result.content.bias.mul_(scale)
    directions = discriminants(quality, hurt)
    result.directions.weight.copy_(directions)
    result.directions.bias.copy_(-directions @ quality.mean(0))
    for tensor in result.parameters():
        tensor.copy_(tensor.half().float())
    return result


def discriminants(clean: Tensor, damaged: Tensor) -> Tensor:
    """(QUALITY, UNITS): the directions in which damage moves rows most, each scaled so that clean
    rows have a variance of 1 (Rao 1948). A hundredth of the mean variance is added to all, so that
    directions in which nothing varies do not rule.
    """
    moved = (damaged - clean).T @ (damaged - clean) / len(clean)
    spread = torch.cov(clean.T)
    spread += 0.01 * spread.diagonal().mean() * torch.eye(len(spread), dtype=spread.dtype)
    inverse = torch.linalg.inv(torch.linalg.cholesky(spread))
    _, vectors = torch.linalg.eigh(inverse @ moved @ inverse.T)
    return vectors.flip(1)[:, :QUALITY].T @ inverse


@torch.no_grad()
def accuracies(network: Trained, crops: Tensor, owners: Tensor, held: Tensor) -> dict[str, float]:
    """On held-out pictures: the damage named rightly, its amount's error, the other crop found
    among 200.
    """
    rng = torch.Generator().manual_seed(1)
    rows = held.nonzero()[:, 0]
    rows = rows[torch.randperm(len(rows), generator=rng)]
    right, error, found, count = 0, 0.0, 0, 0
    for part in rows.split(200)[:10]:
        if len(part) < 200:
            break
        first, second = recoloured(views(crops[part], rng), views(crops[part], rng), rng)
        x, kinds, amounts = with_damage(first, second, rng)
        content, quality = network(x)
        right += int((network.kind(quality).argmax(1) == kinds)[200:].sum())
        guess = network.amount(quality).gather(1, kinds[:, None])[200:, 0]
        error += float((guess - amounts[200:])[kinds[200:] > 0].abs().sum())
        z = F.normalize(network.project(content), dim=1)
        found += int(((z[:200] @ z[200:].T).argmax(1) == torch.arange(200)).sum())
        count += 200
    return {
        "crops": count,
        "kinds": len(TAUGHT) + 1,
        "kind": right / count,
        "amount_error": error / (DAMAGED * count),
        "pair_among_200": found / count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=("collect", "train"))
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.task == "collect":
        collect(options.out)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    crops, owners, packages = load(options.pictures)
    held = owners % 10 == 9
    network = train(crops, owners, ~held, options.out)
    shipped = frozen(network, crops[~held])
    weights = options.out / f"{NAME}.safetensors"
    save_file(
        {name: tensor.half().contiguous() for name, tensor in shipped.state_dict().items()}, weights
    )
    result = {
        "network": NAME,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "bytes": weights.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in shipped.parameters()),
        "dimension": DIMENSION,
        "pictures": {
            "packages": packages,
            "pictures": len(owners.unique()),
            "crops": len(crops),
            "held_out": int(held.sum()),
        },
        "steps": STEPS,
        "batch": 2 * BATCH,
        "held_out_accuracy": accuracies(network, crops, owners, held),
    }
    write_result("picture_network", result, seeds=[0], folder=options.out)
    print(json.dumps(result["held_out_accuracy"], indent=2))


if __name__ == "__main__":
    main()
