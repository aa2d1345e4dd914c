"""Images: raw batches (B, H, W, C), uint8 or float."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from ..augmentation import AugmentationConfig
from ..file_modality import PATCH_CHANNELS, FileModality, InputChoice
from ..measures import Measures, pixels_of
from .config import ConvImageConfig, ImageConfig, PixelsOutputConfig

if TYPE_CHECKING:
    from torch import Tensor

    from ..adapter import Adapter
    from .adapter import ImageAdapter
    from .conv_adapter import ConvImageAdapter
    from .labels import LabelledImageReader
    from .output import PixelsOutput
    from .reader import ImageReader

SIDES = (8, 16, 32, 48, 64, 96, 128, 160, 192, 224)
MAX_SIDE = 64  # largest side in pixels that `choose` resizes images to
ELONGATED = 1.5  # aspect ratio from which `choose` mentions that images are cropped


class Image(FileModality):
    """Images, whose elements are pixels or patches."""

    name = "image"
    recipe = "folder"
    labels_words = "masks in a folder beside the images"
    configs = (ImageConfig, ConvImageConfig)
    outputs = (PixelsOutputConfig,)
    augments = frozenset(
        {"crop_padding", "flip", "zoom", "rand_augment_layers", "rand_augment_magnitude"}
    )

    @override
    def adapter(self, config: Any) -> "ImageAdapter | ConvImageAdapter":
        from .adapter import ImageAdapter
        from .conv_adapter import ConvImageAdapter

        if isinstance(config, ConvImageConfig):
            return ConvImageAdapter(**config.adapter_options())
        return ImageAdapter(**config.adapter_options())

    @override
    def output(self, config: Any, adapter: "Adapter") -> "PixelsOutput":
        from .output import PixelsOutput

        return PixelsOutput(**config.options())

    @override
    def reader_class(self) -> "type[ImageReader]":
        from .reader import ImageReader

        return ImageReader

    @override
    def reader(self, config: Any) -> "ImageReader":
        step = 1
        if isinstance(config, ImageConfig):
            step = config.patch_stride or config.patch_size
        return self.reader_class()(
            config.image_size, config.channels, step, config.value_range, config.crop
        )

    @override
    def labelled_reader_class(self) -> "type[LabelledImageReader]":
        from .labels import LabelledImageReader

        return LabelledImageReader

    @override
    def labelled_files(self, folder: Path) -> list[Path]:
        from .labels import IMAGES, folder_of_masks

        places = [f for f in folder.iterdir() if f.name.lower() == IMAGES and f.is_dir()]
        if len(places) != 1 or not folder_of_masks(places[0]).is_dir():
            return []
        return sorted(f for f in places[0].rglob("*") if f.suffix.lower() in self.suffixes)

    @override
    def has_element_labels(self, path: Path, label: str | None) -> bool:
        from .labels import mask_of

        return mask_of(path) is not None

    @override
    def for_elements(self, config: Any) -> Any:
        """Return patches that do not overlap, so that each pixel belongs to one."""
        patch = config.patch_stride or config.patch_size
        return replace(config, patch_size=patch, patch_stride=None)

    @override
    def augment_labelled(
        self, batch: Any, labels: "Tensor", config: Any, augmentation: AugmentationConfig
    ) -> tuple[Any, "Tensor"]:
        from .augment import augment_with_masks

        if isinstance(batch, list):
            raise ValueError("images of different sizes are not augmented with their masks")
        return augment_with_masks(batch, labels, augmentation)

    @override
    def draw_classes(
        self, figure: Any, example: Any, classes: Any, config: Any, count: int
    ) -> None:
        from .draw import draw_classes

        draw_classes(figure, example, classes, config, count)

    @override
    def measure(self, config: Any, sources: Callable[[], Sequence[Any]]) -> tuple[Any, list[str]]:
        """Measure the range of the values of images of more than 8 bits."""
        from . import levels
        from .decode import wide_values

        if config.value_range is not None:
            return config, []
        return levels.measured(config, sources(), wide_values, self.noun)

    @override
    def varying_axes(self, config: Any) -> dict[int, str]:
        learned = isinstance(config, ImageConfig) and config.position == "learned"
        return {} if learned else {1: "height", 2: "width"}

    @override
    def aspect(self, example: Any, config: Any) -> float:
        return float(min(0.64, max(0.2, example.shape[0] / example.shape[1])))

    @override
    def draw(self, figure: Any, example: Any, values: Any, config: Any) -> None:
        from .draw import draw

        draw(figure, example, values, config)

    @override
    def preparation(self, config: Any) -> str:
        colours = "grey" if config.channels == 1 else "RGB"
        depth = ""
        if config.value_range is not None:
            low, high = config.value_range
            depth = f" (of more than 8 bits: scaled from {low:g} to {high:g})"
        return (
            f"pixels of the upright image, {colours} from 0 to 255{depth}, on white where "
            f"transparent; {_cut(config.crop)}the shorter side resized to {config.image_size} "
            "(bicubic, antialiased), the longer "
            "side cropped to its middle"
        )

    @override
    def augment_batch(self, batch: "Tensor", augmentation: AugmentationConfig) -> "Tensor":
        from .augment import augment_images

        return augment_images(batch, augmentation)

    @override
    def augmentation_words(self, config: Any, augmentation: AugmentationConfig) -> list[str]:
        return pixel_augmentation_words(augmentation)

    @override
    def probe(self, path: Path) -> dict[str, float]:
        from .decode import probe

        info = probe(path)
        return {"height": info.height, "width": info.width, "channels": info.channels}

    @override
    def describe(self, measures: Measures) -> str:
        shades = {1: "grey", 3: "colour"}
        ends = dict.fromkeys((measures["channels"].low, measures["channels"].high))
        return f"{' and '.join(shades[int(end)] for end in ends)}, {pixels_of(measures)}"

    @override
    def choose(self, measures: Measures, base: Any) -> InputChoice:
        """Choose a grid of 16 × 16 patches of 8 or 9 pixels; for small images one per pixel."""
        height, width = measures["height"].median, measures["width"].median
        size = usual_side(min(height, width), MAX_SIDE)
        channels = int(measures["channels"].high)
        small = size < 32
        step = 1 if small else size // 16
        patch = 3 if small else 8 + step % 2  # patch and step must differ by an even number
        config = ImageConfig(
            image_size=size,
            channels=channels,
            patch_size=patch,
            patch_stride=step,
            num_bands=size // 2 if small else 16,
            projection_dim=PATCH_CHANNELS,
            projection_activation="gelu",
        )
        shade = "grey" if channels == 1 else "colour"
        every = "around every pixel" if small else f"every {step}"
        elements = f"patches of {patch} × {patch} pixels {every}"
        line = f"images of {size} × {size} pixels in {shade}, {elements}"
        if max(height, width) >= ELONGATED * min(height, width):
            line += "; long images are cropped to the square in the middle"
        # Grey images are often handwriting or scans, which change their meaning when mirrored.
        flip = channels == 3
        augmentation = {
            "crop_padding": max(1, size // 8),
            "flip": flip,
            "zoom": 0.0 if flip else 0.15,
        }
        return InputChoice(config, (line,), augmentation)


def _cut(crop: float) -> str:
    return "" if crop == 1 else f"cut to {crop:.1%} of the shorter side about the middle; "


def usual_side(pixels: float, most: int, step: int = 8) -> int:
    """Return the largest usual image side of at most about `pixels` pixels, else the smallest one.

    Args:
        pixels: shorter side of the files, in pixels.
        most: largest side to return.
        step: the side is a multiple of this.
    """
    sides = [side for side in SIDES if side <= most and side % step == 0]
    return max((side for side in sides if side <= 1.1 * pixels), default=sides[0])


def pixel_augmentation_words(augmentation: AugmentationConfig) -> list[str]:
    """Name the augmentations of images and videos that are switched on."""
    pad = augmentation.crop_padding
    words = {
        f"shifts of {'a pixel' if pad == 1 else f'up to {pad} pixels'}": pad,
        "mirroring": augmentation.flip,
        "zoom": augmentation.zoom,
        "RandAugment": augmentation.rand_augment_layers,
    }
    return [word for word, on in words.items() if on]
