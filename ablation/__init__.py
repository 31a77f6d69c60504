"""ablate: run an ablation study and write its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ablation.errors import AblateError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    import pandas

    from ablation.api.arguments import Flag, Levels, Scalar, Seeds, Texts
    from ablation.api.study import Study

__version__ = "0.2.0"  # the only place: pyproject.toml and docs/conf.py read it
__all__ = ["AblateError", "__version__", "open", "run", "table"]


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
    code: Scalar | None = None,
    strict: Texts | None = None,
    keep: Scalar | None = None,
    replicate_reference: Scalar | None = None,
    scheduler: Scalar | None = None,
    tls_ca: Scalar | None = None,
    tls_cert: Scalar | None = None,
    tls_key: Scalar | None = None,
    insecure: Flag | None = None,
    storage: Scalar | None = None,
    tracking: Scalar | None = None,
    trackers: Scalar | None = None,
    drain: Scalar | None = None,
    register: Scalar | None = None,
    on_end: Scalar | None = None,
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
        classes: classes to use, in this order.
        limit: largest number of images of each split.
        skip_bad: whether images that cannot be decoded are left out.
        option: options that the experiment defines, as NAME=VALUE.
        slots: where trainings run: "auto", "cpu:4", "gpu:0,1".
        inline: whether trainings run in the child itself, without workers.
        timeout: longest duration of an attempt at a training: "30m".
        retry: "diverged" trains diverged trials again.
        code: "keep" or "retrain", where your code has changed since rows were trained.
        strict: codes of warnings for which the command would exit with 1; the table is returned then too.
        keep: rows whose weights or files are kept: "selected", "all" or "none".
        replicate_reference: number of further seeds of the reference, which are trained first.
        scheduler: address of a Dask scheduler, whose workers train.
        tls_ca, tls_cert, tls_key: PEM files for TLS to the scheduler.
        insecure: whether a scheduler on another machine is accepted without TLS.
        storage: database of Optuna.
        tracking: server or database of MLflow.
        trackers: "all" or "none".
        drain: longest wait for the trackers at the end: "30s".
        register: name of the selected row's model in MLflow's registry.
        on_end: shell command that runs once, when the run has ended.
        json, quiet, verbose: options of the command's output.
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
    from ablation.trackers.optuna_importances import importances

    return opened(path, importances)


def table(
    frame: pandas.DataFrame,
    *,
    factors: str | Sequence[str] | Mapping[str, str],
    metrics: str | Sequence[str] | Mapping[str, str],
    seed: str | None = None,
    fold: str | None = None,
    costs: str | Sequence[str] | Mapping[str, str] | None = None,
    step: str | None = None,
    example: str | None = None,
    columns: Mapping[str, str] | None = None,
    ignore: str | Sequence[str] | None = None,
    reference: int | Mapping[str, Any] | None = None,
    select_on: str | None = None,
    best: Mapping[str, str] | None = None,
    percent: str | Sequence[str] | None = None,
    uncertainty: str | None = None,
    duplicates: str | None = None,
    take: str | None = None,
    test_examples: int | None = None,
    title: str | None = None,
) -> Study:
    """Return the ablation table of results in a data frame, as `ablate import` makes it of a file. Nothing is written.

    A line is a run, a step of a run (`step`), or an example of a run (`example`).

    Args:
        frame: results.
        factors: names of the columns that are factors, or new name -> column.
        metrics: names of the columns that are results; `val_`, `test_` or `train_` in the name is the split.
        seed: column of the seed, which pairs the rows. Without it, rows are compared unpaired.
        fold: column of the fold of a cross-validation, in place of a seed.
        costs: columns that are costs.
        step: column that counts the steps of a run.
        example: column that identifies the example.
        columns: label, predicted, score, group or repeat -> column, of the examples.
        ignore: columns that may vary between rows without a warning.
        reference: number of the row that others are compared with, or its levels: {"norm": "batch"}.
        select_on: number on validation that selects a row, or "none".
        best: measure -> "high" or "low", for measures whose names do not say it.
        percent: metrics that are percentages, from 0 to 100; [] where none is. Without it, their values decide.
        uncertainty: "seeds", "examples" or "both".
        duplicates: "first" or "latest", where a row and seed has several runs; an error by default.
        take: "last" or "best" value of a metric with steps.
        test_examples: number of test examples behind a share.
        title: title of the table.

    Raises:
        AblateError: A column is missing, or the lines make no table; the message says what to do.
    """
    from ablation.api import frame as frames
    from ablation.trackers.optuna_importances import importances

    imported = {
        "from": frames.ADDRESS, "factors": frames.named(factors), "metrics": frames.named(metrics), "seed": seed or "",
        "fold": fold or "", "costs": frames.named(costs), "step": step or "", "example": example or "",
        "columns": dict(columns or {}), "ignore": list(frames.named(ignore)), "duplicates": duplicates or "error",
        "take": take or "last", "test_examples": test_examples,
        "percent": None if percent is None else list(frames.named(percent)),
    }  # fmt: skip
    keys = {
        "import": imported, "reference": frames.row(reference),
        "select_on": select_on, "title": title, "table": {"uncertainty": uncertainty} if uncertainty else None,
        "measures": {name: {"best": direction} for name, direction in best.items()} if best else None,
    }  # fmt: skip
    return frames.table(frame, keys, importances)
