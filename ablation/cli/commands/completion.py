"""`ablate completion`: install the completion of commands, options and studies in a shell."""

import os
import shlex
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from ablation.cli.commands import shell_files
from ablation.cli.commands.choice import Choice
from ablation.errors import AblateError

# zsh reads the file _ablate anew at each call; click's script completes at the first one alone.
FIRST_CALL = "$zsh_eval_context[-1] == loadautofunc"


@click.command()
@click.argument("shell", type=Choice(list(shell_files.SHELLS)), required=False)
@click.option("--print", "as_text", is_flag=True, help="Print the script, and write nothing.")
@click.option("--rc", is_flag=True, help="Also write the two lines that zsh needs into .zshrc.")
@click.option("--remove", is_flag=True, help="Delete what this command has written.")
def completion(shell: str | None, as_text: bool, rc: bool, remove: bool) -> int:
    """Install the completion of commands, options, their words and studies in your shell.

    SHELL is bash, zsh or fish; default: the shell that $SHELL names. The script is written where the shell looks.

    \b
    ablate completion
    ablate completion zsh --rc
    ablate completion bash --print
    ablate completion --remove
    """
    if as_text and (rc or remove):
        raise AblateError("--print writes nothing; leave out --rc and --remove")
    name = shell or shell_files.detect(os.environ)
    if rc and name != "zsh":
        raise AblateError(f"--rc: is of zsh; {name} needs no line in its start file")
    if as_text:
        click.echo(_script(name), nl=False)
    elif remove:
        _remove(name, shell_files.script_path(name, os.environ))
    else:
        _install(name, shell_files.script_path(name, os.environ), rc)
    return 0


def _script(shell: str) -> str:
    from ablation.cli import cli  # this command is part of it

    complete_class = get_completion_class(shell)
    assert complete_class
    script = complete_class(cli, {}, "ablate", shell_files.MARK).source().rstrip() + "\n"
    return script.replace(FIRST_CALL, f"{FIRST_CALL} || $funcstack[1] == _ablate")


def _install(shell: str, path: Path, rc: bool) -> None:
    shell_files.install(path, _script(shell))
    click.echo(f"wrote {path}")
    if shell == "fish":
        click.echo("new shells complete `ablate`; this one does too")
    elif shell == "bash":
        click.echo("new shells complete `ablate` where the package bash-completion is installed; here, and otherwise")
        click.echo(f"in ~/.bashrc:\n  source {shlex.quote(str(path))}")
    else:
        _say_zsh(rc)


def _say_zsh(rc: bool) -> None:
    place = shell_files.zshrc(os.environ)
    if rc:
        has_added = shell_files.add_lines(place)
        click.echo(f"wrote two lines into {place}" if has_added else f"{place} has its two lines already")
    else:
        click.echo(f"zsh needs these two lines in {place} (`ablate completion zsh --rc` writes them):")
        click.echo("\n".join(f"  {line}" for line in shell_files.ZSH_LINES))
    click.echo("then start a new shell: exec zsh")


def _remove(shell: str, path: Path) -> None:
    removed = [path] if shell_files.remove(path) else []
    if shell == "zsh" and shell_files.remove_lines(place := shell_files.zshrc(os.environ)):
        removed.append(place)
        click.echo(f"removed two lines from {place}")
    if path in removed:
        click.echo(f"removed {path}")
    if not removed:
        click.echo(f"nothing to remove: no {path}")
