"""The adapter of numbers and categories: one element per column."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_classifier

from perceivers.core import grid
from perceivers.modalities import TabularConfig
from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.points.adapter import PointAdapter
from perceivers.modalities.table.adapter import TabularAdapter
from perceivers.models.build import build_on_meta

NAN, INF = math.nan, math.inf
COLUMNS = {
    "numeric": ("age", "height"),
    "categorical": ("eyes", "town"),
    "categories": (("blue", "brown", "green"), ("Bern", "Oslo")),
}
ROWS = torch.tensor([[0.5, -1.0, 2, 0], [0.25, 1.5, 0, 1], [-0.5, 0.0, 1, 1]])


def adapter(**options):
    torch.manual_seed(0)
    return TabularAdapter(**{**COLUMNS, "embedding_dim": 6, "num_bands": 3, **options})


def classifier(**options):
    return tiny_classifier(
        TabularConfig(**{**COLUMNS, "embedding_dim": 6, "num_bands": 3, **options})
    )


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(1, 9), st.integers(0, 3)
)
def test_one_element_a_column(numeric, categorical, batch, width, bands):
    if not numeric + categorical:
        return
    table = TabularAdapter(
        numeric=[f"n{i}" for i in range(numeric)],
        categorical=[f"c{i}" for i in range(categorical)],
        categories=[["a", "b", "c"][: i + 1] for i in range(categorical)],
        embedding_dim=width,
        num_bands=bands,
    )
    rows = torch.cat([torch.randn(batch, numeric), torch.zeros(batch, categorical)], dim=1)
    got = table(rows)
    assert got.content.shape == (batch, numeric + categorical, width)
    assert got.position.shape == (1, numeric + categorical, width)
    assert got.mask.all()
    assert got.dim == table.dim
    assert got.content.shape[1] == table.num_inputs


def test_contents_of_numbers_and_categories():
    """A number has x and its sines and cosines times its column's weights; a category a vector."""
    table = adapter()
    got = table(ROWS).content
    for row in range(3):
        for column in range(2):
            x = ROWS[row, column]
            angles = 2 * math.pi * x * table.frequencies[column]
            features = torch.cat([x[None], angles.sin(), angles.cos()])
            torch.testing.assert_close(got[row, column], features @ table.weight[column])
        eyes, town = ROWS[row, 2:].long()
        torch.testing.assert_close(got[row, 2], table.embedding.weight[eyes])
        torch.testing.assert_close(got[row, 3], table.embedding.weight[3 + town])
    assert torch.equal(table(ROWS).position[0], table.position.weight)


def test_contents_and_positions_have_lengths_of_about_one():
    torch.manual_seed(0)
    table = TabularAdapter(**COLUMNS, embedding_dim=256)
    got = table(torch.cat([torch.randn(500, 2), torch.randint(2, (500, 2))], dim=1))
    for lengths in (got.content.norm(dim=-1), got.position.norm(dim=-1)):
        assert (lengths > 0.5).all()
        assert (lengths < 1.5).all()


def test_without_frequencies_contents_are_linear():
    table = adapter(num_bands=0)
    one, two = table(ROWS).content[:, :2], table(2 * ROWS).content[:, :2]
    torch.testing.assert_close(two, 2 * one)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=4, max_size=4), st.sampled_from([NAN, INF, -INF]))
def test_missing_cells_have_no_effect(missing, placeholder):
    model = classifier()
    is_missing = torch.tensor(missing)
    rows = ROWS.masked_fill(is_missing, placeholder)
    with torch.no_grad():
        got = model(rows)
        expected = model(ROWS, mask=~is_missing.expand(3, -1))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    inputs = model.adapter(rows)
    assert torch.equal(inputs.mask, ~is_missing.expand(3, -1))
    assert not inputs.content[:, is_missing].any()
    assert got.isfinite().all()


@pytest.mark.parametrize("value", [-1, 3, 2.5, NAN, INF, 1e30])
def test_categories_that_are_not_in_the_list(value):
    rows = ROWS.clone()
    rows[:, 2] = value
    got = adapter()(rows)
    assert not got.mask[:, 2].any()
    assert not got.content[:, 2].any()
    assert got.mask[:, [0, 1, 3]].all()


def test_a_row_of_missing_cells():
    """It gives the same logits alone, in a batch, and as another row that is masked entirely."""
    model = classifier()
    empty = torch.full((1, 4), NAN)
    with torch.no_grad():
        alone = model(empty)
        together = model(torch.cat([ROWS, empty]))
        masked = model(ROWS[:1], mask=torch.zeros(1, 4, dtype=torch.bool))
    assert alone.isfinite().all()
    torch.testing.assert_close(together[3:], alone, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(masked, alone, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(together[:3], model(ROWS), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("value", [1e7, -3e38, 1.7e308])
def test_huge_numbers_stay_finite(value):
    rows = ROWS.double()
    rows[:, 0] = value
    model = classifier()
    model.adapter.set_normalisation(torch.zeros(2), torch.full((2,), 1e-3))
    logits = model(rows)
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_gradients_of_all_parameters_are_finite_and_not_zero():
    model = classifier()
    rows = ROWS.clone()
    rows[0, 0], rows[1, 2] = NAN, NAN
    model(rows).square().sum().backward()
    for name, parameter in model.adapter.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_numbers_are_normalised_in_the_precision_of_the_rows():
    """Seconds since 1970 are about 1.7e9, where float32 has steps of 128."""
    table = adapter(num_bands=0)
    rows = ROWS.double()
    rows[:, 0] = torch.tensor([1.7e9, 1.7e9 + 60, 1.7e9 + 120], dtype=torch.float64)
    table.set_normalisation(torch.tensor([1.7e9, 0.0]), torch.tensor([50.0, 1.0]))
    first, second = table(rows).content[:, 0].diff(dim=0)  # linear, without frequencies
    torch.testing.assert_close(first, table.weight[0, 0] * 60 / 50)
    torch.testing.assert_close(second, first)


def test_only_numbers_that_are_present_are_measured():
    rows = torch.tensor([[1.0, INF, 0, 1], [NAN, 2.0, 1, 0]])
    measured = adapter().values_to_normalise(rows)
    assert measured.dtype == torch.float64
    torch.testing.assert_close(
        measured.nan_to_num(-1.0).float(), torch.tensor([[1, -1], [-1, 2.0]])
    )
    no_numbers = TabularAdapter(categorical=("eyes",), categories=(("blue", "brown"),))
    assert no_numbers.values_to_normalise(torch.tensor([[0.0], [1.0]])) is None


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (torch.zeros(3), torch.ones(3), r"shapes \(3,\) and \(3,\); expected .* 2 numeric"),
        (torch.zeros(2), torch.zeros(2), "std above 0"),
        (torch.tensor([0.0, NAN]), torch.ones(2), "expected finite numbers"),
    ],
)
def test_impossible_constants(mean, std, message):
    with pytest.raises(ValueError, match=message):
        adapter().set_normalisation(mean, std)


def test_constants_are_saved_and_elements_counted_on_meta(tmp_path):
    import perceivers

    model = classifier()
    model.adapter.set_normalisation(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    perceivers.save(model, tmp_path / "model")
    loaded = perceivers.load(tmp_path / "model").eval()
    with torch.no_grad():
        assert torch.equal(loaded(ROWS), model(ROWS))
    assert build_on_meta(model.config).adapter.num_inputs == 4


def test_table_beside_another_modality():
    fusion = FusionAdapter({"points": PointAdapter(num_bands=1), "table": adapter()})
    rows = ROWS.clone()
    rows[1, 0] = NAN
    got = fusion({"points": grid(5, 1, 1).expand(3, -1, -1), "table": rows})
    assert got.mask[:, :5].all()
    assert got.mask[1, 5:].tolist() == [False, True, True, True]
    without = fusion({"points": grid(5, 1, 1).expand(3, -1, -1)})
    assert not without.mask[:, 5:].any()


def test_half_precision():
    rows = ROWS.clone()
    rows[0, 0] = NAN
    got = adapter().bfloat16()(rows)
    assert got.content.dtype == torch.bfloat16
    torch.testing.assert_close(got.content.float(), adapter()(rows).content, atol=0.02, rtol=0.02)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            torch.zeros(2, 3),
            r"shape \(2, 3\); expected \(batch, 4\), the columns age, height, eyes",
        ),
        (torch.zeros(4), r"shape \(4,\)"),
        (torch.zeros(2, 4, dtype=torch.int64), "is torch.int64; expected float32 or float64"),
    ],
)
def test_batches_that_do_not_fit(rows, message):
    with pytest.raises(ValueError, match=message):
        adapter()(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numeric": (), "categorical": (), "categories": ()}, "no columns"),
        ({"numeric": ("age", "eyes")}, r"column names \['eyes'\] are repeated"),
        (
            {"categories": (("a", "b", "a"), ("c",))},
            r"column 'eyes' repeats the categories \['a'\]",
        ),
        ({"categories": (("a",),)}, "1 lists of categories for the 2 categorical columns"),
        ({"categories": (("a",), ())}, "column 'town' has no categories"),
        ({"embedding_dim": 0}, "embedding_dim=0"),
        ({"num_bands": -1}, "num_bands=-1"),
    ],
)
def test_impossible_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        adapter(**options)
