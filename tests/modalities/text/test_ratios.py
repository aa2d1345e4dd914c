"""Log-count ratios of the n-grams of training texts."""

import dataclasses
import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from perceivers import checkpoint
from perceivers.modalities import FusionConfig, TextConfig, build_adapter, modality_of
from perceivers.modalities.text.adapter import TextAdapter
from perceivers.modalities.text.decode import encode
from perceivers.modalities.text.hashing import text_folds
from perceivers.modalities.text.ratios import FOLDS, LogCountRatios
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.recipe_data import read_recipe

TEXTS = ["good film", "a good one", "bad film", "not good", "bad", "so bad , bad", "film"]
LABELS = torch.tensor([2, 2, 0, 0, 0, 0, 1])


def counted(sizes=(), words=(1,), labels=LABELS, **options):
    torch.manual_seed(0)
    ratios = LogCountRatios(sizes, words, **{"rows": 5_000, "num_classes": 3, "dim": 4, **options})
    ratios.start_counting()
    for start in range(0, len(TEXTS), 3):
        ids = encode(TEXTS[start : start + 3], 30)
        ratios.count(ids, F.one_hot(labels[start : start + 3], 3).float())
    return ratios


def features(ratios, ids):
    """What the linear map is given: ratios of each class and the logarithm of the number."""
    ratios.projection = torch.nn.Identity()
    return ratios(ids)


@pytest.mark.parametrize("training", [False, True])
def test_ratios_are_those_of_counted_words(training):
    """A word is counted once per text, and in training without the texts of the own fold."""
    ratios = counted().train(training)
    ids = encode(TEXTS, 30)
    result = features(ratios, ids)
    folds = text_folds(ids, FOLDS).tolist()
    for i, text in enumerate(TEXTS):
        used = [j for j in range(len(TEXTS)) if not training or folds[j] != folds[i]]
        totals = Counter(int(LABELS[j]) for j in used)
        word = text.split()[-1]
        counts = Counter(int(LABELS[j]) for j in used if word in TEXTS[j].split())
        number = sum(counts.values())
        expected = [0.25 * math.log1p(number)]
        for label in (2, 1, 0):
            p = (counts[label] + 1) / (totals[label] + 2)
            q = (number - counts[label] + 1) / (len(used) - totals[label] + 2)
            expected.insert(0, max(0.0, math.log(p / q)) if number >= 2 else 0.0)
        got = result[i, len(text) - 1]
        torch.testing.assert_close(got, torch.tensor(expected))


def test_bytes_that_end_no_word_have_zeros():
    result = features(counted().eval(), encode(["good ,"], 30))
    assert result[0, [0, 1, 2, 4, 5]].eq(0).all()
    assert result[0, 3].ne(0).any()


def test_kinds_stand_side_by_side():
    ids = encode(TEXTS, 30)
    both = features(counted((2,), (1,)).eval(), ids).unflatten(2, (2, 4))
    torch.testing.assert_close(both[:, :, 0], features(counted((2,), ()).eval(), ids))
    torch.testing.assert_close(both[:, :, 1], features(counted((), (1,)).eval(), ids))


def test_a_training_text_does_not_tell_its_own_label():
    changed = LABELS.clone()
    changed[5] = 1
    ids = encode([TEXTS[5]], 30)
    before, after = counted().train(), counted(labels=changed).train()
    torch.testing.assert_close(before(ids), after(ids))
    assert not torch.allclose(before.eval()(ids), after.eval()(ids))


def test_folds_do_not_depend_on_padding_and_are_of_similar_size():
    texts = [f"text number {n}" for n in range(1_000)]
    folds = text_folds(encode(texts, 30), FOLDS)
    assert torch.equal(folds, torch.cat([text_folds(encode([text], 30), FOLDS) for text in texts]))
    counts = folds.bincount(minlength=FOLDS)
    assert len(counts) == FOLDS
    assert counts.min() > 50


def test_counts_beyond_the_range_of_16_bits_are_kept():
    ratios = LogCountRatios((), (1,), rows=9, num_classes=1, dim=2)
    ratios.start_counting()
    ids = encode(["same"] * 20_000, 30)
    for _ in range(2):
        ratios.count(ids, torch.ones(len(ids), 1))
    assert ratios._fold_counts.max() == 40_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sizes": (0,), "words": ()}, r"ratio_ngrams=\(0,\)"),
        ({"sizes": (), "words": (2, 2)}, r"ratio_words=\(2, 2\)"),
        ({"sizes": (), "words": (1,), "rows": 0}, "ratio_rows=0"),
        ({"sizes": (), "words": (1,), "num_classes": 0}, "ratio_classes=0"),
    ],
)
def test_impossible_sizes_are_refused(options, said):
    sizes = {"rows": 9, "num_classes": 2, "dim": 2, **options}
    with pytest.raises(ValueError, match=said):
        LogCountRatios(sizes.pop("sizes"), sizes.pop("words"), **sizes)


def test_the_text_adapter_adds_ratios_to_its_bytes():
    config = TextConfig(max_length=30, embedding_dim=4, ratio_words=(1,), ratio_rows=50)
    adapter = build_adapter(config).eval()
    ids = encode(TEXTS[:1], 30)
    assert torch.equal(adapter(ids).content, adapter.embedding(ids))
    adapter.ratios.start_counting()
    adapter.count(encode(TEXTS, 30), F.one_hot(LABELS.clamp(max=1), 2).float())
    torch.testing.assert_close(adapter(ids).content, adapter.embedding(ids) + adapter.ratios(ids))
    assert adapter.ratios(ids).any()
    assert adapter.ratios.counts.shape == (1, 50, 3)


def test_a_fusion_counts_the_texts_that_are_present():
    text = TextConfig(max_length=30, embedding_dim=4, ratio_words=(1,), ratio_rows=50)
    fusion = build_adapter(FusionConfig(parts={"note": text}))
    fusion.parts["note"].ratios.start_counting()
    present = torch.tensor([True, False, True])
    fusion.count({"note": encode(TEXTS[:3], 30), "note.present": present}, torch.eye(3)[:, :2])
    assert fusion.parts["note"].ratios.texts.tolist() == [1, 0, 2]


def test_classes_follow_from_the_labels():
    config = TextConfig(ratio_ngrams=(1, 3), ratio_words=(1,))
    text = modality_of(config)
    for task in ("classification", "multilabel"):
        assert text.for_labels(config, task, 9) == dataclasses.replace(config, ratio_classes=9)
    fusion = FusionConfig(parts={"note": config})
    changed = modality_of(fusion).for_labels(fusion, "multilabel", 9)
    assert changed.parts["note"].ratio_classes == 9


@pytest.mark.parametrize(("classes", "rows"), [(2, 262_144), (99, 2**23 // 300)])
def test_many_classes_have_fewer_rows(classes, rows):
    ratios = LogCountRatios((1, 3), (1,), rows=None, num_classes=classes, dim=2)
    assert ratios.counts.shape == (3, rows, classes + 1)


@pytest.mark.parametrize("task", ["regression", "segmentation"])
def test_other_tasks_learn_embeddings_of_ngrams_instead(caplog, task):
    config = TextConfig(ratio_ngrams=(1, 3), ratio_words=(1,))
    with caplog.at_level("INFO"):
        changed = modality_of(config).for_labels(config, task, 1)
    assert (changed.ngrams, changed.ratio_ngrams, changed.ratio_words) == ((3,), (), ())
    assert "embeddings instead" in caplog.text


def test_weights_of_ratios_of_other_kinds_are_not_taken():
    options = {"max_length": 30, "embedding_dim": 4, "ratio_rows": 50}
    source = TextAdapter(**options, ratio_words=(2,))
    same, other = (TextAdapter(**options, ratio_words=words) for words in ((2,), (1,)))
    assert "ratios.projection.weight" in same.weights_from(source)
    assert "ratios.projection.weight" not in other.weights_from(source)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Reviews whose one telling word is in the first half of the alphabet, or in the second."""
    folder = tmp_path_factory.mktemp("reviews")
    for name, letters in (("neg", "abc"), ("pos", "xyz")):
        lines = [f"{n} {letters[n % 3] * 3} words" for n in range(40)]
        (folder / f"rt-polarity.{name}").write_text("\n".join(lines))
    base = get_recipe("rt-polarity")
    text = TextConfig(
        max_length=32, embedding_dim=8, ratio_ngrams=(3,), ratio_words=(1,), ratio_rows=500
    )
    return dataclasses.replace(
        base,
        model=dataclasses.replace(
            base.model, num_latents=2, latent_dim=8, num_layers_per_block=1, num_self_heads=2,
            input=text,
        ),
        data=dataclasses.replace(base.data, path=str(folder), batch_size=16, validation=0.1),
        optimizer=dataclasses.replace(base.optimizer, warmup_epochs=0, schedule="constant"),
        trainer=dataclasses.replace(base.trainer, max_epochs=2, monitor="val_loss"),
    )  # fmt: skip


def last_epoch(run):
    """The scores of the last epoch of a run, without its time."""
    return (run / "metrics.csv").read_text().splitlines()[-1].rpartition(",")[0]


def test_training_counts_its_texts_and_a_resumed_run_counts_them_again(recipe, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    engine.train(recipe, whole)
    assert checkpoint.load(whole).adapter.ratios.texts.tolist() == [32, 32, 64]
    one = dataclasses.replace(recipe.trainer, max_epochs=1)
    engine.train(dataclasses.replace(recipe, trainer=one), resumed)
    engine.resume(resumed, dataclasses.replace(read_recipe(resumed), trainer=recipe.trainer))
    assert last_epoch(resumed) == last_epoch(whole)
