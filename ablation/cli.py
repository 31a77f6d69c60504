"""The command line: its group, and what becomes of errors."""

import shlex
import sys
import tempfile
import traceback

import click

from ablation import __version__, disk, process_setup
from ablation.addresses import masked
from ablation.commands import drawing, keeping, looking, running, tracking
from ablation.errors import AblateError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Commands(click.Group):
    """A group whose help shows the first sentence of each command whole; click cuts it at the terminal's width."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        sentences = [(name, _first_sentence(command.help or "")) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(sentences)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


@click.group(cls=_Commands, context_settings=CONTEXT)
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
    process_setup.prepare(sys.argv[1:])
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
        reason = disk.explain(error) or _no_temporary_folder()
        if reason is None:
            return _bug(arguments)
        click.echo(f"error: {reason}", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"interrupted; go on with: ablate {masked(shlex.join(arguments))}", err=True)
        return 130
    except Exception:
        return _bug(arguments)


def _no_temporary_folder() -> str | None:
    """Return what to do where no folder takes temporary files; None where there is one."""
    try:
        tempfile.gettempdir()
    except OSError:
        return "TMPDIR: no folder for temporary files can be written; set it to one that can"
    return None


def _bug(arguments: list[str]) -> int:
    """No traceback reaches a user; it goes to a file that they can send."""
    text = masked(f"ablate {' '.join(arguments)}\n{traceback.format_exc()}")
    place = process_setup.workspace_of(arguments) / "log" / "crash.log"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    except OSError:  # a full or read-only disk may be what went wrong
        click.echo(text, err=True)
        return 3
    click.echo(f"error: this is a bug of ablate's; please report it with {place.absolute()}", err=True)
    return 3
