"""The slots of this machine, and the environment of a process on one."""

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec

import pynvml

from ablation.errors import AblateError


@dataclass(frozen=True)
class Slot:
    """A share of the CPU that one worker holds: `threads` of its cores."""

    name: str
    threads: int


def parse(text: str) -> list[Slot]:
    """The slots that `--slots` names: auto (one slot with all cores) or cpu:N. Raises AblateError."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if text == "auto":
        return [Slot("cpu:0", cores)]
    match = re.fullmatch(r"cpu:([1-9]\d{0,3})", text)
    if not match:
        raise AblateError(f"--slots {text}: takes auto, or cpu:N for N slots that share the cores")
    n = int(match[1])
    return [Slot(f"cpu:{i}", max(1, cores // n)) for i in range(n)]


def gpu_names() -> list[str]:
    """The GPUs that NVIDIA's driver shows; [] without a driver."""
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []


def backend() -> str:
    """The Keras backend that all workers use: KERAS_BACKEND, else tensorflow; keras.json is not read."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


# What a process must find when it starts: large arrays on large pages, on which fresh ones are several times as fast
# (glibc alone reads it). Dask's own setting gives freed memory back at once, and a training takes it again each step.
AT_START = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def environment(slot: Slot) -> dict[str, str]:
    """The variables that must stand before a process on `slot` loads its backend."""
    return {
        "KERAS_BACKEND": backend(),
        "OMP_NUM_THREADS": str(slot.threads),
        "TF_NUM_INTRAOP_THREADS": str(slot.threads),
        "TF_NUM_INTEROP_THREADS": str(slot.threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # The level float32 means float32: no variable may bring lower precision in by the back door.
        "TF_SET_ONEDNN_FPMATH_MODE": "",
        "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
        "NVIDIA_TF32_OVERRIDE": "0",
        # MLflow would resume a run that it finds here.
        "MLFLOW_RUN_ID": "",
    }


def is_installed(backend_name: str) -> bool:
    """Whether the package of a Keras backend is there; it is not imported."""
    return find_spec(backend_name) is not None
