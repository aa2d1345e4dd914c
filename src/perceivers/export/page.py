"""Export a run as a page that classifies files in the browser, without a server of its own."""

import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

from ..checkpoint import read_model_config
from ..exported import weights_file
from ..modalities import modality_of
from ..models.config import ModelConfig
from ..places import check_place, make_directory, write_errors
from .program import check_exportable
from .run import Exported, export_run
from .runtime import check_runtime, copy_runtime

PAGE = ("index.html", "app.js", "start.js", "page.css")
SHARED = ("outputs.js", "style.css")  # with the page of the service
MODEL = "model.onnx"


def export_page(
    run_dir: Path, out: Path, *, runtime: Path | None = None, int8: bool = False
) -> Exported:
    """Write the model of a run, and a page that runs it on files of the user, to a new folder.

    Nothing is uploaded: the page reads files as `perceivers predict` does, and runs the model with
    onnxruntime-web. Browsers open the folder through any file server, such as
    `python -m http.server -d DIR`.

    Args:
        run_dir: run directory or saved model.
        out: folder to write.
        runtime: the unpacked npm package onnxruntime-web; None: npm downloads it.
        int8: see `export_run`.

    Raises:
        FileExistsError: `out` exists.
        ValueError: no page can read the model's input; or as `export_run`.
        ImportError: a package of the extra "export" is not installed.
        OSError: npm is not installed; or as `export_run`.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists already; choose another --web, or remove it")
    check_place(out)
    config, _ = read_model_config(run_dir)
    check_exportable(config)
    if not isinstance(config, ModelConfig):
        raise ValueError(
            f"--web: a page shows classes and numbers, and {run_dir} holds a model for "
            f"{config.task or config.kind}; use --out, or perceivers predict"
        )
    scripts = modality_of(config.input).page_scripts()
    if not scripts:
        raise ValueError(
            f"--web: a page cannot read input of kind {config.input.kind!r} yet; use --out, or "
            "perceivers serve"
        )
    check_runtime(runtime)
    make_directory(out.parent)
    with (
        write_errors(out),
        tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch,
    ):
        folder = Path(scratch) / out.name
        reader = folder / "reader"
        reader.mkdir(parents=True)
        copy_runtime(folder / "onnxruntime", runtime)  # first: it may fail where npm does
        exported = _export_run(run_dir, folder / MODEL, out / MODEL, int8=int8)
        if weights_file(folder / MODEL).exists():
            raise ValueError(
                "--web: the weights of the model are larger than 2 GiB, too large for a browser; "
                "use --out"
            )
        package = files("perceivers")
        for name in PAGE:
            (folder / name).write_bytes((package / "export/web" / name).read_bytes())
        for name in SHARED:
            (folder / name).write_bytes((package / "serve/page" / name).read_bytes())
        for script in scripts:
            shutil.copyfile(script, reader / script.name)
        folder.rename(out)
    return Exported(out / MODEL, exported.difference, exported.checked_on, exported.scores)


def _export_run(run_dir: Path, unfinished: Path, model: Path, *, int8: bool) -> Exported:
    """Export a run; errors name the file by the name that it will have."""
    try:
        return export_run(run_dir, unfinished, int8=int8)
    except OSError as error:
        raise OSError(str(error).replace(str(unfinished), str(model))) from error
