"""Shares of a GPU in a function's process, with faked libraries and a faked driver. Untested on hardware."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ablation import sizes
from ablation.engine import slots
from ablation.engine.slots import Gpu, Slot
from ablation.errors import AblateError
from ablation.experiments.function import experiment
from ablation.experiments.function.ablate_child import serve

GPU = Gpu("GPU-1", "A", 40_000)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment of a process that has half of a GPU."""
    for name, value in slots.environment(Slot("gpu:0.0", 2, GPU, shared=2)).items():
        monkeypatch.setenv(name, value)


def test_a_share_is_stated_for_each_library(shared: None) -> None:
    """JAX reads a variable; the process of the function receives the others."""
    limits = json.loads(experiment._limits() or "")
    assert limits == {"mib": 18_400, "share": 0.46}
    environment = slots.environment(Slot("gpu:0.0", 2, GPU, shared=2))
    assert environment["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.4600"
    assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-1"


def test_a_whole_gpu_and_a_cpu_have_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit is set for a whole GPU or a CPU."""
    for slot in (Slot("gpu:0", 2, GPU), Slot("cpu:0", 2)):
        assert not {slots.MEMORY_LIMIT, "XLA_PYTHON_CLIENT_MEM_FRACTION"} & slots.environment(slot).keys()
    monkeypatch.delenv(slots.MEMORY_LIMIT, raising=False)
    assert experiment._limits() is None


def test_pytorch_and_tensorflow_are_limited_when_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook of imports limits PyTorch and TensorFlow, before the user's file continues."""
    calls: list[Any] = []
    torch, tensorflow = ModuleType("torch"), ModuleType("tensorflow")
    torch.cuda = SimpleNamespace(is_available=lambda: True, set_per_process_memory_fraction=calls.append)  # type: ignore[attr-defined]
    torch.manual_seed = lambda seed: None  # type: ignore[attr-defined]
    tensorflow.config = SimpleNamespace(  # type: ignore[attr-defined]
        list_physical_devices=lambda kind: ["GPU:0"],
        LogicalDeviceConfiguration=lambda memory_limit: memory_limit,
        set_logical_device_configuration=lambda device, limits: calls.append((device, limits)),
    )
    for name, module in (("torch", torch), ("tensorflow", tensorflow)):
        monkeypatch.setitem(sys.modules, name, module)
        serve._limit_memory(name, module, {"mib": 18_400, "share": 0.46})
    assert calls == [0.46, ("GPU:0", [18_400])]


def test_a_library_without_the_function_is_left_alone() -> None:
    """A library without the function, such as an old version or one without a GPU, is left alone."""
    serve._limit_memory("torch", SimpleNamespace(), {"mib": 1, "share": 0.5})


@pytest.mark.parametrize(("size", "n_slots"), [("6 GiB", 5), ("500 MB", 64), ("36000 MiB", 1)])
def test_a_training_fits_a_slot(size: str, n_slots: int) -> None:
    """The memory of the GPU, less a reserve, is divided by its slots."""
    slot = Slot("gpu:0.0", 2, GPU, shared=n_slots)
    slots.refuse_small([slot, Slot("cpu:0", 2)], sizes.parse("memory", size))


def test_a_slot_that_is_too_small_is_refused() -> None:
    """A slot that is too small is refused with both sizes, and the way out."""
    with pytest.raises(AblateError, match=r"needs 6\.0 GiB, and slot gpu:0\.0 has 5\.1 GiB; pass --slots with fewer"):
        slots.refuse_small([Slot("gpu:0.0", 2, GPU, shared=7)], sizes.parse("memory", "6 GiB"))


@pytest.mark.parametrize("text", ["6", "GiB", "-1 GB", "6 gib", "0 GB", "six GB"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    """The message says how sizes are written."""
    with pytest.raises(AblateError, match="as in 6 GiB or 500 MB"):
        sizes.parse("memory", text)
