"""Types of the Python interface, as a type checker of a user sees them."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SCRIPT = """
from pathlib import Path
import numpy as np
import ablation
reveal_type(ablation.run("paper", seeds=range(3), set={"a": np.float32(0.5), "b": [8, 4]}, data=Path("d"), inline=True))
study = ablation.open("runs/paper")
reveal_type(study)
reveal_type(study.table)
reveal_type(study.compare(3, "label"))
reveal_type(study.claims)
reveal_type(study.latex(style="siunitx"))
ablation.run("paper", sed=3)
ablation.run("paper", inline="yes")
ablation.run("paper", seeds=object())
ablation.open(3)
"""
FRAME, REVEALED = "pandas.core.frame.DataFrame", 'note: Revealed type is "{}"'
EXPECTED = {
    5: REVEALED.format(FRAME),
    7: REVEALED.format("ablation.api.study.Study"),
    8: REVEALED.format(FRAME),
    9: REVEALED.format(FRAME),
    10: REVEALED.format("tuple[str, ...]"),
    11: REVEALED.format("str"),
    12: 'error: Unexpected keyword argument "sed" for "run"',
    13: 'error: Argument "inline" to "run" has incompatible type "str"',
    14: 'error: Argument "seeds" to "run" has incompatible type "object"',
    15: 'error: Argument 1 to "open" has incompatible type "int"',
}


def test_a_type_checker_knows_arguments_and_results(tmp_path: Path, pytestconfig: pytest.Config):
    """Values of NumPy, ranges and paths are accepted; unknown options and wrong types are errors before any run."""
    (tmp_path / "script.py").write_text(SCRIPT)
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache.mkdir("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", cache, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = {int(line.split(":")[1]): line.split(": ", 1)[1] for line in reversed(done.stdout.splitlines()[:-1])}
    assert set(lines) == set(EXPECTED), done.stdout + done.stderr
    assert [number for number, text in EXPECTED.items() if not lines[number].startswith(text)] == []


def test_the_import_is_fast():
    """`import ablation` loads none of the libraries of runs and studies."""
    heavy = {"pandas", "numpy", "plotly", "openpyxl", "pydantic", "click", "mlflow", "optuna"}
    code = f"import ablation, sys\nprint(ablation.run, ablation.open, {heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.endswith(" set()\n"), done.stderr
