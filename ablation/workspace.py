"""Where everything lies: each file name of a workspace is here; atomic writes; the lock."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import psutil

from ablation import disk
from ablation.errors import AblateError

NETWORK = "9p afs beegfs ceph cifs fuse.sshfs glusterfs gpfs lustre nfs nfs4 smb3 smbfs"  # types of file systems
RESERVED = ("cache", "lock", "log", "mlartifacts", "mlflow.db", "optuna.db", "trained")  # names in a workspace
MAX_NAME = 255  # bytes of a file name, on nearly every file system
MAX_STUDY = 100  # letters of a study's name
TEMPORARY = ".tmp-"  # what a file that is being written begins with


def short_name(name: str, most: int = MAX_NAME) -> str:
    """Return a file name of at most `most` bytes: a longer one is cut, and a digest of all of it keeps it distinct."""
    if len(os.fsencode(name)) <= most:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return f"{os.fsencode(name)[: most - len(digest) - 1].decode(errors='ignore')}-{digest}"


def _try_lock(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    """The kernel's lock: freed by it, whatever dies."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class TrainingFolder:
    """One training's files. `result` is written last: where it stands, the predictions beside it are complete."""

    path: Path

    @property
    def description(self) -> Path:
        return self.path / "training.json"

    @property
    def witness(self) -> Path:
        """What the trainer really had."""
        return self.path / "witness.json"

    @property
    def failure(self) -> Path:
        return self.path / "failure.json"

    @property
    def attempts(self) -> Path:
        return self.path / "attempts.jsonl"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    def result(self, epochs: int) -> Path:
        return self.path / f"result-{epochs}.json"

    def results(self) -> list[Path]:
        return sorted(self.path.glob("result-*.json"))

    def predictions(self, split: str, epochs: int) -> Path:
        """`val`: read by selection. `test`: sealed, opened only once a selection is written."""
        return self.path / f"{split}-{epochs}.npz"

    def head(self, epochs: int) -> Path:
        """The weights of the head after `epochs` epochs, in Keras' format."""
        return self.path / f"head-{epochs}.weights.h5"

    def heads(self) -> dict[int, Path]:
        """Epochs -> the head after so many."""
        return {int(p.name.partition(".")[0].rpartition("-")[2]): p for p in self.path.glob("head-*.weights.h5")}

    def checkpoint(self, epoch: int) -> Path:
        """All that a training needs to go on after `epoch`."""
        return self.path / f"checkpoint-{epoch}.npz"

    def checkpoints(self) -> dict[int, Path]:
        """Epoch -> its checkpoint, the latest first."""
        found = {int(p.stem.rpartition("-")[2]): p for p in self.path.glob("checkpoint-*.npz")}
        return dict(sorted(found.items(), reverse=True))

    @contextlib.contextmanager
    def lock(self, give_up: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Held by one job at a time; waits for it. Yields False, without it, once `give_up` says so."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.lock_file, "a") as file:
            while not (held := _try_lock(file)) and not give_up():
                time.sleep(0.2)
            yield held


@dataclass(frozen=True)
class StudyFolder:
    """The files of one study."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / "study.json"

    @property
    def selection(self) -> Path:
        return self.path / "selection.json"

    @property
    def trials(self) -> Path:
        return self.path / "trials.csv"

    def evaluation(self, name: str) -> Path:
        """What a row did on other images: a folder."""
        return self.path / "evaluation" / name

    @property
    def progress(self) -> Path:
        """How far the run is that writes it, or how far the last one came."""
        return self.path / "progress.json"

    @property
    def log(self) -> Path:
        """What the runs of the study said, with times; it grows."""
        return self.path / "run.log"

    @property
    def outbox(self) -> Path:
        return self.path / "outbox.jsonl"

    def table(self, suffix: str) -> Path:
        return self.path / f"table.{suffix}"


@dataclass(frozen=True)
class ImagesFolder:
    """One image set under its digest: the index, the pixels at each size, the rows of each split."""

    path: Path

    @property
    def index(self) -> Path:
        return self.path / "index.json"

    def pixels(self, size: int, alignment: str = "") -> Path:
        """`alignment`: how faces were aligned; "" as they come."""
        return self.path / f"pixels-{size}{f'-eyes-{alignment}' if alignment else ''}.npy"

    def sizes(self) -> list[int]:
        """At which the pixels are stored, ascending."""
        found = (re.fullmatch(r"pixels-(\d+)", path.stem) for path in self.path.glob("pixels-*.npy"))
        return sorted(int(match[1]) for match in found if match)

    def leaks(self, digest: str) -> Path:
        """Of the split with this digest."""
        return self.path / f"leaks-{digest}.json"

    def split(self, digest: str) -> Path:
        return self.path / f"split-{digest}.npz"


@dataclass(frozen=True)
class Holder:
    """The orchestrator that holds the lock of a workspace; host "" where it has not said yet."""

    host: str
    pid: int


def check_name(name: str) -> None:
    """A study's name is a folder of the workspace, and stands in databases. Raises AblateError."""
    if not re.fullmatch(r"[\w+-][\w.+-]*", name) or name in RESERVED:
        raise AblateError(f"study name {name!r} is not allowed; pass --name with letters, digits, and . _ + - between")
    if len(name) > MAX_STUDY or len(name.encode()) > MAX_NAME:
        raise AblateError(
            f"study name {name[:30]!r}... is too long; pass --name with at most {MAX_STUDY} letters ({MAX_NAME} bytes)"
        )


@dataclass(frozen=True)
class Workspace:
    """The folder that holds all of a user's results."""

    root: Path

    @property
    def optuna(self) -> Path:
        return self.root / "optuna.db"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        return self.root / "mlartifacts"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def known_weights(self) -> Path:
        return self.root / "cache" / "weights.json"

    @property
    def again(self) -> "Workspace":
        """Where what was not kept is trained again, beside what counts; it shares the cache."""
        return Workspace(self.root / "cache" / "again")

    def log(self, name: str) -> Path:
        return self.root / "log" / f"{name}.log"

    def study(self, name: str) -> StudyFolder:
        return StudyFolder(self.root / name)

    def studies(self) -> list[str]:
        """The names of the studies that were run here."""
        return sorted(p.parent.name for p in self.root.glob("*/study.json"))

    @property
    def aliases(self) -> Path:
        """Ids of trainings that were renamed."""
        return self.root / "trained" / "aliases.json"

    def training(self, key: str) -> TrainingFolder:
        return TrainingFolder(self.root / "trained" / key)

    def trainings(self) -> list[TrainingFolder]:
        """Of all studies, in no order that means anything."""
        return [TrainingFolder(path) for path in sorted((self.root / "trained").glob("*")) if path.is_dir()]

    def images(self, digest: str) -> ImagesFolder:
        return ImagesFolder(self.root / "cache" / "images" / digest)

    def features(self, key: str) -> Path:
        return self.root / "cache" / "features" / f"{key}.npy"

    def holder(self) -> Holder | None:
        """Who holds the lock; None where nobody does. Writes nothing, and those who ask do not see each other."""
        try:
            with open(self.lock_file, encoding="utf-8") as file:
                if _try_lock(file, fcntl.LOCK_SH):
                    return None
                said = re.match(r"host (\S+), pid (\d+)", file.read())
                return Holder(said[1], int(said[2])) if said else Holder("unknown", 0)
        except OSError:  # no such file, or a file system without locks
            return None

    def refuse_locked(self) -> None:
        """Raises AblateError where another ablate works here."""
        if holder := self.holder():
            raise AblateError(
                f"{self.root}: another ablate works here (host {holder.host}, pid {holder.pid}); "
                "wait for it, or take another --workspace"
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held by one orchestrator at a time; the kernel frees it, whatever dies. AblateError names who holds it."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = open(self.lock_file, "a+")  # noqa: SIM115 (closed below, once it is known to be open)
        except OSError as error:
            raise AblateError(f"--workspace {self.root}: cannot be written: {error.strerror}; take another") from None
        with file:
            while not _try_lock(file):
                time.sleep(0.2)  # whoever only looks holds it for a moment
                self.refuse_locked()
            file.truncate(0)
            file.write(f"host {socket.gethostname()}, pid {os.getpid()}")
            file.flush()
            yield


def file_system(path: Path) -> str:
    """The type of the file system that `path` lies on, or will lie on ("ext4", "nfs4"); "" where unknown."""
    mounts = {Path(p.mountpoint): p.fstype for p in psutil.disk_partitions(all=True)}
    place = path.resolve()  # where a link leads
    return next((mounts[p] for p in (place, *place.parents) if p in mounts), "")


def on_network(path: Path) -> bool:
    """Whether SQLite and file locks cannot be trusted at `path`."""
    return file_system(path).lower() in NETWORK.split()


@contextlib.contextmanager
def atomic(path: Path, size: int | None = None) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on leaving it takes the place of `path`, whole and on disk. `size`:
    the bytes that it needs, where that is known. Raises OSError with `path` where the disk does not take it."""
    start = f"{TEMPORARY}{os.getpid()}-"
    stem = short_name(path.stem, MAX_NAME - len(os.fsencode(start + path.suffix)))
    temporary = path.with_name(f"{start}{stem}{path.suffix}")  # the suffix stays: writers look at it
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.unlink(missing_ok=True)  # of a process that died: in containers, all have the same id
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename too must outlive a power cut
        finally:
            os.close(folder)
    except OSError as error:
        raise disk.located(error, path, size) from error
    finally:
        temporary.unlink(missing_ok=True)


def cut_torn_end(path: Path) -> None:
    """A process that died within a write leaves half a line; the next one must not be glued to it."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))


def write_text(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old file or the new one, never half of it."""
    content = text.encode()
    with atomic(path, len(content)) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, object] | None:
    """None where there is no such file. Raises AblateError where it is broken."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        raise AblateError(f"{path}: broken (no JSON); remove it and run again") from None
    if not isinstance(found, dict):
        raise AblateError(f"{path}: broken (no table of names and values); remove it and run again")
    return found


@contextlib.contextmanager
def understood(path: Path) -> Iterator[None]:
    """Raise AblateError, naming the file, where it is missing or its content is not what the block expects."""
    try:
        yield
    except FileNotFoundError:
        raise AblateError(f"{path}: missing; the same `ablate run` writes it again") from None
    except (AttributeError, BadZipFile, EOFError, IndexError, KeyError, RecursionError, TypeError, ValueError):
        raise AblateError(f"{path}: not what this version reads; remove it and run again") from None
