"""Results of a command: numbers of its file, numbers that it printed, examples; and what is wrong with them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ablation.errors import AblateError
from ablation.experiments.child.log import BoundedLog
from ablation.experiments.command import printed, results
from ablation.experiments.command.printed import Printed
from ablation.experiments.commit import Results, diverged
from ablation.study.experiment_keys import ExperimentKeys

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the folder of a training."""
    (tmp_path / "child").mkdir()
    return tmp_path / "child"


def keys(folder: Path, file: str, measures: Mapping[str, Any] | None = None, **more: Any) -> ExperimentKeys:
    stated = {"file": f"{{folder}}/{file}" if file else "", "measures": dict(measures or {}), **more}
    return ExperimentKeys.model_validate({"command": "t", "cwd": str(folder), "results": stated})


def read(folder: Path, file: str, measures: Mapping[str, Any] | None = None, lines: str = "", **more: Any) -> Results:
    stated = keys(folder, file, measures, **more)
    printed = Printed(stated.results.measures)
    with BoundedLog(folder / "log", printed.read) as log:
        log.write(lines.encode("latin-1"))
    return results.read(stated, {"folder": str(folder)}, printed)


def test_dotted_fields_of_a_json_object(folder: Path):
    """A JSON file has one step, and no course. Texts that are numbers are numbers."""
    content = {"eval": {"accuracy": 0.5, "deep": {"loss": "1e-3"}}, "ok": True, "name": "x", "list": [1]}
    (folder / "m.json").write_text(json.dumps(content))
    taken = read(folder, "m.json", {"val_acc": "eval.accuracy", "val_loss": "eval.deep.loss", "ok": "ok"})
    assert taken.numbers == {"val_acc": 0.5, "val_loss": 0.001, "ok": 1.0}
    assert not taken.history


def test_all_numbers_where_none_is_stated(folder: Path):
    """A dotted field has an underscore in its name; texts and steps are no numbers."""
    (folder / "m.json").write_text('\ufeff{"val": {"acc": 1}, "epoch": 3, "name": "x", "test_acc": 0.5}')
    assert read(folder, "m.json").numbers == {"val_acc": 1.0, "test_acc": 0.5}


def test_json_lines_are_steps(folder: Path):
    """The last value counts, test has no course, and the step is the field's; a field may lack in a line."""
    lines = [
        {"epoch": 2, "val_loss": 0.5, "test_acc": 0.1},
        {"epoch": 4, "val_loss": 0.25},
        {"epoch": 5, "test_acc": 1},
    ]
    (folder / "m.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    taken = read(folder, "m.jsonl", {"val_loss": "val_loss", "test_acc": "test_acc"})
    assert taken.numbers == {"val_loss": 0.25, "test_acc": 1.0}
    assert taken.history == [{"epoch": 2, "val_loss": 0.5}, {"epoch": 4, "val_loss": 0.25}]


def test_a_csv_file_with_train_and_validation_on_separate_rows(folder: Path):
    """Both are of the same step, as Lightning writes them."""
    (folder / "m.csv").write_text("epoch,step,train_loss,val_loss\n0,1,3.0,\n0,1,,2.0\n1,2,1.5,\n1,2,,1.0\n")
    taken = read(folder, "m.csv", {"val_loss": "val_loss", "train_loss": "train_loss"})
    assert taken.numbers == {"val_loss": 1.0, "train_loss": 1.5}
    assert taken.history == [
        {"epoch": 1, "val_loss": 2.0, "train_loss": 3.0}, {"epoch": 2, "val_loss": 1.0, "train_loss": 1.5},
    ]  # fmt: skip


def test_numbers_that_are_printed(folder: Path):
    """Progress bars, colours and bytes that are no text are in no one's way."""
    printed = (
        "epoch 1\n\x1b[32mval loss: 0.5\x1b[0m\nepoch 2\r 10% val loss: 0.40\r 99% \xff\xfe val loss: 0.25\r\n"
        "\x1b[1A\x1b[2KTest acc = 1e-1\n\x1b]0;title\x07"
    )
    loss = {"stdout": r"val loss[:=]\s*(?P<value>\S+)", "step": r"epoch\s+(\d+)"}
    taken = read(folder, "", {"val_loss": loss, "test_acc": {"stdout": r"acc = (\S+)"}}, printed)
    assert taken.numbers == {"val_loss": 0.25, "test_acc": 0.1}
    assert taken.history == [{"epoch": 1, "val_loss": 0.5}, {"epoch": 2, "val_loss": 0.25}]


def test_punctuation_after_a_printed_number_is_none_of_it(folder: Path):
    """A step that is no number, as 2/3, leaves the step as it was."""
    loss = {"stdout": r"loss: (\S+)", "step": r"epoch (\S+)"}
    printed = Printed(keys(folder, "", {"val_loss": loss}).results.measures)
    for line in ("epoch 1, loss: 0.5, accuracy: 0.9", "epoch 2: loss: 0.25;", "epoch 3/3 loss: 0.125."):
        printed.read(line)
    assert printed.steps == {1: {"val_loss": 0.5}, 2: {"val_loss": 0.125}}


def test_a_line_in_two_parts_is_one_line(folder: Path):
    """Output is read in parts; its last line needs no end."""
    printed = Printed(keys(folder, "", {"val_x": {"stdout": r"^x (\d+)$"}}).results.measures)
    with BoundedLog(folder / "log", printed.read) as log:
        for part in (b"x 1", b"2\r", b"\nx 3", b"4"):
            log.write(part)
    assert printed.steps == {0: {"val_x": 34.0}}
    assert list(log.last_lines) == ["x 12", "x 34"]


def test_printed_texts_that_are_no_numbers(folder: Path):
    """Printed texts that are no numbers are skipped; if there are no others, the message cites one. A wrong step is
    ignored."""
    measures = {"val_x": {"stdout": r"x: (\S+)", "step": r"step (\S+)"}}
    assert read(folder, "", measures, "step nan\nx: -\nstep ?\nx: 3\nx: n/a\n").numbers == {"val_x": 3.0}
    with pytest.raises(
        AblateError, match=r"results.measures.val_x: 'x: \(\\S\+\)' matches 'n/a', which is no number \(log: "
    ):
        read(folder, "", measures, "x: n/a\n")
    with pytest.raises(
        AblateError, match=r"results.measures.val_x: no line of the output matches 'x: \(\\S\+\)' \(log: "
    ):
        read(folder, "", measures, "y: 3\n")


def test_a_long_line_is_cut(folder: Path):
    """A command that never ends a line fills no memory."""
    sizes: list[int] = []
    with BoundedLog(folder / "log", lambda line: sizes.append(len(line))) as log:
        for _ in range(40):
            log.write(b"x" * (1 << 15))
    assert sum(sizes) >= 40 << 14
    assert max(sizes) <= 1 << 16


def test_the_log_keeps_the_beginning_and_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A note says how much is left out; an earlier attempt stays above where it is short."""
    monkeypatch.setattr("ablation.experiments.child.log.PART", 100)
    for n in range(4):
        with BoundedLog(folder / "log", lambda line: None) as log:
            for k in range(100):
                log.write(b"%d-%02d " % (n, k))
        assert (folder / "log").stat().st_size < 300
    text = (folder / "log").read_text()
    assert text.startswith("3-00 3-01")
    assert text.endswith("3-98 3-99 ")
    assert "bytes left out]" in text
    (folder / "log").write_text("earlier\n")
    with BoundedLog(folder / "log", lambda line: None) as log:
        log.write(b"later")
    assert (folder / "log").read_text() == "earlier\nlater"
    assert list(log.last_lines) == ["later"]


def test_a_missing_field_is_answered_with_the_fields_of_the_file(folder: Path):
    """The message for a missing field lists at most twelve fields of the file."""
    (folder / "m.json").write_text(json.dumps({"val": {"accuracy": 1}, **{f"x{n:02}": n for n in range(20)}}))
    listed = ", ".join(["val.accuracy", *(f"x{n:02}" for n in range(11))])
    with pytest.raises(
        AblateError, match=r"results.measures.val_acc: .*m.json has no number 'val.acc'; it has "
    ) as one:
        read(folder, "m.json", {"val_acc": "val.acc"})
    assert str(one.value).endswith(f"it has {listed}, ...")
    (folder / "m.csv").write_text("")
    with pytest.raises(AblateError, match="it has nothing"):
        read(folder, "m.csv", {"val_acc": "val.acc"})


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", '"nan"', "1e999"])
def test_a_number_that_is_not_finite_is_a_divergence(folder: Path, text: str):
    """A number that is not finite is a divergence on validation, on train and of a cost; on test alone it is none."""
    (folder / "m.json").write_text(f'{{"a": {text}, "b": 1}}')
    for name in ("val_a", "train_a", "cost"):
        assert diverged(read(folder, "m.json", {name: "a", "val_b": "b"})) == name
    assert diverged(read(folder, "m.json", {"test_a": "a", "val_b": "b"})) == ""


WRONG: dict[str, tuple[str, str]] = {
    "missing": (
        "",
        r"results.file: the command ended well and did not write .*m\.json; files in its folder: none; its log: .*log$",
    ),
    "half": ('{"a": 1', r"results.file: .*m\.json: cannot be read: "),
    "list": ("[1]", r"results.file: .*m\.json: not a JSON object"),
    "empty": (" ", r"results.file: .*m\.json: cannot be read: "),
    "bytes": ("\udcff", r"results.file: .*m\.json: cannot be read: .*can't decode byte"),
    "deep": ("[" * 100_000, r"results.file: .*m\.json: cannot be read: "),
    "null": ('{"a": null}', r"results.measures.val_a: .*m\.json has no number 'a'; it has a$"),
    "object": ('{"a": {"b": 1}}', r"has no number 'a'; it has a\.b$"),
    "digits": ('{"a": ' + "9" * 5000 + "}", r"results.file: .*m\.json: cannot be read: "),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_file_is_named(folder: Path, fault: str):
    """One line says the key, the file and the fault."""
    text, message = WRONG[fault]
    if text:
        (folder / "m.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(AblateError, match=message):
        read(folder, "m.json", {"val_a": "a"})


def test_a_csv_file_with_a_longer_line(folder: Path):
    """A cell without a name is no field."""
    (folder / "m.csv").write_text("epoch,val_a\n1,0.5,9,9\n2\n")
    assert read(folder, "m.csv", {"val_a": "val_a"}).numbers == {"val_a": 0.5}
    assert read(folder, "m.csv").numbers == {"val_a": 0.5}


def test_files_that_are_none(folder: Path):
    """A folder, a link out of the training's folder, a pipe, a link to itself, and a file of 300 MB."""
    path = folder / "m.json"
    path.mkdir()
    with pytest.raises(AblateError, match=r"results.file: .*m.json is not a regular file"):
        read(folder, "m.json")
    with pytest.raises(AblateError, match=r"m.json: cannot be deleted: "):
        results.remove(keys(folder, "m.json"), {"folder": str(folder)})
    path.rmdir()
    (folder.parent / "other.json").write_text('{"val_a": 1}')
    path.symlink_to("../other.json")
    with pytest.raises(AblateError, match=r"m.json is a link that leads out of .*child"):
        read(folder, "m.json")
    results.remove(keys(folder, "m.json"), {"folder": str(folder)})
    assert (folder.parent / "other.json").exists()
    assert not path.is_symlink()
    os.mkfifo(path)
    with pytest.raises(AblateError, match=r"m.json is not a regular file"):
        read(folder, "m.json")
    path.unlink()
    path.symlink_to("m.json")
    with pytest.raises(AblateError, match=r"results.file: .*m.json: "):
        read(folder, "m.json")
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(AblateError, match=r"m.json has 300 MiB; allowed: 256"):
        read(folder, "m.json")


def test_a_link_within_the_folder_is_followed(folder: Path):
    """Programs link `latest` to a file of a step."""
    (folder / "step-3.json").write_text('{"val_a": 1}')
    (folder / "m.json").symlink_to("step-3.json")
    assert read(folder, "m.json").numbers == {"val_a": 1.0}


EXAMPLES = {
    "unequal": ("id,label,predicted\n1,0\n2,1,1\n", r"predicted: line 1 has no value"),
    "twice": ("id,label,predicted\n1,0,0\n1,0,0\n", r"results.test.examples: .*1.*twice|'1'"),
    "two labels": ("id,label,predicted\n1,0,0\n1,1,0\n", r"example '1' has two labels: 0 in line 1 and 1 in line 2"),
    "no id": ("name,label,predicted\n1,0,0\n", r"results.test.examples: .*test.csv: example: .*'id'"),
    "no columns": (
        "id,y\n1,0\n",
        r"state its columns: columns = \{ label = \.\.\., predicted = \.\.\. \}; it has id, y",
    ),
    "empty": ("", r"results.test.examples"),
    "header": ("id,label,predicted\n", r"results.test.examples"),
}


@pytest.mark.parametrize("fault", EXAMPLES)
def test_wrong_examples_are_named(folder: Path, fault: str):
    """One line says the key, the file and the fault."""
    text, message = EXAMPLES[fault]
    (folder / "test.csv").write_text(text)
    with pytest.raises(AblateError, match=message):
        read(folder, "", test={"examples": "{folder}/test.csv"})


def test_examples(folder: Path):
    """Examples are ordered by id, whose column may have another name."""
    (folder / "test.csv").write_text("name,label,predicted\nb,1,0\na,0,0\n")
    taken = read(folder, "", test={"examples": "{folder}/test.csv", "example": "name"})
    assert {name: column.tolist() for name, column in taken.examples["test"].items()} == {
        "id": ["a", "b"], "label": [0, 1], "predicted": [0, 0],
    }  # fmt: skip


def test_expressions_are_checked_before_work():
    """A regular expression needs a group."""
    measures = ExperimentKeys.model_validate({"results": {"measures": {"val_x": {"stdout": "x"}}}}).results.measures
    with pytest.raises(AblateError, match=r"f: results.measures.val_x.stdout: 'x' has no group; put the number in"):
        printed.check_expressions(measures, "f: results.measures")
    measures = ExperimentKeys.model_validate({"results": {"measures": {"val_x": {"stdout": "("}}}}).results.measures
    with pytest.raises(AblateError, match=r"val_x.stdout: not a regular expression: "):
        printed.check_expressions(measures, "f: results.measures")


def test_characters_that_end_a_line_in_texts(folder: Path):
    """A text of a step may hold them: a JSON line ends at a line feed alone, and a quoted cell may hold that too."""
    lines = [{"val_a": 1, "text": "x\u2028y\x85z"}, {"val_a": 2}]
    (folder / "m.jsonl").write_text("\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    assert read(folder, "m.jsonl", {"val_a": "val_a"}).numbers == {"val_a": 2.0}
    (folder / "m.csv").write_text('text,val_a\n"x\n1,1",1\n"y\u2028",2\n')
    assert read(folder, "m.csv", {"val_a": "val_a"}).numbers == {"val_a": 2.0}


def test_a_folder_with_a_number_sign(tmp_path: Path):
    """A number sign in a folder's name does not begin the name of a sheet."""
    folder = tmp_path / "runs#1"
    folder.mkdir()
    (folder / "test.csv").write_text("id,label,predicted\n1,0,0\n")
    assert len(read(folder, "", test={"examples": "{folder}/test.csv"}).examples["test"]["id"]) == 1
