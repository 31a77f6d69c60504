"""`ablate completion`: real shells load the script from the place where the command wrote it."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import in_process

from ablation.cli.commands import shell_files
from ablation.errors import AblateError

BIN = Path(sys.executable).parent
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, which is the working folder too."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "BASH_COMPLETION_USER_DIR", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(*words: str) -> list[str]:
    """Return the suggestions of the command for the last word."""
    asked = {"_ABLATE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    answer = subprocess.run([BIN / "ablate"], env=os.environ | asked, capture_output=True, text=True, check=True)
    return answer.stdout.splitlines()


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self.shown = descriptor, ""

    def press(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def wait(self, text: str, seconds: float = 60) -> None:
        """Read until the screen shows a text. Blanks are left out: zsh writes and deletes them as it completes."""
        end = time.monotonic() + seconds
        while text not in re.sub(r"\x1b[\[(][0-9;?]*[a-zA-Z=]|\x08|\s", "", self.shown):
            assert time.monotonic() < end, self.shown
            if select.select([self.descriptor], [], [], 0.1)[0]:
                self.shown += os.read(self.descriptor, 65536).decode(errors="replace")


@contextmanager
def started(*command: str) -> Iterator[Terminal]:
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, os.environ | {"TERM": "xterm", "PS1": "ready> "})
    try:
        yield Terminal(descriptor)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(descriptor)


def need(shell: str) -> str:
    return shutil.which(shell) or pytest.skip(f"{shell} is not installed")


def test_bash(home: Path):
    """Loaded by the package bash-completion; the second and third words too."""
    if not BASH_COMPLETION.is_file():
        pytest.skip("bash-completion is not installed")
    printed = in_process("completion", "bash", cwd=home).stdout
    assert str(home / ".local/share/bash-completion/completions/ablate") in printed
    with started(need("bash"), "--norc", "-i") as terminal:
        terminal.press(f"PS1='ready> '; source {BASH_COMPLETION}\n")
        press_and_check(terminal)


def test_bash_without_the_package(home: Path):
    """The line that the command prints loads the script."""
    printed = in_process("completion", "bash", cwd=home).stdout
    with started(need("bash"), "--norc", "-i") as terminal:
        terminal.press(f"{printed.splitlines()[-1].strip()}\n")
        press_and_check(terminal)


def test_zsh(home: Path):
    """The two lines in .zshrc, which are written once, complete each word and not the first one alone."""
    zsh = need("zsh")
    for _ in range(2):
        assert in_process("completion", "zsh", "--rc", cwd=home).returncode == 0
    assert (home / ".zshrc").read_text().splitlines() == list(shell_files.ZSH_LINES)
    with started(zsh, "-i") as terminal:
        press_and_check(terminal)


def test_fish(home: Path):
    """Fish reads the script from its own folder of completions."""
    fish = need("fish")
    assert in_process("completion", "fish", cwd=home).returncode == 0
    answer = subprocess.run([fish, "-c", "complete -C 'ablate run --grid sm'"], capture_output=True, text=True)
    assert answer.stdout.split() == ["smoke"]


def press_and_check(terminal: Terminal) -> None:
    for keys, shown in (("ablate run --gri\t", "--grid"), ("sm\t", "--gridsmoke"), ("--keep sel\t", "--keepselected")):
        terminal.press(keys)
        terminal.wait(shown)


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["ablate", "compl"], ["plain,completion"]),
        (["ablate", "run", "all"], ["plain,all-paper"]),
        (["ablate", "run", "mi"], ["plain,mine.toml"]),
        (["ablate", "run", "sub"], ["plain,sub/other.toml"]),
        (["ablate", "run", "--grid", "heads,pa"], ["plain,heads,paper"]),
        (["ablate", "table", "--name", "st"], ["plain,stored"]),
        (["ablate", "run", "--data", "demo:"], ["plain,demo:production"]),
        (["ablate", "run", "--data", "nothing"], ["file,nothing"]),
        (["ablate", "explain", "leak_s"], ["plain,LEAK_SUBJECT"]),
        (["ablate", "completion", "z"], ["plain,zsh"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_suggestions(home: Path, words: list[str], suggested: list[str]):
    """Commands, studies that are shipped, in files or stored, data sets, codes, and words of an option."""
    for name in ("mine.toml", "pyproject.toml", "sub/other.toml", "runs/stored/study.json"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    assert words_of(*words) == suggested


def test_suggestions_load_nothing_heavy(home: Path):
    """A shell asks at each press of a key."""
    code = (
        "import sys\nfrom ablation.cli.commands import suggestions, run\nimport click\n"
        "context = click.Context(run.run)\n"
        "for suggest in (suggestions.studies, suggestions.stored_names, suggestions.warning_codes):\n"
        "    assert suggest(context, run.run.params[0], '') or suggest is suggestions.stored_names\n"
        "heavy = {'numpy', 'pandas', 'pydantic', 'keras', 'optuna', 'mlflow', 'distributed', 'plotly'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_print_and_remove(home: Path):
    """`--print` writes no file; `--remove` deletes what was written, and leaves other lines of .zshrc."""
    printed = in_process("completion", "zsh", "--print", cwd=home)
    assert printed.stdout.startswith("#compdef ablate\n")
    assert list(home.iterdir()) == []
    (home / ".zshrc").write_text("setopt autocd")
    in_process("completion", "zsh", "--rc", cwd=home)
    assert (home / ".zfunc/_ablate").read_text() == printed.stdout
    removed = in_process("completion", "zsh", "--remove", cwd=home)
    assert (removed.returncode, removed.stdout.count("removed")) == (0, 2)
    assert (home / ".zshrc").read_text() == "setopt autocd\n"
    assert not (home / ".zfunc/_ablate").exists()
    assert "nothing to remove" in in_process("completion", "zsh", "--remove", cwd=home).stdout


@pytest.mark.parametrize(
    ("shell", "variables", "place"),
    [
        ("bash", {"XDG_DATA_HOME": "/x"}, "/x/bash-completion/completions/ablate"),
        ("bash", {"XDG_DATA_HOME": "/x", "BASH_COMPLETION_USER_DIR": "/y"}, "/y/completions/ablate"),
        ("fish", {"XDG_CONFIG_HOME": "/x"}, "/x/fish/completions/ablate.fish"),
    ],
)
@pytest.mark.unit
def test_places_that_variables_name(shell: str, variables: dict[str, str], place: str):
    """The places are those of the shells' own documentation."""
    assert str(shell_files.script_path(shell, variables)) == place


@pytest.mark.unit
def test_the_shell_is_detected():
    """$SHELL decides; an unsupported shell is refused, with what to do."""
    assert shell_files.detect({"SHELL": "/usr/local/bin/fish"}) == "fish"
    for variables, problem in (({"SHELL": "/bin/dash"}, "SHELL=/bin/dash: there is no"), ({}, "SHELL is not set")):
        with pytest.raises(AblateError, match=f"^{problem}.*ablate completion bash, zsh or fish$"):
            shell_files.detect(variables)


@pytest.mark.parametrize("options", [["bash", "--rc"], ["zsh", "--print", "--rc"], ["zsh", "--print", "--remove"]])
def test_options_that_exclude_each_other(home: Path, options: list[str]):
    """One line, and nothing is written."""
    done = in_process("completion", *options, cwd=home)
    assert (done.returncode, len(done.stderr.splitlines()), list(home.iterdir())) == (2, 1, [])


def test_a_file_of_another_program_is_not_replaced(home: Path):
    """The message names the file."""
    path = home / ".zfunc/_ablate"
    path.parent.mkdir()
    path.write_text("echo mine")
    for option in ("--rc", "--remove"):
        done = in_process("completion", "zsh", option, cwd=home)
        assert (done.returncode, str(path) in done.stderr, path.read_text()) == (2, True, "echo mine")
