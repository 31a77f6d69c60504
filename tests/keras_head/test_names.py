"""Names of users: spellings of one class are one class, and no name hides a number of the program's own."""

import csv
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import synthetic
from conftest import ablate, in_process, rows
from PIL import Image

from ablation import cli
from ablation.analysis import selection
from ablation.analysis.study_analysis import collect, done
from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import affwild2, arrays, folders, images, names
from ablation.experiments.keras_head.datasets.images import Images, choose_classes, matched
from ablation.report.build import RenderOptions, Report, rebuild
from ablation.report.figures import confusion as figure
from ablation.store.workspace import Workspace
from ablation.study import study_file
from ablation.workflows import evaluation

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "über") for form in ("NFC", "NFD"))
SPELLINGS = [(COMPOSED, DECOMPOSED), ("happy", "happy "), ("Happy", "happy"), (" JOY", "joy"), (DECOMPOSED, " ÜBER")]
STATISTICS = [  # the keys of scikit-learn's report, and of our tables and files
    "accuracy", "macro avg", "weighted avg", "micro avg", "samples avg", "precision", "recall", "f1-score", "support",
    "macro average", "weighted average", "of", "label", "image", "id", "predicted", "true class", "row",
]  # fmt: skip


def save(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 20), shade, np.uint8)).save(path)


def image_set(classes: tuple[str, ...]) -> Images:
    """Return a set with one image of each class."""
    n, none = len(classes), np.full(len(classes), "", str)
    return Images([np.zeros((4, 4), np.uint8)] * n, list(map(str, range(n))), np.arange(n), classes, none, none)


# ---- spellings of one class


@pytest.mark.parametrize(("first", "second"), SPELLINGS)
@pytest.mark.parametrize("place", ["train", "test"])
def test_spellings_of_one_class_are_one_class_in_folders(tmp_path: Path, first: str, second: str, place: str):
    """Composed or decomposed, with blanks or without, in any case: one class, in one split too, and it is said."""
    for split, name in (("train", first), (place, second), ("train", "b")):
        save(tmp_path / split / name / f"{split}-{len(name)}.png")
    read = folders.load(str(tmp_path))
    assert len(read.classes) == 2
    assert sorted(np.bincount(read.labels).tolist()) == [1, 2]
    assert len(read.notes) == 1
    assert read.notes[0].startswith("Taken as one class: ")
    assert read.notes[0].count(" (decomposed)") == (DECOMPOSED in (first, second))


def test_one_spelling_needs_no_note(tmp_path: Path):
    """No note is added where no classes were merged."""
    for name in ("train/a", "train/b", "test/a", "test/b"):
        save(tmp_path / name / "1.png")
    assert folders.load(str(tmp_path)).notes == ()


def test_an_order_of_classes_stays(tmp_path: Path):
    """Classes are in the order of their names as they lie on disk: labels of a decomposed set stay the same."""
    for name in (DECOMPOSED, "v", "A"):
        save(tmp_path / name / "1.png")
    assert folders.load(str(tmp_path)).classes == ("A", DECOMPOSED, "v")


def test_split_folders_are_matched_as_classes_are(tmp_path: Path):
    """`Train ` is train; two folders of one split are taken together, and it is said."""
    for name in ("Train ", "training", "test"):
        save(tmp_path / name / "a" / "1.png")
    read = folders.load(str(tmp_path))
    assert sorted(read.splits.tolist()) == ["test", "train", "train"]
    assert read.notes == ("Taken as one split: 'Train ', 'training'.",)


def test_spellings_of_one_class_are_one_class_in_affwild2(tmp_path: Path):
    """Label files name the classes each in its own way."""
    for split, name, header in (("Train_Set", "v", f"{COMPOSED},b"), ("Validation_Set", "w", f"B ,{DECOMPOSED}")):
        (tmp_path / "annotations" / split).mkdir(parents=True)
        (tmp_path / "annotations" / split / f"{name}.txt").write_text(f"{header}\n0\n", encoding="utf-8")
        save(tmp_path / "cropped_aligned" / name / "00001.jpg")
    read = affwild2.load(str(tmp_path))
    assert (read.classes, read.labels.tolist()) == ((COMPOSED, "b"), [0, 1])
    assert read.notes == (
        f"Taken as one class: {COMPOSED!r}, {DECOMPOSED!r} (decomposed).",
        "Taken as one class: 'b', 'B'.",
    )


@pytest.mark.parametrize(("first", "second"), SPELLINGS)
def test_two_spellings_in_class_names_are_refused(tmp_path: Path, first: str, second: str):
    """The positions of one list are two classes by what the file says, and one by name: the user decides."""
    path = tmp_path / "a.npz"
    np.savez(path, x_train=np.zeros((2, 4, 4), np.uint8), y_train=[0, 1], class_names=[first, second])
    with pytest.raises(AblateError, match="class_names: allowed: a plain list of names, each once"):
        arrays.load(str(path))


def test_subjects_are_one_whatever_blanks_stand_around_them(tmp_path: Path):
    """A subject is no other where its name is decomposed or padded; ids that differ by case alone are two."""
    path = tmp_path / "a.npz"
    subjects = [COMPOSED, DECOMPOSED, "s1 ", "s1", "S1"]
    np.savez(path, x_train=np.zeros((5, 4, 4), np.uint8), y_train=[0, 1, 0, 1, 0], subject_train=subjects)
    read = arrays.load(str(path))
    assert read.subjects.tolist() == [COMPOSED, COMPOSED, "s1 ", "s1 ", "S1"]
    assert [note.partition(":")[0] for note in read.notes] == ["Taken as one subject"] * 2


def test_many_spellings_are_not_listed_one_by_one(tmp_path: Path):
    """A caption has no room for hundreds of subjects that one split pads with blanks."""
    path, n = tmp_path / "a.npz", 60
    x, y = np.zeros((n, 4, 4), np.uint8), np.arange(n) % 2
    padded = [f"s{k} " for k in range(n)]
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y, subject_train=padded,
             subject_test=[name.strip() for name in padded])  # fmt: skip
    notes = arrays.load(str(path)).notes
    assert (len(notes), notes[-1]) == (11, "So were 50 more (subject).")


@pytest.mark.parametrize(("stored", "wanted"), SPELLINGS)
def test_classes_are_chosen_in_any_spelling(stored: str, wanted: str):
    """--classes takes a class as the user types it."""
    assert choose_classes(image_set(("a", stored)), [wanted]).classes == (stored,)


@pytest.mark.parametrize(("here", "there"), SPELLINGS)
def test_classes_of_other_data_are_matched_in_any_spelling(here: str, there: str):
    """`evaluate` leaves no class out because of how it is spelt."""
    images, others = matched(image_set(("joy of life", there)), ("a", here))
    assert (images.classes, images.labels.tolist(), others) == (("a", here), [1], {"joy of life": 1})


def test_only_the_chosen_classes_are_spoken_of(tmp_path: Path):
    """A class that is left out by --classes was merged for nothing."""
    for name in ("Happy", "happy", "B", "b ", "c"):
        save(tmp_path / name / f"{len(name)}{name[0]}.png")
    chosen = choose_classes(folders.load(str(tmp_path)), ["c", "happy"])
    assert chosen.notes == ("Taken as one class: 'Happy', 'happy'.",)


def test_blanks_are_no_name(tmp_path: Path):
    """A class folder called blank is refused, with what to do."""
    for name in ("a", " "):
        save(tmp_path / name / "1.png")
    with pytest.raises(AblateError, match="the name of a class is empty; give each class a name"):
        images.check(folders.load(str(tmp_path)), "DATA")


def test_long_lists_of_names_are_cut():
    """A message names some and counts the others."""
    assert names.listed("abc") == "a, b, c"
    assert names.listed(map(str, range(255)), 3) == "0, 1, 2 and 252 more"


# ---- names next to numbers


def made(place: Path, classes: Sequence[str]) -> Report:
    """A study of two rows whose predictions are the same whatever its classes are called."""
    place.mkdir()
    (place / "g.toml").write_text("[factorial]\ndropout = [0.0, 0.5]\n")
    accuracy = {1: (0.9, 0.8, 0.7), 2: (0.9, 0.7, 0.6)}
    grid = study_file.read(str(place / "g.toml"))
    record = synthetic.study(place / "runs", grid, accuracy, support=[40, 30] * (len(classes) // 2), classes=classes)
    workspace = Workspace(place / "runs")
    chosen = selection.select(workspace, record, done(collect(workspace, record)))
    assert chosen
    selection.seal(workspace.study("g"), chosen)
    return rebuild(workspace, "g", RenderOptions())


def cells(drawing: Report) -> list[list[str]]:
    """Return the lines of the selected row's table without their first column."""
    lines = drawing.files["tables/selected.md"].splitlines()
    return [line.split("|")[2:] for line in lines if line.startswith("|")][2:]


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return made(tmp_path_factory.mktemp("called") / "g", STATISTICS)


def test_the_name_of_a_class_changes_no_number(tmp_path: Path, called: Report):
    """A class called like a key of a report, a column or an average has its own precision, recall, F1 and images."""
    plain = made(tmp_path / "g", [f"class {k}" for k in range(len(STATISTICS))])
    by_statistic = dict(zip(STATISTICS, cells(called), strict=False))
    assert by_statistic == dict(zip(STATISTICS, cells(plain), strict=False))


def test_a_class_called_like_an_average_is_told_from_it(called: Report):
    """The class is in quotes, the average does not."""
    page = called.files["tables/selected.md"]
    first = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("|")][2:]
    assert [name for name in first if "average" in name] == [
        '"macro average"', '"weighted average"', "macro average", "weighted average",
    ]  # fmt: skip


def test_class_names_that_begin_alike_are_drawn_apart():
    """Labels of a figure are cut; the cells of two classes do not fall on each other."""
    alike = tuple(f"a long name of class {k}" for k in range(3))
    drawn = figure.plot(figure.Confusion(np.eye(3, dtype=int), alike, 1, 0))
    assert len(set(drawn["data"][0]["x"])) == len(set(drawn["data"][0]["y"])) == 3
    assert len(set(drawn["layout"]["xaxis"]["ticktext"])) == 1


# ---- through the whole command


ODD = ["accuracy", "label", "of", "NA", "=1+1", "a|b, $c", "\N{GRINNING FACE}", "x" * 200, "-1e5"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose classes have odd names, two of them in two spellings, and what `evaluate` makes of it."""
    place = tmp_path_factory.mktemp("odd")
    (place / "tiny.toml").write_text(
        '[fixed]\nfc_units = 8\nepochs = 1\nweights = "random"\n[[rows]]\nlabel = "NA"\n[[rows]]\ndropout = 0.5\n'
    )
    for split, n in (("train", 12), ("test", 5)):
        for k, name in enumerate(ODD):
            spelt = name.upper() + " " if split == "test" and k < 2 else name
            for i in range(n):
                save(place / "data" / split / spelt / f"{i}.png", 20 * k + i)
    ran = ablate("run", "--grid", "tiny.toml", "--data", "data", "--slots", "cpu:1", cwd=place)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("note: Taken as one class: ") == 2
    tried = in_process("evaluate", "--grid", "tiny.toml", "--data", "data", "--split", "test", "--inline", cwd=place)
    assert tried.returncode == 0, tried.stderr
    assert tried.stderr.count("note: Taken as one class: ") == 2
    return place


def test_what_was_merged_stands_in_the_caption(odd: Path):
    """The caption of a table names the classes that were merged."""
    for name in ("table.md", "table.tex"):
        text = (odd / "runs/tiny" / name).read_text(encoding="utf-8")
        assert "Taken as one class: 'accuracy', 'ACCURACY '." in text.replace("\\", "")


def test_data_says_what_was_merged(odd: Path, capsys: pytest.CaptureFixture[str]):
    """The command `ablate data` names merged classes before anything is trained."""
    assert cli.run(["data", str(odd / "data")]) == 0
    assert "note: Taken as one class: 'label', 'LABEL '." in capsys.readouterr().out


def test_tables_of_odd_names_verify(odd: Path):
    """All of them follow from the files."""
    for name in ("table.md", "tables/selected.tex", "tables/production_data_test.md", "table.csv"):
        checked = in_process("verify", f"runs/tiny/{name}", cwd=odd)
        assert checked.returncode == 0, checked.stdout


def test_the_counts_of_each_class_are_whole(odd: Path):
    """confusion.csv and predictions.csv agree, also on classes that are called like their columns."""
    folder = odd / "runs/tiny/evaluation/data-test"
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        pairs = [(line["label"], line["predicted"]) for line in csv.DictReader(file)]
    with open(folder / "confusion.csv", newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["of"] == "images"]
    assert len(pairs) == 5 * len(ODD)
    assert {line["label"].lstrip("'") for line in lines} == set(ODD)
    for line in lines:
        for name in ODD:
            assert float(line[f"n_{name}"]) == pairs.count((line["label"], f"'{name}" if name[0] in "=-" else name))


def test_a_label_called_na_is_a_label(odd: Path, monkeypatch: pytest.MonkeyPatch):
    """A label called NA stays a label in Python too, where pandas would read a missing value."""
    from ablation import run  # noqa: PLC0415 (a light import of this file)

    monkeypatch.chdir(odd)
    assert run("tiny.toml", data="data", slots="cpu:1").label.tolist()[0] == "NA"
    assert rows(odd / "runs/tiny")[0]["label"] == "NA"


def test_confusion_csv_keeps_its_columns():
    """The columns have the names of the classes where no class is called like another column."""

    class Found:
        classes, confusion = ("a", "b"), ((3, 1), (0, 4))

    frame = evaluation._confusion(Found())  # type: ignore[arg-type]
    text = io.StringIO()
    frame.to_csv(text, index=False)
    assert text.getvalue().split() == [
        "of,label,a,b", "images,a,3.0,1.0", "images,b,0.0,4.0", "share,a,0.75,0.25", "share,b,0.0,1.0",
    ]  # fmt: skip
