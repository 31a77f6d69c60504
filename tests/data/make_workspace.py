"""Makes workspace-0.1.0.tar.xz, with the code of ablate 0.1.0, in the folder /data:

    cd /data && PYTHONPATH=CHECKOUT python make_workspace.py workspace-0.1.0.tar.xz

Its path is the only one that the workspace holds; what a test needs elsewhere is rewritten as it is unpacked.
"""

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import keras
import numpy as np

PLACE = Path("/data")
RUNS = PLACE / "runs"

FIXED = """
[fixed]
fc_units = 8
batch_size = 16
learning_rate = 1e-3
weights = "random"
"""
STUDIES = {
    "tiny": f"""title = "Tiny"
reference = 1
seeds = [0, 1]
{FIXED}
[factorial]
dropout = [0.0, 0.5]
epochs = [1, 3]
""",
    "other": f"""title = "Shares a training, names a file, and diverges"
reference = 1
{FIXED}
epochs = 3

[[rows]]
dropout = 0.0
published = {{ val_accuracy = 0.75, test_accuracy = 0.75 }}

[[rows]]
dropout = 0.0
optimizer = "sgd"
learning_rate = 10
batch_size = 4
fc_layers = 1

[[rows]]
dropout = 0.0
backbone = "mobilenetv2"
weights = "mobilenetv2_notop.weights.h5"
""",
    "cut": f"""title = "Cut after three of eight epochs"
reference = 1
{FIXED.replace("fc_units = 8", "fc_units = 4")}
[factorial]
epochs = [1, 3, 8]
""",
}

CUT = """
import os, signal, sys
from ablation import cli
from ablation.watching import status

def epoch(self, key, last, epochs, of=status.Noted.epoch):
    of(self, key, last, epochs)
    if last["epoch"] == 3:  # a milestone, which is reported at once
        os.kill(os.getpid(), signal.SIGINT)

status.Noted.epoch = epoch
sys.exit(cli._guarded(sys.argv[1:]))
"""


def write_images(path: Path, seed: int, **counts: int) -> None:
    """Grey squares, each class with a brightness of its own: learnable, and small when packed."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, object] = {"class_names": ["dark", "grey", "light"]}
    for split, n in counts.items():
        labels = np.arange(n) % 3
        squares = rng.integers(0, 60, (n, 8, 8)) + 70 * labels[:, None, None]
        arrays |= {f"x_{split}": squares.repeat(4, 1).repeat(4, 2).astype(np.uint8), f"y_{split}": labels}
    np.savez_compressed(path, **arrays)


def write_weights(path: Path) -> None:
    """Write all of MobileNetV2 as one short pattern that is repeated: 9 MB that compress well."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    pattern = np.random.default_rng(0).normal(0, 1, 61)
    for variable in model.weights:
        if variable.name == "kernel":
            shape = tuple(variable.shape)
            fan = int(np.prod(shape[:-1])) if shape[-1] > 1 else shape[0] * shape[1]
            variable.assign(np.resize(pattern, shape) * np.sqrt(2 / fan))
    model.save_weights(path)


def ablate(*arguments: str, code: int = 0, start: tuple[str, ...] = ("-m", "ablation")) -> None:
    done = subprocess.run([sys.executable, *start, *arguments], cwd=PLACE, capture_output=True, text=True)
    print("$ ablate", *arguments, "->", done.returncode, done.stderr[-600:], sep=" ")
    assert done.returncode == code, done.stdout + done.stderr


def print_tables() -> None:
    """Write tables as an article would have them, with options that `run` does not draw."""
    article = PLACE / "article"
    article.mkdir()
    ablate("table", "--grid", "tiny.toml", "--standalone", "--latex-style", "siunitx", "--intervals", "all")
    for name in ("table.csv", "table.md", "table.tex", "macros.tex", "contrasts.csv", "tables/effects.tex"):
        if (RUNS / "tiny" / name).is_file():
            shutil.copy(RUNS / "tiny" / name, article)
    ablate("table", "--grid", "tiny.toml")


def trim() -> None:
    """Workers' logs, locks, and the library of the report's figures go: nobody's results."""
    shutil.rmtree(RUNS / "log", ignore_errors=True)
    for path in [*RUNS.rglob("lock"), *RUNS.rglob("__pycache__")]:
        path.unlink() if path.is_file() else shutil.rmtree(path)
    for path in RUNS.rglob("report.html"):
        text = path.read_text()
        path.write_text(re.sub(r"(<script[^>]*>)([^<]|<(?!/script>)){100000,}(</script>)", r"\1\3", text))


def pack(archive: Path) -> None:
    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for path in sorted(p for p in PLACE.rglob("*") if p.is_file() and p.suffix != ".py" and p != archive):
            packed.add(path, path.relative_to(PLACE), filter=plain)


def main(archive: Path) -> None:
    write_images(PLACE / "tiny.npz", 0, train=30, test=45)
    write_images(PLACE / "production.npz", 1, train=45)
    write_weights(PLACE / "mobilenetv2_notop.weights.h5")
    for name, text in STUDIES.items():
        (PLACE / f"{name}.toml").write_text(text)
    run = ("run", "--data", "tiny.npz", "--grid")
    ablate(*run, "tiny.toml", "--slots", "cpu:1")
    ablate(*run, "other.toml", "--slots", "cpu:1", code=1)
    ablate(*run, "cut.toml", "--inline", code=130, start=("-c", CUT))
    ablate("evaluate", "--grid", "tiny.toml", "--data", "production.npz", "--slots", "cpu:1")
    print_tables()
    trim()
    pack(archive.absolute())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
