"""Child process with a user's function, as its worker uses it: trainings are sent to it, one after another."""

import contextlib
import json
import os
import selectors
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.experiments.child import process
from ablation.experiments.child.log import BoundedLog
from ablation.experiments.child.process import CHUNK, LOOK
from ablation.experiments.function import interpreter
from ablation.outcomes import Status

STOP = "stop"  # file in a training's folder that asks it to end
DRAINED = 0.05  # seconds without output after which a process that has ended is taken to print no more


@dataclass(frozen=True)
class Program:
    """Function, and the process that runs it: its interpreter, working folder and variables.

    `limits`: share of a GPU, {"mib", "share"}; None for a whole one, or none. `debug`: whether it has the terminal, and
    opens a debugger where the function fails.
    """

    target: str
    python: str
    cwd: str
    variables: tuple[tuple[str, str], ...] = ()
    limits: str | None = None
    debug: bool = False

    def argv(self, descriptor: int) -> Sequence[str]:
        more = [self.limits] if self.limits else []
        return interpreter.arguments(
            self.python, "debug" if self.debug else "serve", self.target, str(descriptor), *more
        )


@dataclass(frozen=True)
class Job:
    """Training that is sent to a child.

    `folder`: its raw files. `lock`: descriptor of its lock; None for none. `grace`: seconds from a request to stop to
    SIGKILL.
    """

    folder: Path
    lock: int | None
    grace: float


@dataclass
class Listener:
    """Receivers of what a training gives while it runs.

    `log`: its output. `result`: called with the step of each raw result; returns whether the training continues.
    `stopping`: returns whether it should stop. `reached`: called with the current step, the number of all steps (0
    where unknown), and numbers of the step.
    """

    log: BoundedLog
    result: Callable[[int], bool]
    stopping: Callable[[], bool]
    reached: Callable[[int, int, dict[str, float]], None] = lambda step, steps, numbers: None


@dataclass(frozen=True)
class End:
    """End of a training in a child.

    `status`: done, interrupted, diverged, failed; "" where the process died, with `code` as its exit code. `asked`:
    whether it was asked to stop. `message`: the child's own message.
    """

    status: str
    asked: bool
    code: int = 0
    message: Mapping[str, Any] = field(default_factory=dict)


class Session:
    """Child process. Its `close` ends it, with all of its process group."""

    def __init__(self, program: Program) -> None:
        """Start the child: it loads the function at once. `is_usable`: whether it can run another training."""
        self.program, self.n_trainings, self.is_usable = program, 0, False
        self._received = b""
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ablate-", ignore_cleanup_errors=True))
            self._socket, theirs = socket.socketpair()
            stack.callback(self._socket.close)
            with theirs:
                start = process.Start(
                    program.argv(theirs.fileno()), Path(program.cwd), Path(folder), dict(program.variables), grace=0.0,
                    passed=(theirs.fileno(),), forwards=True,
                )  # fmt: skip
                self._group = stack.enter_context(process.group(start))
            assert self._group.process.stdout
            self._output = self._group.process.stdout.fileno()
            self._selector = stack.enter_context(selectors.DefaultSelector())
            for source in (self._socket, self._output, self._group.open):
                self._selector.register(source, selectors.EVENT_READ)
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._stack.close()

    def run(self, job: Job, listener: Listener) -> End:
        """Run a training, and return how it ended. A process that died is to be closed."""
        self.n_trainings += 1
        stop = job.folder / STOP
        stop.unlink(missing_ok=True)
        self._send(job)
        asked: float | None = None
        while True:
            has_ended = self._look(listener, LOOK)
            for message in self._taken():
                if "result" in message and not listener.result(int(message["result"])):
                    return End(Status.DIVERGED.value, asked is not None)
                if "numbers" in message:
                    listener.reached(int(message["step"]), int(message["steps"]), dict(message["numbers"]))
                if "ended" in message:
                    self._drain(listener, 0)
                    stop.unlink(missing_ok=True)
                    return End(str(message["ended"]), asked is not None, message=message)
            if has_ended:
                self._drain(listener, DRAINED)
                code = self._exit_code()
                return End("", asked is not None or process.was_signalled(code, listener.stopping), code)
            if asked is None and listener.stopping():
                asked = time.monotonic()
                stop.touch()
                self._group.signal_leader(signal.SIGTERM)
            if asked is not None and time.monotonic() - asked > job.grace:
                self._group.kill()

    def _send(self, job: Job) -> None:
        """Send a training with its lock, which the child holds too: the folder is free when both have ended."""
        line = json.dumps({"path": str(job.folder / "run.json")}).encode() + b"\n"
        with contextlib.suppress(OSError):  # the child has died: its end says so
            socket.send_fds(self._socket, [line], [] if job.lock is None else [job.lock])

    def _look(self, listener: Listener, seconds: float) -> bool:
        """Take what has arrived. Return whether the process has ended."""
        sources = {key.fileobj for key, _ in self._selector.select(seconds)}
        if self._output in sources:
            self._read_output(listener)
        if self._socket in sources:
            self._receive()
        return self._group.open in sources

    def _read_output(self, listener: Listener) -> bool:
        """Take a part of the output. Return whether there was one."""
        chunk = os.read(self._output, CHUNK)
        if chunk:
            listener.log.write(chunk)
        else:
            self._selector.unregister(self._output)
        return bool(chunk)

    def _receive(self) -> None:
        try:
            part = self._socket.recv(CHUNK)
        except OSError:
            part = b""
        if not part:
            self._selector.unregister(self._socket)
        self._received += part

    def _taken(self) -> Iterator[dict[str, Any]]:
        *lines, self._received = self._received.split(b"\n")
        yield from (json.loads(line) for line in lines)

    def _drain(self, listener: Listener, seconds: float) -> None:
        """Take the output that remains in the pipe, and messages that came before the end."""
        with selectors.DefaultSelector() as output:
            if self._output in {key.fileobj for key in self._selector.get_map().values()}:
                output.register(self._output, selectors.EVENT_READ)
                while output.select(seconds) and self._read_output(listener):
                    pass

    def _exit_code(self) -> int:
        self._group.kill()  # what the function started and left
        return process.exit_code(self._group.process.wait())


class Sessions:
    """Children of this process. A kept one runs several trainings.

    The next child of a fresh one is started ahead, and loads the function while a training runs.
    """

    MOST = 1_000  # trainings of one kept process

    def __init__(self) -> None:
        self._idle: dict[Program, Session] = {}

    def take(self, program: Program) -> Session:
        """Return a child of a program that runs no training. Children of other programs end."""
        for other in [idle for idle in self._idle if idle != program]:
            self._idle.pop(other).close()
        return self._idle.pop(program, None) or Session(program)

    def keep(self, session: Session) -> None:
        """Keep a child for the next training, unless it has run enough of them."""
        if session.n_trainings >= self.MOST:
            session.close()
        else:
            self._idle[session.program] = session

    def start_ahead(self, program: Program) -> None:
        """Start the child of the next training."""
        if program not in self._idle:
            self._idle[program] = Session(program)

    def close(self) -> None:
        """End all children that run no training."""
        for program in list(self._idle):
            self._idle.pop(program).close()
