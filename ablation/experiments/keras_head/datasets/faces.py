"""Drawing of the demo's faces: a person, the actions of the face, and the view of the camera.

Lengths are fractions of the picture's side before the zoom; x points right and y down from between nose and eyes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 64
OVERSAMPLING = 4  # Pillow draws without antialiasing
ZOOM = 1.55  # the face fills the frame: with whole heads, a small network does not generalise to other people
FLOOR = 62.0  # mean pixel; dark skin stays readable, so that light causes no errors of its own

Colour = np.ndarray  # (3,) float, RGB in 0-255
BLACK, WHITE, BLUSH, LIPS, TONGUE, THROAT = np.array(
    [(14, 10, 12), (246, 243, 236), (226, 92, 84), (160, 40, 52), (214, 104, 112), (71, 20, 24)], float
)


class Actions(NamedTuple):
    """Actions of the face's muscles: 0 at rest, about 1 at full strength; below 0 is the opposite movement."""

    inner: float  # brow, raised
    outer: float  # brow, raised
    squeeze: float  # brows, drawn together
    lid: float  # upper lid, raised
    corner: float  # of the mouth, raised
    open: float
    wide: float
    wrinkle: float  # of the nose
    lip: float  # upper, raised
    cheek: float  # raised
    press: float  # lips, one on the other
    tongue: float = 0.0  # out


@dataclass(frozen=True)
class Person:
    """Appearance of a subject, the same in all clips."""

    skin: Colour
    hair: Colour
    iris: Colour
    style: str
    beard: str
    glasses: str
    width: float
    height: float
    jaw: float
    eye: float
    eye_size: float
    brow_gap: float
    brow_width: float
    nose: float
    mouth: float
    lips: float
    manner: np.ndarray  # added to the actions of every expression


@dataclass(frozen=True)
class View:
    """View of the camera for one clip, or, with `jitter`, for one frame."""

    shift: np.ndarray
    rotation: float
    scale: float
    turn: np.ndarray  # yaw and pitch: shift of the middle of the face against its outline
    gaze: np.ndarray
    background: Colour
    light: Colour
    gradient: np.ndarray  # of the light, along x and y: share gained from the middle to the edge
    blur: float
    noise: float
    cover: tuple[Colour, np.ndarray] | None  # colour and box of an object that hides a part of the face


def mix(a: Colour, b: Colour, share: float) -> Colour:
    return np.asarray(a + (b - a) * share)


TURNS = np.linspace(0, 2 * np.pi, 49)
CIRCLE = np.stack([np.cos(TURNS), np.sin(TURNS)], 1)
TIMES = np.linspace(0, 1, 9)
BEZIER = np.stack([(1 - TIMES) ** 2, 2 * TIMES * (1 - TIMES), TIMES**2], 1)


def oval(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    return np.asarray(CIRCLE[::2] * (rx, ry) + (x, y))


def curve(*knots: tuple[float, float]) -> np.ndarray:
    """Return a quadratic Bezier curve through the first and last of three knots."""
    return np.asarray(BEZIER @ np.array(knots))


def band(x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.concatenate([np.stack([x, top], 1), np.stack([x, bottom], 1)[::-1]])


def within(points: np.ndarray, x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return `points` clipped to a band: this clips an iris to its lids without a mask."""
    px = np.clip(points[:, 0], x.min(), x.max())
    order = np.argsort(x)
    low, high = (np.interp(px, x[order], edge[order]) for edge in (top, bottom))
    return np.stack([px, np.clip(points[:, 1], low, high)], 1)


def ink(colour: Colour) -> tuple[int, ...]:
    return tuple(colour.clip(0, 255).astype(int).tolist())


DEPTH = np.array([[0.33**-2], [0.44**-2]])  # the face is half an ellipsoid; its middle moves most when the head turns


@dataclass(frozen=True)
class Pen:
    """Pen that draws face coordinates, transformed by the view."""

    canvas: ImageDraw.ImageDraw
    view: View

    @cached_property
    def matrix(self) -> np.ndarray:
        angle = np.deg2rad(self.view.rotation)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return turn * ZOOM * self.view.scale * SIDE * OVERSAMPLING

    @cached_property
    def origin(self) -> np.ndarray:
        return (SIDE / 2 + self.view.shift) * OVERSAMPLING - (0, 0.055) @ self.matrix

    def place(self, points: np.ndarray) -> list[float]:
        depth = np.sqrt(np.maximum(1 - points**2 @ DEPTH, 0))
        pixels: list[float] = ((points + depth * self.view.turn) @ self.matrix + self.origin).ravel().tolist()
        return pixels

    def fill(self, points: np.ndarray, colour: Colour) -> None:
        self.canvas.polygon(self.place(points), fill=ink(colour))

    def line(self, points: np.ndarray, colour: Colour, width: float) -> None:
        pixels = max(1, round(width * ZOOM * SIDE * OVERSAMPLING))
        self.canvas.line(self.place(points), fill=ink(colour), width=pixels, joint="curve")


def outline(person: Person, grow: float = 1.0, drop: float = 0.0) -> np.ndarray:
    x, y = (CIRCLE * (person.width * grow, person.height * grow)).T
    below = np.clip(y / person.height, 0, None)
    return np.stack([x * (1 - (1 - person.jaw) * below**1.5), y + drop * below], 1)


def draw_head(pen: Pen, person: Person, act: Actions) -> None:
    if person.style == "long":
        pen.fill(outline(person, 1.14), mix(person.hair, BLACK, 0.15))
    shade = mix(person.skin, BLACK, 0.3)
    pen.fill(band(np.array([-0.17, 0.17]), np.array([0.2, 0.2]), np.array([0.6, 0.6])), shade)
    for side in (-1, 1):
        pen.fill(oval(side * person.width, 0.0, 0.035, 0.07), mix(person.skin, BLACK, 0.12))
    for inset, share in ((1.0, 0.16), (0.95, 0.08), (0.88, 0.0)):  # rounds the head: the rim turns away from the light
        pen.fill(outline(person, inset, 0.05 * act.open), mix(person.skin, BLACK, share))


def draw_beard(pen: Pen, person: Person, act: Actions) -> None:
    colour = mix(person.skin, person.hair, 0.35 if person.beard == "stubble" else 0.8)
    if person.beard in ("full", "stubble"):
        points = outline(person, 1.01, 0.05 * act.open)
        line = np.interp(np.abs(points[:, 0]), (0, 0.1, 0.2, 0.35), (0.125, 0.13, 0.15, -0.02))
        pen.fill(np.stack([points[:, 0], np.maximum(points[:, 1], line)], 1), colour)
    if person.beard == "goatee":
        pen.fill(oval(0, 0.3 + 0.05 * act.open, 0.08, 0.085), colour)
    if person.beard in ("moustache", "goatee"):
        x = np.linspace(-0.1, 0.1, 9)
        y = 0.125 - 0.02 * act.lip + 2.2 * x**2
        pen.fill(band(x, y, y + 0.036 - 0.2 * np.abs(x)), colour)


def draw_cheeks(pen: Pen, person: Person, act: Actions, half: float) -> None:
    fold = np.clip(max(act.corner, act.lip, 0.8 * act.wrinkle), 0, 1)
    for side in (-1, 1):
        if act.cheek > 0.25:
            blush = mix(person.skin, BLUSH, 0.2 * min(act.cheek, 1))
            pen.fill(oval(side * 0.165, 0.075 - 0.02 * act.cheek, 0.06, 0.045), blush)
        if fold > 0.3:
            start, end = side * (person.nose + 0.022), side * (half + 0.03)
            points = curve((start, 0.09), (side * (half + 0.015), 0.1), (end, 0.19 - 0.03 * act.corner))
            pen.line(points, mix(person.skin, BLACK, 0.32 * fold), 0.009)


def draw_forehead(pen: Pen, person: Person, act: Actions) -> None:
    raised = np.clip(0.65 * act.inner + 0.35 * act.outer, 0, 1)
    reach = 0.05 + 0.09 * np.clip(act.outer, 0, 1)  # fear pulls at the middle only, surprise at the whole brow
    for y in (-0.195, -0.225):
        if raised > 0.3:
            pen.line(curve((-reach, y), (0, y - 0.02), (reach, y)), mix(person.skin, BLACK, 0.28 * raised), 0.008)
    if act.squeeze > 0.25:
        for side in (-1, 1):
            colour = mix(person.skin, BLACK, 0.4 * min(act.squeeze, 1))
            pen.line(curve((side * 0.02, -0.145), (side * 0.014, -0.11), (side * 0.02, -0.08)), colour, 0.009)


def draw_eye(pen: Pen, person: Person, act: Actions, side: int) -> None:
    u = np.linspace(-1, 1, 13)  # from the inner corner to the outer
    x = side * (person.eye + person.eye_size * u)
    arch = np.sqrt(1 - np.abs(u) ** 2.2)
    tense = 0.42 * max(act.cheek, 0) + 0.22 * max(act.squeeze, 0)
    slant = -0.06 + 0.006 * u * (act.inner - act.outer - act.squeeze)  # grief lets the lid's outer end sink
    top = slant - person.eye_size * (0.58 + 0.36 * act.lid) * arch
    bottom = np.maximum(slant + person.eye_size * (0.46 - tense) * arch, top)
    pen.fill(band(x, top, bottom), WHITE)
    centre = (side * person.eye + pen.view.gaze[0], -0.064 + pen.view.gaze[1])
    for radius, colour in ((0.62, mix(person.iris, BLACK, 0.3)), (0.5, person.iris), (0.27, BLACK)):
        size = radius * person.eye_size
        pen.fill(within(oval(*centre, size, size), x, top, bottom), colour)
    pen.line(np.stack([x, top], 1), mix(person.skin, BLACK, 0.85), 0.013)
    pen.line(np.stack([x, bottom], 1), mix(person.skin, BLACK, 0.4 + 0.3 * tense), 0.007)
    crease = top - 0.014 + 0.006 * act.lid
    pen.line(np.stack([x, crease], 1)[2:-1], mix(person.skin, BLACK, 0.3), 0.006)


def draw_brow(pen: Pen, person: Person, act: Actions, side: int) -> None:
    u = np.linspace(0, 1, 9)
    start = person.eye - 0.058 - 0.02 * act.squeeze
    x = side * (start + (person.eye + 0.062 - start) * u)
    lift = 0.036 * act.inner * (1 - u) ** 1.3 + 0.03 * act.outer * np.sin(np.pi * (0.15 + 0.6 * u))
    y = -0.066 - person.brow_gap - lift - 0.014 * np.sin(np.pi * u * 0.85) * (1 - 0.5 * act.squeeze)
    y = np.minimum(y, -0.088)  # a lowered brow stays above the eye
    thick = person.brow_width * (1 - 0.65 * u**2)
    pen.fill(band(x, y - thick / 2, y + thick / 2), mix(mix(person.hair, BLACK, 0.35), person.skin, 0.1))


def draw_nose(pen: Pen, person: Person, act: Actions) -> None:
    up, wing = 0.018 * max(act.wrinkle, 0), person.nose * (1 + 0.22 * max(act.wrinkle, 0))
    dark, light = mix(person.skin, BLACK, 0.22), mix(person.skin, WHITE, 0.18)
    pen.line(curve((-0.024, -0.04), (-0.02, 0.03), (-wing * 0.8, 0.075 - up)), dark, 0.009)
    pen.fill(oval(0.002, 0.065 - up, 0.6 * wing, 0.026), light)
    for side in (-1, 1):
        edge = curve((side * wing * 0.9, 0.06 - up), (side * wing * 1.3, 0.095 - up), (side * wing * 0.6, 0.098 - up))
        pen.line(edge, mix(person.skin, BLACK, 0.4), 0.01)
        pen.fill(oval(side * wing * 0.5, 0.094 - up, 0.012, 0.007 + 0.2 * up), mix(person.skin, BLACK, 0.65))
    for i in range(3):
        if act.wrinkle > 0.3:
            y, reach = -0.052 + 0.026 * i, 0.026 + 0.01 * i
            colour = mix(person.skin, BLACK, 0.55 * min(act.wrinkle, 1))
            pen.line(curve((-reach, y + 0.012), (0, y - 0.014), (reach, y + 0.012)), colour, 0.008)


def mouth_half(person: Person, act: Actions) -> float:
    return person.mouth * (1 + 0.42 * act.wide + 0.1 * max(act.corner, 0))


def draw_teeth(pen: Pen, act: Actions, x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> None:
    if (bottom - top).max() < 0.012:
        return
    upper = 0.02 * (1 + act.wide) + 0.016 * max(act.lip, 0)
    pen.fill(band(x, top, np.minimum(top + upper, bottom)), WHITE)
    lower = 0.05 * np.clip(act.wide - act.corner - 0.3, 0, 1)  # bared by a stretched mouth, hidden by a smile
    if lower > 0.005:
        pen.fill(band(x, np.maximum(bottom - lower, top), bottom), mix(WHITE, BLACK, 0.08))
        pen.line(np.stack([x, (top + bottom) / 2], 1), mix(WHITE, BLACK, 0.6), 0.006)


def draw_mouth(pen: Pen, person: Person, act: Actions) -> None:
    u = np.linspace(-1, 1, 25)
    x, half = u * mouth_half(person, act), mouth_half(person, act)
    profile = np.sqrt(1 - np.abs(u) ** (2 + 5 * max(act.wide - max(act.corner, 0), 0)))
    raised = max(act.lip, 0) * (1 - u**4) * (1 - 0.25 * np.exp(-((u / 0.2) ** 2)))
    middle = 0.19 + 0.058 * act.corner * (0.45 - u**2)
    opening = max(act.open, 0)
    top = middle - 0.022 * opening * profile - 0.03 * raised
    bottom = middle + 0.115 * opening * profile
    thick = person.lips * (1 - 0.65 * np.clip(act.press, 0, 1)) * np.sqrt(1 - u**2)
    lips = mix(person.skin, LIPS, 0.42)
    pen.fill(band(x, top - thick * (1 - 0.3 * np.exp(-((u / 0.15) ** 2))), bottom + 1.2 * thick), lips)
    pen.fill(band(x, top, bottom), THROAT)
    if act.tongue < 0.4:
        pen.fill(
            within(oval(0, 0.19 + 0.115 * opening, 0.6 * half, 0.045 * opening), x, top, bottom),
            mix(TONGUE, THROAT, 0.5),
        )
    draw_teeth(pen, act, x, top, bottom)
    pen.line(np.stack([x, top], 1), mix(lips, BLACK, 0.6), 0.007 + 0.006 * np.clip(act.press, 0, 1))
    if act.tongue >= 0.4:
        tip = oval(0, 0.205 + 0.06 * opening, 0.52 * half, 0.055 * act.tongue)
        pen.fill(np.stack([tip[:, 0], np.maximum(tip[:, 1], 0.19)], 1), TONGUE)
        pen.line(np.array([(0, 0.2), (0, 0.235)]), mix(TONGUE, BLACK, 0.3), 0.008)


def draw_chin(pen: Pen, person: Person, act: Actions) -> None:
    push = np.clip(max(act.press, -act.corner - 0.2), 0, 1) * (act.open < 0.2)
    if push > 0.2:
        pen.line(curve((-0.05, 0.262), (0, 0.236), (0.05, 0.262)), mix(person.skin, BLACK, 0.35 * push), 0.009)


HAIRLINES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {  # y at a distance from the middle
    "short": ((-0.36, -0.2, 0, 0.2, 0.25, 0.36), (-0.05, -0.2, -0.235, -0.2, -0.16, -0.05)),
    "fringe": ((-0.36, -0.26, -0.24, 0.24, 0.26, 0.36), (0.0, -0.06, -0.185, -0.185, -0.06, 0.0)),
    "parted": ((-0.36, -0.27, -0.12, 0.1, 0.27, 0.36), (-0.02, -0.12, -0.26, -0.2, -0.12, -0.02)),
    "receding": ((-0.36, -0.27, -0.19, 0, 0.19, 0.27, 0.36), (-0.04, -0.12, -0.28, -0.235, -0.28, -0.12, -0.04)),
    "long": ((-0.36, -0.25, -0.18, 0, 0.18, 0.25, 0.36), (0.3, -0.02, -0.17, -0.25, -0.17, -0.02, 0.3)),
}


def draw_hair(pen: Pen, person: Person) -> None:
    if person.style == "bald":
        return
    x, y = HAIRLINES[person.style]
    points = outline(person, 1.05)
    line = np.interp(points[:, 0] * 0.31 / person.width, x, y)
    inner = np.linspace(-1.05, 1.05, 41) * person.width
    edge = np.interp(inner * 0.31 / person.width, x, y)
    above = points[points[:, 1] < line]
    rim = np.interp(inner, *above[np.argsort(above[:, 0])].T)
    pen.fill(band(inner, np.minimum(rim, edge), edge), person.hair)


def draw_glasses(pen: Pen, person: Person) -> None:
    if person.glasses == "none":
        return
    colour = mix(BLACK, WHITE, 0.12 if person.skin.sum() > 330 else 0.8)
    for side in (-1, 1):
        ring = oval(side * person.eye, -0.052, 0.082, 0.07)
        if person.glasses == "square":
            ring = np.clip(ring, (side * person.eye - 0.072, -0.1), (side * person.eye + 0.072, -0.003))
        pen.line(ring, colour, 0.011)
        pen.line(np.array([(side * (person.eye + 0.08), -0.06), (side * person.width, -0.075)]), colour, 0.01)
    pen.line(curve((-person.eye + 0.075, -0.06), (0, -0.08), (person.eye - 0.075, -0.06)), colour, 0.011)


def draw_face(pen: Pen, person: Person, act: Actions) -> None:
    draw_head(pen, person, act)
    draw_forehead(pen, person, act)
    draw_cheeks(pen, person, act, mouth_half(person, act))
    draw_beard(pen, person, act)
    draw_nose(pen, person, act)
    draw_mouth(pen, person, act)
    draw_chin(pen, person, act)
    for side in (-1, 1):
        draw_eye(pen, person, act, side)
        draw_brow(pen, person, act, side)
    draw_hair(pen, person)
    draw_glasses(pen, person)


def draw_cover(pen: Pen) -> None:
    if pen.view.cover is not None:
        colour, box = pen.view.cover
        pixels = (box * SIDE + np.tile(pen.view.shift, 2)) * OVERSAMPLING
        pen.canvas.rectangle(pixels.tolist(), fill=ink(colour))


GRID = np.stack(np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 2))  # x and y of each pixel, from the middle


def expose(pixels: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    """Return the pixels with light, then the FLOOR, then the sensor's noise.

    A dark picture is brightened before the noise, so that the noise does not hide the face.
    """
    lit = pixels * (1 + np.tensordot(view.gradient, GRID, 1))[..., None] * view.light
    lit *= max(1.0, FLOOR / lit.mean())
    return np.asarray((lit + rng.normal(0, view.noise, lit.shape)).clip(0, 255), np.uint8)


def eyes(person: Person, view: View) -> np.ndarray:
    """Return x and y of the left and the right eye in the picture, in pixels: (2, 2)."""
    pen = Pen(ImageDraw.Draw(Image.new("L", (1, 1))), view)
    points = np.array([(-person.eye, -0.064), (person.eye, -0.064)])
    return np.array(pen.place(points)).reshape(2, 2) / OVERSAMPLING


def picture(person: Person, act: Actions, view: View, rng: np.random.Generator) -> np.ndarray:
    """Return the picture of one face as uint8 (SIDE, SIDE, 3)."""
    image = Image.new("RGB", (SIDE * OVERSAMPLING,) * 2, ink(view.background))
    pen = Pen(ImageDraw.Draw(image), view)
    draw_face(pen, person, act)
    draw_cover(pen)
    small = image.reduce(OVERSAMPLING).filter(ImageFilter.GaussianBlur(view.blur))
    return expose(np.asarray(small, float), view, rng)
