"""Output distributions of decoders and their negative log-likelihoods.

`likelihood_for` chooses by the spec. Every distribution here gives data with levels (8-bit
pictures) a probability *mass*: nats count the levels, so that models of one data set can be
compared whatever they were trained with.

    logistic   mass of a logistic over each level's bin, the outer bins take the tails (Salimans et
               al. 2017, eq. 2).
    gaussian   trained on the density times the bin width; `nats` integrates the Gaussian over the
               bins, tails as above.
    bernoulli  p(x) proportional to exp(logit * x) on the levels of [0, 1]: a Bernoulli for two
               levels, and for grey levels its normalised extension (the continuous Bernoulli of
               Loaiza-Ganem & Cunningham 2019 is the limit).
Without levels `nats` is a density in the spec's unit; a codec's own scaling is not counted.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.errors import SpecError
from castalia.nn.counter_random import Noise, noise_rows
from castalia.sentences import say
from castalia.spec import Dense, Span

LOG_2PI = math.log(2 * math.pi)
LikelihoodName = Literal["auto", "bernoulli", "gaussian", "logistic"]
Spread = Literal["shared", "channel", "element", "fixed"]


class Likelihood(nn.Module, ABC):
    """outputs: channels that the decoder must give. parameters (B, outputs, ...), x (B, C, ...) in
    the spec's unit. noises: kind and shape of what a draw takes from each row's generator, in this
    order.
    """

    outputs: int
    noises: tuple[tuple[Noise, tuple[int, ...]], ...]

    @abstractmethod
    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        """(B,) negative log-likelihood in nats, the quantity that is trained."""

    @abstractmethod
    def nats(self, parameters: Tensor, x: Tensor) -> Tensor:
        """(B,) negative log-likelihood in nats of the data as stored (levels counted)."""

    @abstractmethod
    def mean(self, parameters: Tensor) -> Tensor:
        """The clean output, (B, C, ...), within the unit's limits."""

    @abstractmethod
    def outcome(
        self, parameters: Tensor, noises: Sequence[Tensor], temperature: float = 1.0
    ) -> Tensor:
        """The draw that this noise gives: (B, C, ...), within the unit's limits. noises: (B,
        *shape) of each entry of `self.noises`.
        """

    def draw(
        self, parameters: Tensor, rngs: Sequence[torch.Generator], temperature: float = 1.0
    ) -> Tensor:
        """One draw per row, (B, C, ...); row i from rngs[i] alone."""
        noises = [
            noise_rows(kind, rngs, *shape, device=parameters.device) for kind, shape in self.noises
        ]
        return self.outcome(parameters, noises, temperature)


class LocationScale(Likelihood):
    """Gaussian or logistic: a location per element and a scale that is shared, per channel, per
    element or fixed.

    deviation  scale at the start (or for ever, if fixed), in the spec's unit.
    """

    kind: ClassVar[Noise]

    # Adam moves every parameter by about its rate per step; a log-scale has to travel further than
    # a weight.
    SPEED = 10.0

    def __init__(self, spec: Dense, spread: Spread, deviation: float) -> None:
        super().__init__()
        self.channels = spec.shape[0]
        self.noises = ((self.kind, spec.shape),)
        self.limits = spec.limits
        self.bin = (
            (spec.limits[1] - spec.limits[0]) / (spec.levels - 1)
            if spec.levels and spec.unit != "standard"
            else None
        )
        self.spread = spread
        self.start = math.log(deviation)
        self.outputs = self.channels * (2 if spread == "element" else 1)
        if spread in ("shared", "channel"):
            entries = 1 if spread == "shared" else self.channels
            # of rank 1, so that weight decay passes it by
            self.offset = nn.Parameter(torch.zeros(entries))
            self.axes = (entries, *[1] * (len(spec.shape) - 1))

    def split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """(location, log-scale), float32, broadcastable to each other."""
        parameters = parameters.float()
        match self.spread:
            case "element":
                location, raw = parameters.chunk(2, dim=1)
                return location, (self.start + raw).clamp(-9.0, 5.0)
            case "fixed":
                return parameters, parameters.new_tensor(self.start)
            case _:
                return parameters, (self.start + self.SPEED * self.offset).clamp(-9.0, 5.0).view(
                    self.axes
                )

    def edges(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where x is the lowest level, and where it is the highest."""
        assert self.bin is not None
        return x < self.limits[0] + 0.5 * self.bin, x > self.limits[1] - 0.5 * self.bin

    def mean(self, parameters: Tensor) -> Tensor:
        return self.split(parameters)[0].clamp(*self.limits)

    def outcome(
        self, parameters: Tensor, noises: Sequence[Tensor], temperature: float = 1.0
    ) -> Tensor:
        location, log_scale = self.split(parameters)
        return (location + temperature * log_scale.exp() * noises[0]).clamp(*self.limits)


class Gaussian(LocationScale):
    """With spread="shared" this is the sigma-VAE of Rybkin et al. 2021 (arXiv:2006.13202): the
    noise level is learned.

    Where the unit has limits, the location is squashed into them: a mean outside could not be a
    mean of such data.
    """

    kind = "normal"

    def split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        location, log_scale = super().split(parameters)
        low, high = self.limits
        return (
            location if math.isinf(low) else low + (high - low) * torch.sigmoid(location)
        ), log_scale

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        location, log_scale = self.split(parameters)
        constant = 0.5 * LOG_2PI - (math.log(self.bin) if self.bin else 0.0)
        squares = (x - location).square()
        if self.spread == "element":
            return (
                (0.5 * squares * torch.exp(-2 * log_scale) + log_scale + constant).flatten(1).sum(1)
            )
        # Summed before it is scaled: the rest happens to one number per channel instead of one per
        # element.
        squares, log_scale = (
            squares.flatten(1).unflatten(1, (self.channels, -1)).sum(2),
            log_scale.flatten(),
        )
        return (
            0.5 * squares * torch.exp(-2 * log_scale) + x[0, 0].numel() * (log_scale + constant)
        ).sum(1)

    def nats(self, parameters: Tensor, x: Tensor) -> Tensor:
        if self.bin is None:
            return self.loss(parameters, x)
        location, log_scale = self.split(parameters)
        rate = torch.exp(-log_scale)
        upper, lower = (
            (x + 0.5 * self.bin - location) * rate,
            (x - 0.5 * self.bin - location) * rate,
        )
        lowest, highest = self.edges(x)
        # the left tail keeps its precision, so a bin on the right is mirrored
        flip = upper + lower > 0
        near, far = torch.where(flip, -lower, upper), torch.where(flip, -upper, lower)
        log_near, log_far = torch.special.log_ndtr(near), torch.special.log_ndtr(far)
        inner = log_near + torch.log(-torch.expm1((log_far - log_near).clamp_max(-1e-7)))
        mass = torch.where(
            lowest,
            torch.special.log_ndtr(upper),
            torch.where(highest, torch.special.log_ndtr(-lower), inner),
        )
        return -mass.flatten(1).sum(1)


class Logistic(LocationScale):
    kind = "logistic"

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        location, log_scale = self.split(parameters)
        rate = torch.exp(-log_scale)
        if self.bin is None:
            centred = (x - location) * rate
            return (centred + log_scale + 2 * F.softplus(-centred)).flatten(1).sum(1)
        # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no cancellation,
        # however narrow the bin
        upper, lower = (
            (x + 0.5 * self.bin - location) * rate,
            (x - 0.5 * self.bin - location) * rate,
        )
        lowest, highest = self.edges(x)
        above = F.softplus(-upper).masked_fill(highest, 0.0)
        below = F.softplus(lower).masked_fill(lowest, 0.0)
        width = (
            torch.log(-torch.expm1(-self.bin * rate))
            .expand_as(above)
            .masked_fill(lowest | highest, 0.0)
        )
        return (above + below - width).flatten(1).sum(1)

    def nats(self, parameters: Tensor, x: Tensor) -> Tensor:
        return self.loss(parameters, x)


class Bernoulli(Likelihood):
    """One logit per element. The data must have limits; x is mapped to [0, 1] here."""

    def __init__(self, spec: Dense) -> None:
        super().__init__()
        if spec.unit == "standard":
            raise SpecError(
                say("a Bernoulli needs data with limits"),
                where="family.likelihood=bernoulli",
                fix="family.likelihood=gaussian",
            )
        self.limits = spec.limits
        self.levels = spec.levels
        self.outputs = spec.shape[0]
        self.noises = (("uniform", spec.shape),)

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        logit = parameters.float()
        low, high = self.limits
        # a density in the spec's unit, not in [0, 1]
        change = 0.0 if self.levels else math.log(high - low)
        return (
            (log_normaliser(logit, self.levels) - logit * (x - low) / (high - low) + change)
            .flatten(1)
            .sum(1)
        )

    def nats(self, parameters: Tensor, x: Tensor) -> Tensor:
        return self.loss(parameters, x)

    def mean(self, parameters: Tensor) -> Tensor:
        low, high = self.limits
        return low + (high - low) * expectation(parameters.float(), self.levels)

    def outcome(
        self, parameters: Tensor, noises: Sequence[Tensor], temperature: float = 1.0
    ) -> Tensor:
        """By inversion of the distribution function; the temperature divides the logit."""
        logit = (parameters.float() / max(temperature, 1e-3)).clamp(-1e3, 1e3)
        # with t = logit: F(k) = (exp(t (k + 1) / (n - 1)) - 1) / (exp(t n / (n - 1)) - 1), inverted
        # for t < 0, mirrored otherwise
        steep = -logit.abs().clamp_min(1e-4)
        span = self.levels / (self.levels - 1) if self.levels else 1.0
        position = torch.log1p(noises[0] * torch.expm1(steep * span)) / steep
        value = (
            (torch.ceil(position * (self.levels - 1)) - 1).clamp(0, self.levels - 1)
            / (self.levels - 1)
            if self.levels
            else position.clamp(0, 1)
        )
        low, high = self.limits
        return low + (high - low) * torch.where(logit > 0, 1 - value, value)


class Columns(Likelihood):
    """A vector of named spans: a Gaussian for every real entry, a softmax over every
    one-hot span.
    """

    real: Tensor

    def __init__(self, spec: Dense, deviation: float) -> None:
        super().__init__()
        if len(spec.shape) != 1:
            raise SpecError(say("spans need vectors"), where=f"shape {spec.shape}")
        onehot = [span for span in spec.spans if span.kind == "onehot"]
        hidden = {index for span in onehot for index in range(span.start, span.start + span.width)}
        self.onehot: tuple[Span, ...] = tuple(onehot)
        self.register_buffer(
            "real",
            torch.tensor(
                [index for index in range(spec.shape[0]) if index not in hidden], dtype=torch.int64
            ),
            persistent=False,
        )
        self.limits = spec.limits
        self.outputs = spec.shape[0]
        self.noises = (("normal", (len(self.real),)), ("gumbel", spec.shape))
        self.start = math.log(deviation)
        self.offset = nn.Parameter(torch.zeros(len(self.real)))

    def _log_scale(self) -> Tensor:
        return (self.start + LocationScale.SPEED * self.offset).clamp(-9.0, 5.0)

    def loss(self, parameters: Tensor, x: Tensor) -> Tensor:
        parameters = parameters.float()
        log_scale = self._log_scale()
        centred = (x - parameters).index_select(1, self.real) * torch.exp(-log_scale)
        total = (0.5 * centred.square() + log_scale + 0.5 * LOG_2PI).sum(1)
        for span in self.onehot:
            total = total - (
                x.narrow(1, span.start, span.width)
                * parameters.narrow(1, span.start, span.width).log_softmax(1)
            ).sum(1)
        return total

    def nats(self, parameters: Tensor, x: Tensor) -> Tensor:
        return self.loss(parameters, x)

    def mean(self, parameters: Tensor) -> Tensor:
        """Real entries: their mean. One-hot spans: the most probable category."""
        return self._fill(parameters)

    def outcome(
        self, parameters: Tensor, noises: Sequence[Tensor], temperature: float = 1.0
    ) -> Tensor:
        noise, gumbel = noises
        # Gumbel-max: the argmax of these is a draw from the softmax
        drawn = parameters.float() + temperature * gumbel
        drawn = drawn.index_copy(
            1,
            self.real,
            parameters.float().index_select(1, self.real)
            + temperature * self._log_scale().exp() * noise,
        )
        return self._fill(drawn)

    def _fill(self, parameters: Tensor) -> Tensor:
        out = parameters.float().clamp(*self.limits).clone()
        for span in self.onehot:
            best = parameters.narrow(1, span.start, span.width).argmax(1)
            out[:, span.start : span.start + span.width] = F.one_hot(best, span.width).float()
        return out


def log_normaliser(logit: Tensor, levels: int | None) -> Tensor:
    """log of the sum over k of exp(logit * k / (levels - 1)); of the integral over [0, 1] if
    `levels` is None.

    Both are even functions times exp(logit / 2): a ratio of hyperbolic sines, stable for any logit.
    """
    half = 0.5 * logit
    if levels is None:
        size = half.abs().clamp_min(1e-4)
        return half + size + torch.log(-torch.expm1(-2 * size)) - torch.log(2 * size)
    if levels == 2:
        return F.softplus(logit)
    size = (half.abs() / (levels - 1)).clamp_min(1e-5)
    return (
        half
        + (levels - 1) * size
        + torch.log(-torch.expm1(-2 * levels * size))
        - torch.log(-torch.expm1(-2 * size))
    )


def expectation(logit: Tensor, levels: int | None) -> Tensor:
    """Mean in [0, 1] of the distribution that `log_normaliser` normalises: its derivative."""
    if levels == 2:
        return torch.sigmoid(logit)
    half = logit.double().abs() / 2
    if levels is None:
        size = half.clamp_min(1e-6)
        shift = 0.5 * (1 / torch.tanh(size) - 1 / size)
    else:
        size = (half / (levels - 1)).clamp_min(1e-6)
        shift = 0.5 / (levels - 1) * (levels / torch.tanh(levels * size) - 1 / torch.tanh(size))
    return (0.5 + torch.sign(logit) * shift.clamp(0, 0.5)).to(logit.dtype)


def likelihood_for(
    spec: Dense, name: LikelihoodName = "auto", *, spread: Spread = "shared", deviation: float = 0.5
) -> Likelihood:
    """The output distribution of a spec; columns of their own if it has one-hot spans.

    "auto": logistic for three levels or more, Bernoulli for two, Gaussian without levels.
    """
    if any(span.kind == "onehot" for span in spec.spans):
        if name not in ("auto", "gaussian"):
            raise SpecError(
                say("one-hot columns have a likelihood of their own"),
                where=f"family.likelihood={name}",
                fix="family.likelihood=auto",
            )
        return Columns(spec, deviation)
    if name == "auto":
        name = "bernoulli" if spec.levels == 2 else "logistic" if spec.levels else "gaussian"
    match name:
        case "bernoulli":
            return Bernoulli(spec)
        case "logistic":
            return Logistic(spec, spread, deviation)
        case _:
            return Gaussian(spec, spread, deviation)
