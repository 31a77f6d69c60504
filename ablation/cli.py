"""The command line. Commands import what they need inside, so that --help is quick."""

import errno
import json
import shlex
import sys
import time
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from ablation import __version__
from ablation.addresses import masked
from ablation.datasets import is_demo
from ablation.errors import AblateError

DEMO = "demo"
GRID = "A shipped study (paper, heads, baseline, preprocessing, split, smoke), a .toml file, or several with commas."
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
    return click.option("--grid", required=True, help=GRID)(command)


def _some_study(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--name", help="The study's name. Default: the grid's; with -demo on demo data.")(command)
    return click.option("--grid", help=f"{GRID} Default: all studies.")(command)


def _tls(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, what in (("key", "this side's key"), ("cert", "this side's certificate"), ("ca", "the authority")):
        command = click.option(f"--tls-{name}", metavar="FILE", help=f"TLS to the scheduler: {what}.")(command)
    return command


def _tracking(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--tracking",
        metavar="URI",
        envvar="MLFLOW_TRACKING_URI",
        show_envvar=True,
        help="MLflow's server or database. Default: SQLite in the workspace.",
    )(command)


def _strict(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--strict", multiple=True, metavar="CODE", help="Exit with 1 where this warning is given. Repeatable."
    )(command)


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
    click.option(
        "--slots",
        default="auto",
        show_default=True,
        help="auto: each GPU, else the CPU; cpu:N shares the cores; gpu:0,1 or gpu:0x3 (three on one).",
    ),
    click.option("--scheduler", metavar="ADDR", help="A Dask scheduler with `ablate worker`s: tcp://HOST:8786."),
    _tls,
    click.option("--inline", is_flag=True, help="Train in this process, without workers: for debugging."),
    click.option(
        "--timeout", metavar="TIME", help="How long one try of a training may take: 90s, 30m, 2h. Default: no end."
    ),
    click.option(
        "--retry", type=click.Choice(["diverged"]), multiple=True, help="Try again what a run else leaves alone."
    ),
    click.option(
        "--keep",
        type=click.Choice(["all", "selected", "none"]),
        default="selected",
        show_default=True,
        help="Whose heads stay on disk; with all, more epochs can go on from there.",
    ),
    click.option(
        "--replicate-reference",
        "replicates",
        type=click.IntRange(min=2),
        metavar="N",
        help="First train the reference N times more, with other seeds; rows within that noise are marked.",
    ),
    click.option("--storage", metavar="URL", help="Optuna's database. Default: SQLite in the workspace."),
    _tracking,
    click.option(
        "--register", metavar="NAME", help="Log the model of the selected row, images in, and register it in MLflow."
    ),
)


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(RUN_OPTIONS):
        command = option(command)
    return command


def _options(
    grid: str, name: str | None, workspace: Path, data: str | None, classes: str | None, seeds: str | None,
    changes: tuple[str, ...], timeout: str | None, tls_ca: str | None, tls_cert: str | None, tls_key: str | None,
    **rest: Any,
) -> Any:  # fmt: skip
    """What `prepare` takes, from RUN_OPTIONS as click hands them over. The study file is checked first."""
    from ablation import addresses, durations, study_file

    addresses.refuse_credentials("--tracking", rest["tracking"])
    if rest["register"]:
        from ablation import registry  # slow

        registry.check_name(rest["register"])
        if rest["keep"] == "none":
            raise AblateError("--register needs the selected row's head; leave --keep none out")
    seed_list = study_file.seed_list(seeds) if seeds else None
    found = study_file.read(grid, study_file.settings(changes), seed_list)
    if data is None:
        if grid not in study_file.shipped():
            raise AblateError(f"--data: {grid} needs images: pass a path, or demo for faces that ablate draws")
        data = DEMO
    seconds = durations.parse("--timeout", timeout) if timeout else None
    from ablation.pool import Tls
    from ablation.prepare import Options  # slow

    return Options(
        found,
        data,
        workspace,
        name or _default_name(found.stem, data),
        classes.split(",") if classes else None,
        timeout=seconds,
        tls=Tls(tls_ca, tls_cert, tls_key),
        command=tuple(map(addresses.masked, click.get_current_context().find_root().obj or ())),
        **rest,
    )


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="ablate")
def cli() -> None:
    """Fill an ablation table and stand behind it.

    \b
    ablate run --grid paper                      the nine rows of the paper, on demo faces
    ablate run --grid paper --data faces/        on your own images
    ablate plan --grid paper                     what would run, and what it would cost
    ablate status                                how far every study is, and what runs
    ablate table --grid paper                    draw the table again, from files
    ablate ui                                    compare the rows in MLflow
    ablate new mine.toml                         a study of your own to start from
    """


@cli.command()
@_run_options
@_strict
@click.option("--json", "as_json", is_flag=True, help="Say how it ended as JSON, on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table: notes, and what did not end well.")
@click.option("-v", "--verbose", is_flag=True, help="A line for every epoch.")
def run(as_json: bool, quiet: bool, verbose: bool, strict: tuple[str, ...], **asked: Any) -> int:
    """Train every row of a study and write its table.

    Run it again at any time: what is there is not trained twice. Rows and seeds may be added to a study. Ctrl-C lets
    trainings save and stop; the same command goes on from there.

    \b
    ablate run --grid paper
    ablate run --grid paper --data faces/ --classes anger,fear,happiness
    ablate run --grid smoke --seeds 3 --set learning_rate=1e-4
    ablate run --grid mine.toml --data fer2013.csv --set weights=vgg16_notop.weights.h5
    ablate run --grid paper --slots gpu:0x3,1 --timeout 2h
    ablate run --grid heads,baseline,paper     several studies as one table, what they share trained once; or all-paper
    """
    from ablation import interrupts

    interrupts.shield_tracker()
    _check_codes(strict)
    options = _options(**asked)
    from ablation import progress, sweep

    with progress.watch(quiet, verbose) as watch:
        outcome = sweep.run(options, watch)
    if as_json:
        told = {"trained": outcome.trained, "unfinished": outcome.unfinished, "warnings": outcome.codes}
        click.echo(json.dumps({"folder": str(outcome.folder), **told}))
    elif not quiet:
        _say(outcome, options.workspace)
    if options.register:
        _register(options.workspace, options.name, options.tracking, options.register)
    return 1 if outcome.unfinished or _fatal(outcome.codes, strict) else 0


def _register(workspace: Path, study: str, uri: str | None, name: str) -> None:
    from ablation import registry
    from ablation.workspace import Workspace

    click.echo(registry.register(Workspace(workspace), study, uri, name), err=True)


def _check_codes(strict: tuple[str, ...]) -> None:
    from ablation.caveats import CODES

    unknown = [code for code in strict if code not in CODES]
    if unknown:
        raise AblateError(f"--strict {unknown[0]}: no such warning; known: {', '.join(CODES)}")


def _fatal(codes: list[str], strict: tuple[str, ...]) -> bool:
    """Whether a warning was given that --strict names, or that is an error by itself; says so."""
    from ablation.caveats import ERRORS

    errors, named = ([code for code in codes if code in some] for some in (ERRORS, strict))
    if errors:
        click.echo(f"error: {', '.join(errors)}: the report says which rows, and why", err=True)
    if named:
        click.echo(f"--strict: {', '.join(named)}", err=True)
    return bool(errors or named)


def _say_files(outcome: Any) -> None:
    click.echo(f"table: {outcome.folder}/table.csv, .tex, .md; report: {outcome.folder}/report.html")
    if outcome.codes:
        click.echo(f"warnings, each with its reason in the report: {', '.join(outcome.codes)}")


def _default_name(stem: str, data: str) -> str:
    return f"{stem}-{data.replace(':', '-')}" if is_demo(data) else stem


def _say(outcome: Any, workspace: Path) -> None:
    from ablation import progress

    progress.print_markdown(outcome.markdown)
    trials = "1 trial" if outcome.trained == 1 else f"{outcome.trained} trials"
    click.echo(f"trained {trials}" if outcome.trained else "nothing to train: every row was there")
    for row, seed, what, reason in outcome.unfinished:
        click.echo(f"row {row}, seed {seed}: {what}" + (f": {reason}" if reason else ""), err=True)
    _say_files(outcome)
    place = "" if workspace == Path("runs") else f" --workspace {shlex.quote(str(workspace))}"
    click.echo(f"compare in MLflow: ablate ui{place}")


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
    from ablation import durations

    most = durations.parse("--budget", budget) if budget is not None else None
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
@click.option(
    "--latex-style",
    "style",
    type=click.Choice(["plain", "siunitx"]),
    default="plain",
    show_default=True,
    help="Columns of table.tex: plain needs booktabs alone.",
)
@click.option("--standalone", is_flag=True, help="table.tex as a document that compiles by itself.")
@click.option("--fragment", is_flag=True, help="table.tex as a tabular alone, without float, caption and notes.")
@click.option("--wide", is_flag=True, help="table.tex as table*, across both columns of a two-column page.")
@click.option(
    "--intervals",
    type=click.Choice(["auto", "all"]),
    default="auto",
    show_default=True,
    help="auto leaves out bootstrap intervals above 100 rows.",
)
@_strict
def table(
    grid: str, name: str | None, workspace: Path, style: str, standalone: bool, fragment: bool, wide: bool,
    intervals: str, strict: tuple[str, ...],
) -> int:  # fmt: skip
    """Draw the tables and the report of a study again, from its files alone.

    \b
    ablate table --grid paper
    ablate table --grid paper --standalone --latex-style siunitx
    ablate table --grid paper --strict LEAK_EXACT --strict SINGLE_SEED
    """
    if standalone and fragment:
        raise AblateError("--standalone and --fragment exclude each other; pass one")
    _check_codes(strict)
    form = "standalone" if standalone else "fragment" if fragment else "float"
    latex = {"style": style, "form": form, "float": "table*" if wide else "table"}
    outcome = _drawn(grid, name, workspace, strict, latex=latex, all_intervals=intervals == "all")
    from ablation import progress

    progress.print_markdown(outcome.markdown)
    _say_files(outcome)
    return 1 if _fatal(outcome.codes, strict) else 0


def _drawn(grid: str, name: str | None, workspace: Path, strict: tuple[str, ...], **look: Any) -> Any:
    _check_codes(strict)
    from ablation.outcome import Look, redraw
    from ablation.workspace import Workspace

    found = Look(importances=_importances, **look)
    return redraw(Workspace(workspace), name or _existing_name(grid, workspace), found)


def _importances(*arguments: Any) -> Any:
    from ablation.study import importances  # Optuna: loaded only where there are trials enough

    return importances(*arguments)


@cli.command()
@_study
@_workspace
@_strict
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(grid: str, name: str | None, workspace: Path, strict: tuple[str, ...], show: bool) -> int:
    """Write the report of a study again: one HTML file with warnings, tables and figures, that needs no network.

    \b
    ablate report --grid paper --open
    """
    outcome = _drawn(grid, name, workspace, strict)
    click.echo(f"report: {outcome.folder}/report.html")
    if show:
        click.launch(str(outcome.folder / "report.html"))
    return 1 if _fatal(outcome.codes, strict) else 0


def _row_options(command: Any) -> Any:
    """Those of commands that take a trained row to other images."""
    for option in (
        click.option("--row", type=int, metavar="N", help="Another row than the selected one."),
        click.option(
            "--limit", type=click.IntRange(min=1), help="A seeded part of each split: at most so many images."
        ),
        click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be decoded."),
        click.option("--slots", default="auto", show_default=True, help="As for `run`."),
        click.option("--inline", is_flag=True, help="In this process, without a worker."),
    ):
        command = option(command)
    return command


@cli.command()
@_study
@_workspace
@click.option("--data", required=True, help="Labelled images, in any layout that `run` takes; demo:production.")
@click.option(
    "--split",
    type=click.Choice(["all", "train", "val", "test"]),
    default="all",
    show_default=True,
    help="Which of them, where the data have splits.",
)
@_row_options
@_tracking
@click.option("--predictions", type=click.Path(dir_okay=False, path_type=Path), help="A CSV file, a line an image.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def evaluate(
    grid: str, name: str | None, workspace: Path, data: str, split: str, row: int | None, predictions: Path | None,
    as_json: bool, **rest: Any,
) -> int:  # fmt: skip
    """Try the selected row on other images: production data, another data set.

    Classes are matched by name; images of others are counted and left out. Nothing of the study changes. Where the
    row's head was not kept, it is trained again, and compared with what it predicted before.

    \b
    ablate evaluate --grid paper --data demo:production
    ablate evaluate --grid paper --data affwild2/ --split test --predictions said.csv
    ablate evaluate --grid paper --data faces/ --row 3
    """
    from ablation import study_file

    name = name or _existing_name(grid, workspace)
    found = study_file.read(grid)
    from ablation import export, production, progress
    from ablation.prepare import Options  # slow

    options = Options(found, data, workspace, name, **rest)
    with progress.watch() as watch:
        evaluation = production.evaluate(options, split, row, watch)
    if predictions:
        predictions.write_text(export.csv(evaluation.predictions), encoding="utf-8")
    if as_json:
        click.echo(evaluation.found.model_dump_json())
        return 0
    progress.print_markdown(evaluation.markdown)
    click.echo(
        f"table: {evaluation.tables}.md, .tex; images, confusion matrix: {evaluation.folder}; also in the report"
    )
    return 0


@cli.command()
@click.argument("path")
@_study
@_workspace
@_row_options
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A CSV file; else the screen.")
def predict(
    path: str, grid: str, name: str | None, workspace: Path, row: int | None, output: Path | None, **rest: Any
) -> int:
    """Say the class of images whose labels are not known: one file, or a folder of them.

    A CSV line an image: its file, the class, and each class' probability.

    \b
    ablate predict photos/ --grid paper -o said.csv
    ablate predict face.png --grid paper --row 3
    """
    from ablation import study_file

    name = name or _existing_name(grid, workspace)
    found = study_file.read(grid)
    from ablation import export, production, progress
    from ablation.prepare import Options  # slow

    with progress.watch() as watch:
        said = production.predict(Options(found, path, workspace, name, **rest), row, watch)
    text = export.csv(said)
    if output is None:
        click.echo(text, nl=False)
        return 0
    output.write_text(text, encoding="utf-8")
    click.echo(f"{len(said):,} image{'s' if len(said) != 1 else ''}: {output}")
    return 0


@cli.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@_workspace
def verify(files: tuple[Path, ...], workspace: Path) -> int:
    """Derive every number of a table again, from the files of its study, and say which do not follow.

    Takes .csv, .tex and .md tables that ablate has drawn, wherever they lie by now.

    \b
    ablate verify runs/paper/table.tex
    ablate verify article/table.tex article/contrasts.csv --workspace runs
    """
    from ablation import verify as verifying
    from ablation.workspace import Workspace

    wrong = 0
    for file in files:
        found = verifying.check(Workspace(workspace), file)
        wrong += bool(found.mismatches)
        click.echo(found.say(), err=bool(found.mismatches))
    return 1 if wrong else 0


def _existing_name(grid: str, workspace: Path) -> str:
    """Without --name: the study on data, else the one on demo data; which one is said."""
    from ablation import record, study_file
    from ablation.workspace import Workspace

    stem = study_file.stem(grid)
    names = [n for n in (stem, f"{stem}-demo") if (workspace / n / "study.json").is_file()]
    if not names:
        raise record.no_study(Workspace(workspace), stem)
    other = f"; there is also --name {names[1]}" if len(names) > 1 else ""
    click.echo(f"study {names[0]}{other}", err=True)
    return names[0]


def _named(grid: str | None, name: str | None, workspace: Path) -> list[str]:
    """The study that is asked for, else all of the workspace. AblateError where there is none."""
    from ablation.workspace import Workspace

    if name:
        from ablation.outcome import check_name  # slow

        check_name(name)
    if grid and not name:
        name = _existing_name(grid, workspace)
    found = [name] if name else Workspace(workspace).studies()
    if not found:
        raise AblateError(f"--workspace {workspace}: no study yet; run `ablate run` first")
    return found


@cli.command()
@_some_study
@_workspace
@_tracking
@click.option("--no-open", is_flag=True, help="Print the links, open no browser.")
def ui(grid: str | None, name: str | None, workspace: Path, tracking: str | None, no_open: bool) -> int:
    """Look at the runs in MLflow: all rows of a study side by side, and their curves.

    Starts MLflow's server on the workspace, for this machine alone, and opens it in the browser. Ctrl-C stops it. With
    --tracking http://... it opens that server instead.

    \b
    ablate ui
    ablate ui --grid paper --no-open
    """
    from ablation import addresses
    from ablation import ui as pages
    from ablation.workspace import Workspace

    addresses.refuse_credentials("--tracking", tracking)
    place, names = Workspace(workspace), _named(grid, name, workspace)
    if tracking and tracking.startswith("http"):
        _show(_links(place, tracking, tracking.rstrip("/"), names), no_open)
        return 0
    if not (tracking or place.mlflow.is_file()):
        raise AblateError(f"{place.mlflow}: no such database; make it with: ablate sync")
    click.echo("MLflow's server starts ...", err=True)
    try:
        with pages.serve(place, addresses.with_driver(tracking or f"sqlite:///{place.mlflow.absolute()}")) as server:
            found = _links(place, tracking, server.base, names)  # loads much, while the server does so too
            server.ready()
            _show(found, no_open)
            click.echo(f"MLflow answers at {server.base}, on this machine alone; Ctrl-C stops it", err=True)
            server.wait()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
    return 0


def _links(*arguments: Any) -> Any:
    from ablation import links

    found = links.of(*arguments)
    if not found:
        raise AblateError("MLflow knows no run of these studies; send them with: ablate sync")
    return found


def _show(found: list[Any], no_open: bool) -> None:
    click.echo(f"experiment: {found[0].experiment}")
    for each in found:
        click.echo(f"{each.study}, {each.runs} runs side by side: {each.compare}")
        click.echo(f"{each.study}, curves: {each.curves}")
    if not no_open:
        for page in [found[0].experiment, *([found[0].compare] if len(found) == 1 else [])]:
            click.launch(page)


@cli.command()
@_some_study
@_workspace
@_tracking
def sync(grid: str | None, name: str | None, workspace: Path, tracking: str | None) -> int:
    """Send MLflow what it lacks of the studies: because it was down, or was lost, or is another one now.

    Nothing is sent twice. Without --grid and --name: all studies of the workspace.

    \b
    ablate sync
    ablate sync --grid paper --tracking http://mlflow:5000
    """
    from ablation import addresses
    from ablation import sync as syncing
    from ablation.workspace import Workspace

    addresses.refuse_credentials("--tracking", tracking)
    place = Workspace(workspace)
    found = [syncing.sync(place, each, tracking) for each in _named(grid, name, workspace)]
    for one in found:
        waits = f"{one.waiting} messages wait ({one.reason}); try again later"
        click.echo(f"{one.study}: {waits if one.waiting else 'MLflow holds all of it'}", err=bool(one.waiting))
    return 1 if any(one.waiting for one in found) else 0


@cli.command()
@click.argument("model")
@_study
@_workspace
@_tracking
def register(model: str, grid: str, name: str | None, workspace: Path, tracking: str | None) -> int:
    """Log the model of the selected row to MLflow, and register it under the name MODEL.

    It takes images (uint8, RGB) and holds preprocessing, backbone and head; it is checked against the predictions of
    its row. mlflow.keras and mlflow.pyfunc load it, where there is no ablate too.

    \b
    ablate register faces --grid paper
    """
    from ablation import addresses

    addresses.refuse_credentials("--tracking", tracking)
    _register(workspace, name or _existing_name(grid, workspace), tracking, model)
    return 0


@cli.command()
@click.option("--scheduler", required=True, metavar="ADDR", help="The Dask scheduler to work for: tcp://HOST:8786.")
@click.option("--slots", default="auto", show_default=True, help="auto, cpu:N, gpu:0,1 or gpu:0x3, of this machine.")
@_tls
def worker(scheduler: str, slots: str, tls_ca: str | None, tls_cert: str | None, tls_key: str | None) -> int:
    """Serve a cluster from this machine: a process a slot, until the scheduler ends or Ctrl-C.

    The workspace must lie on a file system that all machines share, under the same path.

    \b
    dask scheduler                                                    on one machine
    ablate worker --scheduler tcp://head:8786                         on each machine with cores or GPUs
    ablate run --grid paper --scheduler tcp://head:8786 --workspace /shared/runs
    """
    from ablation import cluster
    from ablation.pool import Tls
    from ablation.slots import parse

    found = parse(slots)
    click.echo(f"serving {scheduler} with {', '.join(slot.name for slot in found)}", err=True)
    cluster.serve(scheduler, found, Tls(tls_ca, tls_cert, tls_key))
    return 0


@cli.command()
@_some_study
@_workspace
@click.option("--json", "as_json", is_flag=True, help="As JSON; with --watch, a line each time.")
@click.option("--watch", "again", is_flag=True, help="Say it again every 2 s until the run ends.")
def status(grid: str | None, name: str | None, workspace: Path, as_json: bool, again: bool) -> int:
    """Say how far a study is, whether a run goes on, and what to do next: from its files alone.

    \b
    ablate status
    ablate status --grid paper
    ablate status --grid paper --watch
    """
    from ablation import standing
    from ablation.workspace import Workspace

    place = Workspace(workspace)
    name = name or (_existing_name(grid, workspace) if grid else None)

    def look() -> tuple[str, bool]:
        now = time.time()
        found = [standing.read(place, name)] if name else standing.read_all(place)
        goes_on = any(one.running for one in found)
        if as_json:
            told = [standing.as_json(one, place, grid, now) for one in found]
            return json.dumps(told[0] if name else told, indent=None if again else 1), goes_on
        return standing.draw(found[0], place, grid, now) if name else standing.draw_all(found, place, now), goes_on

    if again:
        from ablation import progress  # slow to load

        progress.repeat(look)
    else:
        click.echo(look()[0])
    return 0


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
    """Say what is in a data set: images by class and split, copies, and what crosses the splits.

    \b
    ablate data faces/
    ablate data demo --sheet faces.png
    """
    from ablation import leaks, progress
    from ablation.datasets import images

    found = images.choose_classes(images.load(path), classes.split(",") if classes else None)
    images.check(found, path)
    with progress.watch() as watch:
        read = images.decode(found, [images.SMALL], True, lambda done, total: watch.step("reading images", done, total))
    click.echo(images.summary(found))
    for line in leaks.summary(leaks.find(read.index, leaks.given(read.index), read.pixels[images.SMALL])):
        click.echo(line)
    click.echo(f"cannot be decoded: {len(read.bad):,}" + (f" ({', '.join(read.bad[:5])})" if read.bad else ""))
    if sheet:
        images.sheet(found).save(sheet)
        click.echo(f"sheet: {sheet}")
    return 0


@cli.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@_workspace
@click.option("--yes", is_flag=True, help="Delete it.")
def clean(kinds: tuple[str, ...], workspace: Path, yes: bool) -> int:
    """Say what could be deleted: checkpoints, heads, features, trainings that no study uses. With --yes, delete it.

    Tables, results and predictions of your studies stay.

    \b
    ablate clean
    ablate clean features checkpoints --yes
    """
    from ablation import clean as cleaning
    from ablation.workspace import Workspace

    unknown = [kind for kind in kinds if kind not in cleaning.KINDS]
    if unknown:
        raise AblateError(f"{unknown[0]}: takes {', '.join(cleaning.KINDS)}")
    place = Workspace(workspace)
    if not workspace.is_dir():
        raise AblateError(f"--workspace {workspace}: there is no such folder")
    with place.lock():
        found = cleaning.find(place, kinds or cleaning.KINDS)
        click.echo(cleaning.draw(found, place))
        if yes:
            for item in found:
                item.delete()
    size = cleaning.megabytes(sum(item.size for item in found))
    if found:
        click.echo(f"deleted {size}" if yes else f"{size} in all; to delete it: --yes")
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
        return int(cli.main(arguments, prog_name="ablate", standalone_mode=False, obj=arguments) or 0)
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
        click.echo(f"interrupted; go on with: ablate {masked(shlex.join(arguments))}", err=True)
        return 130
    except Exception:
        return _bug(arguments)


def _bug(arguments: list[str]) -> int:
    """No traceback reaches a user; it goes to a file that they can send."""
    text = masked(f"ablate {' '.join(arguments)}\n{traceback.format_exc()}")
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
