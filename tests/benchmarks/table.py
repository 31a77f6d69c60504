"""What `ablate table` costs: made-up studies of N rows and 5,431 test images, with all the files of real ones.

    python tests/benchmarks/table.py [--rows 100 1000]

N is a multiple of 10, and of 100 above that: a full product of dropout, learning rate and, above 100, epochs. Each
command runs in a process of its own. make: writing the study. table: the whole command; gather: all statistics alone
(findings.gather), the files' reading included. Seconds are the clock's; the peak is of resident memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import synthetic

from ablation.analysis import selection, study_analysis
from ablation.store import record
from ablation.store.workspace import Workspace
from ablation.study import study_file

NAME = "many"
HEADINGS = ("rows", "contrasts", "make s", "table s", "table MiB", "gather s", "gather MiB")


def _write_study(place: Path, rows: int) -> None:
    """Accuracies between 93 and 96 %."""
    epochs = f"epochs = {list(range(1, rows // 100 + 1))}\n" if rows > 100 else ""
    dropout, rates = (
        [round(0.05 * i, 2) for i in range(10)],
        [round(1e-4 * (1 + i), 6) for i in range(min(rows // 10, 10))],
    )
    path = place / f"{NAME}.toml"
    path.write_text(f"[factorial]\ndropout = {dropout}\nlearning_rate = {rates}\n{epochs}")
    accuracy = {row: (0.99, 0.93 + 0.03 * (row % 17) / 17, 0.93 + 0.03 * (row % 13) / 13) for row in range(1, rows + 1)}
    study = synthetic.study(place / "runs", study_file.read(str(path)), accuracy)
    workspace = Workspace(place / "runs")
    chosen = selection.select(workspace, study, study_analysis.done(study_analysis.collect(workspace, study)))
    assert chosen
    selection.seal(workspace.study(NAME), chosen)


def _gather(place: Path) -> None:
    """Print the number of contrasts."""
    workspace = Workspace(place)
    study = record.need(workspace, NAME)
    sealed = selection.read(workspace, study)
    analysis = study_analysis.gather(workspace, study, study_analysis.collect(workspace, study), sealed).analysis
    print(len(analysis.contrasts))


def _timed(*command: str) -> tuple[float, float, str]:
    """Return seconds, the most MiB, and the last word that was printed."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, *command], stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        spent = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        assert child.returncode == 0, output.read()
        kib = used.ru_maxrss / 1024 if sys.platform == "darwin" else used.ru_maxrss  # bytes there
        return spent, kib / 1024, output.read().split()[-1]


def _measure(rows: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        place, began = Path(folder), time.perf_counter()
        _write_study(place, rows)
        made, runs = time.perf_counter() - began, str(place / "runs")
        drawn = _timed("-m", "ablation", "table", "--grid", str(place / f"{NAME}.toml"), "--workspace", runs)
        gathered = _timed(__file__, "--gather", runs)
    numbers = [f"{made:.1f}", f"{drawn[0]:.1f}", f"{drawn[1]:.0f}", f"{gathered[0]:.1f}", f"{gathered[1]:.0f}"]
    return [str(rows), gathered[2], *numbers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--gather", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.gather:
        _gather(asked.gather)
        return
    print("".join(f"{heading:>12}" for heading in HEADINGS), flush=True)
    for rows in asked.rows:
        print("".join(f"{cell:>12}" for cell in _measure(rows)), flush=True)


if __name__ == "__main__":
    main()
