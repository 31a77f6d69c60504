"""Files of weights that are no weights of the backbone: one line before or at the load, and no code of a file runs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from conftest import STUDY, in_process
from fault_series import Series

from ablation.errors import AblateError
from ablation.experiments.keras_head.training import features, input_layers

NAME = "mobilenetv2"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of MobileNetV2 as Keras initialises them."""
    path = tmp_path_factory.mktemp("weights") / "good.weights.h5"
    input_layers.backbone(NAME, "", 32)[0].save_weights(path)
    return path


def other_network(path: Path, good: Path) -> None:
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(path)


def other_shape(path: Path, good: Path) -> None:
    shutil.copy(good, path)
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        del file[names[0]]
        file[names[0]] = np.zeros((2, 2))


def model_with_code(path: Path, good: Path) -> None:
    """A model whose layer writes a file, where it runs."""
    place = str(path.with_name("pwned"))
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Lambda(_writes, arguments={"place": place}, output_shape=(4,))]
    )
    Path(place).unlink(missing_ok=True)
    model.save(path.with_suffix(".keras"))
    shutil.move(path.with_suffix(".keras"), path)


def _writes(x: object, place: str) -> object:
    Path(place).write_text("x")
    return x


def cut(path: Path, good: Path) -> None:
    content = good.read_bytes()
    path.write_bytes(content[: len(content) // 2])


FORMS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "another network": (other_network, "not those of mobilenetv2 without its top"),
    "another shape": (other_shape, "not those of mobilenetv2 without its top"),
    "a model with code": (model_with_code, "a whole model (.keras), which is not loaded"),
    "cut": (cut, "cannot be read (truncated file"),
    "a page": (
        lambda path, good: path.write_text("<!DOCTYPE html>404"),
        "not an HDF5 file (it begins with b'<!DOCTYP')",
    ),
    "empty": (lambda path, good: path.write_bytes(b""), "not an HDF5 file (it begins with b'')"),
    "a header alone": (lambda path, good: path.write_bytes(good.read_bytes()[:8]), "cannot be read ("),
}


def load(path: Path) -> object:
    """Return the backbone with the weights of a file, as a study loads them."""
    weights = features.locate(NAME, str(path))
    assert weights
    return input_layers.backbone(NAME, features.checked(weights), 32)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_file_of_weights_is_refused(tmp_path: Path, good: Path, form: str, suffix: str):
    """The error names the file and the reason, before the study runs where the file shows it, otherwise at the first
    use."""
    make, message = FORMS[form]
    make(tmp_path / "w.weights.h5", good)
    path = tmp_path / f"w{suffix}"
    if suffix != ".weights.h5":
        shutil.move(tmp_path / "w.weights.h5", path)
    with pytest.raises(AblateError) as caught:
        load(path)
    assert str(caught.value).startswith(f"weights {path}: ")
    assert message in str(caught.value) or (suffix == ".keras" and "another suffix than .h5" in str(caught.value))
    assert not (tmp_path / "pwned").exists()
    Series(f"weights: {form}", 1).record()


def test_the_same_file_is_read(good: Path):
    """The weights of the backbone itself are taken."""
    assert load(good)


def test_weights_that_change_after_they_were_read_are_refused(tmp_path: Path, good: Path):
    """Weights that change between the start of a study and its training are refused, with the old size and time too."""
    path = tmp_path / "w.weights.h5"
    shutil.copy(good, path)
    weights = features.locate(NAME, str(path))
    assert weights
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(AblateError, match="not the file that the study read"):
        features.checked(weights)


@pytest.mark.parametrize("form", ["a page", "a model with code"])
def test_the_command_names_the_file(tmp_path: Path, good: Path, npz: Path, form: str):
    """`run` and `plan` end with one line, and nothing is written."""
    path = tmp_path / "w.weights.h5"
    FORMS[form][0](path, good)
    (tmp_path / "s.toml").write_text(STUDY.replace('"random"', f'"{path}"'))
    for command in ("run", "plan"):
        done = in_process(command, "s.toml", "--data", npz, "--inline", "--trackers", "none", cwd=tmp_path)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
        assert str(path) in done.stderr
    assert not (tmp_path / "runs").exists()
