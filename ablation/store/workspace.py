"""Workspace: the paths of all its files and folders, and its locks."""

import contextlib
import fcntl
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ablation.errors import AblateError
from ablation.store.files import MAX_NAME

RESERVED = (  # names in a workspace
    "cache", "lock", "log", "mlartifacts", "mlflow.db", "optuna.db", "set-aside", "trained",
)  # fmt: skip
MAX_STUDY = 100  # characters of a study's name
ALWAYS_KEPT = ("log", "run.json")  # files in the folder of a child that stay


def _try_lock(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    """Return whether the lock was acquired. The kernel releases the lock whenever its process ends."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class TrainingFolder:
    """Files of one training. `result` is written last: where a result exists, its predictions are complete."""

    path: Path

    @property
    def description(self) -> Path:
        return self.path / "training.json"

    @property
    def witness(self) -> Path:
        """Fingerprint of what was actually trained."""
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
        """Return the path of the predictions of a split.

        `val` is read by selection. `test` is sealed: opened only after a selection is written.
        """
        return self.path / f"{split}-{epochs}.npz"

    def head(self, epochs: int) -> Path:
        """Return the path of the head's weights after `epochs` epochs, in Keras' format."""
        return self.path / f"head-{epochs}.weights.h5"

    def heads(self) -> dict[int, Path]:
        """Return number of epochs -> path of the head's weights after these epochs."""
        return {int(p.name.partition(".")[0].rpartition("-")[2]): p for p in self.path.glob("head-*.weights.h5")}

    def checkpoint(self, epoch: int) -> Path:
        """Return the path of the checkpoint from which a training resumes after `epoch`."""
        return self.path / f"checkpoint-{epoch}.npz"

    def checkpoints(self) -> dict[int, Path]:
        """Return epoch -> path of its checkpoint, the latest first."""
        paths = {int(p.stem.rpartition("-")[2]): p for p in self.path.glob("checkpoint-*.npz")}
        return dict(sorted(paths.items(), reverse=True))

    @contextlib.contextmanager
    def lock(self, give_up: Callable[[], bool] = lambda: False) -> Iterator[IO[str] | None]:
        """Yield the file whose lock one job at a time holds. Wait for it until `give_up` returns True; then yield None.

        A child that inherits the file holds the lock too, so that the folder is free when all of its processes ended.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.lock_file, "a") as file:
            while not (held := _try_lock(file)) and not give_up():
                time.sleep(0.2)
            yield file if held else None

    @property
    def child(self) -> Path:
        """Folder of the child process: what it writes, and its log."""
        return self.path / "child"

    def outputs(self) -> list[Path]:
        """Return the files and folders that the child left, without its log; [] where there is no child."""
        return sorted(path for path in self.child.glob("*") if path.name not in ALWAYS_KEPT)

    @property
    def deleted(self) -> Path:
        """Names of the outputs that were deleted, since no study keeps them."""
        return self.path / "deleted.json"

    @property
    def code(self) -> Path:
        """Digests of the user's files that the training ran."""
        return self.path / "code.json"

    @property
    def earlier_code(self) -> Path:
        """Digests of the files that earlier attempts ran, where the training resumed with other code."""
        return self.path / "code-earlier.json"

    @property
    def columns(self) -> Path:
        """Kinds of the columns and numbers of the results."""
        return self.path / "columns.json"


@dataclass(frozen=True)
class StudyFolder:
    """Files of one study."""

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
        """Return the folder of the evaluation of a row on other images."""
        return self.path / "evaluation" / name

    @property
    def progress(self) -> Path:
        """Progress of the current run, or of the last one."""
        return self.path / "progress.json"

    @property
    def study_files(self) -> Path:
        """Study files of the first run, and of each run that used other ones."""
        return self.path / "study-files.jsonl"

    @property
    def log(self) -> Path:
        """Messages of all runs of the study, with times; new runs append to the file."""
        return self.path / "run.log"

    @property
    def outbox(self) -> Path:
        return self.path / "outbox.jsonl"

    @property
    def agreement(self) -> Path:
        """Digest of what the workspace's databases have of the study."""
        return self.path / "trackers.json"

    @property
    def retrained(self) -> Path:
        """Trainings of the study that other studies have trained again since its last run."""
        return self.path / "retrained.json"

    def table(self, suffix: str) -> Path:
        return self.path / f"table.{suffix}"


@dataclass(frozen=True)
class ImagesFolder:
    """Files of one image set, in a folder named by its digest: index, pixels at each size, rows of each split."""

    path: Path

    @property
    def index(self) -> Path:
        return self.path / "index.json"

    def pixels(self, size: int, alignment: str = "") -> Path:
        """Return the path of the pixels. `alignment`: digest of the alignment of the faces; "" for unaligned faces."""
        return self.path / f"pixels-{size}{f'-eyes-{alignment}' if alignment else ''}.npy"

    def sizes(self) -> list[int]:
        """Return the sizes at which unaligned pixels are stored, ascending."""
        matches = (re.fullmatch(r"pixels-(\d+)", path.stem) for path in self.path.glob("pixels-*.npy"))
        return sorted(int(match[1]) for match in matches if match)

    def leaks(self, digest: str) -> Path:
        """Return the path of the leaks of the split with this digest."""
        return self.path / f"leaks-{digest}.json"

    def split(self, digest: str) -> Path:
        return self.path / f"split-{digest}.npz"


@dataclass(frozen=True)
class Holder:
    """Orchestrator that holds the lock of a workspace; host "unknown" while the lock file names none."""

    host: str
    pid: int


def check_name(name: str) -> None:
    """Raise AblateError where a study's name is not allowed: the name is a folder name, and is stored in databases."""
    if not re.fullmatch(r"[\w+-][\w.+-]*", name) or name in RESERVED:
        raise AblateError(f"study name {name!r} is not allowed; pass --name with letters, digits, _ + -, . (not first)")
    if len(name) > MAX_STUDY or len(name.encode()) > MAX_NAME:
        raise AblateError(
            f"study name {name[:30]!r}... is too long; pass --name with at most {MAX_STUDY} letters ({MAX_NAME} bytes)"
        )


def _no_link(path: str, flags: int) -> int:
    """Open a file, and no link to one: the content of another file would be replaced."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _plain(name: str, where: Path) -> str:
    """Return a name in a path. Raises AblateError where it leads out of its folder, as ids of a broken record may."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise AblateError(
            f"{where}: the id {name[:80]!r} is no name of a file or folder; a record of this workspace is broken"
        )
    return name


@dataclass(frozen=True)
class Workspace:
    """Folder with all results of a user.

    `databases`: folder of optuna.db and mlflow.db, where it is another one than the workspace itself.
    """

    root: Path
    databases: Path | None = None

    @property
    def optuna(self) -> Path:
        return (self.databases or self.root) / "optuna.db"

    @property
    def mlflow(self) -> Path:
        return (self.databases or self.root) / "mlflow.db"

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
        """Scratch workspace in which trainings whose weights were deleted are repeated. The cache is shared."""
        return Workspace(self.root / "cache" / "again")

    def log(self, name: str) -> Path:
        return self.root / "log" / f"{name}.log"

    def study(self, name: str) -> StudyFolder:
        return StudyFolder(self.root / name)

    def studies(self) -> list[str]:
        """Return the names of the studies in this workspace, sorted."""
        return sorted(p.parent.name for p in self.root.glob("*/study.json"))

    @property
    def aliases(self) -> Path:
        """File with the old and new ids of renamed trainings."""
        return self.root / "trained" / "aliases.json"

    def code(self, sha256: str) -> Path:
        """Return the path of a text of user's code."""
        folder = self.root / "cache" / "code"
        return folder / _plain(sha256, folder)

    @property
    def input_digests(self) -> Path:
        """Digests of the files that user's experiments read."""
        return self.root / "cache" / "inputs.json"

    @property
    def promises(self) -> Path:
        """Promises of experiments that `ablate check` has tested."""
        return self.root / "cache" / "promises.json"

    @property
    def superseded(self) -> Path:
        """Folder of trainings whose code has changed since, and which were trained again."""
        return self.root / "trained" / "superseded"

    @property
    def set_aside(self) -> Path:
        """Folder of broken files, whose work was done again."""
        return self.root / "set-aside"

    def training(self, key: str) -> TrainingFolder:
        folder = self.root / "trained"
        return TrainingFolder(folder / _plain(key, folder))

    def trainings(self) -> list[TrainingFolder]:
        """Return the folders of all trainings of all studies. Their order has no meaning."""
        paths = sorted((self.root / "trained").glob("*"))
        return [TrainingFolder(path) for path in paths if path.is_dir() and path != self.superseded]

    def images(self, digest: str) -> ImagesFolder:
        folder = self.root / "cache" / "images"
        return ImagesFolder(folder / _plain(digest, folder))

    def features(self, key: str) -> Path:
        folder = self.root / "cache" / "features"
        return folder / _plain(f"{key}.npy", folder)

    def holder(self) -> Holder | None:
        """Return the holder of the lock; None where the lock is free. Write nothing; allow concurrent callers."""
        try:
            with open(self.lock_file, encoding="utf-8") as file:
                if _try_lock(file, fcntl.LOCK_SH):
                    return None
                match = re.match(r"host (\S+), pid (\d+)", file.read())
                return Holder(match[1], int(match[2])) if match else Holder("unknown", 0)
        except OSError:  # no such file, or a file system without locks
            return None

    def refuse_locked(self) -> None:
        """Raise AblateError where another ablate holds the lock of this workspace."""
        if holder := self.holder():
            raise AblateError(
                f"{self.root}: in use by another ablate (host {holder.host}, pid {holder.pid}); "
                "wait for it, or choose another --workspace"
            )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the workspace, which the kernel releases when the process ends.

        Raises AblateError where another orchestrator holds the lock (the message names the holder), or where the folder
        cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = open(self.lock_file, "a+", opener=_no_link)  # noqa: SIM115 (closed below by `with file`)
        except OSError as error:
            raise AblateError(f"--workspace {self.root}: not writable: {error.strerror}; choose another") from None
        with file:
            while not _try_lock(file):
                time.sleep(0.2)  # `holder` takes a shared lock for a moment
                self.refuse_locked()
            file.truncate(0)
            file.write(f"host {socket.gethostname()}, pid {os.getpid()}")
            file.flush()
            yield
