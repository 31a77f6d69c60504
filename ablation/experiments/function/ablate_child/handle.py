"""The object that a function gets as `run`: its seed and folder, its steps, reports and results."""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, NoReturn

from . import bridges, checkpoints, files, returned, splits
from .errors import ContractError, Diverged, Interrupted
from .seeding import Seeding

SEND = 0.5  # seconds between two messages about a step
LOOK = 0.2  # seconds between two looks for the file that asks to stop
NO_CHECKPOINT = 1 << 62


class Run:
    """Running training of a function.

    `seed`: of this trial. `fold`, `repeat`: of this trial, where the study file states [folds]; otherwise None.
    `folder`: folder of this training's own, which outlives interruptions. `device`: "cuda" or "cpu". `threads`: number
    of CPU threads. `milestone`: whether a result is wanted now.
    """

    def __init__(self, job: dict[str, Any], seeding: Seeding, notify: Callable[[dict[str, Any]], None]) -> None:
        """Take a training. `job`: the content of its run.json. `notify`: sends a message to the worker."""
        self.seed, self.fold, self.repeat = job["seed"], job.get("fold"), job.get("repeat")
        self.folder, self.device, self.threads = job["folder"], job["device"], job["threads"]
        self.milestone = not job["milestones"]
        self._child, self._seeding = job["child"], seeding
        self._milestones = job["milestones"]  # of shared trainings: steps whose result is missing; otherwise none
        self._folds = job.get("folds")
        self._started = time.time()  # as the system's clock, which may be set back later
        self._began, self._before = time.monotonic(), 0.0  # seconds of earlier attempts, as far as they count
        self._stop_after = job.get("stop_after", 0)
        self._all, self._keep = job["all_milestones"], job.get("keep_last", False)
        self._checkpoints: checkpoints.Checkpoints | None = None
        self._start, self._step, self._last = 0, 0, 0
        self._answers: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
        self._answering, self._expected, self._n_items, self._loops = "", ("", 0), 0, 0
        self._asked, self._looked, self._stop = False, 0.0, os.path.join(self._child, "stop")
        self._notify = notify
        self._sent = 0.0  # time of the last message about a step
        self._given: set[int] = set()  # steps whose results this process has written

    # -- steps and state

    def state(self, save: Callable[[str], object], load: Callable[[str], object]) -> None:
        """Register how the state of the training is saved and loaded, and load the newest checkpoint, if there is one.

        Args:
            save: function of a path, at which it writes a file or a folder.
            load: function of this path.
        """
        if self._checkpoints:
            raise ContractError(
                "run.state is called twice; register one pair of functions that handles all of the state"
            )
        self._checkpoints = checkpoints.Checkpoints(self._child, save, load)
        self._start = self._checkpoints.load(self._milestones[0] if self._milestones else NO_CHECKPOINT)
        self._before = self._checkpoints.seconds(self._start)
        self._restore()

    def _restore(self) -> None:
        """Read the steps up to the checkpoint, and drop later ones."""
        path = os.path.join(self._child, "steps.jsonl")
        lines = [entry for entry in files.read_lines(path) if entry["step"] <= self._start]
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in lines)
        os.replace(path + ".tmp", path)

    def steps(self, n: int, reseed: int = 1) -> Iterator[int]:
        """Yield the steps 1 to n, or those after the checkpoint.

        Between two steps the state is saved where that is due, the training ends where it is asked to, and random
        generators are seeded from (seed, step).

        Args:
            n: number of steps.
            reseed: number of steps between two seedings.
        """
        self._loops += 1
        if self._loops > 1:
            raise ContractError("run.steps is called twice; a training has one loop")
        if self._all and n != self._all[-1]:
            raise ContractError(f"run.steps({n}): with shares, pass the value of the shared factor, {self._all[-1]}")
        self._last = n
        if not self._checkpoints:
            self._restore()
        for step in range(self._start + 1, n + 1):
            if (step - 1) % reseed == 0 or step == self._start + 1:
                self._seeding.seed(self.seed, step)
            self._step, self.milestone = step, self._is_milestone(step)
            yield step
            self._asked = self._asked or step == self._stop_after
            self._end_of_step(step)
        self._step, self.milestone = n, self._is_milestone(n)  # a result may follow the loop

    def _is_milestone(self, step: int) -> bool:
        wanted = step in self._milestones if self._all else step == self._last
        return wanted and self._key(step) not in self._given

    def _key(self, step: int) -> int:
        """Return the step that names the files of a result: 1 without a shared factor."""
        return step if self._all else 1

    def _end_of_step(self, step: int) -> None:
        is_last = step == self._last
        if (
            self._checkpoints
            and (not is_last or self._keep)
            and (self.stopping or self._checkpoints.is_due() or (is_last and self._keep))
        ):
            self._checkpoints.save(step, self._last, self.seconds)
        if self.stopping and not is_last:
            raise Interrupted

    @property
    def stopping(self) -> bool:
        """Whether the training should save its state and end."""
        if not self._asked and time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            self._asked = os.path.exists(self._stop)
        return self._asked

    def pause(self) -> NoReturn:
        """End the training here, to be resumed; for loops that save their state themselves."""
        raise Interrupted

    # -- numbers

    def report(self, step: int | None = None, **numbers: Any) -> None:
        """Record numbers of a step, such as loss=0.5 and val_accuracy=0.9. Numbers on test are refused.

        Raises:
            ContractError: A number is on test, or is no number.
        """
        if step is None and not self._step:
            raise ContractError("run.report: outside run.steps, state the step: run.report(step=1, loss=...)")
        step = self._step if step is None else int(step)
        entry: dict[str, float] = {"step": step, "time": self._started + time.monotonic() - self._began}
        for name, value in numbers.items():
            if name.startswith("test_") or name == "test":
                raise ContractError(f"run.report({name}=...): numbers on test are results: run.result(test=...)")
            if not returned.is_number(value):
                raise ContractError(f"run.report({name}=...): {type(value).__name__} is not a number")
            entry[name] = float(value)
        with open(os.path.join(self._child, "steps.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._send_step(
            step, self._last, {k: v for k, v in entry.items() if k not in ("step", "time") and math.isfinite(v)}
        )
        wrong = [name for name in numbers if "loss" in name.split("_") and not math.isfinite(entry[name])]
        if wrong:
            raise Diverged(f"{wrong[0]} is {entry[wrong[0]]} at step {step}")

    def _send_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        """Send the current step to the worker, not more often than a person could read it."""
        if time.monotonic() - self._sent > SEND:
            self._sent = time.monotonic()
            self._notify({"step": step, "steps": steps, "numbers": numbers})

    def result(self, **given: Any) -> None:
        """Give the result of a milestone: val={...} and test={...} of columns or numbers, and further numbers.

        Outside of a milestone nothing happens.

        Raises:
            ContractError: It was given already, or something is neither a number nor columns of equal length.
        """
        key = self._key(self._step)
        if key in self._given:
            raise ContractError("run.result is called twice at one milestone")
        if self.milestone:
            self.milestone = False
            self.write_result(key, given)

    def write_result(self, step: int, given: Any) -> None:
        """Write the files of a result: the numbers that are open come last."""
        given = self._with_answers(given)
        numbers, columns = returned.parts(given)
        for split, of_split in columns.items():
            files.write_columns(os.path.join(self._child, f"{split}-{step}"), of_split)
        test = {name: value for name, value in numbers.items() if name.startswith("test_")}
        if test:
            files.write_json(os.path.join(self._child, f"test-{step}.json"), test)
        opened = {name: value for name, value in numbers.items() if name not in test}
        content = {
            "numbers": opened,
            "memory": memory(),
            "seconds": self.seconds,
            "splits": sorted(columns),
            "has_test": bool(test),
        }
        files.write_json(os.path.join(self._child, f"result-{step}.json"), content)
        self._given.add(step)
        self._notify({"result": step})

    # -- evaluations that resume

    def each(
        self, items: Iterable[Any], id: Callable[[Any], Any] | None = None, split: str = "test", repeats: int = 1
    ) -> Iterator[Any]:
        """Yield the items that have no answer yet, so that an interrupted evaluation resumes.

        Args:
            items: questions, or other units of evaluation.
            id: function of an item that returns its id; by default its key "id", otherwise its position.
            split: "test" or "val".
            repeats: number of answers to each item; with several, pairs of an item and its repeat are yielded.
        """
        if split not in returned.SPLITS:
            raise ContractError(f"run.each: split={split!r}; allowed: 'val' or 'test'")
        of_split = self._read_answers(split)
        self._answering = split
        self._n_items = len(items) * repeats if isinstance(items, Sized) else 0
        for position, item in enumerate(items):
            for repeat in range(repeats):
                self._expected = (str(_id_of(item, position, id)), repeat)
                if self._expected in of_split:
                    continue
                if self.stopping:
                    raise Interrupted
                self._seeding.seed(self.seed, f"{split} {self._expected[0]}" + (f" {repeat}" if repeat else ""))
                yield (item, repeat) if repeats > 1 else item

    def _read_answers(self, split: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Return the answers that exist: (id, repeat) -> columns."""
        of_split = self._answers.setdefault(split, {})
        for line in files.read_lines(self._answers_file(split)):
            of_split[line["id"], line["repeat"]] = line["columns"]
            self._before = max(self._before, line["seconds"])
        return of_split

    def _answers_file(self, split: str) -> str:
        return os.path.join(self._child, f"answers-{split}.jsonl")

    def answer(self, id: Any = None, **columns: Any) -> None:
        """Store the answer to one item at once. `columns`: correct=True, score=0.5, predicted="b", label="a", ..."""
        if not self._answers:
            raise ContractError("run.answer: belongs into a loop over run.each(...)")
        if "repeat" in columns:
            raise ContractError("run.answer(repeat=...): state how many there are: run.each(items, repeats=3)")
        split, expected = self._answering, self._expected
        key = expected if id is None else (str(id), expected[1])
        cells = {name: _cell(name, value) for name, value in columns.items()}
        if key in self._answers[split]:
            raise ContractError(f"run.answer: {key[0]!r} has an answer already")
        line = {"id": key[0], "repeat": key[1], "columns": cells, "seconds": self.seconds}
        with open(self._answers_file(split), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._answers[split][key] = cells
        self._send_step(len(self._answers[split]), self._n_items, {})

    def _with_answers(self, given: Any) -> Any:
        """Return a result with the answers as columns of their split, sorted by id."""
        if not hasattr(given, "items") and given is not None:
            return given
        joined = dict(given or {})
        for split, of_split in self._answers.items():
            if not of_split:
                continue
            if split in joined:
                raise ContractError(f"the result has {split}, and run.answer has given its answers already")
            names = list(dict.fromkeys(name for line in of_split.values() for name in line))
            lacking = [key for key, line in of_split.items() if set(line) != set(names)]
            if lacking:
                raise ContractError(f"run.answer: {lacking[0][0]!r} has other columns than the others")
            order = sorted(of_split)
            columns = {name: [of_split[key][name] for key in order] for name in names}
            repeat = {"repeat": [key[1] for key in order]} if any(key[1] for key in order) else {}
            joined[split] = {"id": [key[0] for key in order], **repeat, **columns}
        return joined

    @property
    def seconds(self) -> float:
        """Duration of the training up to now, with the steps of earlier attempts that count."""
        return self._before + time.monotonic() - self._began

    @property
    def step(self) -> int:
        """The current step; 0 before the first one."""
        return self._step

    @property
    def has_answers(self) -> bool:
        return any(self._answers.values())

    @property
    def has_result(self) -> bool:
        return bool(self._given)

    def ask(self) -> None:
        """Ask the training to save its state and to end."""
        self._asked = True

    # -- libraries

    def bridge(self, library: str) -> Any:
        """Return a callback of "keras", "transformers" or "lightning", which reports steps and ends where asked to.

        It owns no result: return it, or call `result` after the training.
        """
        return bridges.callback(library, self)

    def split(self, n: int, label: Any = None, group: Any = None) -> splits.Split:
        """Return the indices of the training, validation and test examples of this fold, the same for all rows.

        Args:
            n: number of examples.
            label: (N,) classes, for stratified folds.
            group: (N,) groups, for folds of whole groups.
        """
        if self._folds is None:
            raise ContractError("run.split: the study file states no [folds]")
        return splits.split(self._folds, self.seed, n, label, group)


def _id_of(item: Any, position: int, key: Callable[[Any], Any] | None) -> Any:
    if key is not None:
        return key(item)
    if hasattr(item, "get"):
        return item.get("id", position)
    return position


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) == "bool":
        return bool(value)
    if isinstance(value, int):
        return value
    if returned.is_number(value):
        return float(value)
    raise ContractError(f"run.answer({name}=...): {type(value).__name__} is neither a number nor a text")


def memory() -> int:
    """Return the largest memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
