"""Options that several commands share, and the selection of studies."""

import errno
import functools
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ablation.cli.commands import suggestions
from ablation.cli.commands.choice import Choice
from ablation.errors import AblateError
from ablation.experiments import is_demo
from ablation.nearest import nearest

DEMO = "demo"
OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
GRID = (
    "Study: a shipped one (paper, heads, baseline, preprocessing, split, smoke), a .toml file, or several, separated "
    "by commas."
)


def folder(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Return the path of a folder, which may be missing. Raises AblateError for a device, a pipe or a socket."""
    if value is not None and os.path.lexists(value) and not value.is_dir():
        raise AblateError(f"{parameter.opts[-1]} {value}: is not a folder; choose another")
    return value


def utf_8(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return an address. Raises AblateError for bytes that are no text: no server and no database is called so."""
    if value is not None and not value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise AblateError(f"{parameter.opts[-1]}: is not UTF-8 text")
    return value


def workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--workspace",
        type=click.Path(file_okay=False, path_type=Path),
        callback=folder,
        default=Path("runs"),
        show_default=True,
        help="Folder of all results.",
    )(command)


def _not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise AblateError(f"--{parameter.name}: is empty; leave it out, or name a study")
    return value


NAME = click.option(
    "--name",
    callback=_not_empty,
    shell_complete=suggestions.stored_names,
    help="Name of the study. Default: the name of the grid, plus -demo for demo data.",
)


def output_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Return the path of an output file. Raises AblateError before any work where the file cannot be written."""
    if value is None:
        return None
    try:
        value.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise AblateError(f"{parameter.opts[-1]} {value}: {error.strerror}; choose a shorter name") from None
    if not value.absolute().parent.is_dir():
        raise AblateError(f"{parameter.opts[-1]} {value}: no folder {value.parent}; create it first")
    return value


OUTPUT_FOLDER = click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    callback=folder,
    metavar="FOLDER",
    help="Write the files here, and nothing in the workspace.",
)


MOST_FILES = 3  # study files in a message


def _grid_option(help_text: str, required: bool = False) -> Callable[..., Callable[..., Any]]:
    return click.option(
        "--grid", required=required, callback=_not_empty, shell_complete=suggestions.studies, help=help_text
    )


def study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --grid, which is required, and --name."""
    return _grid_option(GRID, required=True)(NAME(command))


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add STUDY, the study file of a run, or --grid in its place, and --name."""
    return _with_argument(command, lambda study, grid, name, workspace: (_need(study or grid, _here()), name), GRID)


def stored_study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add STUDY, a study with results, or --grid in its place, and --name, which suffices."""
    return _with_argument(command, _stored, GRID)


def some_study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add STUDY, or --grid in its place, and --name; without them, the command is for all studies."""
    return _with_argument(command, _some, f"{GRID} Default: all studies.")


Chosen = tuple[str | None, str | None]  # values of --grid and --name


def _with_argument(
    command: Callable[..., Any], chosen: Callable[[str | None, str | None, str | None, Path], Chosen], help_text: str
) -> Callable[..., Any]:
    """Return a command that also takes its study as an argument, and gets it as `grid` and `name`."""

    @functools.wraps(command)
    def with_study(study: str | None, grid: str | None, name: str | None, workspace: Path, **options: Any) -> Any:
        if study and grid:
            raise AblateError(f"{study} and --grid {grid} are both stated; state the study once")
        grid, name = chosen(study, grid, name, workspace)
        return command(grid=grid, name=name, workspace=workspace, **options)

    argument = click.argument(
        "study", required=False, metavar="[STUDY]", callback=_not_empty, shell_complete=suggestions.studies
    )
    return argument(_grid_option(help_text)(NAME(with_study)))


def _need(grid: str | None, more: str) -> str:
    if grid is None:
        raise AblateError(f"no study is stated; name a study file (.toml) or a shipped study{more}")
    return grid


def _here() -> str:
    """Return the commands with the study files of the working folder, for an error message; "" where there are none."""
    from ablation.study import study_file

    files = study_file.files_here()
    command = click.get_current_context().info_name
    listed = ", or ".join(f"`ablate {command} {shlex.quote(name)}`" for name in files[:MOST_FILES])
    return f"; in this folder: {listed}" if listed else ""


def _stored(study: str | None, grid: str | None, name: str | None, workspace: Path) -> Chosen:
    if study or grid or name:
        return _some(study, grid, name, workspace)
    from ablation.store.workspace import Workspace

    names = Workspace(workspace).studies()
    return _need(None, f", or one of the workspace: {', '.join(names) or 'there is none yet'}"), None


def _some(study: str | None, grid: str | None, name: str | None, workspace: Path) -> Chosen:
    """Return the study as --grid, and its name where no file and no shipped study is called so, but a stored one."""
    if not study:
        return grid, name
    from ablation.store.workspace import Workspace
    from ablation.study import merge, study_file

    is_stored = not name and (workspace / study / "study.json").is_file()
    try:
        for part in () if os.path.isfile(study) else merge.parts(study):
            study_file.find(part)
    except AblateError as error:
        if is_stored:
            return study, study
        names = Workspace(workspace).studies()
        if (stored := merge.parts(study))[1:] and set(stored) <= set(names):
            raise AblateError(
                f"{study}: name one study; `ablate run` draws several as one table, where their study files are named "
                f"so: {','.join(f'{name}.toml' for name in stored)}"
            ) from None
        problem, _, near = str(error).partition("; nearest: ")  # a shipped study
        listed = f"; in {workspace}: {', '.join(names)}" if names else ""
        raise AblateError(f"{problem}{listed}{nearest(study, [*names, near])}") from None
    return study, name


def one_study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    return _grid_option(f"{GRID} Default: the only study of the workspace.")(NAME(command))


def tls_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, description in (
        ("key", "your private key (PEM)"),
        ("cert", "your certificate (PEM)"),
        ("ca", "the certificate authority (PEM)"),
    ):
        help_text = f"TLS to the scheduler: {description}."
        option = click.option(f"--tls-{name}", metavar="FILE", shell_complete=suggestions.paths, help=help_text)
        command = option(command)
    return command


def insecure_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--insecure",
        is_flag=True,
        help="Accept a scheduler on another machine without TLS: anyone who reaches it can run code.",
    )(command)


def tracking_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--tracking",
        metavar="URI",
        callback=utf_8,
        envvar="MLFLOW_TRACKING_URI",
        show_envvar=True,
        help="Server or database of MLflow. Default: SQLite in the workspace.",
    )(command)


def storage_option(command: Callable[..., Any]) -> Callable[..., Any]:
    help_text = "Database of Optuna. Default: SQLite in the workspace."
    return click.option("--storage", metavar="URL", callback=utf_8, help=help_text)(command)


def strict_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--strict",
        multiple=True,
        metavar="CODE",
        shell_complete=suggestions.warning_codes,
        help="Exit with status 1 if the warning CODE is given. Repeatable.",
    )(command)


# Options of both `run` and `plan`: one list, so that the commands stay equal.
RUN_OPTIONS: tuple[Callable[..., Any], ...] = (
    file_options,
    workspace_option,
    click.option(
        "--data",
        shell_complete=suggestions.data,
        help="Data set: a folder of class folders, fer2013.csv, an Aff-Wild2 folder, an .npz file, or demo (default of "
        "shipped studies).",
    ),
    click.option("--classes", help="Classes to use, in this order: anger,fear,happiness. Default: all."),
    click.option(
        "--seeds",
        help="Number of seeds (5: seeds 0 to 4), or a list (0,7,11; seed 7 alone: 7,). Default: as in the study file.",
    ),
    click.option(
        "--set", "changes", multiple=True, metavar="FACTOR=LEVEL", help="Set a factor that all rows share. Repeatable."
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), help="Use at most this many images of each split, chosen at random."
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be decoded."),
    click.option(
        "--option", multiple=True, metavar="NAME=VALUE", help="Option that the experiment defines. Repeatable."
    ),
    click.option(
        "--slots",
        default="auto",
        show_default=True,
        help="Where trainings run: auto (all GPUs; if none, the CPU), cpu:N (N trainings share the cores), gpu:0,1, "
        "gpu:0x3 (three on GPU 0), or gpu:0+1,2+3 (two GPUs a training).",
    ),
    click.option(
        "--scheduler",
        metavar="ADDR",
        callback=utf_8,
        help="Train on the workers of a Dask scheduler: tcp://HOST:8786. See `ablate worker`.",
    ),
    tls_options,
    insecure_option,
    click.option("--inline", is_flag=True, help="Train in this process, without workers (for debugging)."),
    click.option(
        "--timeout", metavar="TIME", help="Time limit for each attempt at a training: 90s, 30m, 2h. Default: none."
    ),
    click.option(
        "--retry",
        type=Choice(["diverged"]),
        multiple=True,
        help="Train diverged trials again.",
    ),
    click.option(
        "--code",
        type=Choice(["keep", "retrain"]),
        help="Where your code has changed since rows were trained: keep their results, or train them again.",
    ),
    click.option(
        "--keep",
        type=Choice(["all", "selected", "none"]),
        default="selected",
        show_default=True,
        help="Rows whose trained weights, or files of your own experiment, are kept. With all, a later run with more "
        "epochs can resume from them.",
    ),
    click.option(
        "--replicate-reference",
        "replicates",
        type=click.IntRange(min=2),
        metavar="N",
        help="First train the reference row with N more seeds, and mark the rows whose results lie in their range.",
    ),
    storage_option,
    tracking_option,
    click.option(
        "--trackers",
        type=Choice(["all", "none"]),
        default="all",
        show_default=True,
        help="Trackers to send the results to: Optuna and MLflow, or none. `ablate sync` sends them later.",
    ),
    click.option(
        "--drain",
        metavar="TIME",
        default="30s",
        show_default=True,
        help="Longest wait for the trackers at the end. `ablate sync` sends what is missing.",
    ),
    click.option(
        "--register", metavar="NAME", help="Register the model of the selected row in MLflow, under this name."
    ),
    click.option(
        "--on-end",
        metavar="CMD",
        help="Shell command to run once, when the run has ended: all done, failed or interrupted. Its variables: "
        "ABLATE_SUMMARY, ABLATE_STUDY, ABLATE_FOLDER, ABLATE_EXIT_CODE, ABLATE_DONE, ABLATE_FAILED.",
    ),
)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(RUN_OPTIONS):
        command = option(command)
    return command


# Options of `run` that change nothing in a plan.
NOT_PLANNED = (
    "scheduler",
    "insecure",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "timeout",
    "storage",
    "tracking",
    "trackers",
    "drain",
    "register",
    "on_end",
)


def plan_options(command: Any) -> Any:
    """Add the options of `run`. Each is accepted, so that any `run` can be planned; `--help` lists those that count."""
    command = run_options(command)
    for option in command.__click_params__:
        option.hidden = option.name in NOT_PLANNED
    return command


def slurm_options(command: Any) -> Any:
    """Add the options of `run`. Those of a scheduler are hidden: a job under Slurm starts a scheduler of its own."""
    command = run_options(command)
    for option in command.__click_params__:
        option.hidden = option.name in ("scheduler", "inline")
    return command


# Options of `run` that change nothing in one trial in the foreground.
NOT_TRIED = (*NOT_PLANNED, "seeds", "inline", "retry", "code", "keep", "replicates", "workspace", "name", "slots")


def try_options(command: Any) -> Any:
    """Add the options of `run`. All are accepted, so that a trial of any `run` can be tried."""
    command = run_options(command)
    for option in command.__click_params__:
        option.hidden = option.name in NOT_TRIED
    return command


def row_options(command: Any) -> Any:
    """Add the options of commands that apply a trained row to other images."""
    for option in (
        click.option("--row", type=int, metavar="N", help="Number of the row. Default: the selected row."),
        click.option(
            "--limit", type=click.IntRange(min=1), help="Use at most this many images of each split, chosen at random."
        ),
        click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be decoded."),
        click.option("--slots", default="auto", show_default=True, help="Where to run, as for `ablate run`."),
        click.option("--inline", is_flag=True, help="Run in this process, without a worker."),
    ):
        command = option(command)
    return command


def asked_for(
    grid: str, name: str | None, workspace: Path, data: str | None, classes: str | None, seeds: str | None,
    changes: tuple[str, ...], timeout: str | None, drain: str, tls_ca: str | None, tls_cert: str | None,
    tls_key: str | None, insecure: bool, limit: int | None, skip_bad: bool, option: tuple[str, ...],
    in_rows: bool = False,
    **other_options: Any,
) -> Any:  # fmt: skip
    """Return the settings of a run from RUN_OPTIONS, as click passes them. The study file is checked first.

    `in_rows`: whether `--set` replaces levels of rows too.
    """
    from ablation import durations, urls
    from ablation.engine import scheduler_address
    from ablation.study import study_file

    scheduler_address.refuse_plain(other_options["scheduler"], insecure)
    urls.refuse_credentials("--tracking", other_options["tracking"])
    if other_options["register"]:
        from ablation.workflows import register  # slow

        register.check_name(other_options["register"])
        if other_options["keep"] == "none":
            raise AblateError("--register needs the head of the selected row; leave out --keep none")
    seed_list = study_file.seed_list(seeds) if seeds else None
    study = study_file.read(grid, study_file.settings(changes), seed_list, in_rows)
    experiment_options = _own_options(study.factors, {"classes": classes, "limit": limit, "skip_bad": skip_bad}, option)
    data = _data(grid, study.factors, data)
    seconds = durations.parse("--timeout", timeout) if timeout else None
    from ablation.engine.pool import Tls
    from ablation.workflows import import_request
    from ablation.workflows.run_options import RunOptions  # slow

    name = name or default_name(study.stem, data)
    return RunOptions(
        study,
        data,
        workspace,
        name,
        experiment_options,
        timeout=seconds,
        drain=durations.parse("--drain", drain),
        files=study_file.texts(grid),
        imported=import_request.of_study(grid, name, workspace),
        tls=Tls(tls_ca, tls_cert, tls_key),
        command=tuple(map(urls.masked, click.get_current_context().find_root().obj or ())),
        **other_options,
    )


def _data(grid: str, schema: Any, data: str | None) -> str:
    """Return the value of `--data`, or its default; "" for an experiment without data."""
    from ablation import experiments
    from ablation.study import merge, shipped_studies

    takes = getattr(experiments.load(schema.plugin), "takes_data", "")
    if not takes:
        if data is not None:
            raise AblateError(f"--data: experiment {schema.experiment!r} takes no data; leave out --data")
        return ""
    if data is None and not set(merge.parts(grid)) <= set(shipped_studies.shipped()):
        raise AblateError(f"--data: {grid} needs {takes}")
    return DEMO if data is None else data


def _own_options(schema: Any, named_options: dict[str, Any], extra_options: tuple[str, ...]) -> dict[str, Any]:
    """Return the options of the study's experiment. Raises AblateError for an unknown option."""
    from ablation import experiments

    accepted = getattr(experiments.load(schema.plugin), "options", ())
    options = {name: value for name, value in named_options.items() if value}
    for text in extra_options:
        name, equals, value = text.partition("=")
        if not equals:
            raise AblateError(f"--option {text}: expected name=value")
        options[name] = value
    for name in options:
        if name not in accepted:
            takes = f"takes {', '.join(accepted)}" if accepted else "takes no options"
            flag = f"--{name.replace('_', '-')}" if name in named_options else f"--option {name}"
            raise AblateError(f"{flag}: experiment {schema.experiment!r} {takes}{nearest(name, accepted)}")
    if isinstance(classes := options.get("classes"), str):
        options["classes"] = classes.split(",")
    return options


def opened(workspace: Path) -> Any:
    """Return the workspace in a folder. Results of version 0.1.0 get the ids of this version, with a message."""
    from ablation.store import upgrade

    return upgrade.opened(workspace, lambda text: click.echo(text, err=True))


def default_name(stem: str, data: str) -> str:
    return f"{stem}-{data.replace(':', '-')}" if is_demo(data) else stem


def existing_name(grid: str, workspace: Path) -> str:
    """Return the name of a stored study, where --name is not given.

    The study on the user's data comes first, then the study on demo data. The name is printed.
    """
    from ablation.store import record
    from ablation.store.workspace import Workspace
    from ablation.study import study_file

    stem = study_file.stem(grid)
    names = [n for n in (stem, f"{stem}-demo") if (workspace / n / "study.json").is_file()]
    if not names:
        raise record.no_study(Workspace(workspace), stem)
    alternative = f"; there is also a study with --name {names[1]}" if len(names) > 1 else ""
    click.echo(f"study {names[0]}{alternative}", err=True)
    return names[0]


def named(grid: str | None, name: str | None, workspace: Path) -> list[str]:
    """Return the name of the chosen study, or the names of all studies of the workspace.

    Raises AblateError where there is none.
    """
    from ablation.store.workspace import Workspace, check_name

    if name:
        check_name(name)
    if grid and not name:
        name = existing_name(grid, workspace)
    names = [name] if name else Workspace(workspace).studies()
    if not names:
        raise AblateError(
            f"--workspace {workspace}: no study yet; run `ablate run` first, or change to the folder of the study"
        )
    return names


def check_codes(strict: tuple[str, ...], experiment: Any) -> None:
    """Raise AblateError where `--strict` names a warning that studies of this experiment cannot have."""
    if not strict:
        return
    from ablation.report.warnings import rules

    codes = rules(experiment)
    for code in strict:
        if code not in codes:
            raise AblateError(f"--strict {code}: no such warning; known: {', '.join(codes)}{nearest(code, codes)}")
