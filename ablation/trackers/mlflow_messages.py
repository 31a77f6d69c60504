"""Messages to MLflow: typed dictionaries, one a line of an outbox."""

import json
from collections.abc import Container
from typing import Any

NAME, KEY, PARAM, TAG, DATASET = 250, 250, 6000, 5000, 500  # lengths of the columns in MLflow's tables, in characters
PARENT = ""  # key of the parent run, which stands for the study

Message = dict[str, Any]

KINDS = ("abandoned", "run", "metrics", "text", "file", "end")  # kinds of messages


def run(
    key: str, name: str, time: float, params: dict[str, str], tags: dict[str, str], dataset: Message | None = None
) -> Message:
    """Return the message that creates a run.

    Args:
        key: Id of the trial; PARENT for the run of the study.
        name: Name that MLflow shows.
        time: Start in unix seconds.
        params: Name -> value.
        tags: Name -> value.
        dataset: Images of the run, as returned by `dataset`.
    """
    fields = {"key": key, "name": name, "time": int(time * 1000), "params": params, "tags": tags}
    return {"kind": "run", **fields, **({"dataset": dataset} if dataset else {})}


def dataset(name: str, digest: str, source: str, profile: object) -> Message:
    """Return the description of the images that is stored with a run.

    Args:
        name: Name that MLflow shows.
        digest: Digest of the images.
        source: Path or name of the data.
        profile: JSON-compatible description of the images.
    """
    return {
        "name": name[:DATASET],
        "digest": digest,
        "source": json.dumps({"uri": source}),
        "profile": json.dumps(profile),
    }


def abandoned() -> Message:
    """Return the message that ends all runs of the study that MLflow stores as running.

    A process that died left these runs. Messages about the current runs follow this message.
    """
    return {"kind": "abandoned", "key": PARENT}


def metrics(key: str, time: float, step: int, values: dict[str, float]) -> Message:
    """Return a message with the values of metrics. The time is fixed, so sending the message again duplicates nothing.

    Args:
        key: Id of the trial.
        time: Time of the measurement in unix seconds.
        step: Epoch.
        values: Name -> value.
    """
    return {"kind": "metrics", "key": key, "time": int(time * 1000), "step": step, "values": values}


def text(key: str, file: str, content: str) -> Message:
    """Return the message that stores a text file as an artifact of a run."""
    return {"kind": "text", "key": key, "file": file, "content": content}


def file(key: str, name: str, path: str) -> Message:
    """Return the message that stores a file as an artifact of a run: `name` with folders, `path` on this machine."""
    return {"kind": "file", "key": key, "name": name, "path": path}


def end(key: str, time: float, status: str, state: str = "", tags: dict[str, str] | None = None) -> Message:
    """Return the message that ends a run.

    Args:
        key: Id of the trial; PARENT for the run of the study.
        time: End in unix seconds.
        status: FINISHED, FAILED or KILLED.
        state: Digest of everything that was sent for the run. A run that has this digest is not sent again.
        tags: Name -> value.
    """
    fields = {"key": key, "time": int(time * 1000), "status": status, "state": state}
    return {"kind": "end", **fields, "tags": tags or {}}


def is_lost(message: Message, runs: Container[str]) -> bool:
    """Return whether a message concerns a run that is missing on a server with these `runs`.

    Such a run was sent to a server that is gone. The comparison of the server with the files sends the whole run again.
    """
    kind, key = message["kind"], message["key"]
    if kind == "run":
        return key != PARENT and PARENT not in runs
    return kind != "abandoned" and key not in runs
