"""`ablate new --command`: an example line becomes a study file that reads, and that runs the same line."""

import shlex
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import rows

from ablation import cli
from ablation.experiments.command import arguments
from ablation.experiments.command.results import Printed
from ablation.study import example_line, study_file
from ablation.study.grid import Grid

PLACES = {"seed": "0", "folder": "FOLDER", "threads": "4", "device": "cuda", "run": "x"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change into the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(line: str) -> Grid:
    """Return the study that `ablate new --command` writes."""
    Path("study.toml").unlink(missing_ok=True)
    assert cli.run(["new", "--command", line]) == 0
    return study_file.read("study.toml")


def levels(study: Grid) -> dict[str, Any]:
    return dict(study.rows[0])


def called(study: Grid, row: int = 0) -> list[str]:
    """Return the arguments that a row is run with."""
    keys = study.experiment_keys
    assert keys is not None
    return arguments.filled(keys.command or (), keys, study.rows[row], PLACES, "command")


@pytest.mark.parametrize(
    ("line", "factors"),
    [
        ("python train.py --lr 0.1 --epochs 30 --opt adam --amp",
         {"lr": 0.1, "epochs": 30, "opt": "adam", "amp": True}),
        ("python3.12 -u train.py --lr=1e-3 --batch-size=64", {"lr": 1e-3, "batch_size": 64}),
        ("python -m pkg.train --weight-decay 0.0 data/", {"weight_decay": 0.0}),
        ("uv run python -X dev src/train.py data.csv --dropout .5", {"dropout": 0.5}),
        ("torchrun --standalone --nproc_per_node=2 train.py --lr 0.1", {"lr": 0.1}),
        ("python -m torch.distributed.run --nproc_per_node 2 train.py --lr 0.1", {"lr": 0.1}),
        ("bash train.sh -l 0.1 -e 3", {"l": 0.1, "e": 3}),
        ("Rscript --vanilla fit.R --alpha 0.5 --family gaussian", {"alpha": 0.5, "family": "gaussian"}),
        ("julia --project=. fit.jl --depth 3", {"depth": 3}),
        ("awk -v rate=0.1 -f walk.awk points.txt", {"rate": 0.1}),
        ("./fit --shift -0.5 --scale -2 --rate -1e-4", {"shift": -0.5, "scale": -2, "rate": -1e-4}),
        ("python app.py model=resnet model.lr=0.1 +trainer.max_epochs=5 ++x=true",
         {"model": "resnet", "model_lr": 0.1, "trainer_max_epochs": 5, "x": True}),
        ("python a.py --tag a --tag b", {"tag": "a", "tag_2": "b"}),
        ("python a.py --layers 64,32 --sizes 3 5 7 --lr 0.1", {"layers": (64, 32), "sizes": (3, 5, 7), "lr": 0.1}),
        ("python a.py --betas 0.9 0.999", {"betas": (0.9, 0.999)}),
        ("python a.py --prompt 'answer in one word' --note \"it's\"",
         {"prompt": "answer in one word", "note": "it's"}),
        ("python a.py --pattern 'a\\d+' --quote 'say \"x\"'", {"pattern": "a\\d+", "quote": 'say "x"'}),
        ("python a.py --empty '' --lr 0.1", {"empty": "", "lr": 0.1}),
        ("python a.py --flip true --cache False", {"flip": True, "cache": False}),
        ("python a.py --no-aug --lr 0.1", {"aug": False, "lr": 0.1}),
        ("python a.py --config '{\"a\": 1}' --lr 0.1", {"config": '{"a": 1}', "lr": 0.1}),
        ("python a.py --lr 0.1 -- --not-mine 3", {"lr": 0.1}),
        ("python a.py --label 3 --run fast --memory 8 --json x --checkpoint a.pt",
         {"option_label": 3, "option_run": "fast", "option_memory": 8, "option_json": "x",
          "option_checkpoint": "a.pt"}),
        ("python a.py --2d 3 --_x 1", {"option_2d": 3, "x": 1}),
        ("python a.py --größe 3", {"gr_e": 3}),
        ("python a.py --code 007 --version 1.2.3 --limit inf", {"code": "007", "version": "1.2.3", "limit": "inf"}),
        ("python a.py --output-size 10 --out-channels 64 --save-best true --metrics acc",
         {"output_size": 10, "out_channels": 64, "save_best": True, "metrics": "acc"}),
        ("python a.py {data=small.csv} {lr=0.1}", {"data": "small.csv", "lr": 0.1}),
        ("bash -c 'python a.py {lr=0.1} | tee log'", {"lr": 0.1}),
        ("python a.py \\\n  --lr 0.1 \\\n  --epochs 3", {"lr": 0.1, "epochs": 3}),
        ("$ python a.py --lr 0.1", {"lr": 0.1}),
        ("python a.py --delta_x 1 --note 'a\nb\x7f'", {"option_delta_x": 1, "note": "a\nb\x7f"}),
    ],
)  # fmt: skip
def test_an_example_line_becomes_factors(line: str, factors: dict[str, Any]):
    """Each option is a factor with its value as default; the defaults give the line that was stated."""
    study = written(line)
    assert levels(study) == factors
    assert [type(level) for level in levels(study).values()] == [type(level) for level in factors.values()]
    assert len(study.rows) == 2
    assert study.title.startswith("Ablation of ")
    plain = example_line.STATED.sub(lambda match: match[2], line.removeprefix("$ ").replace("\\\n", " "))
    assert [_compared(a) for a in called(study)] == [_compared(a) for a in shlex.split(plain)]
    assert called(study, 1) != called(study)


def _compared(argument: str) -> str:
    """Return an argument, numbers in the form that Python writes: 1e-3 is 0.001."""
    option, equals, value = argument.rpartition("=")
    return f"{option}{equals}{float(value)}" if example_line.DECIMAL.fullmatch(value) else argument


@pytest.mark.parametrize(
    ("line", "command", "seeds"),
    [
        ("python a.py --lr 1 --seed 7", "python a.py --lr {lr} --seed {seed}", (7, 8, 9)),
        ("python a.py --lr 1 --random-seed=0", "python a.py --lr {lr} --random-seed={seed}", (0, 1, 2)),
        ("python a.py --lr 1 --random_state -1", "python a.py --lr {lr} --random_state {seed}", (0, 1, 2)),
        ("python a.py lr=1 trainer.seed=3", "python a.py lr={lr} trainer.seed={seed}", (3, 4, 5)),
        ("python a.py --lr 1 {seed}", "python a.py --lr {lr} {seed}", (0, 1, 2)),
        ("python a.py --lr 1 --data-seed 3", "python a.py --lr {lr} --data-seed {data_seed}", (0,)),
        ("./a --lr 1 --threads 4 --device cuda:0", "./a --lr {lr} --threads {threads} --device {device}", (0,)),
    ],
)  # fmt: skip
def test_seeds_are_no_factors(line: str, command: str, seeds: tuple[int, ...]):
    """The seed's option becomes {seed}, and the study has three; without one, it has one."""
    study = written(line)
    assert study.experiment_keys
    assert (study.experiment_keys.command, study.seeds) == (command, seeds)


@pytest.mark.parametrize(
    ("option", "placed", "file"),
    [
        ("--out runs/x", "--out {folder}", "{folder}/metrics.json"),
        ("-o runs/x/", "-o {folder}", "{folder}/metrics.json"),
        ("--output-dir=runs", "--output-dir={folder}", "{folder}/metrics.json"),
        ("--outputDir runs", "--outputDir {folder}", "{folder}/metrics.json"),
        ("--logdir logs", "--logdir {folder}", "{folder}/metrics.json"),
        ("--save_dir ckpt", "--save_dir {folder}", "{folder}/metrics.json"),
        ("hydra.run.dir=outputs/a", "hydra.run.dir={folder}", "{folder}/metrics.json"),
        ("--results-file out/scores.csv", "--results-file {folder}/scores.csv", "{folder}/scores.csv"),
        ("--output log.jsonl", "--output {folder}/log.jsonl", "{folder}/log.jsonl"),
        ("--ckpt-dir ckpt", "--ckpt-dir {folder}", "{folder}/metrics.json"),
        ("--save model.pt", "--save {folder}/model.pt", "{folder}/metrics.json"),
        ("--metrics {folder}/m.json", "--metrics {folder}/m.json", "{folder}/m.json"),
        ("", "", ""),
    ],
)
def test_outputs_go_into_the_folder_of_a_run(option: str, placed: str, file: str):
    """Numbers are read from the command's output where it has no option of an output."""
    keys = written(f"python a.py --lr 0.1 {option}").experiment_keys
    assert keys
    assert keys.command == f"python a.py --lr {{lr}} {placed}".strip()
    assert keys.results.file == file
    if not file:
        printed = Printed(keys.results.measures)
        printed.read("epoch 3: train acc 0.5, val_acc=0.75, ok")
        assert printed.steps == {0: {"val_accuracy": 0.75}}


def test_variables_before_the_line_are_kept():
    """Variables before the line are kept, but those that choose a device, which are left to --slots."""
    study = written("CUDA_VISIBLE_DEVICES=0 MODE='a b' python a.py --lr 0.1")
    assert study.experiment_keys
    assert study.experiment_keys.env == {"MODE": "a b"}
    assert "--slots" in Path("study.toml").read_text()


def test_the_command_runs_where_it_was_stated(place: Path):
    """A study file in another folder names the folder in which the line works."""
    (place / "studies").mkdir()
    assert cli.run(["new", "studies/lr.toml", "--command", "python a.py --lr 0.1"]) == 0
    keys = study_file.read("studies/lr.toml").experiment_keys
    assert keys
    assert keys.cwd == str(place.resolve())


def test_what_the_file_comments_out_is_valid_too():
    """Each commented key can be brought in."""
    written("python a.py --lr 0.1 --epochs 3 --amp --out runs/x")
    text = Path("study.toml").read_text()
    commented = [
        line for line in text.splitlines() if line.startswith(("# [", "#")) and " = " in line and "..." not in line
    ]
    assert len(commented) > 8
    full = text
    for line in commented:
        full = full.replace(line, line.removeprefix("# "))
    full = full.replace("# [experiment.results.measures]", "[experiment.results.measures]")
    Path("study.toml").write_text(full)
    tomllib.loads(full)
    assert len(study_file.read("study.toml").rows) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "is empty"),
        ("python train.py", "has no option that can vary"),
        ("python train.py --seed 3 --out x", "has no option that can vary"),
        ("cd src && python train.py --lr 0.1", "'&&' needs a shell"),
        ("python train.py --lr 0.1 > log", "'>' needs a shell"),
        ("python train.py --lr '0.1", "No closing quotation"),
        ("python train.py --lr {lr}", "{lr} has no value"),
    ],
)
def test_lines_that_are_refused(capsys: pytest.CaptureFixture[str], line: str, message: str):
    """One sentence says why, and nothing is written."""
    assert cli.run(["new", "--command", line]) == 2
    assert message in capsys.readouterr().err
    assert not Path("study.toml").exists()


def test_a_misspelt_script_is_noted(place: Path, capsys: pytest.CaptureFixture[str]):
    """The study file is written, because the script may be on another machine; a script that exists has no note."""
    Path("train.py").write_text("")
    assert cli.run(["new", "a.toml", "--command", "python tran.py --lr 0.1"]) == 0
    refusal = capsys.readouterr().err
    assert f"note: tran.py: no such file in {Path.cwd()}; correct the line `command` in a.toml" in refusal
    assert cli.run(["new", "b.toml", "--command", "python train.py --lr 0.1"]) == 0
    assert "note" not in capsys.readouterr().err


def test_no_file_is_overwritten(capsys: pytest.CaptureFixture[str]):
    """A file that exists stays; its name can be stated, and without either there is nothing to write."""
    line = ["--command", "python a.py --lr 0.1"]
    assert cli.run(["new", *line]) == 0
    assert "ablate run study.toml" in capsys.readouterr().out
    assert cli.run(["new", *line]) == 2
    assert cli.run(["new", "other.toml", *line]) == 0
    assert cli.run(["new", "other.txt", *line]) == 2
    assert cli.run(["new"]) == 2


SCRIPT = textwrap.dedent("""
    import argparse, json, math, os, random
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--start", type=float, nargs="+", default=[1.0])
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default=".")
    a = parser.parse_args()
    chance = random.Random(a.seed)
    x = sum(a.start) + chance.random()
    for step in range(a.steps):
        x -= a.rate * (2 * x + (chance.gauss(0, 0.1) if a.noise else 0))
    os.makedirs(a.out, exist_ok=True)
    with open(os.path.join(a.out, "metrics.json"), "w") as file:
        json.dump({"val": {"accuracy": math.exp(-x * x)}, "test": {"accuracy": math.exp(-x * x / 2)}}, file)
""")


def test_a_script_that_is_no_part_of_this_has_a_table(place: Path, capsys: pytest.CaptureFixture[str]):
    """A table of a foreign script takes its example line, and one edited line: the levels to compare."""
    (place / "fit.py").write_text(SCRIPT)
    line = "python fit.py --rate 0.01 --steps 20 --start 1 2 --noise --seed 0 --out runs/x"
    assert cli.run(["new", "fit.toml", "--command", line]) == 0
    text = (place / "fit.toml").read_text()
    (place / "fit.toml").write_text(text.replace("rate = [0.001]", "rate = [0.1, 0.3]\nstart = [[2.0, 2.0]]"))
    assert cli.run(["run", "fit.toml", "--inline", "-q", "--trackers", "none"]) == 0, capsys.readouterr().err
    table = rows(place / "runs" / "fit")
    assert [(row["rate"], row["start"]) for row in table] == [
        ("0.01", "1+2"), ("0.1", "1+2"), ("0.3", "1+2"), ("0.01", "2+2"),
    ]  # fmt: skip
    assert [row["n_seeds"] for row in table] == ["3"] * 4
    assert max(table, key=lambda row: float(row["val_accuracy"]))["rate"] == "0.3"
