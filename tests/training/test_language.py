"""The task of continuing texts: bits per byte, its rivals, and a whole run."""

import dataclasses
import gzip
import json
import math

import pytest
import torch
import torch.nn.functional as F
from texts import tiny_ar, tiny_ar_config

from perceivers.data.config import DataConfig
from perceivers.data.documents import Windows, read_documents
from perceivers.modalities.text.reader import TextReader
from perceivers.recipes import get_recipe
from perceivers.report.write import write
from perceivers.training.engine import resume, train
from perceivers.training.evaluation import evaluate
from perceivers.training.language import bits_of_rivals
from perceivers.training.recipe_data import read_recipe
from perceivers.training.scoring import score
from perceivers.training.targets import targets_of

LINES = "".join(f"{i} times {j} is {i * j}\n" for i in range(2, 9) for j in range(2, 7))


def test_the_loss_is_that_of_each_byte_once():
    """Whatever the windows, compared with one forward pass for each byte."""
    model, text = tiny_ar(), b"what is read, and read again"
    targets = targets_of(model)
    windows = Windows(text, 24, 7, b"")
    ids, labels = windows.__getitems__(range(len(windows)))
    outputs, truth = model(ids), targets.truth(ids, labels)
    assert targets.weight(truth) == len(text)
    bits, kept = targets.kept(outputs, truth)
    found = bits[kept >= 0]
    whole, expected = b"\n" + text, []
    for window, end in enumerate(windows.ends.tolist()):
        first = [*range(len(text))][window * 7]
        tokens = torch.tensor([list(whole[max(0, end + 1 - 24) : end + 1])])
        logits = model.perceiver(tokens, max(0, tokens.shape[1] - 8))[0]
        for place in range(first, end):
            loss = F.cross_entropy(logits[place - end - 1], torch.tensor(text[place]))
            expected.append(loss / math.log(2))
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-4)
    mean = targets.loss(outputs, truth) / math.log(2)
    torch.testing.assert_close(mean, found.mean(), rtol=1e-5, atol=1e-5)


def test_rivals_are_those_counted_by_hand():
    train, text = b"abab", b"ba"
    found = bits_of_rivals(train, text)
    # "a" and "b" twice each of 4 bytes; two kinds get 2 of 6 parts for all 256 values.
    one = (2 + 2 / 256) / 6
    assert found["unigram"] == pytest.approx(-math.log2(one))
    first = 1 * one / 2  # after "\n": "a" once, so half for others
    second = (1 + one) / 2  # after "b": "a" once
    assert found["bigram"] == pytest.approx(-(math.log2(first) + math.log2(second)) / 2)
    assert found["gzip"] == 8 * len(gzip.compress(text, 9)) / 2
    assert bits_of_rivals(b"", text) == {name: found[name] for name in ("gzip", "xz")}
    many = LINES.encode()
    long = bits_of_rivals(many, many)
    assert long["xz_after_training"] < 0.2 * long["xz"] < long["xz"] < 8
    assert long["bigram"] < long["unigram"] < 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the recipe of a tiny run, its directory and its result."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "lines.txt").write_text(LINES)
    recipe = get_recipe("bytes-lm")
    recipe = dataclasses.replace(
        recipe,
        model=tiny_ar_config(prefix_dropout=0.25),
        data=dataclasses.replace(
            recipe.data, path=str(folder / "lines.txt"), batch_size=8, validation=0.2, test=0.2
        ),
        optimizer=dataclasses.replace(recipe.optimizer, lr=0.02),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=2),
    )
    return folder / "run", train(recipe, folder / "run", report=write)


def test_a_run_learns_and_is_scored_beside_its_rivals(run):
    directory, result = run
    test = result["test"]
    assert test["bits_per_byte"] < 6.5  # of 8 for a model that knows nothing
    assert test["bits_per_byte"] == pytest.approx(test["loss"] / math.log(2), rel=1e-4)
    assert list(test["baseline"]) == ["unigram", "bigram", "gzip", "xz", "xz_after_training"]
    assert evaluate(directory)["bits_per_byte"] == pytest.approx(test["bits_per_byte"], rel=1e-5)
    resumed = resume(directory, read_recipe(directory))
    assert resumed["test"]["bits_per_byte"] == pytest.approx(test["bits_per_byte"], rel=1e-5)


def test_rivals_of_other_texts_do_not_learn_from_them(run, tmp_path):
    directory, _ = run
    (tmp_path / "other.txt").write_text("Another text.\nOf two lines.\n")
    scores = evaluate(directory, str(tmp_path / "other.txt"))
    assert scores["split"] == "all"
    assert list(scores["baseline"]) == ["gzip", "xz"]
    assert scores["bits_per_byte"] > 4


def test_report_and_lines_of_a_run(run):
    directory, result = run
    page = (directory / "report.html").read_text()
    for words in ("Surprising lines", "Continued by the model", "xz of this text behind", "times"):
        assert words in page
    # What a model writes has few line ends; a line would leave the page.
    assert "overflow-wrap" in page.partition("pre.config {")[2].partition("}")[0]
    assert "Not drawn" not in page
    rows = (directory / "predictions.csv").read_text().splitlines()
    assert rows[0] == "line,bytes,bits_per_byte,content"
    sizes = [int(row.split(",")[1]) for row in rows[1:]]
    bits = [float(row.split(",")[2]) for row in rows[1:]]
    mean = sum(s * b for s, b in zip(sizes, bits, strict=True)) / sum(sizes)
    assert mean == pytest.approx(result["test"]["bits_per_byte"], abs=1e-3)
    assert json.loads((directory / "config.json").read_text())["model"]["kind"] == "perceiver-ar"


def test_scores_do_not_depend_on_the_batches(tmp_path):
    (tmp_path / "a.txt").write_text(LINES)
    recipe = get_recipe("bytes-lm")
    found = []
    for size in (3, 64):
        data = DataConfig(path=str(tmp_path / "a.txt"), batch_size=size, validation=0.2, test=0.2)
        changed = dataclasses.replace(recipe, model=tiny_ar_config(), data=data)
        splits = read_documents(data, TextReader(24), step=7)
        found.append(score(tiny_ar(), changed, splits).scores["bits_per_byte"])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
