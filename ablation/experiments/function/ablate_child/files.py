"""Raw files of a training: numbers, columns of examples and steps. The worker checks them before they count."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from typing import Any


def write_json(path: str, content: Any) -> None:
    """Write a JSON file; it appears whole or not at all."""
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(path + ".tmp", path)


def write_columns(path: str, columns: dict[str, Any]) -> None:
    """Write columns as PATH.npz where NumPy is loaded, otherwise as PATH.csv."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        with open(path + ".tmp", "wb") as file:
            numpy.savez(file, **columns)
        os.replace(path + ".tmp", path + ".npz")
        return
    with open(path + ".tmp", "w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
    os.replace(path + ".tmp", path + ".csv")


def remove(path: str) -> None:
    """Delete a file or folder, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)


def read_lines(path: str) -> list[dict[str, Any]]:
    """Return the objects in a file of JSON lines; a last line that is torn is left out."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return []
    read = []
    for line in text.split("\n")[:-1]:
        try:
            read.append(json.loads(line))
        except ValueError:  # torn by a kill, and continued by the next attempt
            continue
    return read
