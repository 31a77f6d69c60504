"""Tracker for MLflow: a thread that sends the outbox, so that no training waits for MLflow."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ablation.errors import AblateError
from ablation.trackers.mlflow_messages import Message
from ablation.trackers.mlflow_outbox import Outbox
from ablation.trackers.mlflow_sender import CONNECTING, Sender, is_final, one_line

RETRY = 30.0  # seconds between retries: each attempt to reach MLflow costs CPU time

PATIENCE = 30.0  # seconds that the end of a run waits for a silent server: MLflow itself retries for minutes

MOST_NAMED = 3  # number of refused messages that the summary sentence lists


class Tracker:
    """Outbox with a thread that sends its messages. While MLflow is unreachable, messages are kept for later."""

    def __init__(self, outbox: Path, connect: Callable[[], Sender], patience: float = math.inf) -> None:
        """Start the thread.

        Args:
            outbox: File of messages.
            connect: Function that connects to MLflow.
            patience: Seconds that the end of a run waits for a silent server, at most PATIENCE.
        """
        self._outbox, self._connect = Outbox(outbox), connect
        self._wake, self._closing = threading.Event(), threading.Event()
        self._sender: Sender | None = None
        self._sent, self._patience = 0, min(PATIENCE, patience)
        self._given_up = False
        self.error = ""  # why the last message could not be sent
        self.waits_for_user = False  # whether a user must act first, as `error` describes: waiting alone does not help
        self.refused: list[str] = []  # one sentence for each refused message, with the reason
        self._thread = threading.Thread(target=self._work, name="mlflow-outbox", daemon=True)
        self._thread.start()

    def enqueue(self, *messages: Message) -> None:
        """Store messages in the outbox and wake the thread that sends them."""
        self._outbox.put(messages)
        self._wake.set()

    def states(self) -> dict[str, str] | None:
        """Return key -> state of each run, including the messages that are still waiting; None without a connection.

        Waits for the connection for a limited time.
        """
        asking = threading.Thread(target=self._connected, daemon=True)
        asking.start()
        asking.join(self._patience)
        if asking.is_alive():
            self._patience = 0.0  # `close` need not wait for the connection again
            return None
        sender = self._sender
        if sender is None:
            return None
        waiting = self._outbox.states(sender.runs, self._sent)
        return sender.states | waiting  # messages that were sent meanwhile are in both

    def _connected(self) -> Sender | None:
        with CONNECTING:
            try:
                self._sender = self._sender or self._connect()
            except Exception as error:  # any error of MLflow, its database driver or the network: training continues
                self._failed(error)
            return self._sender

    def _failed(self, error: Exception) -> None:
        """Store the error and drop the connection: the next message is sent on a new connection."""
        self.error, self._sender = one_line(error), None
        self.waits_for_user = isinstance(error, AblateError | FileNotFoundError)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._drain()
            if self.error:
                self._closing.wait(RETRY)
            else:
                self._wake.wait(RETRY)
            self._wake.clear()
        self._drain()

    def _drain(self) -> None:
        while True:
            messages, end_at = self._outbox.read(self._sent)
            sender = self._connected() if messages else None
            if sender is None or self._given_up:
                return
            if not self._delivered(sender, messages) or self._given_up:
                return
            self.error, self._sent = "", end_at
            if self._outbox.clear(end_at):
                self._sent = 0

    def _delivered(self, sender: Sender, messages: Sequence[Message]) -> bool:
        """Send messages, and return whether all messages are sent or set aside."""
        try:
            sender.send(messages)
            return True
        except Exception as error:  # as above
            self._failed(error)
            return is_final(error) and self._delivered_singly(messages)

    def _delivered_singly(self, messages: Sequence[Message]) -> bool:
        """Send the messages one by one, set the refused messages aside, and return whether all messages are handled.

        The connection is a new one, so that an experiment in the trash and runs deleted meanwhile are noticed.
        """
        sender = self._connected()
        for message in messages:
            if sender is None or self._given_up:
                return False
            try:
                sender.send([message])
            except Exception as error:  # as above
                if not is_final(error):
                    self._failed(error)
                    return False
                self._outbox.refuse(message, one_line(error))
                self.refused.append(f"{_described(message)}: {one_line(error)}")
        return sender is not None

    @property
    def refusal(self) -> str:
        """Sentence on the messages that were set aside; "" where there are none."""
        if not self.refused:
            return ""
        more = f"; and {len(self.refused) - MOST_NAMED} more" if len(self.refused) > MOST_NAMED else ""
        return (
            f"{len(self.refused)} messages refused, the others sent: {'; '.join(self.refused[:MOST_NAMED])}{more}; "
            f"kept in {self._outbox.refused}; retry with: ablate sync"
        )

    def _moved(self) -> tuple[int, int]:
        return self._sent, self._sender.handled if self._sender else 0

    def close(self, drain: float = math.inf) -> int:
        """Send the remaining messages while there is progress, and return the number of messages that were not sent.

        `drain`: maximum number of seconds.
        """
        self._closing.set()
        self._wake.set()
        before, end = None, time.monotonic() + drain
        while self._thread.is_alive() and before != self._moved() and time.monotonic() < end:
            before = self._moved()
            self._thread.join(min(self._patience, end - time.monotonic()))
        if self._thread.is_alive():
            self._given_up = True
            self.error = "no answer" if before == self._moved() else "--drain is over"
        return self._outbox.count(self._sent)


def _described(message: Message) -> str:
    """Return a description of a message for users."""
    kinds = {"run": "a run", "metrics": "metrics", "text": "a file", "file": "a file", "end": "the end of a run"}
    name = message.get("name") or message.get("file") or ", ".join(message.get("values", {}))
    return kinds.get(message["kind"], "a line of the outbox") + (f" ({name[:60]})" if name else "")
