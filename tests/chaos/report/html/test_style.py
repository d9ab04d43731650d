"""The style of the pages: text has enough contrast in both schemes, and nothing is loaded."""

import re
from pathlib import Path

import pytest

import chaos.report.html

STYLE = (Path(chaos.report.html.__path__[0]) / "templates" / "style.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)

CONTRAST_MIN = 4.5
"""Of text on its background, by WCAG 2.1 level AA."""


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_enough_contrast(scheme: dict[str, str]) -> None:
    assert scheme.keys() == LIGHT.keys()
    for ink in ("ink", "soft", "bad", "good", "unsure", "link"):
        assert contrast(scheme[ink], scheme["page"]) >= CONTRAST_MIN, ink
    for ink, ground in (
        ("ink", "panel"),
        ("ink", "own"),
        ("ink", "band"),
        ("soft", "band"),
        ("bad", "band"),
    ):
        assert contrast(scheme[ink], scheme[ground]) >= CONTRAST_MIN, (ink, ground)


def test_the_style_loads_nothing() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
