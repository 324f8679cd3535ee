"""Generative adversarial network: a generator learns from a critic that learns to tell its work
from the data.

Objectives: non-saturating (Goodfellow et al. 2014, arXiv:1406.2661), hinge with spectral norm
(Miyato et al. 2018, arXiv:1802.05957), relativistic pairing with R1 + R2 (Huang et al. 2024,
arXiv:2501.05441). Conditions reach the critic by projection or concatenation, the generator by
conditional batch norm or beside the noise. Two guards against collapse: matched moments
(`moments_apart`) and, where items are few, alterations (nn/diffaugment.py). The networks follow the
spec's rank: nn/gan_networks.py, nn/dcgan.py, nn/fastgan.py. Not here: guidance, encoders
(families/vaegan.py), latents of given data (sampling/latent_search.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from castalia.abilities import SampleOptions
from castalia.config import DEEPEST, WIDEST
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family, FamilyConfig, Phase
from castalia.nn.batchnorm_stats import fresh_statistics, passes_for
from castalia.nn.class_counts import (
    add_counts,
    count,
    with_commonest_classes,
    with_drawn_classes,
)
from castalia.nn.condition_embedding import ConditionEmbedding, is_vector
from castalia.nn.data_scale import DataScale
from castalia.nn.dcgan import FAST, TEXTBOOK, ConvCritic, ConvGenerator
from castalia.nn.diffaugment import Policy, altered
from castalia.nn.fastgan import FastCritic, FastGenerator
from castalia.nn.gan_networks import CriticNorm, MlpCritic, MlpGenerator, spectral
from castalia.nn.graph import Graph, Port, condition_ports
from castalia.sentences import say
from castalia.spec import Batch, Classes, Condition, Dense, Loss, Spec

Objective: TypeAlias = Literal["nonsaturating", "hinge", "relativistic"]
FEW, MANY = 2_000, 20_000  # items between which alterations for the critic fade out
CHUNK = 256  # rows per pass of `refresh`


class GanConfig(FamilyConfig):
    """Which networks play, by which rules."""

    body: Literal["auto", "mlp", "conv", "dcgan", "fastgan"] = Field(
        "auto",
        description="auto: conv for grids, mlp for vectors and sets; dcgan: the textbook networks; "
        "fastgan: for a few hundred items",
    )
    objective: Objective = Field("nonsaturating", description="what generator and critic minimise")
    width: int = Field(
        64,
        ge=1,
        le=WIDEST,
        description="channels at the coarse grid (conv), after the first layer (dcgan), of the "
        "finest grid (fastgan), units of a layer (mlp)",
    )
    depth: int = Field(2, ge=1, le=DEEPEST, description="hidden layers of the mlp body")
    latent: int = Field(64, ge=1, le=WIDEST, description="numbers in the noise vector")
    critic_norm: Literal["auto", "batch", "spectral", "none"] = Field(
        "auto",
        description="auto: batch, hinge: spectral, relativistic: none, body fastgan: batch, with "
        "spectral norm in layers without it",
    )
    penalty: float | None = Field(
        None, ge=0, description="weight gamma of R1 + R2; null: 1 for relativistic, else 0"
    )
    critic_condition: Literal["projection", "concat"] = Field(
        "projection", description="how the critic is told a condition"
    )
    generator_condition: Literal["norm", "concat"] = Field(
        "norm", description="norm: conditional batch norm; concat: beside the noise"
    )
    condition_width: int = Field(
        64, ge=1, le=WIDEST, description="numbers in the vector that stands for the conditions"
    )
    matching: float | None = Field(
        None,
        ge=0,
        description="weight of the distance between real and generated moments; null: 1 for grids "
        "but with body fastgan, else 0",
    )
    soft_margin: float = Field(
        0.0, ge=0, le=1, description="hinge: margins are drawn from between 1 - this and 1"
    )
    redrawing: float | None = Field(
        None,
        ge=0,
        description="body fastgan: weight of how far the critic's drawing of what it was shown is "
        "from it; null: 0.4",
    )
    augment: float | None = Field(
        None,
        ge=0,
        le=1,
        description="chance of each alteration of what the critic sees; null: 0.5 (body fastgan: "
        "1) for few items, 0 for many",
    )
    policy: Literal["auto", "cutout", "contrast"] = Field(
        "auto",
        description="which alterations: offset, spread and shift with holes (cutout) or, gentler, "
        "with contrast; auto: contrast for body fastgan, else cutout",
    )


class Generator(nn.Module):
    """Noise (B, latent) and conditions to data (B, *shape) in the spec's unit, float32."""

    def __init__(self, config: GanConfig, spec: Dense, conditions: dict[str, Condition]) -> None:
        super().__init__()
        self.spec = spec
        self.concat = config.generator_condition == "concat"
        self.embedding = ConditionEmbedding(conditions, config.condition_width, drop=0.0)
        context = self.embedding.vector_width
        options = {"code": context if self.concat else 0, "context": 0 if self.concat else context}
        self.scaled = DataScale(spec) if body_name(config, spec) == "fastgan" else None
        match body_name(config, spec):
            case "mlp":
                self.body: nn.Module = MlpGenerator(
                    spec.shape, config.latent, config.width, config.depth, **options
                )
            case "conv":
                self.body = ConvGenerator(spec.shape, config.latent, config.width, FAST, **options)
            case "fastgan":
                self.body = FastGenerator(spec.shape, config.latent, config.width, **options)
            case _:
                self.body = ConvGenerator(
                    spec.shape, config.latent, config.width, TEXTBOOK, **options
                )

    def forward(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        # not len(z), which a trace takes for a constant
        vector = self.embedding(cond, z.shape[0], z.device).vector
        if vector is not None and self.concat:
            z, vector = torch.cat([z, vector], 1), None
        raw = self.body(z, vector).float()
        return to_unit(raw if self.scaled is None else self.scaled.before_squashing(raw), self.spec)


class Critic(nn.Module):
    """Data (B, *shape) and conditions to logits (B,), of body fastgan (B, patches), float32: large
    means real.
    """

    def __init__(self, config: GanConfig, spec: Dense, conditions: dict[str, Condition]) -> None:
        super().__init__()
        self.norm: CriticNorm = critic_norm_of(config)
        self.concat = config.critic_condition == "concat"
        self.embedding = ConditionEmbedding(conditions, config.condition_width, drop=0.0)
        context = self.embedding.vector_width
        options = {"extra": context if self.concat else 0, "context": 0 if self.concat else context}
        match body_name(config, spec):
            case "mlp":
                self.body: nn.Module = MlpCritic(
                    spec.shape, config.width, config.depth, self.norm, **options
                )
            case "conv":
                self.body = ConvCritic(spec.shape, config.width, FAST, self.norm, **options)
            case "fastgan":
                self.body = FastCritic(spec.shape, config.width, self.norm, **options)
            case _:
                self.body = ConvCritic(spec.shape, config.width, TEXTBOOK, self.norm, **options)
        if self.norm == "spectral" and not isinstance(self.body, FastCritic):
            spectral(self)

    def forward(
        self, x: Tensor, cond: dict[str, Any], features: list[Tensor] | None = None
    ) -> Tensor:
        """`features` collects the features of every layer before its norm."""
        vector = self.embedding(cond, len(x), x.device).vector
        condition = {"vector": None, "extra": vector} if self.concat else {"vector": vector}
        return (
            self.body(x, **condition)
            if features is None
            else self.body(x, **condition, features=features)
        )

    def both(
        self,
        real: Tensor,
        fake: Tensor,
        cond: dict[str, Any],
        features: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits of real and of generated data under the same conditions; `features` collects those
        of the real data.

        One pass, except with batch norm: its statistics must come from real rows alone and
        generated rows alone, or the critic reads the answer off them.
        """
        if self.norm == "batch":
            return self(real, cond, features), self(fake, cond)
        of_both: list[Tensor] | None = None if features is None else []
        first, second = self(
            torch.cat([real, fake]),
            {name: torch.cat([value, value]) for name, value in cond.items()},
            of_both,
        ).chunk(2)
        if features is not None:
            features += [part.chunk(2)[0] for part in of_both or ()]
        return first, second


class Gan(Family):
    """Samples, Generates. Phases "critic" and "generator"; see GanConfig. The latent is the noise
    (B, latent), standard normal. Samples come in the spec's unit, in evaluation mode.
    """

    name = "gan"
    accepts = (Dense,)
    Config = GanConfig
    config: GanConfig
    spec: Dense

    def __init__(self, config: GanConfig, spec: Spec, conditions: dict[str, Condition]) -> None:
        super().__init__(config, spec, conditions)
        for name, condition in conditions.items():
            if not (
                isinstance(condition, Classes)
                or (isinstance(condition, Dense) and is_vector(condition))
            ):
                raise SpecError(
                    say("'gan' can be told classes and vectors only"),
                    where=say("condition '{0}'", name),
                    fix=say("data.conditional=false, or another family"),
                )
        self.penalty = penalty_of(config)
        if self.penalty and critic_norm_of(config) == "batch":
            raise RecipeError(
                say("a gradient penalty is per item, batch norm mixes items"),
                where="family.penalty, family.critic_norm",
                fix=say("set family.critic_norm=none or spectral"),
            )
        grid = self.spec.layout == "grid"
        # of a step's items; in the checkpoint, because only `prepare` knows how many items there
        # are
        self.altered: Tensor
        self.register_buffer("altered", torch.tensor((config.augment or 0.0) if grid else 0.0))
        self.fastgan = body_name(config, self.spec) == "fastgan"
        if config.redrawing and not self.fastgan:
            raise RecipeError(
                say("only the critic of body fastgan draws what it was shown"),
                where="family.redrawing",
                fix="family.body=fastgan",
            )
        matching = 0.0 if self.fastgan else 1.0
        self.matching = (matching if config.matching is None else config.matching) if grid else 0.0
        self.redrawing = 0.4 * self.fastgan if config.redrawing is None else config.redrawing
        self.policy: Policy = (
            config.policy if config.policy != "auto" else ("contrast" if self.fastgan else "cutout")
        )
        self.generator = Generator(config, self.spec, conditions)
        self.critic = Critic(config, self.spec, conditions)
        add_counts(self, conditions)

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Counts the items: with few, the critic would know them by heart, so it sees them
        altered. For body fastgan also means and deviation, see DataScale.
        """
        if self.spec.layout != "grid":
            return
        batches, often, items = up_to_many(batches), self.config.augment, 0
        if self.generator.scaled is not None:
            items = self.generator.scaled.fit(batches)
        elif often is None:
            items = sum(len(batch.x) for batch in batches)
        if often is None:
            often = (0.5 if self.generator.scaled is None else 1.0) * scarcity(items)
        # also where it was asked for: the run that this one starts from may have had another
        self.altered.fill_(often)

    def phases(self) -> Sequence[Phase]:
        return (Phase("critic", ("critic",)), Phase("generator", ("generator",)))

    def forward(self, batch: Batch, phase: str = "main") -> Loss:
        """The loss of phase "critic" or "generator".

        Parts: critic: loss, real and fake (mean logits), with a penalty also r1 and r2 (mean
        squared gradient norms), with body fastgan also redrawing (`redrawing_error`); generator:
        loss, with matching also apart (see `moments_apart`).
        Noise (B, latent) comes from torch's global generator.
        """
        self.check(batch)
        rows = len(batch.x)
        if self.training and rows < 2:
            raise SpecError(
                say("batch norm needs at least two items a step"),
                where=say("batch of {0}", rows),
                fix=say("training.batch=2 or more"),
            )
        cond = {
            name: batch.cond[name] for name in self.conditions if batch.cond.get(name) is not None
        }
        z = torch.randn(rows, self.config.latent).to(batch.x.device)
        match phase:
            case "critic":
                return self._critic_loss(batch.x, z, cond)
            case "generator":
                return self._generator_loss(batch.x, z, cond)
        raise SpecError(
            say("'gan' has no phase '{0}'", phase),
            where="forward(batch, phase)",
            fix=say("use 'critic' or 'generator'"),
        )

    def _critic_loss(self, real: Tensor, z: Tensor, cond: dict[str, Any]) -> Loss:
        if self.training:
            count(self, self.conditions, cond)
        with torch.no_grad():
            fake = self.generator(z, cond)
        seen, parts = self._seen(real), {}
        inside: list[Tensor] | None = [] if self.redrawing else None
        if self.penalty:
            on_real, parts["r1"] = with_gradient(self.critic, seen, cond, inside)
            on_fake, parts["r2"] = with_gradient(self.critic, self._seen(fake), cond)
        else:
            on_real, on_fake = self.critic.both(seen, self._seen(fake), cond, inside)
        total = critic_objective(self.config.objective, on_real, on_fake, self.config.soft_margin)
        if self.penalty:
            total = total + 0.5 * self.penalty * (parts["r1"] + parts["r2"])
        if inside:
            parts["redrawing"] = self.critic.body.redrawing_error(inside[-1], seen)
            total = total + self.redrawing * parts["redrawing"]
        parts = {"loss": total, "real": on_real.mean(), "fake": on_fake.mean(), **parts}
        return Loss(total, {name: value.detach() for name, value in parts.items()})

    def _generator_loss(self, real: Tensor, z: Tensor, cond: dict[str, Any]) -> Loss:
        fake = self.generator(z, cond)
        inside_fake: list[Tensor] = []
        inside_real: list[Tensor] = []
        on_fake = self.critic(self._seen(fake), cond, inside_fake)
        on_real = None
        if self.config.objective == "relativistic" or self.matching:
            with torch.no_grad():
                on_real = self.critic(self._seen(real), cond, inside_real)
        total = loss = generator_objective(self.config.objective, on_real, on_fake)
        if not self.matching:
            return Loss(total, {"loss": total.detach()})
        apart = moments_apart(
            list(zip([fake, *inside_fake[-1:]], [real, *inside_real[-1:]], strict=True))
        )
        return Loss(loss + self.matching * apart, {"loss": loss.detach(), "apart": apart.detach()})

    @torch.no_grad()
    def sample(
        self, rngs: Sequence[torch.Generator], cond: dict[str, Any], options: SampleOptions
    ) -> Tensor:
        """(len(rngs), *shape) float32 in the spec's unit. A class that `cond` does not give is
        drawn as often as the data had it.

        options.temperature scales the noise; below 1 gives safer, less varied samples.
        """
        z = torch.stack([torch.randn(self.config.latent, generator=rng) for rng in rngs]).to(
            self.device
        )
        return self.from_latent(z * options.temperature, self._complete(cond, rngs))

    @property
    def latent_shape(self) -> tuple[int, ...]:
        return (self.config.latent,)

    def from_latent(self, z: Tensor, cond: dict[str, Any]) -> Tensor:
        """(B, latent) -> (B, *shape) float32 in the spec's unit, in evaluation mode; with gradient.
        A class that `cond` does not give is the one that the data had most often.
        """
        cond = with_commonest_classes(self, self.conditions, cond, len(z), self.device)
        training = self.generator.training
        self.generator.eval()
        try:
            made: Tensor = self.generator(z, cond)
            return made
        finally:
            self.generator.train(training)

    @torch.no_grad()
    def refresh(self, rngs: Sequence[torch.Generator]) -> None:
        """Batch-norm statistics of the generator from fresh noise: averaged weights need their own.

        Means and unbiased variances of `CHUNK` rows at a time, averaged; a function of `rngs` and
        the weights only.
        """
        owners = [rngs[row % len(rngs)] for row in range(CHUNK)]
        with fresh_statistics(self.generator):
            for _ in range(passes_for(self.spec.size)):
                z = torch.stack(
                    [torch.randn(self.config.latent, generator=rng) for rng in owners]
                ).to(self.device)
                self.generator(z, self._complete({}, owners))

    def graphs(self) -> dict[str, Graph]:
        """The generator: noise and conditions to data."""
        noise = Port("noise", ("rows", self.config.latent), "normal", "standard normal")
        ports = condition_ports(self.generator.embedding, droppable=False)
        outputs = {"data": f"(rows, {', '.join(map(str, self.spec.shape))}) in the model's unit"}
        return {"sample": Graph(Generating(self.generator).eval(), (noise, *ports), outputs)}

    def _seen(self, x: Tensor) -> Tensor:
        """What the critic is shown instead of `x`."""
        x = x if self.generator.scaled is None else self.generator.scaled(x)
        return altered(x, float(self.altered), self.policy) if self.training else x

    def _complete(self, cond: dict[str, Any], rngs: Sequence[torch.Generator]) -> dict[str, Any]:
        return with_drawn_classes(self, self.conditions, cond, rngs, self.device)


class Generating(nn.Module):
    """The generator with its conditions as positional tensors."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, *given: Tensor) -> tuple[Tensor]:
        return (
            self.generator(z, dict(zip(self.generator.embedding.conditions, given, strict=True))),
        )


def critic_objective(
    objective: Objective, real: Tensor, fake: Tensor, soft_margin: float = 0.0
) -> Tensor:
    """What the critic minimises, from its logits (B,) or (B, patches) on real and on generated
    data.

    nonsaturating  -[log D(x) + log(1 - D(G(z)))] with D = sigmoid of the logit (Goodfellow et al.
                   2014, eq. 1)
    hinge          max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Miyato et al. 2018, eq. 16); with a soft
                   margin each 1 is a number drawn from [1 - soft_margin, 1]
    relativistic   -log sigmoid(D(x) - D(G(z))), row by row (Jolicoeur-Martineau 2018; Huang et al.
                   2024, eq. 2)
    """
    match objective:
        case "nonsaturating":
            return (F.softplus(-real) + F.softplus(fake)).mean()
        case "hinge":
            if soft_margin:
                real = real + soft_margin * torch.rand_like(real)
                fake = fake - soft_margin * torch.rand_like(fake)
            return (F.relu(1 - real) + F.relu(1 + fake)).mean()
        case "relativistic":
            return F.softplus(fake - real).mean()


def generator_objective(objective: Objective, real: Tensor | None, fake: Tensor) -> Tensor:
    """What the generator minimises; `real` logits are needed by "relativistic" only.

    nonsaturating -log D(G(z)); hinge -D(G(z)) (eq. 17); relativistic -log sigmoid(D(G(z)) - D(x)).
    """
    match objective:
        case "nonsaturating":
            return F.softplus(-fake).mean()
        case "hinge":
            return -fake.mean()
        case "relativistic":
            if real is None:
                raise SpecError(
                    say("the relativistic objective compares with real data"),
                    where="generator_objective",
                    fix=say("give the critic's logits on real rows"),
                )
            return F.softplus(real - fake).mean()


def moments_apart(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """How far the moments of generated rows are from those of real rows, over pairs (generated,
    real) of features (B, ...).

    Per number of a row: the squared distance of the means and that of the deviations, both in real
    deviations; the mean over each pair, then over the pairs. A form of feature matching (Salimans
    et al. 2016, arXiv:1606.03498, section 3.1): it shows the generator what batch norm hides from
    the critic, namely all that the generated rows of a batch share.
    """
    distances = []
    for a, b in pairs:
        (var_a, mean_a), (var_b, mean_b) = (
            torch.var_mean(a.float(), 0, correction=0),
            torch.var_mean(b.float(), 0, correction=0),
        )
        scale = var_b + 0.05 * var_b.mean() + 1e-6  # numbers that hardly vary do not rule the sum
        spread = (var_a + 1e-6).sqrt() - (var_b + 1e-6).sqrt()
        distances.append((((mean_a - mean_b).square() + spread.square()) / scale).mean())
    return torch.stack(distances).mean()


def with_gradient(
    critic: Critic, x: Tensor, cond: dict[str, Any], features: list[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Logits (B,) and the mean squared norm of their gradient in x: R1 on real, R2 on generated
    rows (Mescheder et al. 2018).

    Always float32: second derivatives through bfloat16 activations are noise.
    """
    with torch.autocast(x.device.type, enabled=False):
        learning = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x.detach().float().requires_grad_()
            logits = critic(x, cond, features)
            (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=learning)
        return logits, slope.square().flatten(1).sum(1).mean()


def to_unit(raw: Tensor, spec: Dense) -> Tensor:
    """Raw network values (B, *shape) to the spec's unit: tanh, sigmoid or as they are; softmax over
    each one-hot span.
    """
    match spec.unit:
        case "signed":
            x = raw.tanh()
        case "binary":
            x = raw.sigmoid()
        case _:
            x = raw
    hot = [span for span in spec.spans if span.kind == "onehot"]
    if not hot:
        return x
    x = x.clone()
    for span in hot:
        x[:, span.start : span.start + span.width] = raw[
            :, span.start : span.start + span.width
        ].softmax(1)
    return x


def body_name(config: GanConfig, spec: Dense) -> str:
    """Resolve "auto": convolutions where neighbours are related."""
    if config.body != "auto":
        return config.body
    return "conv" if spec.layout == "grid" and 2 <= len(spec.shape) <= 4 else "mlp"


def up_to_many(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The first of `batches`, until they hold `MANY` items."""
    items = 0
    for batch in batches:
        yield batch
        items += len(batch.x)
        if items >= MANY:
            return


def scarcity(items: int) -> float:
    """1 up to `FEW` items, 0 from `MANY` on, linear in the logarithm between."""
    if items >= MANY:
        return 0.0
    return 1.0 if items <= FEW else math.log(MANY / items) / math.log(MANY / FEW)


def critic_norm_of(config: GanConfig) -> CriticNorm:
    if config.critic_norm != "auto":
        return config.critic_norm
    if config.body == "fastgan":
        return "none" if penalty_of(config) else "batch"
    norms: dict[Objective, CriticNorm] = {
        "nonsaturating": "batch",
        "hinge": "spectral",
        "relativistic": "none",
    }
    return norms[config.objective]


def penalty_of(config: GanConfig) -> float:
    if config.penalty is not None:
        return config.penalty
    return 1.0 if config.objective == "relativistic" else 0.0
