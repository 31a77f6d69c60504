"""Dask clusters: workers of this machine, of a scheduler that runs already, and `ablate worker`."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, Security, SpecCluster
from distributed.comm import connect
from distributed.gc import disable_gc_diagnosis

from ablation.engine.dask_pool import NO_WORKER_SECONDS, DaskPool
from ablation.engine.dask_worker import Preload
from ablation.engine.pool import ProcessSetup, Tls
from ablation.engine.slots import AT_START, Slot, environment
from ablation.errors import AblateError
from ablation.signals import signals_blocked
from ablation.store.workspace import Workspace

SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # this program counts the attempts
    "distributed.deploy.lost-worker-timeout": "1 day",  # otherwise Dask gives up a nanny whose worker starts slowly
    "distributed.worker.daemon": False,
    "distributed.worker.memory.terminate": False,
    "distributed.comm.timeouts.connect": "60s",
    "distributed.admin.low-level-log-length": 100,
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ": AT_START,
}

CONNECT_SECONDS = 20


def _nanny(slot: Slot, setup: ProcessSetup, **options: Any) -> dict[str, Any]:
    return {
        "nthreads": 1,
        "env": {**environment(slot), **setup.environment(slot)},
        "resources": {"slot": 1},
        "memory_limit": 0,
        "dashboard": False,
        "silence_logs": logging.CRITICAL,
        **options,
    }


def _quiet() -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)


def _cannot_start(reason: str) -> AblateError:
    return AblateError(
        f"workers cannot be started on this machine: {reason}; fix that, or train without workers: --inline"
    )


def _refuse_without_loopback() -> None:
    """Raise AblateError where 127.0.0.1 cannot be reached.

    Dask would wait for minutes for workers that no process can reach.
    """
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=CONNECT_SECONDS),
        ):
            pass
    except OSError as error:
        raise _cannot_start(f"127.0.0.1 cannot be reached ({error.strerror or error})") from None


def _cause(error: BaseException) -> str:
    """Return the first line of the innermost error: Dask wraps an error several times."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Turn Dask's errors while processes start into AblateError.

    Such errors are caused by the machine and are no bug of this program.
    """
    try:
        yield
    except (OSError, RuntimeError, TimeoutError) as error:
        raise _cannot_start(_cause(error)) from None


@contextlib.contextmanager
def local(slots: Sequence[Slot], log: Path, say: Callable[[str], None], setup: ProcessSetup) -> Generator[DaskPool]:
    """Yield a pool on a Dask cluster on loopback, one process per slot.

    No worker outlives this process.

    Args:
        slots: Slots of this machine.
        log: Folder for the logs of the workers.
        say: Shows a message to the user.
        setup: Requirements of the experiment for its worker processes.

    Raises:
        AblateError: No process can be started, or a process cannot be reached.
    """
    _refuse_without_loopback()
    _quiet()
    workers = {slot.name: {"cls": Nanny, "options": _nanny(slot, setup, host="127.0.0.1")} for slot in slots}
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(SETTINGS))
        with _starting(), signals_blocked():
            cluster = SpecCluster(workers=workers, scheduler=scheduler, name="ablate", silence_logs=logging.CRITICAL)
            stack.enter_context(cluster)
            client = stack.enter_context(Client(cluster))
        disable_gc_diagnosis(force=True)  # the diagnosis is not thread-safe, and its errors are shown on the terminal
        with _starting():
            client.wait_for_workers(len(slots), timeout=NO_WORKER_SECONDS)
        if setup.loads:
            client.register_plugin(Preload(setup.loads))

        def kill(address: str) -> None:
            for nanny in cluster.workers.values():
                if nanny.worker_address == address:
                    os.kill(nanny.pid, signal.SIGKILL)

        def end() -> None:
            # A signal may interrupt the closing of the cluster; Dask would wait for its end, in vain, at exit.
            cluster.shutdown_on_close = False
            for nanny in list(cluster.workers.values()):
                nanny.auto_restart = False
                if nanny.pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(nanny.pid, signal.SIGKILL)

        yield DaskPool(client, log, None, kill, say, patient=False, end=end, required=setup.required)


def _security(tls: Tls) -> Security | None:
    if not tls.ca:
        return None
    options = {f"tls_{role}_{kind}": path for role in ("client", "worker", "scheduler")
            for kind, path in (("cert", tls.cert), ("key", tls.key))}  # fmt: skip
    return Security(tls_ca_file=tls.ca, require_encryption=True, **options)


def _unreachable(address: str, error: Exception) -> AblateError:
    """Return the error that the scheduler cannot be reached.

    A timeout has no text: the name of its class is the reason then.
    """
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return AblateError(f"--scheduler {address}: cannot be reached ({reason}); check the address and the scheduler")


def _sees(path: str) -> tuple[str, bool]:
    return socket.gethostname(), Path(path).is_file()


def _refuse_unshared(client: Client, root: Path) -> None:
    """Raise AblateError where a worker does not see a file that this process writes into the workspace."""
    token = root.absolute() / f".seen-by-all-{uuid.uuid4().hex}"
    token.touch()
    try:
        blind_hosts = sorted({host for host, visible in client.run(_sees, str(token)).values() if not visible})
    finally:
        token.unlink()
    if blind_hosts:
        raise AblateError(
            f"--workspace {root.absolute()}: not visible to the workers on {', '.join(blind_hosts)}; "
            "a cluster needs a folder that all machines share, under the same path"
        )


@contextlib.contextmanager
def remote(
    address: str,
    tls: Tls,
    workspace: Workspace,
    say: Callable[[str], None],
    setup: ProcessSetup,
    slots: int | None = None,
) -> Generator[DaskPool]:
    """Yield a pool on the workers of a running scheduler.

    Args:
        address: Address of the scheduler, tcp://HOST:PORT.
        tls: Certificates for the connection.
        workspace: Workspace, whose folder all workers must see; the workers write their logs there.
        say: Shows a message to the user.
        setup: Requirements of the experiment for its worker processes.
        slots: Maximum number of tasks at a time. Default: no limit.

    Raises:
        AblateError: The scheduler cannot be reached, or a worker does not see the workspace.
    """
    _quiet()
    with contextlib.ExitStack() as stack:
        try:
            with signals_blocked():
                client = stack.enter_context(Client(address, security=_security(tls), timeout=CONNECT_SECONDS))
        except (OSError, ValueError, TypeError, RuntimeError) as error:  # RuntimeError: TLS to an address without TLS
            raise _unreachable(address, error) from None
        if not client.scheduler_info(n_workers=-1)["workers"]:
            say(f"no worker at {address} yet; start one with: ablate worker --scheduler {address}")
            client.wait_for_workers(1)
        _refuse_unshared(client, workspace.root)

        def kill(address: str) -> None:
            client.restart_workers([address], timeout=30, raise_for_error=False)

        yield DaskPool(client, workspace.log("").parent, slots, kill, say, patient=True, required=setup.required)


async def _serve(address: str, slots: Sequence[Slot], security: Security | None, setup: ProcessSetup) -> None:
    host = socket.gethostname()
    names = [f"{host}-{os.getpid()}-{slot.name}" for slot in slots]
    arguments = security.get_connection_args("worker") if security else {}
    await (await connect(address, timeout=CONNECT_SECONDS, **arguments)).close()  # before signals are blocked
    with signals_blocked():
        nannies = [
            Nanny(address, security=security, **_nanny(slot, setup, name=name))
            for name, slot in zip(names, slots, strict=True)
        ]
        await asyncio.gather(*nannies)
    loop, stop_requested = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop_requested.set)
    ends = [asyncio.ensure_future(nanny.finished()) for nanny in nannies]
    await asyncio.wait([*ends, asyncio.ensure_future(stop_requested.wait())], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*(nanny.close(timeout=5) for nanny in nannies))


def serve(address: str, slots: Sequence[Slot], tls: Tls, setup: ProcessSetup) -> None:
    """Work for a scheduler until it ends or a signal arrives.

    Args:
        address: Address of the scheduler, tcp://HOST:PORT.
        slots: Slots of this machine, one worker each.
        tls: Certificates for the connection.
        setup: Requirements of the experiment for its worker processes.

    Raises:
        AblateError: The scheduler cannot be reached.
    """
    _quiet()
    try:
        with dask.config.set(SETTINGS):
            asyncio.run(_serve(address, slots, _security(tls), setup))
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # RuntimeError: Dask cannot start a nanny
        cause = error.__cause__
        raise _unreachable(address, cause if isinstance(cause, Exception) else error) from None
