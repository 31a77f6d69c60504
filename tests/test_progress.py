"""What a person sees while a study runs."""

import io

import pytest
from rich.console import Console

from ablation import progress

EPOCH = {"epoch": 3.0, "val_accuracy": 0.5}


def story(watch: progress.Plain | progress.Live) -> None:
    watch.step("reading images", 1, 2)
    watch.step("reading images", 2, 2)
    watch.started("k", "rows 2, 5", "cpu:0")
    watch.work(0.5)
    watch.epoch("k", EPOCH, 100)
    watch.ended("k", "done")
    watch.ended("unknown", "done")
    watch.say("note: [not markup]")


def test_a_terminal_shows_bars(monkeypatch: pytest.MonkeyPatch):
    """A line a slot with row, epoch and validation accuracy, one for the whole; ends and notes stay."""
    out = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=out, force_terminal=True, width=100))
    with progress.watch() as watch:
        assert isinstance(watch, progress.Live)
        watch.started("other", "row 1", "cpu:1")
        watch.epoch("other", EPOCH, 10)
        watch._bars.refresh()
        story(watch)
    shown = out.getvalue()
    for text in ("cpu:1  row 1", "epoch 3 of 10, val 50.0 %", "cpu:0  rows 2, 5: done", "note: [not markup]"):
        assert text in shown


def test_a_log_gets_plain_lines(monkeypatch: pytest.MonkeyPatch):
    """Where there is no terminal: each start and end, and now and then how far it is and the time left."""
    out = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=out, force_terminal=False, width=40))
    with progress.watch() as watch:
        assert isinstance(watch, progress.Plain)
        story(watch)
    assert out.getvalue().splitlines() == [
        "reading images: 1 of 2",
        "reading images: 2 of 2",
        "rows 2, 5: started on cpu:0",
        "rows 2, 5: done",
        "unknown: done",
        "note: [not markup]",
    ]


def test_durations():
    """Hours only where there are some."""
    assert [progress.duration(s) for s in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]


def test_time_left_is_a_share_of_the_time_so_far(monkeypatch: pytest.MonkeyPatch):
    """A quarter done in 10 s leaves 30 s."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    watch = progress.Plain(Console(file=out, force_terminal=False, width=200))
    watch.started("k", "row 1", "cpu:0")
    watch.work(0.25)
    now[0] += 10
    watch._last = 0
    watch.epoch("k", EPOCH, 10)
    assert "row 1: epoch 3 of 10, val 50.0 %; all: 25 %, 0:30 left" in out.getvalue()
