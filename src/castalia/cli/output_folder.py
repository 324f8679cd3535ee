"""Write items that pass the gate into one folder; refused ones are counted and reported, the others
go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from castalia import modality
from castalia.cli.console import echo
from castalia.cli.contact_sheet import Given, write_sheet
from castalia.codecs.base import Codec, is_file
from castalia.errors import RecipeError, Refused
from castalia.governance.release_gate import Gate
from castalia.language import Voice, current, translate
from castalia.pages.files import Shown, is_picture
from castalia.pages.html import Html
from castalia.pages.presenter import presenter_of
from castalia.run import Run
from castalia.sampling.generate import class_index
from castalia.sentences import say, series
from castalia.spec import Classes, Words

MOST_SHOWN = 1000  # items that a contact sheet holds itself


class Batch:
    """Files `folder`/00000.png ..., numbered by the item's index, and a contact sheet of them."""

    def __init__(self, gate: Gate, folder: Path, formats: Sequence[str] | None = None) -> None:
        """formats: endings without their dot, one file of each item in each; None: the codec's own,
        and the audible one.
        """
        self.gate, self.folder = gate, folder
        self.endings = endings(gate.codec, formats)
        self.figures: list[Shown] = []
        self.refused: list[tuple[int, Refused]] = []

    @property
    def files(self) -> list[Path]:
        return [file for figure in self.figures for file in figure.files]

    @property
    def items(self) -> int:
        return len(self.figures)

    def emit(
        self,
        index: int,
        item: Any,
        facts: dict[str, Any],
        caption: str = "",
        inputs: Sequence[Path] = (),
    ) -> bool:
        """Whether the item was written. caption: what stands below it on the sheet. inputs: see
        `Gate.emit`.
        """
        files = []
        try:
            for ending in self.endings:
                path = self.folder / f"{index:05d}{ending}"
                files.append(self.gate.emit(item, path, dict(facts), inputs))
        except Refused as refusal:
            self.refused.append((index, refusal))
            return False
        self.figures.append(Shown(files, self._shown(files[0], item), caption))
        return True

    def _shown(self, file: Path, item: Any) -> Html | None:
        """The item as the sheet shows it; None where a browser shows its file, and of the many
        after the first, which the sheet only links to.
        """
        if is_picture(file) or self.items >= MOST_SHOWN:
            return None
        return presenter_of(self.gate.codec).item(item, Voice(current()))

    def document(
        self, title: str, given: Sequence[Given] = (), *, together: bool = False
    ) -> dict[str, Any]:
        """What --json prints of it; writes the sheet (given, together: see `write_sheet`). Raises
        the first refusal where nothing was left.
        """
        if self.refused and not self.figures:
            raise self.refused[0][1]
        sheet = write_sheet(
            self.folder,
            self.figures,
            translate(title),
            () if self.refused else given,
            together=together,
            notes=modality.caveats(self.gate.codec, self.gate.run.conditions),
        )
        document: dict[str, Any] = {
            "folder": str(self.folder),
            "files": [path.name for path in self.files],
            "sheet": sheet.name,
        }
        if self.refused:
            document["refused"] = [
                {"index": index, "rule": refusal.where.removeprefix("rule ")}
                for index, refusal in self.refused
            ]
        return document

    def code(self) -> int:
        """The exit code: that of Refused where anything was; says how much, and by which rules."""
        if not self.refused:
            return 0
        rules = Counter(refusal.where for _, refusal in self.refused)
        counts = series(say("{0} by {1}", count, rule) for rule, count in rules.items())
        echo(
            say(
                "the policy refused {0} of {1}: {2}",
                len(self.refused),
                len(self.refused) + self.items,
                counts,
            ),
            err=True,
        )
        return Refused.exit_code


def endings(codec: Codec[Any], formats: Sequence[str] | None) -> tuple[str, ...]:
    """Endings with their dot. Raises RecipeError for one that the codec does not write."""
    if not formats:
        return (codec.suffix, codec.audible) if codec.audible else (codec.suffix,)
    known = (codec.suffix, *codec.formats)
    for name in formats:
        if f".{name.lower().lstrip('.')}" not in known:
            fix = say("one of: {0}", ", ".join(ending.lstrip(".") for ending in known))
            raise RecipeError(
                say("the codec '{0}' does not write '{1}'", codec.name, name), "--format", fix
            )
    return tuple(dict.fromkeys(f".{name.lower().lstrip('.')}" for name in formats))


def inputs_of(codec: Codec[Any], inputs: Sequence[str]) -> list[Given]:
    """What an edit is given, item by item, for the sheet."""
    shows, voice = presenter_of(codec), Voice(current())
    return [
        Given(
            Path(one).name if is_file(one) else "",
            shows.item(item, voice) or shows.items([item], voice),
        )
        for one in inputs
        for item in codec.given(one)
    ]


def class_caption(run: Run, cond: Mapping[str, Any], index: int) -> str:
    """The classes that sample `index` was drawn for, by name, and the text that it was told; "" for
    an unconditional model. As `condition` of sampling/generate.py chooses.
    """
    names = []
    for name, kind in run.conditions.items():
        if isinstance(kind, Words) and cond.get(name):
            names.append(str(cond[name]))
        if isinstance(kind, Classes) and kind.names:
            if name in cond:
                names.append(kind.names[class_index(name, kind, cond[name])])
            elif len(run.conditions) == 1:
                names.append(kind.names[index % len(kind.names)])
    return " · ".join(names)
