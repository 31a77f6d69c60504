"""Fine-tuning, augmentation, balancing and precision, in the real trainer: what a row claims is what it had."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import Silent, in_process, options, rows, write_npz

from ablation.experiments.keras_head import factors
from ablation.experiments.keras_head.backbones import BACKBONES
from ablation.experiments.keras_head.training import head, input_layers
from ablation.experiments.keras_head.training.batches import class_weights, even_order
from ablation.experiments.keras_head.training.input_layers import augmentation
from ablation.store import result
from ablation.store.files import read_json
from ablation.store.workspace import Workspace
from ablation.study.levels import Condition
from ablation.workflows.run_study import run_study

HEAD = {"fc_units": 8, "batch_size": 16, "weights": "random", "epochs": 2}
RUN = """
[fixed]
fc_units = 16
batch_size = 16
learning_rate = 1e-3
weights = "random"
"""


def images(n: int = 16, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return one batch of HEAD, so that a step is traced once."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (n, size, size, 3), np.uint8), np.arange(n) % 3


def built(**levels: Any) -> tuple[keras.Model, list[Any], Condition]:
    condition = factors.condition(**(HEAD | levels))
    before = input_layers.build(condition, "random") if input_layers.is_needed(condition) else []
    shape = (condition.image_size, condition.image_size, 3)
    if condition.trainable == "block5" and condition.augment == "none":
        shape = before[0].input_shape[1:]
    return head.build(shape, 3, condition, 0, before), before, condition


def arrays(layer: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(v).copy() for v in layer.weights]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_frozen_means_frozen(backbone):
    """Training a head on images changes nothing of the backbone, moving averages included."""
    model, before, condition = built(backbone=backbone, augment="flip")
    x, y = images()
    base, head_before = arrays(before[-1]), arrays(model.layers[-1])
    for _ in head.fit(model, x, y, condition, 0):
        pass
    assert same(arrays(before[-1]), base)
    assert not same(arrays(model.layers[-1]), head_before)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_block_5_alone_is_fine_tuned(backbone):
    """The weights of block 5 move, those before it stay bit for bit, with the whole network in training too."""
    model, before, condition = built(backbone=backbone, trainable="block5", augment="flip")
    lower, upper = before[-2:]
    x, y = images()
    frozen, moving = arrays(lower), arrays(upper)
    for _ in head.fit(model, x, y, condition, 0):
        pass
    assert same(arrays(lower), frozen)
    assert not any(np.array_equal(a, b) for a, b in zip(arrays(upper), moving, strict=True) if a.ndim > 1)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_a_backbone_has_the_numbers_of_its_description(backbone):
    """BACKBONES has the trainable parameters, the multiplications and the channels of each model."""
    model, _ = input_layers.backbone(backbone, "", 32)
    model.trainable = True
    after_cut = keras.Model(model.get_layer(import_module(BACKBONES[backbone].module).CUT).output, model.output)
    block5, whole = (sum(int(np.prod(w.shape)) for w in part.trainable_weights) for part in (after_cut, model))
    kernels = [(layer.output.shape[1:-1], layer.kernel.shape) for layer in model.layers if hasattr(layer, "kernel")]
    products = sum(np.prod(positions) * np.prod(kernel) for positions, kernel in kernels)
    described = BACKBONES[backbone]
    assert described.parameters == {"head": 0, "block5": block5, "all": whole}
    assert described.products == pytest.approx(products, rel=0.01)
    assert described.channels == model.output.shape[-1]


def test_all_of_a_backbone_is_trained():
    """Every kernel of a backbone that is trained from scratch moves, batch normalisation's moving averages too."""
    model, before, condition = built(backbone="mobilenetv2", trainable="all")
    x, y = images()
    start = arrays(before[-1])
    for _ in head.fit(model, x, y, condition, 0):
        pass
    moved = [not np.array_equal(a, b) for a, b in zip(arrays(before[-1]), start, strict=True)]
    assert np.mean(moved) > 0.95


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_block_5_on_stored_features_is_block_5_on_images(backbone):
    """Predictions from stored features of the frozen part equal those from images."""
    cut, (upper,), _ = built(backbone=backbone, trainable="block5")
    whole, before, _ = built(backbone=backbone, trainable="block5", augment="flip")
    x, _ = images(4)
    lower = before[-2]
    stored = keras.ops.convert_to_numpy(lower(before[-3](x.astype(np.float32)), training=False))
    assert upper.input_shape[1:] == stored.shape[1:]
    a, b = (keras.ops.convert_to_numpy(m(v, training=False)) for m, v in ((cut, stored), (whole, x)))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_augmentation_is_off_in_evaluation_and_on_in_training():
    """The backbone receives the image itself in evaluation, and one changed by (seed, epoch) in training."""
    layers = augmentation("light")
    model = keras.Sequential([keras.Input((32, 32, 3)), *layers])
    x = images(8)[0].astype(np.float32)

    def seen(training: bool, epoch: int) -> np.ndarray:
        input_layers.seed_augmentation(model.layers, 0, epoch)
        return keras.ops.convert_to_numpy(model(x, training=training))

    np.testing.assert_array_equal(seen(False, 1), x)
    assert not np.array_equal(seen(True, 1), x)
    np.testing.assert_array_equal(seen(True, 1), seen(True, 1))
    assert not np.array_equal(seen(True, 1), seen(True, 2))
    flipped = keras.Sequential([keras.Input((32, 32, 3)), *augmentation("flip")])(x, training=True)
    flipped_images = keras.ops.convert_to_numpy(flipped)
    assert {np.array_equal(a, b) or np.array_equal(a[:, ::-1], b) for a, b in zip(flipped_images, x, strict=True)} == {
        True
    }


@pytest.mark.parametrize("size", [6, 7, 16, 100])
def test_balanced_batches_are_even(size):
    """Counts of the classes differ by one at most in each batch, whatever their shares; (seed, epoch) alone decides."""
    y = np.repeat([0, 1, 2], [50, 8, 3])
    rows = even_order(y, size, 0, 1)
    assert len(rows) == len(y)
    for first in range(0, len(rows), size):
        counts = np.bincount(y[rows[first : first + size]], minlength=3)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(rows, even_order(y, size, 0, 1))
    assert not np.array_equal(rows, even_order(y, size, 0, 2))
    assert set(y[rows].tolist()) == {0, 1, 2}


def test_class_weights_even_out_the_loss():
    """Each class weighs the same in all, and an image weighs 1 in the mean."""
    y = np.repeat([0, 1, 2], [50, 8, 2])
    weights = class_weights(y)
    assert {k: pytest.approx(20.0) for k in range(3)} == {k: w * np.sum(y == k) for k, w in weights.items()}


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_is_the_heads(precision):
    """Products are computed in it, weights are kept and the softmax is made in float32, and the head learns."""
    condition = factors.condition(**HEAD, precision=precision, learning_rate=1e-2, dropout=0.0)
    model = head.build((32,), 3, condition, 0)
    y = np.arange(48) % 3
    x = np.random.default_rng(0).normal(size=(48, 32)).astype(np.float32) + 2 * y[:, None]
    losses = [logs["loss"] for _, logs in head.fit(model, x, y, condition.replace(epochs=15), 0)]
    assert losses[-1] < losses[0] / 2
    assert model.layers[1].compute_dtype == precision
    assert {str(v.dtype) for v in model.trainable_variables} == {"float32"}
    assert str(head.predict(model, x, y).losses.dtype) == "float32"
    keras.config.set_dtype_policy("float32")


def test_every_variant_runs_and_shares_and_resumes(tmp_path):
    """Every variant of a study is done, with shared epochs, stored features of frozen parts, and images for the
    others."""
    (tmp_path / "v.toml").write_text(
        RUN
        + '[[rows]]\nepochs = 2\n[[rows]]\naugment = "flip"\nepochs = 1\n[[rows]]\naugment = "flip"\nepochs = 2\n'
        + '[[rows]]\ntrainable = "block5"\nepochs = 1\n'
        + '[[rows]]\nbackbone = "mobilenetv2"\nfc_units = [16, 8]\nepochs = 2\n'
        + '[[rows]]\ntrainable = "all"\nepochs = 1\n[[rows]]\nbalance = "batch"\nepochs = 2\n'
        + '[[rows]]\nbalance = "class_weight"\nepochs = 2\n'
    )
    data = write_npz(tmp_path / "d.npz", train=36, test=18, y_train=np.minimum(np.arange(36) % 4, 2))
    outcome = run_study(options(tmp_path / "v.toml", data, tmp_path / "runs"), Silent())
    assert outcome.unfinished == ()
    assert "NOT_ABLATED" not in outcome.codes
    lines = rows(outcome.folder)
    assert len({line["test_accuracy"] + line["val_loss"] for line in lines}) == 8
    workspace = Workspace(tmp_path / "runs")
    stored = {p.stem for p in (workspace.root / "cache/features").glob("*.npy")}
    assert sum(name.endswith("-cut") for name in stored) == 1
    assert len(stored) == 3
    witnesses = [read_json(f.witness) for f in workspace.trainings()]
    assert len({json.dumps(w) for w in witnesses}) == len(witnesses) == 7


def test_rows_that_differ_in_nothing_are_an_error(tmp_path):
    """Class weights where classes are even are no weights: the trainer had the same, which ends the command with 1."""
    (tmp_path / "v.toml").write_text(RUN + 'epochs = 1\n[[rows]]\n[[rows]]\nbalance = "class_weight"\n')
    y = np.arange(30) % 3
    x = np.random.default_rng(0).integers(0, 255, (30, 32, 32), np.uint8)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_val=x, y_val=y, x_test=x, y_test=y)
    done = in_process("run", "--grid", "v.toml", "--data", "d.npz", "--inline", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "error: NOT_ABLATED" in done.stderr
    (warning,) = [w for w in json.loads((tmp_path / "runs/v/warnings.json").read_text()) if w["code"] == "NOT_ABLATED"]
    assert warning["rows"] == [1, 2]
    assert "Rows 1 and 2 have different settings" in warning["fact"]


def test_epochs_on_images_are_shared_exactly(tmp_path):
    """A row of one epoch with augmentation, alone, equals the one read off a training of two, bit for bit."""
    data = write_npz(tmp_path / "d.npz", train=32, test=12)
    both = RUN + 'augment = "light"\n[[rows]]\nepochs = 1\n[[rows]]\nepochs = 2\n'
    (tmp_path / "both.toml").write_text(both)
    (tmp_path / "one.toml").write_text(RUN + 'augment = "light"\n[[rows]]\nepochs = 1\n')
    for name, place in (("both", "a"), ("one", "b")):
        run_study(options(tmp_path / f"{name}.toml", data, tmp_path / place), Silent())
    results = []
    for place in ("a", "b"):
        (folder,) = Workspace(tmp_path / place).trainings()
        results.append(result.read(folder, 1))
    assert results[0].predictions == results[1].predictions
    assert results[0].history[0]["loss"] == results[1].history[0]["loss"]


@pytest.fixture(autouse=True)
def _policy():
    yield
    keras.config.set_dtype_policy("float32")


def test_folder_of_weights_serves_both_backbones(shared: Path, tmp_path):
    """`weights` may name a folder with a file for each backbone."""
    (tmp_path / "w.toml").write_text(
        f'[fixed]\nfc_units = 16\nepochs = 1\nweights = "{shared}"\n[[rows]]\n[[rows]]\nbackbone = "mobilenetv2"\n'
    )
    data = write_npz(tmp_path / "d.npz", train=32, test=12)
    outcome = run_study(options(tmp_path / "w.toml", data, tmp_path / "runs"), Silent())
    assert outcome.unfinished == ()
