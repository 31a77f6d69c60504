"""`ablate try`: run one trial in the foreground."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.options import asked_for, try_options
from ablation.errors import AblateError
from ablation.fast_imports import loading


@click.command(name="try")
@try_options
@click.option("--row", type=int, metavar="N", help="Number of the row. Default: the reference.")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed. Default: the first one of the study.")
@click.option("--pdb", is_flag=True, help="Open Python's debugger where the function raises an exception.")
def try_trial(row: int | None, seed: int | None, pdb: bool, **asked: Any) -> int:
    """Run one trial in the foreground, outside the workspace.

    What the training prints is shown as it comes, then its numbers on validation, and which columns it returned for
    test; these stay closed. Nothing is written in the workspace. The files of a trial that failed are kept in a
    temporary folder, which is named.

    \b
    ablate try mine.toml
    ablate try mine.toml --row 3 --set epochs=1
    ablate try mine.toml --pdb
    """
    options = asked_for(**asked, in_rows=True)
    if pdb and not (options.grid.experiment_keys and options.grid.experiment_keys.function):
        raise AblateError("--pdb: is of functions; a command has its own process: start its debugger there")
    options = replace(options, debug=pdb)
    from ablation.cli.terminal import consoles, tried_text
    from ablation.cli.terminal.progress import Notes

    with loading():
        from ablation.workflows import try_trial as workflow

    folder = Path(tempfile.mkdtemp(prefix="ablate-try-"))
    is_done = False
    try:
        watch = Notes(consoles.console(stderr=True))
        outcome = workflow.try_trial(options, row, seed, folder, watch, lambda text: click.echo(text, nl=False))
        is_done = outcome.status == "done"
        click.echo(tried_text.draw(outcome))
        if not is_done:
            click.echo(f"kept: {folder}", err=True)
    finally:
        if is_done or not list(folder.glob("trained/*")):
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_done else 1
