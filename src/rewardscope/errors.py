"""The one exception for what a user can mend, and text that is safe to show."""

import unicodedata

JOINERS = "\u200c\u200d"  # they belong to words of Persian and Hindi, and turn nothing


def plain(text: str, keep: str = "") -> str:
    """Text from data or a server as a terminal, a log or a page may show it.

    What could move a cursor, colour, or turn the direction of what stands beside it (control and format characters, lone surrogates) is
    shown as a dot, a line's end or a tab as a space; the characters of `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep or c in JOINERS or unicodedata.category(c) == "Zs" else " " if c.isspace() else "·" for c in text
    )


class UserError(Exception):
    """A wrong input, setting or environment; its message is one line that says what to do, free of whatever else a file or a server put in."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))


def brief(error: BaseException) -> str:
    """What a library's error says, on one line of bearable length."""
    return " ".join(plain(str(error)).split())[:200] or type(error).__name__
