"""The layouts in which image sets lie on disk, and what is refused."""

import csv
import subprocess
import sys
import zipfile
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import LAYOUTS, affwild2, arrays, fer2013, folders
from ablation.experiments.keras_head.datasets.images import choose_classes, decode, load

RNG = np.random.default_rng(0)
FACES = RNG.integers(0, 256, (8, 6, 6), dtype=np.uint8)
LABELS = [0, 1, 2, 0, 1, 2, 0, 1]
SPLITS = ["train"] * 5 + ["test"] * 3
USAGES = {"train": "Training", "test": "PublicTest"}


def save(path, pixels=FACES[0]):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def pixel_text(face):
    return " ".join(map(str, face.ravel()))


def rows_of(images):
    """Return the images of a layout as (split, class, name), sorted."""
    return sorted(zip(images.splits.tolist(), [images.classes[k] for k in images.labels], images.names, strict=True))


def refused(layout, data):
    """Return the message with which `layout` refuses `data`; always one line that names the data."""
    with pytest.raises(AblateError) as caught:
        layout.load(str(data))
    message = str(caught.value)
    assert str(data) in message
    assert "\n" not in message
    return message


# ---- folders


def test_folders_without_splits(tmp_path):
    """Class folders alone: classes by name, no splits, no subjects."""
    for name in ("b/2.png", "b/1.png", "a/1.png"):
        save(tmp_path / name)
    images = folders.load(str(tmp_path))
    assert images.classes == ("a", "b")
    assert images.names == ["a/1.png", "b/1.png", "b/2.png"]
    assert set(images.splits) == set(images.subjects) == {""}


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "val"),
        ("VALID", "val"),
        ("validation", "val"),
        ("test", "test"),
        ("Test", "test"),
    ],
)
def test_split_folders(tmp_path, folder, split):
    """A folder above the classes that is called as splits are, in any case, is a split."""
    save(tmp_path / folder / "a" / "1.png")
    assert rows_of(folders.load(str(tmp_path))) == [(split, "a", f"{folder}/a/1.png")]


def test_classes_match_across_splits_without_case(tmp_path):
    """A class may be spelt otherwise in another split: train's spelling counts, then val's, then test's."""
    for name in ("test/anger/1.png", "train/Joy/1.png", "val/ANGER/1.png", "test/joy/1.png"):
        save(tmp_path / name)
    images = folders.load(str(tmp_path))
    assert images.classes == ("ANGER", "Joy")
    assert Counter(images.labels.tolist()) == {0: 2, 1: 2}


def test_sub_folders_of_a_class_are_searched(tmp_path):
    """Images may lie deeper in a class folder."""
    save(tmp_path / "a" / "person 1" / "monday" / "1.png")
    assert folders.load(str(tmp_path)).names == ["a/person 1/monday/1.png"]


def test_what_is_no_image_is_ignored(tmp_path):
    """Hidden files and folders, and files of other kinds, are left out; suffixes count without case."""
    save(tmp_path / "a" / "1.png").rename(tmp_path / "a" / "1.PNG")
    for name in ("a/README.txt", "a/Thumbs.db", "a/._1.png", "a/.cache/1.png", "README.txt", ".git/1.png", "root.png"):
        write_text(tmp_path / name)
    assert folders.load(str(tmp_path)).names == ["a/1.PNG"]


def test_a_class_without_images_is_refused(tmp_path):
    """A class folder without images is an error that names the folder and the two ways out."""
    save(tmp_path / "anger" / "1.png")
    write_text(tmp_path / "disgust" / "README.txt")
    assert refused(folders, tmp_path) == f"{tmp_path / 'disgust'}: empty class folder; add images or remove it"


def test_a_class_empty_in_one_split_is_refused(tmp_path):
    """A class folder without images in one split only is refused, too."""
    save(tmp_path / "train" / "a" / "1.png")
    (tmp_path / "test" / "a").mkdir(parents=True)
    assert f"{tmp_path / 'test' / 'a'}: empty class folder" in refused(folders, tmp_path)


def test_a_split_without_classes_is_refused(tmp_path):
    """Images straight in a split folder have no class: the error says what is expected."""
    save(tmp_path / "train" / "1.png")
    message = refused(folders, tmp_path)
    assert f"{tmp_path / 'train'}: no class folders; expected CLASS/*.png, or train/CLASS/*.png" in message


def test_a_root_without_classes_is_refused(tmp_path):
    """Images straight in the root have no class: the error says what is expected."""
    save(tmp_path / "1.png")
    assert f"{tmp_path}: no class folders; expected CLASS/*.png" in refused(folders, tmp_path)


def test_images_beside_the_splits_are_refused(tmp_path):
    """A folder of images next to the split folders is not left out silently; one without images is."""
    save(tmp_path / "train" / "a" / "1.png")
    (tmp_path / "notes").mkdir()
    assert len(folders.load(str(tmp_path))) == 1
    save(tmp_path / "more" / "1.png")
    assert f"{tmp_path / 'more'}: a folder of images next to the split folder train/" in refused(folders, tmp_path)


# ---- fer2013.csv


def csv_rows(*usages):
    """A header and a row for each usage, labels 0, 1, ..."""
    faces = zip(range(len(usages)), map(pixel_text, FACES), usages, strict=False)
    return ["emotion,pixels,Usage", *(",".join(map(str, row)) for row in faces)]


def test_fer2013(tmp_path):
    """A row of the csv is a grey face with its label; the classes are FER-2013's, in its order."""
    images = fer2013.load(write_text(tmp_path / "a.csv", *csv_rows(*["Training"] * 7)))
    assert images.classes == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.array_equal(images.sources, FACES[:7])
    assert set(images.subjects) == {""}


def test_fer2013_leaves_out_a_name_without_faces(tmp_path):
    """A csv of six classes gives six, and labels that fit them."""
    rows = csv_rows(*["Training"] * 7)
    del rows[2]
    images = fer2013.load(write_text(tmp_path / "a.csv", *rows))
    assert images.classes == ("anger", "fear", "happiness", "sadness", "surprise", "neutral")
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("usages", "splits"),
    [
        (["Training", "PublicTest"], ["train", "test"]),
        (["Training", "PublicTest", "PrivateTest"], ["train", "val", "test"]),
        (["Training", "PrivateTest"], ["train", "test"]),
        (["training"], ["train"]),
    ],
)
def test_fer2013_splits(tmp_path, usages, splits):
    """PublicTest is the test set, unless there is a PrivateTest: then it is validation."""
    assert fer2013.load(write_text(tmp_path / "a.csv", *csv_rows(*usages))).splits.tolist() == splits


def test_fer2013_columns_in_any_order(tmp_path):
    """Columns stand in any order, their names in any case, among others that are ignored."""
    path = write_text(tmp_path / "a.csv", "id, USAGE, pixels,Emotion", "7,Training,1 2 3 4,2")
    images = fer2013.load(path)
    assert images.classes == ("fear",)
    assert images.sources[0].tolist() == [[1, 2], [3, 4]]


def test_fer2013_large_faces(tmp_path):
    """A face may be larger than csv's usual limit for a field."""
    face = np.full((200, 200), 255, np.uint8)
    images = fer2013.load(write_text(tmp_path / "a.csv", "emotion,pixels,Usage", f"0,{pixel_text(face)},Training"))
    assert np.array_equal(images.sources[0], face)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("7,1 2 3 4,Training", "emotion '7'; allowed: 0 to 6"),
        ("-1,1 2 3 4,Training", "emotion '-1'; allowed: 0 to 6"),
        ("1.5,1 2 3 4,Training", "emotion '1.5'; allowed: 0 to 6"),
        ("joy,1 2 3 4,Training", "emotion 'joy'; allowed: 0 to 6"),
        ("0,1 2 3,Training", "3 pixels; allowed: a square number"),
        ("0,,Training", "0 pixels; allowed: a square number"),
        ("0,1 2 3 256,Training", "allowed: whole numbers from 0 to 255"),
        ("0,1 2 3 -4,Training", "allowed: whole numbers from 0 to 255"),
        ("0,1 2 3 x,Training", "allowed: whole numbers from 0 to 255"),
        ("0,1 2 3 0.5,Training", "allowed: whole numbers from 0 to 255"),
        ("0,1 2 3 4,Holdout", "unknown Usage 'Holdout'; allowed: Training, PublicTest, PrivateTest"),
        ("0,1 2 3 4", "unknown Usage ''"),
    ],
)
def test_fer2013_refuses_a_row(tmp_path, row, message):
    """A row that is wrong is refused: the error names file and line, and what is allowed."""
    path = write_text(tmp_path / "a.csv", "emotion,pixels,Usage", "0,1 2 3 4,Training", row)
    message_of_layout = refused(fer2013, path)
    assert message_of_layout.startswith(f"{path} line 3: ")
    assert message in message_of_layout


@pytest.mark.parametrize(
    ("header", "missing"),
    [("emotion,label", "pixels"), ("pixels,Usage", "emotion"), ("", "emotion, pixels")],
)
def test_fer2013_refuses_other_tables(tmp_path, header, missing):
    """A csv without the columns is refused: the error names the missing ones."""
    path = write_text(tmp_path / "a.csv", header)
    needed = "emotion, pixels; Usage, if present, gives the splits"
    assert refused(fer2013, path) == f"{path}: no column {missing}; needed: {needed}"


def test_fer2013_refuses_an_empty_table(tmp_path):
    """A csv of a header alone is refused."""
    assert "no faces" in refused(fer2013, write_text(tmp_path / "a.csv", "emotion,pixels,Usage"))


# ---- Aff-Wild2


def video(root, split, name, lines, frames, suffix="jpg"):
    """A video's label file in the folder `split`, and its frames."""
    write_text(root / "annotations" / split / f"{name}.txt", *lines)
    for n in frames:
        save(root / "cropped_aligned" / name / f"{n:05d}.{suffix}", FACES[n % 8])


def test_affwild2(tmp_path):
    """Line n after the names is frame n; -1 and frames without a file are left out; a video is a subject."""
    video(tmp_path, "Train_Set", "7-60", ["Neutral,Anger", "1", "-1", "0", "1"], frames=(1, 2, 4))
    images = affwild2.load(str(tmp_path))
    assert rows_of(images) == [
        ("train", "Anger", "cropped_aligned/7-60/00001.jpg"),
        ("train", "Anger", "cropped_aligned/7-60/00004.jpg"),
    ]
    assert images.classes == ("Neutral", "Anger")
    assert images.subjects.tolist() == ["7-60", "7-60"]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("Train_Set", "train"),
        ("Validation_Set", "test"),
        ("EXPR_Set/Train_Set", "train"),
        ("EXPR_Recognition_Challenge/Validation_Set", "test"),
        ("training", "train"),
        ("Training_2020/VALID", "test"),
    ],
)
def test_affwild2_splits(tmp_path, folder, split):
    """Train_Set is train, Validation_Set is test, however deep they lie; the innermost folder counts."""
    video(tmp_path, folder, "v", ["Neutral,Anger", "1"], frames=(1,), suffix="png")
    assert affwild2.load(str(tmp_path)).splits.tolist() == [split]


def test_affwild2_maps_labels_by_name(tmp_path):
    """Files may order and spell the classes each in its own way: the name counts, in the first file's spelling."""
    video(tmp_path, "Train_Set", "a", ["Neutral,Anger", "0", "1"], frames=(1, 2))
    video(tmp_path, "Validation_Set", "b", ["anger,fear,NEUTRAL", "0", "1", "2"], frames=(1, 2, 3))
    images = affwild2.load(str(tmp_path))
    assert images.classes == ("Neutral", "Anger", "fear")
    assert images.labels.tolist() == [0, 1, 1, 2, 0]


def test_affwild2_keeps_two_persons_apart(tmp_path):
    """Two persons in one video, video and video_left, are two subjects."""
    for name in ("v", "v_left"):
        video(tmp_path, "Train_Set", name, ["Neutral", "0"], frames=(1,))
    assert affwild2.load(str(tmp_path)).subjects.tolist() == ["v", "v_left"]


def test_affwild2_reads_expressions_only(tmp_path):
    """The files EXPR_... alone are read, where valence and action units are next to the expressions, as in the whole
    set."""
    video(tmp_path, "EXPR_Set/Train_Set", "v", ["Neutral,Anger", "1"], frames=(1,))
    write_text(tmp_path / "annotations" / "VA_Set" / "Train_Set" / "v.txt", "valence,arousal", "0.1,-0.2")
    write_text(tmp_path / "annotations" / "EXPR_Set" / "README.txt", "terms of use")
    assert affwild2.load(str(tmp_path)).classes == ("Neutral", "Anger")


@pytest.mark.parametrize("label", ["2", "-2", "0.5", "", "x"])
def test_affwild2_refuses_a_label_outside_the_names(tmp_path, label):
    """A label that is no position among the names is refused: the error names file and line."""
    video(tmp_path, "Train_Set", "v", ["Neutral,Anger", "0", label, "1"], frames=(1, 2, 3))
    message = refused(affwild2, tmp_path)
    assert f"v.txt line 3: label {label!r}; allowed: 0 to 1, or -1 for no label" in message


@pytest.mark.parametrize("header", ["", "Neutral,,Anger"])
def test_affwild2_refuses_a_class_without_a_name(tmp_path, header):
    """The first line names every class."""
    video(tmp_path, "Train_Set", "v", [header, "0"], frames=(1,))
    assert "v.txt line 1: a class without a name" in refused(affwild2, tmp_path)


@pytest.mark.parametrize(("label", "frames"), [("-1", (1,)), ("0", ())])
def test_affwild2_refuses_a_tree_without_labelled_frames(tmp_path, label, frames):
    """A tree in which no frame has a label and a file is refused: the error says what is expected."""
    video(tmp_path, "Train_Set", "v", ["Neutral", label], frames=frames)
    assert "no labelled frame; expected cropped_aligned/VIDEO/00001.jpg" in refused(affwild2, tmp_path)


# ---- .npz


def npz(path, drop=(), **changes):
    """A file of two training images, with `changes`, less the keys of `drop`."""
    content = {"x_train": FACES[:2], "y_train": np.array([0, 1])} | changes
    np.savez(path / "a.npz", **{key: value for key, value in content.items() if key not in drop})
    return str(path / "a.npz")


def test_arrays_with_the_least(tmp_path):
    """x_train and y_train are enough: classes are called 0, 1, ... up to the largest label."""
    images = arrays.load(npz(tmp_path, y_train=np.array([2, 0], np.uint8)))
    assert images.classes == ("0", "1", "2")
    assert rows_of(images) == [("train", "0", "x_train[1]"), ("train", "2", "x_train[0]")]
    assert set(images.subjects) == {""}


def test_arrays_with_everything(tmp_path):
    """Each split brings images, labels and, if there, subjects; class_names names the classes."""
    parts = {f"x_{s}": FACES[:2] for s in ("val", "test")} | {f"y_{s}": [1, 0] for s in ("val", "test")}
    path = npz(tmp_path, **parts, class_names=["calm", "joy"], subject_train=["s1", "s2"], subject_test=[7, 8])
    images = arrays.load(path)
    assert images.classes == ("calm", "joy")
    assert images.splits.tolist() == ["train", "train", "val", "val", "test", "test"]
    assert images.labels.tolist() == [0, 1, 1, 0, 1, 0]
    assert images.subjects.tolist() == ["s1", "s2", "", "", "7", "8"]


def test_arrays_with_names_as_bytes(tmp_path):
    """Names stored as bytes are text."""
    assert arrays.load(npz(tmp_path, class_names=np.array(["calm", "joie é".encode()], "S"))).classes == (
        "calm",
        "joie é",
    )


@pytest.mark.parametrize("shape", [(6, 6), (6, 6, 1), (6, 6, 3)])
def test_arrays_shapes(tmp_path, shape):
    """Grey images, with or without an axis for it, and RGB can be decoded."""
    images = arrays.load(npz(tmp_path, x_train=np.zeros((2, *shape), np.uint8)))
    assert decode(images, [6]).pixels[6].shape == (2, 6, 6, 3)


PIXELS = "allowed: uint8 of shape (N, H, W) or (N, H, W, 3)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": ["y_train"]}, "no y_train; found: x_train"),
        ({"drop": ["x_train", "y_train"], "images": FACES}, "no x_train, y_train; found: images"),
        ({"drop": ["x_train", "y_train"]}, "no x_train, y_train; found: nothing"),
        ({"x_test": FACES}, "no y_test; found: x_train, y_train, x_test"),
        ({"subject_val": ["s"]}, "no x_val, y_val; found: x_train, y_train, subject_val"),
        ({"x_train": FACES[:2] / 255}, f"x_train is float64; {PIXELS}"),
        ({"x_train": FACES[0]}, f"x_train has shape (6, 6); {PIXELS}"),
        ({"x_train": np.zeros((2, 6, 6, 4), np.uint8)}, f"x_train has shape (2, 6, 6, 4); {PIXELS}"),
        ({"y_train": [0, 1, 0]}, "y_train has shape (3,); allowed: (2,), as x_train"),
        ({"y_train": [[0], [1]]}, "y_train has shape (2, 1); allowed: (2,), as x_train"),
        ({"subject_train": ["s"]}, "subject_train has shape (1,); allowed: (2,), as x_train"),
        ({"y_train": [0.0, 1.0]}, "y_train is float64; allowed: whole numbers from 0"),
        ({"y_train": ["a", "b"]}, "y_train is <U1; allowed: whole numbers from 0"),
        ({"y_train": [0, -1]}, "y_train holds -1; allowed: whole numbers from 0"),
        (
            {"y_train": [0, 2], "class_names": ["a", "b"]},
            "holds 2; allowed: whole numbers from 0 to 1, positions in class_names",
        ),
        ({"class_names": ["Joy", "joy"]}, "class_names: allowed: a plain list of names, each once"),
        ({"class_names": "Joy"}, "class_names: allowed: a plain list of names, each once"),
        ({"x_train": FACES[:2].astype(object)}, "x_train cannot be read; allowed: plain arrays, no objects"),
        ({"class_names": np.array(["a", None])}, "class_names cannot be read; allowed: plain arrays, no objects"),
    ],
)
def test_arrays_refused(tmp_path, changes, message):
    """A key that is missing or wrong is refused: the error names file and key, and what is allowed."""
    path = npz(tmp_path, **changes)
    assert message in refused(arrays, path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x80\x04]."])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    """A file that only bears the suffix is refused, a pickle too: nothing is ever unpickled."""
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    assert "not an .npz file; write one with np.savez" in refused(arrays, path)


def test_a_renamed_npy_is_refused(tmp_path):
    """One bare array under the suffix .npz is refused."""
    np.save(tmp_path / "a.npy", FACES)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    assert "not an .npz file" in refused(arrays, tmp_path / "a.npz")


def test_a_damaged_npz_is_refused(tmp_path):
    """An array whose bytes are damaged is refused by its key."""
    path = Path(npz(tmp_path))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("x_train.npy").header_offset
    content = bytearray(path.read_bytes())
    content[start + 250] ^= 255
    path.write_bytes(content)
    assert "x_train cannot be read" in refused(arrays, path)


# ---- which layout


def first_match(data):
    return next((name for name, path in LAYOUTS.items() if import_module(path).matches(str(data))), None)


def test_each_layout_is_recognised(tmp_path):
    """A path is read in the layout of its files."""
    rows = csv_rows("Training", "PublicTest")
    save(tmp_path / "folders" / "a" / "1.png")
    video(tmp_path / "wild", "Train_Set", "v", ["Neutral", "0"], frames=(1,))
    assert first_match(tmp_path / "folders") == "folders"
    assert first_match(tmp_path / "wild") == "affwild2"
    assert first_match(npz(tmp_path)) == "arrays"
    assert first_match(write_text(tmp_path / "any name.CSV", *rows)) == "fer2013"
    assert first_match(Path(write_text(tmp_path / "kaggle" / "fer2013.csv", *rows)).parent) == "fer2013"


def test_fer2013_in_a_folder_is_read(tmp_path):
    """A folder that holds fer2013.csv, and nothing else to train on, is the csv."""
    write_text(tmp_path / "fer2013.csv", *csv_rows("Training", "PublicTest"))
    write_text(tmp_path / "notes" / "README.txt")
    assert len(load(str(tmp_path))) == 2


def test_images_beside_fer2013_come_first(tmp_path):
    """A folder with class folders, or an Aff-Wild2 tree, next to fer2013.csv is read as that."""
    for name in ("folders", "wild"):
        write_text(tmp_path / name / "fer2013.csv", *csv_rows("Training"))
    save(tmp_path / "folders" / "train" / "a" / "1.png")
    video(tmp_path / "wild", "Train_Set", "v", ["Neutral", "0"], frames=())
    assert first_match(tmp_path / "folders") == "folders"
    assert first_match(tmp_path / "wild") == "affwild2"


@pytest.mark.parametrize("name", ["nothing", "nothing.npz", "nothing.csv"])
def test_a_missing_path_is_no_image_set(tmp_path, name):
    """A missing path is reported as missing."""
    with pytest.raises(AblateError, match="no such file or folder; --data takes a path"):
        load(str(tmp_path / name))


# ---- the same faces in each layout


def write_layouts(root, names, faces, labels, splits):
    """Write the same faces as class folders, as fer2013.csv and as .npz, with FER-2013's labels; return the three
    paths."""
    for i, (face, label, split) in enumerate(zip(faces, labels, splits, strict=True)):
        save(root / "folders" / split / names[label] / f"{i}.png", face)
    with (root / "fer2013.csv").open("w", newline="") as file:
        rows = zip(labels, map(pixel_text, faces), [USAGES[s] for s in splits], strict=True)
        csv.writer(file).writerows([("emotion", "pixels", "Usage"), *rows])
    write_npz(root / "faces.npz", names, faces, labels, splits)
    return [str(root / name) for name in ("folders", "fer2013.csv", "faces.npz")]


def write_npz(path, names, faces, labels, splits):
    content = {}
    for split in ("train", "test"):
        rows = np.flatnonzero(np.array(splits) == split)
        content |= {f"x_{split}": np.array(faces)[rows], f"y_{split}": np.array(labels)[rows]}
    np.savez(path, class_names=names, **content)


def test_a_layout_leaves_no_trace(tmp_path):
    """The same faces with the same classes and splits have one index, whatever the layout: order, ids, digest."""
    paths = write_layouts(tmp_path, ["anger", "disgust", "fear"], FACES, LABELS, SPLITS)
    sets = [decode(load(path), [6]) for path in paths]
    assert len({images.index.digest for images in sets}) == 1
    assert all(np.array_equal(images.pixels[6], sets[0].pixels[6]) for images in sets)


@pytest.fixture(scope="module")
def real_faces(shared, tmp_path_factory):
    """FER-2013 faces, 300 of each split, in the layouts of users; as .npz too, made of what the csv holds."""
    root = tmp_path_factory.mktemp("faces")
    subprocess.run([sys.executable, shared / "layouts.py", root, "--limit", "300"], check=True, capture_output=True)
    with (root / "fer2013.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    faces = [np.array(row["pixels"].split(), np.uint8).reshape(48, 48) for row in rows]
    splits = ["train" if row["Usage"] == "Training" else "test" for row in rows]
    write_npz(root / "faces.npz", list(fer2013.CLASSES), faces, [int(row["emotion"]) for row in rows], splits)
    return root


def test_real_faces_are_the_same_in_each_layout(real_faces):
    """FER-2013 as folders, csv and .npz: equal counts in each split, equal ids, and with equal classes one digest."""
    sets = [load(str(real_faces / name)) for name in ("folders", "fer2013.csv", "faces.npz")]
    indices = [decode(choose_classes(images, fer2013.CLASSES), [8]).index for images in sets]
    assert [Counter(index.splits.tolist()) for index in indices] == [{"train": 300, "test": 300}] * 3
    assert np.array_equal(np.sort(indices[0].ids), np.sort(indices[1].ids))
    assert np.array_equal(np.sort(indices[0].ids), np.sort(indices[2].ids))
    assert len({index.digest for index in indices}) == 1


def test_real_faces_as_affwild2(real_faces):
    """An Aff-Wild2 tree gives a frame for each label that is not -1, in classes that match FER-2013's without case."""
    root = real_faces / "affwild2"
    lines = [line for file in root.rglob("*.txt") for line in file.read_text().split()[1:]]
    images = load(str(root))
    assert len(images) == sum(line != "-1" for line in lines)
    assert set(images.splits) == {"train", "test"}
    chosen = choose_classes(images, fer2013.CLASSES)
    assert chosen.classes == ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Neutral")
    assert len(chosen) == len(images)
