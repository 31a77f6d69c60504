"""Command line: the group of commands, and the handling of errors."""

import shlex
import sys
import traceback
from pathlib import Path

import click

from ablation import __version__
from ablation.cli import exit_codes, process_setup
from ablation.cli.commands import COMMANDS
from ablation.cli.terminal import welcome
from ablation.errors import AblateError
from ablation.nearest import nearest
from ablation.store.workspace import Workspace
from ablation.urls import masked

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Commands(click.Group):
    """Group whose help shows the whole first sentence of each command; click cuts it at the terminal's width."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names. Raises AblateError for an unknown one."""
        if not context.resilient_parsing and args[0] not in self.commands and not args[0].startswith("-"):
            raise AblateError(
                f"no command {args[0]!r}; commands: {', '.join(self.commands)}{nearest(args[0], self.commands)}"
            )
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        sentences = [(name, first_sentence(command.help or "")) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(sentences)


def first_sentence(text: str) -> str:
    """Return the first sentence of a command's help, without its full stop."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph.partition(". ")[0].rstrip(".")


@click.group(cls=_Commands, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="ablate")
def cli() -> None:
    """Run an ablation study and write its table.

    \b
    ablate run --grid paper                      the nine rows of the paper, on demo faces
    ablate run --grid paper --data faces/        on your own images
    ablate plan --grid paper                     what would run, and its cost
    ablate status                                progress of all studies
    ablate table --grid paper                    redraw the table from its files
    ablate ui                                    compare the rows in MLflow
    ablate new --command "python train.py ..."   a study file of your own program
    ablate new mine.toml                         a study file to start from
    ablate                                       where to begin, and how to continue
    """


for _command in COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Run the `ablate` command line and exit.

    Exit codes: 0 all done, 1 rows failed, 2 the input or environment is wrong, 3 a bug of ablate, 130 interrupted.
    """
    process_setup.prepare(sys.argv[1:])
    code = run(sys.argv[1:])
    process_setup.end_on_interrupt()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code; errors are printed. `arguments`: the words typed after `ablate`."""
    try:
        _refuse_zero(arguments)
        return int(cli.main(arguments, prog_name="ablate", standalone_mode=False, obj=arguments) or 0)
    except AblateError as error:
        click.echo(f"error: {error}", err=True)
        return exit_codes.WRONG
    except click.exceptions.NoArgsIsHelpError:
        click.echo(welcome.text(Workspace(Path("runs"))))
        return 0
    except click.ClickException as error:
        click.echo(f"error: {_problem(error)}; see `{_typed(arguments)} --help`", err=True)
        return exit_codes.WRONG
    except OSError as error:
        reason = exit_codes.cause(error)
        if reason is None:
            return _bug(arguments)
        click.echo(f"error: {reason}", err=True)
        return exit_codes.WRONG
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"interrupted; resume with: ablate {masked(shlex.join(arguments))}", err=True)
        return exit_codes.INTERRUPTED
    except Exception:
        return _bug(arguments)


def _refuse_zero(arguments: list[str]) -> None:
    """Raise AblateError for an argument with the character 0, at which the system would cut it; a shell passes none."""
    for text in arguments:
        if "\0" in text:
            raise AblateError(f"{text[:80]!r} has a zero character, which neither a path nor a name may have")


def _typed(arguments: list[str]) -> str:
    return " ".join(["ablate", *(name for name in arguments[:1] if name in cli.commands)])


def _problem(error: click.ClickException) -> str:
    """Return the message of click; of an unknown option, with the nearest option of the command."""
    if not isinstance(error, click.NoSuchOption):
        return error.format_message().rstrip(".")
    parameters = error.ctx.command.get_params(error.ctx) if error.ctx else ()
    options = [name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)]
    return f"no option {error.option_name!r}{nearest(error.option_name, [o for o in options if o.startswith('--')])}"


def _bug(arguments: list[str]) -> int:
    """Write the traceback to a file that the user can send, and return the exit code. Users see no traceback."""
    text = masked(f"ablate {' '.join(arguments)}\n{traceback.format_exc()}")
    path = process_setup.workspace_of(arguments) / "log" / "crash.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")  # paths may be other bytes
    except OSError:  # a full or read-only disk may be the cause
        click.echo(text, err=True)
        return exit_codes.BUG
    click.echo(f"error: this is a bug in ablate; please report it, and attach {path.absolute()}", err=True)
    return exit_codes.BUG
