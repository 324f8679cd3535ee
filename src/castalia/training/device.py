"""The device, precision and processes of a run. The only file that imports Lightning Fabric.

Importing Fabric takes about two seconds of CPU, more than all of torch, so a run in one process
does without it: `Solo` and `Many` have the same methods, and a test shows that they give identical
weights. `Many` starts when a launcher has set WORLD_SIZE (`torchrun --nproc-per-node 2 -m castalia
train ...`).
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from castalia.errors import RecipeError
from castalia.recipe_sections import TrainConfig
from castalia.sentences import say
from castalia.spec import Dense, Spec, Tokens
from castalia.tensor_file import memory


def open_device(config: TrainConfig, *, fabric: bool | None = None) -> Solo:
    """`fabric`: force the choice; by default, many processes take it and one does not."""
    torch.set_num_threads(config.threads or torch.get_num_threads())
    many = int(os.environ.get("WORLD_SIZE", "1")) > 1 if fabric is None else fabric
    return Many() if many else Solo()


def resolve_precision(config: TrainConfig, family: nn.Module, device: torch.device) -> str:
    """ "fp32" or "bf16". The rule behind "auto" was measured: benchmarks/precision.py.

    bf16 pays where the hardware multiplies it natively and most of the work is in large products.
    Where an item is many tokens, all products are: text/ar steps 2.8 times faster, text/ar-small
    1.5 times, and already a width of 16 loses nothing. Not for volumes and clips on a CPU: there
    oneDNN's bf16 gradients of 3-D convolutions over short axes are NaN at times (torch 2.13,
    weights of 64 x 64 x 3 x 3 x 3 over a depth of 2).
    """
    if config.precision != "auto":
        return config.precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    if any(isinstance(module, nn.Conv3d) for module in family.modules()):
        return "fp32"
    native = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return (
        "bf16"
        if native
        and (
            isinstance(getattr(family, "spec", None), Tokens) or any(map(_heavy, family.modules()))
        )
        else "fp32"
    )


def _heavy(module: nn.Module) -> bool:
    """Whether most of a module's time goes into one large product: a convolution, or a matrix of
    2**17 entries and more.
    """
    match module:
        case nn.Conv1d() | nn.Conv2d():
            return True
        case nn.Linear():
            return module.in_features * module.out_features >= 2**17
    return False


def require_memory(config: TrainConfig, spec: Spec) -> None:
    """Raises RecipeError where a batch and its gradient alone, float32 or int64, would not fit into
    this machine's memory.
    """
    numbers = spec.size if isinstance(spec, Dense) else 2 * spec.length
    size = 2 * 4 * config.batch * numbers
    if size > memory():
        raise RecipeError(
            say(
                "a batch of {0:,} would need {1:,.0f} GiB of memory at least, this "
                "machine has {2:,.0f}",
                config.batch,
                size / 2**30,
                memory() / 2**30,
            ),
            where="training.batch",
            fix=say("a smaller training.batch; training.accumulate makes up for it"),
        )


class Solo:
    """One process, plain torch."""

    rank, world = 0, 1

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def setup(self, family: nn.Module) -> nn.Module:
        """The module to call for the loss, of a family or an objective; `family` itself stays the
        owner of the parameters.
        """
        _place(family, self.device)
        return family

    def autocast(self, precision: str) -> AbstractContextManager[Any]:
        if precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def backward(self, module: nn.Module, loss: Tensor, *, last: bool) -> None:
        """Accumulate gradients; with several processes they are averaged when `last`."""
        loss.backward()

    def accumulating(self, module: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        return nullcontext()

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        return flag

    def mean(self, tensor: Tensor) -> Tensor:
        return tensor

    def share(self, text: str) -> str:
        """Rank 0's text, in every process."""
        return text

    def barrier(self) -> None:
        """Wait for all processes."""


class Many(Solo):
    """One of several processes, started by torchrun; gradients averaged by DDP through Lightning
    Fabric.
    """

    def __init__(self) -> None:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy

        world = int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
        # Phases freeze each other's parameters, so a backward pass does not reach all of them.
        strategy: Any = DDPStrategy(find_unused_parameters=True) if world > 1 else "auto"
        self.fabric = Fabric(
            accelerator=accelerator, devices=local, num_nodes=world // local, strategy=strategy
        )
        self.fabric.launch()
        self.rank, self.world = self.fabric.global_rank, self.fabric.world_size
        self.device = self.fabric.device

    def setup(self, family: nn.Module) -> nn.Module:
        _place(family, self.device)
        return self.fabric.setup_module(family)

    def backward(self, module: nn.Module, loss: Tensor, *, last: bool) -> None:
        self.fabric.backward(loss, model=module)

    def accumulating(self, module: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        return nullcontext() if last else self.fabric.no_backward_sync(module)

    def any(self, flag: bool) -> bool:
        total = self.fabric.all_reduce(
            torch.tensor(float(flag), device=self.device), reduce_op="sum"
        )
        return bool(total)

    def mean(self, tensor: Tensor) -> Tensor:
        return self.fabric.all_reduce(tensor, reduce_op="mean")  # type: ignore[return-value]

    def share(self, text: str) -> str:
        return str(self.fabric.broadcast(text))

    def barrier(self) -> None:
        self.fabric.barrier()


def _place(family: nn.Module, device: torch.device) -> None:
    """Two-dimensional convolutions run up to three times faster on channels-last memory
    (docs/design.md, measured).
    """
    family.to(device)
    if any(isinstance(module, nn.Conv2d | nn.ConvTranspose2d) for module in family.modules()):
        family.to(memory_format=torch.channels_last)
