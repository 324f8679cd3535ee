"""Which passages a question is about: BM25 over terms, the cosine of character n-grams and, where a
desk has them, that of embeddings of sentences, fused.

BM25: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", with the weight
log(1 + (N - n + 0.5) / (n + 0.5)), as Lucene has it. Cosines are of (1 + log tf) idf vectors. Each
passage has one or more units (its question, questions that people asked before, its text), and is
as near as its nearest ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from castalia.apps.assistant import terms

K1, B = 1.2, 0.75
RANK = 60  # of reciprocal rank fusion: Cormack, Clarke and Buettcher 2009
NEAREST = 3  # units of a passage whose cosines are averaged
SHORT = 40  # terms of a unit that may be a question
# by which differences of cosines of embeddings are multiplied: those of E5 lie close together
CLOSE = 40.0
POOL = 300  # best units among which these are looked for
Array = np.ndarray


class Postings:
    """Of each term the units that have it, and its weight there."""

    def __init__(self, units: Sequence[Sequence[str]], kind: str) -> None:
        """kind: "bm25", or "cosine" for rows of length 1."""
        counts = [Counter(unit) for unit in units]
        lengths = np.array([sum(one.values()) for one in counts], float)
        self.units, self.kind = len(units), kind
        self.known: dict[str, int] = {}
        rows: list[list[int]] = []
        frequencies: list[list[int]] = []
        for place, one in enumerate(counts):
            for term, count in one.items():
                number = self.known.setdefault(term, len(rows))
                if number == len(rows):
                    rows.append([])
                    frequencies.append([])
                rows[number].append(place)
                frequencies[number].append(count)
        self.rows = [np.array(one, np.int32) for one in rows]
        found = np.array([len(one) for one in rows], float)
        total = float(max(self.units, 1))
        if kind == "bm25":
            self.idf = np.log1p((total - found + 0.5) / (found + 0.5))
            norm = K1 * (1 - B + B * lengths / max(float(lengths.mean()) if len(lengths) else 1, 1))
            self.weights = [
                idf * np.array(tf) * (K1 + 1) / (np.array(tf) + norm[row])
                for idf, tf, row in zip(self.idf, frequencies, self.rows, strict=True)
            ]
        else:
            self.idf = np.log((1 + total) / (1 + found)) + 1
            self.weights = [
                idf * (1 + np.log(tf)) for idf, tf in zip(self.idf, frequencies, strict=True)
            ]
            squares = np.zeros(self.units)
            for row, weight in zip(self.rows, self.weights, strict=True):
                squares[row] += weight**2
            length = np.sqrt(np.maximum(squares, 1e-12))
            self.weights = [
                weight / length[row] for row, weight in zip(self.rows, self.weights, strict=True)
            ]

    def scores(self, question: Sequence[str]) -> Array:
        """(units,) float64 scores of a question's terms."""
        scores = np.zeros(self.units)
        counts = Counter(question)
        length = 0.0
        unknown = float(np.log(1 + self.units) + 1)
        for term, count in counts.items():
            number = self.known.get(term)
            if self.kind == "bm25":
                if number is not None:
                    scores[self.rows[number]] += count * self.weights[number]
                continue
            idf = unknown if number is None else float(self.idf[number])
            weight = idf * (1 + np.log(count))
            length += weight**2
            if number is not None:
                scores[self.rows[number]] += weight * self.weights[number]
        return scores / np.sqrt(max(length, 1e-12)) if self.kind == "cosine" else scores


@dataclass(frozen=True)
class Found:
    """Passages in their order, the best first, at most as many as were asked for. words, cosines:
    scores of all passages. nearest: each passage's best single unit. meaning: the cosine of its
    best unit's embedding; None of a desk without embeddings.
    """

    order: list[int]
    words: Array
    cosines: Array
    nearest: Array
    meaning: Array | None = None


class Index:
    """units: (passage, text). Units that are not allowed in a search are as if they were not there,
    but for the weights of terms. vectors: (units, d), of length 1; embed: a text's (d,).
    """

    def __init__(
        self,
        passages: int,
        units: Sequence[tuple[int, str]],
        vectors: Array | None = None,
        embed: Callable[[str], Array] | None = None,
    ) -> None:
        self.passages, self.vectors, self.embed = passages, vectors, embed
        self.owner = np.array([owner for owner, _ in units], np.int64)
        contents = [terms.content(text) for _, text in units]
        self.words = Postings(contents, "bm25")
        # of questions, which are short; what is compared both ways
        self.short = [frozenset(one) if len(one) <= SHORT else frozenset() for one in contents]
        self.grams = Postings([terms.grams(text) for _, text in units], "cosine")

    def search(self, question: str, allowed: Array | None = None, most: int = 10) -> Found:
        """allowed: (units,) bool, those that may be found; None: all."""
        words, grams = (
            self.words.scores(terms.content(question)),
            self.grams.scores(terms.grams(question)),
        )
        if allowed is not None:
            words, grams = np.where(allowed, words, 0.0), np.where(allowed, grams, 0.0)
        words, nearest = self._best_unit(words), self._best_unit(grams)
        cosines = self._nearest_units(grams, allowed)
        meaning = self._meaning(question, allowed)
        fused = np.zeros(self.passages)
        close = [] if meaning is None else [np.exp(CLOSE * (meaning - meaning.max(initial=-1.0)))]
        for scores in (words, cosines, nearest, *close):
            best = _best(scores, 50)
            fused[best] += 1 / (RANK + 1 + np.arange(len(best)))
            # ranks alone do not tell by how much the first is ahead
            fused += scores / max(float(scores.max(initial=0.0)), 1e-12) / RANK
        return Found([int(one) for one in _best(fused, most)], words, cosines, nearest, meaning)

    def has(self, term: str, allowed: Array | None = None) -> bool:
        """Whether a unit that may be found has the term."""
        number = self.words.known.get(term)
        if number is None:
            return False
        return allowed is None or bool(allowed[self.words.rows[number]].any())

    def in_passage(self, term: str, passage: int, allowed: Array | None = None) -> bool:
        """Whether a unit of this passage that may be found has the term."""
        number = self.words.known.get(term)
        if number is None:
            return False
        rows = self.words.rows[number]
        mine = rows[self.owner[rows] == passage]
        return bool(len(mine) if allowed is None else allowed[mine].any())

    def alike(self, question: Sequence[str], passage: int, allowed: Array | None = None) -> float:
        """The best of a passage's short units: by weight, the share of terms in both among those in
        either (Jaccard), from 0 to 1.
        """
        asked = set(question)
        best = 0.0
        start, stop = np.searchsorted(self.owner, (passage, passage + 1))
        for unit in range(start, stop):
            other = self.short[unit]
            if other and (allowed is None or allowed[unit]):
                both = sum(map(self.weight, asked & other))
                best = max(best, both / sum(map(self.weight, asked | other)) if both else 0.0)
        return best

    def weight(self, term: str) -> float:
        """How rare a term is; of one that no passage has, as much as of the rarest."""
        number = self.words.known.get(term)
        if number is None:
            return float(np.log1p((self.words.units + 0.5) / 0.5))
        return float(self.words.idf[number])

    def _meaning(self, question: str, allowed: Array | None) -> Array | None:
        if self.vectors is None or self.embed is None:
            return None
        scores = self.vectors @ self.embed(question)
        return self._best_unit(scores if allowed is None else np.where(allowed, scores, 0.0))

    def _best_unit(self, scores: Array) -> Array:
        found = np.zeros(self.passages)
        np.maximum.at(found, self.owner, scores)
        return found

    def _nearest_units(self, scores: Array, allowed: Array | None) -> Array:
        """The mean of each passage's best units, NEAREST of them or all that it has."""
        best = _best(scores, POOL)
        owner = self.owner[best]
        order = np.argsort(owner, kind="stable")
        best, owner = best[order], owner[order]
        kept = np.arange(len(owner)) - np.searchsorted(owner, owner) < NEAREST
        total = np.bincount(owner[kept], scores[best][kept], self.passages)
        there = self.owner if allowed is None else self.owner[allowed]
        count = np.bincount(there, minlength=self.passages)
        return total / np.clip(count, 1, NEAREST)


def _best(scores: Array, most: int) -> Array:
    """Places of the positive scores, the highest first; ties in their order."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) > 4 * most:
        least = np.partition(scores[positive], -most)[-most]
        positive = positive[scores[positive] >= least]
    return positive[np.argsort(-scores[positive], kind="stable")][:most]
