"""Exit codes of commands that end with an error."""

import tempfile

import click

from ablation.errors import AblateError
from ablation.store import disk

WRONG, BUG, INTERRUPTED = 2, 3, 130  # the input or the environment is wrong; a bug of ablate; interrupted


def of(error: BaseException) -> int:
    """Return the exit code of `ablate` for an error that ends a command."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    if isinstance(error, AblateError | click.ClickException):
        return WRONG
    return WRONG if isinstance(error, OSError) and cause(error) else BUG


def cause(error: OSError) -> str | None:
    """Return what is wrong with the environment, and what to do; None where the error has another cause."""
    return disk.explain(error) or _no_temporary_folder()


def _no_temporary_folder() -> str | None:
    """Return what to do where no folder takes temporary files; None where one does."""
    try:
        tempfile.gettempdir()
    except OSError:
        return "no folder for temporary files is writable; set TMPDIR to a writable folder"
    return None
