"""Valid files of every kind that a reader takes, each with the function that reads it."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
from command_study import STUDY
from conftest import ROOT
from hostile_files import written
from PIL import Image
from store_samples import mlflow_2

from ablation.experiments.command import earlier_steps, live_steps, results
from ablation.experiments.command.printed import Printed
from ablation.experiments.function import raw_files
from ablation.experiments.keras_head.datasets import decoding
from ablation.experiments.keras_head.datasets.images import check, load
from ablation.sources import address
from ablation.sources.readers import folders, mlflow_store, optuna_store
from ablation.study import study_file
from ablation.study.experiment_keys import ExperimentKeys

Reader = Callable[[Path], object]  # of the path of the file that is changed
RUNS = [
    {"norm": "a", "seed": 0, "acc": 0.5, "log": [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]},
    {"norm": "b", "seed": 1, "acc": 0.4, "h": [i / 10 for i in range(20)]},
]
CSV = b'norm,lr,seed,val_acc,test_acc\nbatch,0.1,0,0.5,0.6\nbatch,0.1,1,0.51,0.61\n"a,b",1e-3,1,41%,nan\n'
LINES = b'{"norm":"batch","acc":0.5}\n{"norm":"none","acc":0.4,"n":{"a":[1,2]}}\n{"acc":1}\n'
TABLES = {
    "a.csv": CSV,
    "a.tsv": b"norm\tlr\tacc\nbatch\t0,1\t0,5\nnone\t0,1\t0,4\n",
    "a.jsonl": LINES,
    "b.csv": "norm;lr;acc\nh\u00fc;0,1;0,5\nx;1.000,5;0,4\n".encode("cp1252"),
    "u.csv": "norm,lr,acc\na,0.1,0.5\nb,0.1,0.5\n".encode("utf-16"),
    "a.txt": b"norm lr acc\nbatch 0.1 0.5\n",
    "a.json": json.dumps(RUNS).encode(),
    "b.json": json.dumps({"a": {"0": {"acc": 0.5}}, "b": {"0": {"acc": 0.7}}}).encode(),
    "c.csv.gz": gzip.compress(CSV),
    "c.csv.bz2": bz2.compress(CSV),
    "c.csv.xz": lzma.compress(CSV),
    "c.jsonl.gz": gzip.compress(LINES),
    "c.jsonl.bz2": bz2.compress(LINES),
    "c.jsonl.xz": lzma.compress(LINES),
}
STEPS = {
    "m.json": b'{"val_acc": 0.5, "eval": {"loss": 1, "n": [1, 2]}, "other": NaN}',
    "m.jsonl": b'{"epoch": 1, "val_acc": 0.5}\n{"epoch": 2, "val_acc": 0.6}\n',
    "m.csv": b"epoch,val_acc,val_loss\n1,0.5,0.1\n2,0.6,\n",
}
EXAMPLES = {
    "t.csv": b"id,label,predicted,probability_a,group\n1,a,b,0.5,x\n2,b,b,0.4,y\n",
    "t.json": b'[{"id": 1, "label": 0, "predicted": 1}, {"id": 2, "label": 0, "predicted": 0}]',
    "t.jsonl": b'{"id": 1, "label": 0, "predicted": 1}\n{"id": 2, "label": 0, "predicted": 0}\n',
}
FOLDERS: Mapping[str, Mapping[str, str]] = {
    "hydra": {
        "0/.hydra/config.yaml": "m: {name: cnn, lr: 1e-3}\nl: [1, 2]\nb: &b {a: 1}\nx: {<<: *b, d: 2020-01-01}\n",
        "0/.hydra/overrides.yaml": "- model=cnn\n- +new@pkg=[1,2]\n",
        "0/.hydra/hydra.yaml": "hydra:\n  runtime:\n    choices: {model: cnn}\n",
        "0/results.csv": "acc,loss\n0.5,1\n",
    },
    "lightning": {
        "version_0/hparams.yaml": "lr: 1.0e-3\nc: !!python/object:foo {a: 1}\n",
        "version_0/metrics.csv": "epoch,step,train_loss,valid_acc\n0,49,1.0,\n0,99,,0.5\n1,149,nan,\n",
    },
    "huggingface": {
        "r/all_results.json": '{"epoch": 3.0, "eval_accuracy": 0.5}',
        "r/trainer_state.json": '{"log_history": [{"epoch": 1.0, "loss": 0.5, "step": 10}]}',
    },
    "ultralytics": {
        "t/args.yaml": "lr0: 0.01\nseed: 0\n",
        "t/results.csv": "  epoch,  metrics/mAP50(B)\n 1, 0.5\n 2, 0.6\n",
    },
    "ray": {
        "t/params.json": '{"lr": 0.1}',
        "t/error.txt": "boom",
        "t/result.json": '{"training_iteration": 1, "acc": 0.5}\n{"training_iteration": 2, "acc": 0.6}\n',
    },
    "sacred": {
        "1/config.json": '{"lr": 0.1, "seed": 3}',
        "1/run.json": '{"status": "COMPLETED", "result": 0.5}',
        "1/metrics.json": '{"acc": {"steps": [1, 2], "timestamps": ["a", "b"], "values": [0.5, 0.6]}}',
    },
}
MLRUNS = {
    "1/meta.yaml": "artifact_location: file:///x\nname: team\nlifecycle_stage: active\n",
    "1/ab/meta.yaml": "artifact_uri: file:///x\nrun_id: ab\nstatus: 3\nstart_time: 1000\nend_time: 2000\n",
    "1/ab/params/lr": "0.1",
    "1/ab/metrics/acc": "1000 0.5 1\n1001 0.6 2\n",
    "1/ab/tags/mlflow.runName": "x",
}


def packed(**arrays: Any) -> bytes:
    """Return the bytes of an .npz file."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def workbook() -> dict[str, bytes]:
    """Return the parts of an .xlsx file."""
    book, file = openpyxl.Workbook(), io.BytesIO()
    for line in (["norm", "lr", "acc"], ["batch", 0.1, 0.5], ["none", 0.1, 0.4]):
        book.active.append(line)  # type: ignore[union-attr]
    book.save(file)
    with zipfile.ZipFile(file) as parts:
        return {name: parts.read(name) for name in parts.namelist()}


def zipped(parts: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a compressed archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def source(path: Path) -> object:
    return address.read(str(path), Path("/"), "import.from")


def image_set(path: Path) -> object:
    images = load(str(path))
    check(images, str(path))
    return images


def picture(path: Path) -> object:
    return decoding._decode([path], None, [(8, False)])


def of_command(key: str) -> Reader:
    """Reader of the results of a command: its file, or its examples."""

    def read(path: Path) -> object:
        stated = {"file": str(path)} if key == "file" else {"test": {"examples": str(path)}}
        keys = ExperimentKeys.model_validate({"command": "x", "cwd": str(path.parent), "results": stated})
        return results.read(keys, {"folder": str(path.parent)}, Printed({}))

    return read


def steps_of_command(path: Path) -> object:
    """Reader of steps while a command runs, and when it is resumed."""
    keys = ExperimentKeys.model_validate({"command": "x", "cwd": "/", "results": {"file": str(path)}})
    live_steps.LiveSteps(keys, path, Printed({}), {}, lambda step: None).look()
    earlier_steps.keep(path, path.parent)
    return earlier_steps.read(path.parent)


def of_function(path: Path) -> object:
    return raw_files.read(path.parent, 1, is_shared=True)


RAW = {
    "result-1.json": b'{"numbers": {"val_a": 0.5}, "has_test": true, "splits": ["val", "test"], '
    b'"memory": 1, "seconds": 2}',
    "test-1.json": b'{"test_a": 0.5}',
    "steps.jsonl": b'{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}\n',
    "test-1.csv": b"id,label\na,1\nb,2\n",
    "val-1.npz": packed(label=np.arange(5), predicted=np.arange(5.0)),
}
SMALL = {"x_train": np.zeros((6, 4, 4), np.uint8), "y_train": [0, 1, 2, 0, 1, 2], "class_names": list("abc")}
FACES = b"emotion,pixels,Usage\n0,1 2 3 4,Training\n1,1 2 3 5,PublicTest\n2,9 9 9 9,PrivateTest\n1,1 1 1 255,Training\n"


def pictures() -> dict[str, bytes]:
    """A small image in each format."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 24, 3)).astype(np.uint8))
    contents = {}
    for name in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
        file = io.BytesIO()
        image.save(file, name)
        contents[f"image.{name.lower()}"] = file.getvalue()
    return contents


def study(path: Path) -> object:
    return study_file.read(str(path))


Sample = tuple[Mapping[str, bytes], Reader]  # all files; each of them is changed in turn


def samples() -> dict[str, Sample]:
    """Return kind of a file -> files, and their reader."""
    of_studies = {f"{path.stem}.toml": path.read_bytes() for path in sorted((ROOT / "studies").glob("*.toml"))[:3]}
    by_kind: dict[str, Sample] = {
        "study files": ({**of_studies, "command.toml": STUDY.encode()}, study),
        "tables": (TABLES, source),
        "workbooks": ({"a.xlsx": zipped(workbook())}, source),
        "arrays of images": ({"a.npz": packed(**SMALL)}, image_set),
        "faces": ({"faces.csv": FACES}, image_set),
        "images": (pictures(), picture),
        "results of a command": (STEPS, of_command("file")),
        "steps of a command": ({name: STEPS[name] for name in ("m.jsonl", "m.csv")}, steps_of_command),
        "examples of a command": (EXAMPLES, of_command("test")),
        "files of a function": (RAW, of_function),
    }
    for preset, files in FOLDERS.items():
        contents = {f"{preset}/{name}": text.encode() for name, text in files.items()}
        by_kind[preset] = contents, lambda path, p=preset: folders.read(f"folders:{p}:{root(path, p)}")  # type: ignore[misc]
    mlruns = {f"mlruns/{name}": text.encode() for name, text in MLRUNS.items()}
    by_kind["mlruns"] = mlruns, lambda path: mlflow_store.read(str(root(path, "mlruns")))
    return by_kind


def root(path: Path, name: str) -> Path:
    """Return the folder of this name that a file is in."""
    return next(folder for folder in path.parents if folder.name == name)


def databases(place: Path, journal: bytes) -> dict[str, Sample]:
    """Stores of MLflow and Optuna -> their file, and its reader."""
    of_mlflow = mlflow_2(place / "m.db").read_bytes()
    return {
        "MLflow's database": ({"x.db": of_mlflow}, lambda path: mlflow_store.read(f"{path}/team/sweep")),
        "Optuna's journal": ({"j.log": journal}, lambda path: optuna_store.read(str(path))),
    }


def place_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a sample below a folder."""
    for name, content in files.items():
        written(folder / name, content)
