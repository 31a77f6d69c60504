"""The command from Python: as a child process, so that it works without a __main__ guard and in a notebook."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.errors import AblateError

REPEATED = ("retry", "strict")  # options that are given once for each of several values


def arguments(options: dict[str, Any]) -> list[str]:
    """Keyword options as the command line has them."""
    found = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, dict):
            found += [part for k, v in value.items() for part in (flag, f"{k}={_level(v)}")]
        elif isinstance(value, bool):
            found += [flag] if value else []
        elif name in REPEATED and value is not None:
            found += [part for v in ([value] if isinstance(value, str) else value) for part in (flag, v)]
        elif isinstance(value, list | tuple):
            found += [flag, ",".join(map(str, value)) + ("," if name == "seeds" else "")]
        elif value is not None:
            found += [flag, str(value)]
    return found


def _level(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def run(grid: str, **options: Any) -> pd.DataFrame:
    """See `ablation.run`."""
    command = [sys.executable, "-m", "ablation", "run", "--grid", grid, "--json", *arguments(options)]
    child = subprocess.run(command, capture_output=True, text=True)
    if child.returncode not in (0, 1):
        lines = child.stderr.strip().splitlines() or ["no message"]
        raise AblateError(lines[-1].removeprefix("error: "))
    folder = Path(json.loads(child.stdout)["folder"])
    return pd.read_csv(folder / "table.csv", keep_default_na=False, na_values=[""])  # a label may be "NA"
