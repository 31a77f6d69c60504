"""Child in the foreground of a terminal, which opens Python's debugger where the function fails."""

import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from ablation.experiments.child import process
from ablation.experiments.function.session import End, Job, Program
from ablation.outcomes import Status


def run(program: Program, job: Job, result: Callable[[int], bool]) -> End:
    """Run a training with the terminal as its input and output, and return how it ended.

    Args:
        program: the function, with `debug`.
        job: the training.
        result: called with the step of each raw result at the end.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = subprocess.Popen(
                program.argv(theirs.fileno()), cwd=Path(program.cwd), pass_fds=[theirs.fileno()],
                env=process.environment(dict(program.variables)),
            )  # fmt: skip
        line = json.dumps({"path": str(job.folder / "run.json")}).encode() + b"\n"
        socket.send_fds(ours, [line], [] if job.lock is None else [job.lock])
        ours.shutdown(socket.SHUT_WR)  # one training
        received = b"".join(iter(lambda: ours.recv(process.CHUNK), b""))
    code = child.wait()
    messages = [json.loads(line) for line in received.splitlines()]
    for message in messages:
        if "result" in message and not result(int(message["result"])):
            return End(Status.DIVERGED.value, False)
    end = next((message for message in messages if "ended" in message), None)
    return End(str(end["ended"]), False, message=end) if end else End("", False, process.exit_code(code))
