"""The one error that a user can fix."""


class AblateError(Exception):
    """The user's input or environment is wrong; the message names what is wrong and the way out.

    It is one printable line, whatever the keys and paths in it hold.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else " " for c in message))
