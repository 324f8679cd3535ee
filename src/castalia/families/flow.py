"""Flow matching: learn the velocity of straight paths from noise to data, and follow it.

Lipman et al. 2023, arXiv:2210.02747; rectified flow: Liu et al. 2023, arXiv:2209.03003; times drawn
logit-normally: Esser et al. 2024, arXiv:2403.03206; noise and data paired by optimal transport
within a batch: Tong et al. 2024, arXiv:2302.00482; few steps by average velocities: Geng et al.
2025, arXiv:2505.13447 (MeanFlow); guidance without a classifier: Ho & Salimans 2022,
arXiv:2207.12598. The network is in nn/conditional_network.py, solvers are in nn/solvers.py.

Time runs from noise (0) to data (1): x_t = (1 - t) noise + t data, and the velocity is data -
noise. The network works in units of the data's mean and deviation (nn/data_scale.py) and is told
two times, where it stands and how far it goes: a span of 0 asks for the velocity there, a longer
one for the average velocity of the way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from castalia.abilities import SampleOptions
from castalia.captions import Caption
from castalia.config import DEEPEST, WIDEST
from castalia.errors import AbilityError, RecipeError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.class_counts import add_counts, count, with_drawn_classes
from castalia.nn.condition_embedding import Context, is_vector
from castalia.nn.conditional_network import ConditionalNetwork
from castalia.nn.conv import Norm
from castalia.nn.counter_random import generator, noise_rows, randn_rows
from castalia.nn.data_scale import DataScale
from castalia.nn.graph import Graph, Port, condition_ports
from castalia.nn.likelihoods import LOG_2PI
from castalia.nn.solvers import EVALUATIONS, Solver, along, integrate, integrate_adaptively
from castalia.sentences import say
from castalia.spec import Batch, Classes, Condition, Dense, Loss, Spec, Tokens, Words

FEW_NUMBERS = 16  # up to which a divergence is computed exactly, number by number
FRESH = 0.2  # share of the noise's variance that `restore` draws anew at every step


class FlowConfig(FamilyConfig):
    """What the network is, what it learns, and how it is followed."""

    body: Literal["auto", "mlp", "unet", "set"] = Field(
        "auto", description="auto: unet for grids, mlp for vectors, set for sets"
    )
    width: int = Field(
        64, ge=1, le=WIDEST, description="channels at the finest level (unet), units of a layer"
    )
    depth: int = Field(
        1, ge=1, le=DEEPEST, description="blocks at every level, down and up (unet), hidden layers"
    )
    patch: int = Field(1, ge=1, le=WIDEST, description="side of the patches of the first layer")
    levels: int | None = Field(None, ge=0, le=16, description="halvings; null: down to 4")
    norm: Norm = Field("none", description="what residual blocks begin with")
    objective: Literal["velocity", "average"] = Field(
        "velocity", description="average: average velocities too, for samples in a few steps"
    )
    long: float = Field(
        0.5, gt=0, le=1, description="objective=average: share of rows that learn an average"
    )
    pairing: Literal["independent", "optimal"] = Field(
        "independent", description="optimal: of a batch, each item gets the noise near it"
    )
    times: Literal["uniform", "logit-normal"] = Field(
        "logit-normal", description="where on the way the network learns"
    )
    solver: Literal["euler", "midpoint", "heun", "adaptive"] = Field(
        "heun", description="how samples follow the velocity; objective=average: Euler's steps"
    )
    steps: int = Field(12, ge=1, le=10_000, description="solver steps of a sample")
    tolerance: float = Field(1e-3, gt=0, le=1, description="solver=adaptive: error of a step")
    likelihood_steps: int = Field(16, ge=1, le=10_000, description="midpoint steps of a likelihood")
    condition_width: int = Field(
        64, ge=1, le=WIDEST, description="numbers in the vector that stands for the conditions"
    )
    condition_drop: float = Field(
        0.1, ge=0, le=1, description="chance of hiding a condition in training, for guidance"
    )
    alignment: Literal["attention", "monotonic"] = Field(
        "attention",
        description="monotonic: a text is read along the last axis, letter by letter; where each "
        "lies is learned",
    )


class Flow(Family):
    """Samples, Encodes, Generates, Scores, Infills, Restores. The latent is the noise (B, *shape),
    which is standard normal.
    """

    name: ClassVar[str] = "flow"
    accepts: ClassVar[tuple[type, ...]] = (Dense,)
    Config: ClassVar[type[FamilyConfig]] = FlowConfig
    # levels are filled with noise, whose likelihood bounds theirs, and divergences are estimated
    exact: ClassVar[bool] = False

    spec: Dense
    config: FlowConfig

    def __init__(self, config: FlowConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        assert isinstance(spec, Dense)  # the base class has refused everything else
        others = [name for name, one in conditions.items() if not isinstance(one, Classes)]
        if config.pairing == "optimal" and others:
            raise RecipeError(
                say("noise can be paired within classes only"),
                where=say("family.pairing=optimal, condition '{0}'", others[0]),
                fix="family.pairing=independent",
            )
        self.scale = DataScale(spec)
        self.velocity = Velocity(config, spec, conditions)
        add_counts(self, conditions)

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Mean and deviation of the data, and how often each class occurs."""

        def counted() -> Iterator[Batch]:
            for batch in batches:
                count(self, self.conditions, batch.cond)
                yield batch

        self.scale.fit(counted())

    @property
    def passes(self) -> int:
        """Through the network for a likelihood: two evaluations a step, with their derivatives."""
        return 4 * self.config.likelihood_steps

    def phases(self) -> Sequence[Phase]:
        return (Phase("main", ("velocity",)),)

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """Mean squared error of the velocity, per number, in units of the data's deviation. Parts:
        velocity; with objective=average also average, the error of average velocities; with
        alignment=monotonic also letters and lengths (nn/monotonic_alignment.py).
        """
        self.check(batch)
        data = self.scale(batch.x)
        rows, config = len(data), self.config
        noise = torch.randn(data.shape).to(data.device)
        if config.pairing == "optimal":
            noise = noise[paired(noise, data, batch.cond)]
        time = self._times(rows, data.device)
        context = self.velocity.embedding(batch.cond, rows, data.device, data)
        target = data - noise
        far = max(1, round(config.long * rows)) if config.objective == "average" else 0
        near = slice(far, rows)
        error = (
            self.velocity(
                on_the_way(noise, data, time)[near],
                time[near],
                torch.zeros_like(time[near]),
                context.rows(near),
            )
            - target[near]
        )
        plain = error.square().mean() if rows > far else error.sum()
        parts, total = {"velocity": plain}, plain * (rows - far) / rows
        if far:
            ends = self._times(far, data.device)
            start, end = torch.minimum(time[:far], ends), torch.maximum(time[:far], ends)
            parts["average"] = self._average_error(
                on_the_way(noise[:far], data[:far], start),
                start,
                end,
                target[:far],
                context.rows(slice(0, far)),
            )
            total = total + parts["average"] * far / rows
        for name, loss in context.losses.items():
            parts[name] = loss
            total = total + loss
        return Loss(total, {name: part.detach() for name, part in parts.items()})

    def _average_error(
        self, x: Tensor, start: Tensor, end: Tensor, velocity: Tensor, context: Context
    ) -> Tensor:
        """The average velocity u from start to end obeys u = v + (end - start) du/dstart, with the
        derivative along the path: equation 6 of Geng et al. 2025, time reversed. Rows of a large
        error weigh less, as there.
        """

        def average(x: Tensor, start: Tensor) -> Tensor:
            return self.velocity(x, start, end - start, context)

        u, slope = torch.func.jvp(average, (x, start), (velocity, torch.ones_like(start)))
        target = velocity + along(end - start, x) * slope.detach()
        error = (u - target.detach()).square().flatten(1).mean(1)
        return (error / (error.detach() + 0.01).sqrt()).mean()

    @torch.no_grad()
    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), *shape) float32 in the spec's unit. A class that `cond` does not give is
        drawn as often as the data had it. options: temperature scales the noise, guidance moves
        away from what is drawn without the conditions, or under the text `negative`; steps replaces
        config.steps.
        """
        noise = options.temperature * randn_rows(rngs, *self.spec.shape, device=self.device)
        cond = with_drawn_classes(self, self.conditions, cond, rngs, self.device)
        with self.evaluating():
            field = self._field(cond, len(rngs), options.guidance, options.negative)
            return self._unit(self._follow(field, noise, options.steps))

    @torch.no_grad()
    def to_latent(
        self, x: Tensor, cond: dict[str, Any], rngs: Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """(B, *shape) -> the noise (B, *shape) that leads there, by the solver backwards. rngs:
        levels are filled with uniform noise first, which is what a likelihood asks for.
        """
        self.check(Batch(x))
        z = self.scale(x if rngs is None else self._filled(x, rngs))
        with self.evaluating():
            field = self._field(cond, len(x), 1.0)
            times = [1 - time for time in even_times(self.config.steps)]
            return integrate(_at_points(field), z, times, self._fixed_solver())

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return self.spec.shape

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """Noise (B, *shape) -> data (B, *shape), the way that `to_latent` went; with gradient."""
        with self.evaluating():
            field = self._field(cond, len(z), 1.0)
            times = even_times(self.config.steps)
            return self._unit(integrate(_at_points(field), z, times, self._fixed_solver()))

    @torch.no_grad()
    def infill(
        self,
        x: Tensor,
        keep: Tensor,
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        """x (B, *shape) made anew where `keep`, which broadcasts to it, is False."""
        self.check(Batch(x))
        keep = keep.expand_as(x)
        return self.restore(lambda data: torch.where(keep, x, data), rngs, cond, temperature)

    @torch.no_grad()
    def restore(
        self,
        consistent: Callable[[Tensor], Tensor],
        rngs: Sequence[torch.Generator],
        cond: dict[str, Any],
        temperature: float = 1.0,
    ) -> Tensor:
        """(len(rngs), *shape): draws that agree with what is known, which `consistent` puts into
        any data (B, *shape) in the spec's unit.

        At every step the network says what data and what noise the state is made of; what is known
        goes into the data, a part of the noise is drawn anew, and both are joined one step later
        (Wang et al. 2023, arXiv:2212.00490, DDNM). Of correlated Gaussians this is nearer to the
        truth than going back and forth (Lugmayr et al. 2022), with a third of the evaluations.
        """
        rows, shape = len(rngs), self.spec.shape
        steps = max(32, 4 * self.config.steps)
        state = temperature * randn_rows(rngs, *shape, device=self.device)
        with self.evaluating():
            velocity = _at_points(self._field(cond, rows, 1.0))
            for number in range(steps):
                time, later = number / steps, (number + 1) / steps
                slope = velocity(state, torch.full((rows,), time, device=self.device))
                data = self.scale(consistent(self._unit(state + (1 - time) * slope)))
                fresh = temperature * randn_rows(rngs, *shape, device=self.device)
                noise = (1 - FRESH) ** 0.5 * (state - time * slope) + FRESH**0.5 * fresh
                state = later * data + (1 - later) * noise
            return consistent(self._unit(state))

    @torch.no_grad()
    def denoise(self, x: Tensor, deviation: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, *shape): the expected data of x = data + noise with this deviation (B,), in the
        spec's unit.

        t (data + s noise) lies on the way to the data at the time t where t s = 1 - t; one
        evaluation there gives the mean of all data that can have come so far, which no other
        estimate beats in squared error if the network is right.
        """
        self.check(Batch(x))
        time = 1 / (1 + deviation / self.scale.spread)
        state = along(time, x) * self.scale(x)
        with self.evaluating():
            slope = _at_points(self._field(cond, len(x), 1.0))(state, time)
            return self._unit(state + along(1 - time, x) * slope)

    def nats(self, batch: Batch, rngs: Sequence[torch.Generator] | None = None) -> Tensor:
        """(B,) negative log-likelihood in nats of the data as stored, by the change of variables
        along the flow (Chen et al. 2018, arXiv:1806.07366, equation 8); levels are filled with
        uniform noise, which bounds their likelihood (Theis et al. 2016). Divergences of more than
        `FEW_NUMBERS` numbers are estimated by one random direction for each row (Hutchinson), so
        single rows scatter. Without `rngs` the noise is a function of the row number.
        """
        rows, spec = len(batch.x), self.spec
        rngs = rngs or [generator("nats", row) for row in range(rows)]
        # forward derivatives do not work on tensors of inference mode
        with torch.inference_mode(False), torch.no_grad(), self.evaluating():
            x = self.scale(self._filled(batch.x.clone(), rngs))
            cond = {
                name: value.clone() if isinstance(value, Tensor) else value
                for name, value in batch.cond.items()
            }
            context = self.velocity.embedding(cond, rows, x.device)
            if spec.size <= FEW_NUMBERS:
                probes = list(torch.eye(spec.size, device=x.device).view(-1, 1, *spec.shape))
                probes = [probe.expand_as(x).contiguous() for probe in probes]
            else:
                signs = noise_rows("uniform", rngs, *spec.shape, device=x.device) < 0.5
                probes = [torch.where(signs, 1.0, -1.0)]

            def slope(x: Tensor, time: float) -> tuple[Tensor, Tensor]:
                """The velocity and its divergence (B,)."""
                now = torch.full((rows,), time, device=x.device)

                def at(x: Tensor) -> Tensor:
                    return self.velocity(x, now, torch.zeros_like(now), context)

                divergence = x.new_zeros(rows, dtype=torch.float64)
                for probe in probes:
                    velocity, along = torch.func.jvp(at, (x,), (probe,))
                    divergence += (along * probe).flatten(1).double().sum(1)
                return velocity, divergence

            gained, size = x.new_zeros(rows, dtype=torch.float64), 1 / self.config.likelihood_steps
            for number in range(self.config.likelihood_steps):
                start = 1 - number * size
                half = x - 0.5 * size * slope(x, start)[0]
                velocity, divergence = slope(half, start - 0.5 * size)
                x, gained = x - size * velocity, gained + size * divergence
            noise = 0.5 * (x.double().square() + LOG_2PI).flatten(1).sum(1)
            return (noise + gained + spec.size * self._log_volume()).float()

    def graphs(self) -> dict[str, Graph]:
        """sample: all steps of the solver, one behind the other."""
        told = [
            name
            for name, one in self.conditions.items()
            if isinstance(one, Tokens) or (isinstance(one, Dense) and not is_vector(one))
        ]
        if told or self.config.solver == "adaptive":
            raise AbilityError(
                say("only flows of fixed steps, told classes or vectors, can be exported"),
                where=say("condition '{0}'", told[0]) if told else "family.solver=adaptive",
                fix=say("use the Hugging Face or the bundle format, or train another flow"),
            )
        noise = Port("noise", ("rows", *self.spec.shape), "normal", "standard normal")
        ports = condition_ports(self.velocity.embedding)
        outputs = {"data": f"(rows, {', '.join(map(str, self.spec.shape))}) in the model's unit"}
        return {"sample": Graph(Following(self).eval(), (noise, *ports), outputs)}

    def _times(self, rows: int, device: torch.device) -> Tensor:
        """(rows,) in (0, 1), from torch's global generator."""
        if self.config.times == "uniform":
            return torch.rand(rows).to(device)
        return torch.randn(rows).sigmoid().to(device)

    def _field(
        self, cond: dict[str, Any], rows: int, guidance: float, negative: str = ""
    ) -> VelocityField:
        """(x, time, span) -> velocity, guided by the conditions, away from those that `negative`
        puts in their place.
        """
        embedding, network = self.velocity.embedding, self.velocity
        context = embedding(cond, rows, self.device)
        if guidance == 1.0 or not any(value is not None for value in cond.values()):
            return lambda x, time, span: network(x, time, span, context)
        unlike = {
            name: torch.tensor([Caption(one).asked("negative", negative)] * rows)
            for name, one in self.conditions.items()
            if isinstance(one, Words) and negative
        }
        if negative and not unlike:
            raise AbilityError(
                say("this model is told no text, so there is none to be unlike"),
                where=f"negative={negative[:80]}",
                fix=say("leave it out"),
            )
        free = embedding(unlike, rows, self.device)

        def guided(x: Tensor, time: Tensor, span: Tensor) -> Tensor:
            told, untold = network(x, time, span, context), network(x, time, span, free)
            return untold + guidance * (told - untold)

        return guided

    def _follow(self, field: VelocityField, noise: Tensor, steps: int | None) -> Tensor:
        config = self.config
        if config.solver == "adaptive" and steps is None and config.objective == "velocity":
            return integrate_adaptively(
                _at_points(field), noise, 0.0, 1.0, tolerance=config.tolerance
            )[0]
        times = even_times(steps or config.steps)
        if config.objective == "velocity":
            return integrate(_at_points(field), noise, times, self._fixed_solver())
        x = noise
        for start, end in pairwise(times):
            now = torch.full((x.shape[0],), start, device=x.device)
            x = x + (end - start) * field(x, now, torch.full_like(now, end - start))
        return x

    def _fixed_solver(self) -> Solver:
        return "heun" if self.config.solver == "adaptive" else self.config.solver

    def evaluations(self, steps: int | None = None) -> int | None:
        """Of the network, for a sample; None where the solver decides."""
        config = self.config
        if config.objective == "average":
            return steps or config.steps
        if config.solver == "adaptive" and steps is None:
            return None
        return (steps or config.steps) * EVALUATIONS[self._fixed_solver()]

    def _unit(self, z: Tensor) -> Tensor:
        low, high = self.spec.limits
        return self.scale.back(z.float()).clamp(low, high)

    def _filled(self, x: Tensor, rngs: Sequence[torch.Generator]) -> Tensor:
        """Levels with uniform noise of a level's width around them."""
        width = self._level_width()
        if not width:
            return x
        return x + width * (noise_rows("uniform", rngs, *self.spec.shape, device=x.device) - 0.5)

    def _level_width(self) -> float:
        low, high = self.spec.limits
        return (high - low) / (self.spec.levels - 1) if self.spec.levels else 0.0

    def _log_volume(self) -> float:
        """Nats of a number in the unit's scale, minus those in units of the deviation; with levels,
        of a level.
        """
        width = self._level_width()
        return math.log(float(self.scale.spread)) - (math.log(width) if width else 0.0)


VelocityField = Callable[[Tensor, Tensor, Tensor], Tensor]


class Velocity(ConditionalNetwork):
    """x (B, *shape) at times (B,), how far to go (B,) and conditions -> velocity (B, *shape),
    float32.
    """

    def __init__(self, config: FlowConfig, spec: Dense, conditions: dict[str, Condition]) -> None:
        super().__init__(
            spec,
            conditions,
            times=2,
            body=config.body,
            width=config.width,
            depth=config.depth,
            patch=config.patch,
            levels=config.levels,
            norm=config.norm,
            condition_width=config.condition_width,
            condition_drop=config.condition_drop,
            alignment=config.alignment,
        )

    def forward(self, x: Tensor, time: Tensor, span: Tensor, context: Context) -> Tensor:  # type: ignore[override]
        return super().forward(x, (time, span), context)


class Following(nn.Module):
    """All steps from noise to data, with the conditions as positional tensors."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, noise: Tensor, *given: Tensor) -> tuple[Tensor]:
        flow = self.flow
        cond = dict(zip(flow.velocity.embedding.conditions, given, strict=True))
        context = flow.velocity.embedding(cond, noise.shape[0], noise.device)
        field: VelocityField = lambda x, time, span: flow.velocity(x, time, span, context)  # noqa: E731
        return (flow._unit(flow._follow(field, noise, None)),)


def even_times(steps: int) -> list[float]:
    """From 0 to 1 in so many steps."""
    return [step / steps for step in range(steps + 1)]


def on_the_way(noise: Tensor, data: Tensor, time: Tensor) -> Tensor:
    """(B, ...) at times (B,) of the straight paths from noise to data."""
    return torch.lerp(noise, data, along(time, data))


def paired(noise: Tensor, data: Tensor, cond: dict[str, Any]) -> Tensor:
    """(B,) which noise each item gets, so that the sum of squared distances is small, within
    classes: independent of the classes the noise has to stay.

    Two items exchange their noise while that makes the sum smaller, all pairs at once that are each
    other's best exchange. It ends where no exchange of two helps: a few percent above the optimal
    assignment, in a hundredth of the time.
    """
    cost = torch.cdist(data.flatten(1).float(), noise.flatten(1).float()).square()
    for classes in cond.values():
        if classes is not None:
            cost = cost + (classes[:, None] != classes[None, :]) * 1e3 * cost.max()
    rows = torch.arange(len(data), device=data.device)
    order = rows.clone()
    for _ in range(len(data)):
        now = cost[:, order]
        own = now.diagonal()
        gain = own[:, None] + own[None, :] - now - now.T
        best, partner = gain.fill_diagonal_(0).max(1)
        mutual = (partner[partner] == rows) & (best > 1e-5 * own)
        if not mutual.any():
            break
        order = torch.where(mutual, order[partner], order)
    return order


def _at_points(field: VelocityField) -> Callable[[Tensor, Tensor], Tensor]:
    """The velocity where one stands: a span of 0."""
    return lambda x, time: field(x, time, torch.zeros_like(time))
