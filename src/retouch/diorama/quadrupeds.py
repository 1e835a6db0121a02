"""The four-legged animals: cat, dog, rabbit, horse and giraffe."""

from __future__ import annotations

from dataclasses import dataclass

from retouch.diorama.anatomy import ANATOMY, Anatomy, Pose, pose_of
from retouch.diorama.brush import INK, WHITE, Brush, Colour, is_dark, mixed, polar, scaled, shifted
from retouch.diorama.details import eye, hat, scarf
from retouch.diorama.pen import Point


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


def quadruped(brush: Brush, kind: str, colour: Colour, pose: str | None, accessory: str | None) -> None:
    """Draws the animal ``kind`` standing on the origin."""
    a, j, coat = ANATOMY[kind], pose_of(ANATOMY[kind], pose), _Coat.of(colour)
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
        scarf(brush, *across, max(0.08, a.neck_radius * 0.72))
    head = polar(nape, a.head * 0.55, j.neck_angle - 25)
    if hoofed:
        _long_head(brush, kind, head, a.head, coat)
    else:
        _round_head(brush, kind, head, a.head, coat, colour)
    if accessory == "hat":
        top = shifted(head, 0, a.head * 0.95) if hoofed else shifted(head, -0.01, a.head * 0.82)
        hat(brush, top, a.head * {"cat": 0.8, "horse": 1.2, "giraffe": 1.3}.get(kind, 0.88))


def _tail(brush: Brush, kind: str, j: Pose, coat: _Coat, a: Anatomy, pose: str | None) -> None:
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
    eye(brush, shifted(head, 0.02, r * 0.3), 0.048)


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
    eye(brush, shifted(head, r * 0.32, r * 0.26), 0.056)
