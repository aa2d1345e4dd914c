"""The documents: links lead somewhere, Python blocks run, commands parse."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from texts import tiny_ar

import perceivers
from perceivers import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
WITH_CODE = [path for path in DOCUMENTS if BLOCK.search(path.read_text())]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_relative_links_point_to_files(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_tests_of_each_fault_exist():
    section = (ROOT / "docs/results/faults.md").read_text().split("## Tests of each fault")[1]
    rows = re.findall(r"^\| ([ABC]\d+) .*? \| (.*) \|$", section.split("\n## ")[0], re.M)
    letters = ["A"] * 17 + ["B"] * 7 + ["C"] * 6
    assert [name for name, _ in rows] == [f"{x}{i}" for i, x in enumerate(letters, 1)]
    for name, places in rows:
        for place in places.split("; "):
            file, _, functions = place.partition(": ")
            code = (ROOT / "tests" / file).read_text()
            for function in filter(None, functions.split(", ")):
                assert f"def test_{function}(" in code, (name, file, function)


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda p: p.name)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    """All blocks of a document, one after another in one namespace, as a reader would type them."""
    text = path.read_text()
    shutil.copytree(ROOT / "examples" / "digits", tmp_path / "examples" / "digits")
    monkeypatch.chdir(tmp_path)
    perceivers.save(tiny_ar(), "runs/texts")
    namespace = models_of_other_libraries() if "keras_model" in text else {}
    for number, block in enumerate(BLOCK.findall(text), 1):
        exec(compile(block, f"{path.name}, block {number}", "exec"), namespace)


def models_of_other_libraries():
    """Return what a reader of docs/weights.md brings."""
    import perceiver_pytorch

    from perceivers.interop.keras_reference import build_keras_example, import_keras
    from perceivers.models.config import KerasExampleConfig

    small = {"depth": 1, "num_latents": 4, "latent_dim": 8, "latent_heads": 1, "num_classes": 2}
    module = perceiver_pytorch.Perceiver(num_freq_bands=2, max_freq=8.0, **small)
    with import_keras().device("cpu"):
        return {"module": module, "keras_model": build_keras_example(KerasExampleConfig())}


def commands_of(path):
    text = path.read_text().replace("\\\n", " ")
    return re.findall(r"^(?:\$ |curl [^|\n]*\| )?perceivers (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if commands_of(p)], ids=lambda p: p.name)
def test_commands_parse(path):
    for command in commands_of(path):
        namespace, rest = cli.parse(shlex.split(command, comments=True))
        assert not rest or namespace.command == "train"


def test_the_readme_says_how_to_install_every_extra():
    readme = (ROOT / "README.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in set(project["optional-dependencies"]) - {"dev", "bench"}:
        assert re.search(rf"^\|.*`{extra}`.*\|", readme, re.MULTILINE), f"{extra} is not explained"


def test_every_recipe_and_preset_is_documented():
    from perceivers.models.presets import PRESETS
    from perceivers.recipes import RECIPES

    for make in (*RECIPES.values(), *PRESETS.values()):
        assert make.__doc__
    readme = (ROOT / "README.md").read_text()
    for name in RECIPES:
        assert f"`{name}`" in readme
