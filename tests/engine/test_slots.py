"""The slots of a machine, with faked GPUs."""

import os
import sys
from types import SimpleNamespace

import pytest

from ablation.engine import slots
from ablation.errors import AblateError
from ablation.experiments.keras_head.training import devices, worker

pytestmark = pytest.mark.unit

GPUS = [slots.Gpu("GPU-aa1", "A", 1000), slots.Gpu("GPU-ab2", "B", 2000)]


def fake_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that shows GPUS."""
    for name, answer in {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: len(GPUS),
        "nvmlDeviceGetHandleByIndex": lambda i: GPUS[i],
        "nvmlDeviceGetUUID": lambda gpu: gpu.uuid.encode(),
        "nvmlDeviceGetName": lambda gpu: gpu.name,
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(total=gpu.memory * 2**20),
        "nvmlDeviceGetCudaComputeCapability": lambda gpu: (gpu.capability, 0),
    }.items():
        monkeypatch.setattr(slots.pynvml, name, answer)


def test_cpu_slots():
    """cpu:N shares the cores; without GPUs auto is one slot with all of them."""
    assert [s.threads for s in slots.parse(f"cpu:{slots.cores()}")] == [1] * slots.cores()
    assert slots.gpus() or slots.parse("auto") == [slots.Slot("cpu:0", slots.cores())]


def test_more_slots_than_cores_can_serve_are_refused():
    """A slip of the finger would start hundreds of processes."""
    with pytest.raises(AblateError, match=f"this machine has {slots.cores()} cores; at most 4 slots per core"):
        slots.parse(f"cpu:{4 * slots.cores() + 1}")


@pytest.mark.parametrize(
    "text", ["", "cpu", "cpu:0", "gpu:", "gpu:0x0", "gpu:x3", "gpu:0;1", "4", "gpu:0xx3", "gpu:0+", "gpu:0x2+1"]
)
def test_what_is_no_slot_is_refused(text: str):
    """One line says what is allowed."""
    with pytest.raises(AblateError, match="allowed: auto, cpu:N"):
        slots.parse(text)


def test_gpus_are_known_by_uuid(monkeypatch: pytest.MonkeyPatch):
    """auto is one slot a GPU that the driver shows; a number that is not there, or twice there, is refused."""
    fake_driver(monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert slots.gpus() == GPUS
    assert [(s.name, s.device, s.shared) for s in slots.parse("auto")] == [
        ("gpu:0", "GPU-aa1", 1),
        ("gpu:1", "GPU-ab2", 1),
    ]
    with pytest.raises(AblateError, match=r"no GPU 2; found: 0 \(A\), 1 \(B\)"):
        slots.parse("gpu:0,2")
    with pytest.raises(AblateError, match="gpu:1x2 puts two"):
        slots.parse("gpu:1,1")


def test_a_trial_may_have_several_gpus(monkeypatch: pytest.MonkeyPatch):
    """A trial sees all GPUs of its slot, in their order; each GPU is of one slot."""
    fake_driver(monkeypatch)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    [slot] = slots.parse("gpu:1+0")
    assert (slot.name, slot.gpu, slot.more, slot.threads) == ("gpu:1+0", GPUS[1], (GPUS[0],), slots.cores())
    assert slots.environment(slot)["CUDA_VISIBLE_DEVICES"] == "GPU-ab2,GPU-aa1"
    with pytest.raises(AblateError, match="GPU 0 is named twice"):
        slots.parse("gpu:0+1,0")
    with pytest.raises(AblateError, match="no GPU 2"):
        slots.parse("gpu:0+2")


def test_trials_that_wait_may_be_many():
    """Slots of an evaluation that asks a server exceed the cores; each has one thread."""
    waiting = slots.parse(f"cpu:{8 * slots.cores()}", is_waiting=True)
    assert [slot.threads for slot in waiting] == [1] * 8 * slots.cores()
    with pytest.raises(AblateError, match="at most 32 slots per core"):
        slots.parse(f"cpu:{32 * slots.cores() + 1}", is_waiting=True)


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [("1", ["GPU-ab2"]), ("1,0", ["GPU-ab2", "GPU-aa1"]), ("GPU-aa", ["GPU-aa1"]), ("", []), ("0,9,1", ["GPU-aa1"]),
     ("GPU-a", []), ("-1", [])],
)  # fmt: skip
def test_what_cuda_may_not_see_is_not_taken(monkeypatch: pytest.MonkeyPatch, visible: str, uuids: list[str]):
    """CUDA_VISIBLE_DEVICES means here what it means to CUDA: a queue's allotment is kept."""
    fake_driver(monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.uuid for gpu in slots.gpus()] == uuids


def test_alone_is_the_whole_device():
    """A job that ran out of memory gets its device for itself, with as many threads as before."""
    packed = [slots.Slot(f"gpu:0.{i}", 2, GPUS[0], 3) for i in range(3)] + [slots.Slot("gpu:1", 2, GPUS[1])]
    assert slots.one_job_per_device(packed) == [
        slots.Slot("gpu:0.0 alone", 2, GPUS[0]),
        slots.Slot("gpu:1 alone", 2, GPUS[1]),
    ]
    assert slots.one_job_per_device(slots.parse("cpu:2")) == [slots.Slot("cpu:0 alone", max(1, slots.cores() // 2))]


def test_a_share_of_memory_is_set_by_the_backends_own_call(monkeypatch: pytest.MonkeyPatch):
    """TensorFlow is given a limit for the GPU that it sees, before it starts."""
    calls = []
    config = SimpleNamespace(
        LogicalDeviceConfiguration=lambda memory_limit: memory_limit,
        list_physical_devices=lambda kind: ["the gpu"],
        set_logical_device_configuration=lambda gpu, limits: calls.append((gpu, limits)),
    )
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    monkeypatch.setattr(os, "environ", dict(os.environ) | slots.environment(slots.Slot("gpu:0.0", 1, GPUS[1], 2)))
    worker._limit_memory(slots.memory_limit())
    assert calls == [("the gpu", [int(2000 * slots.GPU_MEMORY / 2)])]
    assert slots.device() == "B"


def test_jax_on_a_gpu_computes_the_same_bits(monkeypatch: pytest.MonkeyPatch):
    """The switch of JAX for equal bits is added to the flags that are set; TensorFlow needs none."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    slot = slots.Slot("gpu:0", 1, GPUS[0])
    assert "XLA_FLAGS" not in devices.environment(slot)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    environment = slots.environment(slot) | devices.environment(slot)
    assert environment["XLA_FLAGS"] == f"--xla_dump_to=x {devices.DETERMINISTIC}"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert slots.device() == GPUS[0].name
    assert devices.deterministic()
    monkeypatch.setenv("XLA_FLAGS", "")
    assert not devices.deterministic()


@pytest.mark.parametrize(("backend", "switch"), [("tensorflow", True), ("jax", True), ("torch", False)])
def test_tensorfloat_is_a_level_where_the_backend_has_a_switch(
    monkeypatch: pytest.MonkeyPatch, backend: str, switch: bool
):
    """Float32 turns TensorFloat off where the backend has a switch; otherwise the driver does, and the level is
    missing."""
    monkeypatch.setenv("KERAS_BACKEND", backend)
    slot = slots.Slot("gpu:0", 1, slots.Gpu("GPU-1", "A", 1000, 9))
    assert (devices.lacking("tensorfloat32", [slot]) == "") is switch
    assert ("NVIDIA_TF32_OVERRIDE" in devices.environment(slot)) is not switch
