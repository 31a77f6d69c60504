"""Error that the user can fix."""


class AblateError(Exception):
    """Error in the user's input or environment; the message names what is wrong and how to fix it.

    The message is one printable line, for any keys and paths in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else " " for c in message))
