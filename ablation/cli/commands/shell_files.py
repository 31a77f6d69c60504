"""Files from which shells load the completion of `ablate`: the script of each shell, and the lines of .zshrc."""

import os
from collections.abc import Mapping
from pathlib import Path

from ablation.errors import AblateError
from ablation.store.files import write_text

SHELLS = ("bash", "zsh", "fish")
MARK = "_ABLATE_COMPLETE"  # in each script; another file under its name is not replaced
NOTE = "  # ablate completion"
ZSH_LINES = (f"fpath+=(~/.zfunc){NOTE}", f"autoload -Uz compinit && compinit{NOTE}")


def detect(environment: Mapping[str, str]) -> str:
    """Return the user's shell by $SHELL. Raises AblateError for one without a completion."""
    path = environment.get("SHELL", "")
    if (name := Path(path).name) in SHELLS:
        return name
    problem = f"SHELL={path}: there is no completion for this shell" if path else "SHELL is not set"
    raise AblateError(f"{problem}; name one: ablate completion {', '.join(SHELLS[:-1])} or {SHELLS[-1]}")


def script_path(shell: str, environment: Mapping[str, str]) -> Path:
    """Return the file from which a shell loads the completion of `ablate`."""

    def base(variable: str, default: str) -> Path:
        return Path(environment.get(variable) or Path.home() / default)

    if shell == "bash":
        folder = environment.get("BASH_COMPLETION_USER_DIR", "").partition(":")[0]
        return Path(folder or base("XDG_DATA_HOME", ".local/share") / "bash-completion") / "completions" / "ablate"
    if shell == "zsh":
        return Path.home() / ".zfunc" / "_ablate"
    return base("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / "ablate.fish"


def zshrc(environment: Mapping[str, str]) -> Path:
    """Return the file that zsh reads at its start."""
    return Path(environment.get("ZDOTDIR") or Path.home()) / ".zshrc"


def install(path: Path, script: str) -> None:
    """Write the script of a shell. Raises AblateError where another program's file has its name."""
    _refuse_foreign(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, script)


def remove(path: Path) -> bool:
    """Delete the script of a shell, and return whether there was one."""
    _refuse_foreign(path)
    if not path.exists():
        return False
    path.unlink()
    return True


def _refuse_foreign(path: Path) -> None:
    if os.path.lexists(path) and not (path.is_file() and MARK in path.read_text(encoding="utf-8", errors="replace")):
        raise AblateError(f"{path}: is not a script of `ablate completion`; move it, then run the command again")


def add_lines(path: Path) -> bool:
    """Append the lines for zsh to .zshrc where they are missing, and return whether they were."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    if ZSH_LINES[0] in text:
        return False
    begin = "" if text.endswith("\n") or not text else "\n"
    with open(path, "a", encoding="utf-8") as file:
        file.write(begin + "".join(f"{line}\n" for line in ZSH_LINES))
    return True


def remove_lines(path: Path) -> bool:
    """Delete the lines for zsh from .zshrc, and return whether there were any."""
    if not path.exists():
        return False
    content = path.read_bytes()
    kept = [line for line in content.splitlines(keepends=True) if not line.rstrip().endswith(NOTE.strip().encode())]
    if len(kept) == len(content.splitlines()):
        return False
    path.write_bytes(b"".join(kept))  # not replaced by a new file: it may be a link to a user's settings
    return True
