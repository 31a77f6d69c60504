"""How fast it is compared with a script by hand, and with the machine's own matrix products; ratios in one run.

    pytest tests/benchmarks -m benchmark -n 0 -s                         a scaled pass, half an hour on two cores
    ABLATE_BENCHMARK=full pytest tests/benchmarks -m benchmark -n 0 -s   the paper's epochs, 2,000 + 500 + 500 faces
    ABLATE_BENCHMARK=tiny ...                                            only to see that each case still runs: most of
                                                                         its commands in one process

Prints a table, and writes tests/benchmarks/speed.json with every single time (not of a tiny pass). Faces are
FER-2013's from ../shared/data, six classes, with real weights. Each command runs in a process of its own, imports
included; times are medians over seeds, ours and theirs by turns; nothing else should run on the machine.
"""

import contextlib
import io
import itertools
import json
import os
import platform
import runpy
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
import pytest
from numpy.typing import ArrayLike
from PIL import Image

from ablation import cli
from ablation.engine import slots
from ablation.experiments.keras_head.datasets import images
from ablation.experiments.keras_head.training import devices
from ablation.statistics import intervals
from ablation.study import study_file

pytestmark = pytest.mark.benchmark
HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data"
WEIGHTS = SHARED / "vgg16_notop.weights.h5"
FULL, TINY = (os.environ.get("ABLATE_BENCHMARK") == mode for mode in ("full", "tiny"))
IMAGES = (2000, 500, 500) if FULL else (72, 24, 24) if TINY else (768, 192, 192)
COUNTS = dict(zip(("train", "val", "test"), IMAGES, strict=True))
SHORTER = 1 if FULL else 10  # the epochs of the paper's grid are divided by it
NARROWER = 256 if TINY else 1  # and the units of every row by this
SEEDS = (0, 1, 2) if not (FULL or TINY) else (0,)
SEVERAL = 2 if TINY else 40  # seeds of a small row
ROWS = 2 if TINY else 9  # of the paper's
MOST = 100 if TINY else None  # faces that are read
PRECISIONS = ["float32"] if TINY else ["float32", "bfloat16"]
SIX = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
FACTORS = ("fc_units", "batch_size", "epochs", "learning_rate")
ABLATE = (sys.executable, "-m", "ablation")
ALONE = ("products.py",)  # its random numbers are refused where a training has asked for determinism
FOUND: list[dict[str, Any]] = []


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{slots.cores()} cores of an {slots.processor()}, {memory:.0f} GiB, {platform.system()}"


def faces(split: str) -> tuple[np.ndarray, np.ndarray]:
    """FER-2013's faces of the six classes, (N, 48, 48), and their places in SIX, (N,)."""
    with np.load(SHARED / f"fer2013_{split}.npz") as file:
        names = [str(name).lower() for name in file["class_names"]]
        labels = np.array([SIX.index(name) if name in SIX else -1 for name in names])[file["labels"]]
        rows = np.flatnonzero(labels >= 0)
        rows = rows[:: len(rows) // MOST] if MOST else rows  # of every class: the file is sorted
        return file["images"][rows], labels[rows]


def small(pixels: np.ndarray) -> np.ndarray:
    """(N, 48, 48) -> (N, 32, 32, 3)."""
    return np.stack([np.asarray(Image.fromarray(x).convert("RGB").resize((32, 32))) for x in pixels])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not SHARED.is_dir():
        pytest.skip(f"no real faces: {SHARED} is missing")
    folder = tmp_path_factory.mktemp("speed")
    pixels, labels = faces("train")
    rows = np.random.default_rng(0).permutation(len(pixels))[: sum(COUNTS.values())]
    resized = small(pixels[rows])
    content: dict[str, np.ndarray] = {"class_names": np.array(SIX)}
    start = 0
    for split, n in COUNTS.items():
        content |= {f"x_{split}": resized[start : start + n], f"y_{split}": labels[rows[start : start + n]]}
        start += n
    np.savez(folder / "faces.npz", **content)
    yield folder
    print(_table())
    measured = {"machine": machine(), "full": FULL, "images": COUNTS, "cases": FOUND}
    if not TINY:
        (HERE / "speed.json").write_text(json.dumps(measured, indent=1))


def note(case: str, ours: Sequence[float], *, ratio: float | None = None, **others: Sequence[float]) -> None:
    """`ratio`: of the compared times to ours, unless it is given."""
    medians = [statistics.median(times) for times in others.values()]
    if ratio is None and medians:
        ratio = medians[0] / statistics.median(ours)
    FOUND.append({"case": case, "ours": list(ours), **{k: list(v) for k, v in others.items()}, "ratio": ratio})
    print(f"\n{time.strftime('%X')} {FOUND[-1]}", flush=True)


def _cell(column: str, value: Any) -> str:
    if not value or isinstance(value, str):
        return value or ""
    if column == "ratio":
        return f"{value:.2f}"
    median = statistics.median(value)
    return f"{median:.1f} s" if median > 0.1 else f"{1000 * median:.0f} ms"


def _table() -> str:
    columns = ("case", "ours", "careful", "naive", "limit", "ratio")
    lines = [columns, ("---",) * len(columns), *([_cell(c, case.get(c)) for c in columns] for case in FOUND)]
    return f"\n{machine()}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def timed(*command: object, cwd: Path) -> tuple[float, str]:
    words, began = [str(c) for c in command], time.perf_counter()
    if TINY and Path(words[1]).name not in ALONE:
        printed = in_process(words[1:], cwd)
    else:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        printed = done.stdout
    return time.perf_counter() - began, printed


def in_process(words: Sequence[str], cwd: Path) -> str:
    """Return what Python prints with these arguments. A backend is loaded once, not by each command."""
    path = [str(HERE), *sys.path]
    with contextlib.chdir(cwd), contextlib.redirect_stdout(io.StringIO()) as printed, patch.dict(os.environ):
        if words[:2] == list(ABLATE[1:]):
            assert cli.run([*words[2:], *["--inline"] * (words[2] == "run")]) == 0
        else:
            with patch.object(sys, "argv", list(words)), patch.object(sys, "path", path):
                runpy.run_path(words[0], run_name="__main__")
    return printed.getvalue()


def study(place: Path, name: str, rows: list[dict[str, Any]], **more: object) -> None:
    fixed = {"fc_layers": 2, "dropout": 0.25, "weights": str(WEIGHTS)} | more
    lines = ["[fixed]", *(f"{k} = {json.dumps(v)}" for k, v in fixed.items())]
    rows = [row | {"fc_units": row["fc_units"] // NARROWER} for row in rows]
    for row in rows:
        lines += ["[[rows]]", *(f"{k} = {v}" for k, v in row.items())]
    (place / f"{name}.toml").write_text("\n".join(lines))
    (place / f"{name}.json").write_text(json.dumps(rows))


def ours(place: Path, name: str, seed: int = 0) -> tuple[float, list[float]]:
    """Seconds of the whole command in a new workspace, and the test accuracy of each row."""
    text = (place / f"{name}.toml").read_text()
    (place / f"{name}-{seed}.toml").write_text(f"seeds = [{seed}]\n{text}")
    workspace = f"ours-{name}-{seed}"
    asked = ("--grid", f"{name}-{seed}.toml", "--data", "faces.npz", "--workspace", workspace)
    seconds, _ = timed(*ABLATE, "run", *asked, cwd=place)
    lines = (place / workspace / f"{name}-{seed}/table.csv").read_text().splitlines()
    column = lines[0].split(",").index("test_accuracy")
    return seconds, [float(line.split(",")[column]) for line in lines[1:]]


def peer(place: Path, script: str, name: str, seed: int = 0) -> tuple[float, list[float]]:
    folder = place / f"{script}-{name}-{seed}"
    folder.mkdir()
    command = (sys.executable, HERE / f"{script}.py", "faces.npz", f"{name}.json", WEIGHTS, folder, seed)
    seconds, output = timed(*command, cwd=place)
    return seconds, json.loads(output.splitlines()[-1])


def paper_rows(shorter: int = SHORTER) -> list[dict[str, Any]]:
    rows = study_file.read("paper").rows
    return [{f: getattr(row, f) for f in FACTORS} | {"epochs": row.epochs // shorter} for row in rows]


def compared(ours: ArrayLike, theirs: ArrayLike) -> str:
    """Row by row, seed by seed: the mean difference in points, with its 95 % interval over the seeds' means."""
    apart = 100 * (np.array(ours) - np.array(theirs)).mean(axis=1)
    if len(apart) < 2:
        return f"{apart.mean():+.1f} points"
    difference = intervals.mean(apart)
    return f"{difference.value:+.1f} ± {difference.high - difference.value:.1f} points"


def able(precision: str, case: str) -> bool:
    """Return whether this machine computes in a precision; if not, the table gives the reason."""
    why = devices.lacking(precision, slots.parse("auto"))
    if why:
        FOUND.append({"case": f"{case}, {precision}", "ours": why, "ratio": None})
    return not why


def test_the_papers_grid(place: Path):
    """Nine rows against the careful script, which computes in float32."""
    precisions = [p for p in PRECISIONS if able(p, "paper's grid")]
    for precision in precisions:
        study(place, f"paper-{precision}", paper_rows()[:ROWS], precision=precision)
    times: dict[str, list[tuple[float, list[float]]]] = {p: [] for p in precisions}
    theirs = []
    for seed in SEEDS:
        theirs.append(peer(place, "careful", "paper-float32", seed))
        for precision in precisions:
            times[precision].append(ours(place, f"paper-{precision}", seed))
    for precision, runs in times.items():
        accuracy = [a for _, a in runs]
        apart = compared(accuracy, [a for _, a in theirs])
        if precision != "float32":
            apart += f", {compared(accuracy, [a for _, a in times['float32']])} beside our own float32"
        note(f"paper's grid, {precision}; accuracy {apart}", [s for s, _ in runs], careful=[s for s, _ in theirs])


def test_the_naive_script(place: Path):
    """Two of the rows, in their own ten epochs."""
    rows = paper_rows(SHORTER if TINY else 1)
    study(place, "short", [rows[0], rows[6]])
    seconds, theirs = (ours(place, "short")[0], peer(place, "naive", "short")[0])
    note("two of its rows, 10 epochs", [seconds], naive=[theirs])


def test_the_trainer_is_as_accurate(place: Path):
    """One row under many seeds, with the trainer and with Keras' own fit, on FER-2013's own test set."""
    pixels, labels = faces("test")
    with np.load(place / "faces.npz") as file:
        np.savez(place / "seeds.npz", **dict(file) | {"x_test": small(pixels), "y_test": labels})
    _, output = timed(sys.executable, HERE / "seeds.py", "seeds.npz", WEIGHTS, SEVERAL, cwd=place)
    ours, theirs = np.array(json.loads(output.splitlines()[-1])).T
    note(f"{SEVERAL} seeds of a row of 1024 units; accuracy {compared(ours[:, None], theirs[:, None])}", [])


def factorial_parts() -> Iterator[Any]:
    """Units, batch size and learning rates of the parts that the 48 rows are measured in, less than an hour each, so
    that ours and theirs come soon after each other: what else uses the machine's memory changes by the hour."""
    for units, batch in itertools.product([2048, 4096, 8192] if FULL else [2048], [128] if TINY else [128, 256]):
        for rates in [(1e-3,), (1e-4,)] if units == 8192 else [(1e-3,)] if TINY else [(1e-3, 1e-4)]:
            yield pytest.param(units, batch, rates, id="-".join(map(str, (units, batch, *rates))))


@pytest.mark.parametrize(("units", "batch", "rates"), list(factorial_parts()))
def test_a_factorial_grid_with_epochs(place: Path, units: int, batch: int, rates: tuple[float, ...]):
    """Rows of one batch size and number of units; each learning rate's four, of 10 to 100 epochs, are one training."""
    levels = itertools.product((units,), (batch,), (10, 25, 50, 100)[:ROWS], rates)
    rows = [dict(zip(FACTORS, levels_of_row, strict=True)) for levels_of_row in levels]
    name = "-".join(map(str, ("factorial", units, batch, *rates)))
    study(place, name, [row | {"epochs": row["epochs"] // SHORTER} for row in rows])
    seconds, accuracy = ours(place, name)
    theirs, other = peer(place, "careful", name)
    case = f"{len(rows)} rows with epochs, {units} units, batch {batch}, rate {' and '.join(map(str, rates))}"
    note(f"{case}; accuracy {compared([accuracy], [other])}", [seconds], careful=[theirs])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_machines_products(place: Path, precision: str):
    """Ten epochs of 8192 units, compared with their matrix products alone, which are measured before and after."""
    case = "products' share of 8192 units"
    if not able(precision, case):
        pytest.skip(f"no {precision} here")
    study(place, f"large-{precision}", [dict(zip(FACTORS, (8192, 256, 10, 1e-4), strict=True))], precision=precision)

    def limit() -> float:
        shapes = (8192 // NARROWER, 256 if not TINY else 64, COUNTS["train"], COUNTS["val"])
        return 10 * float(timed(sys.executable, HERE / "products.py", *shapes, precision, cwd=place)[1])

    before = limit()
    ours(place, f"large-{precision}")
    limits = [before, before if TINY else limit()]
    (result,) = (place / f"ours-large-{precision}-0").glob("trained/*/result-10.json")
    ends = [epoch["time"] for epoch in json.loads(result.read_text())["history"]]
    seconds = [10 * (b - a) for a, b in itertools.pairwise(ends)]
    share = statistics.median(limits) / statistics.median(seconds)
    note(f"{case}, {precision}", seconds, limit=limits, ratio=share)


def test_images_are_read(place: Path):
    """PNG files of 48 pixels, decoded, made 32, and given an id, against a plain loop that gives none."""
    pixels, _ = faces("train")
    folder = place / "png"
    folder.mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i:05}.png")
    given = images.unlabelled(str(folder), SIX)
    images.decode(given, [32])  # the files are in memory now
    seconds, theirs = [], []
    for _ in range(3):
        began = time.perf_counter()
        images.decode(given, [32])
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        for path in given.sources:
            np.asarray(Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
        theirs.append(time.perf_counter() - began)
    n_images, median = len(given), statistics.median(seconds)
    note(f"{n_images:,} PNG files read, {n_images / median:,.0f} a second; beside a plain loop", seconds, naive=theirs)


def test_features_are_computed(place: Path):
    """Read, put through VGG16 and stored, weights loaded anew, compared with Keras' `predict` on arrays in memory."""
    _, output = timed(sys.executable, HERE / "backbone.py", WEIGHTS, 24 if TINY else 3000, "backbone", cwd=place)
    seconds, predict, load = zip(*json.loads(output.splitlines()[-1]), strict=True)
    note("features of 3,000 images computed and stored; beside predict", seconds, naive=predict)
    note("the same, found again: checked and mapped", load)


class Peak:
    """The largest resident memory of any one process below a command, in GiB, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self.most, self._root = 0.0, psutil.Process(pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE:
            for one in [self._root, *self._root.children(recursive=True)]:
                try:
                    self.most = max(self.most, one.memory_info().rss / 2**30)
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.1)


def test_all_of_fer2013(place: Path):
    """All faces of six classes through VGG16 and one epoch: the first run, and features that a second one finds."""
    (x, y), (x_test, y_test) = faces("train"), faces("test")
    np.savez(place / "all.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test, class_names=np.array(SIX))
    study(place, "all", [dict(zip(FACTORS, (4096, 256, 1, 1e-4), strict=True))])
    command = (*ABLATE, "run", "--grid", "all.toml", "--data", "all.npz", "--workspace", "ours-all", "-q")
    began = time.perf_counter()
    child = subprocess.Popen([*map(str, command)], cwd=place, stderr=subprocess.DEVNULL)
    peak = Peak(child.pid)
    assert child.wait() == 0
    first = time.perf_counter() - began
    note(f"{len(x) + len(x_test):,} faces, VGG16, one epoch; a process had {peak.most:.1f} GiB at most", [first])
    study(place, "all", [dict(zip(FACTORS, (1024, 256, 1, 1e-4), strict=True))])
    again, _ = timed(*command, "--name", "again", cwd=place)
    note("the same images, another row: features are there", [again], ratio=first / again)


def test_short_commands(place: Path):
    """--help, `table` of nine rows, and a run with nothing to do."""
    asked = ("--grid", "paper-float32-0.toml", "--workspace", "ours-paper-float32-0")
    for case, command in {
        "ablate --help": (*ABLATE, "--help"),
        "ablate table, nine rows": (*ABLATE, "table", *asked),
        "ablate run, nothing to do": (*ABLATE, "run", *asked, "--data", "faces.npz"),
    }.items():
        note(case, [timed(*command, cwd=place)[0] for _ in range(1 if TINY else 3)])
