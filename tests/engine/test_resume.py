"""A training that is cut, and resumes: the real trainer, the real files, bit for bit."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from conftest import STUDY, Silent, options, rows

from ablation.engine import attempts, job, run
from ablation.errors import AblateError
from ablation.experiments.keras_head.training import features, fit, head
from ablation.outcomes import Status, status_of
from ablation.store import checkpoint, result
from ablation.store.files import read_json, write_json
from ablation.store.training import Training, trainings
from ablation.store.workspace import TrainingFolder, Workspace
from ablation.workflows import prepare
from ablation.workflows.checked_options import checked
from ablation.workflows.run_study import run_study


@dataclass
class Direct:
    """A link that stops at a given epoch."""

    stop: Callable[[int], bool] = lambda epoch: False
    epochs: list[int] = field(default_factory=list)

    def begin(self) -> None: ...

    def report(self, message: dict[str, list[dict[str, float]]]) -> None:
        self.epochs += [int(e["epoch"]) for e in message.get("epochs", [])]

    def stopping(self) -> bool:
        return bool(self.epochs) and self.stop(self.epochs[-1])


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links hear of every epoch at once."""
    monkeypatch.setattr(run, "REPORT_SECONDS", -1.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, npz: Path) -> tuple[Path, Training]:
    """A workspace in which all is ready for training, and a training of 3 and 7 epochs with dropout."""
    place = tmp_path_factory.mktemp("base")
    (place / "tiny.toml").write_text(STUDY.replace("[1, 3]", "[3, 7]"))
    chosen = options(place / "tiny.toml", npz, place / "runs")
    ready = prepare.prepare(checked(chosen, print), Silent())
    ready.store(Workspace(chosen.workspace))
    training = list(trainings(ready.record, ready.record.grid.trials()))[1]
    made = job.make(chosen.workspace, "keras_head", training.artifacts()["train"], Direct())
    assert made.status == Status.DONE
    return chosen.workspace, training


@pytest.fixture
def place(base: tuple[Path, Training], tmp_path: Path) -> Callable[[str], Workspace]:
    """Makes copies of that workspace."""
    return lambda name: Workspace(Path(shutil.copytree(base[0], tmp_path / name)))


@pytest.fixture
def training(base: tuple[Path, Training]) -> Training:
    return base[1]


@pytest.fixture(scope="module")
def undisturbed(base: tuple[Path, Training], tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    """Train 3 and 7 epochs without an interruption, and return the folder."""
    workspace = Workspace(Path(shutil.copytree(base[0], tmp_path_factory.mktemp("undisturbed") / "runs")))
    assert train(workspace, base[1]) == Status.DONE
    return workspace.training(base[1].key)


def upto(training: Training, *milestones: int) -> Training:
    """Return the same training with other rows."""
    condition = training.condition.replace(epochs=milestones[-1])
    return training.model_copy(update={"condition": condition, "milestones": milestones})


def train(workspace: Workspace, training: Training, link: Direct | None = None, keep: str = "all") -> Status:
    return job.train(workspace.root, training, job.JobSettings("run", keep), link or Direct()).status


def numbers(folder: TrainingFolder, epochs: int) -> dict[str, object]:
    """Return a result without the entries of when and how it was made."""
    stored = json.loads(folder.result(epochs).read_text())
    history = [{k: v for k, v in epoch.items() if k != "time"} for epoch in stored["history"]]
    return {k: stored[k] for k in ("scores", "predictions", "parameters", "epochs")} | {"history": history}


def weights(folder: TrainingFolder, training: Training, epochs: int) -> list[np.ndarray]:
    model = head.build((1, 1, 512), training.classes, training.condition, seed=99)
    keras.Model(model.inputs, model.outputs).load_weights(folder.head(epochs))
    return model.get_weights()


def same(a: TrainingFolder, b: TrainingFolder, training: Training, epochs: int) -> bool:
    pairs = zip(weights(a, training, epochs), weights(b, training, epochs), strict=True)
    return numbers(a, epochs) == numbers(b, epochs) and all(np.array_equal(x, y) for x, y in pairs)


Place = Callable[[str], Workspace]


@pytest.mark.parametrize("epochs", [3, 7])
def test_rows_of_3_and_7_epochs_are_one_training(
    place: Place, training: Training, undisturbed: TrainingFolder, epochs: int
):
    """Read off one training, they equal the rows trained alone: weights, predictions and history, bit for bit."""
    workspace = place("alone")
    assert train(workspace, upto(training, epochs)) == Status.DONE
    folder = workspace.training(training.key)
    assert not folder.result(10 - epochs).exists()
    assert same(folder, undisturbed, training, epochs)


@pytest.mark.parametrize("cut", [2, 3, 5])
def test_a_training_that_was_asked_to_stop_goes_on(
    place: Place, training: Training, undisturbed: TrainingFolder, cut: int
):
    """A training that is asked to stop saves and resumes; its end equals an undisturbed training, bit for bit."""
    workspace = place("cut")
    folder = workspace.training(training.key)
    assert train(workspace, training, Direct(lambda epoch: epoch == cut)) == Status.INTERRUPTED
    assert list(folder.checkpoints()) == [cut]
    resumed = Direct()
    assert train(workspace, training, resumed) == Status.DONE
    assert resumed.epochs == list(range(cut + 1, 8))
    assert all(same(folder, undisturbed, training, epochs) for epochs in (3, 7))
    assert [a.epoch for a in attempts.read(folder)] == [0, cut]


def test_more_epochs_go_on_from_a_kept_checkpoint(place: Place, training: Training, undisturbed: TrainingFolder):
    """A longer row trains only its last epochs, where the shorter one's checkpoint was kept; its bits are the same."""
    workspace, link = place("grown"), Direct()
    train(workspace, upto(training, 3), keep="all")
    train(workspace, upto(training, 7), link)
    assert link.epochs == [4, 5, 6, 7]
    assert same(workspace.training(training.key), undisturbed, training, 7)


def test_a_shorter_row_leaves_what_a_longer_one_left(place: Place, training: Training, undisturbed: TrainingFolder):
    """A shorter row in the same folder keeps the checkpoint of a longer one, which resumes, and its failure."""
    workspace, resumed = place("shared"), Direct()
    folder = workspace.training(training.key)
    train(workspace, upto(training, 7), Direct(lambda epoch: epoch == 5), keep="none")
    result.write(folder, result.Result(Status.DIVERGED, 6, error="the loss is not finite"))
    assert train(workspace, upto(training, 3), keep="none") == Status.DONE
    assert list(folder.checkpoints()) == [5]
    failed = result.failure(folder)
    assert failed
    assert failed.epochs == 6
    assert train(workspace, upto(training, 7), resumed) == Status.DONE
    assert resumed.epochs == [6, 7]
    assert same(folder, undisturbed, training, 7)
    assert result.failure(folder) is None


def test_a_failure_that_a_later_result_has_followed_is_over(place: Place, training: Training):
    """A process may die between the two: its file says nothing then. A later failure of another try does."""
    folder = place("over").training(training.key)
    result.write(folder, result.Result(Status.DIVERGED, 6, finished=2.0))
    result.write(folder, result.Result(Status.DONE, 3, finished=3.0))
    assert result.failure(folder)
    result.write(folder, result.Result(Status.DONE, 7, finished=1.0))
    assert result.failure(folder)
    result.write(folder, result.Result(Status.DONE, 7, finished=3.0))
    assert result.failure(folder) is None


def test_a_stop_in_the_last_epoch_comes_too_late(place: Place, training: Training):
    """The training is done, and leaves no checkpoint that nobody would need."""
    workspace = place("late")
    assert train(workspace, training, Direct(lambda epoch: epoch == 7), keep="none") == Status.DONE
    assert list(workspace.training(training.key).checkpoints()) == []


def test_a_row_between_begins_before_it(place: Place, training: Training):
    """A checkpoint later than the row that is missing is of no use to it."""
    workspace, link = place("between"), Direct()
    train(workspace, upto(training, 7), keep="all")
    assert train(workspace, training, link) == Status.DONE
    assert link.epochs[0] == 1
    assert result.is_done(workspace.training(training.key), 3)


def test_another_environment_begins_again(place: Place, training: Training, monkeypatch: pytest.MonkeyPatch):
    """A checkpoint made with other threads would give other bits: it is not gone on from."""
    workspace, link = place("elsewhere"), Direct()
    train(workspace, training, Direct(lambda epoch: epoch == 2))
    here = fit.environment()
    monkeypatch.setattr(fit, "environment", lambda: here | {"threads": 64})
    train(workspace, training, link)
    assert link.epochs[0] == 1


def test_other_features_begin_again(place: Place, training: Training):
    """A checkpoint is of the features that it was trained on: those that another machine computed anew are others."""
    workspace, link = place("features"), Direct()
    train(workspace, training, Direct(lambda epoch: epoch == 2))
    path = workspace.features(training.artifacts()["train"].key)
    np.save(path, np.load(path) * np.float32(1 + 2**-20))
    sidecar = path.with_suffix(".json")
    write_json(sidecar, {**(read_json(sidecar) or {}), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    assert train(workspace, training, link) == Status.DONE
    assert link.epochs[0] == 1


def test_weights_that_were_changed_meanwhile_are_refused(tmp_path: Path):
    """A row says which weights it had: a file that is another one by now is not taken for it."""
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file["weights"] = [1.0]
    located = features.locate("vgg16", str(path))
    assert features.checked(located) == str(path)
    path.write_bytes(b"another")
    with pytest.raises(AblateError, match="not the file that the study read"):
        features.checked(located)


def test_features_are_of_one_backend(training: Training):
    """Two compute other bits, and a training's id holds which it was."""
    other = training.model_copy(update={"backend": "jax"})
    assert training.backend == keras.backend.backend()
    assert other.artifacts()["train"].key != training.artifacts()["train"].key


def test_a_broken_checkpoint_is_no_checkpoint(place: Place, training: Training):
    """Half a file, whoever left it, costs its epochs and nothing else."""
    workspace, link = place("broken"), Direct()
    train(workspace, training, Direct(lambda epoch: epoch == 2))
    path = workspace.training(training.key).checkpoint(2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert train(workspace, training, link) == Status.DONE
    assert link.epochs == list(range(1, 8))


def test_a_training_that_is_done_is_not_done_again(place: Place, training: Training):
    """A job that a scheduler runs again looks for its result first."""
    workspace, link = place("done"), Direct()
    train(workspace, training)
    assert train(workspace, training, link) == Status.DONE
    assert link.epochs == []
    assert len(attempts.read(workspace.training(training.key))) == 1


def test_tries_are_counted_in_the_folder(place: Place, training: Training):
    """A command's job does not begin a fourth try after three from the same place; another command's does."""
    workspace = place("tried")
    folder = workspace.training(training.key)
    folder.path.mkdir(parents=True)
    for _ in range(attempts.TRIES):
        attempts.add(folder, "run", training.milestones)
    assert train(workspace, training) == Status.KILLED
    assert job.train(workspace.root, training, job.JobSettings("other", "all"), Direct()).status == Status.DONE
    with open(folder.attempts, "a") as file:
        file.write('{"run": "torn')
    assert len(attempts.read(folder)) == attempts.TRIES + 1
    attempts.add(folder, "third", training.milestones)
    assert [a.run for a in attempts.read(folder)] == ["run"] * attempts.TRIES + ["other", "third"]


@dataclass
class Gone(Direct):
    """The link of a job whose orchestrator died."""

    def stopping(self) -> bool:
        return True


def test_two_jobs_do_not_train_at_once(place: Place, training: Training):
    """A job waits for its folder's lock, and gives up when its orchestrator is gone."""
    workspace = place("locked")
    folder = workspace.training(training.key)
    with folder.lock() as held:
        assert held
        assert train(workspace, training, Gone()) == Status.INTERRUPTED
    assert attempts.read(folder) == []


def test_who_gets_further_has_three_tries_more(tmp_path: Path):
    """Tries count anew once a checkpoint or a result is written."""
    folder = Workspace(tmp_path).training("k")
    folder.path.mkdir(parents=True)
    for _ in range(attempts.TRIES):
        attempts.add(folder, "run", (3, 7))
    assert attempts.used_up(folder, "run", (3, 7))
    folder.checkpoint(2).touch()
    assert not attempts.used_up(folder, "run", (3, 7))
    folder.result(3).touch()
    assert attempts.progress_of(folder, (3, 7)) == (2, 1)


def test_checkpoints_cost_little(monkeypatch: pytest.MonkeyPatch):
    """A dear checkpoint is written seldom, a cheap one no more often than every few seconds."""
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    clock = checkpoint.Clock(size=857_000_000)
    dear = 857e6 / checkpoint.BYTES_PER_SECOND / checkpoint.SHARE
    now[0] = dear - 1
    assert not clock.due()
    now[0] = dear + 1
    assert clock.due()
    with clock.writing():
        now[0] += 0.001
    now[0] += checkpoint.SECONDS - 0.1
    assert not clock.due()
    now[0] += 0.2
    assert clock.due()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), Status.OUT_OF_MEMORY),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes."), Status.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: out of memory"), Status.OUT_OF_MEMORY),
        (type("ResourceExhaustedError", (Exception,), {})("OOM when allocating tensor"), Status.OUT_OF_MEMORY),
        (type("OutOfMemoryError", (RuntimeError,), {})("Tried to allocate 2 GiB"), Status.OUT_OF_MEMORY),
        (ValueError("no room for doubt"), Status.FAILED),
    ],
)
def test_out_of_memory_is_told_from_other_failures(error: Exception, status: Status):
    """TensorFlow, JAX, torch, CUDA and Python each say it in their own words."""
    assert status_of(error) is status


@pytest.mark.parametrize("keep", ["all", "selected", "none"])
def test_heads_are_kept_as_asked(swept: Path, npz: Path, tmp_path: Path, study_file: Path, keep: str):
    """All of them, those of the selected row, or none."""
    workspace = (swept if keep == "all" else tmp_path) / "runs"
    if keep != "all":
        run_study(options(study_file, npz, workspace, keep=keep), Silent())
    heads = list(workspace.glob("trained/*/head-*.weights.h5"))
    assert len(heads) == {"all": 4, "selected": 1, "none": 0}[keep]
    assert bool(list(workspace.glob("trained/*/checkpoint-*"))) == (keep == "all")
    if keep == "selected":
        selected = next(line for line in rows(workspace / "tiny") if line["selected"] == "True")
        assert selected["trials"] == f"{heads[0].parent.name}-{heads[0].name.split('.')[0][5:]}"


def test_processes_say_who_they_are(tmp_path: Path):
    """An attempt names its host and process, so that a user finds what still runs."""
    folder = Workspace(tmp_path).training("k")
    folder.path.mkdir(parents=True)
    attempts.add(folder, "run", (3,))
    assert attempts.read(folder)[0].pid == os.getpid()
