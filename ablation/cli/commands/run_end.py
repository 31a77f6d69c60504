"""Command of `--on-end`: runs once, when the work of a run has ended in any way."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ablation.cli import exit_codes
from ablation.errors import AblateError

if TYPE_CHECKING:
    from ablation.cli.terminal.progress import Live, Plain
    from ablation.workflows.run_options import RunOptions

STDERR = 2  # standard output has the table, or the summary as JSON


@dataclass
class RunEnd:
    """End of a run. `watch`: the display, with its snapshot where work has started; `code`: the exit code."""

    watch: "Plain | Live | None" = None
    code: int = 0


@contextmanager
def at_end(options: "RunOptions") -> Iterator[RunEnd]:
    """Yield the end of a run, to be filled in, and run the command of `--on-end` after it.

    The command is not run where the input was refused before work started. Its failure changes no exit code.
    """
    end = RunEnd()
    try:
        yield end
    except BaseException as error:
        end.code = exit_codes.of(error)
        raise
    finally:
        if options.on_end and end.watch and end.watch.snapshot:
            _run(options.on_end, variables(options, end))


def variables(options: "RunOptions", end: RunEnd) -> dict[str, str]:
    """Return the environment variables that describe the end of a run."""
    from ablation.store.workspace import Workspace

    counts = _counts(options, end)
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    ending = {0: "", 1: "", exit_codes.INTERRUPTED: "; interrupted"}.get(end.code, "; stopped by an error")
    return {
        "ABLATE_STUDY": options.name,
        "ABLATE_FOLDER": str(Workspace(options.workspace).study(options.name).path.absolute()),
        "ABLATE_EXIT_CODE": str(end.code),
        "ABLATE_DONE": str(counts.done),
        "ABLATE_FAILED": str(counts.failed),
        "ABLATE_SUMMARY": f"{options.name}: {counts.done:,} of {counts.total:,} trials done{failed}{ending}",
    }


def _counts(options: "RunOptions", end: RunEnd) -> Any:
    """Return the numbers of trials from the files, or from the last snapshot where the files cannot be read."""
    from ablation.progress import study_status
    from ablation.store.workspace import Workspace

    try:
        return study_status.read(Workspace(options.workspace), options.name)
    except (AblateError, OSError):
        return end.watch and end.watch.snapshot


def _run(command: str, variables: Mapping[str, str]) -> None:
    try:
        environment = os.environ | dict(variables)
        code = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=STDERR, env=environment).returncode
        problem = f"ended with exit code {code}" if code else ""
    except KeyboardInterrupt:
        problem = "was interrupted"
    except OSError as error:
        problem = f"could not start ({error.strerror})"
    if problem:
        click.echo(f"note: --on-end: the command {problem}", err=True)
