"""The linear model of a row: its fit, its folds, and its element."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from perceivers.modalities.regression import cross_fit
from perceivers.modalities.table import regression
from perceivers.modalities.table.adapter import TabularAdapter
from perceivers.modalities.table.regression import RowRegression, _hash


def make_rows(count=300, seed=0):
    """Return numbers (count, 3), ids of 2 + 3 categories (count, 2), and which are known."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(count, 3, generator=generator)
    ids = torch.stack(
        [torch.randint(0, size, (count,), generator=generator) for size in (2, 3)], dim=1
    )
    known = torch.rand(count, 2, generator=generator) < 0.9
    return numbers, torch.where(known, ids, 0) + torch.tensor([0, 2]), known


def features_of(numbers, ids, known):
    one_hot = torch.zeros(len(numbers), 5)
    one_hot.scatter_(1, ids, known.float())
    return torch.cat([numbers, one_hot], dim=1).double().numpy()


def make(kind, outputs):
    torch.manual_seed(0)
    return RowRegression(kind, num_numeric=3, num_categories=5, num_outputs=outputs, dim=7)


def fit(model, rows, targets):
    model.start_counting()
    for start in range(0, len(targets), 64):
        part = slice(start, start + 64)
        model.count(*(x[part] for x in rows), targets[part])
    model.finish_counting()


@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_logistic_regressions_are_those_of_scikit_learn(monkeypatch, penalty):
    monkeypatch.setattr(regression, "PENALTIES", (penalty,))
    rows = make_rows()
    torch.manual_seed(0)
    signal = rows[0][:, 0] + (rows[1][:, 1] == 3) + 0.5 * torch.randn(300)
    labels = torch.bucketize(signal, torch.tensor([-0.5, 0.8]))
    model = make("logistic", 3)
    fit(model, rows, torch.nn.functional.one_hot(labels, 3).double())
    features = features_of(*rows)
    for index in range(3):
        theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
        theirs.fit(features, labels.numpy() == index)
        ours = model.weight[:, index].numpy()
        scale = np.linalg.norm(theirs.coef_) / np.linalg.norm(ours)
        assert ours * scale == pytest.approx(theirs.coef_[0], abs=1e-3)
        assert model.bias[index].item() * scale == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_linear_regressions_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(regression, "PENALTIES", (10.0,))
    rows = make_rows()
    targets = 1e6 + 1e3 * rows[0][:, :2].double() @ torch.tensor([[1.0, 0.0], [2.0, 1.0]]).double()
    model = make("squares", 2)
    fit(model, rows, targets)
    features = features_of(*rows)
    theirs = Ridge(alpha=10.0).fit(features, (targets - targets.mean(0)).numpy())
    for index in range(2):
        ours = model.weight[:, index].numpy()
        scale = np.linalg.norm(theirs.coef_[index]) / np.linalg.norm(ours)
        assert ours * scale == pytest.approx(theirs.coef_[index], rel=1e-4, abs=1e-2)


def test_the_penalty_is_chosen_on_rows_that_were_left_out():
    rows = make_rows(60)
    torch.manual_seed(0)
    noise = torch.randint(0, 2, (60, 1)).double()
    model = make("logistic", 1)
    fit(model, rows, noise)
    chosen = {}
    for penalty in regression.PENALTIES:
        features = torch.from_numpy(features_of(*rows))
        folds = _hash(*rows) % regression.FOLDS
        chosen[penalty] = cross_fit(features, folds, noise, (penalty,), "logistic")
    best = min(chosen.values(), key=lambda fit: fit.loss)
    ratio = model.weight / best.weights[-1]
    assert torch.allclose(ratio, ratio[0, 0].expand_as(ratio))


def test_in_training_a_row_does_not_tell_its_own_label(monkeypatch):
    monkeypatch.setattr(regression, "PENALTIES", (1.0,))
    rows = make_rows(100)
    torch.manual_seed(0)
    targets = torch.randint(0, 2, (100, 1)).double()
    changed = targets.clone()
    changed[7] = 1 - changed[7]
    outputs = []
    for labels in (targets, changed):
        model = make("logistic", 1)
        fit(model, rows, labels)
        fold = int(_hash(*rows)[7]) % regression.FOLDS
        weights, biases = model._folds
        outputs.append(torch.cat([weights[fold], biases[fold][None]]))
        model.train()
        trained = model(*(x[7:8] for x in rows))
        model.eval()
        assert not torch.allclose(trained, model(*(x[7:8] for x in rows)))
    # The scale is that of all rows; the direction is that of the rows outside the fold.
    assert torch.allclose(*(part / part.norm() for part in outputs), atol=1e-5)


def test_a_loaded_model_trains_with_the_model_of_all_rows():
    rows = make_rows(100)
    model, loaded = make("logistic", 1), make("logistic", 1)
    fit(model, rows, (rows[0][:, :1] > 0).double())
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(loaded.train()(*rows), model.eval()(*rows))


def test_rows_beyond_the_most_are_left_out(monkeypatch):
    monkeypatch.setattr(regression, "MAX_ROWS", 50)
    rows = make_rows(200)
    targets = (rows[0][:, :1] > 0).double()
    model, alone = make("logistic", 1), make("logistic", 1)
    fit(model, rows, targets)
    fit(alone, tuple(x[::4] for x in rows), targets[::4])
    assert torch.allclose(model.weight, alone.weight)


def table(**options):
    torch.manual_seed(0)
    return TabularAdapter(
        numeric=["a", "b"],
        categorical=["c"],
        categories=[["x", "y"]],
        embedding_dim=4,
        linear="logistic",
        **options,
    )


def test_the_element_of_the_adapter():
    adapter = table()
    rows = torch.tensor([[1.0, 2, 0], [3, torch.nan, 1], [torch.nan, torch.nan, -1]]).double()
    assert adapter.num_inputs == 4
    adapter.regression.start_counting()
    adapter.count(rows[:2], torch.eye(2))
    adapter.regression.finish_counting()
    inputs = adapter.eval()(rows)
    assert inputs.content.shape == (3, 4, 4)
    assert inputs.mask.tolist() == [
        [True, True, True, True],
        [True, False, True, True],
        [False, False, False, False],
    ]
    alone = adapter(torch.tensor([[1.0, 2, 0]]).double()).content
    assert torch.allclose(inputs.content[:1], alone)


def test_missing_and_unknown_cells_count_as_zero():
    adapter = table().eval()
    adapter.regression.weight.normal_()
    rows = torch.tensor([[torch.nan, 0.0, -1]]).double()
    expected = adapter.regression.projection(adapter.regression.bias.float()[None])
    assert torch.allclose(adapter(rows).content[:, -1], expected)


def test_it_is_said_how_good_the_linear_model_is(caplog):
    caplog.set_level("INFO")
    rows = make_rows()
    sign = (rows[0][:, 0] > 0).double()
    fit(make("logistic", 2), rows, torch.stack([sign, 1 - sign], dim=1))
    fit(make("logistic", 2), rows, torch.stack([sign, sign], dim=1))
    fit(make("squares", 1), rows, rows[0][:, :1].double())
    said = [record.getMessage() for record in caplog.records]
    shares = [float(line.split("%")[0].split()[-1]) for line in said]
    assert min(shares) > 95
    for line, words in zip(
        said, ["finds the class", "of the labels", "of the variance"], strict=True
    ):
        assert words in line


def test_what_cells_add_sums_to_the_outputs():
    adapter = table().eval()
    adapter.regression.weight.normal_()
    rows = torch.tensor([[1.0, 2, 0], [3, torch.nan, 1], [torch.nan, torch.nan, -1]]).double()
    adapter.regression.projection.weight = torch.nn.Parameter(torch.eye(2))
    evidence = adapter.evidence(rows)
    assert evidence.shape == (3, 4, 2)
    assert not evidence[:, 3].any()
    x, _, ids, known = adapter._cells(rows)
    outputs = adapter.regression(x, ids, known)[:, 0]
    torch.testing.assert_close((evidence.sum(1) + adapter.regression.bias).float(), outputs)


def test_masked_cells_do_not_count_in_the_linear_model():
    adapter = table().eval()
    adapter.regression.weight.normal_()
    row = torch.tensor([[1.0, 2, 0]]).double()
    masks = torch.tensor([[True, True, True, True], [True, False, True, True], [False] * 4])
    inputs = adapter.mask_elements(row, masks)
    assert torch.equal(inputs.mask, masks)
    without = adapter(torch.tensor([[1.0, torch.nan, 0]]).double())
    torch.testing.assert_close(inputs.content[0], adapter(row).content[0])
    torch.testing.assert_close(inputs.content[1], without.content[0])
    assert not torch.equal(inputs.content[0, 3], inputs.content[1, 3])
