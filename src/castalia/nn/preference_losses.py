"""Losses for preference and reward tuning: DPO, policy gradient with a leave-one-out baseline, KL
estimators.

Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290, equation 7), its form for
labels that are sometimes wrong (their C.3; Mitchell 2023), the leave-one-out baseline of REINFORCE
(Kool et al. 2019; Ahmadian et al. 2024, arXiv:2402.14740), and the estimators of KL(model ||
reference) from the model's own samples (Schulman 2020, joschu.net/blog/kl-approx.html). Pure
functions of tensors; which texts they are given is in training/objective.py.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def dpo(chosen: Tensor, rejected: Tensor, beta: float, smoothing: float = 0.0) -> Tensor:
    """(B,) losses of pairs from log-ratios log p(text) - log p_ref(text) in nats, each (B,).

    -log sigmoid(beta (chosen - rejected)); with smoothing s in [0, 0.5), (1 - s) of it and s of the
    loss of the pair turned round.
    """
    margin = beta * (chosen - rejected)
    return -(1 - smoothing) * F.logsigmoid(margin) - smoothing * F.logsigmoid(-margin)


def leave_one_out(values: Tensor, group: int) -> Tensor:
    """(B,) each value less the mean of the others of its group; groups of `group` >= 2 stand one
    after another.

    As a baseline of the policy gradient it leaves the mean of the gradient as it is, because it
    does not depend on the sample itself.
    """
    grouped = values.view(-1, group)
    return ((grouped - grouped.mean(1, keepdim=True)) * (group / (group - 1))).flatten()


def policy_gradient(
    log_probs: Tensor, log_ratio: Tensor, reward: Tensor, leash: float, group: int
) -> Tensor:
    """A scalar whose gradient estimates, without bias, minus that of E[reward] - leash KL(model ||
    reference), from samples of the model.

    log_probs (B,) of the samples under the model, with gradient; log_ratio (B,) = log p - log p_ref
    and reward (B,), without. The leash is part of what is rewarded: the gradient of KL is
    E[log_ratio grad log p], since E[grad log p] = 0.
    """
    advantage = leave_one_out(reward - leash * log_ratio.detach(), group)
    return -(advantage * log_probs).mean()


def divergence(log_ratio: Tensor) -> Tensor:
    """Estimates of KL(model || reference), of the same shape as log_ratio = log p - log p_ref of
    the model's samples: r - 1 - log r with r = p_ref / p. Unbiased, never negative, and of less
    variance than log_ratio itself where the two are close.
    """
    return (-log_ratio).exp() - 1 + log_ratio
