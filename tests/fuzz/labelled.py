"""Formats of files whose elements have labels, and of series."""

from pathlib import Path

from fuzz import seeds
from perceivers.modalities.image.labels import LabelledImageReader
from perceivers.modalities.image.reader import ImageReader
from perceivers.modalities.labelled import LabelledReader
from perceivers.modalities.points.labels import LabelledPointReader, has_labels
from perceivers.modalities.points.reader import PointReader
from perceivers.modalities.series.columns import measure_columns
from perceivers.modalities.series.config import SeriesConfig
from perceivers.modalities.text.labels import LabelledTextReader, has_spans
from perceivers.modalities.text.reader import TextReader

CLASSES = ("0", "1", "2")


def spans(path: Path) -> None:
    """Read lines with spans as the examples of a data set."""
    has_spans(path)
    _examples(path, LabelledTextReader(TextReader(32), ("NAME", "outside")))


def points(path: Path) -> None:
    """Read the labels of points."""
    has_labels(path)
    _examples(path, LabelledPointReader(PointReader(16, 3), CLASSES))


def mask_of(folder: Path):
    """Return a function that reads a file as the mask of an image."""
    image, mask = folder / "shapes" / "images" / "a.png", folder / "shapes" / "masks" / "a.png"
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    seeds.SMOOTH.save(image)

    def read(path: Path) -> None:
        mask.write_bytes(path.read_bytes())
        _examples(image, LabelledImageReader(ImageReader(8, 3), tuple(map(str, range(7)))))

    return read


def measured_series(path: Path) -> None:
    """Measure the columns of a series."""
    measure_columns(SeriesConfig(length=8, channels=2), [str(path)])


def _examples(path: Path, reader: LabelledReader) -> None:
    for _, source in reader.sources(path):
        reader.survey(source)
        reader.decode(source)
