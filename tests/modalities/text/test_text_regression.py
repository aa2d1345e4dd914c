"""The linear model of the n-grams of a text: its fit, its folds, and what it leaves out."""

import logging
import math
import re
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from perceivers.modalities.regression import FOLDS
from perceivers.modalities.text import regression
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.text.decode import encode
from perceivers.modalities.text.hashing import text_folds
from perceivers.modalities.text.regression import NgramRegression

GOOD, BAD = ["fine", "witty", "warm", "bright"], ["dull", "tired", "cold", "flat"]
OTHERS = ["film", "plot", "actor", "scene", "music", "story", "ending", "camera"]


def make_texts(count=120, seed=0):
    """Return texts and whether each has more good than bad words."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = int(rng.random() < 0.5)
        words = [*rng.choice((BAD, GOOD)[label], 2), *rng.choice(OTHERS, rng.integers(2, 6))]
        if rng.random() < 0.2:
            words.append(rng.choice((GOOD, BAD)[label]))
        texts.append(" ".join(rng.permutation(words)))
        labels.append(label)
    return texts, torch.tensor(labels)


def make(sizes=(3,), words=(1,), num_classes=2):
    torch.manual_seed(0)
    model = NgramRegression(sizes, words, num_classes=num_classes, dim=5)
    model.projection = torch.nn.Identity()
    return model


def fit(model, texts, targets):
    model.start_counting()
    for start in range(0, len(texts), 50):
        part = slice(start, start + 50)
        model.count(encode(texts[part], max_length=200), targets[part])
    model.finish_counting()


def one_hot(labels):
    return torch.nn.functional.one_hot(labels, 2).float()


def fitted_adapter():
    adapter = TextAdapter(
        max_length=64, embedding_dim=4, ratio_ngrams=(3,), ratio_words=(1,), linear="logistic"
    ).eval()
    texts, labels = make_texts(60)
    fit(adapter.regression, texts, one_hot(labels))
    return adapter


def outputs_of(model, texts):
    return model(encode(texts, max_length=200))[:, 0].double()


def trigrams(text):
    return Counter(text[i : i + 3] for i in range(len(text) - 2))


def words_of(text):
    return Counter(re.findall(r"[a-z0-9'\-]+", text.lower()))


def features_of(texts, training):
    """Compute inverse document frequencies, times counts, by their norm: bytes, then words."""
    parts = []
    for count in (trigrams, words_of):
        frequency = Counter(gram for text in training for gram in count(text))
        known = sorted(frequency)
        rows = np.zeros((len(texts), len(known)))
        for row, text in zip(rows, texts, strict=True):
            squares = 0.0
            for gram, amount in count(text).items():
                inverse = math.log((1 + len(training)) / (1 + frequency[gram])) + 1
                squares += amount * inverse**2
                if gram in frequency:
                    row[known.index(gram)] = amount * inverse
            row /= math.sqrt(squares)
        parts.append(rows)
    return np.concatenate(parts, axis=1)


def test_it_is_the_logistic_regression_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(regression, "PENALTIES", (0.3,))
    texts, labels = make_texts()
    model = make().eval()
    fit(model, texts, one_hot(labels))
    theirs = LogisticRegression(C=1 / 0.3, tol=1e-10, max_iter=10_000)
    theirs.fit(features_of(texts, texts), labels.numpy())
    new = [*make_texts(20, seed=1)[0], "A film of zebras, quite unlike the others"]
    expected = theirs.decision_function(features_of(new, texts))
    ours = outputs_of(model, new)
    scale = np.linalg.norm(expected) / ours[:, 1].norm().item()
    assert ours[:, 1].numpy() * scale == pytest.approx(expected, abs=2e-3)
    assert torch.allclose(ours[:, 0], -ours[:, 1], atol=1e-4)


def test_the_output_of_a_text_does_not_depend_on_the_padding():
    texts, labels = make_texts()
    model = make().eval()
    fit(model, texts, one_hot(labels))
    together = outputs_of(model, ["dull film", "a bright and witty story of a long summer"])
    assert torch.allclose(together[:1], outputs_of(model, ["dull film"]), atol=1e-6)


def test_in_training_a_text_does_not_tell_its_own_label(monkeypatch):
    monkeypatch.setattr(regression, "PENALTIES", (0.3,))
    texts, labels = make_texts()
    changed = labels.clone()
    changed[7] = 1 - changed[7]
    fold = int(text_folds(encode(texts[7:8], max_length=200), FOLDS))
    directions = []
    for each in (labels, changed):
        model = make()
        fit(model, texts, one_hot(each))
        weights, biases = model._folds
        assert len(weights) == FOLDS
        directions.append(torch.cat([weights[fold], biases[fold][None]]))
        assert not torch.allclose(
            outputs_of(model.train(), texts[7:8]), outputs_of(model.eval(), texts[7:8])
        )
    # The scale is that of all texts; the direction is that of the texts outside the fold.
    assert torch.allclose(*(part / part.norm() for part in directions), atol=1e-4)


def test_a_loaded_model_trains_with_the_model_of_all_texts():
    texts, labels = make_texts()
    model, loaded = make(), make()
    fit(model, texts, one_hot(labels))
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(outputs_of(loaded.train(), texts), outputs_of(model.eval(), texts))


@pytest.mark.parametrize(("name", "most"), [("MAX_TEXTS", 20), ("MAX_NGRAMS", 700)])
def test_of_too_many_texts_every_second_one_is_left_out(monkeypatch, name, most):
    texts, labels = make_texts(64)
    texts = [text[:30].ljust(30, "x") for text in texts]  # 28 n-grams of bytes, and the words
    model, alone = make(words=()), make(words=())
    monkeypatch.setattr(regression, name, most)
    fit(model, texts, one_hot(labels))
    monkeypatch.undo()
    fit(alone, texts[::4], one_hot(labels)[::4])
    assert torch.allclose(model.weight, alone.weight, atol=1e-5)


def test_what_it_finds_is_logged(caplog):
    texts, labels = make_texts()
    with caplog.at_level(logging.INFO):
        fit(make(), texts, one_hot(labels))
    share = float(re.search(r"finds the class of ([0-9.]+)% of texts", caplog.text)[1])
    assert share > 80


@pytest.mark.parametrize("texts", [["same text"] * 12, ["", "a", "ab", "…", "ü", " "] * 2])
def test_equal_empty_and_short_texts_give_finite_outputs(texts):
    model = make()
    fit(model, texts, one_hot(torch.arange(12) % 2))
    assert outputs_of(model.train(), texts).isfinite().all()
    assert outputs_of(model.eval(), ["", "other"]).isfinite().all()


def test_labels_that_are_not_exclusive():
    texts, labels = make_texts()
    targets = torch.stack([labels, torch.tensor(["film" in text for text in texts])], dim=1).float()
    model = make().eval()
    fit(model, texts, targets)
    outputs = outputs_of(model, ["a witty film", "a dull camera"])
    assert (outputs[0] > outputs[1]).all()


def test_all_bytes_of_a_text_get_the_outputs():
    adapter = fitted_adapter()
    ids = encode(["a witty film"], max_length=64)
    content = adapter(ids).content
    adapter.regression = None
    added = content - adapter(ids).content
    assert torch.allclose(added, added[:, :1].expand_as(added), atol=1e-6)
    assert added.abs().max() > 0.1


def test_a_linear_model_needs_n_grams():
    with pytest.raises(ValueError, match="linear='logistic' .* both are empty"):
        TextAdapter(linear="logistic")


def test_what_bytes_add_sums_to_the_outputs():
    texts, labels = make_texts()
    model = make(sizes=(2, 4), words=(1, 2)).eval()
    fit(model, texts, one_hot(labels))
    new = ["A dull film, isn't it?", "witty", "a warm story", "", "!?"]
    evidence = model.evidence(encode(new, max_length=200))
    assert evidence.shape == (5, 22, 2)
    total = evidence.sum(1) + model.bias
    assert torch.allclose(total.double(), outputs_of(model, new), atol=1e-5)
    assert not evidence[1, 5:].any()  # padding


def test_the_words_that_decide_add_most():
    texts, labels = make_texts()
    model = make(sizes=(), words=(1,)).eval()
    fit(model, texts, one_hot(labels))
    evidence = model.evidence(encode(["the witty film"], max_length=200))[0, :, 1]
    assert torch.allclose(evidence[4:9], evidence[4].expand(5))
    assert evidence[4] > 2 * evidence[10:].abs().max()


def test_masked_bytes_do_not_count_in_the_linear_model():
    adapter = fitted_adapter()
    ids = encode(["a witty film"], max_length=64)
    masks = torch.ones(2, 12, dtype=torch.bool)
    masks[1, 2:7] = False
    for batch in (ids, [ids[0]]):
        inputs = adapter.mask_elements(batch, masks)
        assert torch.equal(inputs.mask, masks)
        torch.testing.assert_close(inputs.content[:1], adapter(ids).content)
        without = adapter(encode(["a \0\0\0\0\0 film"], max_length=64).masked_fill(~masks[1], 0))
        torch.testing.assert_close(inputs.content[1:], without.content)
    assert not torch.equal(inputs.content[0, 0], inputs.content[1, 0])
