"""Recompute batch-norm statistics for given weights (after averaging weights, for example)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

MOST_PASSES, NUMBERS = 16, 2**15


@contextmanager
def fresh_statistics(module: nn.Module) -> Iterator[None]:
    """Forget the running statistics; passes inside the block make new ones, means and unbiased
    variances averaged evenly.
    """
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    training = module.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all passes
    module.train()
    try:
        yield
    finally:
        module.train(training)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def passes_for(size: int) -> int:
    """How many passes to average over for items of `size` numbers: fewer where items are large."""
    return max(1, min(MOST_PASSES, NUMBERS // size))
