"""Malformed study files and JSON files of a workspace, a form a test: one line that names the file, exit 2."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import rows, write_npz

from ablation import cli
from ablation.errors import AblateError
from ablation.study import study_file

# ---- study files


ROW = "[[rows]]\ndropout = 0.5\n"
STUDIES = {
    "mark": ROW.encode("utf-8-sig"),
    "crlf": ROW.replace("\n", "\r\n").encode(),
    "no line end": ROW.rstrip().encode(),
    "5 MB": b"# " + b"x" * 5_000_000 + b"\n" + ROW.encode(),
}
STUDIES_REFUSED = {
    "utf-16": (ROW.encode("utf-16"), "not valid TOML: it is not UTF-8 text"),
    "latin-1": ("title = 'Gr\xf6\xdfe'\n".encode("latin-1"), "not valid TOML: it is not UTF-8 text"),
    "lone cr": (ROW.replace("\n", "\r").encode(), "not valid TOML: "),
    "a key twice": (b"title = 'a'\ntitle = 'b'\n", "not valid TOML: Cannot overwrite a value (at line 2, "),
    "a table twice": (b"[fixed]\n[fixed]\n", "not valid TOML: Cannot declare ('fixed',) twice (at line 2, "),
    "a design twice": (
        b"[factorial]\nepochs = [1]\n[factorial]\n",
        "not valid TOML: Cannot declare ('factorial',) twice",
    ),
    "an unknown table": (b"[settings]\n" + ROW.encode(), "unknown key 'settings'; known: title, "),
    "a cut file": (b"[[rows]]\nlabel = 'a", "not valid TOML: "),
    "nothing": (b"", "one design is needed, found none; allowed: rows, "),
    "JSON": (b'{"rows": []}', "not valid TOML: "),
    "zero bytes": (b"\0" * 100, "not valid TOML: "),
    "deep tables": (
        b"a = " + b"{a=" * 3000 + b"1" + b"}" * 3000,
        "not a valid study: lists or tables are nested too deep",
    ),
    "dotted keys": (b".".join([b"a"] * 3000) + b" = 1\n", "unknown key 'a'; known: title, "),
    "no number": (b"equivalence_margin = nan\n" + ROW.encode(), "equivalence_margin: nan is not allowed; allowed: "),
    "a margin of no number": (b"equivalence_margin = { accuracy = -1 }\n" + ROW.encode(), "equivalence_margin: {"),
    "a margin of no measure": (
        b"equivalence_margin = { acc = 0.1 }\n" + ROW.encode(),
        "equivalence_margin: unknown measure 'acc'; known: ",
    ),
    "a margin of another measure": (
        b"equivalence_margin = { macro_f1 = 0.1 }\n" + ROW.encode(),
        "equivalence_margin: the primary measure accuracy has no margin",
    ),
    "a large margin": (
        b"equivalence_margin = { accuracy = 1.5 }\n" + ROW.encode(),
        "equivalence_margin.accuracy: 1.5 is not allowed; allowed: a fraction below 1",
    ),
    "repeats": (b"repeats = 3\n" + ROW.encode(), "repeats: 3 is not allowed; allowed: 1: "),
    "a direction alone": (
        b'select_on = { best = "low" }\n' + ROW.encode(),
        "select_on: {'best': 'low'} is not allowed; ",
    ),
    "two directions": (
        b'select_on = { metric = "val_loss", best = "high" }\n[measures]\nloss = { best = "low" }\n' + ROW.encode(),
        "select_on.best: 'high' is not allowed; allowed: low, as [measures] states for loss",
    ),
    "no end": (b"equivalence_margin = inf\n" + ROW.encode(), "equivalence_margin: inf is not allowed; allowed: "),
}


@pytest.mark.parametrize("form", STUDIES)
def test_a_study_file_is_read(tmp_path: Path, form: str):
    """A study file is read as editors of all systems write it."""
    (tmp_path / "s.toml").write_bytes(STUDIES[form])
    assert [row.dropout for row in study_file.read(str(tmp_path / "s.toml")).rows] == [0.5]


def test_margins_and_directions_are_of_measures(tmp_path: Path):
    """The primary measure takes its own margin, in its raw value; select_on states the direction of its measure."""
    margins = "equivalence_margin = { loss = 2, accuracy = 0.01 }"
    text = f'{margins}\nselect_on = {{ metric = "val_loss", best = "low" }}\n{ROW}'
    (tmp_path / "s.toml").write_text(text)
    (tmp_path / "l.toml").write_text(text + '[table]\nprimary = "test_loss"\n')
    grid, of_loss = (study_file.read(str(tmp_path / name)) for name in ("s.toml", "l.toml"))
    assert (grid.margin, of_loss.margin) == (0.01, 2)
    assert (grid.select_on, grid.measures["loss"].best) == ("val_loss", "low")


@pytest.mark.parametrize("form", STUDIES_REFUSED)
def test_a_wrong_study_file_is_refused(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]):
    """A wrong study file is refused by the command in one line, with exit code 2."""
    content, message = STUDIES_REFUSED[form]
    (tmp_path / "s.toml").write_bytes(content)
    assert cli.run(["run", "--grid", str(tmp_path / "s.toml"), "--data", "demo"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {tmp_path / 's.toml'}: {message}")
    assert len(lines[0]) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("name", ["folder", "./folder", "folder.toml"])
def test_a_folder_is_no_study(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    """A folder is called a folder, and the message names its files and the values that --grid takes."""
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    takes = "--grid takes a study file (.toml), or the name of a shipped study: baseline, heads, "
    with pytest.raises(AblateError) as caught:
        study_file.read(name)
    assert str(caught.value).startswith(f"--grid {name}: is a folder; {takes}")
    Path(name, "mine.toml").write_text(ROW)
    with pytest.raises(AblateError) as caught:
        study_file.read(name)
    assert str(caught.value).startswith(f"--grid {name}: is a folder (it contains: mine.toml); {takes}")


def test_what_is_no_regular_file_is_no_study(tmp_path: Path):
    """A pipe is not opened: nothing waits."""
    os.mkfifo(tmp_path / "s.toml")
    with pytest.raises(
        AblateError, match=r"s\.toml: is not a regular file that ends in \.toml; --grid takes a study file"
    ):
        study_file.read(str(tmp_path / "s.toml"))


# ---- JSON of a workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies of one row each, on the same images."""
    place = tmp_path_factory.mktemp("json")
    write_npz(place / "data.npz", train=24, test=9)
    for name, level in (("one", 0.0), ("two", 0.5)):
        (place / f"{name}.toml").write_text(
            f'[fixed]\nfc_units = 8\nepochs = 1\nweights = "random"\n[[rows]]\ndropout = {level}\n'
        )
        run = ["run", "--grid", f"{place}/{name}.toml", "--data", f"{place}/data.npz", "--inline", "--quiet"]
        assert cli.run([*run, "--workspace", f"{place}/runs"]) == 0
    return place


@pytest.fixture
def copied(workspace: Path, tmp_path: Path) -> Path:
    shutil.copytree(workspace, tmp_path, dirs_exist_ok=True, symlinks=True)
    return tmp_path / "runs"


def tried(runs: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[int, str]]:
    """Exit code and last line of commands that read files of study `one`."""
    grid = ("--grid", f"{runs.parent}/one.toml")
    for command in (("table", *grid), ("status", *grid), ("verify", f"{runs}/one/table.md")):
        capsys.readouterr()
        code = cli.run([*command, "--workspace", str(runs)])
        yield code, capsys.readouterr().err.strip().rpartition("\n")[2]


FILES = ["one/study.json", "one/selection.json", "one/progress.json", "trained/*/result-1.json",
         "trained/*/witness.json", "trained/*/training.json", "trained/*/attempts.jsonl", "cache/images/*/index.json",
         "cache/images/*/leaks-*.json"]  # fmt: skip
CONTENTS = ["", '{"a', "[]", "null", "7", "{}", '{"of": "another version"}', "[" * 100_000, "\ud800"]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: ascii(content[:9]))
def test_a_broken_file_of_a_workspace_is_named(copied: Path, content: str, capsys: pytest.CaptureFixture[str]):
    """Empty, cut, of another kind or version: one line that names the file, or it is not needed; never a bug."""
    for pattern in FILES:
        for path in sorted(copied.glob(pattern)):
            whole = path.read_bytes()
            path.write_bytes(content.encode("utf-8", "surrogatepass"))
            for code, line in tried(copied, capsys):
                assert code in (0, 1, 2), (path, line)
                if code == 2 and content not in ("null", "{}"):
                    assert line.startswith(f"error: {path}: "), (path, line)
                    assert "it sets the file aside and does its work again" in line
            path.write_bytes(whole)
    assert all(code == 0 for code, _ in tried(copied, capsys))


def test_a_file_of_another_study_is_not_taken(copied: Path, capsys: pytest.CaptureFixture[str]):
    """A selection of other rows selects nothing; a result of another training is refused."""
    shutil.copy(copied / "two/selection.json", copied / "one/selection.json")
    assert next(tried(copied, capsys))[0] == 0
    assert "selected (bold)" not in (copied / "one/table.md").read_text(encoding="utf-8")
    own, other = (rows(copied / name)[0]["trials"].partition("-")[0] for name in ("one", "two"))
    shutil.copy(copied / f"trained/{other}/result-1.json", copied / f"trained/{own}/result-1.json")
    code, line = next(tried(copied, capsys))
    assert code == 2
    assert f"trained/{own}/result-1.json: belongs to another training, {other}; " in line


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY"])
def test_a_broken_split_is_named(copied: Path, content: bytes, capsys: pytest.CaptureFixture[str]):
    """The rows of a split are arrays in an archive."""
    (path,) = copied.glob("cache/images/*/split-*.npz")
    path.write_bytes(content)
    code, line = next(tried(copied, capsys))
    assert (code, line.startswith(f"error: {path}: this version cannot read it; repeat the command")) == (2, True)


def test_a_cache_that_was_deleted_is_written_again(copied: Path, capsys: pytest.CaptureFixture[str]):
    """Tables need the rows of the splits: the line says how to get them back, and that helps."""
    shutil.rmtree(copied / "cache")
    code, line = next(tried(copied, capsys))
    assert (code, line.endswith(": missing; run the same `ablate run` again to write it")) == (2, True), line
    run = ["run", "--grid", f"{copied.parent}/one.toml", "--data", f"{copied.parent}/data.npz", "--inline", "--quiet"]
    assert cli.run([*run, "--workspace", str(copied)]) == 0
    assert all(code == 0 for code, _ in tried(copied, capsys))


def test_an_archive_of_other_arrays_is_no_split(copied: Path, capsys: pytest.CaptureFixture[str]):
    (path,) = copied.glob("cache/images/*/split-*.npz")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.npy", b"")
    code, line = next(tried(copied, capsys))
    assert (code, line.startswith(f"error: {path}: this version cannot read it; repeat the command")) == (2, True)
