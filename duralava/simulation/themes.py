"""Colour themes of a lamp."""

import dataclasses

Colour = tuple[float, float, float]

BLACK: Colour = (0.0, 0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Theme:
    """Colours of a lamp, RGB in [0, 1].

    Attributes:
      wax: from the dimmest wax to the brightest, at even steps.
      liquid: in the middle of the glass.
      side: liquid in front of the side walls.
      foot: liquid just above the foot.
      glow: light of the heater.
      highlight: light of the room that the glass reflects.
      metal: foot and cap.
    """

    wax: tuple[Colour, Colour, Colour, Colour, Colour]
    liquid: Colour
    side: Colour
    foot: Colour
    glow: Colour
    highlight: Colour
    metal: Colour


THEMES: dict[str, Theme] = {
    "sunset": Theme(
        wax=(
            (0.88, 0.08, 0.18),
            (1.00, 0.17, 0.21),
            (1.00, 0.30, 0.27),
            (1.00, 0.61, 0.26),
            (1.00, 0.96, 0.30),
        ),
        liquid=(0.29, 0.05, 0.20),
        side=(0.52, 0.11, 0.52),
        foot=(0.80, 0.18, 0.32),
        glow=(1.00, 0.97, 0.28),
        highlight=(0.80, 0.42, 0.84),
        metal=(0.13, 0.09, 0.11),
    ),
    "lagoon": Theme(
        wax=(
            (0.02, 0.30, 0.42),
            (0.03, 0.52, 0.60),
            (0.10, 0.75, 0.70),
            (0.45, 0.93, 0.70),
            (0.90, 1.00, 0.75),
        ),
        liquid=(0.03, 0.07, 0.24),
        side=(0.08, 0.22, 0.58),
        foot=(0.05, 0.42, 0.55),
        glow=(0.88, 1.00, 0.74),
        highlight=(0.40, 0.58, 0.92),
        metal=(0.10, 0.11, 0.13),
    ),
    "forest": Theme(
        wax=(
            (0.16, 0.38, 0.05),
            (0.36, 0.60, 0.06),
            (0.60, 0.80, 0.12),
            (0.86, 0.93, 0.28),
            (1.00, 0.98, 0.62),
        ),
        liquid=(0.01, 0.13, 0.11),
        side=(0.03, 0.32, 0.24),
        foot=(0.30, 0.45, 0.08),
        glow=(1.00, 0.97, 0.55),
        highlight=(0.24, 0.56, 0.46),
        metal=(0.12, 0.11, 0.09),
    ),
    "violet": Theme(
        wax=(
            (0.42, 0.04, 0.48),
            (0.72, 0.10, 0.68),
            (0.95, 0.28, 0.72),
            (1.00, 0.56, 0.72),
            (1.00, 0.88, 0.80),
        ),
        liquid=(0.07, 0.05, 0.25),
        side=(0.16, 0.16, 0.62),
        foot=(0.50, 0.12, 0.60),
        glow=(1.00, 0.84, 0.80),
        highlight=(0.52, 0.48, 0.96),
        metal=(0.11, 0.10, 0.14),
    ),
    "moonlight": Theme(
        wax=(
            (0.30, 0.38, 0.58),
            (0.48, 0.57, 0.76),
            (0.68, 0.75, 0.88),
            (0.90, 0.90, 0.90),
            (1.00, 0.97, 0.84),
        ),
        liquid=(0.03, 0.05, 0.14),
        side=(0.10, 0.16, 0.38),
        foot=(0.28, 0.34, 0.54),
        glow=(1.00, 0.95, 0.78),
        highlight=(0.38, 0.46, 0.70),
        metal=(0.11, 0.12, 0.14),
    ),
}
DEFAULT_THEME = "sunset"
