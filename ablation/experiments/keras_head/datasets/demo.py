"""Demo data: drawn faces with the paper's leak. Frames of one person look alike, so shared people raise accuracy.

A subject is a face, a clip is one subject with one expression, a frame is a clip with a little motion. `demo` is the
set for training and test; `demo:production` shows other people in worse light. Nothing is read from disk.

`demo` defines its splits. Test has one frame of each clip: an interval over many frames of few clips would be too
narrow. A third of the test clips have a frame in train too; the others show people who are not in train. The accuracy
gained on that third is the leak, and `split = "subject"` avoids the leak.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, cycle
from typing import Any

import numpy as np

from ablation.errors import AblateError
from ablation.experiments import is_demo
from ablation.experiments.keras_head.datasets.faces import (
    CIRCLE,
    HAIRLINES,
    Actions,
    Colour,
    Person,
    View,
    eyes,
    picture,
)
from ablation.experiments.keras_head.datasets.images import Images
from ablation.nearest import nearest

SEED = 2022

PROTOTYPES: dict[str, tuple[Actions, ...]] = {
    "anger": (
        Actions(-1.0, 0.25, 1.0, -0.15, -0.35, 0.0, -0.05, 0.35, 0.0, 0.0, 1.0),
        Actions(-1.0, 0.35, 1.0, 0.15, -0.25, 0.45, 0.05, 0.45, 0.4, 0.0, 0.0),
    ),
    "disgust": (Actions(-0.5, -0.3, 0.4, -0.75, -0.5, 0.22, -0.15, 1.0, 1.0, 0.6, 0.0, 1.0),),
    "fear": (Actions(0.9, 0.1, 0.9, 0.75, -0.45, 0.3, 0.5, 0.0, 0.0, 0.0, 0.0),),
    "happiness": (
        Actions(0.1, 0.1, 0.0, -0.35, 1.0, 0.1, 0.35, 0.0, 0.0, 0.8, 0.0),
        Actions(0.15, 0.15, 0.0, -0.45, 1.0, 0.5, 0.4, 0.0, 0.2, 1.0, 0.0),
    ),
    "sadness": (Actions(0.8, -0.45, 0.4, -0.5, -0.9, 0.0, -0.15, 0.0, 0.0, 0.0, 0.3),),
    "surprise": (Actions(1.0, 1.05, 0.0, 0.95, -0.05, 1.0, -0.4, 0.0, 0.0, 0.0, 0.0),),
}
CLASSES = tuple(PROTOTYPES)
QUOTAS = (1058, 369, 953, 1593, 1124, 334)  # the paper's class counts


@dataclass(frozen=True)
class Group:
    """Group of people, and the clips taken of these people. No person is in two groups.

    `first`: number of the first subject. `subjects`: people for each requested image. `frames`: the split of each frame
    of a clip; several entries alternate, clip by clip.
    """

    first: int
    subjects: float  # for each requested image
    frames: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Kind:
    """Kind of demo set: clips taken under the same conditions. Pairs `(low, high)` are uniform ranges."""

    images: int  # in total; in train, where the kind defines its splits
    groups: tuple[Group, ...]
    gradient: tuple[float, float]
    brightness: tuple[float, float]
    cast: float
    blur: tuple[float, float]
    noise: tuple[float, float]
    occlusion: float
    rotation: float
    motion: float = 1.0  # of the camera and the light within a clip; less motion means a larger leak


# 160 images of train, 480 of test, 120 of validation: every fourth clip has a validation frame.
KNOWN = Group(0, 1 / 3, (("train", "test", "val"), *[("train", "test")] * 3))
UNKNOWN = Group(200, 1 / 3, (("test", "val"), *[("test",)] * 3))
PEOPLE = KNOWN, UNKNOWN, replace(UNKNOWN, first=400)
KINDS = {
    "demo": Kind(160, PEOPLE, (0, 0.2), (0.9, 1.1), 0.05, (0, 0.6), (3, 9), 0.05, 4, motion=0.2),
    "demo:production": Kind(
        300, (Group(100, 50 / 300, (("", "", ""),)),), (0, 0.5), (0.65, 1.05), 0.12, (0.3, 1), (6, 12), 0.15, 7
    ),
}

SKINS = ((250, 221, 200), (238, 197, 164), (219, 170, 128), (188, 132, 92), (148, 99, 68), (112, 76, 56))
HAIRS = ((26, 23, 24), (60, 41, 28), (104, 68, 40), (164, 78, 36), (208, 170, 104), (146, 144, 143), (98, 30, 24))
IRISES = ((74, 46, 26), (96, 66, 34), (66, 98, 66), (70, 108, 150), (98, 110, 116))


def new_person(rng: np.random.Generator) -> Person:
    return Person(
        skin=rng.choice(SKINS) * rng.uniform(0.93, 1.05),
        hair=rng.choice(HAIRS) * rng.uniform(0.9, 1.1),
        iris=rng.choice(IRISES) * rng.uniform(0.9, 1.1),
        style=str(rng.choice(["bald", *HAIRLINES])),
        beard=str(rng.choice(["none", "stubble", "moustache", "goatee", "full"], p=[0.64, 0.1, 0.07, 0.07, 0.12])),
        glasses=str(rng.choice(["none", "round", "square"], p=[0.78, 0.11, 0.11])),
        width=rng.uniform(0.275, 0.345),
        height=rng.uniform(0.37, 0.43),
        jaw=rng.uniform(0.70, 0.98),
        eye=rng.uniform(0.115, 0.150),
        eye_size=rng.uniform(0.046, 0.060),
        brow_gap=rng.uniform(0.050, 0.072),
        brow_width=rng.uniform(0.016, 0.032),
        nose=rng.uniform(0.030, 0.048),
        mouth=rng.uniform(0.085, 0.115),
        lips=rng.uniform(0.014, 0.030),
        manner=rng.normal(0, 0.1, len(Actions._fields)),
    )


def new_cover(rng: np.random.Generator) -> tuple[Colour, np.ndarray]:
    corner = rng.uniform(0.1, 0.6, 2)
    return rng.uniform(60, 220, 3), np.concatenate([corner, corner + rng.uniform(0.22, 0.4, 2)])


def new_view(rng: np.random.Generator, kind: Kind) -> View:
    return View(
        shift=rng.uniform(-1.5, 1.5, 2),
        rotation=rng.uniform(-kind.rotation, kind.rotation),
        scale=rng.uniform(0.96, 1.04),
        turn=rng.normal(0, (0.016, 0.01)),
        gaze=rng.normal(0, (0.006, 0.002)),
        background=rng.uniform(90, 170) + rng.normal(0, 14, 3),
        light=rng.uniform(*kind.brightness) * rng.uniform(1 - kind.cast, 1 + kind.cast, 3),
        gradient=rng.uniform(*kind.gradient) * rng.choice(CIRCLE),
        blur=rng.uniform(*kind.blur),
        noise=rng.uniform(*kind.noise),
        cover=new_cover(rng) if rng.random() < kind.occlusion else None,
    )


def jitter(view: View, motion: float, rng: np.random.Generator) -> View:
    """Return the view of one frame: the view of the clip with a little motion."""
    return replace(
        view,
        shift=view.shift + rng.normal(0, 1.3 * motion, 2),
        rotation=view.rotation + rng.normal(0, 3 * motion),
        scale=view.scale * rng.normal(1, 0.03 * motion),
        light=view.light * rng.normal(1, 0.03 * motion),
        gradient=view.gradient + rng.normal(0, 0.08 * motion, 2),
    )


def clip(
    person: Person, name: str, kind: Kind, frames: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pictures of one person with one expression, each with the positions of its eyes.

    Args:
        person: the subject.
        name: the expression, one of CLASSES.
        kind: the kind of demo set.
        frames: the number of pictures.
        rng: the random generator.

    Yields:
        uint8 (SIDE, SIDE, 3), and (2, 2) as from `faces.eyes`.
    """
    prototype = np.array(PROTOTYPES[name][rng.integers(len(PROTOTYPES[name]))])
    act = prototype * rng.uniform(0.9, 1.2) + person.manner + rng.normal(0, 0.1, len(prototype))
    view = new_view(rng, kind)
    acts = act * rng.normal(1, 0.08, (frames, 1)) + rng.normal(0, 0.05, (frames, len(act)))
    for frame in acts.tolist():
        view_of_frame = jitter(view, kind.motion, rng)
        yield picture(person, Actions(*frame), view_of_frame, rng), eyes(person, view_of_frame)


def quotas(n: int) -> np.ndarray:
    """Return (classes,) int that sum to `n`, as near to the paper's shares as whole images allow."""
    exact = n * np.array(QUOTAS) / sum(QUOTAS)
    counts = exact.astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    return counts


def _clips(group: Group, counts: np.ndarray) -> list[list[tuple[str, ...]]]:
    """Return the splits of the frames of every clip, class by class.

    `counts`: (classes,) images; for a group with several entries in `frames`, clips, of which each has one frame in
    train or in test.
    """
    if len(group.frames) > 1:
        turns = cycle(group.frames)
        return [[next(turns) for _ in range(count)] for count in counts.tolist()]
    (frames,) = group.frames  # the last clip of a class may be shorter, so that its quota is exact
    return [[frames[: n - start] for start in range(0, n, len(frames))] for n in counts.tolist()]


def draw(name: str, n: int, seed: int = SEED) -> Images:
    """Return faces of one of KINDS with the paper's class quotas: `n` in total, or in train for kinds with splits."""
    kind = KINDS[name]
    parts = [_draw(kind, group, n, np.random.default_rng((seed, group.first))) for group in kind.groups]
    sources, places, names, labels, subjects, splits = (list(chain(*column)) for column in zip(*parts, strict=True))
    columns = np.array(labels, int), CLASSES, np.array(splits, str), np.array(subjects, str)
    return Images(sources, names, *columns, np.stack(places))


def _draw(kind: Kind, group: Group, n: int, rng: np.random.Generator) -> tuple[list[Any], ...]:
    """Return one group's pictures, eyes, names, labels, subjects and splits."""
    clips = _clips(group, quotas(n))
    people = [new_person(rng) for _ in range(max(round(n * group.subjects), *map(len, clips)))]
    n_clips = np.zeros(len(people))
    sources, places, names, labels, subjects = [], [], [], [], []
    splits: list[str] = []
    for label, clips_of_class in enumerate(clips):
        chosen = np.lexsort((rng.random(len(people)), n_clips))[
            : len(clips_of_class)
        ]  # people with the fewest clips come first
        n_clips[chosen] += 1
        for person, frames in zip(chosen.tolist(), clips_of_class, strict=True):
            shots = list(clip(people[person], CLASSES[label], kind, len(frames), rng))
            subject = f"subject{group.first + person:02d}"
            sources += [shot for shot, _ in shots]
            places += [place for _, place in shots]
            names += [f"{subject}/{CLASSES[label]}/{i}" for i in range(len(shots))]
            labels += [label] * len(shots)
            subjects += [subject] * len(shots)
            splits += frames
    return sources, places, names, labels, subjects, splits


matches = is_demo


def load(data: str) -> Images:
    """Return the demo set `data`. Raises AblateError for an unknown demo set."""
    if data not in KINDS:
        raise AblateError(f"{data}: no demo set of that name; known: {', '.join(KINDS)}{nearest(data, KINDS)}")
    return draw(data, KINDS[data].images)
