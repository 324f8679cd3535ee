"""Contract tests of codecs, as functions of a fitted codec and items of its kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from castalia import registry
from castalia.codecs.base import Codec
from castalia.data.stream import to_unit
from castalia.errors import CastaliaError
from castalia.nn.counter_random import generator
from castalia.spec import Dense, Tokens


def check_codec(codec: Codec[Any], items: Sequence[Any]) -> None:
    """All contract items for an unfitted codec and at least two native items of its kind."""
    if len(items) < 2:
        raise AssertionError("the codec contract needs two items or more")
    codec.fit(items)
    for name, check in CODEC_CHECKS.items():
        try:
            check(codec, items)
        except AssertionError as error:
            raise AssertionError(f"{type(codec).__name__}: {name}: {error}") from error


def has_a_table_entry(codec: Codec[Any], items: Sequence[Any]) -> None:
    """`name` is what the registry calls it; extensions are lower case with a dot;
    config is frozen.
    """
    if codec.name in registry.known("codec"):
        _ensure(
            registry.resolve("codec", codec.name) is type(codec),
            f"the registry's codec '{codec.name}' is another class",
        )
    _ensure(
        all(
            extension == extension.lower() and extension.startswith(".")
            for extension in codec.extensions
        ),
        f"extensions {codec.extensions}",
    )
    _ensure(codec.suffix.startswith("."), f"suffix '{codec.suffix}' has no dot")
    _ensure(bool(codec.config.model_config.get("frozen")), "the config is not frozen")


def encodes_to_its_spec(codec: Codec[Any], items: Sequence[Any]) -> None:
    """encode is pure and gives the spec's shape, in a compact dtype; scaled, it lies in the unit's
    range.
    """
    for item in items:
        first, second = codec.encode(item), codec.encode(item)
        _ensure(torch.equal(first, second), "encoding twice gives two results")
        match codec.spec:
            case Dense() as spec:
                _ensure(
                    tuple(first.shape) == spec.shape,
                    f"shape {tuple(first.shape)}, spec {spec.shape}",
                )
                x = to_unit(spec, first[None])
                low, high = spec.limits
                _ensure(
                    x.dtype == torch.float32 and bool(torch.isfinite(x).all()),
                    "the scaled item is not finite float32",
                )
                _ensure(
                    float(x.min()) >= low - 1e-5 and float(x.max()) <= high + 1e-5,
                    f"values from {float(x.min())} to {float(x.max())}, unit '{spec.unit}'",
                )
            case Tokens() as tokens:
                _ensure(
                    first.ndim == 1 and first.dtype in (torch.uint16, torch.int32),
                    f"{first.ndim} axes of {first.dtype}",
                )
                ids = first.long()
                _ensure(
                    int(ids.min()) >= 0 and int(ids.max()) < tokens.vocab,
                    "a token outside the vocabulary",
                )
                _ensure(
                    int(ids[0]) == tokens.begin and not bool((ids[1:] == tokens.begin).any()),
                    "'begin' does not stand first and only there",
                )
                if tokens.end is not None:
                    _ensure(
                        ids.tolist().index(tokens.end) == len(ids) - 1,
                        "'end' does not stand last and only there",
                    )


def round_trip_is_stable(codec: Codec[Any], items: Sequence[Any]) -> None:
    """What was decoded encodes to itself: after one trip nothing more is lost than one level (or
    1e-4 without levels).
    """
    for item in items:
        once = _unit(codec, codec.encode(item))
        twice = _unit(codec, codec.encode(codec.decode(once)))
        if isinstance(codec.spec, Dense):
            low, high = codec.spec.limits
            step = (
                (high - low) / (codec.spec.levels - 1)
                if codec.spec.levels and codec.spec.unit != "standard"
                else 1e-4
            )
            lost = float((once - twice).abs().max())
            _ensure(
                lost <= step * 1.01 + 1e-4 * float(once.abs().max()),
                f"a second trip moved a value by {lost:.4g}, more than {step:.4g}",
            )
        else:
            _ensure(torch.equal(once, twice), "a trip changed tokens")


def files_round_trip(codec: Codec[Any], items: Sequence[Any]) -> None:
    """write, then read: the same item; reading twice gives the same; the manifest does
    not disturb.
    """
    with TemporaryDirectory() as folder:
        for manifest in (None, {"run": "test", "seed": 1}):
            path = Path(folder) / f"item{codec.suffix}"
            item = codec.decode(_unit(codec, codec.encode(items[0])))
            codec.write(item, path, manifest)
            items_read = list(codec.read(path))
            _ensure(len(items_read) == 1, f"one item was written, {len(items_read)} were read")
            first, second = (
                _unit(codec, codec.encode(items_read[0])).float(),
                _unit(codec, codec.encode(item)).float(),
            )
            _ensure(
                first.shape == second.shape,
                f"a file round trip made {tuple(second.shape)} into {tuple(first.shape)}",
            )
            moved = float((first - second).abs().max())
            _ensure(moved <= 1e-4, f"a file round trip moved a value by {moved:.4g}")
            if manifest is not None and codec.sidecar:
                _ensure(
                    json.loads(path.with_suffix(codec.sidecar).read_text()) == manifest,
                    "the manifest beside the file is another one",
                )
            path.unlink()


def carries_its_manifest(codec: Codec[Any], items: Sequence[Any]) -> None:
    """`read_manifest` returns what `write` was given, in or beside the file; `content` hashes the
    item alone: other items, another hash.
    """
    manifest = {
        "generator": "castalia test",
        "synthetic": True,
        "run": "test",
        "seed": 1,
        "text": "鹤 \u0000 é",
        "nested": {"a": [1, None, 2.5]},
    }
    with TemporaryDirectory() as folder:
        bare, marked, other = (
            Path(folder) / f"{name}{codec.suffix}" for name in ("bare", "marked", "other")
        )
        first, second = (codec.decode(_unit(codec, codec.encode(item))) for item in items[:2])
        codec.write(first, bare)
        codec.write(first, marked, manifest)
        codec.write(second, other, manifest)
        kind = type(codec)
        _ensure(kind.read_manifest(bare) is None, "a file without a manifest has one")
        _ensure(
            kind.read_manifest(marked) == manifest,
            f"the manifest came back as {kind.read_manifest(marked)}",
        )
        _ensure(
            kind.content(bare) == kind.content(marked),
            "the manifest changes the hash of the content",
        )
        _ensure(
            codec.encode(first).equal(codec.encode(second))
            or kind.content(marked) != kind.content(other),
            "two items have one hash",
        )


def decode_never_raises(codec: Codec[Any], items: Sequence[Any]) -> None:
    """Noise, huge values, NaN and infinities all decode to something that encodes and can be
    written.
    """
    shape = codec.encode(items[0]).shape
    rng = generator("codec", "noise")
    if isinstance(codec.spec, Tokens):
        tensors = [torch.randint(0, codec.spec.vocab, shape, generator=rng) for _ in range(4)]
    else:
        noise = torch.randn(shape, generator=rng)
        tensors = [
            noise,
            1e30 * noise,
            torch.full(shape, float("nan")),
            torch.full(shape, float("inf")),
            torch.full(shape, float("-inf")),
        ]
    with TemporaryDirectory() as folder:
        for index, tensor in enumerate(tensors):
            try:
                item = codec.decode(tensor)
                codec.encode(item)
                codec.write(item, Path(folder) / f"{index}{codec.suffix}")
            except Exception as error:
                raise AssertionError(
                    f"values from {float(tensor.min())} to {float(tensor.max())} raise "
                    f"{type(error).__name__}: {error}"
                ) from error
    codec.preview([codec.decode(tensors[0]), items[0]])


def restores(codec: Codec[Any], items: Sequence[Any]) -> None:
    """A codec made from the config and the state alone has the same spec and encodes and decodes
    the same.
    """
    state, tensors = codec.state()
    other = type(codec)(codec.config).restore(
        json.loads(json.dumps(state)), {name: tensor.clone() for name, tensor in tensors.items()}
    )
    _ensure(other.spec == codec.spec, f"spec {other.spec}, was {codec.spec}")
    for item in items:
        encoded = codec.encode(item)
        _ensure(torch.equal(encoded, other.encode(item)), "a restored codec encodes differently")
        again = other.encode(other.decode(_unit(codec, encoded)))
        _ensure(
            torch.equal(codec.encode(codec.decode(_unit(codec, encoded))), again),
            "a restored codec decodes differently",
        )


def refuses_bad_files(codec: Codec[Any], items: Sequence[Any]) -> None:
    """Empty and garbage files raise a CastaliaError that names the file, nothing else."""
    with TemporaryDirectory() as folder:
        for name, content in (("empty", b""), ("garbage", bytes(range(256)))):
            for extension in codec.extensions:
                path = Path(folder) / f"{name}{extension}"
                path.write_bytes(content)
                try:
                    items_read = list(codec.read(path))
                except CastaliaError as error:
                    _ensure(
                        path.name in str(error),
                        f"the error for {path.name} does not name it: {error}",
                    )
                except Exception as error:
                    raise AssertionError(
                        f"{path.name} raises {type(error).__name__}, not a CastaliaError"
                    ) from error
                else:
                    _ensure(
                        not items_read or name == "garbage",
                        f"{path.name} gave {len(items_read)} items",
                    )


def augmentations_keep_shape(codec: Codec[Any], items: Sequence[Any]) -> None:
    """Every augmentation maps a stored batch to one of the same shape and dtype, as a function of
    its generator.
    """
    _ensure(
        set(codec.default_augmentations) <= set(codec.augmentations),
        "a default augmentation does not exist",
    )
    rows = [codec.encode(item) for item in items]
    if isinstance(codec.spec, Tokens):  # of unequal length: filled up as the data layer fills them
        batch = torch.nn.utils.rnn.pad_sequence(
            [row.long() for row in rows], batch_first=True, padding_value=codec.spec.begin
        )
    else:
        batch = torch.stack(rows)
    for name, augment in codec.augmentations.items():
        first, second = (augment(batch.clone(), generator("augment", 1)) for _ in range(2))
        _ensure(
            first.shape == batch.shape and first.dtype == batch.dtype,
            f"'{name}' gives {tuple(first.shape)} {first.dtype}",
        )
        _ensure(torch.equal(first, second), f"'{name}' is not a function of its generator")


def counts_units(codec: Codec[Any], items: Sequence[Any]) -> None:
    """units are positive whole numbers by name."""
    for unit, count in codec.units(items[0]).items():
        _ensure(isinstance(count, int) and count > 0, f"{count} units of '{unit}'")


def keeps_its_grammar(codec: Codec[Any], items: Sequence[Any]) -> None:
    """Where Tokens have a grammar: it allows what `encode` gives and never `begin`, and what is
    drawn under it survives a round trip.
    """
    if not isinstance(codec.spec, Tokens) or codec.spec.grammar is None:
        return
    begin, end, grammar = codec.spec.begin, codec.spec.end, codec.spec.grammar
    for item in items:
        state = grammar.start()
        for token in codec.encode(item).long().tolist()[1:]:
            allowed = grammar.allowed(state)
            _ensure(
                tuple(allowed.shape) == (codec.spec.vocab,) and allowed.dtype == torch.bool,
                f"a mask {tuple(allowed.shape)} {allowed.dtype}",
            )
            _ensure(bool(allowed[token]), f"token {token} of an encoded item is not allowed")
            _ensure(not bool(allowed[begin]), "'begin' is allowed")
            state = grammar.advance(state, token)
    rng = generator("codec", "grammar")
    for _ in range(4):
        state, drawn = grammar.start(), [begin]
        while len(drawn) < 200 and drawn[-1] != end:
            choices = grammar.allowed(state).nonzero().flatten()
            if end is None and not len(choices) and _is_complete(grammar, state):
                break  # a row of a fixed form is complete
            _ensure(len(choices) > 0, f"nothing may follow {drawn[-3:]}")
            drawn.append(int(choices[torch.randint(len(choices), (1,), generator=rng)]))
            state = grammar.advance(state, drawn[-1])
        item = codec.decode(torch.tensor(drawn))
        _ensure(
            codec.decode(codec.encode(item).long()) == item,
            "what was drawn under the grammar does not survive a round trip",
        )


def _is_complete(grammar: Any, state: Any) -> bool:
    return hasattr(grammar, "distance") and grammar.distance(state) == 0


CODEC_CHECKS: dict[str, Callable[[Codec[Any], Sequence[Any]], None]] = {
    "has a table entry": has_a_table_entry,
    "encodes to its spec": encodes_to_its_spec,
    "round trip is stable": round_trip_is_stable,
    "files round trip": files_round_trip,
    "carries its manifest": carries_its_manifest,
    "decode never raises": decode_never_raises,
    "restores": restores,
    "refuses bad files": refuses_bad_files,
    "augmentations keep shape": augmentations_keep_shape,
    "counts units": counts_units,
    "keeps its grammar": keeps_its_grammar,
}


def _unit(codec: Codec[Any], stored: Tensor) -> Tensor:
    """A stored item as models see it."""
    return to_unit(codec.spec, stored[None])[0] if isinstance(codec.spec, Dense) else stored


def _ensure(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
