"""Errors that the user can fix."""

from pathlib import Path

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


class BrokenFile(AblateError):
    """File of a workspace that does not hold what was written. `path`: the file; `reason`: what is wrong with it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}; repeat the command that wrote it (`ablate run`, `ablate import`): it sets the file "
            "aside and does its work again"
        )
        self.path, self.reason = path, reason
