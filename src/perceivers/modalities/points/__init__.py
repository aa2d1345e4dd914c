"""Point clouds: raw batches are floats (B, M, C) whose first three channels are x, y and z."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..augmentation import AugmentationConfig
from ..file_modality import FileModality, InputChoice
from ..measures import Measures, median_of, number
from .config import OccupancyConfig, PointsConfig

if TYPE_CHECKING:
    from torch import Tensor

    from ..adapter import Adapter
    from .adapter import PointAdapter
    from .labels import LabelledPointReader
    from .output import OccupancyOutput
    from .reader import PointReader
    from .solids import SolidReader

AXES = 3
MAX_POINTS = 1024  # points that `choose` reads from each file at most


class Points(FileModality):
    """Point clouds, and points sampled from the surface of meshes."""

    name = "points"
    recipe = "kicad"
    configs = (PointsConfig,)
    outputs = (OccupancyConfig,)
    augments = frozenset({"point_scaling", "point_dropout", "rotate", "flip"})
    measured_whole = True
    labels_words = "a property of the points, or an array beside them"

    @override
    def adapter(self, config: Any) -> "PointAdapter":
        from .adapter import PointAdapter

        return PointAdapter(**config.adapter_options())

    @override
    def output(self, config: Any, adapter: "Adapter") -> "OccupancyOutput":
        from .output import OccupancyOutput

        return OccupancyOutput(adapter, **config.options())

    @override
    def reader_class(self) -> "type[PointReader]":
        from .reader import PointReader

        return PointReader

    @override
    def reader(self, config: Any) -> "PointReader":
        return self.reader_class()(
            config.num_points,
            config.channels,
            config.own_length,
            config.size_channel,
            config.neighbours,
        )

    @override
    def labelled_reader_class(self) -> "type[LabelledPointReader]":
        from .labels import LabelledPointReader

        return LabelledPointReader

    @override
    def solid_reader(self, config: Any) -> "SolidReader":
        from .solids import SolidReader

        return SolidReader(self.reader(config))

    @override
    def measure(self, config: Any, sources: Callable[[], Sequence[Any]]) -> tuple[Any, list[str]]:
        """Say if channels after the coordinates are of another scale in some of the files."""
        from .decode import channels_added
        from .scales import describe_mixed_scales

        stored = config.channels - channels_added(config.size_channel, config.neighbours)
        return config, describe_mixed_scales(sources(), stored) if stored > AXES else []

    @override
    def varying_axes(self, config: Any) -> dict[int, str]:
        return {1: "points"}

    @override
    def aspect(self, example: Any, config: Any) -> float:
        return 0.38

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def draw_classes(
        self, figure: Any, example: Any, classes: Any, config: Any, count: int
    ) -> None:
        from .draw import draw_classes

        draw_classes(figure, example, classes, count)

    @override
    def preparation(self, config: Any) -> str:
        more = config.channels - 3
        return (
            f"{config.num_points} points: x, y and z, centred at the mean and scaled into the cube "
            "[-1, 1]³"
            + (f", and {more} more channels (see perceivers.modalities.points)" if more else "")
        )

    @override
    def augment(self, batch: Any, config: Any, augmentation: AugmentationConfig) -> Any:
        from .augment import augment_points

        def augmented(points: "Tensor") -> "Tensor":
            return augment_points(
                points,
                augmentation,
                normals=config.normals,
                neighbours=config.neighbours,
                in_file_unit=config.size_channel,
            )

        if isinstance(batch, list):
            return [augmented(points[None])[0] for points in batch]
        return augmented(batch)

    @override
    def augment_labelled(
        self, batch: Any, labels: "Tensor", config: Any, augmentation: AugmentationConfig
    ) -> tuple[Any, "Tensor"]:
        from .augment import drop_points_and_labels

        if share := augmentation.point_dropout:
            batch, labels = drop_points_and_labels(batch, labels, share)
            augmentation = replace(augmentation, point_dropout=0.0)
        return self.augment(batch, config, augmentation), labels

    @override
    def augment_solids(
        self, batch: Any, labels: "Tensor", config: Any, augmentation: AugmentationConfig
    ) -> tuple[Any, "Tensor"]:
        from .augment import augment_solids

        if augmentation.point_scaling:
            raise ValueError(
                "data.point_scaling moves each point by itself, and the inside of a solid cannot "
                "follow; leave it out"
            )
        if config.channels > AXES and (augmentation.flip or augmentation.rotate != "none"):
            raise ValueError(
                "data.flip and data.rotate of solids move coordinates alone, and the points have "
                f"{config.channels} channels; leave them out"
            )
        return augment_solids(batch, labels, augmentation)

    @override
    def augmentation_remarks(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        from .surface import SHAPE_CHANNELS

        added = config.size_channel + SHAPE_CHANNELS * len(config.neighbours)
        known = 3 + 3 * config.normals
        more = config.channels - added - known
        turned = [augmentation.flip and "mirroring", augmentation.rotate != "none" and "rotation"]
        if more < 1 or not any(turned):
            return []
        words = " and ".join(word for word in turned if word)
        line = f"{words} of points changes channels 1 to {known}, not the {more} that follow"
        if not config.normals:
            line += "; if channels 4 to 6 are normals, set --model.input.normals true"
        return [line]

    @override
    def augmentation_words(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        words = {
            "mirroring": augmentation.flip,
            "dropping points": augmentation.point_dropout,
            "scaling each point at random": augmentation.point_scaling,
            f"rotation about {augmentation.rotate}": augmentation.rotate != "none",
        }
        return [word for word, on in words.items() if on]

    @override
    def labelled_files(self, folder: Path) -> list[Path]:
        return sorted(f for f in folder.iterdir() if f.suffix.lower() in (".ply", ".npz"))

    @override
    def has_element_labels(self, path: Path, label: str | None) -> bool:
        from .labels import has_labels

        return has_labels(path, label)

    @override
    def for_elements(self, config: Any) -> Any:
        return replace(config, own_length=True)

    @override
    def probe(self, path: Path) -> dict[str, float]:
        from .decode import probe

        info = probe(path)
        return {
            "points": info.num_points,
            "channels": info.channels,
            "faces": info.num_faces,
            "normals": float(info.has_normals),
        }

    @override
    def describe(self, measures: Measures) -> str:
        what = "points" if measures["faces"].high == 0 else "vertices of meshes"
        ends = dict.fromkeys((measures["channels"].low, measures["channels"].high))
        channels = " to ".join(map(number, ends))
        return f"{median_of(measures['points'], what)} of {channels} channels"

    @override
    def choose(self, measures: Measures, base: Any) -> InputChoice:
        from .surface import SHAPE_CHANNELS

        # Any number of points can be sampled from a mesh.
        mesh, median = measures["faces"].high > 0, int(measures["points"].median)
        count = MAX_POINTS if mesh else min(MAX_POINTS, max(3, median))
        channels = int(measures["channels"].low)
        normals = measures["normals"]
        differ = channels > AXES and normals.low != normals.high
        if differ:
            channels = AXES
        config = replace(
            base,
            num_points=count,
            channels=channels + SHAPE_CHANNELS * len(base.neighbours),
            normals=channels >= 6 and normals.low == 1,
            size_channel=False,  # the files of a folder may be in different units
        )
        more = f", {channels - AXES} more channels" if channels > AXES else ""
        line = (
            f"{count:,} points of each file: coordinates{more} and the shape of the surface around "
            "each point"
        )
        if differ:
            line += "; no other channels, as only some of the files have normals before the others"
        elif channels < measures["channels"].high:
            line += "; channels that only some of the files have are not read"
        # Channels beyond the third may be directions, which `flip` does not mirror.
        return InputChoice(config, (line,), {"flip": channels == AXES})
