"""Draw a curve in the terminal with braille dots, for `castalia show`."""

from __future__ import annotations

from collections.abc import Sequence

# bits of a braille cell, by row and column
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
Points = Sequence[tuple[float, float]]


def curve(points: Points, width: int, height: int = 8) -> list[str]:
    """`points` (x, y), x ascending, in `height` lines of at most `width` columns, with the range of
    y at the left and that of x below.

    Points that share a column are averaged; gaps between columns are drawn as lines. [] for fewer
    than two points.
    """
    kept = [(x, y) for x, y in points if y == y and abs(y) != float("inf")]
    if len(kept) < 2 or kept[0][0] == kept[-1][0]:
        return []
    low, high = min(y for _, y in kept), max(y for _, y in kept)
    labels = [f"{high:.4g}", f"{low:.4g}"]
    margin = max(map(len, labels))
    columns, rows = 2 * max(1, width - margin - 2), 4 * height
    levels = _levels(kept, columns, rows, low, high)
    cells = [[0] * (columns // 2) for _ in range(height)]
    before = levels[0]
    for column, level in enumerate(levels):
        for row in range(min(before, level), max(before, level) + 1):
            cells[row // 4][column // 2] |= DOTS[row % 4][column % 2]
        before = level
    lines = []
    for number, row in enumerate(cells):
        label = labels[0] if number == 0 else labels[1] if number == height - 1 else ""
        lines.append(
            f"{label:>{margin}} ┤" + "".join(chr(0x2800 + cell) for cell in row).rstrip("\u2800")
        )
    first, last = f"{kept[0][0]:,.0f}", f"{kept[-1][0]:,.0f}"
    lines.append(" " * (margin + 2) + first + last.rjust(columns // 2 - len(first)))
    return lines


def _levels(points: Points, columns: int, rows: int, low: float, high: float) -> list[int]:
    """The row of each column, from 0 at the top; columns without a point lie on the line between
    their neighbours.
    """
    left, right = points[0][0], points[-1][0]
    sums: dict[int, list[float]] = {}
    for x, y in points:
        sums.setdefault(round((x - left) / (right - left) * (columns - 1)), []).append(y)
    places = sorted(sums)
    means = {place: sum(sums[place]) / len(sums[place]) for place in places}
    levels, after = [], 0
    for column in range(columns):
        while places[after] < column:
            after += 1
        there, here = places[after], places[max(0, after - (places[after] != column))]
        share = 0.0 if there == here else (column - here) / (there - here)
        value = means[here] + share * (means[there] - means[here])
        levels.append(
            round((high - value) / (high - low) * (rows - 1)) if high > low else rows // 2
        )
    return levels
