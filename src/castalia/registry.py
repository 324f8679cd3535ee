"""Registry: names to classes, from a literal table, entry points of packages, and `file.py:Class`.

Listing names imports nothing. A file is Python code, so it is executed only when the caller says
`trust=True`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar

from castalia import bounded, modality
from castalia.abilities import Damage, undoes
from castalia.errors import AbilityError, PluginError, meant
from castalia.sentences import Row, say, say_in, series

Kind = Literal["family", "codec", "metric"]
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """Where a built-in lives and one line about it. `abilities` is checked against the class by a
    contract test. recipe: of a codec, the one to begin with.
    """

    target: str
    about: str
    abilities: tuple[str, ...] = ()
    recipe: str = ""


FAMILIES: dict[str, Entry] = {
    "vae": Entry(
        "castalia.families.vae:Vae",
        say("variational autoencoder"),
        ("samples", "encodes", "generates", "compresses", "scores"),
    ),
    "gan": Entry(
        "castalia.families.gan:Gan",
        say("generative adversarial network"),
        ("samples", "generates"),
    ),
    "flow": Entry(
        "castalia.families.flow:Flow",
        say("flow matching"),
        ("samples", "encodes", "generates", "scores", "infills", "restores"),
    ),
    "restorer": Entry(
        "castalia.families.restorer:Restorer",
        say("regression: undoes the kinds of damage that it has learned"),
        ("infills", "restores"),
    ),
    "vq": Entry(
        "castalia.families.vq:Vq",
        say("quantised autoencoder: codes for models over them"),
        ("compresses", "quantises"),
    ),
    "ar": Entry(
        "castalia.families.ar:Ar",
        say("autoregressive transformer over tokens"),
        ("samples", "scores", "infills", "predicts", "decodes", "attends", "tunes"),
    ),
    "seqvae": Entry(
        "castalia.families.seqvae:SeqVae",
        say("variational autoencoder of sequences"),
        ("samples", "encodes", "generates", "scores", "decodes"),
    ),
    "pretrained": Entry(
        "castalia.families.pretrained:Pretrained",
        say("language model of others, to fine-tune"),
        ("samples", "scores", "decodes", "tunes"),
    ),
    "captioner": Entry(
        "castalia.families.captioner:Captioner",
        say("captions of data, and how well data and captions agree"),
        ("describes", "matches"),
    ),
    "vaegan": Entry(
        "castalia.families.vaegan:VaeGan",
        say("VAE whose decoder is also a GAN's generator"),
        ("samples", "encodes", "generates"),
    ),
}
METRICS: dict[str, Entry] = {
    "frechet": Entry(
        "castalia.evaluation.frechet_distance:FrechetDistance",
        "Frechet distance of feature Gaussians",
    ),
    "kernel": Entry(
        "castalia.evaluation.kernel_distance:KernelDistance",
        "unbiased polynomial-kernel distance (KID)",
    ),
    "manifold": Entry(
        "castalia.evaluation.precision_recall:Manifold", "precision, recall, density, coverage"
    ),
    "two-sample": Entry(
        "castalia.evaluation.two_sample:TwoSample", "classifier two-sample test (C2ST)"
    ),
    "vendi": Entry(
        "castalia.evaluation.vendi_score:Vendi",
        "Vendi score, the effective number of different items",
    ),
    "class-balance": Entry(
        "castalia.evaluation.class_balance:ClassBalance",
        "classes drawn as often as the data have them",
    ),
    "novelty": Entry(
        "castalia.evaluation.novelty:Novelty", "share of samples that copy a training item"
    ),
    "data-copying": Entry("castalia.evaluation.data_copying:DataCopying", "data-copying test C_T"),
    "creativity": Entry("castalia.evaluation.creativity:Creativity", "novelty at equal fidelity"),
    "utility": Entry("castalia.evaluation.utility:Utility", "train on synthetic, test on real"),
    "compression": Entry(
        "castalia.evaluation.compression:Compression",
        "bits per byte and per character of held-out text",
    ),
    "steps": Entry(
        "castalia.evaluation.step_likelihood:Steps",
        "nats per step and per note of tokens that come in steps",
    ),
    "variety": Entry(
        "castalia.evaluation.ngram_variety:Variety", "distinct n-grams, self-BLEU, loops"
    ),
    "borrowing": Entry(
        "castalia.evaluation.ngram_overlap:Borrowing",
        "share of n-grams and longest stretches from the training text",
    ),
    "likelihood": Entry("castalia.evaluation.likelihood:Likelihood", "bits per dimension"),
    "cost": Entry("castalia.evaluation.cost:Cost", "samples per second, peak memory, parameters"),
}

# names of abilities (castalia/abilities.py), for people
ABILITIES: dict[str, str] = {
    "samples": say_in("ability", "samples"),
    "encodes": say_in("ability", "encodes"),
    "generates": say_in("ability", "generates"),
    "compresses": say_in("ability", "compresses"),
    "quantises": say_in("ability", "quantises"),
    "scores": say_in("ability", "scores"),
    "infills": say_in("ability", "infills"),
    "predicts": say_in("ability", "predicts"),
    "restores": say_in("ability", "restores"),
    "describes": say_in("ability", "describes"),
    "matches": say_in("ability", "matches"),
    "decodes": say_in("ability", "decodes"),
    "attends": say_in("ability", "attends"),
    "tunes": say_in("ability", "tunes"),
}
KIND_NAMES: dict[Kind, str] = {
    "family": say("family"),
    "codec": say("codec"),
    "metric": say("metric"),
}


def known(kind: Kind) -> dict[str, Entry]:
    """Families and metrics of this table; codecs and metrics of modalities."""
    described = modality.every().values()
    match kind:
        case "family":
            return FAMILIES
        case "codec":
            first = {one.name: Entry(one.codec, one.about, recipe=one.first) for one in described}
            more = {
                name: Entry(codec.target, codec.about)
                for one in described
                for name, codec in one.codecs.items()
            }
            return first | more
        case "metric":
            own = {
                name: Entry(*vars(metric).values())
                for one in described
                for name, metric in one.metrics.items()
            }
            return METRICS | own


def names(kind: Kind) -> list[str]:
    """Known names, then those of installed packages (entry point group `castalia.<kind>`)."""
    return [*known(kind), *sorted(point.name for point in entry_points(group=f"castalia.{kind}"))]


def modality_of(codec: str | None) -> modality.Modality | None:
    """The modality of the codec of this name (modality.of); None where it has none, or there is no
    such codec.
    """
    if codec not in names("codec"):
        return None
    return modality.get(codec) or modality.of(resolve("codec", codec))


def first_recipe(codec: str) -> str:
    """The recipe to begin with for what a codec reads; "" where none is named."""
    entry = known("codec").get(codec)
    return "" if entry is None else entry.recipe


def families_that(ability: str) -> list[str]:
    """Built-in families with an ability, e.g. families_that("encodes")."""
    return [name for name, entry in FAMILIES.items() if ability in entry.abilities]


def mends_only(family: str) -> bool:
    """Whether runs of a built-in family restore data and draw none."""
    return family in families_that("restores") and family not in families_that("samples")


def named_abilities(names: Iterable[str]) -> Row:
    """Abilities as a list for people."""
    return series(ABILITIES.get(name, name) for name in names)


def require(model: object, ability: type[T], purpose: str) -> T:
    """`model` itself if it has the ability, else AbilityError. `purpose` names what the user asked
    for.
    """
    if isinstance(model, ability):
        return model
    name = ability.__name__.lower()
    having = ", ".join(families_that(name)) or say("none yet")
    raise AbilityError(
        say("a '{0}' model cannot {1}", getattr(model, "name", type(model).__name__), purpose),
        where=say("ability '{0}'", named_abilities([name])),
        fix=say("use a run of a family that can: {0}", having),
    )


def require_undoing(model: object, ability: type[T], purpose: str, *damages: Damage) -> T:
    """`require`, of a model that has learned to undo damage of one of these kinds, too; without
    kinds, of one that undoes any (abilities.undoes).
    """
    able = require(model, ability, purpose)
    if undoes(model, *damages):
        return able
    name, own = ability.__name__.lower(), getattr(model, "name", type(model).__name__)
    others = ", ".join(family for family in families_that(name) if family != own)
    raise AbilityError(
        say("this '{0}' run has not learned to {1}", own, purpose),
        where=f"family.damages=[{', '.join(getattr(model, 'damages', ()))}]",
        fix=say("train one with {0} in family.damages, or take a run of: {1}", damages[0], others)
        if damages
        else say("take a run of: {0}", others),
    )


def is_path(name: str) -> bool:
    """Whether a name means a Python file: `my_family.py:MyFamily`."""
    return name.partition(":")[0].endswith(".py")


def resolve(kind: Kind, name: str, *, trust: bool = False) -> Any:
    """The class called `name`. Raises PluginError with a suggestion when there is none."""
    if is_path(name):
        return _load_file(kind, name, trust)
    if (entry := known(kind).get(name)) is not None:
        return _load(entry.target, kind, name)
    for point in entry_points(group=f"castalia.{kind}"):
        if point.name == name:
            return _load(point.value, kind, name)
    listed = names(kind)
    raise PluginError(
        say("there is no {0} called '{1}'", KIND_NAMES[kind], name),
        where=f"{kind}.name",
        fix=say("{0}known: {1}", meant(name, listed), ", ".join(listed)),
    )


def file_digest(name: str) -> str:
    """SHA-256 of the file that a path plug-in names."""
    with bounded.open_regular(name.partition(":")[0], PluginError) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(target: str, kind: Kind, name: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            say("the {0} '{1}' cannot be loaded: {2}", KIND_NAMES[kind], name, error),
            where=target,
            fix=say("reinstall the package that provides it"),
        ) from error


def _load_file(kind: Kind, name: str, trust: bool) -> Any:
    file, _, attribute = name.partition(":")
    path = Path(file)
    if not attribute:
        raise PluginError(
            say("a file plug-in needs a class name"),
            where=name,
            fix=say("write {0}:ClassName", file),
        )
    if not trust:
        raise PluginError(
            say("this run would execute Python code of its own"),
            where=name,
            fix=say("read that file, then add --trust-code"),
        )
    if not path.is_file():
        raise PluginError(
            say("the plug-in file does not exist"),
            where=name,
            fix=say("check the path; it is relative to the working folder"),
        )
    # its own name for every version of every file; listed, so that its classes know their source
    # (data/cache.py hashes it)
    title = f"castalia_plugin_{path.stem}_{file_digest(name)[:12]}"
    spec = importlib.util.spec_from_file_location(title, path)
    if spec is None or spec.loader is None:
        raise PluginError(say("the plug-in file is not a Python module"), where=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module
    try:
        spec.loader.exec_module(module)
        return getattr(module, attribute)
    # whatever a foreign file raises while it is imported is the file's fault
    except Exception as error:
        raise PluginError(
            say("the {0} file failed to load: {1}", KIND_NAMES[kind], error),
            where=name,
            fix=say("mend the file"),
        ) from error
