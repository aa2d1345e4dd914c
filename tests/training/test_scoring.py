"""Scores, outputs and names of the examples of a split."""

import dataclasses
import io

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from PIL import Image
from tests.tiny_recipes import small_folder_recipe, tiny

from perceivers.data.dataset import read_datasets
from perceivers.data.examples import InMemoryExamples
from perceivers.data.file_examples import FileExamples
from perceivers.data.splits import Splits
from perceivers.modalities import AudioConfig, build_reader
from perceivers.modalities.clips import with_clips
from perceivers.modalities.reader import collate
from perceivers.models.build import build
from perceivers.training.batches import batches
from perceivers.training.loop import make_trainer, quiet_lightning
from perceivers.training.recipe_data import fit_to_data, read_recipe_splits
from perceivers.training.scoring import score
from perceivers.training.summaries import by_label, summary
from perceivers.training.targets import targets_of
from perceivers.training.task import Learner

SOUND = AudioConfig(num_samples=12, patch_size=4, num_bands=2, sample_rate=8000)


class Lightning(Learner):
    """Lightning's way to score, with which `score` must agree to the last digit."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.found = self.targets.collection()

    def test_step(self, batch, batch_index):
        examples, labels = batch
        outputs, truth, loss = self.evaluate(examples, labels, batch_index)
        self.targets.update(self.found, outputs, truth, loss)


def random_model(recipe, splits):
    torch.manual_seed(0)
    model = build(recipe.model, splits.labels)
    torch.nn.init.normal_(model.head.weight)
    targets_of(model).measure(splits.examples["train"])
    return model.eval()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_scores_are_those_of_lightning(precision):
    recipe = tiny(trainer={"precision": precision, "device": "cpu"}, data={"permute": "random"})
    splits = read_recipe_splits(recipe)
    recipe = fit_to_data(recipe, splits)
    model = random_model(recipe, splits)
    scored = score(model, recipe, splits)
    tester = Lightning(model, recipe)
    with quiet_lightning():
        trainer = make_trainer(recipe.trainer, logger=False)
        loader = batches(splits.examples["test"], recipe.data)
        trainer.test(tester, loader, verbose=False)
    assert isinstance(trainer, pl.Trainer)
    found = scored.scores
    assert {name: found[name] for name in summary(tester.found)} == summary(tester.found)
    assert found["by_label"] == by_label(tester.found, model.labels)
    assert found["examples"] == len(scored.outputs)
    right = (scored.outputs.argmax(1) == scored.labels).float().mean().item()
    assert found["top1"] == pytest.approx(right)
    assert scored.split == "test"


def test_outputs_stay_with_their_examples(image_folder):
    """Batches are sorted by length or lack a file; outputs are in the order of the examples."""
    bad = image_folder / "dark" / "5.png"
    bad.write_bytes(b"not an image")
    recipe = small_folder_recipe(image_folder, hold_gb=0.0)
    splits = read_recipe_splits(recipe)
    recipe = fit_to_data(recipe, splits)
    model = random_model(recipe, splits)
    test = splits.examples["train"]  # any split will do
    assert isinstance(test, FileExamples)
    scored = score(model, recipe, Splits({"test": test}, splits.labels))
    names = test.names(scored.indices.tolist())
    assert names == [name for name in test.names(range(len(test))) if name != str(bad)]
    for index, outputs in zip(scored.indices.tolist(), scored.outputs, strict=True):
        example = collate([test.example(index)])
        with torch.inference_mode():
            assert torch.allclose(model(example)[0], outputs, atol=1e-5)
    assert torch.equal(scored.labels, test.labels[scored.indices])


def test_an_unreadable_file_stays_unreadable(image_folder):
    bad = image_folder / "dark" / "5.png"
    content = bad.read_bytes()
    bad.write_bytes(b"not an image")
    recipe = small_folder_recipe(image_folder, hold_gb=0.0)
    examples = read_recipe_splits(recipe, hold_out=False).examples["train"]
    count = len(examples) - 1
    assert len(examples.__getitems__(range(len(examples)))[1]) == count
    bad.write_bytes(content)
    assert len(examples.__getitems__(range(len(examples)))[1]) == count
    assert len(examples.readable(range(len(examples)))) == count


def test_sounds_of_different_lengths_keep_their_order():
    generator = torch.Generator().manual_seed(0)
    config = dataclasses.replace(SOUND, own_length=True)
    sounds = [torch.randn(4 * (1 + index % 3), 1, generator=generator) for index in range(9)]
    labels = torch.arange(9) % 3
    examples = InMemoryExamples(
        sounds, labels, build_reader(config), [f"{i}.wav" for i in range(9)]
    )
    assert examples.lengths is not None
    base = tiny()
    recipe = dataclasses.replace(
        base,
        model=dataclasses.replace(base.model, input=config, num_classes=3),
        data=dataclasses.replace(base.data, batch_size=2),
    )
    splits = Splits({"train": examples, "test": examples}, ("a", "b", "c"))
    model = random_model(recipe, splits)
    scored = score(model, recipe, splits)
    assert scored.indices.tolist() == list(range(9))
    with torch.inference_mode():
        alone = torch.cat([model([sound]) for sound in sounds])
    torch.testing.assert_close(scored.outputs, alone, atol=1e-5, rtol=0)


def test_examples_have_names_and_can_be_taken_out(image_folder):
    digits = read_recipe_splits(tiny()).examples["test"]
    [name] = digits.names([3])
    assert name.startswith("digits[")
    assert digits.example(3).shape == (8, 8, 1)
    assert digits.subset([3]).names([0]) == [name]
    decoded = read_recipe_splits(small_folder_recipe(image_folder), hold_out=False)
    photos = decoded.examples["train"]
    assert isinstance(photos, InMemoryExamples)
    assert photos.names([0])[0].endswith("bright/0.png")


def test_examples_of_a_torch_dataset_have_places():
    data = [(np.full((2, 2, 1), i, np.uint8), i % 2) for i in range(20)]

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return len(data)

        def __getitem__(self, index):
            return data[index]

    test = read_datasets(tiny().data, Pairs()).examples["test"]
    place = int(test.names([0])[0].removeprefix("train[").removesuffix("]"))
    assert (test.example(0) == place).all()


def test_of_several_clips_the_middle_one_is_taken_out(tmp_path):
    from tests.media_files import wav

    path = tmp_path / "a.wav"
    path.write_bytes(wav(np.arange(36, dtype=np.int16) * 100, 8000))
    reader = with_clips(build_reader(SOUND), 3)
    examples = FileExamples([(str(path), str(path))], torch.zeros(1), torch.zeros(1).long(), reader)
    clips, _ = examples.__getitems__([0])
    assert np.array_equal(examples.example(0), clips[1].numpy())
    assert np.array_equal(examples.decode_all().example(0), clips[1].numpy())


def test_a_file_that_cannot_be_read_is_no_example(tmp_path):
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")
    reader = build_reader(tiny().model.input)
    files = [("bad.png", b"bad"), ("good.png", file.getvalue())]
    examples = FileExamples(files, torch.zeros(2), torch.arange(2), reader)
    assert examples.example(1).shape == (8, 8, 1)
    with pytest.raises(ValueError, match=r"bad\.png"):
        examples.example(0)
