"""The level codec: maps of tiles as tokens, one a tile, in a grid of one size.

Tiles are read row by row, or column by column of levels that are wide. A step of the sequence
(`Tokens.period`) is a row or a column, so that a model knows the tile above as it knows the one
before. The grid is as large as the largest training level; smaller ones are filled up below and to
the right with a token for "outside". Large levels are cut into pieces (`cut`).

What is made has to be solved before it leaves (`flaw`): whoever draws draws again, up to `tries`
times, and the release gate lets nothing else through.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import PIL.Image
import torch
from pydantic import Field, ValidationError, field_validator
from torch import Tensor

from castalia import atomic
from castalia.codecs.base import Augmentation, Codec, CodecConfig
from castalia.config import State
from castalia.constraints.budget import Budget
from castalia.errors import CastaliaError, DataError, RecipeError, SpecError
from castalia.modalities.level import drawing, rules
from castalia.modalities.level.files import boxes, grids, tiled
from castalia.modalities.level.level import Level
from castalia.modalities.level.play import Player, mend
from castalia.modalities.level.play.outcome import Outcome
from castalia.sentences import say
from castalia.spec import Grammar, Tokens
from castalia.text_files import documents

OUTSIDE = "\0"  # what a filled-up place holds; no file has it
BEGIN = 0
LARGEST = 4096  # tiles of a level that a model sees at once
HEAD = 1 << 16  # characters by which a text is told from a level
STEPS = re.compile(r"steps:(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
Size = Annotated[str, Field(pattern=r"^[1-9]\d{0,4}x[1-9]\d{0,4}$")]


class LevelConfig(CodecConfig):
    """Settings of `LevelCodec`.

    rules   of the game: sokoban, platformer, dungeon, or a YAML file of one's own; "": none, and
            any level will do.
    scan    "rows" or "columns": the order of the tiles; columns for levels wider than high.
    cut     HEIGHTxWIDTH, e.g. 14x28: levels are cut into pieces of this size; "": they stay whole.
    stride  HEIGHTxWIDTH from one piece to the next; "": pieces do not overlap.
    fill    the tile that short rows go on with; "": rows of unequal lengths are an error.
    tries   how often a level is drawn at most until one can be solved.
    difficulty  whether the difficulty of each level is a fact that models can be told
            (data.conditions=[difficulty]): then each is solved once while the data are read.
    """

    rules: Annotated[str, Field(max_length=4096)] = "sokoban"
    scan: Literal["rows", "columns"] = "rows"
    cut: Size | Literal[""] = ""
    stride: Size | Literal[""] = ""
    fill: Annotated[str, Field(max_length=1)] = ""
    tries: int = Field(default=64, ge=1, le=100_000)
    difficulty: bool = False


class LevelState(State):
    """What `fit` found."""

    tiles: str
    height: Annotated[int, Field(ge=1, le=LARGEST)]
    width: Annotated[int, Field(ge=1, le=LARGEST)]
    ragged: bool
    rules: dict[str, Any]

    @field_validator("tiles")
    @classmethod
    def _different(cls, tiles: str) -> str:
        if not tiles or len(set(tiles)) != len(tiles):
            raise ValueError("tiles repeat")
        return tiles


class Columns:
    """A Grammar (castalia/spec.py): any tile anywhere, never `begin`. slots (S, V) bool, the same
    for each of the S places of a step.
    """

    exact = True

    def __init__(self, period: int, vocab: int) -> None:
        self.slots = torch.ones(period, vocab, dtype=torch.bool)
        self.slots[:, BEGIN] = False

    def start(self) -> int:
        return 0

    def allowed(self, state: int) -> Tensor:
        return self.slots[0]

    def advance(self, state: int, token: int) -> int:
        return 0


class Band(NamedTuple):
    """Steps that a solution is asked to have, both ends included."""

    least: int
    most: int

    @classmethod
    def parsed(cls, constraint: str) -> Band:
        """ "steps:12-20", "steps:12". Raises RecipeError for other words."""
        match = STEPS.fullmatch(constraint.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise RecipeError(
                say("a level knows no such constraint"),
                where=constraint[:80],
                fix=say("steps:12-20 asks for a solution of 12 to 20 steps"),
            )
        return cls(int(match[1]), int(match[2] or match[1]))


class LevelCodec(Codec[Level]):
    """Levels to token ids (1 + height * width,), int32."""

    name = "level"
    native = Level
    extensions: ClassVar[tuple[str, ...]] = (".txt", ".txt.gz", ".lvl", ".xsb", ".sok", ".tmj")
    formats: ClassVar[tuple[str, ...]] = (".tmj", ".png", ".glb")
    adjustable: ClassVar[frozenset[str]] = frozenset({"tries", "fill", "cut", "stride"})
    few: ClassVar[str] = say("give more levels, or cut large ones into pieces: codec.cut=14x28")
    fact_names: ClassVar[tuple[str, ...]] = ("difficulty",)
    disturbs: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    sidecar: ClassVar[str] = ".json"
    suffix = ".txt"
    Config = LevelConfig

    def __init__(self, config: LevelConfig | None = None) -> None:
        super().__init__(config or LevelConfig())
        self._player: Player | None = None
        self.tiles = ""
        self.height = self.width = 0
        self.ragged = False
        self._spec: Tokens | None = None

    @property
    def player(self) -> Player:
        """Of the run's rules, or those that the recipe names."""
        if self._player is None:
            self._player = Player(rules.load(self.config.rules))
        return self._player

    @property
    def rules(self) -> rules.Rules:
        return self.player.rules

    # Files to items -------------------------------------------------------------------------------

    @classmethod
    def claims(cls, name: str) -> bool:
        return super().claims(name) and not documents.explains(name)

    @classmethod
    def prefers(cls, path: Path) -> bool:
        """Whether a text is maps of tiles; other endings are those of levels alone."""
        if not path.name.lower().endswith((".txt", ".txt.gz")):
            return True
        try:
            return grids.likely(grids.read(path)[:HEAD])
        except CastaliaError:
            return False

    def read(self, path: Path) -> Iterator[Level]:
        for _, piece in self._pieces(path):
            yield piece

    def _pieces(self, path: Path) -> Iterator[tuple[str, Level]]:
        """(which level of the file, the level or a piece of it)."""
        text = grids.read(path)
        if text.lstrip()[:1] == "{":
            whole: Iterable[Level] = [tiled.parsed(text, path.name)]
        else:
            whole = grids.parsed(text, path.name, self.config.fill)
        for number, level in enumerate(whole):
            for piece in self._cut(level):
                if piece.height * piece.width > LARGEST:
                    raise _too_large(piece, say("{0}, level {1}", path.name, number + 1))
                yield str(number), piece

    def _cut(self, level: Level) -> Iterator[Level]:
        """Pieces of the asked size; none of which all tiles are the same."""
        if not self.config.cut:
            yield level
            return
        size = _size(self.config.cut)
        stride = _size(self.config.stride) if self.config.stride else size
        for top in _starts(level.height, size[0], stride[0]):
            for left in _starts(level.width, size[1], stride[1]):
                piece = level.part(top, left, *size)
                if len(set("".join(piece.rows))) > 1:
                    yield piece

    @classmethod
    def weight(cls, path: Path) -> int:
        return max(1, path.stat().st_size // 128)

    def is_container(self, path: Path) -> bool:
        return True

    def contents(self, path: Path) -> Iterator[bytes]:
        return (piece.content for piece in self.read(path))

    def belongs(self, path: Path) -> list[str] | None:
        """Pieces of one level stay together."""
        return [number for number, _ in self._pieces(path)] if self.config.cut else None

    def describe(self, item: Level) -> str:
        return f"{item.height}x{item.width}"

    # Items to tensors -----------------------------------------------------------------------------

    def fit(self, items: Iterable[Level]) -> None:
        """The tiles, and the size of the largest level. Raises DataError without levels, and where
        that is too large.
        """
        tiles: set[str] = set()
        sizes: set[tuple[int, int]] = set()
        for item in items:
            tiles.update(*item.rows)
            sizes.add((item.height, item.width))
        if not sizes:
            raise DataError(say("there is no level to learn from"), "codec", say("add levels"))
        height, width = (max(size[axis] for size in sizes) for axis in (0, 1))
        if height * width > LARGEST:
            raise _too_large(Level((" " * width,) * height), say("the largest of all levels"))
        self._adopt("".join(sorted(tiles)), height, width, len(sizes) > 1)

    def _adopt(self, tiles: str, height: int, width: int, ragged: bool) -> None:
        self.tiles, self.height, self.width, self.ragged = tiles, height, width, ragged
        known, mirror = tiles + OUTSIDE if ragged else tiles, self.rules.mirror
        self._ids = {tile: 1 + place for place, tile in enumerate(known)}
        self._known = known
        swapped = [
            self._ids.get(tile, place) for place, tile in enumerate(known.translate(mirror), 1)
        ]
        self._in_mirror = torch.tensor([BEGIN, *swapped], dtype=torch.int32)
        period = width if self.config.scan == "rows" else height
        vocab = 1 + len(known)
        self._spec = Tokens(height * width, vocab, BEGIN, None, Columns(period, vocab), period)

    @property
    def spec(self) -> Tokens:
        if self._spec is None:
            raise SpecError(
                say("the level codec does not know its tiles yet"),
                "codec",
                say("call fit(items) first"),
            )
        return self._spec

    def place(self, row: int, column: int) -> int:
        """Where the tile stands in a row of tokens."""
        along = row * self.width + column
        return 1 + (along if self.config.scan == "rows" else column * self.height + row)

    def encode(self, item: Level) -> Tensor:
        """Raises DataError for a level that is larger than those of training, and for a tile that
        they do not have.
        """
        begin = self.spec.begin  # before `fit` there is none
        if item.height > self.height or item.width > self.width:
            raise DataError(
                say("the level is larger than those that the run was trained on"),
                say("{0} against {1}x{2}", self.describe(item), self.height, self.width),
                say("cut it: codec.cut={0}x{1}", self.height, self.width),
            )
        rows = [row.ljust(self.width, OUTSIDE) for row in item.rows]
        rows += [OUTSIDE * self.width] * (self.height - item.height)
        if self.config.scan == "columns":
            rows = ["".join(column) for column in zip(*rows, strict=True)]
        ids = [self._ids.get(tile, -1) for row in rows for tile in row]
        if -1 in ids:
            raise self._unknown(item)
        return torch.tensor([begin, *ids], dtype=torch.int32)

    def _unknown(self, item: Level) -> DataError:
        for row, line in enumerate(item.rows, 1):
            for column, tile in enumerate(line, 1):
                if tile not in self._ids:
                    return DataError(
                        say("the tile '{0}' is none of those of the training levels", tile),
                        say("row {0}, column {1}", row, column),
                        say("known: {0}", " ".join(self.tiles)),
                    )
        return DataError(
            say("the level is smaller than those of training, which are all of one size"),
            say("{0} against {1}x{2}", self.describe(item), self.height, self.width),
            say("give levels of that size"),
        )

    def decode(self, x: Tensor) -> Level:
        """The level without what is outside below and to the right; what is outside within it
        becomes the first tile.
        """
        given = torch.nan_to_num(x.detach().cpu().flatten().double(), 0.0).clamp(
            0, len(self._known)
        )
        ids = given.long().tolist()
        ids = ids[1:] if len(ids) == self.spec.length + 1 or ids[:1] == [BEGIN] else ids
        ids = (ids + [1] * self.spec.length)[: self.spec.length]
        text = "".join(self._known[max(0, one - 1)] for one in ids)
        step = self.spec.period
        rows = [text[start : start + step] for start in range(0, len(text), step)]
        if self.config.scan == "columns":
            rows = ["".join(column) for column in zip(*rows, strict=True)]
        while len(rows) > 1 and not rows[-1].strip(OUTSIDE):
            rows.pop()
        width = max(1, *(len(row.rstrip(OUTSIDE)) for row in rows))
        return Level(
            tuple(row[:width].replace(OUTSIDE, self.tiles[0]) for row in rows), self.player
        )

    @property
    def augmentations(self) -> dict[str, Augmentation]:
        """mirror: from left to right; turn: square levels by quarters, where the game is seen from
        above. Each is done to half of a batch. Levels of several sizes stay as they are.
        """
        return {"mirror": self._mirrored, "turn": self._turned}

    @property
    def default_augmentations(self) -> tuple[str, ...]:
        return tuple(self.augmentations)

    def _mirrored(self, batch: Tensor, rng: torch.Generator) -> Tensor:
        if self.ragged:
            return batch
        grid = self._grids(batch)
        other = self._in_mirror[grid.flip(2 if self.config.scan == "rows" else 1).long()]
        return self._chosen(batch, other, rng)

    def _turned(self, batch: Tensor, rng: torch.Generator) -> Tensor:
        if self.ragged or self.height != self.width or not self.rules.turns:
            return batch
        # these three make all eight symmetries of a square
        batch = self._chosen(batch, self._grids(batch).transpose(1, 2), rng)
        for axis in (1, 2):
            batch = self._chosen(batch, self._grids(batch).flip(axis), rng)
        return batch

    def _grids(self, batch: Tensor) -> Tensor:
        return batch[:, 1:].unflatten(1, (-1, self.spec.period))

    def _chosen(self, batch: Tensor, other: Tensor, rng: torch.Generator) -> Tensor:
        """The batch with the grids of about half of its rows replaced by `other`."""
        take = torch.rand(len(batch), generator=rng) < 0.5
        made = torch.where(take[:, None, None], other, self._grids(batch)).flatten(1)
        return torch.cat([batch[:, :1], made], 1)

    # What may leave -------------------------------------------------------------------------------

    @property
    def vets(self) -> bool:
        """codecs.protocols.Vets."""
        return self.rules.play != "none"

    @property
    def tries(self) -> int:
        return int(self.config.tries)

    def outcome(self, item: Level) -> Outcome:
        """Whether and how it can be solved."""
        return self.player.solve(item)

    def flaw(self, item: Level, asked: Mapping[str, str], constraint: str | None) -> str:
        """Why a level may not leave: it cannot be solved, or not as it was asked for."""
        found = self.outcome(item)
        if not found.solved:
            return found.why
        if constraint is not None:
            band = Band.parsed(constraint)
            if not band.least <= found.steps <= band.most:
                return say(
                    "its solution has {0} steps, not {1} to {2}", found.steps, band.least, band.most
                )
        wanted = asked.get("difficulty")
        if wanted is not None and self.rules.band(found.steps) != wanted:
            return say("its solution has {0} steps, so it is not '{1}'", found.steps, wanted)
        return ""

    def mended(self, item: Level) -> Level:
        """The level with the pieces that it lacks, where it can then be solved (play/mend.py)."""
        versions = mend.mended(item, self.rules)
        return next((one for one in versions if self.outcome(one).solved), item)

    def proof(self, item: Level) -> dict[str, Any]:
        """What manifests say of a level that may leave."""
        found = self.outcome(item)
        return {"play": self.rules.play, "solution_steps": found.steps, "solution": found.way}

    def facts(self, item: Level) -> dict[str, str]:
        if not self.config.difficulty or self.rules.play == "none":
            return {}
        found = self.outcome(item)
        if not found.solved:
            return {}
        return {"difficulty": self.rules.band(found.steps)}

    def constrain(self, constraint: str, budget: Budget | None = None) -> Grammar | None:
        """Raises RecipeError for words that mean nothing. Only a whole level shows its steps, so no
        tile is forbidden.
        """
        Band.parsed(constraint)
        return None

    # Items to files -------------------------------------------------------------------------------

    def write(self, item: Level, path: Path, manifest: dict[str, Any] | None = None) -> None:
        """A text grid, a map of Tiled (.tmj), a picture (.png) or boxes (.glb), by the ending; the
        manifest in a JSON file of the same name beside it.
        """
        if manifest is not None:
            atomic.write_json(path.with_suffix(self.sidecar), manifest)
        match path.suffix.lower():
            case ".png":
                drawing.save(item, self.rules, path)
            case ".glb":
                path.write_bytes(drawing.in_space(item, self.rules))
            case ".tmj":
                path.write_text(tiled.written(item), encoding="utf-8")
            case _:
                path.write_text(grids.written(item), encoding="utf-8")

    @classmethod
    def content(cls, path: Path) -> str:
        """Of the tiles, whatever the format: files of one level share a manifest."""
        kept = {".png": drawing.tiles_of, ".glb": boxes.tiles_of}.get(path.suffix.lower())
        if kept is not None:
            return hashlib.sha256(kept(path).encode()).hexdigest()
        text = grids.read(path)
        if text.lstrip()[:1] == "{":
            return hashlib.sha256(tiled.parsed(text, path.name).content).hexdigest()
        levels = [one.content for one in grids.parsed(text, path.name)]
        return hashlib.sha256(b"\n\n".join(levels)).hexdigest()

    def preview(self, items: list[Level]) -> PIL.Image.Image:
        return drawing.sheet(items, self.rules)

    def units(self, item: Level) -> dict[str, int]:
        return {"tile": item.height * item.width}

    def labels(self, ids: Tensor) -> list[str]:
        """The tile of each token."""
        names = ["⟨begin⟩", *self._known.replace(OUTSIDE, "∅")]
        return [names[number] if 0 <= number < len(names) else "" for number in ids.tolist()]

    # State ----------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        if self._spec is None:
            return {}, {}
        return {
            "tiles": self.tiles,
            "height": self.height,
            "width": self.width,
            "ragged": self.ragged,
            "rules": self.rules.model_dump(mode="json"),
        }, {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> Self:
        if not state:
            return self
        try:
            known = LevelState.model_validate(state)
        except ValidationError as error:
            raise DataError(
                say("the tiles of the run are damaged"), "codec.json", say("restore the file")
            ) from error
        self._player = Player(rules.of_json(known.rules, "codec.json"))
        self._adopt(known.tiles, known.height, known.width, known.ragged)
        return self


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    return int(height), int(width)


def _starts(length: int, size: int, stride: int) -> Iterator[int]:
    """Where pieces begin that lie within `length`; one of all where that is shorter."""
    yield from range(0, max(1, length - size + 1), stride)


def _too_large(level: Level, where: str) -> DataError:
    return DataError(
        say("a level has more tiles than {0:,}: {1}x{2}", LARGEST, level.height, level.width),
        where,
        say("cut it into pieces: codec.cut=14x28 (rows x columns)"),
    )
