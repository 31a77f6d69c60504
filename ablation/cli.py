"""The command line: its group, and what becomes of errors."""

import errno
import shlex
import sys
import traceback
from itertools import pairwise
from pathlib import Path

import click

from ablation import __version__
from ablation.addresses import masked, reach_loopback_directly
from ablation.commands import drawing, keeping, looking, running, tracking
from ablation.errors import AblateError

DISK_ERRORS = (
    errno.EACCES,
    errno.EDQUOT,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.EPERM,
    errno.EROFS,
)  # the user can mend these

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


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


for _command in (
    running.run, running.plan,
    drawing.table, drawing.report, drawing.verify,
    looking.data, looking.evaluate, looking.predict,
    tracking.ui, tracking.sync, tracking.register,
    keeping.new, keeping.status, keeping.clean, keeping.worker, keeping.doctor,
):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """Exit codes: 0 all done, 1 rows failed, 2 the input or environment is wrong, 3 a bug of ours, 130 interrupted."""
    sys.exit(_guarded(sys.argv[1:]))


def _guarded(arguments: list[str]) -> int:
    reach_loopback_directly()
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
