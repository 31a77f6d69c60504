"""Facts about a user's code in the trainings of a study, which warnings are given about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Version = tuple[tuple[str, str], ...]  # path and digest of what the text means, of each file


@dataclass(frozen=True)
class UserCode:
    """Facts about a user's code in the trainings of a study.

    `versions`: row -> versions that its trainings ran. `kept`: path of a changed file -> rows of the earlier text that
    the user keeps. `retrained`: rows that were trained again since the study was run, and `studies` that did it.
    `unchecked`: promises that the table relies on, and that no check has shown to hold -> state.
    """

    versions: Mapping[int, set[Version]]
    kept: Mapping[str, set[int]]
    retrained: tuple[int, ...]
    studies: tuple[str, ...]
    unchecked: Mapping[str, str] = field(default_factory=dict)
