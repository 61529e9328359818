"""Text from data, servers and libraries, made safe to show."""

import unicodedata
from collections.abc import Iterable, Sequence

JOINERS = "\u200c\u200d"  # they belong to words of Persian and Hindi, and turn nothing


def plain(text: str, keep: str = "") -> str:
    """Text from data or a server as a terminal, a log, a table or a page may show it.

    What could move a cursor, colour, or turn the direction of what stands beside it (control and format characters, lone surrogates) is
    shown as a dot, a line's end or a tab as a space; the characters of `keep` stay.
    """
    if text.isprintable():
        return text
    hidden = (c for c in set(text) if not (c.isprintable() or c in keep or c in JOINERS or unicodedata.category(c) == "Zs"))
    return text.translate({ord(c): " " if c.isspace() else "·" for c in hidden})


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown's pipes."""
    lines = [head, ["---"] * len(head), *rows]
    escaped = [[plain(str(cell)).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
