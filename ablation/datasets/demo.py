"""Drawn faces that hold the paper's trap: frames of one person look alike, so a random split flatters.

A subject is a face, a clip is one subject with one expression, a frame is a clip with a little motion. `demo` is what
one trains and tests on; `demo:production` shows other people in worse light. Nothing is read from disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ablation.datasets import is_demo
from ablation.datasets.faces import CIRCLE, HAIRLINES, Actions, Colour, Person, View, eyes, picture
from ablation.datasets.images import Images
from ablation.errors import AblateError

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
class Kind:
    """A set of clips taken in one way. `low, high` pairs are uniform ranges."""

    images: int
    subjects: float  # for each image
    first: int  # number of the first subject: nobody is in two kinds
    frames: int  # a clip; their number sets the size of the leak
    gradient: tuple[float, float]
    brightness: tuple[float, float]
    cast: float
    blur: tuple[float, float]
    noise: tuple[float, float]
    occlusion: float
    rotation: float


KINDS = {
    "demo": Kind(240, 40 / 700, 0, 6, (0, 0.2), (0.9, 1.1), 0.05, (0, 0.6), (3, 9), 0.05, 4),
    "demo:production": Kind(300, 50 / 300, 100, 3, (0, 0.5), (0.65, 1.05), 0.12, (0.3, 1), (6, 12), 0.15, 7),
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


def jitter(view: View, rng: np.random.Generator) -> View:
    """The view of one frame: within a clip little moves."""
    return replace(
        view,
        shift=view.shift + rng.normal(0, 1.3, 2),
        rotation=view.rotation + rng.normal(0, 3),
        scale=view.scale * rng.normal(1, 0.03),
        light=view.light * rng.normal(1, 0.03),
        gradient=view.gradient + rng.normal(0, 0.08, 2),
    )


def clip(
    person: Person, name: str, kind: Kind, frames: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures of one person with one expression, each with where its eyes are."""
    prototype = np.array(PROTOTYPES[name][rng.integers(len(PROTOTYPES[name]))])
    act = prototype * rng.uniform(0.9, 1.2) + person.manner + rng.normal(0, 0.1, len(prototype))
    view = new_view(rng, kind)
    acts = act * rng.normal(1, 0.08, (frames, 1)) + rng.normal(0, 0.05, (frames, len(act)))
    for frame in acts.tolist():
        seen = jitter(view, rng)
        yield picture(person, Actions(*frame), seen, rng), eyes(person, seen)


def quotas(n: int) -> np.ndarray:
    """(classes,) int that sum to `n`, as near to the paper's shares as whole images allow."""
    exact = n * np.array(QUOTAS) / sum(QUOTAS)
    counts = exact.astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: n - counts.sum()]] += 1
    return counts


def draw(name: str, n: int, seed: int = SEED) -> Images:
    """`n` faces of one of KINDS; a class's last clip may be shorter, so that the class quotas are exact."""
    kind = KINDS[name]
    rng = np.random.default_rng((seed, kind.first))
    counts = quotas(n)
    people = [new_person(rng) for _ in range(max(round(n * kind.subjects), -(-counts.max() // kind.frames)))]
    filmed = np.zeros(len(people))
    sources, places, names, labels, subjects = [], [], [], [], []
    for label, count in enumerate(counts.tolist()):
        starts = range(0, count, kind.frames)
        cast = np.lexsort((rng.random(len(people)), filmed))[: len(starts)]  # who has the fewest clips goes first
        filmed[cast] += 1
        for who, start in zip(cast.tolist(), starts, strict=True):
            frames = list(clip(people[who], CLASSES[label], kind, min(kind.frames, count - start), rng))
            subject = f"subject{kind.first + who:02d}"
            sources += [frame for frame, _ in frames]
            places += [seen for _, seen in frames]
            names += [f"{subject}/{CLASSES[label]}/{i}" for i in range(len(frames))]
            labels += [label] * len(frames)
            subjects += [subject] * len(frames)
    splits = np.full(len(names), "", str)
    return Images(sources, names, np.array(labels, int), CLASSES, splits, np.array(subjects, str), np.stack(places))


matches = is_demo


def load(data: str) -> Images:
    """The demo set `data`. Raises AblateError for a kind that is none."""
    if data not in KINDS:
        raise AblateError(f"{data}: no demo set of that name; known: {', '.join(KINDS)}")
    return draw(data, KINDS[data].images)
