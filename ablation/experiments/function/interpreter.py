"""Interpreter of a user's function, and the arguments by which it starts a child."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ablation.errors import AblateError

# The folder of `ablate_child` is on the path only while its modules are loaded: user's modules may have any name.
BOOT = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; sys.path.insert(0, sys.argv[1]); "
    "from ablate_child import serve; sys.path.pop(0); serve.main(sys.argv[2:])"
)
FOLDER = Path(__file__).parent


def of_study(stated: str, path: Path) -> str:
    """Return the interpreter of a study's function: the stated one, that of `.venv` next to the study file, that of the
    active environment, otherwise this one.

    Raises AblateError where the stated one is missing.
    """
    if stated:
        python = path.parent / os.path.expanduser(stated)
        if not (python.is_file() and os.access(python, os.X_OK)):
            raise AblateError(
                f"{path}: experiment.python: {python} is no program; state the path of an interpreter, as in "
                "~/envs/torch/bin/python"
            )
        return os.path.abspath(python)  # links stay: the path of its interpreter identifies an environment
    active = [os.environ.get(name, "") for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    folders = [path.parent / ".venv", *map(Path, filter(None, active))]
    candidates = [Path(os.path.abspath(folder)) / "bin" / "python" for folder in folders]
    return next((str(python) for python in candidates if python.is_file()), sys.executable)


def arguments(python: str, *action: str) -> Sequence[str]:
    """Return the arguments of a child. `action`: see `ablate_child/serve.py`."""
    return [python, "-c", BOOT, str(FOLDER), *action]
