"""ablate: fill an ablation table and stand behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__version__ = "0.1.0"
__all__ = ["__version__", "run"]


def run(grid: str, **options: Any) -> pandas.DataFrame:
    """Run a study as `ablate run` does and return its table, a line a row.

    `options` are those of the command, with underscores: data="faces/", workspace="runs", seeds=5, inline=True,
    set={"dropout": 0.5}, classes=["anger", "fear"]. Numbers, arrays and texts of NumPy, paths, tuples and ranges are
    taken as Python's own values. The work is done by a child process, so this needs no
    `if __name__ == "__main__"` and works in a notebook. Rows that failed are in the table, marked.
    Raises AblateError, naming the option and what it takes, where the input is refused.
    """
    from ablation.api import run as run_command  # only here: a light import

    return run_command(grid, **options)
