"""Fixtures of the tests of reports."""

import io

import pytest
from PIL import Image


@pytest.fixture
def unrendered(monkeypatch):
    """Compose the pictures of a report but do not render them, which takes most of the time."""
    pixel = io.BytesIO()
    Image.new("L", (1, 1)).save(pixel, "png")
    for name in ("figures.png", "sections.png", "pictures.encoded"):
        monkeypatch.setattr(f"perceivers.report.{name}", lambda figure: pixel.getvalue())
