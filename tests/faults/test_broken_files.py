"""Broken files of a workspace: any of them is found, set aside and made again, and none is believed."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import function_study
import pytest
from conftest import STUDY, in_process, rows
from fault_series import WHOLE, Series

from ablation.store import header
from ablation.store.files import read_json

RUN = ("run", "mine.toml", "--inline", "-q", "--trackers", "none")
LEFT_OUT = (
    "lock", "log", "run.log", "set-aside",  # no result rests on them
    "mlartifacts", "optuna.db", "mlflow.db",  # test_broken_databases.py
    "child", "deleted.json",  # files of the user's experiment, and the names of those that were deleted
)  # fmt: skip
LATER = ("attempts.jsonl", "head-2.weights.h5")  # files that a finished study does not read
ARMS = (("baseline", 0.0), ("wide", 0.05))
MIXED = """
[import]
from = "old.csv"
factors = ["width", "epochs"]
seed = "seed"
metrics = { val_score = "val", test_score = "test" }
"""
KEPT = {("selection.json", "of another training")}  # a selection of rows that are gone is remembered, whoever wrote it
Damage = Callable[[Path, list[Path]], bytes]


def flipped(path: Path, _: list[Path]) -> bytes:
    """Change one bit in the middle: of a digit of a JSON file, so that the file stays one."""
    content = bytearray(path.read_bytes())
    digits = [i for i, byte in enumerate(content) if chr(byte).isdigit()] if path.suffix == ".json" else []
    place = digits[len(digits) // 2] if digits else len(content) // 2
    content[place] ^= 1
    return bytes(content)


def foreign(path: Path, others: list[Path]) -> bytes:
    """Return the content of a file of the same name of another training or study."""
    return next(other for other in others if other.name == path.name and other != path).read_bytes()


DAMAGES: dict[str, Damage] = {
    "empty": lambda path, _: b"",
    "cut": lambda path, _: path.read_bytes()[: path.stat().st_size // 2],
    "random bytes": lambda path, _: bytes(range(256)) * 8,
    "one bit": flipped,
    "of another training": foreign,
    "a folder": lambda path, _: b"",
}


def files(place: Path) -> list[Path]:
    """Return the files of the workspace that a run of the study may read."""
    of_study = {line["trials"].partition("-")[0] for line in rows(place / "runs/mine")}
    paths = sorted(path for path in (place / "runs").rglob("*") if path.is_file() and path.stat().st_size)
    return [
        path for path in paths
        if not set(parts := path.relative_to(place).parts) & {*LEFT_OUT, "other"}
        and (parts[1] != "trained" or parts[2] in {*of_study, "aliases.json"})
    ]  # fmt: skip


def cases(place: Path, part: int) -> Iterator[tuple[Path, str]]:
    """Yield pairs of a file and a damage that can be done to it: all, or by default one in `part`."""
    paths = files(place)
    every = [
        (path.relative_to(place), damage) for path in paths for damage in DAMAGES
        if (damage != "of another training" or [p.name for p in paths].count(path.name) > 1)
        and (damage != "a folder" or "trained" in path.parts or path.name in ("study.json", "selection.json"))
    ]  # fmt: skip
    yield from (case for case in every[:: 1 if WHOLE else part] if (case[0].name, case[1]) not in KEPT)


def faults(place: Path, path: Path, damage: str, command: Sequence[str]) -> list[str]:
    """Break one file, repeat the command, and return what is wrong then."""
    tables = {p: p.read_bytes() for p in place.glob("runs/mine/table.*") if p.suffix != ".html"}
    content = DAMAGES[damage](place / path, files(place))
    if damage == "a folder":
        (place / path).unlink()
        (place / path).mkdir()
    else:
        (place / path).write_bytes(content)
    done = in_process(*command, cwd=place)
    wrong = [f"exit code {done.returncode}: {done.stderr[-300:]}"] * (done.returncode != 0)
    wrong += [f"{p.name} differs" for p, before in tables.items() if p.read_bytes() != before]
    is_read = path.name not in LATER and not {"features", "imported"} & set(path.parts)
    if is_read and (place / path).exists() and ((place / path).is_dir() or (place / path).read_bytes() == content):
        wrong.append("the broken file is still in its place")
    return wrong + ["a traceback"] * ("Traceback" in done.stderr)


def break_each(
    original: Path, place: Path, title: str, part: int, command: Sequence[str] = RUN
) -> dict[str, list[str]]:
    """Break one file at a time in a copy of a folder, and repeat the command of its study.

    Return file and damage -> what is wrong then.
    """
    wrong, chosen = {}, list(cases(original, part))
    for path, damage in chosen:
        shutil.copytree(original, place)
        if errors := faults(place, path, damage, command):
            wrong[f"{path}: {damage}"] = errors
        shutil.rmtree(place)
    Series(f"a broken file, {title}", len(chosen), len(wrong), "the training of the file").record()
    return wrong


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of a function that was run, and of a second one that shares two trainings with it."""
    place = tmp_path_factory.mktemp("functions")
    (place / "loop.py").write_text(function_study.LOOP)
    (place / "mine.toml").write_text(function_study.STUDY)
    (place / "other.toml").write_text(function_study.STUDY.replace("[1, 2]", "[2, 3]"))
    for name in ("other", "mine"):
        done = in_process("run", f"{name}.toml", *RUN[2:], cwd=place)
        assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory, npz: Path) -> Path:
    """A folder with a study of the Keras experiment that was run."""
    place = tmp_path_factory.mktemp("heads")
    shutil.copy(npz, place / "tiny.npz")
    (place / "mine.toml").write_text(STUDY.replace("epochs = [1, 3]", "epochs = [1, 2]"))
    done = in_process(*RUN, "--data", "tiny.npz", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def test_each_file_of_functions(functions: Path, tmp_path: Path):
    """One file at a time is empty, cut, random, changed by one bit, or of another training: the run ends well, the
    tables are the same bytes, and the broken file is gone."""
    wrong = break_each(functions, tmp_path / "copy", "study of a function", 11)
    assert not wrong, json.dumps(wrong, indent=1)


def test_each_file_of_heads(heads: Path, tmp_path: Path):
    """The same for images, splits, features and predictions of the Keras experiment."""
    run = (*RUN, "--data", "tiny.npz")
    wrong = break_each(heads, tmp_path / "copy", "study of the Keras experiment", 23, run)
    assert not wrong, json.dumps(wrong, indent=1)


def test_each_file_of_imported_results(tmp_path: Path):
    """The same for results that were imported: the import is repeated."""
    place = tmp_path / "original"
    place.mkdir()
    lines = ["arm,seed,acc", *(f"{arm},{seed},{0.8 + seed / 90 + gain}" for arm, gain in ARMS for seed in range(3))]
    (place / "mine.csv").write_text("\n".join(lines) + "\n")
    command = ("import", "mine.csv", "--factors", "arm", "--seed", "seed", "--metric", "acc", "-q")
    assert in_process(*command, cwd=place).returncode == 0
    wrong = break_each(place, tmp_path / "copy", "imported results", 19, command)
    assert not wrong, json.dumps(wrong, indent=1)


def test_each_file_of_a_mixed_study(tmp_path: Path):
    """The same where some trials are imported and the others trained: lost results are read from the source again."""
    place = tmp_path / "original"
    place.mkdir()
    (place / "loop.py").write_text(function_study.LOOP)
    (place / "old.csv").write_text("width,epochs,seed,val,test\n1,2,0,0.5,0.25\n1,2,1,0.75,0.5\n")
    (place / "mine.toml").write_text(function_study.STUDY + MIXED)
    assert in_process(*RUN, cwd=place).returncode == 0
    wrong = break_each(place, tmp_path / "copy", "study with imported rows", 19)
    assert not wrong, json.dumps(wrong, indent=1)


def test_files_that_further_rows_read(heads: Path, tmp_path: Path):
    """Features and attempts are looked at before a further row is trained from them: they are made again."""
    more = (heads / "mine.toml").read_text().replace("[1, 2]", "[1, 2, 3]")
    tables = []
    for damage in (None, *list(DAMAGES)[:5])[: 6 if WHOLE else 3]:
        place = Path(shutil.copytree(heads, tmp_path / str(damage)))
        (place / "mine.toml").write_text(more)
        patterns = ("cache/features/*.npy", "cache/features/*.json", "trained/*/attempts.jsonl")
        for path in [path for pattern in patterns for path in sorted((place / "runs").glob(pattern))]:
            if damage and (damage != "of another training" or path.name == "attempts.jsonl"):
                path.write_bytes(DAMAGES[damage](path, files(place)))
        done = in_process(*RUN, "--data", "tiny.npz", cwd=place)
        assert done.returncode == 0, done.stderr
        tables.append((place / "runs/mine/table.csv").read_bytes())
    assert len(set(tables)) == 1


def test_weights_that_were_changed_evaluate_nothing(heads: Path, tmp_path: Path):
    """Kept weights are compared with their digest: changed ones are set aside, and the row is retrained."""
    place = Path(shutil.copytree(heads, tmp_path / "copy"))
    evaluate = ("evaluate", "mine", "--data", "tiny.npz", "--inline")
    before = in_process(*evaluate, cwd=place)
    (weights,) = place.glob("runs/trained/*/head-*.weights.h5")
    weights.write_bytes(flipped(weights, []))
    after = in_process(*evaluate, cwd=place)
    assert (before.returncode, after.returncode) == (0, 0), before.stderr + after.stderr
    assert after.stdout == before.stdout
    assert f"{weights.name}: changed since it was written; the file is moved to runs/set-aside/" in after.stderr
    assert "predicts as before, bit for bit" in after.stderr


def test_what_is_set_aside_is_named(functions: Path, tmp_path: Path):
    """A note names the file, what is wrong with it and its new place, where it is complete; `clean` deletes it."""
    place = Path(shutil.copytree(functions, tmp_path / "copy"))
    key = rows(place / "runs/mine")[0]["trials"].partition("-")[0]
    path = place / f"runs/trained/{key}/result-2.json"
    path.write_text(path.read_text().replace("0.", "0.9", 1))
    before = path.read_bytes()
    done = in_process("run", "mine.toml", "--inline", "--trackers", "none", cwd=place)
    assert done.returncode == 0, done.stderr
    moved = f"runs/set-aside/trained/{key}"
    note = f"note: runs/trained/{key}/result-2.json: changed since it was written; its training is moved to {moved}, "
    assert f"{note}and its work is done again" in done.stderr
    assert (place / moved / "result-2.json").read_bytes() == before
    done = in_process("clean", cwd=place)
    assert "set-aside" in done.stdout


def test_other_commands_say_how_to_mend_it(functions: Path, tmp_path: Path):
    """`table` and `report` change nothing: one line says which command sets the file aside."""
    place = Path(shutil.copytree(functions, tmp_path / "copy"))
    (place / "runs/mine/selection.json").write_text("{")
    done = in_process("table", "mine", cwd=place)
    line = done.stderr.strip()
    assert done.returncode == 2
    assert line.startswith("error: runs/mine/selection.json: not valid JSON; repeat the command that wrote it")


def test_files_of_a_newer_version(functions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Files of a newer version are refused by name and left as they are: this version does not know their meaning."""
    for path in ("runs/mine/study.json", "runs/mine/study-files.jsonl"):
        place = Path(shutil.copytree(functions, tmp_path / Path(path).name))
        text = (place / path).read_text().replace('"schema": 2', '"schema": 3')
        if path.endswith(".json"):
            with monkeypatch.context() as newer:
                newer.setattr(header, "FORM", 3)
                text = header.with_header(place / path, read_json(place / path) or {})
        (place / path).write_text(text)
        done = in_process(*RUN, cwd=place)
        assert done.returncode == 2
        assert f"{path}: written by a newer version of ablate (schema 3; this version reads up to 2)" in done.stderr
        assert (place / path).read_text() == text


def test_every_file_states_its_version(functions: Path, heads: Path):
    """Each JSON file and each line of a JSON Lines file holds the version of its form: what is drawn anew needs none,
    and a child's files have those of its protocol."""
    for path in [*files(functions), *files(heads)]:
        if path.suffix not in (".json", ".jsonl") or path.name == "warnings.json":
            continue
        texts = path.read_text().split("\n")[:-1] if path.suffix == ".jsonl" else [path.read_text()]
        for content in map(json.loads, texts):
            assert content.get("$ablate", content).get("schema") == header.FORM, path
