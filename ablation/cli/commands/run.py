"""`ablate run`: train the missing trials of a study and write its table."""

import json
import shlex
from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.options import asked_for, check_codes, run_options, strict_option
from ablation.cli.commands.output import fatal, say_files, say_table
from ablation.cli.commands.register import log_and_register
from ablation.model.phrases import plural


@click.command()
@run_options
@strict_option
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no table, only notes and failures.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for every epoch.")
def run(as_json: bool, quiet: bool, verbose: bool, strict: tuple[str, ...], **asked: Any) -> int:
    """Train every row of a study and write its table.

    Finished trials are never trained twice: run the same command again to resume, or run it with more rows or seeds.
    Ctrl-C saves and stops the trainings.

    \b
    ablate run --grid paper
    ablate run --grid paper --data faces/ --classes anger,fear,happiness
    ablate run --grid smoke --seeds 3 --set learning_rate=1e-4
    ablate run --grid mine.toml --data fer2013.csv --set weights=vgg16_notop.weights.h5
    ablate run --grid paper --slots gpu:0x3,1 --timeout 2h
    ablate run --grid heads,baseline,paper     several studies as one table; short: --grid all-paper
    ablate run --grid paper --on-end 'notify-send "$ABLATE_SUMMARY"'
    """
    from ablation import signals

    signals.shield_tracker()
    options = asked_for(**asked)
    check_codes(strict, options.experiment)
    from ablation.cli.commands.run_end import at_end
    from ablation.cli.terminal import progress
    from ablation.workflows.run_study import run_study

    with at_end(options) as end:
        with progress.watch(quiet, verbose) as end.watch:
            outcome = run_study(options, end.watch)
        if as_json:
            summary = {"trained": outcome.trained, "unfinished": outcome.unfinished, "warnings": outcome.codes}
            click.echo(json.dumps({"folder": str(outcome.folder), **summary}))
        elif not quiet:
            _say(outcome, options)
        if options.register:
            log_and_register(options.workspace, options.name, options.tracking, options.register)
        end.code = 1 if outcome.unfinished or fatal(outcome.codes, strict) else 0
    return end.code


def _say(outcome: Any, options: Any) -> None:
    say_table(outcome)
    click.echo(_counted(outcome))
    for row, seed, status, reason in outcome.unfinished:
        click.echo(f"row {row}, seed {seed}: {status}" + (f": {reason}" if reason else ""), err=True)
    say_files(outcome)
    if options.trackers == "all":
        workspace = "" if options.workspace == Path("runs") else f" --workspace {shlex.quote(str(options.workspace))}"
        click.echo(f"compare in MLflow: ablate ui{workspace}")


def _counted(outcome: Any) -> str:
    """Return the line on the trials of this command: those that have a result now, and those without one."""
    if not outcome.tried:
        return "nothing to train: every row has its result"
    if without := outcome.tried - outcome.trained:
        return f"trained {outcome.trained} of {plural(outcome.tried, 'trial')}; {without} without a result"
    return f"trained {plural(outcome.trained, 'trial')}"
