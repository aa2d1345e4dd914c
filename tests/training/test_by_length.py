"""Batches of similar lengths, and runs on sounds and texts of different lengths."""

import csv
import dataclasses
import wave

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import perceivers
from perceivers.data.config import DataConfig
from perceivers.data.examples import InMemoryExamples
from perceivers.modalities import MelConfig, TextConfig, build_adapter, build_reader
from perceivers.modalities.reader import collate
from perceivers.modalities.sound.reader import SoundReader
from perceivers.modalities.text.reader import TextReader
from perceivers.models.config import ModelConfig
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training import plan as planning
from perceivers.training.batches import (
    BATCHES_PER_WINDOW,
    BatchesByLength,
    ShuffleSampler,
    batches,
)
from perceivers.training.evaluation import evaluate
from perceivers.training.measuring import measure_normalisation
from perceivers.training.recipe_data import read_recipe, read_recipe_splits
from perceivers.training.recorder import Recorder

RATE = 8000
SOUND = MelConfig(
    num_samples=1600, sample_rate=RATE, n_fft=128, hop_length=80, n_mels=8, patch_frames=2,
    num_bands=2, own_length=True,
)  # fmt: skip


def by_length(lengths, batch_size=4, seed=0, epoch=0):
    sampler = ShuffleSampler(len(lengths), seed)
    sampler.set_epoch(epoch)
    return list(BatchesByLength(sampler, torch.tensor(lengths), batch_size))


@settings(max_examples=30)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40),
    st.integers(1, 6),
    st.integers(0, 3),
)
def test_an_epoch_has_every_example_once(lengths, batch_size, epoch):
    drawn_batches = by_length(lengths, batch_size, epoch=epoch)
    sampler = ShuffleSampler(len(lengths), 0)
    assert len(BatchesByLength(sampler, torch.tensor(lengths), batch_size)) == len(drawn_batches)
    drawn = [index for batch in drawn_batches for index in batch]
    assert len(set(drawn)) == len(drawn)
    whole = len(lengths) // batch_size * batch_size
    # A partial batch is drawn only if it is the only batch.
    assert len(drawn) == (whole or len(lengths))
    assert {len(batch) for batch in drawn_batches} == {batch_size if whole else len(lengths)}


def test_batches_depend_on_seed_and_epoch_alone():
    lengths = torch.rand(90).tolist()
    first = by_length(lengths)
    assert by_length(lengths) == first
    assert by_length(lengths, epoch=1) != first
    assert by_length(lengths, seed=1) != first
    longest = [max(lengths[i] for i in batch) for batch in first]
    assert longest != sorted(longest)  # the batches are shuffled


def padding(drawn, lengths):
    """Return the padded share of batches of example indices."""
    filled = [torch.tensor([lengths[i] for i in batch]) for batch in drawn]
    return 1 - sum(float(x.sum()) for x in filled) / sum(float(x.max()) * len(x) for x in filled)


def test_batches_have_little_padding():
    torch.manual_seed(0)
    lengths = torch.rand(8 * BATCHES_PER_WINDOW * 2).tolist()
    shuffled = torch.randperm(len(lengths)).split(8)
    assert padding(shuffled, lengths) > 0.4
    assert padding(by_length(lengths, 8), lengths) < 0.03
    # With more than one window, no batch is the same in the next epoch.
    together = {frozenset(batch) for batch in by_length(lengths, 8)}
    assert not together & {frozenset(batch) for batch in by_length(lengths, 8, epoch=1)}


def test_batches_are_sorted_by_length_if_lengths_are_known():
    reader = SoundReader(40, RATE, 1, own_length=True)
    sounds = collate([np.full((n, 1), n, np.float32) for n in (30, 10, 40, 20, 11, 31)])
    table = InMemoryExamples(sounds, torch.arange(6), reader)
    config = DataConfig(batch_size=2)
    in_order = [labels.tolist() for _, labels in batches(table, config)]
    assert in_order == [[1, 4], [3, 0], [5, 2]]
    shuffled = [set(labels.tolist()) for _, labels in batches(table, config, shuffle_seed=0)]
    assert sorted(map(sorted, shuffled)) == [[0, 3], [1, 4], [2, 5]]
    for sounds, labels in batches(table, config, shuffle_seed=0):
        for wave_, label in zip(sounds, labels, strict=True):
            assert torch.equal(wave_, table.examples[int(label)])
    texts = TextReader(9)
    ids = collate([texts.decode(text) for text in (b"abcdefg", b"a", b"abcdef", b"ab")])
    loader = batches(InMemoryExamples(ids, torch.arange(4), texts), config)
    assert [x.shape for x, _ in loader] == [(2, 2), (2, 7)]


def test_padding_is_not_measured():
    adapter = build_adapter(SOUND)
    sounds = [np.random.default_rng(n).normal(size=(n, 1)).astype(np.float32) for n in (160, 480)]
    measure_normalisation(
        adapter, InMemoryExamples(collate(sounds), torch.arange(2), build_reader(SOUND))
    )
    values = [adapter.log_mel(torch.from_numpy(x)[None]).flatten() for x in sounds]
    assert adapter.mean.item() == pytest.approx(torch.cat(values).mean().item(), abs=1e-4)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder with two classes of sounds, loud and faint, of 0.01 to 0.25 s."""
    root = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for name, level in (("loud", 9000), ("faint", 300)):
        (root / name).mkdir()
        for number in range(24):
            samples = (rng.normal(size=rng.integers(80, 2000)) * level).clip(-32768, 32767)
            with wave.open(str(root / name / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(samples.astype("<i2").tobytes())
    return root


def recipe_for(path, config, **trainer):
    base = get_recipe("digits")
    return dataclasses.replace(
        base,
        model=ModelConfig(
            input=config, num_latents=4, latent_dim=16, cross_order=(0,), block_order=(0,),
            num_layers_per_block=1, num_self_heads=2,
        ),
        data=DataConfig(path=str(path), batch_size=6, validation=0.2, test=0.2, time_shift=0.1),
        optimizer=dataclasses.replace(base.optimizer, lr=1e-2, warmup_epochs=0),
        trainer=dataclasses.replace(base.trainer, **{"max_epochs": 2, **trainer}),
    )  # fmt: skip


def test_sounds_of_different_lengths_from_files_to_predictions(sounds, tmp_path):
    recipe = recipe_for(sounds, SOUND)
    result = engine.train(recipe, tmp_path / "run")
    assert result["test"]["top1"] > 0.8
    assert evaluate(tmp_path / "run")["top1"] == pytest.approx(result["test"]["top1"])
    predictor = perceivers.Predictor(tmp_path / "run")
    files = sorted((sounds / "loud").iterdir())[:5]
    assert len({predictor.prepare(file).shape for file in files}) > 2
    for file, pairs in zip(files, predictor(files, top_k=2), strict=True):
        assert dict(pairs) == pytest.approx(dict(predictor([file], top_k=2)[0]), abs=1e-5)
    assert planning.plan(recipe).steps == 5


def test_a_killed_run_on_sounds_resumes_to_the_same_numbers(sounds, tmp_path, monkeypatch):
    recipe = recipe_for(sounds, SOUND)
    engine.train(recipe, tmp_path / "whole")
    original = Recorder.on_validation_epoch_start

    def kill(self, trainer, task):
        original(self, trainer, task)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_validation_epoch_start", kill)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            engine.train(recipe, tmp_path / "killed")
    engine.resume(tmp_path / "killed", read_recipe(tmp_path / "killed"))
    first, second = (load_file(tmp_path / d / "model.safetensors") for d in ("whole", "killed"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    losses = []
    for run in ("whole", "killed"):
        with open(tmp_path / run / "metrics.csv") as file:
            losses.append([row["val_loss"] for row in csv.DictReader(file)])
    assert losses[0] == losses[1]


def test_texts_are_batched_by_length(tmp_path):
    for name, word in (("yes", "good "), ("no", "bad ")):
        (tmp_path / f"{name}.txt").write_text("".join(word * n + "\n" for n in range(1, 25)))
    config = TextConfig(max_length=128, embedding_dim=8)
    recipe = recipe_for(tmp_path, config)
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, time_shift=0.0))
    examples = read_recipe_splits(recipe).examples["train"]
    padded_shares = [
        float((ids == 0).float().mean())
        for ids, _ in batches(examples, recipe.data, shuffle_seed=0)
    ]
    assert np.median(padded_shares) < 0.15
    assert engine.train(recipe, tmp_path / "run")["epochs"] == 2
