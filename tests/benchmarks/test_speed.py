"""How fast it is beside what a user writes by hand, and beside the machine's own matrix products; ratios in one run.

    pytest tests/benchmarks -m benchmark -n 0 -s                         a scaled pass, below half an hour on two cores
    ABLATE_BENCHMARK=full pytest tests/benchmarks -m benchmark -n 0 -s   the paper's epochs, 2,000 + 500 + 500 faces

Prints a table and writes tests/benchmarks/speed.json. Faces are FER-2013's from ../shared/data, six classes, with real
weights. Each command runs in a process of its own, imports included; nothing else should run on the machine.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ablation import slots, study_file
from ablation.datasets import images

pytestmark = pytest.mark.benchmark
HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data"
FULL = os.environ.get("ABLATE_BENCHMARK") == "full"
COUNTS = {"train": 2000, "val": 500, "test": 500} if FULL else {"train": 512, "val": 128, "test": 128}
SHORTER = 1 if FULL else 5  # epochs are divided by it
SIX = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
FIXED = f'[fixed]\nfc_layers = 2\ndropout = 0.25\nweights = "{SHARED / "vgg16_notop.weights.h5"}"\n'
FACTORS = ("fc_units", "batch_size", "epochs", "learning_rate")
FOUND: list[dict[str, Any]] = []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not SHARED.is_dir():
        pytest.skip(f"no real faces: {SHARED} is missing")
    found = tmp_path_factory.mktemp("speed")
    with np.load(SHARED / "fer2013_train.npz") as file:
        names = [str(name).lower() for name in file["class_names"]]
        places = np.array([SIX.index(name) if name in SIX else -1 for name in names])
        labels = places[file["labels"]]
        rows = np.random.default_rng(0).permutation(np.flatnonzero(labels >= 0))[: sum(COUNTS.values())]
        pixels = np.stack(
            [np.asarray(Image.fromarray(x).convert("RGB").resize((32, 32))) for x in file["images"][rows]]
        )
    content: dict[str, np.ndarray] = {"class_names": np.array(SIX)}
    start = 0
    for split, n in COUNTS.items():
        content |= {f"x_{split}": pixels[start : start + n], f"y_{split}": labels[rows[start : start + n]]}
        start += n
    np.savez(found / "faces.npz", **content)
    yield found
    print(_table())
    (HERE / "speed.json").write_text(json.dumps(FOUND, indent=1))


def _table() -> str:
    columns = ("case", "ours", "careful", "naive", "limit", "ratio")
    lines = [columns, *([str(each.get(c, "")) for c in columns] for each in FOUND)]
    return "\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def timed(*command: object, cwd: Path) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.perf_counter() - began, done.stdout


def study(place: Path, name: str, rows: list[dict[str, Any]]) -> None:
    lines = [f"[[rows]]\n{''.join(f'{k} = {v}{chr(10)}' for k, v in row.items())}" for row in rows]
    (place / f"{name}.toml").write_text(FIXED + "\n".join(lines))
    (place / f"{name}.json").write_text(json.dumps(rows))


def ours(place: Path, name: str, *more: object) -> tuple[float, list[float]]:
    """Seconds of the whole command in a new workspace, and the test accuracy of each row."""
    command = (sys.executable, "-m", "ablation", "run", "--grid", f"{name}.toml", "--data", "faces.npz")
    seconds, _ = timed(*command, "--workspace", f"ours-{name}", *more, cwd=place)
    text = (place / f"ours-{name}/{name}/table.csv").read_text().splitlines()
    column = text[0].split(",").index("test_accuracy")
    return seconds, [float(line.split(",")[column]) for line in text[1:]]


def peer(place: Path, script: str, name: str) -> tuple[float, list[float]]:
    (place / f"{script}-{name}").mkdir()
    weights = SHARED / "vgg16_notop.weights.h5"
    seconds, said = timed(
        sys.executable, HERE / f"{script}.py", "faces.npz", f"{name}.json", weights, f"{script}-{name}", cwd=place
    )
    return seconds, [row["test_accuracy"] for row in json.loads(said.splitlines()[-1])]


def paper_rows() -> list[dict[str, Any]]:
    rows = study_file.read("paper").rows
    return [{f: getattr(row, f) for f in FACTORS} | {"epochs": row.epochs // SHORTER} for row in rows]


def note(case: str, ours: float, ratio: str, **more: float) -> None:
    FOUND.append({"case": case, "ours": f"{ours:.1f} s", "ratio": ratio} | {k: f"{v:.1f} s" for k, v in more.items()})


def test_the_papers_grid(place: Path):
    """Nine rows against the careful script; its first and seventh against the naive one too."""
    rows = paper_rows()
    study(place, "paper", rows)
    mine, accuracy = ours(place, "paper")
    theirs, other = peer(place, "careful", "paper")
    apart = statistics.fmean(a - b for a, b in zip(accuracy, other, strict=True))
    note(f"paper's grid, float32 (accuracy {100 * apart:+.1f} pp)", mine, f"{theirs / mine:.2f}", careful=theirs)
    study(place, "short", [rows[0], rows[6]])
    mine, _ = ours(place, "short")
    theirs, _ = peer(place, "naive", "short")
    note("two rows of it", mine, f"{theirs / mine:.2f}", naive=theirs)


def test_a_factorial_grid_with_epochs(place: Path):
    """48 rows that are 12 trainings."""
    levels = itertools.product((2048, 4096, 8192), (128, 256), (10, 25, 50, 100), (1e-3, 1e-4))
    rows = [dict(zip(FACTORS, some, strict=True)) for some in levels]
    few = rows if FULL else [row for row in rows if row["fc_units"] == 2048]  # 16 rows, 4 trainings
    study(place, "factorial", [row | {"epochs": max(1, row["epochs"] // SHORTER)} for row in few])
    mine, _ = ours(place, "factorial")
    theirs, _ = peer(place, "careful", "factorial")
    note(f"factorial with epochs, {len(few)} rows", mine, f"{theirs / mine:.2f}", careful=theirs)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_machines_products(place: Path, precision: str):
    """A training of 8192 units beside its matrix products alone."""
    if why := slots.lacking(precision, slots.parse("auto")):
        FOUND.append({"case": f"8192 units, {precision}", "ours": why})
        pytest.skip(why)
    if precision != "float32":
        pytest.skip("the limit is measured in float32 alone")
    row = {"fc_units": 8192, "batch_size": 256, "epochs": 20, "learning_rate": 1e-4}
    study(place, "large", [row])
    ours(place, "large")
    (result,) = (place / "ours-large").glob("trained/*/result-20.json")
    seconds = json.loads(result.read_text())["seconds"]
    steps = 20 * -(-COUNTS["train"] // 256)
    limit = float(timed(sys.executable, HERE / "products.py", 8192, 256, steps, cwd=place)[1])
    note(f"8192 units, {precision}: products' share", seconds, f"{limit / seconds:.2f}", limit=limit)


def test_images_are_read(place: Path, tmp_path: Path):
    """PNG files of 48 pixels, decoded and made 32, against a plain loop."""
    with np.load(SHARED / "fer2013_train.npz") as file:
        some = file["images"][:4000]
    for i, image in enumerate(some):
        Image.fromarray(image).save(tmp_path / f"{i:05}.png")
    given = images.unlabelled(str(tmp_path), SIX)
    images.decode(given, [32])  # the files are in memory now
    began = time.perf_counter()
    images.decode(given, [32])
    mine = time.perf_counter() - began
    began = time.perf_counter()
    for path in given.sources:
        np.asarray(Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
    theirs = time.perf_counter() - began
    note(f"4,000 images read ({4000 / mine:,.0f} a second; with ids)", mine, f"{theirs / mine:.2f}", naive=theirs)


def test_short_commands(place: Path):
    """--help, `table` of nine rows, and a run with nothing to do: medians of three."""
    ablate = (sys.executable, "-m", "ablation")
    study_of = ("--grid", "paper.toml", "--workspace", "ours-paper")
    for case, command in {
        "ablate --help": (*ablate, "--help"),
        "ablate table, nine rows": (*ablate, "table", *study_of),
        "ablate run, nothing to do": (*ablate, "run", *study_of, "--data", "faces.npz"),
    }.items():
        note(case, statistics.median(timed(*command, cwd=place)[0] for _ in range(3)), "")
