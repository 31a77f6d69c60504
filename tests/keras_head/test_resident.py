"""An epoch in one call, images on the device: as on a GPU, with the CPU for one, on TensorFlow and on JAX."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ablation.experiments.keras_head.training import devices

SCRIPT = """
import json, os, sys
import numpy as np
from ablation.engine import slots
from ablation.experiments.keras_head import factors
from ablation.experiments.keras_head.training import head, worker
from ablation.study.levels import Condition

worker.set_up()
rng = np.random.default_rng(0)
x, y = rng.random((50, 1, 1, 16), np.float32), rng.integers(3, size=50)

def train(device, epochs, **more):
    os.environ[slots.DEVICE] = device
    condition = factors.condition(**{"fc_units": 32, "batch_size": 16, "epochs": epochs, "learning_rate": 1e-2} | more)
    model = head.build(x.shape[1:], 3, condition, 0)
    trainer = head.Trainer(model, x, y, condition, 0)
    logs = [trainer.epoch(epoch) for epoch in range(1, epochs + 1)]
    assert (type(trainer._steps).__name__ == "Steps") == (device != "cpu")
    return logs, model.get_weights()

kinds = [{}, {"balance": "class_weight", "precision": "float16", "batch_size": 50}]
print(json.dumps([
    [one_logs, other_logs, max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))]
    for kind in kinds
    for (one_logs, one), (other_logs, other) in [(train("cpu", 3, **kind), train("a GPU", 3, **kind))]
]))
again = train("a GPU", 1)[1], train("a GPU", 1)[1]
assert all(np.array_equal(a, b) for a, b in zip(*again, strict=True))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_an_epoch_in_one_call_is_the_same_epoch(backend: str):
    """Step by step and in one call: equal weights, and logs that are the means over the epoch's images."""
    if not find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    here = os.environ | devices.of_child() | {"KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for step_by_step, resident, apart in json.loads(done.stdout.splitlines()[-1]):
        assert apart < 1e-6
        for one, other in zip(step_by_step, resident, strict=True):
            assert other == pytest.approx(one, rel=1e-5)


def test_a_study_on_jax(npz: Path, tmp_path: Path):
    """Epochs are shared there too, and the table says nothing of chance on a CPU."""
    if not find_spec("jax"):
        pytest.skip("jax is not installed")
    (tmp_path / "two.toml").write_text(
        'seeds = [0]\n[fixed]\nweights = "random"\nfc_units = 32\n[[rows]]\nepochs = 1\n[[rows]]\nepochs = 2\n'
    )
    command = ("run", "--grid", "two.toml", "--data", str(npz), "--workspace", "runs", "-q")
    done = subprocess.run(
        [sys.executable, "-m", "ablation", *command],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (path for path in (tmp_path / "runs/trained").iterdir() if path.is_dir())
    results = [json.loads((folder / f"result-{epochs}.json").read_text()) for epochs in (1, 2)]
    assert results[0]["history"] == results[1]["history"][:1]
    assert {r["environment"]["deterministic"] for r in results} == {True}
    assert "jax" in results[0]["environment"]
