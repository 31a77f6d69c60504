"""Scheduler of trainings: hands trainings to workers, retries where a retry can help, and reports progress."""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

from ablation import clock
from ablation.engine import attempts, job, pool
from ablation.engine.run import JobSettings
from ablation.outcomes import JobOutcome, Status
from ablation.store import result
from ablation.store.result import Result
from ablation.store.training import Training
from ablation.store.workspace import TrainingFolder
from ablation.study.grid import Trial
from ablation.workflows.study_run import StudyRun


class Scheduler:
    """Scheduler of all trainings of one command.

    `contract_error`: the error that stopped it, which all other trainings would share; "" for none.

    Args:
        study: Study of the trainings.
        trainings: Training -> the trials that the training answers.
        work: Key of a training -> its duration relative to the other trainings, in any unit.
        settings: Settings of all jobs.
        timeout: Limit of one attempt in seconds; None for no limit.
    """

    def __init__(
        self,
        study: StudyRun,
        trainings: Mapping[Training, list[Trial]],
        work: Mapping[str, float],
        settings: JobSettings,
        timeout: float | None,
    ) -> None:
        self._workspace, self._record = study.workspace, study.record
        self._retention, self._trackers, self._watch = study.retention, study.trackers, study.watch
        self._past_steps = study.past.steps
        self._trainings = {t.key: t for t in trainings}
        self._trials = {t.key: trials for t, trials in trainings.items()}
        self._settings, self._timeout = settings, timeout
        self._waiting = deque(self._trainings)
        self._memory: list[str] = []  # keys of trainings that ran out of memory once
        self._ends: dict[str, list[tuple[int, int, str]]] = defaultdict(
            list
        )  # progress at the end of each lost attempt
        self._work, self._all = work, sum(work.values()) or 1.0
        self._done, self._sum = dict.fromkeys(work, 0.0), 0.0
        self._before = 0.0  # part of the sum that earlier commands did
        self._open = {(t.row, t.seed) for trials in trainings.values() for t in trials}
        self._trials_in_all, self._failed = study.record.grid.size, 0
        self._stopping = False
        self.contract_error = ""

    def stop(self) -> None:
        """Stop handing out trainings."""
        self._stopping = True

    def run(self, workers: pool.Pool) -> None:
        """Run trainings until none is waiting. Trainings that ran out of memory are left to `alone`."""
        for key, outcome in workers.run(self._take, pool.Listener(self._began, self._reported)):
            self._ended(key, outcome)
            if outcome.is_contract and not self._stopping and not self._has_result():
                self.contract_error = f"{self._label(key)}: {outcome.reason}; no training of this study has succeeded"
                self.stop()
                workers.stop()

    def _has_result(self) -> bool:
        """Return whether a trial of the study is done: an error of the contract is then one of its row alone."""
        trials = self._record.grid.trials()
        return any(result.is_done(self._folder(self._record.training_key(t)), t.step) for t in trials)

    def alone(self) -> bool:
        """Queue the trainings that ran out of memory again, for a pool with one job per device.

        Returns:
            Whether there are such trainings.
        """
        again = [key for key in self._memory if not self._stopping]
        self._waiting.extend(again)
        return bool(again)

    def _take(self) -> pool.Task | None:
        if self._stopping or not self._waiting:
            return None
        key = self._waiting.popleft()
        settings = replace(self._settings, more=bool(self._waiting))
        arguments = self._workspace.root.absolute(), self._trainings[key], settings
        return pool.Task(key, job.train, arguments, self._timeout)

    def _folder(self, key: str) -> TrainingFolder:
        return self._workspace.training(key)

    def _label(self, key: str) -> str:
        trials = self._trials[key]
        numbers = ", ".join(str(t.row) for t in trials)
        seed = f", seed {trials[0].seed}" if len(self._record.grid.seeds) > 1 else ""
        return f"row {numbers}{seed}" if len(trials) == 1 else f"rows {numbers}{seed}"

    def _began(self, key: str, slot: str) -> None:
        self._watch.started(key, self._label(key), slot)
        training = self._trainings[key]
        behind = attempts.progress_of(self._folder(key), training.milestones)[0] / training.steps
        if not self._done[key]:  # work of an earlier command; a retry resumes from work of this command
            self._before += behind * self._work[key]
        self._progress(key, behind)
        for trial in self._trials[key]:
            if not result.is_done(self._folder(key), trial.step):
                self._trackers.started(trial)

    def _reported(self, key: str, message: dict[str, Any]) -> None:
        if "step" in message:
            self._reached(key, message["step"], message["steps"])
            return
        epochs = self._trainings[key].steps
        for epoch in message["epochs"]:
            for trial in self._trials[key]:
                if trial.step >= epoch["epoch"]:
                    self._trackers.epoch(trial, epoch)
                if trial.step == epoch["epoch"]:
                    self._tell_end(trial)
        last = message["epochs"][-1]
        self._watch.epoch(key, last, epochs)
        self._progress(key, last["epoch"] / epochs)

    def _reached(self, key: str, step: dict[str, float], steps: int) -> None:
        """Show the step of a user's program. Past trainings that all had as many steps say how many there are."""
        steps = steps or (self._past_steps if step["epoch"] <= self._past_steps else 0)
        self._watch.epoch(key, step, steps)
        if steps and step["epoch"]:
            self._progress(key, min(1.0, step["epoch"] / steps))

    def _progress(self, key: str, share: float) -> None:
        self._sum += (share - self._done[key]) * self._work[key]
        self._done[key] = share
        self._watch.work(self._sum / self._all, self._before / self._all)

    def _tell_end(self, trial: Trial) -> None:
        trial_result = result.read(self._folder(self._record.training_key(trial)), trial.step)
        if trial_result:
            self._trackers.ended(trial, trial_result)
        if trial_result and trial_result.done:
            self._count(trial, 0)
            self._retention.ended(trial.row)

    def _count(self, trial: Trial, failed: int) -> None:
        if (trial.row, trial.seed) in self._open:
            self._open.remove((trial.row, trial.seed))
            self._failed += failed
            self._watch.trials(self._trials_in_all - len(self._open) - self._failed, self._failed, self._trials_in_all)

    def _ended(self, key: str, outcome: JobOutcome[None]) -> None:
        status = outcome.status
        if error := self._error(outcome):
            self._write_failure(key, status, error)
        if status is not Status.INTERRUPTED:
            for trial in self._trials[key]:
                self._tell_end(trial)
        again = "" if self._stopping or self._settings.stop_after else self._again(key, status)
        failure = None if status in (Status.DONE, Status.INTERRUPTED) else result.failure(self._folder(key))
        self._watch.ended(key, f"{status}; {again}" if again else status, failure.reason if failure else "")
        if not again and status is not Status.INTERRUPTED:
            self._progress(key, 1.0)
            for trial in self._trials[key]:
                self._count(trial, 1)

    def _error(self, outcome: JobOutcome[None]) -> str:
        """Return why an attempt failed; "" where the trainer has written the outcome, or was interrupted."""
        match outcome.status:
            case Status.DONE | Status.DIVERGED | Status.INTERRUPTED:
                return ""
            case Status.KILLED:
                return "its worker was killed"
            case Status.TIMED_OUT:
                return f"not done after {self._timeout} s"
            case Status.FAILED | Status.OUT_OF_MEMORY | Status.PRUNED:
                return outcome.error or outcome.status
        assert_never(outcome.status)

    def _write_failure(self, key: str, status: Status, error: str) -> None:
        tries = attempts.read(self._folder(key))
        now = clock.now()
        started = min(tries[-1].started if tries else now, now)  # the clock of the worker's machine may be ahead
        failure = Result(
            status,
            self._trainings[key].steps,
            error=error,
            attempts=len(tries),
            started=started,
            finished=now,
        )
        result.write(self._folder(key), failure)

    def _used_up(self, key: str) -> bool:
        """Return whether a training has used all its attempts from its current progress.

        The folder of the training counts the attempts that started. This method also counts attempts that died before.
        """
        folder, milestones = self._folder(key), self._trainings[key].milestones
        saved = job.newest_checkpoint(self._trainings[key], folder)
        self._ends[key].append((*attempts.progress_of(folder, milestones), saved))
        same = self._ends[key].count(self._ends[key][-1])
        return same >= attempts.TRIES or attempts.used_up(folder, self._settings.run, milestones, saved)

    def _again(self, key: str, status: Status) -> str:
        """Queue a training for a retry within this command. Return a description of the retry; "" without a retry."""
        match status:
            case Status.KILLED | Status.TIMED_OUT | Status.INTERRUPTED:
                if self._used_up(key):
                    return ""
                self._waiting.append(key)
                return "tried again"
            case Status.OUT_OF_MEMORY:
                if key in self._memory:
                    return ""
                self._memory.append(key)
                return "will be retried alone on its device"
            case Status.DONE | Status.DIVERGED | Status.FAILED | Status.PRUNED:
                return ""
        assert_never(status)
