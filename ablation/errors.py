"""The one error that a user can fix."""


class AblateError(Exception):
    """The user's input or environment is wrong; the message is one line, names what is wrong and the way out."""
