"""The model of the selected row: the whole network, made and registered by a process of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import Silent, options, write_npz
from mlflow import MlflowClient

from ablation import cli
from ablation.analysis import selection
from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import stored_splits
from ablation.experiments.keras_head.training import full_model
from ablation.store import record as records
from ablation.store import result
from ablation.store.record import Record
from ablation.store.training import trainings
from ablation.store.workspace import Workspace
from ablation.study.grid import Trial
from ablation.trackers.databases import sqlite_url
from ablation.workflows import register
from ablation.workflows.run_study import run_study

RUN = '[fixed]\nweights = "random"\nfc_units = 16\nbatch_size = 16\nlearning_rate = 1e-3\nepochs = 1\n'
KINDS = {
    "features": '[[rows]]\nbackbone = "mobilenetv2"\nfc_units = [16, 8]\nepochs = 2\n',
    "block5": '[[rows]]\ntrainable = "block5"\n',
    "images": '[[rows]]\ntrainable = "all"\naugment = "light"\nlearning_rate = 1e-6\n',
}
# What loads it elsewhere: a process without ablate, that is given images and says what it found.
ELSEWHERE = """
import sys; sys.modules["ablation"] = None  # importing it fails
import json, mlflow, mlflow.keras, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
images = np.load(sys.argv[2])
keras, pyfunc = mlflow.keras.load_model("models:/faces/1"), mlflow.pyfunc.load_model("models:/faces/1")
print(json.dumps({"keras": keras.predict(images, verbose=0).tolist(), "pyfunc": pyfunc.predict(images).tolist(),
                  "signature": pyfunc.metadata.signature.to_dict(), "metadata": pyfunc.metadata.metadata}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Record]:
    """A study with a row of each kind of network, all heads kept."""
    place = tmp_path_factory.mktemp("ran")
    (place / "kinds.toml").write_text(RUN + "".join(KINDS.values()))
    data = write_npz(place / "d.npz", train=24, test=12)
    outcome = run_study(options(place / "kinds.toml", data, place / "runs", keep="all"), Silent())
    assert outcome.unfinished == ()
    workspace = Workspace(place / "runs")
    return workspace, records.need(workspace, "kinds")


def answers(workspace: Workspace, record: Record, trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Return test images (N, size, size, 3), and the trial's probabilities for them (N, classes)."""
    folder, epochs = workspace.training(record.training_key(trial)), trial.step
    stored = result.read(folder, epochs)
    predictions = result.Predictions.read(folder.predictions("test", epochs), stored.predictions["test"])
    images = workspace.images(record.inputs.images)
    rows, _ = stored_splits.read(images, record.inputs.splits[trial.condition.split])
    return np.load(images.pixels(trial.condition.image_size))[rows["test"]], predictions.probabilities


@pytest.mark.parametrize("row", range(1, len(KINDS) + 1), ids=list(KINDS))
def test_the_whole_network_says_what_the_trial_said(ran, row):
    """Images in: preprocessing, backbone and head give the predictions that training gave, whatever was trained."""
    workspace, record = ran
    trial = next(record.grid.seeded(row))
    training = next(iter(trainings(record, [trial])))
    model = full_model.build(training, workspace.training(training.key).head(trial.step))
    images, probabilities = answers(workspace, record, trial)
    np.testing.assert_allclose(model.predict(images, verbose=0), probabilities, atol=1e-3)
    assert len(np.unique(probabilities, axis=0)) > 1
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}


def test_the_registered_model_predicts_the_same_elsewhere(ran, tmp_path, capsys):
    """Loaded by mlflow.keras and by pyfunc, in a process without ablate, the model predicts the same for ten images."""
    workspace, record = ran
    where = ["--grid", "kinds", "--workspace", str(workspace.root)]
    assert cli.run(["register", "faces", *where]) == 0
    trial = next(record.grid.seeded(selection.read(workspace, record).row))
    assert f"model of row {trial.row}, seed 0: registered as faces version 1" in capsys.readouterr().err
    images, probabilities = answers(workspace, record, trial)
    np.save(tmp_path / "ten.npy", images[:10])
    uri = sqlite_url(workspace.mlflow)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, uri, tmp_path / "ten.npy"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(printed["keras"], probabilities[:10], atol=1e-3)
    np.testing.assert_allclose(printed["pyfunc"], printed["keras"], atol=1e-6)
    (given,) = json.loads(printed["signature"]["inputs"])
    assert (given["tensor-spec"]["dtype"], given["tensor-spec"]["shape"]) == ("uint8", [-1, 32, 32, 3])
    assert printed["metadata"]["classes"] == list(record.inputs.classes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ten.npy"]

    client = MlflowClient(uri)
    (version,) = client.search_model_versions("name = 'faces'")
    assert version.tags["ablate.trial"] == record.trial_key(trial)
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    assert client.get_run(model.source_run_id).data.tags["ablate.trial"] == record.trial_key(trial)
    files = [path for path in workspace.artifacts.rglob(f"{model.model_id}/artifacts/**/*") if path.is_file()]
    assert {"model.keras", "requirements.txt", "MLmodel"} <= {path.name for path in files}
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".cloudpickle")]
    pins = next(path for path in files if path.name == "requirements.txt").read_text().split()
    assert {pin.partition("==")[0] for pin in pins} == {"keras", "tensorflow", "numpy", "mlflow"}
    assert all("==" in pin for pin in pins)

    assert cli.run(["register", "faces", *where]) == 0
    assert "already registered as faces version 1" in capsys.readouterr().err
    assert len(client.search_model_versions("name = 'faces'")) == 1
    assert client.get_run(model.source_run_id).info.status == "FINISHED"


def test_what_cannot_be_registered_says_the_way_out(ran, tmp_path):
    """No selection, no head, a server out of reach, a name that MLflow would not take."""
    workspace, record = ran
    with pytest.raises(AblateError, match=r"MLflow cannot be reached .*`ablate register faces --grid kinds`"):
        register.register(workspace, "kinds", "http://127.0.0.1:1", "faces")
    with pytest.raises(AblateError, match="is not allowed"):
        register.register(workspace, "kinds", None, "a/b")
    trial = next(record.grid.seeded(selection.read(workspace, record).row))
    head = workspace.training(record.training_key(trial)).head(trial.step)
    head.rename(tmp_path / "head")
    with pytest.raises(AblateError, match="was not kept"):
        register.register(workspace, "kinds", None, "other")
    (tmp_path / "head").rename(head)
    other = Workspace(tmp_path)
    record.write(other.study("kinds"))
    with pytest.raises(AblateError, match="no row is selected yet"):
        register.register(other, "kinds", None, "faces")


def test_a_head_that_is_kept_nowhere_is_refused_before_training(capsys, npz):
    """--register with --keep none ends at once."""
    study = ["--grid", "smoke", "--data", str(npz), "--keep", "none"]
    assert cli.run(["run", *study, "--register", "faces"]) == 2
    assert "--register needs the head of the selected row" in capsys.readouterr().err
