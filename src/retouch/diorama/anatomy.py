"""How four-legged animals are built, and where their joints are in each pose."""

from __future__ import annotations

from dataclasses import dataclass

from retouch.diorama.brush import polar, shifted
from retouch.diorama.pen import Point


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


@dataclass(frozen=True)
class Pose:
    """Where the joints of a four-legged animal are."""

    hip: Point
    chest: Point
    hind: tuple[list[Point], list[Point]]
    fore: tuple[list[Point], list[Point]]
    tail_angle: float
    neck_angle: float


def pose_of(a: Anatomy, pose: str | None) -> Pose:
    """The joints of an animal that stands, sits or jumps."""
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
        return Pose(hip, chest, hind, fore, 128, a.neck_angle)
    if pose == "sitting":
        hip = (-a.body * 0.34, a.girth * 1.0)
        chest = polar(hip, a.body * 0.92, 58)
        thigh = [hip, (hip[0] + a.leg * 0.45 + 0.1, a.girth * 0.9), (hip[0] + a.leg * 0.5 + 0.16, r)]
        fore = (
            [chest, (chest[0] + 0.05, chest[1] * 0.5), (chest[0] + 0.07, r)],
            [chest, (chest[0] - 0.01, chest[1] * 0.5), (chest[0] - 0.03, r)],
        )
        return Pose(hip, chest, (thigh, thigh), fore, 178, min(a.neck_angle + 16, 84))
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
    return Pose(hip, chest, hind, fore, 160, a.neck_angle - 6)
