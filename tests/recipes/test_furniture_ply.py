"""The script that sorts models of furniture by kind."""

import numpy as np
import pytest
from scripts import load_script


@pytest.fixture(scope="module")
def script():
    return load_script("furniture_ply")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Table", "table"),
        ("Bedside table", "table"),
        ("Table with tablecloth", "table"),
        ("Table fan", None),
        ("Table tennis bat", None),
        ("Winchester armchair", "armchair"),
        ("Chair with cushion", "chair"),
        ("Double window 3 panes", "window"),
        ("Quadruple French window small panes", "window"),
        ("Double door with panes", "door"),
        ("Glass door cabinet", "cabinet"),
        ("Sitting female", None),
        ("Wheelchair", None),
    ],
)
def test_the_noun_of_a_name_is_its_kind(script, name, kind):
    assert script.kind_of(name) == kind


def test_nearly_equal_clouds_are_one_group(script):
    rng = np.random.default_rng(0)
    box, ball = rng.uniform(-1, 1, (script.POINTS, 3)), rng.normal(size=(script.POINTS, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    # A variant has another size, and each point moved by a thousandth.
    variant = 2.5 * box + rng.normal(scale=1e-3, size=box.shape)
    groups = script.groups_of([box, ball, variant])
    assert groups[0] == groups[2] != groups[1]


def test_groups_are_not_parted(script):
    groups = np.array([0, 0, 0, 3, 4, 5, 6, 7, 7, 9, 10, 11])
    chosen = script.test_models(groups)
    assert 3 <= chosen.sum() <= 4
    for group in np.unique(groups):
        assert len(set(chosen[groups == group])) == 1
