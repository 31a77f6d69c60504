"""Slots of this machine, and the environment of a process on a slot."""

import functools
import os
import platform
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pynvml

from ablation.errors import AblateError

MOST_A_CORE = 4  # slots per core: a larger number is a typing error, and would start hundreds of processes
MOST_WAITING = 32  # slots per core whose trials wait for answers
HELP = (
    "allowed: auto, cpu:N (N slots share the cores), gpu:0,1 (two GPUs), gpu:0x3 (three trials on GPU 0), or "
    "gpu:0+1,2+3 (two GPUs a trial)"
)
GPU_MEMORY = 0.92  # share of a GPU's memory for slots: CUDA contexts and libraries need the remainder

PART = r"\d{1,3}(?:x[1-9]\d?|(?:\+\d{1,3})+)?"  # of --slots gpu:
# Environment variables by which a slot sets the limits of its process; nothing else sets these variables.
MEMORY_LIMIT, DEVICE = "ABLATE_GPU_MEMORY_MB", "ABLATE_DEVICE"
MEMORY_SHARE = "ABLATE_GPU_MEMORY_SHARE"


@dataclass(frozen=True)
class Gpu:
    """NVIDIA GPU of this machine.

    `uuid` is the driver's identifier, which no reordering changes. `memory` is the total memory in MiB.
    """

    uuid: str
    name: str
    memory: int
    capability: int = 0  # major version of CUDA's compute capability


@dataclass(frozen=True)
class Slot:
    """Resources of one worker: `threads` CPU cores and, if `gpu` is set, a share of that GPU.

    `shared` is the number of slots on the same GPU. `more`: further GPUs of the same trial.
    """

    name: str
    threads: int
    gpu: Gpu | None = None
    shared: int = 1  # slots on the same GPU
    more: tuple[Gpu, ...] = ()

    @property
    def device(self) -> str:
        """UUID of the GPU, or "cpu"."""
        return self.gpu.uuid if self.gpu else "cpu"


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def gpus() -> list[Gpu]:
    """Return the GPUs that NVIDIA's driver shows and CUDA_VISIBLE_DEVICES allows, in the order of that variable.

    Return [] without a driver.
    """
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        devices = [
            Gpu(
                _text(pynvml.nvmlDeviceGetUUID(h)),
                _text(pynvml.nvmlDeviceGetName(h)),
                pynvml.nvmlDeviceGetMemoryInfo(h).total // 2**20,
                pynvml.nvmlDeviceGetCudaComputeCapability(h)[0],
            )
            for h in handles
        ]
    except pynvml.NVMLError:
        return []
    return _visible(devices, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _visible(devices: Sequence[Gpu], allowed: str | None) -> list[Gpu]:
    """Return the devices that `allowed`, the value of CUDA_VISIBLE_DEVICES, selects.

    CUDA reads numbers or prefixes of UUIDs, up to the first word that names no single device.
    """
    if allowed is None:
        return list(devices)
    chosen: list[Gpu] = []
    for word in (w.strip() for w in allowed.split(",")):
        by_number = devices[int(word) : int(word) + 1] if word.isdecimal() else []
        named = list(by_number) or [g for g in devices if word and g.uuid.startswith(word)]
        if len(named) != 1:
            break
        chosen += named
    return chosen


def _cpu(n: int) -> list[Slot]:
    return [Slot(f"cpu:{i}", max(1, cores() // n)) for i in range(n)]


def _gpu(text: str, devices: Sequence[Gpu]) -> list[Slot]:
    """Return the slots for "0,1", "0x3" or "0+1": indices into `devices`, each with the number of slots that share the
    GPU, or the GPUs that one slot has."""
    parts = [part.partition("x") for part in text.split(",")]
    stated = [([int(number) for number in numbers.split("+")], int(n_slots or 1)) for numbers, _, n_slots in parts]
    numbers_of_all = [number for numbers, _ in stated for number in numbers]
    if unknown := [number for number in numbers_of_all if number >= len(devices)]:
        available = ", ".join(f"{i} ({g.name})" for i, g in enumerate(devices)) or "none"
        raise AblateError(f"--slots gpu:{text}: there is no GPU {unknown[0]}; found: {available}")
    if twice := [number for number, times in Counter(numbers_of_all).items() if times > 1]:
        raise AblateError(f"--slots gpu:{text}: GPU {twice[0]} is named twice; gpu:{twice[0]}x2 puts two trials on it")
    threads = max(1, cores() // sum(n_slots for _, n_slots in stated))
    return [
        Slot(
            f"gpu:{'+'.join(map(str, numbers))}" + (f".{i}" if n_slots > 1 else ""), threads, devices[numbers[0]],
            n_slots, tuple(devices[number] for number in numbers[1:]),
        )
        for numbers, n_slots in stated
        for i in range(n_slots)
    ]  # fmt: skip


def parse(text: str, is_waiting: bool = False) -> list[Slot]:
    """Return the slots that `--slots` names.

    "auto" is one slot per GPU; without GPUs, it is one slot with all cores. Raises AblateError.

    `is_waiting`: whether trials wait for answers most of their time, so that there may be many slots a core.
    """
    if text == "auto":
        devices = gpus()
        return _gpu(",".join(map(str, range(len(devices)))), devices) if devices else _cpu(1)
    if match := re.fullmatch(r"cpu:([1-9]\d{0,3})", text):
        most = MOST_WAITING if is_waiting else MOST_A_CORE
        if int(match[1]) > most * cores():
            raise AblateError(f"--slots {text}: this machine has {cores()} cores; at most {most} slots per core")
        return _cpu(int(match[1]))
    if match := re.fullmatch(rf"gpu:({PART}(?:,{PART})*)", text):
        return _gpu(match[1], gpus())
    raise AblateError(f"--slots {text}: {HELP}")


def refuse_small(slots: Sequence[Slot], needed: int) -> None:
    """Raise AblateError where a slot has less of a GPU's memory than a training needs. `needed`: bytes."""
    for slot in slots:
        if slot.gpu and (share := int(slot.gpu.memory * GPU_MEMORY / slot.shared) << 20) < needed:
            raise AblateError(
                f"[experiment] memory: a training needs {needed / 2**30:.1f} GiB, and slot {slot.name} has "
                f"{share / 2**30:.1f} GiB; pass --slots with fewer trainings on a GPU"
            )


def one_job_per_device(slots: Sequence[Slot]) -> list[Slot]:
    """Return the same devices with one slot each, which has the whole device.

    The number of threads stays equal, so that the computed bits stay equal.
    """
    first = {slot.device: slot for slot in reversed(slots)}
    return [replace(slot, name=f"{slot.name} alone", shared=1) for slot in reversed(first.values())]


# Environment before a process starts (read by glibc alone): large arrays on huge pages, where a new array is several
# times as fast. Dask's own setting returns freed memory at once, and a training allocates the memory again each step.
AT_START = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def environment(slot: Slot) -> dict[str, str]:
    """Return the environment variables of a process on `slot`, for any experiment.

    An experiment adds its own variables.
    """
    return {
        "OMP_NUM_THREADS": str(slot.threads),
        "CUDA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in (slot.gpu, *slot.more)) if slot.gpu else "-1",
        # MLflow would resume the run that this variable names.
        "MLFLOW_RUN_ID": "",
        DEVICE: slot.gpu.name if slot.gpu else "cpu",
        **(_limits(slot.gpu, slot.shared) if slot.gpu and slot.shared > 1 else {}),
    }


def _limits(gpu: Gpu, n_slots: int) -> dict[str, str]:
    """Return the variables of a process that has a share of a GPU. JAX reads the third by itself."""
    share = f"{GPU_MEMORY / n_slots:.4f}"
    mib = str(int(gpu.memory * GPU_MEMORY / n_slots))
    return {MEMORY_LIMIT: mib, MEMORY_SHARE: share, "XLA_PYTHON_CLIENT_MEM_FRACTION": share}


@functools.cache
def cpuinfo(key: str) -> str | None:
    """Return the value of `key` for the first core in /proc/cpuinfo.

    Return "" where the key is missing, and None where the file does not exist.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def memory_limit() -> int | None:
    """Return the MiB of its GPU that this process may use; None without a limit or without a GPU."""
    return int(os.environ[MEMORY_LIMIT]) if os.environ.get(MEMORY_LIMIT) else None


def memory_share() -> float:
    """Return the share of its GPU that this process may use: 1 without a limit."""
    return float(os.environ.get(MEMORY_SHARE) or 1)


def device() -> str:
    """Return the name of the GPU that this process trains on, or "cpu"."""
    return os.environ.get(DEVICE, "cpu")


def processor() -> str:
    """Return the model name of this machine's processor."""
    model = cpuinfo("model name")
    return (platform.processor() if model is None else model) or platform.machine()
