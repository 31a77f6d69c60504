"""What would run, what is shared, what it costs: sums over measured pieces, and a few real measurements."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf, isfinite
from pathlib import Path

import keras
import numpy as np
import pytest
import synthetic
from conftest import Silent, ablate, copied_sweep, options
from hypothesis import given
from hypothesis import strategies as st

from ablation import cli, durations
from ablation.cli.terminal import plan_text
from ablation.engine import plan, slots, total_cost
from ablation.engine.cost import Speed
from ablation.engine.plan import Job
from ablation.engine.pool import Channel, Task
from ablation.engine.slots import Slot
from ablation.engine.total_cost import Costs
from ablation.errors import AblateError
from ablation.experiments.keras_head.backbones import BACKBONES
from ablation.experiments.keras_head.inputs import Weights
from ablation.experiments.keras_head.training import cost, estimate, features, input_layers, profiling
from ablation.experiments.keras_head.training.cost import Extraction, Shape
from ablation.experiments.keras_head.training.jobs import Features
from ablation.outcomes import JobOutcome, Status
from ablation.store import record
from ablation.store.result import Result, write
from ablation.store.workspace import Workspace
from ablation.study.study_file import read as read_study
from ablation.workflows import forecast
from ablation.workflows.bench import bench
from ablation.workflows.forecast import Forecast
from ablation.workflows.run_options import RunOptions

PAPER = read_study("paper")
RECORD = synthetic.of_images(
    name="p", grid=PAPER, data="d", images="i", classes=("a", "b"), counts=synthetic.FEW, splits={"given": "s"},
    weights={"vgg16/imagenet": Weights(level="imagenet", source="imagenet", digest="w")}, backend="tensorflow",
)  # fmt: skip
JOBS = plan.jobs(Workspace(Path("nowhere")), RECORD)
FEATURES = JOBS[0].training.artifacts()["train"].key


class Fake:
    """A bench on which an epoch takes a second for each 10 million parameters, and features a second an image."""

    start, slots = 10.0, 1

    def __init__(self) -> None:
        self.measured: list[Shape] = []

    def run(self, title: str, tasks: Iterable[Task], kind: type) -> dict[str, Extraction | Speed]:
        return {task.key: self.measure(*task.arguments) for task in tasks}

    def measure(self, wanted: Features | Shape) -> Extraction | Speed:
        if isinstance(wanted, Features):
            return Extraction((1, 1, 512), 5.0, 1.0, 2**30)
        self.measured.append(wanted)
        return Speed(1.0, wanted.parameters / 1e7, 0.5, 40 * wanted.parameters)

    @contextmanager
    def opened(self, *_: object) -> Iterator["Fake"]:
        yield self


def costs(slots: int = 1, epoch: float = 1.0) -> Costs:
    """Return costs of the paper's trainings: each starts in 2 s, and takes a second an epoch and one a milestone."""
    speeds = {job.training.key: Speed(2.0, epoch, 1.0, 2**30) for job in JOBS}
    return Costs(slots, 20.0, {FEATURES: 30.0}, speeds, {})


def files(ran: RunOptions) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in ran.workspace.rglob("*")}


def no_bench(*_: object) -> None:
    raise AssertionError("nothing is to be measured")


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Forecast, Fake]:
    """Return the forecast of the paper's grid on demo faces, with made-up speeds; a plan writes nothing into a fresh
    place."""
    fake, place = Fake(), tmp_path_factory.mktemp("paper")
    grid = read_study("paper", {"weights": "random"})
    planned = forecast.forecast(RunOptions(grid, "demo", place / "runs", "paper-demo"), 260.0, fake.opened, Silent())
    assert not list(place.iterdir())
    return planned, fake


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, swept: Path, npz: Path) -> RunOptions:
    """A study that was run, in this process."""
    place = copied_sweep(swept, tmp_path_factory.mktemp("planned"))
    return options(place / "tiny.toml", npz, place / "runs", keep="all")


def test_nine_rows_are_six_trainings(paper: tuple[Forecast, Fake]):
    """Rows, trials, trainings and epochs are added up; trainings that differ in the learning rate are measured once."""
    figures = plan_text.as_json(paper[0])
    assert (figures["rows"], figures["trials"], figures["trials_done"], len(figures["trainings"])) == (9, 9, 0, 6)
    assert (figures["epochs"], figures["epochs_without_sharing"], figures["epochs_left"]) == (330, 360, 330)
    assert len(paper[1].measured) == 4
    assert [t["state"] for t in figures["trainings"]] == ["new"] * 6
    shared = [[(a["row"], a["epochs"]) for a in t["answers"]] for t in figures["trainings"]]
    assert shared == [[(1, 10)], [(2, 10), (5, 100)], [(3, 10), (6, 100)], [(4, 10)], [(7, 10)], [(8, 10), (9, 100)]]


def test_the_whole_is_the_sum_of_its_parts(paper: tuple[Forecast, Fake]):
    """The whole on one slot is the sum of the single costs, the features of all images, and each training."""
    planned = paper[0]
    figures = plan_text.as_json(planned)
    assert figures["features"] == [{"key": figures["features"][0]["key"], "images": 760, "seconds": 765.0}]
    assert figures["seconds"] == pytest.approx(
        planned.costs.once + 765 + sum(t["seconds"] for t in figures["trainings"])
    )
    assert planned.costs.once > Fake.start
    last = figures["trainings"][-1]
    assert last["seconds"] == pytest.approx(1 + 100 * 7.1368710 + 2 * 0.5 + total_cost.BETWEEN)
    assert figures["memory"]["workers"] == 40 * 71_368_710
    assert figures["disk"]["features"] == 760 * 512 * 4
    assert figures["disk"]["pixels"] == 760 * 32 * 32 * 3
    assert figures["disk"]["checkpoints"] == 12 * 71_368_710


def test_the_table_marks_what_does_not_fit(paper: tuple[Forecast, Fake]):
    """A line a training; the budget that holds no row says what the reference takes."""
    text = plan_text.draw(paper[0])
    lines = text.splitlines()
    assert lines[0].split("  ")[0] == "rows (epochs)"
    assert [line.split()[0] for line in lines[1:7]] == ["1", "2", "3", "4", "7", "8"]
    assert [line.split()[-1] for line in lines[1:7]] == ["no"] * 6
    assert "9 rows in 6 trainings: 330 epochs instead of 360" in text
    assert "not even the reference row fits" in text


@pytest.mark.parametrize(("slots", "ends"), [(1, 10.0), (2, 7.0), (3, 5.0), (9, 4.0)])
def test_jobs_go_in_order_to_the_slot_that_is_free_first(slots: int, ends: float):
    """List scheduling: 3 1 2 4 seconds on one to nine slots."""
    assert total_cost.makespan([3, 1, 2, 4], slots) == ends


def test_a_training_is_cut_at_a_milestone():
    """A 10-epoch row inside a 100-epoch training costs 10 epochs: the long row does not fit, the short one does."""
    fits = total_cost.fit_budget(JOBS, costs(), PAPER.reference, 64.0)
    assert fits == {2}
    assert total_cost.seconds(JOBS, fits, costs()) == pytest.approx(20 + 30 + 2 + 10 + 1 + total_cost.BETWEEN)
    assert total_cost.fit_budget(JOBS, costs(), PAPER.reference, 63.0) == frozenset()


def test_cheap_rows_come_before_long_ones():
    """Most rows an hour: all six 10-epoch rows, then the first of those that continue to 100."""
    short = {row for row in range(1, 10) if PAPER.rows[row - 1].epochs == 10}
    at_most = total_cost.seconds(JOBS, short, costs())
    assert total_cost.fit_budget(JOBS, costs(), PAPER.reference, at_most) == short
    assert total_cost.fit_budget(JOBS, costs(), PAPER.reference, at_most + 92) == short | {5}
    assert total_cost.fit_budget(JOBS, costs(), PAPER.reference, inf) == set(range(1, 10))


@given(
    most=st.floats(0, 500), slots=st.integers(1, 4), speeds=st.lists(st.floats(0.01, 2), min_size=6, max_size=6),
    reference=st.integers(1, 9),
)  # fmt: skip
def test_a_budget_is_kept(most: float, slots: int, speeds: list[float], reference: int):
    """The rows that fit end within the budget at any speeds, and hold the reference or nothing."""
    measured = {job.training.key: Speed(1.0, epoch, 0.1, 1) for job, epoch in zip(JOBS, speeds, strict=True)}
    priced = Costs(slots, 20.0, {FEATURES: 30.0}, measured, {})
    fits = total_cost.fit_budget(JOBS, priced, reference, most)
    assert total_cost.seconds(JOBS, fits, priced) <= most
    assert reference in fits or not fits


def test_a_training_that_goes_on_costs_what_is_left_of_it():
    """A training that resumes from epoch 40 of 100 costs 60 epochs; its state says so."""
    job = JOBS[1]
    going = Job(job.training, job.answers, (job.answers[1],), start=40)
    assert (going.epochs_left, going.state) == (60, "resumes from epoch 40")
    assert total_cost.of_job(going, {5}, costs()) == pytest.approx(2 + 60 + 1 + total_cost.BETWEEN)


@pytest.mark.parametrize(
    ("keep", "seeds", "heads"), [("none", 1, 0), ("all", 1, 9), ("selected", 1, 4), ("selected", 3, 9)]
)
def test_kept_heads(keep: str, seeds: int, heads: int):
    """All of them, none, or two a slot: with several seeds, a row is selected when all heads are there."""
    shape = JOBS[1].training.shape((1, 1, 512), 100, 20, 30)
    priced = Costs(2, 0.0, {}, {}, {job.training.key: cost.size(shape) for job in JOBS})
    sizes = total_cost.disk(JOBS, priced, seeds, keep, "head")
    assert sizes["heads"] == heads * 4 * shape.parameters
    assert sizes["checkpoints"] == (2 + (len(JOBS) if keep == "all" else 0)) * 12 * shape.parameters


def test_what_is_frozen_lies_in_a_file_too():
    """A network that sees images is kept as a whole; one that sees features is its head."""
    shape = JOBS[1].training.shape((1, 1, 512), 100, 20, 30)
    whole = shape.model_copy(update={"condition": shape.condition.replace(augment="flip")})
    assert cost.head_bytes(shape) == 4 * shape.parameters
    assert cost.head_bytes(whole) - cost.head_bytes(shape) == 4 * BACKBONES["vgg16"].parameters["all"]
    assert cost.checkpoint_bytes(whole) - cost.head_bytes(whole) == 8 * shape.parameters


def test_pixels_are_measured_as_they_are_stored():
    """A byte a value: a plan's memory is that of the run."""
    shape = JOBS[1].training.shape((32, 32, 3), 100, 20, 30)
    assert profiling._images(shape, 5)[0].dtype == np.uint8
    assert profiling._images(JOBS[1].training.shape((1, 1, 512), 100, 20, 30), 5)[0].dtype == np.float32


def test_a_night_between_two_epochs_is_no_epoch():
    """A training that was interrupted took as long as it ran."""
    times = [10.0, 20.0, 50_000.0]
    ran = Result(
        Status.DONE, 3, history=[{"time": t} for t in times], started=times[-1] - 30, finished=times[-1], memory=1
    )
    assert cost._speed(ran).epoch == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400)]
)
def test_a_budget_is_read(text: str, seconds: float):
    """Hours, minutes and seconds."""
    assert durations.parse("--budget", text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "2 h 3", "-1h", "30m1h", "nan", "1e3s"])
def test_a_wrong_budget_is_refused(capsys: pytest.CaptureFixture[str], text: str):
    """One line that says what is allowed, before anything is read."""
    assert cli.run(["plan", "--grid", "no-such-study", "--budget", text]) == 2
    assert capsys.readouterr().err == (
        f"error: --budget {text}: expected hours, minutes and seconds, as in 2h, 30m, 90s or 1h30m\n"
    )


def test_plan_takes_all_that_run_takes():
    """The same options, with the same defaults, but --strict and how much is said; two more come on top."""
    asked, planned_ = ({p.name: p.default for p in cli.cli.commands[name].params} for name in ("run", "plan"))
    for name in ("strict", "quiet", "verbose"):  # what comes of a table's warnings, and what is said on the way
        del asked[name]
    assert planned_.keys() - asked.keys() == {"budget", "detect"}
    assert asked.items() <= planned_.items()


def test_wrong_input_is_refused_as_by_run(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Exit 2 and one line."""
    assert cli.run(["plan", "--grid", "smoke", "--data", str(tmp_path / "missing")]) == 2
    assert "missing: no such file or folder" in capsys.readouterr().err


def test_a_real_worker_measures(ran: RunOptions):
    """A Dask worker measures: JSON with positive, finite figures of every piece, and files are left as they are."""
    before = files(ran)
    done = ablate("plan", "--grid", ran.workspace.parent / "tiny.toml", "--data", ran.data, "--name", "wider",
                  "--workspace", ran.workspace, "--set", "fc_units=24", "--budget", "1h", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    figures = [printed["seconds"], *(t["seconds"] for t in printed["trainings"]), printed["memory"]["workers"]]
    figures += [printed["disk"][name] for name in ("results", "heads", "checkpoints", "total", "free")]
    assert all(isfinite(figure) and figure > 0 for figure in figures)
    assert printed["seconds"] > sum(t["seconds"] for t in printed["trainings"])
    assert printed["memory"]["workers"] > 100 * 2**20
    assert (printed["features"], len(printed["trainings"])) == ([], 2)
    assert printed["budget"]["rows"] == [1, 2, 3, 4]
    assert before == files(ran)


def test_a_backbone_is_measured(monkeypatch: pytest.MonkeyPatch):
    """Seconds to build it and for each image, and the shape of its outputs."""
    tiny = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.AveragePooling2D(16)])
    monkeypatch.setattr(input_layers, "backbone", lambda *_: (tiny, lambda pixels: pixels))
    measured = profiling.extraction(JOBS[0].training.artifacts()["train"])
    assert measured.shape == (2, 2, 3)
    assert 0 < measured.image < 1
    assert measured.build > 0


@pytest.mark.parametrize(("train", "batch"), [(10, 256), (100, 16), (96, 16), (3000, 16)])
def test_a_head_is_measured(train: int, batch: int):
    """A head is measured with any last batch: none, smaller than the others, or the only one."""
    condition = PAPER.rows[0].replace(fc_units=8, batch_size=batch)
    training = JOBS[0].training.model_copy(update={"condition": condition})
    measured = profiling.speed(training.shape((1, 1, 4), train, 5, 6))
    assert all(isfinite(value) and value > 0 for value in vars(measured).values())


def test_a_finished_study_costs_nothing(ran: RunOptions):
    """Zero, and no worker is started."""
    planned = forecast.forecast(ran, 60.0, no_bench, Silent())
    figures = plan_text.as_json(planned)
    assert (figures["trials_done"], figures["epochs_left"], figures["seconds"]) == (4, 0, 0)
    assert (figures["memory"]["workers"], figures["disk"]["total"]) == (0, 0)
    assert {t["state"] for t in figures["trainings"]} == {"done"}
    assert "nothing to train: every row has its result" in plan_text.draw(planned)


def test_a_plan_that_measures_nothing_loads_nothing_heavy(ran: RunOptions):
    """A finished study is answered without Dask and without a backend; a folder of results is left as it is."""
    before = files(ran)
    arguments = ["plan", "--grid", str(ran.workspace.parent / "tiny.toml"), "--data", ran.data]
    code = (
        f"import sys\nfrom ablation import cli\n"
        f"assert cli.run({[*arguments, '--workspace', str(ran.workspace)]!r}) == 0\n"
        "heavy = {'tensorflow', 'keras', 'dask', 'distributed', 'optuna', 'mlflow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert before == files(ran)


def test_past_trainings_say_how_long_the_next_ones_take(ran: RunOptions):
    """Another seed and another learning rate have the speed of stored trainings: nothing is measured."""
    grid = read_study(str(ran.workspace.parent / "tiny.toml"), seeds=[0, 1])
    planned = forecast.forecast(replace(ran, grid=grid), None, no_bench, Silent())
    figures = plan_text.as_json(planned)
    assert (figures["trials"], figures["trials_done"], len(figures["trainings"])) == (8, 4, 4)
    assert sorted(t["state"] for t in figures["trainings"]) == ["done", "done", "new", "new"]
    assert all(t["seconds"] > 0 for t in figures["trainings"] if t["state"] == "new")
    assert figures["memory"]["workers"] > 100 * 2**20


def shapes_left(options: RunOptions) -> set[Shape]:
    jobs = forecast.forecast(options, None, no_bench, Silent()).jobs
    left = [job.training for job in jobs if job.missing]
    workspace = Workspace(options.workspace)
    wanted = {f for training in left for f in training.artifacts().values()}
    return set(estimate.shapes_of(left, {f.key: features.shape(workspace, f)[1:] for f in wanted}).values())


def test_speeds_of_another_environment_do_not_count(ran: RunOptions):
    """A training on other threads tells nothing of this one."""
    grid = read_study(str(ran.workspace.parent / "tiny.toml"), seeds=[5])
    shapes = shapes_left(replace(ran, grid=grid))
    workspace = Workspace(ran.workspace)
    assert cost.measured_speeds(workspace, shapes, {"processor": slots.processor()}).keys() == shapes
    assert cost.measured_speeds(workspace, shapes, {"processor": "another"}) == {}


def test_a_gpus_speed_is_not_the_cpus(ran: RunOptions):
    """Both may have as many threads: what was trained on is part of where."""
    cpu, gpu = slots.Slot("cpu:0", 2), slots.Slot("gpu:0", 2, gpu=slots.Gpu("GPU-1", "H100", 80_000))
    grid = read_study(str(ran.workspace.parent / "tiny.toml"), seeds=[5])
    shapes = shapes_left(replace(ran, grid=grid))
    where = [estimate.environment(slot) | {"threads": estimate.environment(slots.parse("auto")[0])["threads"]}
             for slot in (cpu, gpu)]  # fmt: skip
    assert [bool(cost.measured_speeds(Workspace(ran.workspace), shapes, place)) for place in where] == [True, False]


def test_a_row_that_diverged_is_not_done(ran: RunOptions, tmp_path: Path):
    """A row that diverged is not done, and is trained again only on request."""
    shutil.copytree(ran.workspace.parent, tmp_path, dirs_exist_ok=True)
    workspace = Workspace(tmp_path / "runs")
    study = record.need(workspace, "tiny")
    trial = max(study.grid.trials(), key=lambda t: t.step)
    folder = workspace.training(study.training_key(trial))
    folder.result(trial.step).unlink()
    write(folder, Result(Status.DIVERGED, trial.step))
    there = replace(ran, workspace=workspace.root)
    planned = forecast.forecast(there, None, no_bench, Silent())
    assert plan_text.as_json(planned)["trials_done"] == 3
    assert "done already: 3 of 4 trials; 1 diverged (--retry diverged)\nnothing to train" in plan_text.draw(planned)
    assert "every row has its result" not in plan_text.draw(planned)
    assert sum(job.epochs_left for job in plan.jobs(workspace, study, ("diverged",))) > 0


def test_replicates_are_no_seeds_of_the_rows(ran: RunOptions):
    """Replicates are counted next to the rows, not as their seeds."""
    text = plan_text.draw(forecast.forecast(replace(ran, replicates=3), None, no_bench, Silent()))
    assert "4 rows and 3 replicates of the reference are 7 trials, in " in text


def test_trials_tell_their_memory(ran: RunOptions):
    """trials.csv has the peak of each trial's worker; table.csv, which holds nothing of where, has not."""
    folder = Workspace(ran.workspace).study("tiny")
    header, *lines = [line.split(",") for line in folder.trials.read_text().splitlines()]
    assert all(int(line[header.index("memory")]) > 100 * 2**20 for line in lines)
    assert "memory" not in folder.table("csv").read_text().splitlines()[0].split(",")


def fails(link: Channel) -> JobOutcome[Speed]:
    return JobOutcome(Status.FAILED, error="Traceback ...\nValueError: no such layer")


def test_what_cannot_be_measured_is_said(monkeypatch: pytest.MonkeyPatch, ran: RunOptions):
    """A measurement that fails is one line with its reason."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with (
        bench(replace(ran, inline=True), [Slot("cpu:0", 1)], Silent()) as machine,
        pytest.raises(AblateError, match="measuring trainings failed: ValueError: no such layer"),
    ):
        machine.run("measuring trainings", [Task("a", fails)], Speed)


def test_slots_measure_at_the_same_time():
    """Each shape once a slot: the speed is the mean, the memory the most."""
    shape = JOBS[0].training.shape((1, 1, 4), 10, 5, 6)
    measured = iter([Speed(1.0, 2.0, 3.0, 10), Speed(3.0, 4.0, 5.0, 30)])
    fake = Fake()
    fake.slots, fake.measure = 2, lambda wanted: next(measured)
    assert estimate.measure_speeds(fake, [shape]) == {shape: Speed(2.0, 3.0, 4.0, 30)}
