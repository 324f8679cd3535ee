"""A VAE of sequences: its bound, its latent in use, its rows written the same way they are scored,
and edits of texts.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

import castalia
from castalia.abilities import SampleOptions
from castalia.cli.main import _dispatch
from castalia.data.stream import rows_of
from castalia.errors import DataError, SpecError
from castalia.families.seqvae import SeqVae, SeqVaeConfig
from castalia.modalities.text.codec import TextCodec
from castalia.nn.counter_random import generator, generators
from castalia.nn.gaussian_latent import Posterior, mutual_information
from castalia.run import Run
from castalia.spec import Batch, Tokens
from castalia.training.setup import open_data

SPEC = Tokens(length=10, vocab=7, begin=0, end=1)
SMALL = {"width": 16, "depth": 2, "encoder_depth": 1, "heads": 2, "latent": 3, "dropout": 0.0}


def model(**more: object) -> SeqVae:
    torch.manual_seed(0)
    made = SeqVae(SeqVaeConfig(**{**SMALL, **more}), SPEC, {}).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.3)
    return made


def rows(count: int = 4) -> torch.Tensor:
    x = torch.randint(2, 7, (count, 8), generator=generator("rows", count))
    x[:, 0], x[:, -1] = 0, 1
    return x


def test_the_bound_is_one_of_the_likelihood_by_quadrature() -> None:
    """With one latent number, p(x) is an integral that a fine grid gives: draws from the posterior
    approach it, the plain bound lies above.
    """
    made, x = model(latent=1, importance=1500), rows(3)
    # posteriors near the prior, and a likelihood without far tails: few draws suffice
    torch.nn.init.zeros_(made.encoder.out.weight)
    made.decoder.of_latent.weight.data.mul_(0.1)
    grid = torch.linspace(-6, 6, 241)
    log_prior = -0.5 * grid.square() - 0.5 * math.log(2 * math.pi)
    with torch.no_grad():
        log_likelihood = torch.stack(
            [-made._reconstruction(Batch(x), z.expand(3, 1)) for z in grid]
        )
    exact = -(log_likelihood + log_prior[:, None] + math.log(12 / 240)).logsumexp(0)
    assert torch.allclose(made.nats(Batch(x)), exact, atol=0.05)
    bound = torch.stack([made.nelbo(Batch(x), generators(seed, 0, 3)) for seed in range(150)]).mean(
        0
    )
    assert bool((bound > exact - 0.05).all()) and bool((bound > exact + 0.05).any())


def test_what_is_written_step_by_step_is_what_is_scored() -> None:
    made, x = model(), rows()
    z = made.to_latent(x, {})
    logits, state = made.prefill(x[:, :1], torch.ones(4, 1, dtype=torch.bool), {"latent": z})
    total = torch.zeros(4)
    for place in range(1, 8):
        total -= logits.log_softmax(-1).gather(1, x[:, place : place + 1])[:, 0]
        logits, state = made.step(x[:, place], state)
    assert torch.allclose(total, made._reconstruction(Batch(x), z), atol=1e-4)


def test_filling_changes_nothing() -> None:
    made, x = model(), rows()
    longer = torch.cat([x, torch.zeros(4, 3, dtype=torch.int64)], 1)
    assert torch.allclose(made.to_latent(x, {}), made.to_latent(longer, {}), atol=1e-5)
    assert torch.allclose(made.nats(Batch(x)), made.nats(Batch(longer)), atol=1e-4)


def test_each_row_draws_its_own_latent_first() -> None:
    made = model()
    one, two = (
        made.sample(generators(seed, 0, 3), {}, SampleOptions(temperature=0.0)) for seed in (1, 2)
    )
    expected = made.from_latent(
        torch.cat([made.drawn(rng)["latent"] for rng in generators(1, 0, 3)]), {}
    )
    assert torch.equal(one, expected)  # at temperature 0 the latent decides alone
    assert not torch.equal(one, two)


def test_information_in_closed_form() -> None:
    """Posteriors far apart tell which row it was: log N; all alike tell nothing."""
    apart = Posterior(20 * torch.arange(16.0)[:, None], torch.full((16, 1), -4.0))
    assert mutual_information(apart, apart.mean) == pytest.approx(math.log(16), abs=1e-4)
    alike = Posterior(torch.zeros(16, 2), torch.zeros(16, 2))
    assert mutual_information(
        alike, torch.randn(16, 2, generator=generator("z", 0))
    ) == pytest.approx(0.0, abs=1e-5)


def test_the_weight_of_the_divergence_goes_in_cycles() -> None:
    made = model(kl_cycles=2)
    seen = []
    for step in range(100):
        made.schedule(step, 100)
        seen.append(made.weight_now)
    assert (
        seen[0] == seen[50] == 0.0
        and seen[12] == pytest.approx(0.48)
        and seen[25] == seen[49] == seen[99] == 1.0
    )


def test_free_bits_press_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model(free_bits=1000.0, kl_cycles=0).train()
    loss = made(Batch(rows()))
    loss.total.backward()
    free = made.encoder.out.bias.grad.clone()
    made.zero_grad()
    bare = model(free_bits=0.0, kl_cycles=0, beta=0.0).train()
    bare.load_state_dict(made.state_dict())
    torch.manual_seed(0)
    one = made(Batch(rows()))
    torch.manual_seed(0)
    two = bare(Batch(rows()))
    made.zero_grad()
    one.total.backward()
    two.total.backward()
    assert (
        torch.allclose(made.encoder.out.bias.grad, bare.encoder.out.bias.grad, atol=1e-6)
        and free.abs().sum() > 0
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Sentences of three words in two languages, learned until the latent knows them apart."""
    folder = tmp_path_factory.mktemp("seqvae")
    who, what, where = (
        ("the cat", "a dog", "我", "他"),
        ("sleeps", "runs", "吃饭", "读书"),
        ("here", "there", "在家", "在外"),
    )
    lines = [f"{a} {b} {c}\n" for a in who for b in what for c in where]
    (folder / "lines.txt").write_text("".join(lines * 2), encoding="utf-8")
    settings = {
        "training.steps": 250,
        "training.batch": 32,
        "training.threads": 1,
        "codec.length": 24,
        "training.sample_every": 0,
    }
    sizes = {
        "family.width": 48,
        "family.heads": 4,
        "family.depth": 1,
        "family.encoder_depth": 1,
        "family.latent": 8,
    }
    return castalia.train(
        "text/seqvae",
        folder / "lines.txt",
        settings | sizes | {"family.free_bits": 4.0},
        out=folder / "run",
    )


def test_the_latent_is_used(run: Run) -> None:
    side = open_data(run).train
    found = run.model().report(side.take(range(min(60, len(side)))))
    assert (
        found["mutual_information"] > 2.0 and found["accuracy"] > 0.8 and found["active_units"] >= 2
    )
    assert found["nats"] <= found["nelbo"] + 0.5


def test_texts_are_led_from_one_to_another(run: Run, tmp_path: Path) -> None:
    path = castalia.edit(run, "interpolate", ["the cat sleeps here", "他 读书 在外"], steps=5)
    assert len(path) == 5 and len(set(path)) > 1
    varied = castalia.edit(run, "vary", ["a dog runs there"], steps=4, strength=0.0)
    assert len(varied) == 4 and len(set(varied)) == 1  # no noise: the reconstruction
    with pytest.raises(SpecError, match="longer than the context"):
        castalia.edit(run, "vary", ["x" * 500], steps=1)


def test_typed_texts_leave_with_a_manifest_that_makes_them_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "edit",
        str(run.folder),
        "interpolate",
        "the cat sleeps here",
        "他 读书 在外",
        "--steps",
        "3",
        "--out",
        "between",
    ]
    assert _dispatch(words) == 0
    manifest = json.loads((tmp_path / "between" / "00001.json").read_text(encoding="utf-8"))
    assert [one["typed"] for one in manifest["inputs"]] == ["the cat sleeps here", "他 读书 在外"]
    assert (
        _dispatch(["reproduce", "between/00001.txt", "--run", str(run.folder), "--out", "again"])
        == 0
    )
    assert (tmp_path / "again" / "00001.txt").read_bytes() == (
        tmp_path / "between" / "00001.txt"
    ).read_bytes()


def test_rows_of_texts_are_filled_up() -> None:
    codec = TextCodec()
    codec.fit(["ab"])
    x = rows_of(codec.spec, [codec.encode("a"), codec.encode("abb")])
    assert x.shape == (2, 5) and x[0, 3:].tolist() == [codec.spec.begin] * 2
    with pytest.raises(DataError, match="no such file"):
        next(codec.given(Path("nowhere.txt")))
