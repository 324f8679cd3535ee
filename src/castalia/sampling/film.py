"""The sheets of a run as a film: an animated GIF, a frame a sheet, the last one longer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from castalia import atomic, bounded
from castalia.errors import RunError
from castalia.sampling import previews
from castalia.sentences import say

if TYPE_CHECKING:
    import PIL.Image

    from castalia.run import Run

SECONDS, FRAME, LAST = 12.0, (0.08, 0.5), 2.0  # of all frames; of one, from and to; of the last
LARGEST = 720  # pixels of the longer side
BAR = 4  # pixels at the lower edge: how far training was


def write_film(run: Run, path: Path) -> int:
    """Writes `path`, an animated GIF that repeats; gives back how many sheets are in it. Sheets of
    texts are drawn by the codec.

    Raises RunError where the run has fewer than two sheets, or one cannot be read.
    """
    sheets = previews.files(run.folder / "samples")
    if len(sheets) < 2:
        raise RunError(
            say("a film needs two sheets of samples, and the run has {0}", len(sheets)),
            where=run.folder / "samples",
            fix=say("train with training.sample_seconds=5, or for longer"),
        )
    total = max([*sheets, run.total_steps or 0])
    pictures = [_picture(run, file) for file in sheets.values()]
    width, height = (max(one.size[axis] for one in pictures) for axis in (0, 1))
    scale = min(1.0, LARGEST / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    frames = [
        _frame(one, scale, size, step / total) for step, one in zip(sheets, pictures, strict=True)
    ]
    seconds = min(max(SECONDS / len(frames), FRAME[0]), FRAME[1])
    with atomic.place(path) as temporary:
        frames[0].save(
            temporary,
            "GIF",
            save_all=True,
            append_images=frames[1:],
            duration=[round(1000 * seconds)] * (len(frames) - 1) + [round(1000 * LAST)],
            loop=0,
        )
    return len(frames)


def _picture(run: Run, file: Path) -> PIL.Image.Image:
    """A sheet as a picture."""
    import PIL.Image

    if file.suffix == ".txt":
        drawn: PIL.Image.Image = run.codec.preview(previews.texts_of(file))
        return drawn
    most = bounded.current().pixels
    try:
        with (
            bounded.open_regular(file, RunError) as opened,
            PIL.Image.open(opened, formats=["PNG"]) as picture,
        ):
            if picture.width * picture.height <= most:
                return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        pass
    raise RunError(say("this sheet of samples is damaged"), where=file, fix=say("remove the file"))


def _frame(
    picture: PIL.Image.Image, scale: float, size: tuple[int, int], share: float
) -> PIL.Image.Image:
    """The picture on white, at the upper left, above a bar that is `share` long; few colours."""
    import PIL.Image

    page = PIL.Image.new("RGB", (size[0], size[1] + 2 * BAR), "white")
    if scale < 1:
        picture = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
            PIL.Image.Resampling.LANCZOS,
        )
    page.paste(picture, (0, 0))
    page.paste("#e4e1da", (0, size[1] + BAR, size[0], size[1] + 2 * BAR))
    page.paste("#0f6e84", (0, size[1] + BAR, round(share * size[0]), size[1] + 2 * BAR))
    return page.quantize(256)
