"""A study of a command that runs for some steps, notes each, and resumes from the last one."""

import sys
from pathlib import Path

from killed_sweep import NOTES

SECONDS = 0.1  # of a step
WORK = """
import json
run, width, seed, folder, place, *resumed = sys.argv[1:]
place, folder = pathlib.Path(place), pathlib.Path(folder)
first = int(pathlib.Path(resumed[0]).read_text()) + 1 if resumed else 1
begin(place, run, first)
for step in range(first, LAST + 1):
    time.sleep(SECONDS)
    note(place, run, f"step {step}")
    (folder / "ckpt.tmp").write_text(str(step))
    (folder / "ckpt.tmp").rename(folder / "ckpt")
(folder / "m.json").write_text(json.dumps({"val": int(width) + int(seed) / 8, "test": int(width) - int(seed) / 8}))
note(place, run, "end")
"""
STUDY = """
select_on = "val_score"
seeds = [0, 1]
[experiment]
command = "PYTHON -S work.py {run} {width} {seed} {folder} PLACE"
resume = "{checkpoint}"
checkpoint = "{folder}/ckpt"
[experiment.results]
file = "{folder}/m.json"
[experiment.results.measures]
val_score = "val"
test_score = "test"
[factorial]
width = WIDTHS
"""


def prepare(place: Path, steps: int, trainings: int) -> Path:
    """Write the study and its command into a folder."""
    (place / "noted").mkdir()
    work = WORK.replace("LAST", str(steps)).replace("SECONDS", str(SECONDS))
    (place / "work.py").write_text(NOTES + work)
    widths = list(range(1, trainings // 2 + 1))  # each with two seeds
    text = STUDY.replace("WIDTHS", str(widths)).replace("PYTHON", sys.executable).replace("PLACE", str(place / "noted"))
    (place / "mine.toml").write_text(text)
    return place
