"""What a command costs as a whole process, imports included, on a study of nine trained rows.

    python tests/benchmarks/commands.py [--repeats 5]

The study is the Keras experiment's, on made-up images, with small heads; it is trained first. Seconds are the clock's:
median, smallest and largest. `run` has nothing to do. Nothing else should run on the machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

IMAGES = {"train": 60, "val": 60, "test": 480}
STUDY = """
[fixed]
weights = "random"
epochs = 1
[one_at_a_time]
fc_units = [[8], [16], [4]]
learning_rate = [1e-3, 1e-4]
batch_size = [16, 8, 32]
dropout = [0.25, 0.5, 0.1, 0.0]
"""
ABLATE = (sys.executable, "-m", "ablation")
RUN = (*ABLATE, "run", "nine.toml", "--data", "made.npz", "--quiet")
COMMANDS = {
    "python": (sys.executable, "-c", "pass"),
    "ablate --help": (*ABLATE, "--help"),
    "ablate status": (*ABLATE, "status", "nine.toml"),
    "ablate table": (*ABLATE, "table", "nine.toml"),
    "ablate run": RUN,
}


def _write_study(place: Path) -> None:
    (place / "nine.toml").write_text(STUDY)
    rng, arrays = np.random.default_rng(0), {}
    for split, size in IMAGES.items():
        arrays[f"y_{split}"] = np.arange(size) % 3
        noise = rng.integers(0, 120, (size, 32, 32))
        arrays[f"x_{split}"] = (noise + 60 * arrays[f"y_{split}"][:, None, None]).astype(np.uint8)
    np.savez(place / "made.npz", **arrays)


def _seconds(command: tuple[str, ...], place: Path) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, env=os.environ | {"COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _write_study(place)
        _seconds(RUN, place)
        print(f"{'command':<16}{'median s':>10}{'min s':>10}{'max s':>10}")
        for name, command in COMMANDS.items():
            times = [_seconds(command, place) for _ in range(asked.repeats + 1)][1:]  # the first fills the disk's cache
            print(f"{name:<16}{statistics.median(times):>10.2f}{min(times):>10.2f}{max(times):>10.2f}", flush=True)


if __name__ == "__main__":
    main()
