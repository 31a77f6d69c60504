"""`run` and `plan`: a study from its file to its table, or what that would cost."""

import json
import shlex
from pathlib import Path
from typing import Any

import click

from ablation.commands.drawing import fatal, say_files, say_table
from ablation.commands.options import asked_for, check_codes, run_options, strict_option
from ablation.commands.tracking import log_and_register
from ablation.loading import loading


@click.command()
@run_options
@strict_option
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
    from ablation.workers import interrupts

    interrupts.shield_tracker()
    options = asked_for(**asked)
    check_codes(strict, options.experiment)
    from ablation.console import progress
    from ablation.workflows.pools import Ahead

    with progress.watch(quiet, verbose) as watch, interrupts.Interrupts(watch.say), Ahead(options, watch) as ahead:
        with loading():  # its workers do so meanwhile
            from ablation.workflows import sweep

        outcome = sweep.run(options, watch, ahead)
    if as_json:
        told = {"trained": outcome.trained, "unfinished": outcome.unfinished, "warnings": outcome.codes}
        click.echo(json.dumps({"folder": str(outcome.folder), **told}))
    elif not quiet:
        _say(outcome, options.workspace)
    if options.register:
        log_and_register(options.workspace, options.name, options.tracking, options.register)
    return 1 if outcome.unfinished or fatal(outcome.codes, strict) else 0


def _say(outcome: Any, workspace: Path) -> None:
    say_table(outcome)
    trials = "1 trial" if outcome.trained == 1 else f"{outcome.trained} trials"
    click.echo(f"trained {trials}" if outcome.trained else "nothing to train: every row was there")
    for row, seed, what, reason in outcome.unfinished:
        click.echo(f"row {row}, seed {seed}: {what}" + (f": {reason}" if reason else ""), err=True)
    say_files(outcome)
    place = "" if workspace == Path("runs") else f" --workspace {shlex.quote(str(workspace))}"
    click.echo(f"compare in MLflow: ablate ui{place}")


@click.command()
@run_options
@click.option("--budget", metavar="TIME", help="Say which rows fit into 2h, 30m, 90s or 1h30m.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, on standard output: seconds and bytes.")
def plan(budget: str | None, as_json: bool, **asked: Any) -> int:
    """Say what `ablate run` would train, what is shared, and what it costs: time, memory, disk.

    Takes the options of `ablate run` that say what is trained, and on which slots; trains and writes nothing. Times
    come from past trainings of the workspace, else from some real steps on the slots.

    \b
    ablate plan --grid paper
    ablate plan --grid paper --data faces/ --slots cpu:2 --budget 2h
    """
    from ablation import durations

    most = durations.parse("--budget", budget) if budget is not None else None
    options = asked_for(**asked)
    from ablation.console import planned, progress

    with loading():
        from ablation.workflows import forecast

    with progress.watch() as watch:
        found = forecast.forecast(options, most, _benches, watch)
    click.echo(json.dumps(planned.as_json(found), indent=1) if as_json else planned.draw(found))
    return 0


def _benches(*arguments: Any) -> Any:
    from ablation.workflows.bench import bench  # Dask: loaded only where something is to be measured

    return bench(*arguments)
