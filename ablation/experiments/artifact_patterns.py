"""Patterns of the files of a training that are sent to MLflow: relative to its folder, and below it."""

from collections.abc import Iterable
from pathlib import Path

from ablation.errors import AblateError


def check(patterns: Iterable[str], where: str) -> None:
    """Raise AblateError for a pattern that is none. `where`: beginning of the message, as "study.toml: experiment"."""
    for pattern in patterns:
        if not _is_below(pattern):
            raise AblateError(
                f"{where}.artifacts: {pattern!r} is not allowed; allowed: a pattern relative to {{folder}}, and below "
                "it, as in plots/*.png"
            )


def _is_below(pattern: str) -> bool:
    """Return whether a pattern is relative, and leads to no file outside a folder."""
    parts = Path(pattern).parts
    is_pattern = bool(parts) and "{" not in pattern and all("**" not in part or part == "**" for part in parts)
    return is_pattern and not Path(pattern).is_absolute() and ".." not in parts
