"""Rows of cells in the terminal: side by side where they fit, else one below the other and folded."""

import textwrap
from collections.abc import Iterator


def columns(rows: list[list[str]], width: int | None = None) -> Iterator[str]:
    """The lines of `rows`, whose first cells name them, with cells below one another.

    Where a terminal's `width` is less, every further column stands below the one before it, after an empty line: a row's name and its cell there,
    each folded in a column of its own.
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    side_by_side = ["  ".join(cell.ljust(most) for cell, most in zip(row, widths, strict=True)).rstrip() for row in rows]
    if width is None or max(map(len, side_by_side), default=0) <= width:
        yield from side_by_side
        return
    left = min(widths[0], max(1, width // 2 - 2))
    for place in range(1, len(widths)):
        yield from [""] * (place > 1)
        for row in rows:
            name, cell = (textwrap.wrap(text, most) or [""] for text, most in ((row[0], left), (row[place], max(1, width - left - 2))))
            for n in range(max(len(name), len(cell))):
                yield f"{name[n] if n < len(name) else '':{left}}  {cell[n] if n < len(cell) else ''}".rstrip()
