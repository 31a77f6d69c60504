"""Error that the user can fix."""

LONGEST = 2_000  # characters of a message


class AblateError(Exception):
    """Error in the user's input or environment; the message names what is wrong and how to fix it.

    The message is one printable line, for any keys and paths in it. A message that quotes a key of thousands of
    characters keeps its beginning and its end.
    """

    def __init__(self, message: str) -> None:
        if len(message) > LONGEST:
            message = f"{message[: LONGEST // 2]} ... {message[-LONGEST // 2 + 5 :]}"
        super().__init__("".join(c if c.isprintable() else " " for c in message))
