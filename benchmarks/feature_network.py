"""Train castalia-net32: one small colour network on six openly licensed picture sets together.

    OMP_NUM_THREADS=1 python benchmarks/feature_network.py --data DATA/images --fashion
        /usr/share/datasets/fashion-mnist --out DIR

DATA/images holds digits8x8, omniglot_small, blood_cells, twemoji64 and faces_congress_gray as
folders of pictures; the 60,000 + 10,000 Fashion-MNIST pictures come from Debian's package
dataset-fashion-mnist (MIT). Heads: the class within a set (portraits have none: no person is ever
named to the network), the set, one of four rotations, one of eight kinds of damage. A second, short
stage moves the last layer alone so that pictures without any structure (a Gaussian for each pixel
of a set) lie further from the set's real pictures than these lie from one another; without it a few
unusual garments are as far from all others as from noise.

A tenth of each set is held out (Fashion-MNIST: its 10,000 test pictures) and only used for the
accuracies in the JSON file that is written beside the weights. The shipped file was made once and
is frozen by hash; running this again gives another network, which needs a new name.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.modalities.image.metrics.frozen_network import to_network
from castalia.modalities.image.metrics.net32 import (
    DIMENSION,
    NAME,
    NECK,
    SIDE,
    WIDTHS,
    Net32,
)

# pictures of each set per batch
SHARE = {"fashion": 46, "digits": 16, "omniglot": 20, "twemoji": 20, "blood": 12, "faces": 14}
SETS = tuple(SHARE)
GREY = {"fashion", "digits", "omniglot"}  # may be shown with black and white exchanged
MIRROR = {"twemoji", "blood", "faces"}  # a mirrored picture is as likely as the original
DAMAGE = ("none", "noise", "blur", "pixels", "blocks", "shuffle", "flatten", "naive")
# the second stage: how far noise should stand from real pictures; these are about 4 from their
# nearest neighbour
MARGIN = 15.0
SPREAD_BATCHES, SPREAD_STEPS = 900, 3000


def picture(path: Path) -> Image.Image:
    with Image.open(path) as image:
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


def as_network(images: list[Image.Image]) -> Tensor:
    rows = [
        to_network(
            torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None] / 127.5 - 1,
            SIDE,
            NAME,
        )
        for image in images
    ]
    return ((torch.cat(rows) + 1) * 127.5).round().to(torch.uint8)


def idx(path: Path, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def fashion(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    grey = torch.from_numpy(
        idx(folder / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).copy()
    )
    x = torch.cat(
        [
            ((to_network(block / 127.5 - 1, SIDE, NAME) + 1) * 127.5).round().to(torch.uint8)
            for block in grey.split(2000)
        ]
    )
    return x, torch.from_numpy(idx(folder / f"{part}-labels-idx1-ubyte.gz", 8).copy()).long()


def folders(root: Path, depth: int) -> tuple[list[Path], list[str]]:
    paths = sorted(
        path for path in root.rglob("*.png") if len(path.relative_to(root).parts) == depth + 1
    )
    return paths, ["/".join(path.relative_to(root).parts[:depth]) for path in paths]


def load(
    root: Path, fashion_folder: Path
) -> dict[str, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], int]]:
    """set -> ((train pictures, labels), (held-out pictures, labels), classes); labels are -1 where
    a set has no classes.
    """
    emoji = [
        json.loads(line)
        for line in (root / "twemoji64/captions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    listed = {
        "digits": folders(root / "digits8x8", 1),
        "omniglot": folders(root / "omniglot_small", 2),
        "blood": folders(root / "blood_cells", 1),
        "twemoji": (
            [root / "twemoji64" / row["file"] for row in emoji],
            [row["category"] for row in emoji],
        ),
        "faces": folders(root / "faces_congress_gray", 1),
    }
    result = {"fashion": (fashion(fashion_folder, "train"), fashion(fashion_folder, "t10k"), 10)}
    for name, (paths, labels) in listed.items():
        classes = sorted(set(labels)) if name != "faces" else []
        y = torch.tensor([classes.index(label) if classes else -1 for label in labels])
        x = as_network([picture(path) for path in paths])
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        kept, held = order[len(x) // 10 :], order[: len(x) // 10]
        result[name] = ((x[kept], y[kept]), (x[held], y[held]), len(classes))
    return result


def heads_for(classes: dict[str, int]) -> nn.ModuleDict:
    """A linear reading of the features for each question."""
    sizes = {**classes, "set": len(SETS), "turn": 4, "damage": len(DAMAGE)}
    return nn.ModuleDict(
        {
            name: nn.Sequential(nn.Dropout(0.1), nn.Linear(DIMENSION, size))
            for name, size in sizes.items()
            if size
        }
    )


class Trained(nn.Module):
    """Net32 with batch norm after each layer, and the heads. `fold` gives the network
    that ships.
    """

    def __init__(self, classes: dict[str, int]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride, 1, bias=False) for i, o, stride in WIDTHS
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _ in WIDTHS)
        self.neck, self.neck_norm = (
            nn.Conv2d(WIDTHS[-1][1], NECK, 1, bias=False),
            nn.BatchNorm2d(NECK),
        )
        self.out = nn.Linear(NECK * 16, DIMENSION)
        self.heads = heads_for(classes)

    def forward(self, x: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        return F.relu(self.out(F.relu(self.neck_norm(self.neck(x))).flatten(1)))

    @torch.no_grad()
    def fold(self, mixture: Tensor) -> Net32:
        """Without batch norms, in float16 values, scaled so that the features of `mixture` have a
        total variance of 128.
        """

        def folded(weight: Tensor, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
            scale = (norm.running_var + norm.eps).rsqrt() * (norm.weight if norm.affine else 1.0)
            shift = (norm.bias if norm.affine else 0.0) - norm.running_mean * scale
            return (
                weight * scale.view(-1, *[1] * (weight.dim() - 1))
            ).half().float(), shift.half().float()

        network = Net32()
        sources = [*zip(self.convolutions, self.norms, strict=True), (self.neck, self.neck_norm)]
        for target, (source, norm) in zip(
            [*network.convolutions, network.neck], sources, strict=True
        ):
            weight, bias = folded(source.weight, norm)
            target.weight.copy_(weight)
            target.bias.copy_(bias)
        scale = (DIMENSION / self.eval()(mixture).var(0).sum()).sqrt()
        network.out.weight.copy_((self.out.weight * scale).half().float())
        network.out.bias.copy_((self.out.bias * scale).half().float())
        return network.eval()


def moved(x: Tensor, mirror: Tensor, rng: torch.Generator) -> Tensor:
    """Shift by up to 2 pixels, scale by 0.85 to 1.15, mirror where asked; the border is
    replicated.
    """
    count = len(x)
    scale = 1 + 0.15 * (2 * torch.rand(count, 2, generator=rng) - 1)
    shift = (2 * torch.rand(count, 2, generator=rng) - 1) * (2 * 2 / SIDE)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = scale[:, 0] * torch.where(mirror, -1.0, 1.0)
    theta[:, 1, 1] = scale[:, 1]
    theta[:, :, 2] = shift
    return F.grid_sample(
        x,
        F.affine_grid(theta, list(x.shape), align_corners=False),
        padding_mode="border",
        align_corners=False,
    )


def gaussians(data: dict) -> Tensor:
    """(sets, 2, 3, 32, 32): mean and standard deviation of each pixel over each set's training
    pictures.
    """
    floats = (data[name][0][0].float() / 127.5 - 1 for name in SETS)
    return torch.stack([torch.stack([x.mean(0), x.std(0)]) for x in floats])


def damaged(
    x: Tensor, kind: Tensor, rng: torch.Generator, moments: Tensor, group: Tensor
) -> Tensor:
    """Row i, a picture of set group[i], suffers DAMAGE[kind[i]] with a strength of its own."""
    x = x.clone()
    strength = 0.15 + 0.85 * torch.rand(len(x), 1, 1, 1, generator=rng)
    for index, name in enumerate(DAMAGE):
        rows = (kind == index).nonzero().flatten()
        if name == "none" or not len(rows):
            continue
        part, power = x[rows], strength[rows]
        match name:
            case "noise":
                part = part + 0.5 * power * torch.randn(part.shape, generator=rng)
            case "blur":
                soft = F.avg_pool2d(F.pad(part, (2, 2, 2, 2), "replicate"), 5, 1)
                part = part + (soft - part) * (0.3 + 0.7 * power)
            case "pixels":
                part = torch.where(
                    torch.rand(len(rows), 1, SIDE, SIDE, generator=rng) < 0.3 * power,
                    2 * torch.rand(part.shape, generator=rng) - 1,
                    part,
                )
            case "blocks":
                side = 8
                corner = torch.randint(0, SIDE - side, (len(rows), 2), generator=rng)
                inside = (torch.arange(SIDE) >= corner[:, :1]) & (
                    torch.arange(SIDE) < corner[:, :1] + side
                )
                across = (torch.arange(SIDE) >= corner[:, 1:]) & (
                    torch.arange(SIDE) < corner[:, 1:] + side
                )
                part = torch.where(
                    (inside[:, :, None] & across[:, None, :])[:, None], part.roll(1, 0), part
                )
            case "shuffle":
                tiles = part.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3)
                order = (
                    torch.rand(len(rows), 16, generator=rng)
                    .mul(power.flatten()[:, None])
                    .add(torch.linspace(0, 0.6, 16))
                    .argsort(1)
                )
                tiles = tiles.gather(2, order[:, None, :, None, None].expand_as(tiles))
                part = tiles.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5).reshape(part.shape)
            case "flatten":
                part = part + (part.mean((2, 3), keepdim=True) - part) * 0.7 * power
            # nothing of the picture is left: a Gaussian for each pixel of its set, at one of three
            # resolutions
            case "naive":
                sets = group[rows]
                side = int(torch.randint(0, 3, (1,), generator=rng)) * 4 + 24
                noise = torch.randn(len(rows), 3, side, side, generator=rng)
                noise = torch.where(
                    torch.tensor([name in GREY or name == "faces" for name in SETS])[sets].view(
                        -1, 1, 1, 1
                    ),
                    noise[:, :1],
                    noise,
                )
                mean, deviation = (
                    F.interpolate(
                        moments[sets, i], size=(side, side), mode="bilinear", antialias=True
                    )
                    for i in (0, 1)
                )
                part = to_network((mean + deviation * noise).clamp(-1, 1), SIDE, NAME)
        x[rows] = part.clamp(-1, 1)
    return x


def batch(
    data: dict, moments: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Pictures, class, set, turn and damage labels; pictures of a set stand together."""
    rows, classes, sets, mirror = [], [], [], []
    for number, (name, count) in enumerate(SHARE.items()):
        x, y = data[name][0]
        chosen = torch.randint(0, len(x), (count,), generator=rng)
        part = x[chosen].float() / 127.5 - 1
        if name in GREY:
            part = torch.where(torch.rand(count, 1, 1, 1, generator=rng) < 0.2, -part, part)
        rows.append(part)
        classes.append(y[chosen])
        sets.append(torch.full((count,), number))
        mirror.append((torch.rand(count, generator=rng) < 0.5) & (name in MIRROR))
    x, y, group = torch.cat(rows), torch.cat(classes), torch.cat(sets)
    x = moved(x, torch.cat(mirror), rng)
    gain, lift = (
        1 + 0.15 * torch.randn(len(x), 1, 1, 1, generator=rng),
        0.1 * torch.randn(len(x), 1, 1, 1, generator=rng),
    )
    x = (x * gain + lift).clamp(-1, 1)
    # one picture in four is turned, one in three damaged, never both: each head has clear cases
    fate = torch.rand(len(x), generator=rng)
    turn = torch.where(fate < 0.25, torch.randint(1, 4, (len(x),), generator=rng), 0)
    kind = torch.where(fate > 0.67, torch.randint(1, len(DAMAGE), (len(x),), generator=rng), 0)
    for quarter in (1, 2, 3):
        x[turn == quarter] = x[turn == quarter].rot90(quarter, (2, 3))
    return damaged(x, kind, rng, moments, group), y, group, turn, kind


def loss_of(
    heads: nn.ModuleDict, features: Tensor, y: Tensor, group: Tensor, turn: Tensor, kind: Tensor
) -> Tensor:
    """Sum of the heads' cross-entropies; a head sees only the rows that its question has an answer
    for.
    """
    total = 0.3 * F.cross_entropy(heads["set"](features), group)
    total = total + 0.75 * F.cross_entropy(heads["damage"](features), kind)
    upright = kind == 0
    total = total + 0.5 * F.cross_entropy(heads["turn"](features[upright]), turn[upright])
    named = (turn == 0) & (kind != DAMAGE.index("naive"))
    for number, name in enumerate(SETS):
        rows = named & (group == number)
        if name in heads and rows.any():
            total = (
                total
                + F.cross_entropy(heads[name](features[rows]), y[rows], label_smoothing=0.05)
                * SHARE[name]
                / 40
            )
    return total


def train(data: dict, moments: Tensor, steps: int) -> Net32:
    """The first stage: the whole network."""
    model = Trained({name: data[name][2] for name in SETS}).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, step / 100) * min(1.0, 2 * (1 - step / steps))
    )
    started = time.perf_counter()
    for step in range(steps):
        x, *labels = batch(data, moments, torch.Generator().manual_seed(step))
        with torch.autocast("cpu", torch.bfloat16):
            features = model(x.to(memory_format=torch.channels_last))
        loss = loss_of(model.heads, features.float(), *labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(
                f"step {step} loss {loss.item():.3f} seconds {time.perf_counter() - started:.0f}",
                flush=True,
            )
    return model.eval().fold(batch(data, moments, torch.Generator().manual_seed(steps))[0])


@torch.inference_mode()
def before_last(network: Net32, x: Tensor) -> Tensor:
    """What the last layer sees of pictures (N, 3, 32, 32): (N, 768) float16."""
    return torch.cat(
        [
            network.last_input(rows.contiguous(memory_format=torch.channels_last)).half()
            for rows in x.split(125)
        ]
    )


def spread(network: Net32, data: dict, moments: Tensor) -> nn.ModuleDict:
    """The second stage: the last layer and new heads, on stored inputs, with a margin between noise
    and real pictures.

    The penalty is (1 - distance / MARGIN)^2 where positive, in units in which the features' total
    variance is 128.
    """
    naive = DAMAGE.index("naive")
    rng = torch.Generator().manual_seed(0)
    batches = (
        batch(data, moments, torch.Generator().manual_seed(100_000 + step))
        for step in range(SPREAD_BATCHES)
    )
    rows = [(before_last(network, x), *labels) for x, *labels in batches]
    inputs, *labels = (torch.cat(column) for column in zip(*rows, strict=True))
    real, noise = [], []
    for number, name in enumerate(SETS):
        x = data[name][0][0]
        x = x[torch.randperm(len(x), generator=rng)[:30_000]]
        real.append(
            torch.cat([before_last(network, part.float() / 127.5 - 1) for part in x.split(1000)])
        )
        count = 3000 if name == "fashion" else 1000
        parts = [
            damaged(
                torch.zeros(100, 3, SIDE, SIDE),
                torch.full((100,), naive),
                rng,
                moments,
                torch.full((100,), number),
            )
            for _ in range(count // 100)
        ]
        noise.append(before_last(network, torch.cat(parts)))
    out = nn.Linear(NECK * 16, DIMENSION)
    out.load_state_dict(network.out.state_dict())
    heads = heads_for({name: data[name][2] for name in SETS})
    optimiser = torch.optim.AdamW(
        [*out.parameters(), *heads.parameters()], lr=1e-3, weight_decay=0.02
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, step / 50) * min(1.0, 2 * (1 - step / SPREAD_STEPS))
    )
    for step in range(SPREAD_STEPS):
        chosen = torch.randint(len(inputs), (256,), generator=rng)
        features = F.relu(out(inputs[chosen].float()))
        loss = loss_of(heads, features, *(label[chosen] for label in labels))
        unit = (DIMENSION / features.var(0).sum()).sqrt().detach()
        # the largest set each time, the others in turn
        for number in (0, 1 + step % (len(SETS) - 1)):
            near = F.relu(
                out(real[number][torch.randint(len(real[number]), (512,), generator=rng)].float())
            )
            far = F.relu(
                out(noise[number][torch.randint(len(noise[number]), (64,), generator=rng)].float())
            )
            loss = loss + 20 * F.relu(1 - torch.cdist(far, near) * unit / MARGIN).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0:
            print(f"second stage: step {step} loss {loss.item():.3f}", flush=True)
    with torch.no_grad():
        scale = (DIMENSION / F.relu(out(inputs[:20_000].float())).var(0).sum()).sqrt()
        network.out.weight.copy_((out.weight * scale).half().float())
        network.out.bias.copy_((out.bias * scale).half().float())
        for head in heads.values():
            head[1].weight.div_(scale)  # so that the heads still read the scaled features
    return heads


@torch.no_grad()
def accuracies(
    network: Net32, heads: nn.ModuleDict, data: dict, moments: Tensor
) -> dict[str, dict[str, float]]:
    heads.eval()
    result: dict[str, dict[str, float]] = {}
    rng = torch.Generator().manual_seed(1)
    for number, name in enumerate(SETS):
        x, y = data[name][1]
        x = x.float() / 127.5 - 1
        features = torch.cat([network(block) for block in x.split(500)])
        result[name] = {
            "held_out": len(x),
            "set": (heads["set"](features).argmax(1) == number).double().mean().item(),
        }
        if name in heads:
            result[name]["class"] = (heads[name](features).argmax(1) == y).double().mean().item()
            result[name]["classes"] = data[name][2]
        x, kind = x[:1000], torch.randint(0, len(DAMAGE), (len(x[:1000]),), generator=rng)
        result[name]["damage"] = (
            (
                heads["damage"](
                    network(damaged(x, kind, rng, moments, torch.full_like(kind, number)))
                ).argmax(1)
                == kind
            )
            .double()
            .mean()
            .item()
        )
        turned = torch.cat([network(x.rot90(quarter, (2, 3))) for quarter in range(4)])
        result[name]["turn"] = (
            (heads["turn"](turned).argmax(1) == torch.arange(4).repeat_interleave(len(x)))
            .double()
            .mean()
            .item()
        )
    return result


def write(network: Net32, path: Path) -> None:
    save_file(
        {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}, path
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument(
        "--start", type=Path, help="a first-stage.safetensors, to run the second stage only"
    )
    options = parser.parse_args()
    torch.manual_seed(0)
    data = load(options.data, options.fashion)
    moments = gaussians(data)
    started = time.perf_counter()
    if options.start:
        network = Net32()
        network.load_state_dict(
            {name: tensor.float() for name, tensor in load_file(options.start).items()}
        )
        network = network.eval()
    else:
        network = train(data, moments, options.steps)
        options.out.mkdir(parents=True, exist_ok=True)
        write(network, options.out / "first-stage.safetensors")
    first = time.perf_counter() - started
    torch.manual_seed(1)
    heads = spread(network.to(memory_format=torch.channels_last), data, moments)
    seconds = {
        "first_stage": None if options.start else round(first, 1),
        "second_stage": round(time.perf_counter() - started - first, 1),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    weights = options.out / f"{NAME}.safetensors"
    write(network, weights)
    result = {
        "network": NAME,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "bytes": weights.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in network.parameters()),
        "dimension": DIMENSION,
        "command": "OMP_NUM_THREADS=1 python benchmarks/feature_network.py --data DATA/images "
        "--out DIR",
        "steps": {"first_stage": options.steps, "second_stage": SPREAD_STEPS},
        "batch": sum(SHARE.values()),
        "seed": 0,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "machine": next(
            (
                line.split(":")[1].strip()
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if "model name" in line
            ),
            "unknown",
        ),
        "torch": torch.__version__,
        "held_out_accuracy": accuracies(network, heads, data, moments),
    }
    (options.out / "feature_network.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
