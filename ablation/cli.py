"""The command line. Commands import what they need inside, so that --help is quick."""

import errno
import json
import sys
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from ablation import __version__
from ablation.datasets import is_demo
from ablation.errors import AblateError

DEMO = "demo"
DISK_ERRORS = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)  # the user can mend these

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _workspace(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--workspace",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("runs"),
        show_default=True,
        help="The folder that holds all your results.",
    )(command)


def _study(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--name", help="The study's name. Default: the grid's; with -demo on demo data.")(command)
    return click.option("--grid", required=True, help="A shipped study (paper, smoke), or a .toml file.")(command)


# What `run` and `plan` were asked for: one list, so that they cannot drift apart.
RUN_OPTIONS: tuple[Callable[..., Any], ...] = (
    _study,
    _workspace,
    click.option(
        "--data",
        help="Folders of classes, fer2013.csv, an Aff-Wild2 folder, an .npz file, or demo "
        "(default of shipped studies).",
    ),
    click.option("--classes", help="Which classes, in which order: anger,fear,happiness. Default: all."),
    click.option("--seeds", help="How many (5: seeds 0 to 4), or a list (0,7,11). Default: the study's."),
    click.option(
        "--set", "changes", multiple=True, metavar="FACTOR=LEVEL", help="Change what all rows share. Repeatable."
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), help="Use a seeded part of each split: at most this many images."
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be decoded."),
    click.option("--slots", default="auto", show_default=True, help="auto: one with all cores; cpu:N shares them."),
    click.option("--inline", is_flag=True, help="Train in this process, without workers: for debugging."),
    click.option("--storage", metavar="URL", help="Optuna's database. Default: SQLite in the workspace."),
    click.option("--tracking", metavar="URI", help="MLflow's server or database. Default: SQLite in the workspace."),
)


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(RUN_OPTIONS):
        command = option(command)
    return command


def _options(
    grid: str, name: str | None, workspace: Path, data: str | None, classes: str | None, seeds: str | None,
    changes: tuple[str, ...], **rest: Any,
) -> Any:  # fmt: skip
    """What `prepare` takes, from RUN_OPTIONS as click hands them over. The study file is checked first."""
    from ablation import study_file

    seed_list = study_file.seed_list(seeds) if seeds else None
    found = study_file.read(grid, study_file.settings(changes), seed_list)
    if data is None:
        if grid not in study_file.shipped():
            raise AblateError(f"--data: {grid} needs images: pass a path, or demo for faces that ablate draws")
        data = DEMO
    from ablation.prepare import Options  # slow

    name = name or _default_name(found.stem, data)
    return Options(found, data, workspace, name, classes.split(",") if classes else None, **rest)


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="ablate")
def cli() -> None:
    """Fill an ablation table and stand behind it.

    \b
    ablate run --grid paper                      the nine rows of the paper, on demo faces
    ablate run --grid paper --data faces/        on your own images
    ablate plan --grid paper                     what would run, and what it would cost
    ablate table --grid paper                    draw the table again, from files
    ablate new mine.toml                         a study of your own to start from
    """


@cli.command()
@_run_options
@click.option("--json", "as_json", is_flag=True, help="Say how it ended as JSON, on standard output.")
def run(as_json: bool, **asked: Any) -> int:
    """Train every row of a study and write its table.

    Run it again at any time: what is there is not trained twice. Rows and seeds may be added to a study.

    \b
    ablate run --grid paper
    ablate run --grid paper --data faces/ --classes anger,fear,happiness
    ablate run --grid smoke --seeds 3 --set learning_rate=1e-4
    ablate run --grid mine.toml --data fer2013.csv --set weights=vgg16_notop.weights.h5
    """
    options = _options(**asked)
    from ablation import progress, sweep

    with progress.watch() as watch:
        outcome = sweep.run(options, watch)
    if as_json:
        click.echo(
            json.dumps({"folder": str(outcome.folder), "trained": outcome.trained, "unfinished": outcome.unfinished})
        )
    else:
        _say(outcome, options.workspace)
    return 1 if outcome.unfinished else 0


def _default_name(stem: str, data: str) -> str:
    return f"{stem}-{data.replace(':', '-')}" if is_demo(data) else stem


def _say(outcome: Any, workspace: Path) -> None:
    click.echo(outcome.markdown)
    trials = "1 trial" if outcome.trained == 1 else f"{outcome.trained} trials"
    click.echo(f"trained {trials}" if outcome.trained else "nothing to train: every row was there")
    for row, seed, what, reason in outcome.unfinished:
        click.echo(f"row {row}, seed {seed}: {what}" + (f": {reason}" if reason else ""), err=True)
    click.echo(f"table: {outcome.folder}/table.csv, .tex, .md")
    click.echo(f"compare: mlflow ui --backend-store-uri sqlite:///{workspace}/mlflow.db")


@cli.command()
@_run_options
@click.option("--budget", metavar="TIME", help="Say which rows fit into 2h, 30m, 90s or 1h30m.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, on standard output: seconds and bytes.")
def plan(budget: str | None, as_json: bool, **asked: Any) -> int:
    """Say what `ablate run` would train, what is shared, and what it costs: time, memory, disk.

    Takes all options of `ablate run`, and trains and writes nothing. Times come from past trainings of the workspace,
    else from some real steps on the slots.

    \b
    ablate plan --grid paper
    ablate plan --grid paper --data faces/ --slots cpu:2 --budget 2h
    """
    from ablation import schedule

    most = schedule.budget(budget) if budget is not None else None
    options = _options(**asked)
    from ablation import forecast, planned, progress

    with progress.watch() as watch:
        found = forecast.forecast(options, most, _benches, watch)
    click.echo(json.dumps(planned.as_json(found), indent=1) if as_json else planned.draw(found))
    return 0


def _benches(*arguments: Any) -> Any:
    from ablation.bench import bench  # Dask: loaded only where something is to be measured

    return bench(*arguments)


@cli.command()
@_study
@_workspace
def table(grid: str, name: str | None, workspace: Path) -> int:
    """Draw the table of a study again, from its files alone.

    \b
    ablate table --grid paper
    ablate table --grid paper --name my-faces
    """
    from ablation.outcome import redraw
    from ablation.workspace import Workspace

    outcome = redraw(Workspace(workspace), name or _existing_name(grid, workspace))
    click.echo(outcome.markdown)
    click.echo(f"table: {outcome.folder}/table.csv, .tex, .md")
    return 0


def _existing_name(grid: str, workspace: Path) -> str:
    """Without --name: the study on data, else the one on demo data; which one is said."""
    stem = Path(grid).stem
    names = [n for n in (stem, f"{stem}-demo") if (workspace / n / "study.json").is_file()]
    if not names:
        raise AblateError(
            f"{workspace}: no study {stem!r}; run `ablate run --grid {grid}` first, or name one with --name"
        )
    other = f"; there is also --name {names[1]}" if len(names) > 1 else ""
    click.echo(f"study {names[0]}{other}", err=True)
    return names[0]


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> int:
    """Write a commented study file to start from.

    \b
    ablate new mine.toml
    """
    from ablation import study_file, workspace

    if file.suffix != ".toml":
        raise AblateError(f"{file}: a study file ends in .toml")
    if file.exists():
        raise AblateError(f"{file}: is there already; remove it, or take another name")
    workspace.write_text(file, study_file.starter())
    click.echo(f"wrote {file}; run it: ablate run --grid {file} --data demo")
    return 0


@cli.command()
@click.argument("path")
@click.option("--classes", help="Which classes, in which order. Default: all.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Write a sheet of faces, a row a class.")
def data(path: str, classes: str | None, sheet: Path | None) -> int:
    """Say what is in a data set: images by class and split.

    \b
    ablate data faces/
    ablate data demo --sheet faces.png
    """
    from ablation.datasets import images

    found = images.choose_classes(images.load(path), classes.split(",") if classes else None)
    images.check(found, path)
    click.echo(images.summary(found))
    if sheet:
        images.sheet(found).save(sheet)
        click.echo(f"sheet: {sheet}")
    return 0


@cli.command()
@_workspace
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(workspace: Path, as_json: bool) -> int:
    """Say what this machine has and lacks: packages, backend, GPUs, weights, workspace.

    \b
    ablate doctor
    """
    from ablation import doctor as checks

    found = checks.examine(workspace)
    click.echo(json.dumps([vars(c) for c in found], indent=1) if as_json else checks.draw(found))
    return 2 if any(c.state == "bad" for c in found) else 0


def main() -> None:
    """Exit codes: 0 all done, 1 rows failed, 2 the input or environment is wrong, 3 a bug of ours, 130 interrupted."""
    sys.exit(_guarded(sys.argv[1:]))


def _guarded(arguments: list[str]) -> int:
    try:
        return int(cli.main(arguments, prog_name="ablate", standalone_mode=False) or 0)
    except AblateError as error:
        click.echo(f"error: {error}", err=True)
        return 2
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        click.echo(
            f"error: {error.format_message().rstrip('.')}; see `ablate {' '.join(arguments[:1])} --help`", err=True
        )
        return 2
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            return _bug(arguments)
        click.echo(f"error: {error.filename or 'the workspace'}: {error.strerror}; mend that and run again", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"interrupted; go on with: ablate {' '.join(arguments)}", err=True)
        return 130
    except Exception:
        return _bug(arguments)


def _bug(arguments: list[str]) -> int:
    """No traceback reaches a user; it goes to a file that they can send."""
    text = f"ablate {' '.join(arguments)}\n{traceback.format_exc()}"
    options = dict(pairwise(arguments))
    place = Path(options.get("--workspace", "runs")) / "log" / "crash.log"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    except OSError:  # a full or read-only disk may be what went wrong
        click.echo(text, err=True)
        return 3
    click.echo(f"error: this is a bug of ablate's; please report it with {place.absolute()}", err=True)
    return 3
