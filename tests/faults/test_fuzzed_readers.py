"""Every reader gives a value, or one line that names the file, whatever bytes a file has."""

import json
import random
import tempfile
import warnings
from pathlib import Path

import optuna
import pytest
from fault_series import WHOLE, Series
from fuzz_samples import Sample, databases, place_files, samples
from hostile_files import EDITS, JSON, edited, is_refused, mutated, written
from hypothesis import HealthCheck, given, settings
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ablation.study import study_file
from ablation.study.study_keys import StudyKeys

SAMPLES = samples()
EACH = 2_000 if WHOLE else 12  # mutations of each file
SETTINGS = settings(max_examples=EACH, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
KEYS = sorted({info.alias or name for name, info in StudyKeys.model_fields.items()})
pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, on content that they can read in part


def read_all(place: Path, files: Sample, draw: random.Random) -> tuple[int, int]:
    """Change each file of a sample, and read it. Return how many changes were made, and how many were refused."""
    contents, read = files
    n_refused = 0
    for name, content in contents.items():
        for _ in range(EACH):
            place_files(place, contents)
            path = place / name
            path.write_bytes(mutated(path, draw))
            n_refused += is_refused(lambda path=path: read(path), path.name, str(place))  # type: ignore[misc]
        (place / name).write_bytes(content)
    return len(contents) * EACH, n_refused


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_changed_file_is_read_or_refused(tmp_path: Path, kind: str):
    """Bytes that were flipped, cut and inserted, and values of other types: no other exception, nothing that hangs."""
    n, n_refused = read_all(tmp_path, SAMPLES[kind], random.Random(kind))
    Series(f"changed files: {kind}", n, repeated=f"{n_refused} refused").record()


def test_a_changed_store_is_read_or_refused(tmp_path: Path):
    """The database of MLflow and the journal of Optuna too; the source itself stays as it is."""
    for kind, sample in databases(tmp_path, journal()).items():
        n, n_refused = read_all(tmp_path / kind, sample, random.Random(kind))
        Series(f"changed files: {kind}", n, repeated=f"{n_refused} refused").record()


def journal() -> bytes:
    """A journal of Optuna with one trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        path = Path(place) / "j.log"
        study = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="s")
        study.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=1)
        return path.read_bytes()


TEXT_FILES = [
    ("study files", "command.toml"),
    ("tables", "a.csv"),
    ("tables", "a.jsonl"),
    ("results of a command", "m.json"),
    ("files of a function", "val-1.npz"),
    ("arrays of images", "a.npz"),
    ("images", "image.png"),
]


@pytest.mark.parametrize(("kind", "name"), TEXT_FILES)
def test_edits_that_hypothesis_chooses(tmp_path_factory: pytest.TempPathFactory, kind: str, name: str):
    """The same, with the smallest change that a reader does not take, where there is one."""
    contents, read = SAMPLES[kind]
    place = tmp_path_factory.mktemp("edits")
    place_files(place, contents)

    @SETTINGS
    @given(EDITS)
    def check(edits: list[tuple[float, int, bytes]]) -> None:
        path = written(place / name, edited(contents[name], edits))
        is_refused(lambda: read(path), name, str(place))

    check()


@pytest.mark.parametrize("key", KEYS)
def test_any_value_under_a_key_of_a_study(tmp_path_factory: pytest.TempPathFactory, key: str):
    """A study file with any value of TOML under any key is a study, or is refused by name."""
    place = tmp_path_factory.mktemp("keys")

    @SETTINGS
    @given(JSON)
    def check(value: object) -> None:
        others = {"rows": [{"dropout": 0.5}]} if key not in ("rows", "factorial", "one_at_a_time") else {}
        path = written(place / "s.toml", toml({**others, key: value}).encode(errors="replace"))
        is_refused(lambda: study_file.read(str(path)), str(path))

    check()


def toml(content: dict[str, object]) -> str:
    """Text of TOML for a mapping; null is left out."""
    return "\n".join(f"{json.dumps(key)} = {inline(value)}" for key, value in content.items() if value is not None)


def inline(value: object) -> str:
    """Text of TOML for one value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {inline(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(member) for member in value if member is not None) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value).replace("\x7f", "\\u007f")


LEVELS = {"nan": "nan", "inf": "inf", "a list with nan": "[1, nan]", "minus infinity": "-inf"}


@pytest.mark.parametrize("form", LEVELS)
@pytest.mark.parametrize("place", ["one_at_a_time", "fixed", "default"])
def test_a_level_that_is_not_finite_is_refused(tmp_path: Path, form: str, place: str):
    """NaN equals nothing, and JSON has neither: no row can have such a level."""
    levels = {
        "one_at_a_time": "[one_at_a_time]\nlr = [0.2, {}]\n",
        "fixed": "[fixed]\nlr = {}\n[one_at_a_time]\nb = [1, 2]\n",
        "default": "[one_at_a_time]\nb = [1, 2]\n",
    }
    default = LEVELS[form] if place == "default" else "0.1"
    text = (
        'select_on = "val_a"\n[experiment]\ncommand = "x {lr} {b}"\n[experiment.factors]\n'
        f'lr = {{ default = {default} }}\nb = {{ default = 0 }}\n[experiment.results]\nfile = "{{folder}}/m.json"\n'
        + levels[place].replace("{}", LEVELS[form])
    )
    path = written(tmp_path / "s.toml", text.encode())
    assert is_refused(lambda: study_file.read(str(path)), str(path))


PATHS = {
    "long": ("p" * 5000, "a path in it cannot be used"),
    "zero": ("a\\u0000b", "zero character"),
}


@pytest.mark.parametrize("key", ["cwd", "command", "function", "python"])
@pytest.mark.parametrize("form", PATHS)
def test_a_path_that_no_system_takes_is_refused(tmp_path: Path, key: str, form: str):
    """A name of 5,000 letters, and one with the character 0, are refused in each key that is a path."""
    text, _ = PATHS[form]
    stated = {"command": '"python train.py"', "function": '"train.py:train"'}
    kind = key if key in stated else "function" if key == "python" else "command"
    value = {"function": f'"{text}.py:train"'}.get(key, f'"{text}"')
    lines = {kind: stated[kind], key: value}
    written(tmp_path / "train.py", b"def train(a=1): return {}\n")
    experiment = "".join(f"{name} = {value}\n" for name, value in lines.items())
    results = '[experiment.results]\nfile = "{folder}/m.json"\n' if kind == "command" else ""
    path = written(
        tmp_path / "s.toml", f'select_on = "none"\n[experiment]\n{experiment}{results}[[rows]]\na = 1\n'.encode()
    )
    is_refused(lambda: study_file.read(str(path)), str(path))
