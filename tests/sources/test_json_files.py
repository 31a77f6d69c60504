"""JSON files as a source of results: what is a run, what is a course, what is refused or noted."""

import hashlib
import json
import math
import os
from pathlib import Path

import pytest

from ablation.errors import AblateError
from ablation.sources.readers import json_files
from ablation.sources.runs import CURVES, FAILED

pytestmark = pytest.mark.unit


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_an_object_a_file_is_a_run(tmp_path: Path):
    """Fields have dotted names, a short list is a tuple, and `file` is relative to the fixed part of the pattern."""
    for number in (10, 9):
        write(tmp_path / f"out/r{number}/m.json", {"seed": number, "test": {"acc": 0.5}, "per_class": [0.1, 0.2]})
    runs = json_files.read(f"json:{tmp_path}/out/*/m.json")
    assert list(runs.frame["file"]) == ["r9/m.json", "r10/m.json"]  # natural order
    assert list(runs.frame["seed"]) == [9, 10]
    assert runs.frame["test.acc"].dtype == float
    assert runs.frame["per_class"][0] == (0.1, 0.2)
    assert (runs.kind, runs.separates_settings, runs.curves) == ("json", False, None)


def test_the_digest_is_of_the_bytes_that_were_read(tmp_path: Path):
    """Each file is named with the sha256 of its content, JSON lines too."""
    paths = [write(tmp_path / "a.json", {"a": 1}), write(tmp_path / "b.jsonl", '{"a": 1}\n{"a": 2}\n')]
    expected = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert json_files.read(str(tmp_path)).files == expected


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_line_is_a_run(tmp_path: Path, name: str):
    """JSON lines are read by line whatever the file is called; blank lines are none."""
    runs = json_files.read(str(write(tmp_path / name, '{"epoch": 0, "value": 1}\n\n{"epoch": 1, "value": 0}\n')))
    assert list(runs.frame["value"]) == [1, 0]
    assert runs.curves is None  # an epoch may be a repeat


def test_a_list_of_objects_is_a_run_each(tmp_path: Path):
    """A member of the list that is no object is noted with its place."""
    runs = json_files.read(str(write(tmp_path / "a.json", [{"a": 1}, 3, {"a": 2}])))
    assert list(runs.frame["a"]) == [1, 2]
    assert runs.notes == ["Members of a list that are no objects are left out: a.json, member 2"]


def test_long_lists_of_numbers_are_curves_in_all_runs(tmp_path: Path):
    """A list that early stopping cut short is a curve too, and a metric of a curve has no column."""
    write(tmp_path / "a.json", {"h": {"loss": [i / 10 for i in range(20)]}})
    write(tmp_path / "b.json", {"h": {"loss": [0.5, 0.25]}})
    write(tmp_path / "c.json", {"h": {"loss": 0.125}})
    runs = json_files.read(str(tmp_path))
    assert runs.metrics == ["h.loss"]
    assert "h.loss" not in runs.frame
    assert list(runs.curves.columns) == list(CURVES)
    last = runs.curves.groupby("run").last()
    assert list(last["step"]) == [19, 1, 0]
    assert list(last["value"]) == [1.9, 0.25, 0.125]


@pytest.mark.parametrize(
    ("name", "values"),
    [("labels", list(range(20))), ("per_class_f1", [0.5] * 20), ("seeds", [True] * 20), ("short", [0.5] * 16)],
)
def test_other_lists_are_no_course(tmp_path: Path, name: str, values: list[object]):
    """Whole numbers, truths, numbers of classes and 16 values stay one cell."""
    runs = json_files.read(str(write(tmp_path / "a.json", {name: values})))
    assert runs.curves is None
    assert runs.frame[name][0] == tuple(values)


def test_a_log_of_objects_with_steps_is_a_course(tmp_path: Path):
    """A list of objects with an epoch gives curves; without one it is named as left out."""
    log = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": math.nan}]
    runs = json_files.read(str(write(tmp_path / "a.json", {"log": log, "answers": [{"id": 1, "ok": 1}]})))
    assert runs.metrics == ["log.loss"]
    assert list(runs.curves["step"]) == [1, 2]
    assert math.isnan(runs.curves["value"][1])  # a loss that diverged is a point
    assert runs.notes == ["answers is a list of objects without a step and is left out: a.json"]


def test_nan_and_infinity_are_numbers(tmp_path: Path):
    """The tokens of Python that are not in the standard are read."""
    frame = json_files.read(str(write(tmp_path / "a.json", '{"a": NaN, "b": -Infinity}'))).frame
    assert math.isnan(frame["a"][0])
    assert frame["b"][0] == -math.inf


def test_a_trailing_comma_is_reported_by_name(tmp_path: Path):
    """The other files are read; the broken one is named with line and column, alone it is an error."""
    write(tmp_path / "good.json", {"a": 1})
    broken = write(tmp_path / "bad.json", '{\n "a": 1,\n}')
    runs = json_files.read(str(tmp_path))
    assert len(runs.frame) == 1
    assert len(runs.notes) == 1
    assert runs.notes[0].startswith("Not read: bad.json: not valid JSON (line 3, column 1")
    with pytest.raises(AblateError, match=r"bad\.json: not valid JSON \(line 3"):
        json_files.read(str(broken))


def test_a_torn_line_is_noted(tmp_path: Path):
    """The last line of a process that died is left out, with its number."""
    runs = json_files.read(str(write(tmp_path / "a.jsonl", '{"a": 1}\n{"a": 2}\n{"a": ')))
    assert list(runs.frame["a"]) == [1, 2]
    assert runs.notes == ["The last line is cut and left out: a.jsonl:3"]


@pytest.mark.parametrize("name", ["a.jsonl", "*.jsonl"])
def test_a_broken_line_above_others_is_an_error(tmp_path: Path, name: str):
    """A damaged line is an error that names file and line, of one file or of several: runs may be missing."""
    write(tmp_path / "a.jsonl", '{"a": 1}\n{"a": \n{"a": 2}')
    write(tmp_path / "b.jsonl", '{"a": 1}\n{"a": 2}')
    with pytest.raises(AblateError, match=r"a\.jsonl:2: the line is not JSON, and others are below it"):
        json_files.read(str(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ({"a_1": {"acc": 0.5}, "b_1": {"acc": 0.6}},
         [{"name": "a_1", "acc": 0.5}, {"name": "b_1", "acc": 0.6}]),
        ({"a": {"0": {"acc": 0.5}, "1": {"acc": 0.6}}, "b": {"0": {"acc": 0.7}, "1": {"acc": 0.8}}},
         [{"name": n, "key": k, "acc": v} for n, k, v in (("a", 0, 0.5), ("a", 1, 0.6), ("b", 0, 0.7), ("b", 1, 0.8))]),
        ({"a": [0.5, 0.6], "b": [0.7, 0.8]},
         [{"name": n, "replicate": k, "value": v}
          for n, k, v in (("a", 0, 0.5), ("a", 1, 0.6), ("b", 0, 0.7), ("b", 1, 0.8))]),
        ({"date": "x", "runs": [{"arm": "a", "acc": 0.5}, {"arm": "b", "acc": 0.6}]},
         [{"date": "x", "arm": "a", "acc": 0.5}, {"date": "x", "arm": "b", "acc": 0.6}]),
        ({"arm": ["a", "b"], "acc": [0.5, 0.6]}, [{"arm": "a", "acc": 0.5}, {"arm": "b", "acc": 0.6}]),
        ({"arm": {"0": "a", "1": "b"}, "acc": {"0": 0.5, "1": 0.6}},
         [{"arm": "a", "acc": 0.5}, {"arm": "b", "acc": 0.6}]),
        ({"train": {"acc": 0.5}, "test": {"acc": 0.6}}, [{"train.acc": 0.5, "test.acc": 0.6}]),
        ({"loss": [0.5, 0.4], "acc": [0.7, 0.8]}, [{"loss": (0.5, 0.4), "acc": (0.7, 0.8)}]),
    ],
)  # fmt: skip
def test_one_object_may_hold_several_runs(tmp_path: Path, content: object, lines: list[dict[str, object]]):
    """One object holds runs by name, by name and replicate, in a list below a key, or in columns; parts of a run are
    joined."""
    frame = json_files.read(str(write(tmp_path / "a.json", content))).frame.drop(columns="file")
    assert [{k: line[k] for k in lines[0]} for line in frame.to_dict("records")] == lines
    assert set(frame.columns) == set(lines[0])


def test_a_thousand_broken_lines_are_one_note(tmp_path: Path):
    """Notes count what they do not name."""
    runs = json_files.read(str(write(tmp_path / "a.jsonl", '{"a": 1}\n' + "1\n" * 1000)))
    assert len(runs.notes) == 1
    assert runs.notes[0].endswith("line 6 and 995 more")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 200 + "]" * 200, "nested deeper than 100 levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 100 levels"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ('"text"', "neither an object nor a list"),
        ("", "not valid JSON"),
        (json.dumps({f"k{i}": i for i in range(20_001)}), "more than 20000 different fields"),
    ],
)
def test_a_hostile_file_is_one_line(tmp_path: Path, content: str, message: str):
    """A bomb of brackets, an endless integer or no object at all is refused in one clear line."""
    path = write(tmp_path / "a.json", content)
    with pytest.raises(AblateError, match=message) as error:
        json_files.read(str(path))
    assert "\n" not in str(error.value)


def test_a_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The limit is on the bytes of a JSON document; of JSON lines it is on a line."""
    monkeypatch.setattr("ablation.sources.readers.documents.LIMIT", 100)
    write(tmp_path / "lines.jsonl", '{"a": 1}\n' * 100)
    assert len(json_files.read(f"{tmp_path}/lines.jsonl").frame) == 100
    with pytest.raises(AblateError, match=r"large\.json: larger than"):
        json_files.read(str(write(tmp_path / "large.json", {"a": "x" * 200})))
    with pytest.raises(AblateError, match=r"line 1 is larger than"):
        json_files.read(str(write(tmp_path / "line.jsonl", {"a": "x" * 200})))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_encodings(tmp_path: Path, encoding: str, name: str):
    """UTF-8 with and without a mark, and UTF-16, are read alike and without a note."""
    (tmp_path / name).write_bytes('{"a": "größe"}\n{"a": "b"}\n'.encode(encoding))
    runs = json_files.read(str(tmp_path))
    assert list(runs.frame["a"]) == ["größe", "b"]
    assert not runs.notes


def test_latin_1_is_noted(tmp_path: Path):
    """Other bytes are read as Latin-1, which is said."""
    (tmp_path / "a.json").write_bytes('{"a": "größe"}'.encode("latin-1"))
    runs = json_files.read(str(tmp_path))
    assert runs.frame["a"][0] == "größe"
    assert runs.notes == ["Not UTF-8, read as Latin-1: a.json"]


def test_links_that_lead_out_are_not_followed(tmp_path: Path):
    """A secret behind a link is not read; a second path to the same file is no second run; a circle is no error."""
    write(tmp_path / "secret/s.json", {"a": 0})
    write(tmp_path / "in/a.json", {"a": 1})
    os.symlink(tmp_path / "secret/s.json", tmp_path / "in/0.json")
    os.symlink(tmp_path / "secret", tmp_path / "in/0")
    os.symlink(tmp_path / "in/a.json", tmp_path / "in/latest.json")
    os.symlink(tmp_path / "in", tmp_path / "in/self")
    os.symlink("circle.json", tmp_path / "in/circle.json")
    for address in (f"{tmp_path}/in", f"{tmp_path}/in/*.json", f"{tmp_path}/in/**/*.json"):
        runs = json_files.read(address)
        assert list(runs.frame["file"]) == ["a.json"]
        assert any("lead out of the folder are not followed: 0" in note for note in runs.notes)
        assert any("is read already are left out" in note and "latest.json" in note for note in runs.notes)


def test_words_of_a_status_are_translated(tmp_path: Path):
    """A field `status` of known words is the status of a run; with other values it is a field of the source."""
    lines = write(tmp_path / "a.jsonl", '{"status": "FINISHED"}\n{"status": "crashed"}\n{"x": 1}\n')
    assert list(json_files.read(str(lines)).frame["status"]) == ["done", FAILED, None]
    other = json_files.read(str(write(tmp_path / "b.jsonl", '{"status": 200}\n{"status": "ok"}\n')))
    assert "status" not in other.frame
    assert list(other.frame["source.status"]) == [200, "ok"]


def test_whole_numbers_stay_whole_where_some_runs_lack_them(tmp_path: Path):
    """A missing value is None, and makes no float of a seed; a missing float is nan."""
    lines = write(tmp_path / "a.jsonl", '{"seed": 1, "x": 0.5}\n{"y": true}\n')
    frame = json_files.read(str(lines)).frame
    assert list(frame["seed"]) == [1, None]
    assert math.isnan(frame["x"][1])
    assert list(frame["y"]) == [None, True]


def test_nothing_there_is_an_error(tmp_path: Path):
    """A pattern without a file, and a folder without JSON, are refused with what is allowed."""
    with pytest.raises(AblateError, match="give a file, a folder, or a pattern"):
        json_files.read(f"{tmp_path}/*/x.json")
    with pytest.raises(AblateError, match=r"no file with a name in \.json"):
        json_files.read(str(tmp_path))


def test_half_a_character_is_replaced(tmp_path: Path):
    """A lone surrogate, which no file can store, is a question mark."""
    assert json_files.read(str(write(tmp_path / "a.json", '{"a\\ud800": "x\\udc00"}'))).frame["a?"][0] == "x?"


def test_a_folder_with_brackets_in_its_name_is_no_pattern(tmp_path: Path):
    """A path that exists is read literally."""
    write(tmp_path / "run[1]/a.json", {"a": 1})
    assert len(json_files.read(f"{tmp_path}/run[1]").frame) == 1
