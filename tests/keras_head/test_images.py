"""Images become arrays of one size, in one order, whatever they were found as."""

import dataclasses
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from ablation.errors import AblateError
from ablation.experiments.keras_head.datasets import decoding
from ablation.experiments.keras_head.datasets.images import Images, Index, check, choose_classes, decode, limit

GREY = np.random.default_rng(0).integers(0, 256, (12, 10, 10), dtype=np.uint8)
CLASSES = ("Anger", "Fear", "Joy")


def image_set(sources, labels=None, splits=None, classes=CLASSES, subjects=None):
    n = len(sources)
    return Images(
        list(sources),
        [f"image {i}" for i in range(n)],
        np.arange(n) % len(classes) if labels is None else np.array(labels, int),
        classes,
        np.full(n, "train") if splits is None else np.array(splits, str),
        np.full(n, "", str) if subjects is None else np.array(subjects, str),
    )


def read(*of: Any, **more: Any) -> tuple[Index, dict[int, np.ndarray], list[str]]:
    """Return the index, the pixels at each size, and the names of bad images."""
    decoded = decode(*of, **more)
    return decoded.index, decoded.pixels, decoded.bad


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def decode_one(source, size=10):
    index, arrays, _ = read(image_set([source]), [size])
    return index.ids[0], arrays[size][0]


def test_grey_becomes_rgb():
    """A grey image becomes three equal channels."""
    _, pixels = decode_one(GREY[0])
    assert np.array_equal(pixels, np.stack([GREY[0]] * 3, axis=-1))


def test_an_id_names_pixels_not_files(tmp_path):
    """The same pixels have one id, as grey or RGB, as .png, .bmp or an array; other pixels have another."""
    files = [saved(tmp_path / f"face.{kind}", GREY[0]) for kind in ("png", "bmp", "pgm", "tiff")]
    sources = [GREY[0], np.stack([GREY[0]] * 3, axis=-1), *files]
    assert len({decode_one(source)[0] for source in sources}) == 1
    assert decode_one(GREY[1])[0] != decode_one(GREY[0])[0]


def test_an_id_is_taken_before_resizing():
    """An id does not depend on the size asked for."""
    assert decode_one(GREY[0], 4)[0] == decode_one(GREY[0], 7)[0]


def test_sizes_are_made_in_one_reading():
    """Each size asked for is an array uint8 (N, size, size, 3), whatever the sizes found."""
    _, arrays, _ = read(image_set([GREY[0], np.zeros((5, 9, 3), np.uint8)]), [4, 16])
    assert {size: (a.shape, a.dtype) for size, a in arrays.items()} == {
        4: ((2, 4, 4, 3), np.uint8),
        16: ((2, 16, 16, 3), np.uint8),
    }


def test_exif_orientation_is_honoured(tmp_path):
    """A photograph that was taken on its side is turned upright."""
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees, clockwise
    path = saved(tmp_path / "turned.png", GREY[0], exif=exif)
    assert decode_one(path)[0] == decode_one(np.rot90(GREY[0], -1).copy())[0]


def test_deep_pixels_are_refused_not_cut(tmp_path):
    """A 16-bit image is named as one that cannot be decoded: cut at 255 it would be white."""
    path = saved(tmp_path / "deep.png", GREY[0].astype(np.uint16) * 257)
    with pytest.raises(AblateError, match="1 of 1 images cannot be decoded: image 0"):
        decode_one(path)


def test_order_is_not_that_of_the_disk():
    """The index and the arrays come in one order, however the images were found; so the digest is the same."""
    there, back = image_set(GREY), image_set(GREY).take(np.arange(12)[::-1])
    (one, pixels, _), (other, turned, _) = read(there, [10]), read(back, [10])
    assert one.digest == other.digest
    assert np.array_equal(pixels[10], turned[10])


def test_arrays_stand_in_the_order_of_the_index():
    """Row i of the arrays is the image that row i of the index describes."""
    index, arrays, _ = read(image_set(GREY), [10])
    assert [decode_one(pixels)[0] for pixels in arrays[10]] == index.ids.tolist()


def test_many_images_are_one_array():
    """Images are decoded in parts, reported as they are done, and come back as one array."""
    reports = []
    index, arrays, _ = read(
        image_set([GREY[i % 12] for i in range(600)]), [4], report=lambda *done: reports.append(done)
    )
    assert len(index) == len(arrays[4]) == 600
    assert reports == [(256, 600), (512, 600), (600, 600)]


def test_processes_read_what_threads_read(tmp_path, monkeypatch):
    """A large set of images is decoded by processes, in the same order, and none of these stays."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    several = [saved(tmp_path / f"{i}.png", pixels) for i, pixels in enumerate(GREY)] + [bad]
    monkeypatch.setattr(decoding, "CHUNK", 3)
    by_threads = read(image_set(several), [10, 20], skip_bad=True)
    monkeypatch.setattr(decoding, "MANY", 1)
    by_processes = read(image_set(several), [10, 20], skip_bad=True)
    assert by_processes[0].digest == by_threads[0].digest
    assert by_processes[2] == by_threads[2] == ["image 12"]
    for size in (10, 20):
        assert np.array_equal(by_processes[1][size], by_threads[1][size])
    left = [child for child in psutil.Process().children() if any("LokyProcess" in part for part in child.cmdline())]
    assert not psutil.wait_procs(left, timeout=20)[1]


@pytest.mark.parametrize("change", ["ids", "labels", "classes", "splits", "subjects"])
def test_the_digest_covers_every_column(change):
    """An image set that differs in any column of its index has another digest."""
    index, _, _ = read(image_set(GREY), [4])
    other = tuple(reversed(index.classes)) if change == "classes" else np.roll(getattr(index, change), 1)
    other = np.full(12, "x") if change in ("splits", "subjects") else other
    assert dataclasses.replace(index, **{change: other}).digest != index.digest


def test_an_index_survives_json():
    """An index read back from JSON is the one written."""
    index, _, _ = read(image_set(GREY, subjects=[f"s{i}" for i in range(12)]), [4])
    assert Index.from_json(index.to_json()).digest == index.digest


def with_bad(tmp_path, n):
    """Twelve good images, and after the first `n` broken ones: half a .png."""
    whole = saved(tmp_path / "whole.png", GREY[0]).read_bytes()
    bad = [tmp_path / f"bad{i}.png" for i in range(n)]
    for path in bad:
        path.write_bytes(whole[: len(whole) // 2])
    return image_set([GREY[0], *bad, *GREY[1:]])


def test_bad_images_are_counted_and_named(tmp_path):
    """Images that cannot be decoded stop the run; the message counts them all and names five."""
    with pytest.raises(
        AblateError, match=r"7 of 19 .*: image 1, image 2, image 3, image 4, image 5 and 2 more;.*--skip-bad"
    ):
        decode(with_bad(tmp_path, 7), [4])


def test_skip_bad_leaves_them_out(tmp_path):
    """The good images with --skip-bad are as if the bad ones had never been there, and the bad ones are named."""
    images = with_bad(tmp_path, 2)
    index, arrays, bad = read(images, [4], skip_bad=True)
    good, pixels, _ = read(images.take(np.array([0, *range(3, 14)])), [4])
    assert bad == ["image 1", "image 2"]
    assert index.digest == good.digest
    assert np.array_equal(arrays[4], pixels[4])


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_file_that_is_no_image_is_bad(tmp_path, content):
    """An empty file, or text under an image's name, counts as an image that cannot be decoded."""
    path = tmp_path / "face.jpg"
    path.write_bytes(content)
    with pytest.raises(AblateError, match="1 of 1 images"):
        decode_one(path)


def test_classes_are_chosen_and_ordered():
    """--classes keeps the classes named, in that order, compared without case, in the spelling of the data."""
    chosen = choose_classes(image_set(GREY), [" joy", "ANGER"])
    assert chosen.classes == ("Joy", "Anger")
    assert chosen.names == ["image 0", "image 2", "image 3", "image 5", "image 6", "image 8", "image 9", "image 11"]
    assert chosen.labels.tolist() == [1, 0] * 4


def test_no_choice_keeps_all_classes():
    """All classes stay without --classes."""
    images = image_set(GREY)
    assert choose_classes(images, None) is images


@pytest.mark.parametrize(
    ("wanted", "message"),
    [(["Joy", "rage"], "no class 'rage' in the data; known: Anger, Fear, Joy"), (["joy", "Joy"], "named twice")],
)
def test_a_wrong_choice_is_refused(wanted, message):
    """A class that the data lack, or one named twice, is an error that says what there is."""
    with pytest.raises(AblateError, match=message):
        choose_classes(image_set(GREY), wanted)


def test_limit_takes_a_seeded_part_of_each_split():
    """--limit takes at most so many of each split: the same for the same seed, others for another."""
    images = image_set(GREY, splits=["train"] * 7 + ["val"] * 2 + ["test"] * 3)
    part = limit(images, 3)
    assert sorted(part.splits.tolist()) == ["test"] * 3 + ["train"] * 3 + ["val"] * 2
    assert limit(images, 3).names == part.names
    assert len({tuple(limit(images, 3, seed).names) for seed in range(5)}) > 1


def test_no_limit_keeps_all():
    """All images stay without --limit."""
    images = image_set(GREY)
    assert limit(images, None) is images


def test_an_empty_class_is_refused():
    """A class without an image is an error that names it."""
    with pytest.raises(AblateError, match="DATA: no images of class Joy; add some"):
        check(image_set(GREY, labels=[0, 1] * 6), "DATA")


def test_one_class_is_refused():
    """A set of one class is refused: it cannot be learned."""
    with pytest.raises(AblateError, match=r"DATA: one class only \(Joy\)"):
        check(image_set(GREY, classes=("Joy",)), "DATA")


def test_two_classes_are_enough():
    """Two classes with images pass."""
    check(image_set(GREY, classes=("Joy", "Fear")), "DATA")
