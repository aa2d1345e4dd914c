"""Documents: relative links exist, Python blocks parse, commands exist."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from perceivers import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_relative_links_point_to_files(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_python_blocks_parse(path):
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        ast.parse(block)


def test_commands_of_the_readme_parse():
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    commands = re.findall(r"^(?:\$ )?(?:\.venv/bin/)?perceivers (.+)$", text, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        arguments = shlex.split(command)
        namespace, rest = cli.parse(arguments)
        assert not rest or namespace.command == "train"


def test_every_recipe_and_preset_is_documented():
    from perceivers.models.presets import PRESETS
    from perceivers.recipes import RECIPES

    for make in (*RECIPES.values(), *PRESETS.values()):
        assert make.__doc__
    readme = (ROOT / "README.md").read_text()
    for name in RECIPES:
        assert f"`{name}`" in readme
