"""`ablate check`: test what an experiment promises."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from ablation.cli.commands.options import asked_for, try_options
from ablation.fast_imports import loading

MARKS = {"good": "ok  ", "note": "note", "bad": "BAD "}


@click.command()
@try_options
def check(**asked: Any) -> int:
    """Test what an experiment promises, by a few trials outside the workspace.

    The same seed gives the same numbers, another seed gives others, each factor changes a number, and a trial that is
    stopped resumes with the same numbers. With `shares`, a row read off a longer training equals one of its own. Whole
    trials are run; --set epochs=2 makes them short where that is a factor, also of rows.

    \b
    ablate check mine.toml
    ablate check mine.toml --set epochs=2
    """
    options = asked_for(**asked, in_rows=True)
    from ablation.cli.terminal import progress

    with loading():
        from ablation import signals
        from ablation.store import promises
        from ablation.workflows import check_promises

    signals.shield_tracker()
    folder, n_bad = Path(tempfile.mkdtemp(prefix="ablate-check-")), 0
    click.echo(f"running up to {check_promises.n_trials(options.grid)} trials in {folder}", err=True)
    try:
        with progress.watch(quiet=True) as watch:
            for promise in check_promises.check(options, folder, watch):
                n_bad += promise.state == promises.BAD
                click.echo(f"{MARKS[promise.state]} {promise.name}: {promise.sentence}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if n_bad else 0
