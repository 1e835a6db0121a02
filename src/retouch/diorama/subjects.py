"""The subjects: six animals in three poses, five objects, a hat and a scarf, drawn with the brush in subject units."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

from retouch.diorama.brush import INK, WHITE, Brush, Colour, Point, is_dark, mixed, polar, scaled, shifted


@dataclass(frozen=True)
class Anatomy:
    """The proportions of a four-legged animal, in subject units; the neck's angle in degrees."""

    body: float
    girth: float
    leg: float
    leg_radius: float
    neck: float
    neck_angle: float
    neck_radius: float
    head: float


ANATOMY = {
    "cat": Anatomy(0.48, 0.155, 0.22, 0.058, 0.13, 56, 0.10, 0.195),
    "dog": Anatomy(0.54, 0.165, 0.30, 0.064, 0.20, 54, 0.115, 0.18),
    "rabbit": Anatomy(0.34, 0.205, 0.10, 0.07, 0.12, 50, 0.11, 0.18),
    "horse": Anatomy(0.62, 0.18, 0.42, 0.062, 0.34, 54, 0.125, 0.14),
    "giraffe": Anatomy(0.44, 0.15, 0.44, 0.052, 0.58, 76, 0.08, 0.115),
}
SIZES = {
    "cat": 1.06, "dog": 0.95, "rabbit": 1.16, "bird": 1.06, "horse": 0.86, "giraffe": 0.80,
    "tree": 0.98, "house": 0.86, "car": 0.74, "cake": 0.86, "ball": 0.86,
}  # fmt: skip
"""How large a subject unit is for each subject, so that all fill the picture alike."""


def draw_subject(
    brush: Brush, subject: str, colour: Colour, pose: str | None, accessory: str | None, variant: str | None
) -> None:
    """Draws the subject standing on the origin."""
    if subject == "bird":
        _bird(brush, colour, pose, accessory)
    elif subject in ANATOMY:
        _quadruped(brush, subject, colour, pose, accessory)
    else:
        _OBJECTS[subject](brush, colour, variant)


def _hat(brush: Brush, top: Point, width: float) -> None:
    brown, gold = (112, 62, 30), (255, 208, 70)
    x, y = top
    brush.limb((x - width * 1.2, y), (x + width * 1.2, y), width * 0.2, width * 0.2, brown)
    crown, band = 1.25, (0.12, 0.5)
    brush.polygon(
        [
            (x - width * 0.74, y),
            (x + width * 0.74, y),
            (x + width * 0.66, y + width * crown),
            (x - width * 0.66, y + width * crown),
        ],
        brown,
    )
    brush.polygon(
        [
            (x - width * 0.75, y + width * band[0]),
            (x + width * 0.75, y + width * band[0]),
            (x + width * 0.72, y + width * band[1]),
            (x - width * 0.72, y + width * band[1]),
        ],
        gold,
    )


def _scarf(brush: Brush, start: Point, end: Point, radius: float) -> None:
    pink, light = (240, 70, 150), (255, 190, 218)
    brush.limb(start, end, radius, radius, pink)
    knot = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    tip = shifted(knot, -radius * 0.6, -radius * 2.6)
    brush.limb(knot, tip, radius * 0.6, radius * 0.68, scaled(pink, 0.88))
    brush.dot(tip, radius * 0.55, light)


def _eye(brush: Brush, at: Point, radius: float) -> None:
    brush.dot(at, radius, (252, 252, 252))
    brush.dot(shifted(at, radius * 0.25, 0), radius * 0.68, INK)


@dataclass(frozen=True)
class _Pose:
    """Where the joints of a four-legged animal are."""

    hip: Point
    chest: Point
    hind: tuple[list[Point], list[Point]]
    fore: tuple[list[Point], list[Point]]
    tail_angle: float
    neck_angle: float


def _pose(a: Anatomy, pose: str | None) -> _Pose:
    r = a.leg_radius
    if pose == "standing":
        hip, chest = (-a.body / 2, a.leg + a.girth * 0.75), (a.body / 2, a.leg + a.girth * 0.8)
        hind = (
            [hip, (hip[0] - 0.05, a.leg * 0.55), (hip[0] - 0.01, r)],
            [shifted(hip, 0.12, 0), (hip[0] + 0.1, a.leg * 0.5), (hip[0] + 0.14, r)],
        )
        fore = (
            [chest, (chest[0] + 0.01, a.leg * 0.5), (chest[0] - 0.01, r)],
            [shifted(chest, -0.1, 0), (chest[0] - 0.1, a.leg * 0.5), (chest[0] - 0.14, r)],
        )
        return _Pose(hip, chest, hind, fore, 128, a.neck_angle)
    if pose == "sitting":
        hip = (-a.body * 0.34, a.girth * 1.0)
        chest = polar(hip, a.body * 0.92, 58)
        thigh = [hip, (hip[0] + a.leg * 0.45 + 0.1, a.girth * 0.9), (hip[0] + a.leg * 0.5 + 0.16, r)]
        fore = (
            [chest, (chest[0] + 0.05, chest[1] * 0.5), (chest[0] + 0.07, r)],
            [chest, (chest[0] - 0.01, chest[1] * 0.5), (chest[0] - 0.03, r)],
        )
        return _Pose(hip, chest, (thigh, thigh), fore, 178, min(a.neck_angle + 16, 84))
    middle = (0.0, a.leg * 0.6 + a.girth + 0.22)
    hip, chest = polar(middle, -a.body / 2, 26), polar(middle, a.body / 2, 26)
    back, front = polar(hip, a.leg * 0.6, 212), polar(hip, a.leg * 0.62, 240)
    ahead, up = polar(chest, a.leg * 0.62, -8), polar(chest, a.leg * 0.6, 12)
    hind = (
        [hip, back, polar(back, a.leg * 0.6, 238)],
        [shifted(hip, 0.06, -0.02), front, polar(front, a.leg * 0.6, 215)],
    )
    fore = (
        [chest, ahead, polar(ahead, a.leg * 0.55, -62)],
        [shifted(chest, -0.03, 0), up, polar(up, a.leg * 0.6, -20)],
    )
    return _Pose(hip, chest, hind, fore, 160, a.neck_angle - 6)


@dataclass(frozen=True)
class _Coat:
    """The shades of one coat; dark coats are shaded lighter so that limbs stay apart."""

    near: Colour
    far: Colour
    rim: Colour
    belly: Colour
    hair: Colour
    spots: Colour

    @classmethod
    def of(cls, colour: Colour) -> _Coat:
        """The coat of the given colour."""
        if is_dark(colour):
            far, rim, belly = scaled(colour, 0.72), mixed(colour, (120, 120, 135), 0.35), mixed(colour, WHITE, 0.18)
            return cls(colour, far, rim, belly, (92, 88, 100), (112, 108, 116))
        far, rim, belly = scaled(colour, 0.66), scaled(colour, 0.74), mixed(colour, WHITE, 0.36)
        return cls(colour, far, rim, belly, scaled(colour, 0.48), scaled(colour, 0.58))


def _quadruped(brush: Brush, kind: str, colour: Colour, pose: str | None, accessory: str | None) -> None:
    a, j, coat = ANATOMY[kind], _pose(ANATOMY[kind], pose), _Coat.of(colour)
    sitting, hoofed = pose == "sitting", kind in ("horse", "giraffe")
    hoof = (60, 46, 40) if hoofed else None
    _tail(brush, kind, j, coat, a, pose)
    for leg in (j.fore[1], j.hind[1]):
        brush.chain(leg, a.leg_radius * 1.15, a.leg_radius * 0.85, coat.far)
        brush.limb(leg[-1], shifted(leg[-1], 0.045, 0), a.leg_radius * 0.9, a.leg_radius * 0.75, hoof or coat.far)
    base = shifted(j.chest, 0.02, a.girth * 0.25)
    nape = polar(base, a.neck, j.neck_angle)
    if hoofed:
        brush.limb(base, nape, a.neck_radius * 1.35, a.neck_radius * 0.85, coat.near)
    chest_girth = a.girth * (0.78 if kind == "rabbit" and sitting else 0.95)
    brush.limb(j.hip, j.chest, a.girth * (1.12 if sitting else 0.98), chest_girth, coat.near)
    if kind != "giraffe":
        middle = ((j.hip[0] + j.chest[0]) / 2, (j.hip[1] + j.chest[1]) / 2)
        lean = {"standing": 0, "sitting": 58}.get(pose or "", 26)
        brush.oval(polar(middle, a.girth * 0.42, lean - 90), a.body * 0.42, a.girth * 0.42, coat.belly, lean)
    for leg, hind in ((j.hind[0], True), (j.fore[0], False)):
        r = a.leg_radius
        if sitting and hind:
            brush.dot(shifted(j.hip, 0.02, -0.01), a.girth * 1.06, coat.rim)
            brush.dot(shifted(j.hip, 0.02, -0.01), a.girth * 0.97, coat.near)
            brush.limb((j.hip[0], r), leg[-1], r * 1.05, r, coat.rim)
            brush.limb((j.hip[0], r * 1.05), leg[-1], r * 0.95, r * 0.9, coat.near)
            continue
        thick = r * (1.9 if hind else 1.25)
        brush.chain(leg, thick, r * 0.9, coat.rim)
        brush.chain(leg, thick * 0.86, r * 0.74, coat.near)
        brush.limb(leg[-1], shifted(leg[-1], 0.05, 0), r, r * 0.8, hoof or coat.near)
    if not hoofed:
        brush.limb(base, nape, a.neck_radius * 1.1, a.neck_radius, coat.near)
    if kind == "horse":
        for i in range(6):
            along = polar(base, a.neck * (i + 1) / 5.4, j.neck_angle)
            brush.dot(polar(along, a.neck_radius * (1.15 - 0.05 * i), j.neck_angle + 95), 0.062, coat.hair)
    if kind == "giraffe":
        for i in range(4):
            along = polar(base, a.neck * (i + 0.6) / 4.3, j.neck_angle)
            brush.dot(shifted(along, 0.018 if i % 2 else -0.022, 0), 0.042, coat.spots)
        for u, v in ((0.1, 0.4), (0.35, -0.35), (0.6, 0.35), (0.88, -0.2)):
            along = (j.hip[0] + (j.chest[0] - j.hip[0]) * u, j.hip[1] + (j.chest[1] - j.hip[1]) * u)
            brush.dot(shifted(along, 0, a.girth * v), 0.056, coat.spots)
    if accessory == "scarf":
        along = polar(base, a.neck * (0.42 if hoofed else 0.5), j.neck_angle)
        width = a.neck_radius * (1.3 if hoofed else 1.45)
        across = polar(along, width * 0.8, j.neck_angle + 90), polar(along, width * 0.8, j.neck_angle - 90)
        _scarf(brush, *across, max(0.08, a.neck_radius * 0.72))
    head = polar(nape, a.head * 0.55, j.neck_angle - 25)
    if hoofed:
        _long_head(brush, kind, head, a.head, coat)
    else:
        _round_head(brush, kind, head, a.head, coat, colour)
    if accessory == "hat":
        top = shifted(head, 0, a.head * 0.95) if hoofed else shifted(head, -0.01, a.head * 0.82)
        _hat(brush, top, a.head * {"cat": 0.8, "horse": 1.2, "giraffe": 1.3}.get(kind, 0.88))


def _tail(brush: Brush, kind: str, j: _Pose, coat: _Coat, a: Anatomy, pose: str | None) -> None:
    sitting = pose == "sitting"
    root = polar(j.hip, a.girth * 0.8, 190 if sitting else 150)
    match kind:
        case "cat" if sitting:
            curl = [(0, -0.03), (-0.16, -0.05), (-0.3, 0.02), (-0.34, 0.16), (-0.28, 0.26)]
            brush.chain([shifted(root, x, y) for x, y in curl], 0.055, 0.045, coat.far)
        case "cat":
            one = polar(root, 0.2, j.tail_angle + 20)
            two = polar(one, 0.17, j.tail_angle - 40)
            brush.chain([root, one, two, polar(two, 0.12, j.tail_angle - 85)], 0.055, 0.048, coat.far)
        case "dog":
            angle = 150 if sitting else j.tail_angle
            one = polar(root, 0.15, angle)
            brush.chain([root, one, polar(one, 0.12, angle - 40)], 0.058, 0.038, coat.far)
        case "rabbit":
            brush.dot(polar(root, 0.05, 170), 0.095, coat.belly)
        case "horse":
            one = polar(root, 0.12, 170 if pose == "jumping" else 205)
            end = polar(one, 0.3, {"jumping": 196, "sitting": 200}.get(pose or "", 236))
            brush.chain([root, one, end], 0.055, 0.085, coat.hair)
        case _:
            end = polar(root, 0.24, 195 if sitting else 250)
            brush.limb(root, end, 0.028, 0.024, coat.far)
            brush.dot(end, 0.058, coat.hair)


def _long_head(brush: Brush, kind: str, head: Point, r: float, coat: _Coat) -> None:
    muzzle = polar(head, r * (2.0 if kind == "horse" else 1.8), -34)
    ear = polar(head, r * 0.8, 115)
    brush.polygon([shifted(ear, -0.065, -0.02), shifted(ear, 0.055, -0.02), shifted(ear, -0.02, 0.15)], coat.far)
    if kind == "giraffe":
        for dx in (-0.04, 0.055):
            brush.limb(shifted(head, dx, r * 0.6), shifted(head, dx, r * 1.6), 0.022, 0.022, coat.near)
            brush.dot(shifted(head, dx, r * 1.7), 0.042, (70, 50, 44))
    brush.limb(head, muzzle, r, r * 0.68, coat.near)
    brush.limb(polar(head, r * 1.7, -34), muzzle, r * 0.66, r * 0.66, coat.belly)
    brush.dot(polar(muzzle, r * 0.4, 30), 0.026, INK)
    _eye(brush, shifted(head, 0.02, r * 0.3), 0.048)


def _round_head(brush: Brush, kind: str, head: Point, r: float, coat: _Coat, colour: Colour) -> None:
    pink = (240, 155, 165)
    if kind == "cat":
        for dx, shade in ((0.085, coat.far), (-0.095, coat.near)):
            outer = [(dx - 0.085, r * 0.55), (dx + 0.085, r * 0.55), (dx - 0.005, r * 1.65)]
            brush.polygon([shifted(head, x, y) for x, y in outer], shade)
            inner = [(dx - 0.04, r * 0.75), (dx + 0.04, r * 0.75), (dx - 0.005, r * 1.35)]
            brush.polygon([shifted(head, x, y) for x, y in inner], pink)
    if kind == "rabbit":
        for dx, angle, shade in ((0.055, 76, coat.far), (-0.055, 102, coat.near)):
            ear_centre = polar(shifted(head, dx, r * 0.7), 0.17, angle)
            brush.oval(ear_centre, 0.21, 0.072, shade, angle)
            brush.oval(ear_centre, 0.15, 0.036, pink, angle)
    brush.dot(head, r, coat.near)
    snout = {"cat": 0.06, "dog": 0.2, "rabbit": 0.06}[kind]
    muzzle = shifted(head, snout + r * (0.2 if kind == "dog" else 0.42), -r * 0.3)
    jaw = coat.near if kind == "dog" else coat.belly
    brush.limb(shifted(head, r * 0.35, -r * 0.3), muzzle, r * (0.56 if kind == "dog" else 0.58), r * 0.42, jaw)
    nose = shifted(muzzle, r * 0.3, r * 0.12)
    brush.dot(nose, 0.045 if kind == "dog" else 0.03, INK if kind == "dog" else (220, 110, 130))
    if kind == "dog":
        ear = shifted(head, -r * 0.42, r * 0.62)
        droop = (100, 96, 108) if is_dark(colour) else scaled(colour, 0.55)
        brush.chain([ear, shifted(ear, -0.09, -0.12), shifted(ear, -0.075, -0.27)], 0.07, 0.075, droop)
    _eye(brush, shifted(head, r * 0.32, r * 0.26), 0.056)


def _bird(brush: Brush, colour: Colour, pose: str | None, accessory: str | None) -> None:
    dark = is_dark(colour)
    far, wing = ((96, 96, 110), (78, 78, 92)) if dark else (scaled(colour, 0.62), scaled(colour, 0.78))
    belly = mixed(colour, WHITE, 0.2 if dark else 0.42)
    beak = (225, 70, 40) if colour == (242, 136, 34) else (250, 168, 40)
    body, lean, head = {
        "standing": ((0.0, 0.46), 38.0, (0.22, 0.78)),
        "sitting": ((0.0, 0.24), 8.0, (0.26, 0.49)),
    }.get(pose or "", ((0.0, 0.60), 16.0, (0.30, 0.80)))
    if pose == "standing":
        for dx in (-0.03, 0.11):
            brush.chain([(dx, 0.3), (dx + 0.01, 0.03)], 0.028, 0.028, beak)
            brush.limb((dx - 0.02, 0.025), (dx + 0.1, 0.025), 0.026, 0.02, beak)
    elif pose == "sitting":
        brush.oval((0.0, 0.07), 0.40, 0.09, (120, 84, 48))
        brush.oval((0.0, 0.10), 0.34, 0.06, (158, 114, 66))
    else:
        for dx in (-0.06, 0.05):
            brush.chain([(dx, 0.44), (dx - 0.09, 0.28)], 0.026, 0.026, beak)
            brush.limb((dx - 0.09, 0.28), (dx - 0.01, 0.25), 0.024, 0.018, beak)
        spread = [(0.14, 0.68), (0.06, 1.20), (-0.08, 1.16), (-0.22, 1.0), (-0.24, 0.88), (-0.18, 0.6)]
        brush.polygon([(x + 0.12, y + 0.02) for x, y in spread], far)
    rump = polar(body, 0.26, lean + 180)
    fan = polar(rump, 0.27, lean + 184), polar(rump, 0.29, lean + 172)
    brush.polygon(
        [
            polar(rump, 0.09, lean + 90),
            polar(rump, 0.09, lean - 90),
            polar(fan[0], 0.06, lean - 90),
            polar(fan[1], 0.08, lean + 90),
        ],
        far,
    )
    brush.oval(body, 0.33, 0.23, colour, lean)
    brush.oval(polar(body, 0.09, lean - 80), 0.24, 0.12, belly, lean)
    brush.limb(polar(body, 0.2, lean), head, 0.16, 0.15, colour)
    if pose == "jumping":
        raised = [(0.12, 0.66), (-0.06, 1.18), (-0.2, 1.1), (-0.34, 0.92), (-0.34, 0.82), (-0.22, 0.56)]
        brush.polygon(raised, scaled(wing, 0.8))
        brush.polygon([(x * 0.88, y * 0.96 + 0.02) for x, y in raised], wing)
    else:
        brush.oval(polar(body, 0.05, lean + 160), 0.235, 0.13, scaled(wing, 0.78), lean + 6)
        brush.oval(polar(body, 0.04, lean + 150), 0.21, 0.108, wing, lean + 6)
    if accessory == "scarf":
        throat = shifted(head, -0.04, -0.16)
        _scarf(brush, polar(throat, 0.14, 160), polar(throat, 0.14, -20), 0.08)
    brush.dot(head, 0.17, colour)
    brush.polygon([shifted(head, 0.12, 0.07), shifted(head, 0.12, -0.075), shifted(head, 0.34, -0.015)], beak)
    _eye(brush, shifted(head, 0.065, 0.045), 0.054)
    if accessory == "hat":
        _hat(brush, shifted(head, -0.01, 0.14), 0.155)


def _shades(colour: Colour) -> tuple[Colour, Colour]:
    if is_dark(colour):
        return scaled(colour, 0.6), (104, 104, 118)
    return scaled(colour, 0.7), mixed(colour, WHITE, 0.4)


def _ball(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, light = _shades(colour)
    brush.dot((0, 0.42), 0.42, dark)
    brush.dot((-0.02, 0.44), 0.395, colour)
    brush.oval((0, 0.42), 0.40, 0.10, light, 25)
    brush.oval((0, 0.42), 0.40, 0.07, (250, 250, 250), 25)
    brush.oval((-0.14, 0.60), 0.12, 0.075, mixed(colour, WHITE, 0.7), 35)


def _cake(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, light = _shades(colour)
    cream = (255, 250, 240)
    brush.oval((0, 0.06), 0.62, 0.085, (180, 180, 187))
    brush.oval((0, 0.08), 0.6, 0.075, (226, 226, 234))
    if variant == "round":
        brush.polygon([(-0.46, 0.12), (0.46, 0.12), (0.46, 0.5), (-0.46, 0.5)], colour)
        brush.oval((0, 0.12), 0.46, 0.09, colour)
        brush.oval((0, 0.28), 0.46, 0.06, light)
        brush.polygon([(-0.46, 0.28), (0.46, 0.28), (0.46, 0.36), (-0.46, 0.36)], light)
        brush.oval((0, 0.36), 0.46, 0.06, colour)
        brush.polygon([(-0.46, 0.36), (0.46, 0.36), (0.46, 0.5), (-0.46, 0.5)], colour)
        brush.oval((0, 0.5), 0.46, 0.13, scaled(light, 0.93))
        brush.oval((0, 0.515), 0.43, 0.11, light)
        for angle in range(0, 360, 60):
            brush.dot((0.35 * cos(radians(angle)), 0.53 + 0.085 * sin(radians(angle))), 0.05, cream)
    else:
        brush.polygon([(-0.5, 0.07), (0.24, 0.07), (0.24, 0.5), (-0.5, 0.5)], colour)
        brush.polygon([(0.24, 0.07), (0.54, 0.19), (0.54, 0.62), (0.24, 0.5)], dark)
        brush.polygon([(-0.5, 0.25), (0.24, 0.25), (0.24, 0.34), (-0.5, 0.34)], light)
        brush.polygon([(0.24, 0.25), (0.54, 0.37), (0.54, 0.46), (0.24, 0.34)], scaled(light, 0.8))
        brush.polygon([(-0.5, 0.5), (0.24, 0.5), (0.54, 0.62), (-0.2, 0.62)], light)
        for at in ((-0.42, 0.52), (-0.1, 0.52), (0.2, 0.52), (0.45, 0.61), (-0.18, 0.61), (0.14, 0.61)):
            brush.dot(at, 0.048, cream)
    brush.limb((0, 0.55), (0, 0.74), 0.034, 0.034, (250, 240, 220))
    brush.oval((0, 0.84), 0.05, 0.08, (255, 190, 40))


def _house(brush: Brush, colour: Colour, variant: str | None) -> None:
    side = (62, 62, 72) if is_dark(colour) else scaled(colour, 0.84)
    brush.polygon([(-0.46, 0), (0.46, 0), (0.46, 0.58), (-0.46, 0.58)], colour)
    brush.polygon([(0.2, 0), (0.46, 0), (0.46, 0.58), (0.2, 0.58)], side)
    brush.polygon([(0.22, 0.72), (0.36, 0.72), (0.36, 1.0), (0.22, 1.0)], (130, 84, 70))
    brush.polygon([(-0.58, 0.54), (0.58, 0.54), (0, 1.02)], (92, 62, 58))
    brush.polygon([(-0.52, 0.575), (0.5, 0.575), (0, 0.98)], (126, 82, 72))
    brush.polygon([(-0.1, 0), (0.1, 0), (0.1, 0.34), (-0.1, 0.34)], (96, 62, 40))
    for x in (-0.30, 0.31):
        brush.polygon([(x - 0.11, 0.23), (x + 0.11, 0.23), (x + 0.11, 0.45), (x - 0.11, 0.45)], (250, 250, 245))
        brush.polygon([(x - 0.08, 0.26), (x + 0.08, 0.26), (x + 0.08, 0.42), (x - 0.08, 0.42)], (150, 205, 240))


def _car(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, _ = _shades(colour)
    hull = [(-0.68, 0.16), (0.7, 0.16), (0.72, 0.34), (0.62, 0.42), (0.36, 0.46), (-0.66, 0.46), (-0.72, 0.36)]
    brush.polygon(hull, colour)
    brush.polygon([(-0.52, 0.45), (0.42, 0.45), (0.2, 0.76), (-0.36, 0.76)], dark)
    brush.polygon([(-0.43, 0.46), (-0.08, 0.46), (-0.08, 0.70), (-0.31, 0.70)], (170, 218, 244))
    brush.polygon([(-0.02, 0.46), (0.33, 0.46), (0.16, 0.70), (-0.02, 0.70)], (190, 228, 248))
    brush.polygon([(-0.7, 0.16), (0.71, 0.16), (0.71, 0.23), (-0.7, 0.23)], dark)
    brush.dot((0.65, 0.34), 0.06, (255, 244, 170))
    brush.dot((-0.67, 0.36), 0.045, (255, 90, 70))
    for x in (-0.4, 0.42):
        brush.dot((x, 0.16), 0.16, (30, 30, 34))
        brush.dot((x, 0.16), 0.08, (190, 190, 198))


def _tree(brush: Brush, colour: Colour, variant: str | None) -> None:
    dark, light = _shades(colour)
    brush.polygon([(-0.1, 0), (0.1, 0), (0.07, 0.5), (-0.07, 0.5)], (112, 74, 46))
    brush.polygon([(0.02, 0), (0.1, 0), (0.07, 0.5), (0.02, 0.5)], (86, 56, 36))
    crown = (
        (-0.24, 0.56, 0.24, dark), (0.24, 0.56, 0.24, dark), (0, 0.6, 0.3, dark), (-0.2, 0.68, 0.22, colour),
        (0.2, 0.7, 0.22, colour), (0, 0.84, 0.26, colour), (-0.08, 0.9, 0.13, light), (-0.24, 0.74, 0.09, light),
        (0.14, 0.74, 0.09, light),
    )  # fmt: skip
    for x, y, r, shade in crown:
        brush.dot((x, y), r, shade)


_OBJECTS = {"ball": _ball, "cake": _cake, "house": _house, "car": _car, "tree": _tree}
