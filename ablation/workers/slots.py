"""The slots of this machine, and the environment of a process on one."""

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

MOST_A_CORE = 4  # slots: more is a slip of the finger, and would start hundreds of processes
HELP = "takes auto, cpu:N (N slots share the cores), gpu:0,1 (two GPUs), or gpu:0x3 (three trials on one GPU)"
GPU_MEMORY = 0.92  # of a GPU's memory that slots may take: contexts and libraries need the rest

# Between a slot's environment and the process on it; nobody else sets them.
MEMORY_LIMIT, DEVICE = "ABLATE_GPU_MEMORY_MB", "ABLATE_DEVICE"


@dataclass(frozen=True)
class Gpu:
    """`uuid`: the driver's name for it, which no reordering changes. `memory`: MiB in all."""

    uuid: str
    name: str
    memory: int
    capability: int = 0  # CUDA's major version of what it can compute


@dataclass(frozen=True)
class Slot:
    """What one worker holds: `threads` of the cores and, if `gpu`, the part of it that is not `shared` with others."""

    name: str
    threads: int
    gpu: Gpu | None = None
    shared: int = 1  # slots on the same GPU

    @property
    def device(self) -> str:
        return self.gpu.uuid if self.gpu else "cpu"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _text(found: str | bytes) -> str:
    return found.decode() if isinstance(found, bytes) else found


def gpus() -> list[Gpu]:
    """The GPUs that NVIDIA's driver shows and CUDA_VISIBLE_DEVICES allows, in its order; [] without a driver."""
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        found = [
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
    return _visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _visible(found: Sequence[Gpu], allowed: str | None) -> list[Gpu]:
    """As CUDA reads its variable: numbers or beginnings of UUIDs, up to the first that names none."""
    if allowed is None:
        return list(found)
    chosen: list[Gpu] = []
    for word in (w.strip() for w in allowed.split(",")):
        by_number = found[int(word) : int(word) + 1] if word.isdecimal() else []
        named = list(by_number) or [g for g in found if word and g.uuid.startswith(word)]
        if len(named) != 1:
            break
        chosen += named
    return chosen


def _cpu(n: int) -> list[Slot]:
    return [Slot(f"cpu:{i}", max(1, cores() // n)) for i in range(n)]


def _gpu(text: str, found: Sequence[Gpu]) -> list[Slot]:
    """ "0,1" or "0x3": numbers among `found`, each with how many slots share it."""
    parts = [(int(number), int(many or 1)) for number, _, many in (p.partition("x") for p in text.split(","))]
    unknown = [number for number, _ in parts if number >= len(found)]
    if unknown:
        there = ", ".join(f"{i} ({g.name})" for i, g in enumerate(found)) or "none"
        raise AblateError(f"--slots gpu:{text}: there is no GPU {unknown[0]}; found: {there}")
    twice = [number for number, times in Counter(number for number, _ in parts).items() if times > 1]
    if twice:
        raise AblateError(f"--slots gpu:{text}: GPU {twice[0]} is named twice; gpu:{twice[0]}x2 puts two trials on it")
    threads = max(1, cores() // sum(many for _, many in parts))
    return [
        Slot(f"gpu:{number}" + (f".{i}" if many > 1 else ""), threads, found[number], many)
        for number, many in parts
        for i in range(many)
    ]


def parse(text: str) -> list[Slot]:
    """The slots that `--slots` names. auto: one a GPU; without GPUs one with all cores. Raises AblateError."""
    if text == "auto":
        found = gpus()
        return _gpu(",".join(map(str, range(len(found)))), found) if found else _cpu(1)
    if match := re.fullmatch(r"cpu:([1-9]\d{0,3})", text):
        if int(match[1]) > MOST_A_CORE * cores():
            raise AblateError(f"--slots {text}: this machine has {cores()} cores; at most {MOST_A_CORE} slots a core")
        return _cpu(int(match[1]))
    if match := re.fullmatch(r"gpu:(\d{1,3}(?:x[1-9]\d?)?(?:,\d{1,3}(?:x[1-9]\d?)?)*)", text):
        return _gpu(match[1], gpus())
    raise AblateError(f"--slots {text}: {HELP}")


def alone(slots: Sequence[Slot]) -> list[Slot]:
    """The same devices with one slot each, which has the whole of it; as many threads, so that bits stay equal."""
    first = {slot.device: slot for slot in reversed(slots)}
    return [replace(slot, name=f"{slot.name} alone", shared=1) for slot in reversed(first.values())]


# What a process must find when it starts: large arrays on large pages, on which fresh ones are several times as fast
# (glibc alone reads it). Dask's own setting gives freed memory back at once, and a training takes it again each step.
AT_START = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def environment(slot: Slot) -> dict[str, str]:
    """The variables of a process on `slot`, whatever it runs; an experiment adds its own."""
    return {
        "OMP_NUM_THREADS": str(slot.threads),
        "CUDA_VISIBLE_DEVICES": slot.gpu.uuid if slot.gpu else "-1",
        # MLflow would resume a run that it finds here.
        "MLFLOW_RUN_ID": "",
        DEVICE: slot.gpu.name if slot.gpu else "cpu",
        **(
            {MEMORY_LIMIT: str(int(slot.gpu.memory * GPU_MEMORY / slot.shared))} if slot.gpu and slot.shared > 1 else {}
        ),
    }


@functools.cache
def cpuinfo(key: str) -> str | None:
    """What Linux says of the first core; "" where it says nothing of that, None where there is no such file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def memory_limit() -> int | None:
    """MiB of its GPU that this process may take; None where it has all of it, or none."""
    return int(os.environ[MEMORY_LIMIT]) if os.environ.get(MEMORY_LIMIT) else None


def device() -> str:
    """What this process trains on: the GPU's name, or cpu."""
    return os.environ.get(DEVICE, "cpu")


def processor() -> str:
    """The model of this machine's processor."""
    found = cpuinfo("model name")
    return (platform.processor() if found is None else found) or platform.machine()
