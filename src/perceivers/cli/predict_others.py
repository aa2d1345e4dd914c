"""What `perceivers predict` does with models whose outputs are neither classes nor numbers."""

import argparse
import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from .console import complain, say

if TYPE_CHECKING:
    import numpy as np

    from ..exported import ExportedModel
    from ..models.base import PerceiverModel

OUT = Path("predictions")
# Options for classes and numbers; these outputs have no use for them.
NOT_USED = {"csv": None, "clips": 1, "own_size": False, "stdin_kind": None}


def check_no_solids(options: argparse.Namespace) -> None:
    """Refuse the options of models of solids where they would be ignored."""
    for name in ("resolution", "format"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} is for models that write meshes; leave it out")


def predict_others(model: "PerceiverModel | ExportedModel", options: argparse.Namespace) -> int:
    """Predict with a model of Perceiver IO: fill texts, or write files.

    Args:
        model: the model, or what it was exported to.
        options: options of the command.

    Raises:
        ValueError: an option or a file does not fit the model.
        OSError: a file cannot be read or written.
    """
    from ..modalities import FramePairConfig, FusionOutputConfig, TextConfig
    from ..models.base import PerceiverModel

    for name, default in NOT_USED.items():
        if getattr(options, name) != default:
            raise ValueError(f"--{name.replace('_', '-')} is for classes and numbers; leave it out")
    task = model.config.task
    if task != "occupancy" or not isinstance(model, PerceiverModel):
        check_no_solids(options)
    if isinstance(model, PerceiverModel) and task == "segmentation":
        return _label_elements(model, options)
    if isinstance(model, PerceiverModel) and task == "forecasting":
        return _forecast(model, options)
    if isinstance(model, PerceiverModel) and task == "occupancy":
        return _write_solids(model, options)
    if task == "language":
        raise ValueError(
            f"{options.model} continues texts; use perceivers generate {options.model} --prompt …"
        )
    if isinstance(model.config.input, TextConfig) and task != "segmentation":
        return _fill_texts(model, options)
    if options.text:
        raise ValueError("--text is for models of texts; give files")
    if isinstance(model.config.input, FramePairConfig):
        return _draw_flow(model, options)
    if isinstance(getattr(model.config, "output", None), FusionOutputConfig):
        return _rebuild_films(model, options)
    if isinstance(model, PerceiverModel) and task == "reconstruction":
        return _rebuild_files(model, options)
    if not isinstance(model, PerceiverModel):
        raise ValueError(
            f"{options.model} is an exported model whose outputs are not written as files; give "
            "the run that it was exported from"
        )
    raise ValueError(
        f"models with input of kind {model.config.input.kind!r} cannot predict files; pass "
        "tensors: perceivers.load(…)(batch)"
    )


def _label_elements(model: "PerceiverModel", options: argparse.Namespace) -> int:
    from ..checkpoint import local_directory, read_limits
    from ..models.perceiver_io import PerceiverIOModel
    from ..places import make_directory
    from ..predict.elements import label_file
    from ..predict.outputs import find_files
    from ..reading import using

    assert isinstance(model, PerceiverIOModel)
    if options.text:
        raise ValueError("--text is for models that complete texts; give files")
    folder = options.out or OUT
    make_directory(folder)
    entries: list[dict[str, object]] = []
    failed = 0
    for name in find_files(options.files, model):
        try:
            with using(read_limits(local_directory(options.model))):
                result = label_file(model, Path(name), folder)
        except ValueError as error:
            failed += 1
            complain(f"{name}: {error}")
            entries.append({"file": name, "error": str(error)})
            continue
        entries.append({"file": name, "elements": result.counts, "files": [str(result.written)]})
        if not options.json:
            counts = ", ".join(f"{label} {count:,}" for label, count in result.counts.items())
            say(f"{name}: {counts}; wrote {result.written}")
    if options.json:
        say(json.dumps(entries, ensure_ascii=False))
    return 1 if failed else 0


def _rebuild_files(model: "PerceiverModel", options: argparse.Namespace) -> int:
    from ..places import make_directory
    from ..predict.outputs import find_files
    from ..predict.rebuild import rebuild_file

    folder = options.out or OUT
    make_directory(folder)
    entries: list[dict[str, object]] = []
    for name in find_files(options.files, model):
        try:
            result = rebuild_file(model, Path(name), folder)
        except ValueError as error:
            complain(f"{name}: {error}")
            entries.append({"file": name, "error": str(error)})
            continue
        files = [str(result.written)]
        entries.append({"file": name, "psnr_db": round(result.psnr, 2), "files": files})
        if not options.json:
            say(f"{name}: PSNR of {result.psnr:.1f} dB; wrote {result.written}")
    if options.json:
        say(json.dumps(entries, ensure_ascii=False))
    return int(any("error" in entry for entry in entries))


def _forecast(model: "PerceiverModel", options: argparse.Namespace) -> int:
    from ..checkpoint import local_directory, read_limits
    from ..modalities import SeriesConfig
    from ..places import make_directory
    from ..predict.series import forecast, summary, write_forecast
    from ..reading import limits_of, using

    if options.text:
        raise ValueError("--text is for models of texts; give files of series")
    folder = options.out or OUT
    _check_stems(options.files)
    make_directory(folder)
    inputs = model.config.input
    assert isinstance(inputs, SeriesConfig)
    limits = limits_of(read_limits(local_directory(options.model)))
    entries: list[dict[str, object]] = []
    for name in options.files:
        try:
            with using(limits):
                found = forecast(model, Path(name))
        except ValueError as error:
            complain(f"{name}: {error}")
            entries.append({"file": name, "error": str(error)})
            continue
        base = folder / f"{Path(name).stem}-forecast"
        written = write_forecast(found, base, 2 * inputs.length)
        head, *rows = found.rows()
        steps = [dict(zip(head, row, strict=True)) for row in rows]
        entries.append({"file": name, "forecast": steps, "files": [str(x) for x in written]})
        if not options.json:
            say(f"{name}: {summary(found)}; wrote {written[0]} and {written[1]}")
    if options.json:
        say(json.dumps(entries, ensure_ascii=False))
    return 1 if any("error" in entry for entry in entries) else 0


def _write_solids(model: "PerceiverModel", options: argparse.Namespace) -> int:
    from ..checkpoint import local_directory, read_limits
    from ..places import make_directory
    from ..predict.outputs import find_files
    from ..predict.solids import RESOLUTION, solid_of, write_solid
    from ..reading import limits_of, using

    if options.text:
        raise ValueError("--text is for models of texts; give files of points")
    files = find_files(options.files, model)
    _check_stems(files)
    folder = options.out or OUT
    make_directory(folder)
    limits = limits_of(read_limits(local_directory(options.model)))
    entries: list[dict[str, object]] = []
    for name in files:
        target = folder / f"{Path(name).stem}-solid.{options.format or 'ply'}"
        try:
            with using(limits):
                solid = solid_of(model, Path(name), options.resolution or RESOLUTION)
            write_solid(solid, target, Path(name))
        except ValueError as error:
            complain(f"{name}: {error}")
            entries.append({"file": name, "error": str(error)})
            continue
        counts = {"vertices": len(solid.vertices), "faces": len(solid.faces)}
        entries.append({"file": name, **counts, "volume": solid.volume, "files": [str(target)]})
        if not options.json:
            say(
                f"{name}: a surface of {len(solid.faces):,} triangles around a volume of "
                f"{solid.volume:.4g}; wrote {target}"
            )
    if options.json:
        say(json.dumps(entries, ensure_ascii=False))
    return 1 if any("error" in entry for entry in entries) else 0


def _check_stems(files: Sequence[str]) -> None:
    """Refuse files whose results would be written to the same place."""
    stems = [Path(name).stem for name in files]
    if twice := [stem for stem in stems if stems.count(stem) > 1]:
        raise ValueError(
            f"several files are called {twice[0]}, and would be written to the same place; predict "
            "them one by one, each with its own --out"
        )


def _fill_texts(model: "PerceiverModel | ExportedModel", options: argparse.Namespace) -> int:
    from ..predict.text import fill_masks, read_text

    texts = [*map(read_text, options.files), *options.text]
    results = fill_masks(model, texts)
    if options.json:
        say(json.dumps([vars(result) for result in results], ensure_ascii=False))
        return 0
    for result in results:
        say(result.text)
        for span, probability in zip(result.spans, result.probabilities, strict=True):
            say(f"  {span!r} {probability:.1%}")
    return 0


def _draw_flow(model: "PerceiverModel | ExportedModel", options: argparse.Namespace) -> int:
    import numpy as np

    from ..files import write_atomically
    from ..modalities.flow.files import colours, write_flo
    from ..places import make_directory
    from ..predict.flow import predict_flow

    files = [Path(file) for file in options.files]
    if len(files) < 2:
        raise ValueError(f"got {len(files)} file; expected two or more frames, in their order")
    make_directory(options.out or OUT)
    entries = []
    for first, second in pairwise(files):
        flow = predict_flow(model, first, second)
        base = (options.out or OUT) / f"{first.stem}-{second.stem}"
        flo, png = base.with_name(base.name + ".flo"), base.with_name(base.name + ".png")
        write_atomically(flo, partial(write_flo, flow=flow))
        _write_png(png, colours(flow))
        lengths = np.hypot(flow[..., 0], flow[..., 1])
        entries.append(
            {
                "first": str(first),
                "second": str(second),
                "mean_pixels": round(float(lengths.mean()), 4),
                "largest_pixels": round(float(lengths.max()), 4),
                "files": [str(flo), str(png)],
            }
        )
        if not options.json:
            say(
                f"{first} → {second}: {lengths.mean():.2f} pixels on average, up to "
                f"{lengths.max():.2f}; wrote {flo} and {png}"
            )
    if options.json:
        say(json.dumps(entries))
    return 0


def _write_png(path: Path, pixels: "np.ndarray") -> None:
    from ..files import write_atomically
    from ..modalities.image.opening import pillow

    picture = pillow().fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    write_atomically(path, lambda part: picture.save(part, format="PNG"))


def _rebuild_films(model: "PerceiverModel | ExportedModel", options: argparse.Namespace) -> int:
    from ..files import write_atomically
    from ..places import make_directory
    from ..predict.film import rebuild_film
    from ..predict.formatting import as_json, probabilities_as_text

    folder = options.out or OUT
    stems = [Path(file).stem for file in options.files]
    if len(set(stems)) < len(stems):
        raise ValueError("two files have the same name; predict them with different --out")
    make_directory(folder)
    entries = []
    for file, stem in zip(options.files, stems, strict=True):
        film = rebuild_film(model, file, top_k=options.top_k)
        mkv, png = folder / f"{stem}.mkv", folder / f"{stem}.png"
        for path in (mkv, png):
            if path.exists() and path.samefile(file):
                raise ValueError(f"{file} would be replaced; choose another --out")
        write_atomically(mkv, film.write)
        _write_png(png, film.strip())
        entries.append(
            {
                "file": str(file),
                "psnr_db": {name: round(value, 2) for name, value in film.psnr.items()},
                "classes": as_json(film.classes, numbers=False),
                "files": [str(mkv), str(png)],
            }
        )
        if not options.json:
            ratios = ", ".join(f"{name} {value:.1f} dB" for name, value in film.psnr.items())
            named = f"{probabilities_as_text(film.classes)}; " if film.classes else ""
            say(f"{file}: {named}PSNR of {ratios}; wrote {mkv} and {png}")
    if options.json:
        say(json.dumps(entries, ensure_ascii=False))
    return 0
