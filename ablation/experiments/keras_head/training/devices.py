"""Use of a slot by a Keras backend: the environment variables that the backend needs, and available precisions."""

import os
from collections.abc import Sequence

from ablation.engine import slots
from ablation.engine.slots import GPU_MEMORY, Slot

# Equal bits in each run. With this flag, XLA also skips the timing of kernels during compilation.
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"

SWITCHED = ("tensorflow", "jax")  # backends with a switch for TensorFloat-32
NEEDED = {"tensorfloat32": 8, "bfloat16": 8, "float16": 7}  # least compute capability (major version) of a GPU
FLAGS = {"bfloat16": ("avx512_bf16", "amx_bf16"), "float16": ("avx512_fp16", "amx_fp16")}  # CPU flags; one is needed


def backend() -> str:
    """Return the Keras backend that all workers use: KERAS_BACKEND, by default tensorflow. keras.json is not read."""
    return os.environ.get("KERAS_BACKEND") or "tensorflow"


def _device_variables(slot: Slot) -> dict[str, str]:
    if slot.gpu is None:
        return {"JAX_PLATFORMS": "cpu"}
    variables = {}
    if backend() == "jax":  # with other backends, XLA_FLAGS apply to an XLA that may not know this flag
        variables["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC}".strip()
    # TensorFlow refuses memory growth together with a limit: growth is for whole GPUs, the limit for shares.
    if slot.shared == 1:
        return variables | {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return variables | {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{GPU_MEMORY / slot.shared:.3f}"}


def environment(slot: Slot) -> dict[str, str]:
    """Return the variables that must be set before a process on `slot` loads its backend."""
    return {
        "KERAS_BACKEND": backend(),
        "TF_NUM_INTRAOP_THREADS": str(slot.threads),
        "TF_NUM_INTEROP_THREADS": str(slot.threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # The level float32 means float32: no variable may lower the precision.
        "TF_SET_ONEDNN_FPMATH_MODE": "",
        "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
        # A worker sets the switch of a backend for each job. Without a switch, TensorFloat-32 stays off.
        **({} if backend() in SWITCHED else {"NVIDIA_TF32_OVERRIDE": "0"}),
        # Full tracebacks, so that the last line of an error is the error itself.
        "JAX_TRACEBACK_FILTERING": "off",
        **_device_variables(slot),
    }


def of_child() -> dict[str, str]:
    """Return the variables of a process on this machine that loads a backend but is not a worker."""
    slot = slots.parse("auto")[0]
    return slots.environment(slot) | environment(slot)


def lacking(precision: str, used_slots: Sequence[Slot]) -> str:
    """Return the reason why slots cannot compute in a precision; "" where all slots can."""
    if precision == "float32":
        return ""
    if precision == "tensorfloat32" and backend() not in SWITCHED:
        return f"ablate cannot turn it on for KERAS_BACKEND={backend()}"
    if precision == "tensorfloat32" and os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        return "NVIDIA_TF32_OVERRIDE=0 turns it off"
    for slot in used_slots:
        if slot.gpu and slot.gpu.capability < NEEDED[precision]:
            return f"{slot.gpu.name} does not support it"
        if not slot.gpu and not set(FLAGS.get(precision, ())) & set((slots.cpuinfo("flags") or "").split()):
            return "this machine's CPU does not support it"
    return ""


def deterministic() -> bool:
    """Return whether this process' operations give equal bits in each run."""
    return slots.device() == "cpu" or DETERMINISTIC in os.environ.get("XLA_FLAGS", "").split()
