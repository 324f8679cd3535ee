"""Near-duplicate texts: shingles, MinHash to find candidates, exact Jaccard similarity to decide.

A text is folded (NFKC, case, blanks and punctuation do not count) and cut into words, a Chinese
character or kana being a word. Its shingles are the pairs of neighbouring words, as 32-bit hashes.
128 minima under random hash functions (Broder 1997) fall into 32 bands of 4 (Leskovec, Rajaraman
and Ullman, Mining of Massive Datasets, ch. 3): texts that agree in a band are compared by their
true sets. A pair with similarity s is missed with probability (1 - s^4)^32: 1% at 0.6, 0.02% at
0.7. One word changed in n leaves (n - 3) / (n + 1), so 0.6 finds one in nine words or more.

Everything is numpy over batches of texts; shingles and signatures lie in temporary files that are
mapped, so memory does not grow with the text. Not here: a short text inside a long one,
translations, paraphrases. Exact copies are found by their hashes and should not be added twice.
"""

from __future__ import annotations

import tempfile
import unicodedata
from functools import lru_cache
from typing import IO, Any

import numpy as np

from castalia.checks.near_pairs import Near

SIMILAR = 0.6
MOST = 8  # pairs of one text that are looked for: a thousand equal ones are not a million pairs
LEAST = 8  # shingles below which two texts are too short to be called alike
HASHES, BANDS = 128, 32
_BATCH = 1 << 20  # characters that are hashed together
_LONGEST_WORD = 64  # places of a word that count
_NOWHERE, _WORD, _ALONE = 0, 1, 2


def folded(text: str) -> str:
    """What counts of a text: compatibility forms as plain ones, no case."""
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).lower()


class Shingles:
    """The shingles of texts that are added one by one; `near` finds the pairs."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._size = 0
        self._counts: list[np.ndarray] = []
        self._files: tuple[IO[bytes], IO[bytes]] = (
            tempfile.TemporaryFile(),  # noqa: SIM115 - open as long as this object
            tempfile.TemporaryFile(),  # noqa: SIM115
        )

    def add(self, text: str) -> None:
        """Numbers follow the order of adding, from 0."""
        self._held.append(folded(text))
        self._size += len(text)
        if self._size >= _BATCH:
            self._flush()

    def near(self, threshold: float = SIMILAR) -> Near:
        """Pairs whose Jaccard similarity is at least `threshold`; `distance` is 1 - similarity. In
        a crowd of texts that are all alike, each is compared with a few of them, not with all.
        """
        self._flush()
        counts = np.concatenate(self._counts) if self._counts else np.zeros(0, np.int64)
        if len(counts) < 2 or not counts.sum():
            return Near(np.zeros((0, 2), np.int64), np.zeros(0))
        for file in self._files:
            file.flush()
        shingles = np.memmap(self._files[0], np.uint32, "r")
        signatures = np.memmap(self._files[1], np.uint32, "r").reshape(-1, HASHES)
        ends = np.cumsum(counts)
        usable = np.flatnonzero(counts >= LEAST)
        seen: np.ndarray = np.zeros(0, np.int64)
        counted = np.zeros(len(counts), np.int64)  # pairs that each text has
        pairs, distances = [], []
        for band in range(BANDS):
            key = _candidates(signatures, usable, band, len(counts))
            key = key[~np.isin(key, seen, assume_unique=True)]
            seen = np.union1d(seen, key)
            listed = np.stack([key // len(counts), key % len(counts)], 1)
            listed = listed[(counted[listed] < MOST).any(1)]
            for start in range(0, len(listed), 4096):
                some = listed[start : start + 4096]
                agreed = (signatures[some[:, 0]] == signatures[some[:, 1]]).mean(1)
                some = some[agreed >= threshold - 0.2]  # 4.6 standard deviations of 128 hashes
                alike = _similarities(shingles, ends - counts, counts, some)
                some, alike = some[alike >= threshold], alike[alike >= threshold]
                counted += np.bincount(some.ravel(), minlength=len(counted))
                pairs.append(some)
                distances.append(1 - alike)
        whole = np.concatenate([np.zeros((0, 2), np.int64), *pairs])
        ranked = np.lexsort((whole[:, 1], whole[:, 0]))
        return Near(whole[ranked], np.concatenate([np.zeros(0), *distances])[ranked])

    def _flush(self) -> None:
        if not self._held:
            return
        hashes, counts = _shingles(self._held)
        self._files[0].write(hashes.tobytes())
        self._files[1].write(_signatures(hashes, counts).tobytes())
        self._counts.append(counts)
        self._held, self._size = [], 0


def similarity(one: str, other: str) -> float:
    """The Jaccard similarity of two texts' shingles; 1 for two texts without any."""
    a, b = (set(_shingles([folded(text)])[0].tolist()) for text in (one, other))
    return len(a & b) / len(a | b) if a or b else 1.0


def _similarities(
    shingles: np.ndarray, starts: np.ndarray, counts: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """(P,) Jaccard similarities of pairs (P, 2) of texts, whose shingles begin at `starts` and are
    `counts` many.
    """
    result = np.zeros(len(pairs))
    sizes = counts[pairs].sum(1)
    cuts = np.flatnonzero(np.diff(np.cumsum(sizes) // _BATCH)) + 1
    for part in np.split(np.arange(len(pairs)), cuts):
        texts, length = pairs[part].ravel(), counts[pairs[part]].ravel()
        place = np.repeat(starts[texts] - np.cumsum(length) + length, length) + np.arange(
            length.sum()
        )
        owner = np.repeat(np.arange(len(texts)), length)  # 2 * pair + side
        keys = np.unique(
            ((owner // 2).astype(np.uint64) << np.uint64(33))
            | (shingles[place].astype(np.uint64) << np.uint64(1))
            | (owner % 2).astype(np.uint64)
        )
        pair = (keys >> np.uint64(33)).astype(np.int64)
        twice = (keys[1:] >> np.uint64(1)) == (keys[:-1] >> np.uint64(1))  # on both sides
        shared = np.bincount(pair[1:][twice], minlength=len(part))
        result[part] = shared / np.maximum(1, np.bincount(pair, minlength=len(part)) - shared)
    return result


def _candidates(signatures: np.ndarray, usable: np.ndarray, band: int, total: int) -> np.ndarray:
    """Pairs of texts that agree in a band, as first * total + second, sorted, each once."""
    width = HASHES // BANDS
    rows = np.ascontiguousarray(signatures[usable, band * width : (band + 1) * width]).astype(
        np.uint64
    )
    key = np.zeros(len(rows), np.uint64)
    for column in range(width):
        key = _mixed(key ^ rows[:, column])
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if not len(same):
        return np.zeros(0, np.int64)
    heads = np.maximum.accumulate(
        np.where(np.concatenate([[True], ordered[1:] != ordered[:-1]]), np.arange(len(ordered)), 0)
    )
    first = np.concatenate([usable[order[same]], usable[order[heads[same + 1]]]])
    second = np.concatenate([usable[order[same + 1]], usable[order[same + 1]]])
    return np.unique(np.minimum(first, second) * np.int64(total) + np.maximum(first, second))


def _shingles(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(uint32 hashes of the shingles of all texts in order, how many each text has (n,) int64);
    repeated shingles are repeated.
    """
    codes = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.array([len(text) + 1 for text in texts])
    kinds, mixes = _alphabet()
    kind = kinds[codes]
    before = np.concatenate([[_NOWHERE], kind[:-1]]) if len(kind) else kind
    starts = np.flatnonzero((kind == _ALONE) | ((kind == _WORD) & (before != _WORD)))
    counts = np.zeros(len(texts), np.int64)
    if len(starts) < 2:
        return np.zeros(0, np.uint32), counts
    place = np.arange(len(codes)) - np.repeat(
        np.concatenate([[0], starts]), np.diff(np.concatenate([[0], starts, [len(codes)]]))
    )
    value = np.where(
        kind != _NOWHERE, mixes[codes] * _powers()[np.minimum(place, _LONGEST_WORD - 1)], 0
    )
    words = np.add.reduceat(value, starts)
    owner = np.searchsorted(np.cumsum(lengths), starts, side="right")
    pair = owner[1:] == owner[:-1]
    hashes = _mixed(words[:-1] * np.uint64(0x9E3779B97F4A7C15) + words[1:])[pair] >> np.uint64(32)
    counts += np.bincount(owner[:-1][pair], minlength=len(texts))
    return hashes.astype(np.uint32), counts


def _signatures(hashes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(n, 128) uint32: minima of multiply-add-shift hashes (Dietzfelbinger et al. 1997); all ones
    for a text without shingles.
    """
    result = np.full((len(counts), HASHES), 0xFFFFFFFF, np.uint32)
    some = np.flatnonzero(counts)
    if len(some):
        starts = (np.cumsum(counts) - counts)[some]
        wide = hashes.astype(np.uint64)
        for number, (factor, term) in enumerate(_functions()):
            minima = np.minimum.reduceat((wide * factor + term) >> np.uint64(32), starts)
            result[some, number] = minima
    return result


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), on uint64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


@lru_cache(maxsize=1)
def _alphabet() -> tuple[np.ndarray, np.ndarray]:
    """For each code point whether it makes words, stands alone or neither, and a random number for
    it.
    """
    kinds = np.zeros(0x110000, np.uint8)
    for code in range(0x110000):
        if chr(code).isalnum():
            kinds[code] = _WORD
    for first, last in (
        (0x3005, 0x3007),
        (0x3040, 0x30FF),
        (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF),
        (0xF900, 0xFAFF),
        (0x20000, 0x3FFFF),
    ):
        kinds[first : last + 1] = np.where(
            kinds[first : last + 1] == _WORD, _ALONE, kinds[first : last + 1]
        )
    return kinds, _mixed(np.arange(0x110000, dtype=np.uint64) + np.uint64(1))


@lru_cache(maxsize=1)
def _powers() -> np.ndarray:
    return np.array(
        [pow(0x2545F4914F6CDD1D, place, 1 << 64) for place in range(_LONGEST_WORD)], np.uint64
    )


@lru_cache(maxsize=1)
def _functions() -> tuple[Any, ...]:
    drawn = _mixed(np.arange(2 * HASHES, dtype=np.uint64) + np.uint64(0x5EED))
    return tuple(
        (drawn[2 * number] | np.uint64(1), drawn[2 * number + 1]) for number in range(HASHES)
    )
