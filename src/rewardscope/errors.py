"""The one exception for what a user can mend."""


class UserError(Exception):
    """A wrong input, setting or environment; its message is one line that says what to do."""


def brief(error: BaseException) -> str:
    """What a library's error says, on one line of bearable length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
