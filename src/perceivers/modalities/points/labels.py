"""Labels of the points of a cloud: a property of a ply file, or an array of an npz file."""

import io
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ...errors import listed
from ...reading import check_limit, parser_errors, read_bytes
from ..files import PathOrBytes, suffix_of
from ..labelled import CONTENT, IGNORED, LABELS, LabelledReader, whole_numbers
from ..notices import notice
from . import decode as points
from .formats import sniff
from .meshes import Cloud
from .reader import PointReader

# Names by which labels are recognised, in lower case and without CloudCompare's "scalar_".
LABEL_NAMES = frozenset(
    {"label", "labels", "class", "classes", "classification", "category", "semantic", "segment"}
    | {"segmentation", "part", "part_label", "class_id", "label_id", "object_label"}
)
POINTS = "points"  # the array of an npz file that holds the cloud

# M points


@dataclass(frozen=True)
class LabelledPointReader(LabelledReader):
    """Decodes clouds with a class for each point.

    Labels are whole numbers: a property of the points of a ply file, or an array (M,) beside the
    array "points" of an npz file. It is the one called `label`, or the only one with a usual name
    such as label or class. Numbers below 0 and NaN stand for points without a label.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({".ply", ".npz"})

    @property
    @override
    def suffixes(self) -> frozenset[str]:
        return self.kinds

    @property
    @override
    def layout(self) -> str:
        return (
            "a ply file needs a property with the label of each point, an npz file an array of "
            "labels beside 'points'"
        )

    @override
    def survey(self, source: PathOrBytes) -> Counter[str]:
        return self.count(self._read(source)[1])

    @override
    def decode(self, source: PathOrBytes) -> dict[str, np.ndarray]:
        """Decode a cloud to {"content": float32 (M, C), "labels": int16 (M)}.

        Points that `PointReader` repeats have no label, so that they count once.
        """
        assert isinstance(self.reader, PointReader)
        cloud, values = self._read(source)
        name = self._found(cloud.others) if cloud.others else ""
        if unread := [other for other in cloud.others if other != name]:
            notice(f"has values at its points that are not read: {', '.join(unread)}")
        content, chosen = self.reader.prepare(cloud)
        labels = self.indices(values[chosen])
        added = len(content) - len(labels)
        return {CONTENT: content, LABELS: np.pad(labels, (0, added), constant_values=IGNORED)}

    def _read(self, source: PathOrBytes) -> tuple[Cloud, np.ndarray]:
        """Return the cloud of a file and the values of its labels, int64 (M,)."""
        kind = suffix_of(source, sniff(source) if isinstance(source, bytes) else None)
        if f".{kind}" not in self.kinds:
            raise ValueError(f"points of a {kind} file have no labels; {self.layout}")
        cloud = points.read(source, kind)
        if not isinstance(cloud, Cloud):
            raise ValueError("a mesh: its points are sampled and have no labels; save the points")
        found = _arrays(read_bytes(source)) if kind == "npz" else dict(cloud.others)
        name = self._found(found)
        values = whole_numbers(np.asarray(found[name]), f"{name!r}")
        if values.shape != (len(cloud.values),):
            raise ValueError(
                f"{name!r} has shape {values.shape} for {len(cloud.values):,} points; expected one "
                "label for each point"
            )
        return cloud, values

    def _found(self, others: Iterable[str]) -> str:
        """Return the name of the labels among the values of a file.

        Raises:
            ValueError: there are none, or several have usual names.
        """
        names = list(others)
        if self.label is not None:
            if self.label not in names:
                raise ValueError(
                    f"no values {self.label!r} at its points; it has {listed(names) or 'none'}"
                )
            return self.label
        usual = [n for n in names if n.lower().removeprefix("scalar_") in LABEL_NAMES]
        if len(usual) == 1:
            return usual[0]
        if not usual:
            raise ValueError(
                f"its points have no labels: {listed(names) or 'no'} values beside coordinates, "
                "normals and colours; name those that are labels: --data.element_label NAME"
            )
        raise ValueError(f"{listed(usual)} may be labels; choose one: --data.element_label NAME")


def has_labels(path: Path, label: str | None = None) -> bool:
    """Return whether a file holds points with labels.

    Args:
        path: the file.
        label: name of the labels; None: a usual one.
    """
    reader = LabelledPointReader(PointReader(1, points.AXES), label=label)
    try:
        reader._read(str(path))
    except ValueError:
        return False
    return True


def _arrays(raw: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file besides "points" that have one axis, or name labels."""
    found = {}
    with parser_errors("npz file"), zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name != POINTS:
                check_limit("decoded_bytes", info.file_size, "bytes of numbers")
                with archive.open(info) as file:
                    array = np.lib.format.read_array(file, allow_pickle=False)
                if array.ndim == 1 or name.lower() in LABEL_NAMES:
                    found[name] = array
    return found
