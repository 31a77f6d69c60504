"""ablate: fill an ablation table and stand behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__version__ = "0.1.0"
__all__ = ["__version__", "run"]


def run(grid: str, **options: Any) -> pandas.DataFrame:
    """Run a study as `ablate run` does and return its table, one line per row.

    `options` are those of the command, with underscores: data="faces/", workspace="runs", seeds=5, inline=True,
    set={"dropout": 0.5}, classes=["anger", "fear"]. Numbers, arrays and texts of NumPy, paths, tuples and ranges are
    accepted like Python's own values. A child process does the work. The function therefore needs no `if __name__ ==
    "__main__"` and works in a notebook. Failed rows are in the table, marked.

    Raises:
        AblateError: The input is refused; the message names the option and its allowed values.
    """
    from ablation.api import run as run_command  # imported here so that `import ablation` stays fast

    return run_command(grid, **options)
