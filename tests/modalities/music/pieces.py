"""A small codec of scores for tests: three voices by eighth notes, one token a voice and step, from
JSON files. The real one is modalities/music/codec.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from torch import Tensor

from castalia.codecs.base import Codec, CodecConfig
from castalia.modalities.music.score import Metre, Note, Part, Score
from castalia.spec import Tokens

VOICES, STEP, REST, HOLD, FIRST = 3, 12, 2, 3, 4
KEYS = ("C", "G", "D", "A")


class Tunes(Codec[Score]):
    """begin 0, end 1, rest 2, hold 3, pitch p 4 + p."""

    name, modality = "tunes", "music"
    native = Score
    extensions = (".tune",)
    Config = CodecConfig
    fact_names = ("voices", "first")

    def read(self, path: Path) -> Iterator[Score]:
        parts = json.loads(path.read_text(encoding="utf-8"))
        yield Score(
            tuple(Part(notes=tuple(Note(*note) for note in notes)) for notes in parts),
            24,
            metres=(Metre(0, 4, 4),),
        )

    def fit(self, items: Iterable[Score]) -> None:
        pass

    @property
    def spec(self) -> Tokens:
        return Tokens(length=8 * 8 * VOICES + 1, vocab=FIRST + 128, begin=0, end=1)

    def encode(self, item: Score) -> Tensor:
        steps = -(-item.end // STEP)
        grid = torch.full((steps, VOICES), REST, dtype=torch.uint8)
        for voice, part in enumerate(item.parts[:VOICES]):
            for note in part.notes:
                start, stop = note.start // STEP, -(-note.end // STEP)
                grid[start:stop, voice] = HOLD
                grid[start, voice] = FIRST + note.pitch
        return torch.cat(
            [
                torch.tensor([0], dtype=torch.uint8),
                grid.flatten(),
                torch.tensor([1], dtype=torch.uint8),
            ]
        )

    def decode(self, x: Tensor) -> Score:
        row = x.tolist()
        row = row[: row.index(1)] if 1 in row else row
        row = [token for token in row if token != 0]
        parts = []
        for voice in range(VOICES):
            notes: list[Note] = []
            for step, token in enumerate(row[voice::VOICES]):
                if token >= FIRST:
                    notes.append(Note(step * STEP, STEP, token - FIRST))
                elif token == HOLD and notes and notes[-1].end == step * STEP:
                    notes[-1] = notes[-1]._replace(length=notes[-1].length + STEP)
            parts.append(Part(notes=tuple(notes)))
        return Score(tuple(parts), 24, metres=(Metre(0, 4, 4),))

    def facts(self, item: Score) -> dict[str, str]:
        return {
            "voices": str(len(item.parts)),
            "first": "high" if item.parts[0].notes[0].pitch > 66 else "low",
        }

    def units(self, item: Score) -> dict[str, int]:
        return {"step": -(-item.end // STEP), "note": item.count}

    def write(self, item: Score, path: Path, manifest: dict[str, Any] | None = None) -> None:
        path.write_text(
            json.dumps([list(map(list, part.notes)) for part in item.parts]), encoding="utf-8"
        )

    def preview(self, items: list[Score]) -> PIL.Image.Image:
        return PIL.Image.new("L", (16, 16 * max(1, len(items))))

    @property
    def suffix(self) -> str:
        return ".tune"


def folder_of(folder: Path, pieces: Iterable[Score]) -> Path:
    """The pieces as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, piece in enumerate(pieces):
        Tunes(CodecConfig()).write(piece, folder / f"{number:03d}.tune")
    return folder
