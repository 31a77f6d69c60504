"""How a Keras backend uses a slot: the variables that it must find, and the precisions that it has."""

import os
from collections.abc import Sequence

from ablation.workers import slots
from ablation.workers.slots import GPU_MEMORY, Slot

# The same bits each time; and XLA times no kernels while it compiles.
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"

SWITCHED = ("tensorflow", "jax")  # backends that turn TensorFloat-32 on and off
NEEDED = {"tensorfloat32": 8, "bfloat16": 8, "float16": 7}  # compute capability of a GPU
FLAGS = {"bfloat16": ("avx512_bf16", "amx_bf16"), "float16": ("avx512_fp16", "amx_fp16")}  # of a processor


def backend() -> str:
    """Return the Keras backend that all workers use: KERAS_BACKEND, else tensorflow; keras.json is not read."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def _of_device(slot: Slot) -> dict[str, str]:
    if slot.gpu is None:
        return {"JAX_PLATFORMS": "cpu"}
    found = {}
    if backend() == "jax":  # elsewhere these flags mean another XLA, which may not know this one
        found["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC}".strip()
    # TensorFlow refuses growth together with a limit: the one for whole GPUs, the other for shares.
    if slot.shared == 1:
        return found | {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return found | {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{GPU_MEMORY / slot.shared:.3f}"}


def environment(slot: Slot) -> dict[str, str]:
    """Return the variables that must be set before a process on `slot` loads its backend."""
    return {
        "KERAS_BACKEND": backend(),
        "TF_NUM_INTRAOP_THREADS": str(slot.threads),
        "TF_NUM_INTEROP_THREADS": str(slot.threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # The level float32 means float32: no variable may bring lower precision in by the back door.
        "TF_SET_ONEDNN_FPMATH_MODE": "",
        "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
        # Some backends have a switch, which a worker sets for each job; elsewhere TF32 stays off.
        **({} if backend() in SWITCHED else {"NVIDIA_TF32_OVERRIDE": "0"}),
        # An error's last line is the error.
        "JAX_TRACEBACK_FILTERING": "off",
        **_of_device(slot),
    }


def of_child() -> dict[str, str]:
    """Return the variables of a process of this machine that loads a backend and is no worker."""
    slot = slots.parse("auto")[0]
    return slots.environment(slot) | environment(slot)


def lacking(precision: str, used: Sequence[Slot]) -> str:
    """Return why these slots cannot compute in a precision; "" where they can."""
    if precision == "float32":
        return ""
    if precision == "tensorfloat32" and backend() not in SWITCHED:
        return f"KERAS_BACKEND={backend()} has no switch for it"
    if precision == "tensorfloat32" and os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        return "NVIDIA_TF32_OVERRIDE=0 forbids it"
    for slot in used:
        if slot.gpu and slot.gpu.capability < NEEDED[precision]:
            return f"{slot.gpu.name} lacks it"
        if not slot.gpu and not set(FLAGS.get(precision, ())) & set((slots.cpuinfo("flags") or "").split()):
            return "this machine's processor lacks it"
    return ""


def deterministic() -> bool:
    """Return whether this process' operations give the same bits each time."""
    return slots.device() == "cpu" or DETERMINISTIC in os.environ.get("XLA_FLAGS", "").split()
