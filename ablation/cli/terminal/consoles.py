"""Consoles of rich for standard output and standard error, with the colours and the width of the terminal."""

import os
import shutil
import sys

from rich.console import Console


def console(stderr: bool = False) -> Console:
    """Return a console on standard output or standard error.

    Whether it is a terminal depends on the stream alone: FORCE_COLOR and CLICOLOR_FORCE keep colours on a terminal that
    claims to have none, and put no control characters into files. NO_COLOR and CLICOLOR=0 remove colours.
    """
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    forced = any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    return Console(
        stderr=stderr,
        force_terminal=is_terminal,
        color_system="standard" if is_terminal and forced else "auto",
        no_color=(os.environ.get("CLICOLOR") == "0" and not forced) or None,  # with None, rich reads NO_COLOR
        width=shutil.get_terminal_size().columns if is_dumb and is_terminal else None,  # rich takes 80 there
    )
