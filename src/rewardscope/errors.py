"""The one exception for what a user can mend."""


class UserError(Exception):
    """A wrong input, setting or environment; its message is one line that says what to do."""
