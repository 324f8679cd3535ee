"""Tuning objectives in place of a family's own loss: preference pairs (DPO), or a reward for its
own samples.

An objective stands where the family stands in the loop: it gives the batches, and its forward is
the loss of a phase. What it trains is the family, beside a frozen copy of what it started from (the
reference). So the run that comes of it is a plain run of that family. Any family will do that
`Tunes` and `Decodes`; both models are in evaluation mode throughout, since a text drawn without
dropout is to be judged without it.

Prefer: direct preference optimisation (Rafailov et al. 2023) of pairs from a table
(data/preference_pairs.py). Reward: a policy gradient with leave-one-out baselines on fresh samples
(Ahmadian et al. 2024), the KL divergence from the reference being part of the reward. Samples are
functions of the weights and of counters, so training resumes bit-exactly.

The formulas are in nn/preference_losses.py. Not here: a learned model of rewards, and several steps
on one batch of samples.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from castalia.abilities import Decodes, SampleOptions, Tunes
from castalia.codecs.base import Codec
from castalia.constraints import rewards
from castalia.data.preference_pairs import Pairs, Sides
from castalia.data.windows import Windows
from castalia.errors import RecipeError, SpecError
from castalia.families.base import Family, Phase
from castalia.nn.counter_random import generator
from castalia.nn.decode import Completion, complete
from castalia.nn.preference_losses import divergence, dpo, policy_gradient
from castalia.recipe_sections import PreferConfig, RewardConfig
from castalia.registry import require
from castalia.sentences import say
from castalia.spec import Batch, Loss, Tokens

GROUP = 8  # samples of one prompt
AT_ONCE = 64  # rows that are judged together


class Objective(nn.Module, ABC):
    """`family` learns, `reference` is what it was before step 1."""

    name: str

    def __init__(self, family: Family, reference: Family) -> None:
        super().__init__()
        require(family, Tunes, say("learn from preferences or rewards"))
        self.family, self.reference = family, reference.eval().requires_grad_(False)

    def phases(self) -> Sequence[Phase]:
        """The parts of the family that its first phase trains."""
        return (Phase(self.name, self.family.phases()[0].trains),)

    @abstractmethod
    def batch(self, counter: int, size: int, seed: int) -> Any:
        """What `forward` takes; a function of the weights and of the arguments."""

    @abstractmethod
    def forward(self, batch: Any, phase: str) -> Loss: ...

    @abstractmethod
    def judge(self, model: Family, seed: int, texts: int) -> dict[str, Any]:
        """Numbers of a model on held-out pairs or on `texts` fresh samples, by which the model
        before and after is compared. JSON.
        """

    def log_probs(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B, T - 1) log-probabilities of x[:, 1:], 0 where batch.weight is."""
        model.eval()
        assert batch.weight is not None
        return -cast(Tunes, model).token_loss(batch._replace(weight=None)) * batch.weight[:, 1:]


class Prefer(Objective):
    """Parts of the loss: margin (of the implicit rewards, beta times the log-ratios), accuracy
    (share of pairs with a margin above 0, ties count half), chosen and rejected (the implicit
    rewards), nats (per token, of what was chosen).
    """

    name = "prefer"

    def __init__(
        self, config: PreferConfig, family: Family, reference: Family, sides: Sides
    ) -> None:
        super().__init__(family, reference)
        if family.conditions:
            raise RecipeError(
                say("pairs carry no classes"),
                where="training.prefer",
                fix=say("start from a run with data.conditional=false"),
            )
        self.config, self.sides = config, sides

    def batch(self, counter: int, size: int, seed: int) -> Batch:
        return self.sides.train.batch(counter, size, seed).to(self.family.device)

    def forward(self, batch: Batch, phase: str) -> Loss:
        own = self.log_probs(self.family, batch)
        with torch.no_grad():
            reference = self.log_probs(self.reference, batch).sum(1)
        return self.loss(own, reference, batch)

    def loss(self, own: Tensor, reference: Tensor, batch: Batch) -> Loss:
        """own (2 n, T - 1) log-probabilities of tokens, reference (2 n,) of texts."""
        assert batch.weight is not None
        rows, beta = len(own) // 2, self.config.beta
        chosen, rejected = (own.sum(1) - reference).split(rows)
        lengths = batch.weight[:, 1:].sum(1)
        nats = -(own[:rows].sum(1) / lengths[:rows].clamp_min(1)).mean()
        total = (
            dpo(chosen, rejected, beta, self.config.smoothing).mean() + self.config.anchor * nats
        )
        margin = beta * (chosen - rejected).detach()
        parts = {
            "margin": margin.mean(),
            "accuracy": (0.5 * (margin.sign() + 1)).mean(),
            "nats": nats.detach(),
        }
        return Loss(
            total,
            parts
            | {
                "chosen": beta * chosen.detach().mean(),
                "rejected": beta * rejected.detach().mean(),
            },
        )

    @torch.no_grad()
    def judge(self, model: Family, seed: int, texts: int) -> dict[str, Any]:
        """accuracy: share of held-out pairs whose preferred text has gained more than the other;
        margin and nats likewise.
        """
        pairs: Pairs = self.sides.validation
        sums = dict.fromkeys(("accuracy", "margin", "nats"), 0.0)
        for first in range(0, len(pairs), AT_ONCE):
            batch = pairs.take(range(first, min(len(pairs), first + AT_ONCE))).to(
                self.family.device
            )
            parts = self.loss(
                self.log_probs(model, batch), self.log_probs(self.reference, batch).sum(1), batch
            ).parts
            for name in sums:
                sums[name] += float(parts[name]) * (len(batch.x) // 2)
        return {
            "pairs": len(pairs),
            **{name: value / max(1, len(pairs)) for name, value in sums.items()},
        }


class Rated(NamedTuple):
    """Samples with what they are worth, and rows of the data. batch: weight is 1 on what was drawn;
    reward (B,); met (B,) 1 where it is 1.
    """

    batch: Batch
    reward: Tensor
    met: Tensor
    data: Batch


class Reward(Objective):
    """Parts of the loss: reward (mean), met (share of samples that fulfil the rules), kl (nats from
    the reference, of a text), tokens (of a sample), nats (per token of the data).
    """

    name = "reward"

    def __init__(
        self,
        config: RewardConfig,
        family: Family,
        reference: Family,
        codec: Codec[Any],
        texts: Windows,
        held_out: Windows,
    ) -> None:
        super().__init__(family, reference)
        self.model = require(family, Decodes, say("be read out token by token"))
        if not isinstance(codec.spec, Tokens):
            raise SpecError(
                say("rewards are for texts"),
                where=say("codec '{0}' gives {1}", codec.name, type(codec.spec).__name__),
            )
        self.config, self.codec, self.spec = config, codec, codec.spec
        self.texts, self.held_out = texts, held_out
        self.rule = {"best": rewards.best, "mean": rewards.mean}[config.join](
            [rewards.rule(text) for text in config.rules]
        )
        room = self.spec.length - config.prompt
        if room < 1:
            raise RecipeError(
                say("the prompt fills the context"),
                where=f"training.reward.prompt={config.prompt}",
                fix=f"codec.length={self.spec.length}",
            )
        self.options = SampleOptions(length=min(config.length or room, room))
        self._firsts: dict[int, list[int]] = {}  # of each side: the rows that begin a document

    def batch(self, counter: int, size: int, seed: int) -> Rated:
        """`size` samples of the model as it is now."""
        group = self.group(size)
        if size % group or group < 2:
            raise RecipeError(
                say("a batch is made of whole groups of 2 or more"),
                where=f"training.batch={size}, group {group}",
                fix=say("set training.reward.group"),
            )
        begun, given = self.openings(self.texts, size // group, "prompts", seed, counter)
        prompts = [one for one in begun for _ in range(group)]
        cond = {name: value.repeat_interleave(group, 0) for name, value in given.items()}
        rngs = [generator("reward", seed, counter, row) for row in range(size)]
        batch, reward, met = self.rated(prompts, self.draw(self.family, prompts, rngs, cond), cond)
        data = self.texts.batch(counter, self.config.data_rows, seed)
        return Rated(batch, reward, met, data.to(self.family.device))

    def group(self, size: int) -> int:
        """How many samples of a batch of `size` are compared with one another."""
        return self.config.group or (min(GROUP, size) if self.config.prompt else size)

    def draw(
        self,
        model: Family,
        prompts: Sequence[Tensor],
        rngs: Sequence[torch.Generator],
        cond: dict[str, Tensor],
    ) -> list[Completion]:
        model.eval()
        given = [prompt.to(model.device) for prompt in prompts]
        return complete(cast(Decodes, model), given, rngs, self.options, spec=self.spec, cond=cond)

    def rated(
        self, prompts: Sequence[Tensor], completions: Sequence[Completion], cond: dict[str, Tensor]
    ) -> tuple[Batch, Tensor, Tensor]:
        """Samples as a batch, and their rewards. A text that did not come to its end is worth
        nothing, where texts have an end.
        """
        rows, values = [], []
        for prompt, done in zip(prompts, completions, strict=True):
            tokens = torch.tensor(done.tokens, dtype=torch.int64)
            text = self.codec.decode(tokens)
            if not isinstance(text, str):
                raise SpecError(
                    say("rewards are for texts"),
                    where=say("codec '{0}'", self.codec.name),
                    fix=say("use a run of texts"),
                )
            ended = done.reason == "end"
            values.append(self.rule(text) if ended or self.spec.end is None else 0.0)
            close = [torch.tensor([self.spec.end])] if ended and self.spec.end is not None else []
            rows.append(torch.cat([prompt, tokens, *close]))
        x = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.spec.begin)[
            :, : self.spec.length + 1
        ]
        x = torch.nn.functional.pad(x, (0, max(0, 2 - x.shape[1])), value=self.spec.begin)
        begun, place = torch.tensor([len(prompt) for prompt in prompts]), torch.arange(x.shape[1])
        ends = torch.tensor([len(row) for row in rows])
        weight = (place >= begun[:, None]) & (place < ends[:, None])
        value = torch.tensor(values, device=self.family.device)
        met = (value == 1.0).float()
        return (
            Batch(x, weight=weight.float(), cond=cond).to(self.family.device),
            met + (1 - met) * self.config.partial * value,
            met,
        )

    def forward(self, rated: Rated, phase: str) -> Loss:
        own = self.log_probs(self.family, rated.batch)
        with torch.no_grad():
            log_ratio = own.detach() - self.log_probs(self.reference, rated.batch)
        total = policy_gradient(
            own.sum(1), log_ratio.sum(1), rated.reward, self.config.kl, self.group(len(own))
        )
        with torch.set_grad_enabled(self.config.data > 0):
            data = self.log_likelihood(self.family, rated.data)
        assert rated.batch.weight is not None
        parts = {
            "reward": rated.reward.mean(),
            "met": rated.met.mean(),
            "kl": divergence(log_ratio).sum(1).mean(),
        }
        parts |= {"tokens": rated.batch.weight.sum(1).mean(), "nats": -data.detach()}
        return Loss(total - self.config.data * data if self.config.data else total, parts)

    def log_likelihood(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean over coded tokens."""
        weight = torch.nn.functional.pad(batch.weights(self.spec.begin), (1, 0))
        return self.log_probs(model, batch._replace(weight=weight)).sum() / weight.sum().clamp_min(
            1
        )

    def openings(
        self, side: Windows, count: int, *counters: int | str
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """`begin` and the first `prompt` tokens of documents drawn by counters, and the conditions
        of these documents.
        """
        if not self.config.prompt and not self.family.conditions:
            return [torch.tensor([self.spec.begin])] * count, {}
        if id(side) not in self._firsts:
            owner = side.document_of(range(len(side)))
            self._firsts[id(side)] = [
                row for row in range(len(side)) if row == 0 or owner[row] != owner[row - 1]
            ]
        firsts = self._firsts[id(side)]
        chosen = torch.randint(len(firsts), (count,), generator=generator(*counters)).tolist()
        batch = side.take([firsts[number] for number in chosen])
        filling = [token for token in (self.spec.begin, self.spec.end) if token is not None]
        rows = [row[: self.config.prompt + 1] for row in batch.x]
        rows = [
            torch.cat([row[:1], row[1:][~torch.isin(row[1:], torch.tensor(filling))]])
            for row in rows
        ]
        return rows, {
            name: batch.cond[name].to(self.family.device) for name in self.family.conditions
        }

    @torch.no_grad()
    def judge(self, model: Family, seed: int, texts: int) -> dict[str, Any]:
        """Of `texts` fresh samples (prompts from held-out documents): reward, met, tokens, and kl
        with its 95% interval, all means.
        """
        side = self.held_out if len(self.held_out) else self.texts
        prompts, cond = self.openings(side, texts, "judged prompts", seed)
        reward, met, kl = [], [], []
        for first in range(0, texts, AT_ONCE):
            part = slice(first, min(texts, first + AT_ONCE))
            given = {name: value[part] for name, value in cond.items()}
            rngs = [generator("judged", seed, row) for row in range(part.start, part.stop)]
            batch, values, ones = self.rated(
                prompts[part], self.draw(model, prompts[part], rngs, given), given
            )
            reward.append(values)
            met.append(ones)
            kl.append((self.log_probs(model, batch) - self.log_probs(self.reference, batch)).sum(1))
        ratio = torch.cat(kl).double()
        half = 1.96 * float(ratio.std()) / math.sqrt(texts)
        scores = {
            "texts": texts,
            "reward": float(torch.cat(reward).mean()),
            "met": float(torch.cat(met).mean()),
            "kl": float(ratio.mean()),
        }
        return scores | {"kl_low": scores["kl"] - half, "kl_high": scores["kl"] + half}
