"""A study file becomes a grid, or is refused in one line that says where, why and what is allowed."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablation.errors import AblateError
from ablation.experiments.keras_head.factors import HeadFactors
from ablation.experiments.keras_head.training.cost import units
from ablation.study import levels, new_study, study_file
from ablation.study.grid import Grid

pytestmark = pytest.mark.unit

FACTORS = tuple(HeadFactors.model_fields)

PAPER = """
256 0.001  10  4096 0.9547 0.9385 0.941  0.94
256 0.0001 10  4096 0.9539 0.9409 0.94   0.96
128 0.0001 10  4096 0.9826 0.9593 0.9551 0.96
128 0.001  10  4096 0.9500 0.9440 0.94   0.94
256 0.0001 100 4096 0.9984 0.9670 0.966  0.97
128 0.0001 100 4096 0.9977 0.9619 0.96   0.96
256 0.0001 10  2048 0.9317 0.9295 0.926  0.93
256 0.0001 10  8192 0.9676 0.9497 0.947  0.95
256 0.0001 100 8192 0.9528 0.9350 0.934  0.96
"""
ROW = "[[rows]]\n"


def read(folder: Path, text: str | bytes, **options) -> Grid:
    path = folder / "study.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return study_file.read(str(path), **options)


def refused(folder: Path, text: str | bytes, **options) -> str:
    """Return the message with which a study is refused, from the key on; always one line that names the file."""
    with pytest.raises(AblateError) as caught:
        read(folder, text, **options)
    place, _, message = str(caught.value).partition(": ")
    assert place == str(folder / "study.toml")
    assert message.isprintable()
    return message


# ---- the paper's study


def test_the_paper_study_has_the_papers_rows():
    """`--grid paper` is the nine rows of the paper, in its order."""
    rows = [f"{r.batch_size} {r.learning_rate} {r.epochs} {r.fc_units}" for r in study_file.read("paper").rows]
    assert rows == [" ".join(line.split()[:4]) for line in PAPER.strip().splitlines()]
    assert {(r.fc_layers, r.dropout, r.optimizer, r.backbone) for r in study_file.read("paper").rows} == {
        (2, 0.25, "adam", "vgg16")
    }


def test_published_numbers_keep_their_decimals():
    """Numbers that the paper printed are kept digit by digit: 0.94 and 0.9500 are not the same statement."""
    published = [[str(number) for number in row.values()] for row in study_file.read("paper").published]
    assert published == [line.split()[4:] for line in PAPER.strip().splitlines()]
    assert set(study_file.read("paper").published[0]) == {"train_accuracy", "val_accuracy", "test_accuracy", "f1"}


def test_the_papers_reference_is_its_hub(tmp_path):
    """Row 2, the declared reference, is the row with most one-factor neighbours, which is the default too."""
    text = study_file.shipped()["paper"].read_text()
    assert study_file.read("paper").reference == 2
    assert read(tmp_path, re.sub("(?m)^reference.*$", "", text)).reference == 2


def test_varying_factors_stand_in_the_files_order():
    """The columns of the table are the factors that differ between rows, in the order in which the file states them."""
    assert study_file.read("paper").varying == ("batch_size", "learning_rate", "epochs", "fc_units")


def test_difference_names_what_sets_a_row_apart():
    """A row is described by its levels that the reference has not."""
    paper = study_file.read("paper")
    assert paper.difference(2) == {}
    assert paper.difference(9) == {"epochs": 100, "fc_units": 8192}
    assert [n for n in range(1, 10) if len(paper.difference(n)) == 1] == [1, 3, 5, 7, 8]


def test_trials_are_rows_by_seeds():
    """All rows of the first seed come before the second seed; rows count from 1."""
    trials = [(t.seed, t.row) for t in study_file.read("smoke", seeds=[3, 5]).trials()]
    assert trials == [(3, 1), (3, 2), (3, 3), (3, 4), (5, 1), (5, 2), (5, 3), (5, 4)]


# ---- the four designs


def test_rows_are_stated_one_by_one(tmp_path):
    """[[rows]] fill up from [fixed], then from the defaults; a label and published numbers go with a row."""
    grid = read(
        tmp_path, "[fixed]\ndropout = 0.5\n[[rows]]\nlabel = 'small'\nfc_units = 64\n[[rows]]\npublished.f1 = 1\n"
    )
    assert [(r.dropout, r.fc_units, r.epochs) for r in grid.rows] == [(0.5, 64, 10), (0.5, 4096, 10)]
    assert grid.labels == ("small", "")
    assert grid.published == ({}, {"f1": Decimal(1)})


def test_a_factorial_is_the_full_product(tmp_path):
    """The last factor turns fastest; the reference is the first of the equally central rows."""
    grid = read(tmp_path, "[factorial]\ndropout = [0.0, 0.5]\nepochs = [1, 2, 3]\n")
    assert [(r.dropout, r.epochs) for r in grid.rows] == [(0.0, 1), (0.0, 2), (0.0, 3), (0.5, 1), (0.5, 2), (0.5, 3)]
    assert grid.reference == 1
    assert set(grid.labels) == {""}


def test_one_at_a_time_starts_from_fixed(tmp_path):
    """Row 1 is [fixed], the reference; a level that it has already, however it is written, adds no row."""
    grid = read(
        tmp_path,
        "[fixed]\nepochs = 3\ndropout = 0.5\n[one_at_a_time]\nepochs = [1, 3]\nfc_units = [[4096, 4096], 64]\n"
        "dropout = [0.0, 0.5]\n",
    )
    assert [(r.epochs, r.fc_units, r.dropout) for r in grid.rows] == [
        (3, 4096, 0.5),
        (1, 4096, 0.5),
        (3, 64, 0.5),
        (3, 4096, 0.0),
    ]
    assert grid.reference == 1


def test_leave_one_out_removes_each_component_alone(tmp_path):
    """Row 1 has all components and is the reference; the labels of the others name the component that is missing."""
    grid = read(
        tmp_path,
        "[leave_one_out]\ndropout = { dropout = 0.0 }\n'second layer' = { fc_layers = 1, fc_units = 64 }\n",
    )
    assert grid.labels == ("all components", "without dropout", "without second layer")
    assert [(r.dropout, r.fc_layers, r.fc_units) for r in grid.rows] == [
        (0.25, 2, 4096),
        (0.0, 2, 4096),
        (0.25, 1, 64),
    ]
    assert grid.reference == 1


def test_all_components_are_the_reference_whatever_is_closest(tmp_path):
    """The row with all components is the reference, not the hub: two removals may resemble each other more."""
    text = "[leave_one_out]\na = { dropout = 0.0, epochs = 1 }\nb = { dropout = 0.0, epochs = 2 }\n"
    assert read(tmp_path, text).reference == 1
    assert (
        read(tmp_path, "[[rows]]\n[[rows]]\ndropout = 0.0\nepochs = 1\n[[rows]]\ndropout = 0.0\nepochs = 2\n").reference
        == 2
    )


def test_a_declared_reference_holds_in_every_design(tmp_path):
    """`reference` goes before the design's own."""
    assert read(tmp_path, "reference = 2\n[one_at_a_time]\nepochs = [1]\n").reference == 2


def test_units_are_written_canonically(tmp_path):
    """A list of equal units is one number; a list of others fixes the number of layers."""
    grid = read(tmp_path, "[[rows]]\nfc_units = [64, 64, 64]\n[[rows]]\nfc_units = [128, 64]\n")
    assert [(r.fc_units, r.fc_layers, units(r)) for r in grid.rows] == [
        (64, 3, (64, 64, 64)),
        ((128, 64), 2, (128, 64)),
    ]


# ---- what is refused

KEYS = (
    "title, experiment, reference, select_on, select_on_test, seeds, published_test_images, repeats, "
    "equivalence_margin, table, compare, measures, folds, import, fixed, rows, factorial, one_at_a_time, leave_one_out"
)
SEEDS = "a list of one or more whole numbers from 0 to 4294967295"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr = 1\n" + ROW, f"unknown key 'lr'; known: {KEYS}"),
        ("", "one design is needed, found none; allowed: rows, factorial, one_at_a_time, leave_one_out"),
        ("[factorial]\nepochs=[1]\n" + ROW, "one design is needed, found rows and factorial; allowed: rows, "),
        ("rows = []", "rows: empty; state at least one row"),
        ("[factorial]", "factorial: empty; state at least one row"),
        ("[one_at_a_time]", "one_at_a_time: empty; state at least one row"),
        ("[leave_one_out]", "leave_one_out: empty; state at least one row"),
        ("[factorial]\nepochs = []", "factorial.epochs: empty; state at least one level"),
        ("[one_at_a_time]\nnothing = []", "one_at_a_time.nothing: empty; state at least one level"),
        ("[leave_one_out]\nnothing = {}", "leave_one_out.nothing: empty; state at least one level"),
        ("rows = 5", "rows: 5 is not allowed; allowed: a list of tables: [[rows]], then factor = level"),
        ("rows = [5]", "rows[1]: 5 is not allowed; allowed: a list of tables: [[rows]], then factor = level"),
        ("[rows]\nepochs = 1", "rows: {'epochs': 1} is not allowed; allowed: a list of tables: [[rows]]"),
        ("fixed = 5\n" + ROW, "fixed: 5 is not allowed; allowed: a table: [fixed], then factor = level"),
        ("[factorial]\nepochs = 5", "factorial.epochs: 5 is not allowed; allowed: a table: factor = [levels]"),
        ("[leave_one_out]\na = 1", "leave_one_out.a: 1 is not allowed; allowed: a table: component = { the levels"),
        ("title = 5\n" + ROW, "title: 5 is not allowed; allowed: a string"),
        ("reference = 0\n" + ROW, "reference: no row 0; allowed: 1 to 1"),
        ("reference = 2\n" + ROW, "reference: no row 2; allowed: 1 to 1"),
        ("reference = 1.5\n" + ROW, "reference: 1.5 is not allowed; allowed: the number of a row, from 1"),
        ("select_on = 'val_mcc'\n" + ROW, "select_on: unknown measure 'val_mcc'; allowed: val_accuracy, val_macro_f1"),
        ("select_on = 'train_loss'\n" + ROW, "select_on: unknown measure 'train_loss'; allowed: val_accuracy, "),
        (
            "select_on = 'test_loss'\n" + ROW,
            "select_on: 'test_loss' would select on the test set; allowed: val_accuracy, val_macro_f1, "
            "val_weighted_f1, val_micro_f1, val_loss, none, or select_on_test = true, which every table "
            "then states",
        ),
        ("seeds = [0, 7, 0]\n" + ROW, "seeds: 0 is named twice; name each once"),
        ("seeds = [0, -1]\n" + ROW, f"seeds[2]: -1 is not allowed; allowed: {SEEDS}"),
        ("seeds = [4294967296]\n" + ROW, f"seeds[1]: 4294967296 is not allowed; allowed: {SEEDS}"),
        ("seeds = []\n" + ROW, f"seeds: [] is not allowed; allowed: {SEEDS}"),
        ("seeds = 3\n" + ROW, f"seeds: 3 is not allowed; allowed: {SEEDS}"),
        ("fixed.split_seed = -1\n" + ROW, "fixed.split_seed: -1 is not allowed; allowed: a whole number from 0 to "),
        ("title = 'a'\ntitle =\n" + ROW, "not valid TOML: Invalid value (at line 2, column 8)"),
        (b"\x89PNG\r\n\x1a\n\0\xff", "not valid TOML: it is not UTF-8 text"),
        ("reference = " + "9" * 5000, "not valid TOML: a number in it is too long"),
        ("title = 1e" + "9" * 30, "not valid TOML: a number in it is too long"),
        ("title = " + "[" * 5000, "not a valid study: lists or tables are nested too deeply"),
        ("[factorial]\n" + "".join(f"{f} = {[1] * 99}\n" for f in FACTORS), "factorial: more than 10000 rows"),
    ],
)
def test_a_wrong_study_is_refused(tmp_path, text, message):
    """The message names the file, the key, what is wrong with it and what is allowed."""
    assert refused(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("lr = 1", "lr: unknown factor 'lr'; known: backbone, weights, image_size, "),
        ("split_seed = 1", "split_seed: unknown factor 'split_seed'; known: backbone, "),
        ("batch_size = '256'", "batch_size: '256' is not allowed; allowed: a whole number from 1 to 65536"),
        ("epochs = 10.0", "epochs: 10.0 is not allowed; allowed: a whole number from 1 to 100000"),
        ("dropout = true", "dropout: true is not allowed; allowed: a number from 0 to below 1"),
        ("epochs = true", "epochs: true is not allowed; allowed: a whole number from 1 to 100000"),
        ("epochs = 0", "epochs: 0 is not allowed; allowed: a whole number from 1 to 100000"),
        ("dropout = 1", "dropout: 1 is not allowed; allowed: a number from 0 to below 1"),
        ("learning_rate = nan", "learning_rate: nan is not allowed; allowed: a number from 1e-08 to 10"),
        ("learning_rate = inf", "learning_rate: inf is not allowed; allowed: a number from 1e-08 to 10"),
        ("learning_rate = 1e400", "learning_rate: inf is not allowed; allowed: a number from 1e-08 to 10"),
        ("dropout = 2020-01-01", "dropout: datetime.date(2020, 1, 1) is not allowed; allowed: a number"),
        ("dropout = { a = 1 }", "dropout: {'a': 1} is not allowed; allowed: a number from 0 to below 1"),
        ("optimizer = 'lion'", "optimizer: 'lion' is not allowed; allowed: one of adam, adamw, rmsprop, sgd"),
        ("weights = ''", "weights: '' is not allowed; allowed: 'imagenet', 'random', or a path"),
        ('weights = "a\\u0000b"', "weights: 'a\\x00b' is not allowed; allowed: 'imagenet', 'random', or a path"),
        ("fc_units = []", "fc_units: [] is not allowed; allowed: a whole number from 1 to 65536, or a list of 1 to 16"),
        (f"fc_units = {[9] * 17}", "fc_units: [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9] is not allowed"),
        ("fc_units = [1, true]", "fc_units: [1, True] is not allowed; allowed: a whole number"),
        ("fc_units = [4, 4.0]", "fc_units: [4, 4.0] is not allowed; allowed: a whole number"),
        ("fc_units = [1, 2]\nfc_layers = 3", "fc_units: 2 numbers, but fc_layers is 3; state one number per layer"),
        (
            "batch_size = 0x" + "f" * 5000,
            "batch_size: a number of thousands of digits is not allowed; allowed: a whole",
        ),
        (f"batch_size = '{'long' * 99}'", f"batch_size: '{'long' * 19}... is not allowed; allowed: a whole number"),
        ("label = ['a']", "label: ['a'] is not allowed; allowed: a string"),
        ("published = 'x'", "published: 'x' is not allowed; allowed: a table of train_accuracy, train_loss, "),
        ("published.recall = 0.5", "published: unknown key 'recall'; known: train_accuracy, train_loss, "),
        (
            "published.f1 = 94.1",
            "published.f1: 94.1 is not allowed; allowed: a number from 0 to 1, 20 decimals at most",
        ),
        ("published.f1 = -0.0", "published.f1: -0.0 is not allowed; allowed: a number from 0 to 1"),
        ("published.f1 = true", "published.f1: true is not allowed; allowed: a number from 0 to 1"),
        ("published.f1 = '0.9'", "published.f1: '0.9' is not allowed; allowed: a number from 0 to 1"),
        ("published.f1 = nan", "published.f1: nan is not allowed; allowed: a number from 0 to 1"),
        ("published.f1 = 1e-99999", "published.f1: 0.0 is not allowed; allowed: a number from 0 to 1, 20 decimals"),
        ("published.val_loss = inf", "published.val_loss: inf is not allowed; allowed: a number from 0 to 1000000"),
    ],
)
def test_a_wrong_row_is_refused(tmp_path, row, message):
    """The message counts rows from 1, as the table does."""
    assert refused(tmp_path, f"[[rows]]\nepochs = 7\n[[rows]]\n{row}\n").startswith(f"rows[2].{message}")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[fixed]\ndropout = 2\n[[rows]]\n", "fixed.dropout: 2 is not"),
        ("[factorial]\ndropout = [0.0, 2]\n", "factorial.dropout: 2 is not"),
        ("[one_at_a_time]\ndropout = [2]\n", "one_at_a_time.dropout: 2 is not"),
        ("[leave_one_out]\nit = { dropout = 2 }\n", "leave_one_out.it.dropout: 2 is not"),
        ("[factorial]\nlr = [1]\n", "factorial.lr: unknown factor 'lr'"),
        ('[leave_one_out]\n"a\\nb" = { "c\\u001b[31m\\u2028" = 2 }\n', "leave_one_out.a b.c [31m : unknown factor "),
    ],
)
def test_a_wrong_level_is_found_in_every_design(tmp_path, text, where):
    """The place is named as the file has it, without what would break the line or colour a terminal."""
    assert refused(tmp_path, text).startswith(where)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("fc_units = 4096", "fc_units = [4096, 4096]"),
        ("learning_rate = 1", "learning_rate = 1.0"),
        ("learning_rate = 0.0001", ""),
        ("weights = 'a.h5'", "weights = './b/../a.h5'"),
        ("label = 'one'", "label = 'another'"),
    ],
)
def test_the_same_trial_is_not_stated_twice(tmp_path, first, second):
    """Rows that are equal once written canonically are one row, and the file says it twice."""
    message = refused(tmp_path, f"[[rows]]\nepochs = 7\n[[rows]]\n{first}\n[[rows]]\n{second}\n")
    assert message == "rows 2 and 3 (rows[3]) are the same trial; remove one"


def test_weights_that_tables_could_not_tell_apart_are_refused(tmp_path):
    rows = "".join(f"[[rows]]\nweights = '{folder}/w.h5'\n" for folder in "ab")
    both = " and ".join(str(tmp_path.resolve() / folder / "w.h5") for folder in "ab")
    assert refused(tmp_path, rows) == f"weights: {both} have the same file name, and tables show no folders; rename one"
    assert len(read(tmp_path, rows + "backbone = 'mobilenetv2'\n").rows) == 2  # another column tells them apart


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    """The message of the operating system is passed on in the same one line."""

    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "study.toml"
    path.write_text(ROW)
    monkeypatch.setattr("builtins.open", deny)
    with pytest.raises(AblateError, match=r"study\.toml: cannot be read: Permission denied$"):
        study_file.read(str(path))


# ---- --set and --seeds


def test_set_changes_what_all_rows_share(tmp_path):
    """A level is read as TOML, otherwise as text; the grid keeps what was changed."""
    changes = study_file.settings(["dropout=0.5", "optimizer=sgd", "fc_units=[128, 64]", "split_seed=3"])
    assert changes == {"dropout": 0.5, "optimizer": "sgd", "fc_units": [128, 64], "split_seed": 3}
    grid = read(tmp_path, "[fixed]\ndropout = 0.1\n[[rows]]\n[[rows]]\nepochs = 3\n", changes=changes)
    assert {(r.dropout, r.optimizer, r.fc_units) for r in grid.rows} == {(0.5, "sgd", (128, 64))}
    assert (grid.split_seed, grid.settings) == (3, changes)


def test_set_refuses_what_the_rows_set(tmp_path):
    """A factor that one row sets is no longer shared by all."""
    with pytest.raises(
        AblateError, match=r"^--set epochs: the rows of .*study\.toml set this factor; edit the rows, or set "
    ):
        read(tmp_path, "[[rows]]\n[[rows]]\nepochs = 3\n", changes={"epochs": 5})


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("lr=1", "--set lr: unknown factor 'lr'; known factors: backbone, weights, "),
     ("dropout", "--set dropout: expected factor=level"), ("", "--set : expected factor=level"),
     ("=1", "--set : unknown factor ''"), ("title=x", "--set title: unknown factor 'title'"),
     ("a\nb=1", "--set a b: unknown factor 'a\\nb'")],
)  # fmt: skip
def test_set_takes_a_known_factor_and_a_level(tmp_path, text, wrong):
    """An unknown factor is refused with the known ones."""
    with pytest.raises(AblateError) as caught:
        read(tmp_path, ROW, changes=study_file.settings([text]))
    assert str(caught.value).startswith(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dropout=2", "--set dropout: 2 is not allowed; allowed: a number from 0 to below 1"),
        ("dropout=high", "--set dropout: 'high' is not allowed; allowed: a number from 0 to below 1"),
        ("dropout=", "--set dropout: '' is not allowed; allowed: a number from 0 to below 1"),
        ("split_seed=-1", "--set split_seed: -1 is not allowed; allowed: a whole number from 0 to 4294967295"),
        ("epochs=" + "9" * 5000, f"--set epochs: '{'9' * 76}... is not allowed; allowed: a whole number from 1 to"),
        ("epochs=" + "[" * 5000, f"--set epochs: '{'[' * 76}... is not allowed; allowed: a whole number from 1 to"),
    ],
)
def test_a_bad_level_is_named_as_set(tmp_path, text, message):
    """A bad level of the command line is reported as --set, and not blamed on the file."""
    with pytest.raises(AblateError) as caught:
        read(tmp_path, ROW, changes=study_file.settings([text]))
    assert str(caught.value).startswith(message)


def test_seeds_are_how_many_or_a_list():
    """`--seeds 5` counts from 0; with a comma it is a list."""
    assert study_file.seed_list("5") == [0, 1, 2, 3, 4]
    assert study_file.seed_list("0,7,11") == [0, 7, 11]
    assert study_file.seed_list("7,") == [7]


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "0,-1", "a", "1.5", "1,,2", ",", "1,,", "999999999999", "0,4294967296", "9" * 5000]
)
def test_other_seeds_are_refused(text):
    """The message shows both forms; a number of seeds that no memory holds is one of the mistakes."""
    with pytest.raises(AblateError) as caught:
        study_file.seed_list(text)
    assert str(caught.value).endswith(
        ": allowed: a number of seeds (5: seeds 0 to 4), or a list of seeds (0,7,11; only 7: 7,)"
    )


def test_seeds_of_the_command_replace_the_files(tmp_path):
    """Doubled ones are named as what they came from."""
    assert read(tmp_path, "seeds = [5]\n[[rows]]\n").seeds == (5,)
    assert read(tmp_path, "seeds = [5]\n[[rows]]\n", seeds=[1, 2]).seeds == (1, 2)
    with pytest.raises(AblateError, match=r"^--seeds: 2 is named twice; name each once$"):
        read(tmp_path, ROW, seeds=[2, 2])


# ---- paths


def test_weights_are_found_from_where_they_are_named(tmp_path, monkeypatch):
    """A path in a study is meant from the study's folder, one in --set from where the command is typed."""
    here, studies = tmp_path / "here", tmp_path / "studies"
    here.mkdir()
    studies.mkdir()
    monkeypatch.chdir(here)
    text = "[fixed]\nweights = 'w.h5'\n[[rows]]\n[[rows]]\nweights = '../v.h5'\n[[rows]]\nweights = 'random'\n"
    weights = [r.weights for r in read(studies, text).rows]
    assert weights == [str(studies / "w.h5"), str(tmp_path / "v.h5"), "random"]
    assert read(studies, ROW, changes={"weights": "w.h5"}).rows[0].weights == str(here / "w.h5")


def test_a_home_that_is_nobodys_is_a_folder(tmp_path):
    """The path `~nobody-here/` is kept unchanged; its absence is reported later."""
    assert read(tmp_path, "[[rows]]\nweights = '~no-such-user/w.h5'\n").rows[0].weights.endswith("/~no-such-user/w.h5")


def test_a_grid_is_a_path_or_a_shipped_name(tmp_path):
    """`--grid paper` is in the package; a .toml file may lie anywhere."""
    (tmp_path / "mine.toml").write_text(ROW)
    assert study_file.find("paper").name == "paper.toml"
    assert study_file.find(str(tmp_path / "mine.toml")) == tmp_path / "mine.toml"
    assert study_file.read(str(tmp_path / "mine.toml")).stem == "mine"
    assert list(study_file.shipped()) == ["baseline", "heads", "paper", "preprocessing", "smoke", "split"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "papre",
            "no such study; shipped: baseline, heads, paper, preprocessing, smoke, split, or the path of a .toml file",
        ),
        (
            "",
            "no such study; shipped: baseline, heads, paper, preprocessing, smoke, split, or the path of a .toml file",
        ),
        ("mine.toml", "no such file; `ablate new mine.toml` writes one to start from"),
        ("studies/paper", "no such file; a study file ends in .toml"),
        ("/", "is a folder; --grid takes a study file (.toml), or the name of a shipped study: "),
        ("long" * 99 + ".toml", "no such file; `ablate new "),
        ("a\0b.toml", "no such file; `ablate new a b.toml` writes one to start from"),
    ],
)
def test_a_missing_grid_is_refused_with_the_way_out(tmp_path, monkeypatch, name, message):
    """An unknown name is answered with the known ones, a missing file with the command that writes one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AblateError) as caught:
        study_file.find(name)
    assert str(caught.value).startswith(f"--grid {name}: {message}".replace("\0", " "))


def test_a_misspelt_study_file_is_answered_with_the_nearest_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Files of the current folder are candidates, and the folder is named; a script leads to `ablate new`."""
    monkeypatch.chdir(tmp_path)
    Path("flowers.toml").write_text("[[rows]]\n")
    Path("train.py").write_text("")
    for grid, way_out in (
        ("flowers", "; nearest: flowers.toml"),
        ("flower.toml", f"; nearest: flowers.toml; current folder: {tmp_path}"),
        ("train.py", "; `ablate new --experiment train.py:FUNCTION` writes one"),
    ):
        with pytest.raises(AblateError) as caught:
            study_file.find(grid)
        assert str(caught.value).endswith(way_out)


# ---- to and from text


@pytest.mark.parametrize("name", study_file.shipped())
def test_a_grid_survives_json(name):
    """study.json gives back the grid that was written, published decimals and lists of units included."""
    grid = study_file.read(name, {"optimizer": "sgd", "weights": "w.h5"}, [0, 1])
    assert Grid.model_validate_json(json.dumps(grid.model_dump(mode="json"))) == grid


def test_lists_of_units_survive_json(tmp_path):
    """A list is a list again, not a text."""
    grid = read(tmp_path, "[[rows]]\nfc_units = [128, 64]\npublished.f1 = 0.9500\n")
    again = Grid.model_validate_json(grid.model_dump_json())
    assert again.rows[0].fc_units == (128, 64)
    assert str(again.published[0]["f1"]) == "0.9500"
    assert hash(again.rows[0]) == hash(grid.rows[0])


def test_the_starter_is_a_valid_study(tmp_path):
    """`ablate new` writes a study that runs unchanged."""
    assert [r.learning_rate for r in read(tmp_path, new_study.starter()).rows] == [1e-4, 1e-3]


def test_what_the_starter_comments_out_is_valid_too(tmp_path):
    """Each commented line can be brought in; the factors' defaults then change nothing."""
    text = re.sub(r"(?m)^# (?=\w+ = )", "", new_study.starter())
    grid = read(tmp_path, text)
    assert grid.rows == read(tmp_path, new_study.starter()).rows
    assert (grid.reference, str(grid.published[1]["test_accuracy"])) == (1, "0.941")
    head = new_study.starter().split("# One design")[0]
    for design in re.findall(r"(?m)^# \.\.\. or .*?(\[\w+\]) +(.*)$", new_study.starter()):
        levels = re.sub(r"\s{2,}", "\n", design[1])
        assert len(read(tmp_path, f"{head}\n{design[0]}\n{levels}\n").rows) > 1


@pytest.mark.parametrize(
    ("factor", "level", "text"),
    [
        ("learning_rate", 1e-4, "1e-4"),
        ("learning_rate", 2.5e-4, "2.5e-4"),
        ("learning_rate", 9.9999999e-4, "9.9999999e-4"),
        ("learning_rate", 0.01, "0.01"),
        ("learning_rate", 10.0, "10"),
        ("dropout", 0.25, "0.25"),
        ("dropout", 0.0, "0"),
        ("dropout", 0.123456789, "0.123456789"),
        ("fc_units", (128, 64), "128+64"),
        ("fc_units", 4096, "4096"),
        ("weights", "/somewhere/vgg16.weights.h5", "vgg16.weights.h5"),
        ("weights", "imagenet", "imagenet"),
        ("optimizer", "adam", "adam"),
    ],
)
def test_levels_are_short_but_whole(factor, level, text):
    """A level reads as people write it, with all of its digits."""
    assert levels.short(factor, level) == text


# ---- whatever a file holds


def toml(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def table(levels: dict[str, str]) -> str:
    return "{" + ", ".join(f"{toml(name)} = {level}" for name, level in levels.items()) + "}"


ODD = st.recursive(
    st.one_of(
        st.one_of(st.booleans(), st.integers(), st.floats(), st.text()).map(toml),
        st.sampled_from([field.default for field in HeadFactors.model_fields.values()]).map(toml),
        st.sampled_from(["~", "~x/y", "a\0", "../..", "vgg16", "all", "\u202e", "\x1b[2J"]).map(toml),
        st.sampled_from(["0x" + "f" * 5000, "9" * 5000, "1e999", "1e" + "9" * 30, "-0.0", "2020-01-01", "07:30:00"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]")
        | st.dictionaries(st.text(max_size=3), inner, max_size=3).map(table)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from([*FACTORS, "label", "published", "split_seed"]) | st.text(max_size=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


def attempt(folder: Path, text: str, changes: list[str] | None = None) -> Grid | str:
    """Return the grid, or the message with which it was refused."""
    try:
        return read(folder, text, changes=study_file.settings(changes or []))
    except AblateError as error:
        return str(error)


@settings(max_examples=150, deadline=None)
@given(levels=st.dictionaries(NAMES, ODD, min_size=1, max_size=3))
def test_any_row_is_a_condition_or_one_line(folder, levels):
    """A row of whatever values is read, or refused in one short line: never another exception."""
    outcome = attempt(folder, "[[rows]]\n" + "".join(f"{toml(name)} = {level}\n" for name, level in levels.items()))
    if isinstance(outcome, Grid):
        assert Grid.model_validate_json(outcome.model_dump_json()) == outcome
    else:
        assert outcome.isprintable()
        assert len(outcome) < 500 + len(str(folder))


@settings(max_examples=100, deadline=None)
@given(content=ODD, key=st.sampled_from([*KEYS.split(", "), "other"]))
@example(content=f"0x{'f' * 4000}", key="repeats")  # Python refuses to print it
def test_any_key_is_read_or_one_line(folder, content, key):
    """The same holds for every key of a study."""
    outcome = attempt(folder, f"{key} = {content}\n" + ("" if key == "rows" else ROW))
    assert isinstance(outcome, Grid) or outcome.isprintable()


@settings(max_examples=100, deadline=None)
@given(text=st.text() | ODD, factor=st.sampled_from([*FACTORS, "split_seed"]))
def test_any_setting_is_read_or_one_line(folder, text, factor):
    """The same holds for what is typed after --set."""
    outcome = attempt(folder, ROW, [f"{factor}={text}"])
    assert isinstance(outcome, Grid) or outcome.isprintable()


def test_studies_are_run_as_one():
    """The rows of all, each once; the reference of the largest; published numbers that differ are noted."""
    merged = study_file.read("all-paper")
    heads, baseline, paper = (study_file.read(name) for name in ("heads", "baseline", "paper"))
    assert (merged.stem, study_file.stem("all-paper")) == ("all-paper", "all-paper")
    assert set(merged.rows) == {*heads.rows, *baseline.rows, *paper.rows}
    assert len(merged.rows) == 12  # the main model is in all three, its long training in two
    assert merged.rows[merged.reference - 1] == paper.rows[paper.reference - 1]
    place = merged.rows.index(heads.rows[1])
    assert merged.published[place]["test_accuracy"] == Decimal("0.9608")
    assert [(c.row, c.metric, c.said) for c in merged.conflicts if c.metric == "test_accuracy"] == [
        (place + 1, "test_accuracy", (("heads", Decimal("0.9608")), ("paper", Decimal("0.94"))))
    ]
    assert study_file.read("paper,preprocessing").published_test_images == paper.published_test_images
    assert study_file.read("baseline,paper").stem == study_file.stem("baseline,paper") == "baseline+paper"


def test_studies_of_one_name_are_two(tmp_path):
    """Files in two folders may be called alike: their rules are compared all the same."""
    for folder, text in (("a", "seeds = [0, 1]\n"), ("b", "")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "study.toml").write_text(f"{text}[factorial]\ndropout = [0.1, 0.2]\n")
    with pytest.raises(AblateError, match=r"seeds differs \(study: \(0, 1\), study: \(0,\)\)"):
        study_file.read(f"{tmp_path}/a/study.toml,{tmp_path}/b/study.toml")


def test_one_at_a_time_has_what_is_fixed_as_its_reference(tmp_path):
    """Also where the levels have more in common with each other than with it."""
    (tmp_path / "g.toml").write_text("[one_at_a_time]\nfc_units = [[1024, 512, 256], [512, 256, 128]]\n")
    assert study_file.read(str(tmp_path / "g.toml")).reference == 1


def test_studies_with_other_rules_are_not_run_as_one(tmp_path):
    """Other seeds: one line names both, and the way out, which works."""
    with pytest.raises(AblateError, match=r"--grid: seeds differs \(paper: \(0,\), split: \(0, 1, 2\)\).*pass --seeds"):
        study_file.read("paper,split")
    assert study_file.read("paper,split", seeds=[0, 1]).seeds == (0, 1)
    with pytest.raises(AblateError, match="--grid nothing: no such study"):
        study_file.read("paper,nothing")


def test_set_may_replace_what_rows_set(tmp_path: Path):
    """Rows that become equal by a setting for trials alone are one row, and the reference keeps its levels."""
    rows = "reference = 2\n[[rows]]\n[[rows]]\nepochs = 3\nfc_units = 8\n[[rows]]\nfc_units = 8\n"
    path = tmp_path / "study.toml"
    path.write_text(rows)
    grid = study_file.read(str(path), {"epochs": 2}, in_rows=True)
    assert [(row["epochs"], row["fc_units"]) for row in grid.rows] == [(2, 4096), (2, 8)]
    assert grid.reference == 2
