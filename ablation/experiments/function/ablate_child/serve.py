"""Program of a child: it describes a function, or runs trainings that arrive on a socket.

- `describe TARGET FILE` writes the description of the function as JSON.
- `serve TARGET SOCKET [LIMITS]` runs trainings. SOCKET: descriptor of a socket, on which a training is a line of JSON,
  which names its run.json, with the descriptor of its lock. LIMITS: JSON, the share of a GPU.
- `debug TARGET SOCKET [LIMITS]` does the same, with a debugger where the function raises an exception.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import socket
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

from . import files, imports, seeding, signature, target
from .errors import ContractError, Ended
from .handle import Run

LINE = 1 << 16  # bytes that are received at a time
HANDLE, SEED = "run", "seed"  # parameters that are no factors


class Child:
    """The user's function, loaded. `failure`: message to the worker about why it could not be; None if it was."""

    def __init__(self, name: str, limits: dict[str, Any] | None) -> None:
        self.seeding = seeding.Seeding()
        self._limits = limits
        self._examined: set[str] = set()
        self.watcher = imports.Watcher({*seeding.LIBRARIES}, self._loaded)
        sys.meta_path.insert(0, self.watcher)
        self.seeding.seed(seeding.BEFORE_IMPORT, 0)
        self.function: Any = None
        self.failure: dict[str, Any] | None = None
        try:
            self.function = target.load(name)
        except BaseException as error:  # also SystemExit, of a script without `if __name__ == "__main__"`
            self.failure = _failed(error, is_contract=True, place="import")

    def _loaded(self, name: str, module: Any) -> None:
        self.seeding.library(name, module)
        if self._limits:
            _limit_memory(name, module, self._limits)

    def code(self) -> dict[str, str]:
        """Return path -> digest of each of the user's source files that this process has loaded."""
        for name in sys.modules.keys() - self._examined:  # loaded in a way that the watcher does not see
            path = getattr(sys.modules[name], "__file__", None)
            if isinstance(path, str) and path.endswith(".py") and imports.is_of_user(path):
                self.watcher.sources.setdefault(os.path.realpath(path), imports.digest(path))
        self._examined = set(sys.modules)
        sources: dict[str, str] = self.watcher.sources
        return sources


def _limit_memory(name: str, module: Any, limits: dict[str, Any]) -> None:
    """Limit a library to the share of a GPU that this process has: {"mib", "share"}."""
    with contextlib.suppress(Exception):  # no GPU, or a library without this function
        if name == "torch" and module.cuda.is_available():
            module.cuda.set_per_process_memory_fraction(limits["share"])
        if name == "tensorflow":
            for device in module.config.list_physical_devices("GPU"):
                limit = module.config.LogicalDeviceConfiguration(memory_limit=limits["mib"])
                module.config.set_logical_device_configuration(device, [limit])


def _failed(error: BaseException, is_contract: bool = False, place: str = "") -> dict[str, Any]:
    """Return the message to the worker about an exception, after its traceback is printed without our own frames."""
    if isinstance(error, ContractError):
        return {"ended": "failed", "reason": str(error), "contract": True}
    lines = traceback.format_exception(type(error), error, _in_function(error))
    sys.stderr.write("".join(lines))
    reason = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
    of_user = [frame for frame in traceback.extract_tb(error.__traceback__) if imports.is_of_user(frame.filename)]
    if of_user and not place:
        reason += f" ({os.path.basename(of_user[-1].filename)}:{of_user[-1].lineno})"
    return {
        "ended": "failed",
        "reason": reason,
        "kinds": kinds,
        "contract": is_contract,
        "place": place,
        "traceback": "".join(lines)[-20_000:],
    }


def _in_function(error: BaseException) -> types.TracebackType | None:
    """Return the traceback of an exception without our own frames at its beginning."""
    frames = error.__traceback__
    while frames and os.path.realpath(frames.tb_frame.f_code.co_filename).startswith(imports.OWN):
        frames = frames.tb_next
    return frames


def _settings(stated: dict[str, Any]) -> dict[str, Any]:
    """Return settings with variables of the environment in place of "$NAME". Raises ContractError for a missing one."""
    values = {}
    for name, value in stated.items():
        if isinstance(value, str) and value.startswith("$"):
            if value[1:] not in os.environ:
                raise ContractError(f"[experiment.settings] {name}: the environment has no variable {value[1:]}")
            value = os.environ[value[1:]]
        values[name] = value
    return values


def _call(child: Child, job: dict[str, Any], run: Run) -> Any:
    """Call the function with its levels, settings, seed and handle, and return what it returns."""
    parameters = inspect.signature(child.function).parameters
    takes_more = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    passed = signature.arguments(child.function, {**job["levels"], **_settings(job["settings"])})
    if HANDLE in parameters:
        passed[HANDLE] = run
    if SEED in parameters:
        passed[SEED] = job["seed"]
    try:
        inspect.signature(child.function).bind(**passed)
    except TypeError as error:
        more = "" if takes_more else f"; it takes {', '.join(parameters)}"
        raise ContractError(f"the function cannot be called: {error}{more}") from None
    return child.function(**passed)


def _train(child: Child, job: dict[str, Any], notify: Callable[[dict[str, Any]], None], debug: bool) -> dict[str, Any]:
    """Run one training, and return the message to the worker about its end."""
    run = Run(job, child.seeding, notify)
    with _stoppable(run, child.function):
        try:
            child.seeding.seed(job["seed"], 0)
            result = _call(child, job, run)
            if inspect.isgenerator(result) or inspect.iscoroutine(result):
                raise ContractError(
                    f"the function returned a {type(result).__name__}; return a dict, or call run.result"
                )
            _take(run, job, result)
        except Ended as end:
            return {"ended": end.status, "reason": str(end), "step": run.step}
        except SystemExit as error:
            return {"ended": "failed", "reason": f"the function called sys.exit({error.code!r})"}
        except BaseException as error:
            failed = _failed(error)
            if debug:
                import pdb  # slow

                pdb.post_mortem(_in_function(error))
            return failed
    return {"ended": "done"}


def _take(run: Run, job: dict[str, Any], result: Any) -> None:
    """Write what a function returned. Raises ContractError where nothing was returned, or something twice."""
    milestones = job["milestones"]
    if result is None and not (run.has_answers and not run.has_result):
        if not run.has_result and not milestones:
            raise ContractError("the function returned nothing, and did not call run.result; return a dict of results")
        return
    if run.has_result:
        raise ContractError("the function returned a result, and called run.result; do one of them")
    if len(milestones) > 1:
        raise ContractError(
            "with shares, results are wanted at several steps: call run.result where run.milestone is true"
        )
    run.write_result(milestones[0] if milestones else 1, result)


@contextlib.contextmanager
def _stoppable(run: Run, function: Callable[..., Any]) -> Iterator[None]:
    """Note SIGTERM while a function with a handle runs. Functions without one end by it."""
    if HANDLE in inspect.signature(function).parameters:
        signal.signal(signal.SIGTERM, lambda *_: run.ask())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def serve(child: Child, connection: socket.socket, debug: bool = False) -> None:
    """Run the trainings that arrive on a socket, one after another, until it is closed.

    `debug`: whether a debugger opens where the function raises an exception.
    """

    def notify(message: dict[str, Any]) -> None:
        connection.sendall((json.dumps(message) + "\n").encode())

    while True:
        line, locks = _received(connection)
        if not line:
            return
        job = json.loads(line)
        with open(job["path"], encoding="utf-8") as file:
            job = json.load(file)
        os.environ["ABLATE_RUN"] = os.path.join(job["child"], "run.json")
        end = child.failure or _train(child, job, notify, debug)
        sys.stdout.flush()
        sys.stderr.flush()
        code = child.code() if end["ended"] in ("done", "interrupted", "diverged") else {}
        notify({**end, "code": code})
        for lock in locks:
            os.close(lock)


def _received(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next line from the socket, and the descriptors that came with it."""
    line = b""
    descriptors: list[int] = []
    while not line.endswith(b"\n"):
        part, more, _, _ = socket.recv_fds(connection, LINE, 4)
        descriptors += more
        if not part:
            return b"", descriptors
        line += part
    return line, descriptors


def describe(name: str, path: str) -> None:
    """Write the description of a function, or the reason why there is none."""
    child = Child(name, None)
    description: dict[str, Any] = {"python": sys.version.split()[0], "failure": child.failure}
    if not child.failure:
        try:
            description.update(signature.describe(child.function))
            if getattr(child.function, "__name__", "") == "<lambda>":
                raise ContractError("a lambda has no annotations; write a function: def train(...)")
        except ContractError as error:
            description["failure"] = _failed(error)
    description["code"] = child.code()
    files.write_json(path, description)


def main(arguments: list[str]) -> None:
    action, name, *more = arguments
    sys.argv = [name.rpartition(":")[0]]
    if action == "describe":
        describe(name, *more)
        return
    connection = socket.socket(fileno=int(more[0]))
    connection.set_inheritable(False)
    serve(Child(name, json.loads(more[1]) if more[1:] else None), connection, debug=action == "debug")
