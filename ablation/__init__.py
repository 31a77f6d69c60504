"""ablate: fill an ablation table and stand behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import pandas

    from ablation.api.arguments import Flag, Levels, Scalar, Seeds, Texts
    from ablation.api.study import Study

__version__ = "0.1.0"
__all__ = ["__version__", "open", "run"]


def run(
    grid: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    data: Scalar | None = None,
    workspace: Scalar | None = None,
    name: Scalar | None = None,
    seeds: Seeds | None = None,
    set: Levels | None = None,
    classes: Texts | None = None,
    limit: Scalar | None = None,
    skip_bad: Flag | None = None,
    option: Texts | None = None,
    slots: Texts | None = None,
    inline: Flag | None = None,
    timeout: Scalar | None = None,
    retry: Texts | None = None,
    strict: Texts | None = None,
    keep: Scalar | None = None,
    replicate_reference: Scalar | None = None,
    scheduler: Scalar | None = None,
    tls_ca: Scalar | None = None,
    tls_cert: Scalar | None = None,
    tls_key: Scalar | None = None,
    storage: Scalar | None = None,
    tracking: Scalar | None = None,
    register: Scalar | None = None,
    json: Flag | None = None,
    quiet: Flag | None = None,
    verbose: Flag | None = None,
    progress: bool | None = None,
) -> pandas.DataFrame:
    """Run a study as `ablate run` does and return its table, one line per row.

    The arguments are the options of the command, which `ablate run --help` explains; None is the default of the
    command. Numbers, arrays and texts of NumPy, paths, tuples and ranges are accepted like Python's own values. A
    child process does the work. The function therefore needs no `if __name__ == "__main__"` and works in a notebook.
    Failed rows are in the table, marked. The same call resumes a run that was interrupted.

    Args:
        grid: name of a study, path of a study file, or a list of them.
        data: data set: a folder or file of the user, or "demo".
        workspace: folder of all results, "runs" by default.
        name: name of the study.
        seeds: number of seeds (5), or a list of them.
        set: levels of factors that all rows share, {"dropout": 0.5}.
        progress: whether to show progress; None shows progress in notebooks only.

    Raises:
        AblateError: The input is refused; the message names the option and its allowed values.
        KeyboardInterrupt: The user has interrupted the run; finished work is saved.
    """
    options = {key: value for key, value in locals().items() if key not in ("grid", "progress")}
    from ablation.api.child import run as run_child  # imported here so that `import ablation` stays fast

    return run_child(grid, options, progress)


def open(path: str | os.PathLike[str]) -> Study:
    """Return a study, opened from its files: tables, statistics, figures and texts. Nothing is written.

    Args:
        path: folder of a study ("runs/paper"), or a workspace that has one study ("runs").

    Raises:
        AblateError: There is no such study; the message lists those that can be opened.
    """
    from ablation.api.study import opened

    return opened(path, _importances)


def _importances(*arguments: Any) -> dict[str, tuple[float, float]]:
    from ablation.trackers.optuna_study import importances  # loads Optuna, only where there are enough trials

    return importances(*arguments)
