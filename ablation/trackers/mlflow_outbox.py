"""Outbox of a study: a file of messages that MLflow has not received yet."""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ablation.errors import AblateError
from ablation.store import header
from ablation.store.files import cut_torn_end
from ablation.trackers.mlflow_messages import PARENT, Message, is_lost

PART = 1 << 20  # bytes of the outbox that are read and sent at a time


def _decoded(line: bytes) -> Message:
    """Return the message in a line of the outbox.

    An unreadable line, or one of a newer version, becomes a message that no server accepts: it is set aside like a
    refused message.
    """
    message: dict[str, Any] = {}
    with contextlib.suppress(ValueError, AblateError):
        message = header.of_line(Path(), line.decode())
    if isinstance(message.get("kind"), str) and isinstance(message.get("key"), str):
        return message
    return {"kind": "unreadable", "key": PARENT, "line": line.decode(errors="replace").rstrip("\n")}


class Outbox:
    """Append-only file of messages, emptied when all messages are sent.

    Messages that MLflow refuses permanently are kept in the file `refused` in the same folder. The next outbox of this
    path retries these messages, because another version of MLflow may accept them.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self.refused = path.with_name(f"{path.stem}-refused{path.suffix}")
        cut_torn_end(path)
        self._take_up()

    def _take_up(self) -> None:
        cut_torn_end(self.refused)
        with contextlib.suppress(FileNotFoundError):
            messages = [_decoded(line).get("message") for line in self.refused.read_bytes().splitlines()]
            self.put(message for message in messages if message)
            self.refused.unlink()

    def put(self, messages: Iterable[Message]) -> None:
        """Append messages to the file."""
        self._append(self._path, messages)

    def refuse(self, message: Message, reason: str) -> None:
        """Append a message to the file of refused messages, unless the file contains the message already."""
        refused = {"kind": "refused", "key": message["key"], "reason": reason, "message": message}
        with contextlib.suppress(FileNotFoundError):
            if any(_decoded(line).get("message") == message for line in self.refused.read_bytes().splitlines()):
                return
        self._append(self.refused, [refused])

    def _append(self, path: Path, messages: Iterable[Message]) -> None:
        data = "".join(map(header.line, messages)).encode()
        with self._lock, open(path, "ab", buffering=0) as file:
            start = file.seek(0, os.SEEK_END)
            try:
                while data:
                    data = data[file.write(data) :]
            except OSError:
                file.truncate(start)  # the disk may be full now, and have room for the next message
                raise

    def _part(self, start: int) -> list[bytes]:
        """Return about PART bytes of whole lines, starting at byte `start`. An incomplete last line is left out."""
        with self._lock, contextlib.suppress(FileNotFoundError), open(self._path, "rb") as file:
            file.seek(start)
            return [line for line in file.readlines(PART) if line.endswith(b"\n")]
        return []

    def _parts(self, start: int) -> Iterator[list[bytes]]:
        """Yield all lines from byte `start` on, in parts: the whole file may not fit into memory."""
        while lines := self._part(start):
            yield lines
            start += sum(map(len, lines))

    def read(self, start: int) -> tuple[list[Message], int]:
        """Return the next messages from byte `start` on, and the start byte of the messages after these."""
        lines = self._part(start)
        return [_decoded(line) for line in lines], start + sum(map(len, lines))

    def count(self, start: int) -> int:
        """Return the number of messages from byte `start` on."""
        return sum(map(len, self._parts(start)))

    def states(self, server_runs: Iterable[str], start: int) -> dict[str, str]:
        """Return key -> state that each run will have, once the messages from byte `start` on are sent.

        Args:
            server_runs: Keys of the runs that the server has now.
            start: Byte of the outbox.
        """
        runs, states = set(server_runs), {}
        kinds = (b'{"kind": "run"', b'{"kind": "end"')
        for message in (_decoded(line) for part in self._parts(start) for line in part if line.startswith(kinds)):
            if is_lost(message, runs):
                continue
            if message["kind"] == "run":
                runs.add(message["key"])
            elif message["kind"] == "end":
                states[message["key"]] = message["state"]
        return states

    def clear(self, size: int) -> bool:
        """Delete the file if its size is still `size` bytes. Return whether no message has been added since."""
        with self._lock, contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size != size:
                return False
            self._path.unlink()
        return True
