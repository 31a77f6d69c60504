"""Arguments of a command: names in braces, switches, lists, and levels that stay one argument."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ablation.errors import AblateError
from ablation.experiments.command import arguments
from ablation.study import study_file
from ablation.study.experiment_keys import ExperimentKeys

pytestmark = pytest.mark.unit

SWITCH = {"true": "--amp --half", "false": ""}
VALUES = {"seed": 3, "folder": "/tmp/a folder", "threads": 2, "device": "cpu", "run": "abc"}


def filled(template: str | Sequence[str], levels: dict[str, Any], **more: Any) -> list[str]:
    keys = ExperimentKeys.model_validate({"command": template, **more})
    return arguments.filled(template, keys, levels, VALUES, "study.toml: experiment.command")


@pytest.mark.parametrize(
    ("template", "argv"),
    [
        ("python t.py --lr {lr}", ["python", "t.py", "--lr", "0.1"]),
        ("python t.py --lr={lr} --out={folder}/x", ["python", "t.py", "--lr=0.1", "--out=/tmp/a folder/x"]),
        ("t {lr}{lr} {seed} {threads} {device} {run}", ["t", "0.10.1", "3", "2", "cpu", "abc"]),
        ('sh -c "echo {lr}; exit 0"', ["sh", "-c", "echo 0.1; exit 0"]),
        (["t", "{lr} of {seed}", "a b"], ["t", "0.1 of 3", "a b"]),
        ("t '{}' {1}", ["t", "{}", "{1}"]),  # no names: JSON on a command line stays
        ("""t '{"a": {"lr": {lr}}}'""", ["t", '{"a": {"lr": 0.1}}']),
        ("t {{lr}} {{{lr}}} ${{HOME}}/{seed} {{flags}}", ["t", "{lr}", "{0.1}", "${HOME}/3", "{flags}"]),
        ('t \'{{"a": {{"lr": {lr}}}}}\'', ["t", '{"a": {"lr": 0.1}}']),
    ],
)
def test_names_in_braces_are_replaced(template: str | list[str], argv: list[str]):
    """The template is split first, and filled then."""
    assert filled(template, {"lr": 0.1}) == argv


@pytest.mark.parametrize(
    "level",
    ["a b", "a; rm -rf /", "it's", 'say "hi"', "$(date)", "`date`", "a\\b", "line\nbreak", "", "*", "--flag", "{seed}"],
)
def test_a_level_stays_one_argument(level: str):
    """A level is one argument: there is no shell, and its text is not replaced again."""
    assert filled("t --name {text} x{text}", {"text": level}) == ["t", "--name", level, f"x{level}"]
    assert filled("t {flags}", {"text": level}) == ["t", f"--text={level}"]


def test_all_factors_as_flags_and_as_overrides():
    """One argument a factor, in their order; of switches their own arguments."""
    levels = {"lr": 0.1, "layers": (64, 32), "amp": True, "name": "a b"}
    factors = {"layers": {"default": [64]}, "amp": SWITCH}
    flags = ["--lr=0.1", "--layers=64,32", "--amp", "--half", "--name=a b"]
    assert filled("t {flags} --end", levels, factors=factors) == ["t", *flags, "--end"]
    overrides = ["lr=0.1", "layers=64,32", "--amp", "--half", "name=a b"]
    assert filled("t {overrides}", levels, factors=factors) == ["t", *overrides]


@pytest.mark.parametrize(("level", "argv"), [(True, ["t", "--amp", "--half"]), (False, ["t"])])
def test_a_switch_is_as_many_arguments_as_it_states(level: bool, argv: list[str]):
    """An empty text is no argument at all."""
    assert filled("t {amp}", {"amp": level}, factors={"amp": SWITCH}) == argv


@pytest.mark.parametrize(
    ("level", "keys", "text"),
    [
        (True, {}, "true"),
        (False, {}, "false"),
        ((1, 2.5, "x"), {}, "1,2.5,x"),
        ((1, 2), {"join": "; "}, "1; 2"),
        (((1, 2), (3,)), {"join": ":"}, "1:2:3"),
        (1e-05, {}, "1e-05"),
        (1.0, {}, "1.0"),
        (3, {}, "3"),
    ],
)
def test_levels_as_text(level: Any, keys: dict[str, Any], text: str):
    """Numbers are written so that they are read as the same numbers; a list is one argument."""
    assert filled("t {level}", {"level": level}, factors={"level": keys}) == ["t", text]


def test_a_list_that_is_joined_by_a_blank_is_an_argument_a_part():
    """A list that is joined by a blank is several arguments, for nargs="+"; in a longer argument the parts stay
    together."""
    factors = {"layers": {"join": " "}}
    assert filled("t --layers {layers}", {"layers": (64, 32)}, factors=factors) == ["t", "--layers", "64", "32"]
    assert filled("t --layers={layers}", {"layers": (64, 32)}, factors=factors) == ["t", "--layers=64 32"]


def test_settings_are_values_too():
    """A setting is the same in all rows."""
    assert filled("t {root} {flags}", {"lr": 1}, settings={"root": "/data set"}) == ["t", "/data set", "--lr=1"]


def test_quotes_without_an_end_are_refused():
    """The message names the key."""
    with pytest.raises(AblateError, match=r"^study.toml: experiment.command: No closing quotation"):
        filled("t 'x", {})


def test_unknown_names_are_refused_with_the_nearest():
    """An unknown name is refused with the nearest one, and the names that have a value are listed."""
    with pytest.raises(AblateError, match=r"checkpoint: \{foldr\} is unknown; known: seed, folder.*nearest.*folder"):
        arguments.refuse_unknown("{foldr}/x.pt", ["seed", "folder"], "study.toml: experiment.checkpoint")


def test_doubled_braces_in_paths_and_in_resume(tmp_path: Path):
    """Doubled braces are braces in every text that is filled in; a name in them needs no value."""
    texts = {"folder": "/f", "checkpoint": "/c"}
    assert arguments.path("{folder}/{{seed}}-*.ckpt", texts) == "/f/{seed}-*.ckpt"
    assert arguments.path("{folder}/a}}", texts) == "/f/a}}"
    assert arguments.names("t {{lr}} {folder}", "") == ["folder"]
    (tmp_path / "mine.toml").write_text(
        """
        [experiment]
        command = "sh -c 'echo ${{HOME}} {{lr}}' {lr} {folder}"
        resume = "--resume {checkpoint} {{fold}}"
        checkpoint = "{folder}/{{step}}-*.ckpt"
        [experiment.results]
        file = "{folder}/{{x}}.json"
        test = { examples = "{folder}/{{y}}.csv" }
        [one_at_a_time]
        lr = [1, 2]
        [fixed]
        lr = 0
        """
    )
    keys = study_file.read(str(tmp_path / "mine.toml")).experiment_keys
    assert keys
    assert arguments.filled(keys.resume, keys, {}, texts, "") == ["--resume", "/c", "{fold}"]
    assert [arguments.path(path, texts) for path in keys.results.paths] == ["/f/{x}.json", "/f/{y}.csv"]
