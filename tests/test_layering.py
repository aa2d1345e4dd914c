"""The house: imports point downward, and heavy packages stay in their rooms."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

from perceivers.modalities import MODALITIES, FileModality, Modality

PACKAGE = Path(__file__).parents[1] / "src" / "perceivers"

LEVELS = {
    "errors": 0,
    "checksums": 0,
    "machine": 0,
    "places": 0,
    "printing": 0,
    "reading": 0,
    "core": 0,
    "files": 1,
    "hub": 1,
    "modalities": 1,
    "data": 2,
    "models": 3,
    "checkpoint": 5,
    "interop": 4,
    "explain": 4,
    "exported": 4,
    "training": 6,
    "predict": 6,
    "export": 7,
    "report": 7,
    "recipes": 7,
    "autoconfig": 8,
    "serve": 8,
    "publishing": 8,
    "api": 9,
    "cli": 10,
    "__main__": 11,
}
# Third-party packages that only some rooms may import.
CONFINED = {
    "lightning": {"training"},
    "torchmetrics": {"training"},
    "matplotlib": {"training", "modalities", "report"},
    "tqdm": {"training"},
    "datasets": {"data"},
    "PIL": {"modalities"},
    "av": {"modalities"},
    "mcubes": {"modalities"},
    "trimesh": {"modalities"},
    "scipy": {"modalities"},
    "pyarrow": {"modalities"},
    "huggingface_hub": {"hub", "publishing"},
    "perceiver_pytorch": {"interop"},
    "keras": {"interop"},
    "h5py": {"interop"},
    "fastapi": {"serve"},
    "starlette": {"serve"},
    "uvicorn": {"serve"},
    "prometheus_client": {"serve"},
    "onnx": {"export"},
    "onnxscript": {"export"},
    "onnxruntime": {"export", "exported"},
}
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = [path for path in MODULES if path != PACKAGE / "__init__.py"]  # the door opens them all


def room_of(parts: tuple[str, ...]) -> str:
    return Path(parts[0]).stem


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """Return the imports and constants of a file."""
    kinds = (ast.Import, ast.ImportFrom, ast.Constant)
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]


def imports(path: Path) -> list[tuple[str, bool]]:
    """(dotted name, whether it is ours) of every import in a file, relative ones resolved."""
    package = path.relative_to(PACKAGE).parts[:-1]
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [(alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [(".".join((*base, name)), True) for name in names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", False))
    return found


@pytest.mark.parametrize("path", ROOMS, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downward(path: Path) -> None:
    room = room_of(path.relative_to(PACKAGE).parts)
    for name, ours in imports(path):
        top = name.split(".")[0]
        if ours and top in LEVELS and top != room:
            assert LEVELS[top] < LEVELS[room], f"{room} imports {name}, which lies above or beside"
        if not ours and top in CONFINED:
            assert room in CONFINED[top], f"{top} is imported in {room}"


def test_core_imports_torch_alone() -> None:
    allowed = {"torch", "math", "collections", "contextlib", "contextvars", "functools"}
    allowed |= {"typing", "dataclasses"}
    for path in (PACKAGE / "core").glob("*.py"):
        for name, ours in imports(path):
            assert ours or name.split(".")[0] in allowed, f"{path.name} imports {name}"
            assert not ours or name.split(".")[0] == "core", f"{path.name} imports {name}"


def test_modules_import_each_other_in_no_circle() -> None:
    """Imports at the top of modules and inside functions, `__init__` files aside."""
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in MODULES}
    graph = {
        name: {
            other
            for found, ours in imports(path)
            if ours
            for other in (found, f"{found}.__init__")
            if other in names and other != name
        }
        for name, path in names.items()
    }
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()  # raises CycleError with the circle


def test_every_room_has_a_level() -> None:
    rooms = {room_of(path.relative_to(PACKAGE).parts) for path in MODULES} - {"__init__"}
    assert rooms == set(LEVELS)


# Words that mean something else there than a modality.
PARTS = {"audio", "video"}  # names of the parts of a fusion
TRACKS = {"audio", "video", "sound"}  # FFmpeg's names of the tracks of a file, and ours
COLUMN = {"text"}  # what a column of a table holds
OTHER_MEANING = {
    "models/presets.py": PARTS,
    "interop/transformers_outputs.py": PARTS,
    "interop/transformers_names.py": PARTS | {"image"},  # a part of transformers' models
    "recipes/grid_corpus.py": PARTS,
    "recipes/autoencode_av.py": PARTS,
    "modalities/fusion/config.py": PARTS,
    "modalities/video/__init__.py": PARTS,
    "modalities/media.py": TRACKS,
    "modalities/video/decode.py": TRACKS,
    "modalities/table/kinds.py": COLUMN,
    "autoconfig/inspect_table.py": COLUMN,
    "autoconfig/findings.py": COLUMN,
    "autoconfig/table_inputs.py": COLUMN,
    "cli/predict_output.py": {"text"},  # a column, and a key of an entry
    "serve/app.py": {"array", "rows"},  # a type of JSON, and a key of a request
    "serve/uploads.py": {"rows"},  # a key of a request
    "training/recorder.py": {"rows"},  # the rows of metrics.csv
}


@pytest.mark.parametrize("modality", MODALITIES, ids=lambda m: type(m).__name__)
def test_a_kind_is_spelled_in_its_own_room_alone(modality: Modality) -> None:
    """The rest of the package asks the modality's record instead of comparing strings."""
    words = {config.kind for config in modality.configs}
    if isinstance(modality, FileModality):
        words.add(modality.name)
    room = PACKAGE.joinpath(*type(modality).__module__.split(".")[1:])
    for path in MODULES:
        name = path.relative_to(PACKAGE).as_posix()
        if room in path.parents:
            continue
        for node in nodes(path):
            spelled = isinstance(node, ast.Constant) and node.value in words
            assert not spelled or node.value in OTHER_MEANING.get(name, ()), (
                f"{name}, line {node.lineno}: {node.value!r} is a kind of {room.name}"
            )
