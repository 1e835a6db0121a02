"""The bird, which has wings and two legs."""

from __future__ import annotations

from retouch.diorama.brush import WHITE, Brush, Colour, is_dark, mixed, polar, scaled, shifted
from retouch.diorama.details import eye, hat, scarf


def bird(brush: Brush, colour: Colour, pose: str | None, accessory: str | None) -> None:
    """Draws the bird standing on the origin, sitting on a nest, or flying."""
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
        scarf(brush, polar(throat, 0.14, 160), polar(throat, 0.14, -20), 0.08)
    brush.dot(head, 0.17, colour)
    brush.polygon([shifted(head, 0.12, 0.07), shifted(head, 0.12, -0.075), shifted(head, 0.34, -0.015)], beak)
    eye(brush, shifted(head, 0.065, 0.045), 0.054)
    if accessory == "hat":
        hat(brush, shifted(head, -0.01, 0.14), 0.155)
