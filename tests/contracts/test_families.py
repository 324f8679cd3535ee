"""Every built-in family keeps every item of the contract, on pictures, signals, volumes and
vectors.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.language_model import language_model

from castalia import pretrained_cache, registry
from castalia.errors import CastaliaError
from castalia.spec import Classes, Condition, Dense, Tokens, Words
from castalia.testing import FAMILY_CHECKS, SPECS, FamilyCase

# Small networks: the contract is about behaviour. A family that is not listed runs with its
# defaults.
SMALL = {
    "vae": {"width": 8, "latent": 4, "importance": 3},
    "vaegan": {"width": 16, "latent": 4},
    "gan": {"width": 16},
    "flow": {"width": 8, "steps": 3, "likelihood_steps": 3},
    "restorer": {"width": 8},
    "ar": {"width": 16, "depth": 2, "heads": 2},
    "seqvae": {
        "width": 16,
        "depth": 2,
        "encoder_depth": 1,
        "heads": 2,
        "latent": 4,
        "importance": 3,
    },
}
CLASSES: dict[str, Condition] = {"label": Classes(("a", "b", "c"))}
CONDITIONAL = ("colour picture", "vector", "tokens")
STEPS = Tokens(length=12, vocab=9, begin=0, end=1, period=3)
# Options that change what a family does, not only how well, and what they are tried on.
VARIANTS = {
    "gan, fastgan": (
        "gan",
        {"body": "fastgan", "objective": "hinge", "width": 4, "soft_margin": 0.2},
        Dense((3, 32, 32), levels=256),
    ),
    "flow, average velocities, pairs": (
        "flow",
        {**SMALL["flow"], "objective": "average", "pairing": "optimal", "times": "uniform"},
        SPECS["colour picture"],
    ),
    "flow, sets": (
        "flow",
        {"width": 16, "depth": 1, "steps": 3, "likelihood_steps": 3},
        Dense((3, 12), layout="set"),
    ),
    "restorer, every damage": (
        "restorer",
        {"width": 8, "damages": ("noise", "coarse", "grey", "hole")},
        SPECS["colour picture"],
    ),
    "restorer, holes in signals": ("restorer", {"width": 8, "damages": ("hole",)}, SPECS["signal"]),
    "flow, adaptive": ("flow", {"width": 16, "solver": "adaptive"}, SPECS["vector"]),
    "ar, counts and n-grams": (
        "ar",
        {**SMALL["ar"], "ngrams": (2, 3), "ngram_rows": 64, "counts": 3, "tie": False},
        SPECS["tokens"],
    ),
    "ar, any order": (
        "ar",
        {**SMALL["ar"], "order": "any", "kv_heads": 1, "activation": "relu2"},
        SPECS["tokens"],
    ),
    "ar, steps of tokens": ("ar", {**SMALL["ar"], "ngrams": (2,), "ngram_rows": 64}, STEPS),
    "ar, any order, steps of tokens": ("ar", {**SMALL["ar"], "order": "any"}, STEPS),
}
CAPTIONS: dict[str, Condition] = {"caption": Words(("red", "round", "苹", "果"), 8)}
LEARNED_PRIOR = {**SMALL["vae"], "prior": "flow", "prior_width": 16, "overlap": True}


def cases() -> list[object]:
    found = []
    for name in registry.FAMILIES:
        # one needs a model to begin with, the other captions: they are tried below
        if name in ("pretrained", "captioner"):
            continue
        for spec in SPECS:
            if not isinstance(SPECS[spec], registry.resolve("family", name).accepts):
                continue
            for conditional in (False, True) if spec in CONDITIONAL else (False,):
                found.append(
                    pytest.param(
                        name,
                        spec,
                        conditional,
                        id=f"{name}, {spec}{', classes' if conditional else ''}",
                    )
                )
    return found


@pytest.mark.parametrize("check", FAMILY_CHECKS)
@pytest.mark.parametrize(("name", "spec", "conditional"), cases())
def test_contract(name: str, spec: str, conditional: bool, check: str) -> None:
    family = registry.resolve("family", name)
    case = FamilyCase(
        family, family.Config(**SMALL.get(name, {})), SPECS[spec], CLASSES if conditional else {}
    )
    try:
        case.build()
    except CastaliaError:
        pytest.skip(f"'{name}' does not take {spec} data")
    FAMILY_CHECKS[check](case)


@pytest.mark.parametrize("check", FAMILY_CHECKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_variant(variant: str, check: str) -> None:
    name, config, spec = VARIANTS[variant]
    family = registry.resolve("family", name)
    FAMILY_CHECKS[check](FamilyCase(family, family.Config(**config), spec, {}))


@pytest.mark.parametrize("check", FAMILY_CHECKS)
@pytest.mark.parametrize("spec", ["colour picture", "signal"])
def test_texts_that_are_read(spec: str, check: str) -> None:
    """A flow whose texts lie along the last axis, letter by letter."""
    family = registry.resolve("family", "flow")
    config = family.Config(**SMALL["flow"], alignment="monotonic", condition_width=16)
    letters: dict[str, Condition] = {"caption": Words((" ", "a", "b"), 8, "letter")}
    FAMILY_CHECKS[check](FamilyCase(family, config, SPECS[spec], letters))


@pytest.mark.parametrize("check", FAMILY_CHECKS)
@pytest.mark.parametrize("spec", ["colour picture", "signal", "volume"])
def test_captioner(spec: str, check: str) -> None:
    """It takes data with captions only."""
    family = registry.resolve("family", "captioner")
    config = family.Config(width=8, text_width=16)
    FAMILY_CHECKS[check](FamilyCase(family, config, SPECS[spec], CAPTIONS))


@pytest.mark.parametrize("check", FAMILY_CHECKS)
@pytest.mark.parametrize("conditional", [False, True], ids=["", "classes"])
@pytest.mark.parametrize("spec", ["colour picture", "vector"])
def test_learned_prior(spec: str, conditional: bool, check: str) -> None:
    family = registry.resolve("family", "vae")
    FAMILY_CHECKS[check](
        FamilyCase(
            family,
            family.Config(**LEARNED_PRIOR),
            SPECS[spec],
            CLASSES if conditional else {},
        )
    )


@pytest.mark.parametrize("check", FAMILY_CHECKS)
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_pretrained(kind: str, check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A language model of others is a family like all others, once it is in the cache."""
    monkeypatch.setenv("CASTALIA_HOME", str(tmp_path / "home"))
    folder = language_model(
        tmp_path / kind, kind, vocab_size=9, tie_word_embeddings=kind == "llama"
    )
    family = registry.resolve("family", "pretrained")
    FAMILY_CHECKS[check](
        FamilyCase(
            family,
            family.Config(base=pretrained_cache.take_in(str(folder)).digest),
            SPECS["tokens"],
            {},
        )
    )
