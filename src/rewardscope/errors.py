"""The one exception for what a user can mend."""

from rewardscope.text import plain


class UserError(Exception):
    """A wrong input, setting or environment; its message is one line that says what to do, free of whatever else a file or a server put in."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))


def brief(error: BaseException) -> str:
    """What a library's error says, on one line of bearable length."""
    return " ".join(plain(str(error)).split())[:200] or type(error).__name__
