"""Runs that find hidden bytes: scores counted by hand, files, and classifiers that start there."""

import csv
import json
import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from commands import run

import perceivers
from perceivers.modalities.text.decode import encode
from perceivers.modalities.text.masking import hide_bytes

TEXTS = {
    "bad": [f"film number {i} is bad and dull" for i in range(30)],
    "good": [f"film number {i} is good and witty" for i in range(30)],
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for name, lines in TEXTS.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def trained(texts, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "mlm"
    return perceivers.train(
        "mlm", str(texts), out=out, trainer={"max_epochs": 2, "patience": 0},
        model={"num_latents": 4, "latent_dim": 16, "input": {"ngram_rows": 64}},
    )  # fmt: skip


def test_scores_are_those_of_the_hidden_bytes_of_the_test_texts(capsys, trained):
    status, out, err = run(capsys, "eval", trained.directory)
    assert status == 0, err
    assert f"test bits per hidden byte {trained.metrics['test']['bits_per_byte']:.4f}" in out
    assert "the same text in bits per byte: unigram" in out
    with (trained.directory / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    texts = [row["right"] for row in rows]
    assert set(texts) < {line for lines in TEXTS.values() for line in lines}
    ids = encode(texts, 60)
    shown, hidden = hide_bytes(ids, 0.15, 0)
    with torch.no_grad():
        logits = trained.model(shown)[hidden]
    bits = F.cross_entropy(logits, ids[hidden]).item() / math.log(2)
    test = trained.metrics["test"]
    assert test["bits_per_byte"] == pytest.approx(bits, rel=1e-5)
    assert test["loss"] == pytest.approx(bits * math.log(2), rel=1e-5)
    right = (logits.argmax(-1) == ids[hidden]).float().mean().item()
    assert test["accuracy"] == pytest.approx(right, abs=1e-6)
    assert sum(int(row["hidden"]) for row in rows) == int(hidden.sum())
    assert sum(int(row["found"]) for row in rows) == round(right * int(hidden.sum()))
    page = (trained.directory / "report.html").read_text(encoding="utf-8")
    assert "Filled texts" in page
    assert "bits per hidden byte" in page
    assert "bits per byte" not in page
    pairs = Counter(p for text in texts for p in zip(f"\0{text}", text, strict=False))
    firsts = Counter(p for text in texts for p in f"\0{text}"[:-1])
    entropy = -sum(n * math.log2(n / firsts[a]) for (a, _), n in pairs.items())
    assert test["baseline"]["bigram"] == pytest.approx(entropy / sum(pairs.values()))
    singles = Counter("".join(texts))
    alone = -sum(n * math.log2(n / singles.total()) for n in singles.values())
    assert test["baseline"]["unigram"] == pytest.approx(alone / singles.total())


def test_commands_with_a_run_of_hidden_bytes(capsys, trained, texts):
    status, out, _ = run(capsys, "predict", trained.directory, "--text", "film [MASK:2]", "--json")
    assert status == 0
    assert json.loads(out)[0]["text"].startswith("film ")
    status, _, err = run(capsys, "train", trained.directory, "--resume")
    assert status == 0, err


def test_a_classifier_starts_from_it(capsys, trained, texts, tmp_path):
    status, _, err = run(
        capsys, "train", "folder", "--data", texts, "--init", trained.directory,
        "--trainer.max_epochs", 1, "--out", tmp_path / "run",
    )  # fmt: skip
    assert status == 0, err
    assert "starts from" in err
    config = perceivers.load(tmp_path / "run").config
    assert (config.latent_dim, config.task) == (16, "classification")


def test_labels_are_not_needed(texts, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "all.txt").write_text("\n".join(TEXTS["bad"]))
    recipe = perceivers.get_recipe("mlm")
    small = {"num_latents": 4, "latent_dim": 16, "input": {"ngram_rows": 64}}
    found = perceivers.train(
        recipe, str(tmp_path / "data"), out=tmp_path / "run", model=small,
        trainer={"max_epochs": 1},
    )  # fmt: skip
    assert found.metrics["train_examples"] == 24


def test_other_tasks_are_refused_in_one_line(capsys, texts, tmp_path):
    for options, message in (
        (["rt-polarity", "--data.task", "masking"], "is for classification, but the data is for"),
        (
            ["mlm", "--data.task", "classification"],
            "the model is for masking",
        ),
        (["mlm", "--model.output.hidden_share", 2], "hidden_share is 2.0; expected a number"),
        (["mlm", "--trainer.monitor", "val_top1"], "is not a score of masking"),
    ):
        status, _, err = run(capsys, "train", *options, "--data", texts, "--out", tmp_path / "x")
        assert status, options
        assert message in err
        assert not (tmp_path / "x").exists()
