"""Errors of a command's contract, which all trainings would share: they stop the run before the other trainings."""

import json
from pathlib import Path

from conftest import ablate, in_process, rows

PYTHON = "import json, pathlib, sys, time"
SCRIPT = f"""
{PYTHON}
width, folder, place = int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
with open(place / "starts", "a") as file:
    file.write(f"{{width}}\\n")
wait = place / "wait"
while wait.exists() and (width == 2 or (width == 1 and "2" not in (place / "starts").read_text())):
    time.sleep(0.05)
numbers = json.loads((place / "numbers.json").read_text())[str(width)]
(folder / "m.json").write_text(json.dumps(numbers))
"""
STUDY = """
select_on = "val_score"
[experiment]
command = "PYTHON SCRIPT {width} {folder} PLACE"
[experiment.results]
file = "{folder}/m.json"
[experiment.results.measures]
val_score = "score"
[factorial]
width = [1, 2, 3, 4]
"""
DASK = ["--slots", "cpu:2"]
GOOD, BAD = {"score": 1}, {"scor": 1}


def prepare(
    place: Path, numbers: dict[int, dict[str, float]], script: str = "work.py", python: str = "python3"
) -> Path:
    (place / "numbers.json").write_text(json.dumps(numbers))
    (place / "work.py").write_text(SCRIPT)
    text = STUDY.replace("PYTHON", python).replace("SCRIPT", script).replace("PLACE", str(place))
    (place / "mine.toml").write_text(text)
    return place


def run(place: Path, *more: str) -> tuple[int, str]:
    """Return the exit code, and the last line of standard error."""
    command = ("run", "mine.toml", "-q", "--trackers", "none", *more)
    done = in_process(*command, cwd=place) if "--inline" in more else ablate(*command, cwd=place)
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


def starts(place: Path) -> list[str]:
    path = place / "starts"
    return sorted(path.read_text().split()) if path.exists() else []


def failures(place: Path) -> int:
    return len(list(place.glob("runs/trained/*/failure.json")))


def test_a_missing_field_stops_the_run(tmp_path: Path):
    """The first training shows it: exit code 2, one line, and no other training is started. It is written down."""
    place = prepare(tmp_path, dict.fromkeys(range(1, 5), BAD))
    code, line = run(place, "--inline")
    assert code == 2
    assert "row 1: results.measures.val_score: " in line
    assert "has no number 'score'; it has scor; no training of this study has succeeded" in line
    assert (starts(place), failures(place)) == (["1"], 1)
    assert not (place / "runs/mine/table.csv").exists()
    prepare(tmp_path, dict.fromkeys(range(1, 5), GOOD))
    assert run(place, "--inline")[0] == 0
    assert starts(place) == ["1", "1", "2", "3", "4"]


def test_a_missing_program_stops_the_run(tmp_path: Path):
    """Exit code 127 says that nothing could be started."""
    place = prepare(tmp_path, {}, python="no-such-program")
    code, line = run(place, "--inline")
    assert (code, failures(place)) == (2, 1)
    assert "no-such-program: cannot be started: No such file or directory" in line


def test_a_missing_script_fails_its_rows(tmp_path: Path):
    """Python's exit code 2 is one of a usual failure: the program was started, and may fail for a row alone."""
    place = prepare(tmp_path, {}, script="wrok.py")
    assert run(place, "--inline")[0] == 1
    assert failures(place) == 4


def test_a_later_error_fails_its_row(tmp_path: Path):
    """An error after a training has succeeded fails its row alone; also where it succeeded in an earlier run."""
    place = prepare(tmp_path, {1: GOOD, 2: BAD, 3: GOOD, 4: BAD})
    assert run(place, "--inline")[0] == 1
    assert [line["outcome"] for line in rows(place / "runs/mine")] == ["done", "failed", "done", "failed"]
    prepare(tmp_path, dict.fromkeys(range(1, 5), BAD))
    assert run(place, "--inline")[0] == 1
    assert starts(place) == ["1", "2", "2", "3", "4", "4"]


def test_running_trainings_are_asked_to_stop(tmp_path: Path):
    """The second training, on another worker, is interrupted when the first one fails, which is no failure of its
    own."""
    place = prepare(tmp_path, dict.fromkeys(range(1, 5), BAD))
    (place / "wait").touch()
    code, line = run(place, *DASK)
    assert code == 2
    assert "row 1: results.measures.val_score: " in line
    assert (starts(place), failures(place)) == (["1", "2"], 1)
    (place / "wait").unlink()
    prepare(tmp_path, dict.fromkeys(range(1, 5), GOOD))
    code, line = run(place, *DASK)
    assert (code, failures(place)) == (0, 0), line
