"""The trainer, on real small Keras heads: what epoch e is depends on (seed, e) alone."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from ablation.experiments.keras_head import factors
from ablation.experiments.keras_head.training import batches, head
from ablation.study.levels import Condition

CONDITION = factors.condition(fc_units=32, dropout=0.5, batch_size=16, learning_rate=1e-3, epochs=7)


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(50, 2, 2, 8)).astype(np.float32), np.arange(50) % 3


def states(images: tuple[np.ndarray, np.ndarray], condition: Condition, seed: int = 0) -> Iterator[list[np.ndarray]]:
    """Yield the weights after each epoch, then the predictions."""
    x, y = images
    model = head.build(x.shape[1:], 3, condition, seed)
    for _ in head.fit(model, x, y, condition, seed):
        yield [*model.get_weights(), head.predict(model, x, y).losses]


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_three_epochs_are_the_first_three_of_seven(images: tuple[np.ndarray, np.ndarray]):
    """A 3-epoch row read off a 7-epoch training equals the row trained alone, bit for bit."""
    alone = list(states(images, CONDITION.replace(epochs=3)))
    together = list(states(images, CONDITION))
    assert len(together) == 7
    assert equal(alone[-1], together[2])
    assert not equal(alone[-1], together[3])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_the_same_seed_gives_the_same_bits(images: tuple[np.ndarray, np.ndarray], optimizer: str):
    """Training again gives the same weights, with each optimizer."""
    condition = CONDITION.replace(epochs=2, optimizer=optimizer)
    first, again = list(states(images, condition)), list(states(images, condition))
    assert equal(first[-1], again[-1])


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_state_that_is_set_goes_on_bit_for_bit(images: tuple[np.ndarray, np.ndarray], precision: str):
    """A state that was read often resumes bit for bit: a loss scaler's factor is part of it, and does not begin
    anew."""
    x, y = images
    condition = CONDITION.replace(epochs=4, precision=precision)
    whole = list(states(images, condition))
    first = head.build(x.shape[1:], 3, condition, 0)
    for epoch, _ in head.fit(first, x, y, condition, 0):
        saved = head.state(first)
        assert len(saved) == len(head.state(first))
        if epoch == 2:
            break
    second = head.build(x.shape[1:], 3, condition, 0)
    head.set_state(second, saved)
    for _ in head.fit(second, x, y, condition, 0, done=2):
        pass
    assert equal([*second.get_weights(), head.predict(second, x, y).losses], whole[-1])


def test_a_front_takes_its_input_as_it_is():
    """A backbone's upper part computes in float32 on features that were stored in float32, in lower precision too."""
    keras.config.set_dtype_policy("float32")
    front = keras.Sequential([keras.Input((2, 2, 8)), keras.layers.Rescaling(1.0)])
    condition = CONDITION.replace(precision="bfloat16")
    model = head.build((2, 2, 8), 3, condition, 0, [front])
    inputs_of_front = []
    front.layers[-1].call = lambda inputs: inputs_of_front.append(np.asarray(inputs)) or inputs
    x = np.full((1, 2, 2, 8), 1 + 2**-20, np.float32)
    model(x)
    assert np.array_equal(inputs_of_front[-1], x)


def test_another_seed_gives_another_head(images: tuple[np.ndarray, np.ndarray]):
    """The seed decides initial weights, order and masks."""
    first, other = next(states(images, CONDITION)), next(states(images, CONDITION, seed=1))
    assert not np.array_equal(first[0], other[0])


def test_masks_differ_between_epochs_and_layers(images: tuple[np.ndarray, np.ndarray]):
    """Dropout draws anew in each epoch and each layer, and the same again for the same epoch."""
    model = head.build((2, 2, 8), 3, CONDITION, 0)
    layers = [layer for layer in model.layers if "dropout" in layer.name]

    def drawn(epoch: int) -> list[list[int]]:
        head._seed_dropout(model, 0, epoch)
        return [np.asarray(layer.seed_generator.state).tolist() for layer in layers]

    assert len(layers) == 2
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1)[0] != drawn(1)[1]


def test_the_head_is_the_papers():
    """flatten -> fc_layers x (dense ReLU, dropout) -> softmax, with Adam and sparse categorical cross-entropy."""
    model = head.build((1, 1, 512), 6, factors.condition(), 0)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert [k.strip("_") for k in kinds] == ["Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [4096, 4096, 6]
    assert model.layers[2].rate == 0.25
    assert type(model.optimizer).__name__ == "Adam"
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.loss == "sparse_categorical_crossentropy"


def test_a_number_of_units_for_each_layer():
    """[128, 64] is a layer of 128 and one of 64; without dropout no dropout layer is between."""
    model = head.build((512,), 6, factors.condition(fc_units=[128, 64], dropout=0.0), 0)
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [128, 64, 6]
    assert not [layer for layer in model.layers if "dropout" in layer.name]


def test_a_head_learns(images: tuple[np.ndarray, np.ndarray]):
    """The loss that is reported falls, and predictions have the shapes that files expect."""
    x, y = images
    condition = CONDITION.replace(epochs=60, learning_rate=1e-2, dropout=0.0)
    model = head.build(x.shape[1:], 3, condition, 0)
    logs = [predicted for _, predicted in head.fit(model, x, y, condition, 0)]
    assert logs[-1]["loss"] < 0.1 < logs[0]["loss"]
    predicted = head.predict(model, x, y)
    assert (predicted.classes.dtype, predicted.probabilities.dtype, predicted.losses.dtype) == (
        np.int16,
        np.float16,
        np.float32,
    )
    assert predicted.probabilities.shape == (50, 3)


def test_large_images_are_predicted_a_few_at_a_time():
    """Large images are predicted a few at a time: their activations would fill the memory; features have none."""
    sizes = []

    def model(x: np.ndarray, training: bool) -> np.ndarray:
        sizes.append(len(x))
        return np.full((len(x), 2), 0.5, np.float32)

    y = np.zeros(1100, int)
    head.predict(model, np.zeros((1100, 224, 224, 3), np.uint8), y)
    assert max(sizes) * 224**2 <= 1024 * 32**2 * 2
    assert sum(sizes) == 1100
    sizes.clear()
    head.predict(model, np.zeros((1100, 1, 1, 512), np.float32), y)
    assert sizes == [1024, 76]


def test_what_an_epoch_reports_is_its_mean(images: tuple[np.ndarray, np.ndarray]):
    """An epoch with steps too small to change anything reports the model's mean over all images, with any batches."""
    x, y = images
    condition = CONDITION.replace(dropout=0.0, learning_rate=1e-12, batch_size=16)
    model = head.build(x.shape[1:], 3, condition, 0)
    predicted = head.predict(model, x, y)
    logs = head.Trainer(model, x, y, condition, 0).epoch(1)
    assert logs["loss"] == pytest.approx(predicted.losses.mean(), rel=1e-5)
    assert logs["accuracy"] == pytest.approx((predicted.classes == y).mean())


def test_an_epoch_shows_every_image_once():
    """The order of an epoch is a permutation, another one in each epoch, and the same for the same seed."""
    x = np.arange(10)
    orders = [
        np.concatenate([b for b, _ in batches.batches(x, x, batches.rows(x, 4, 0, epoch), 4)]) for epoch in (1, 2, 1)
    ]
    assert sorted(orders[0]) == x.tolist()
    assert orders[0].tolist() != orders[1].tolist()
    assert orders[0].tolist() == orders[2].tolist()
    assert [len(b) for b, _ in batches.batches(x, x, batches.rows(x, 4, 0, 1), 4)] == [4, 4, 2]


def test_streams_do_not_share_seeds():
    """Neighbouring seeds, layers and epochs draw from different places."""
    drawn = [batches.stream(seed, *path) for seed in range(4) for path in [(0, 0), (0, 1), (1, 0), (1, 1, 1)]]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_fused_update_is_kerass(images: tuple[np.ndarray, np.ndarray], name: str):
    """The faster optimizers follow Keras' own to rounding."""
    x, y = images
    condition = CONDITION.replace(optimizer=name)
    ours, theirs = (head.build(x.shape[1:], 3, condition, 0) for _ in range(2))
    theirs.compile(
        keras.optimizers.get(name), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    theirs.optimizer.learning_rate = condition.learning_rate
    assert type(ours.optimizer) is not type(theirs.optimizer)
    for epoch in (1, 2, 3):
        logs = [head.Trainer(model, x, y, condition, 0).epoch(epoch) for model in (ours, theirs)]
        assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(("precision", "policy"), [("float32", "float32"), ("bfloat16", "mixed_bfloat16")])
def test_the_product_has_the_gradient_of_a_dense_layer(
    images: tuple[np.ndarray, np.ndarray], precision: str, policy: str
):
    """One step with our dense layers equals one step with Keras' own, to rounding."""
    x, y = images
    changes = {"dropout": 0.0, "optimizer": "sgd", "learning_rate": 0.1, "precision": precision}
    condition = CONDITION.replace(**changes)
    ours = head.build(x.shape[1:], 3, condition, 0)
    layers = [keras.layers.Dense(32, "relu", dtype=policy) for _ in range(2)]
    last = keras.layers.Dense(3, "softmax", dtype="float32")
    theirs = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Flatten(), *layers, last])
    theirs.compile(
        keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    theirs.set_weights(ours.get_weights())
    for model in (ours, theirs):
        head.Trainer(model, x, y, condition, 0).epoch(1)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
