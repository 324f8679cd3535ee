"""Find duplicates within data, and leakage between parts of them, the strongest first: the same
bytes, the same content in other bytes, nearly the same content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from castalia.checks.near_pairs import Near
from castalia.checks.report_schema import Copies, Leak
from castalia.data import split
from castalia.data.source import Source
from castalia.sentences import say

EXAMPLES = 8
_ORDER = ("train", "training", "dev", "val", "valid", "validation", "test", "testing", "t10k")
_PREFIX = re.compile(rf"({'|'.join(_ORDER)})(?![a-z])", re.IGNORECASE)


@dataclass
class Pool:
    """The items of several sources, one after another: the data (first) and what they are held
    against.
    """

    sources: list[Source]
    names: list[str]
    starts: list[int]

    def __len__(self) -> int:
        return self.starts[-1]

    def where(self, number: int) -> str:
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        name = self.sources[place].where(number - self.starts[place])
        return name if place == 0 else say("{0}: {1}", self.names[place], name)

    def locate(self, number: int) -> tuple[Source, int]:
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self.sources[place], number - self.starts[place]


class Part(NamedTuple):
    """items (n,) int64, numbers in the pool of all sources."""

    name: str
    items: np.ndarray


class Twins:
    """Who equals whom in a pool of N items. digest, content (N, 16) uint8; readable (N,) bool;
    pairs: item numbers that are nearly the same.
    """

    def __init__(
        self,
        digest: np.ndarray,
        content: np.ndarray,
        readable: np.ndarray,
        near: Near,
        where: Callable[[int], str],
    ) -> None:
        self.readable, self._where = readable, where
        self.bytes, self.content = split.ranks(digest), split.ranks(content)
        edges = self.content[near.pairs]
        self._edges = np.concatenate([edges, edges[:, ::-1]])
        self.pairs, self.distance = near.pairs, near.distance

    def copies(self, own: np.ndarray, threshold: float | None) -> dict[str, Copies]:
        """Of the items `own` (n,), by kind; each copy counts once, by the strongest way."""
        own = own[self.readable[own]]
        first = own[np.unique(self.bytes[own], return_index=True)[1]]  # one of each digest
        alone = first[np.unique(self.content[first], return_index=True)[1]]
        crowds = self.crowds(alone)
        return {
            "bytes": self._grouped(own, self.bytes),
            "content": self._grouped(np.sort(first), self.content),
            "near": Copies(
                groups=len(crowds),
                copies=sum(len(crowd) - 1 for crowd in crowds),
                examples=[[self._where(item) for item in crowd[:4]] for crowd in crowds[:EXAMPLES]],
                threshold=threshold,
            ),
        }

    def crowds(self, alone: np.ndarray) -> list[list[int]]:
        """Groups of `alone` (n,), all different in content, that near pairs join; larger ones
        first.
        """
        of = {int(self.content[item]): int(item) for item in alone}
        parent = {rank: rank for rank in of}

        def root(rank: int) -> int:
            while parent[rank] != rank:
                parent[rank] = parent[parent[rank]]
                rank = parent[rank]
            return rank

        for one, other in self._edges.tolist():
            if one in parent and other in parent:
                a, b = root(one), root(other)
                parent[max(a, b)] = min(a, b)
        groups: dict[int, list[int]] = {}
        for one in np.unique(self._edges).tolist():
            if one in parent:
                groups.setdefault(root(one), []).append(of[one])
        kept = [sorted(group) for group in groups.values() if len(group) > 1]
        return sorted(kept, key=lambda group: (-len(group), group))

    def leak(self, source: Part, into: Part) -> Leak:
        """Which items of `into` are in `source`, too."""
        theirs, ours = (
            source.items[self.readable[source.items]],
            into.items[self.readable[into.items]],
        )
        by_bytes = np.isin(self.bytes[ours], self.bytes[theirs])
        by_content = np.isin(self.content[ours], self.content[theirs]) & ~by_bytes
        touching = self._edges[np.isin(self._edges[:, 0], self.content[theirs])]
        by_near = np.isin(self.content[ours], touching[:, 1]) & ~by_bytes & ~by_content
        count = int((by_bytes | by_content | by_near).sum())
        first = {
            int(rank): int(item)
            for rank, item in zip(self.content[theirs][::-1], theirs[::-1], strict=True)
        }
        partner = {int(other): int(one) for one, other in touching[::-1].tolist()}
        examples = []
        for item in np.concatenate([ours[by_near], ours[by_content], ours[by_bytes]])[
            :EXAMPLES
        ].tolist():
            rank = int(self.content[item])
            examples.append(
                [
                    self._where(first[rank] if rank in first else first[partner[rank]]),
                    self._where(item),
                ]
            )
        return Leak(
            source=source.name,
            into=into.name,
            items=count,
            total=len(ours),
            share=round(count / max(1, len(ours)), 6),
            bytes=int(by_bytes.sum()),
            content=int(by_content.sum()),
            near=int(by_near.sum()),
            examples=examples,
        )

    def conflicts(self, own: np.ndarray, label: np.ndarray) -> list[int]:
        """Items of `own` (n,), with classes `label` (n,), whose content occurs in more than one
        class.
        """
        seen = self.readable[own]
        pairs = np.unique(np.stack([self.content[own[seen]], label[seen]], 1), axis=0)
        ranks, count = np.unique(pairs[:, 0], return_counts=True)
        contradicted: list[int] = own[seen][
            np.isin(self.content[own[seen]], ranks[count > 1])
        ].tolist()
        return contradicted

    def _grouped(self, items: np.ndarray, key: np.ndarray) -> Copies:
        order = items[np.argsort(key[items], kind="stable")]
        starts = (
            np.flatnonzero(np.concatenate([[True], key[order][1:] != key[order][:-1]]))
            if len(order)
            else np.zeros(0, int)
        )
        sizes = np.diff(np.concatenate([starts, [len(order)]]))
        several = np.flatnonzero(sizes > 1)
        shown = sorted(
            several.tolist(), key=lambda group: (-sizes[group], int(order[starts[group]]))
        )[:EXAMPLES]
        examples = [
            [
                self._where(int(item))
                for item in order[starts[group] : starts[group] + min(4, sizes[group])]
            ]
            for group in shown
        ]
        return Copies(
            groups=len(several), copies=int((sizes[several] - 1).sum()), examples=examples
        )


def parts_of(names: Sequence[str], items: Sequence[np.ndarray], whole: str) -> list[Part]:
    """The parts that the names of files speak of: folders or beginnings of names that are all
    train, validation or test; else one part `whole`.

    items: of each file, its item numbers (n,).
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    while folders and all(folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    labels: list[str | None] = [
        parts[0] if parts and parts[0].lower() in _ORDER else None for parts in folders
    ]
    if None in labels:
        matches = [_PREFIX.match(PurePosixPath(name).name) for name in names]
        labels = [match[1].lower() if match else None for match in matches]
    if None in labels or len(set(labels)) < 2:
        return [Part(whole, np.concatenate([*items, np.zeros(0, np.int64)]))]
    ordered = sorted(
        {label for label in labels if label is not None},
        key=lambda label: (_ORDER.index(label.lower()), label),
    )
    return [
        Part(
            label,
            np.concatenate([own for own, mine in zip(items, labels, strict=True) if mine == label]),
        )
        for label in ordered
    ]
