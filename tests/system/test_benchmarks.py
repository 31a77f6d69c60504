"""Benchmarks still run: each of them once, as small as can be. What they measure is nobody's concern here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

BENCHMARKS = TESTS / "benchmarks"


def run(*command: object, **env: str) -> str:
    """Return what a benchmark prints; it ends well."""
    arguments = [sys.executable, *map(str, command)]
    done = subprocess.run(arguments, env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_case_of_the_speed_benchmark_runs(shared: Path, tmp_path: Path):
    """Every case runs on 72 real faces, with heads of 4 to 32 units; a tiny pass leaves the figures of the real ones
    alone."""
    cases = re.findall(r"(?m)^def test_", (BENCHMARKS / "test_speed.py").read_text())
    before = sorted(BENCHMARKS.glob("speed.json"))
    output = run("-m", "pytest", BENCHMARKS / "test_speed.py", "-m", "benchmark", "-n", 0, "-s", "--basetemp",
               tmp_path / "speed", "-p", "no:cacheprovider", ABLATE_BENCHMARK="tiny")  # fmt: skip
    assert re.search(rf"\n=+ {len(cases)} passed", output), output[-3000:]
    assert "skipped" not in output.splitlines()[-1]
    assert sorted(BENCHMARKS.glob("speed.json")) == before


@pytest.mark.parametrize(("script", "size"), [("orchestrator.py", ("--trials", 2)), ("table.py", ("--rows", 20))])
def test_every_script_runs(script: str, size: tuple[object, ...]):
    """A script prints its table: headings, and a line for the size that was asked for."""
    lines = [line for line in run(BENCHMARKS / script, *size).splitlines() if line.strip()]
    assert any(line.split()[0].strip("|") == str(size[1]) for line in lines if line.split()), lines


def test_commands_are_timed():
    """The script of commands prints a line for each command."""
    lines = run(BENCHMARKS / "commands.py", "--repeats", 1).splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        *("command", "python", "ablate --help", "ablate status", "ablate table", "ablate run")
    ]


def test_overhead_is_measured():
    """The script of the overhead prints a line for each loop."""
    lines = run(BENCHMARKS / "overhead.py", "--trials", 2).splitlines()
    loops = [line.split("  ")[0] for line in lines]
    assert loops[:8] == [
        *("loop", "floor", "ablate, inline", "ablate, workers", "function, fresh", "function, kept"),
        *("joblib, 2 jobs", "Optuna, SQLite"),
    ]


def test_coverage_is_counted():
    """The script of coverage prints a Markdown table: a line for each requested kind of evidence, with a verdict."""
    lines = run(BENCHMARKS / "coverage.py", "--studies", 2, "--lines", "scalars, the same").splitlines()
    assert lines[0].startswith("| evidence | methods | settings |")
    assert [line.split(" | ")[2] for line in lines[2:]] == ["S = 3", "S = 5", "S = 10"]
