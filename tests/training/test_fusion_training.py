"""Training, evaluation and prediction on videos with sound, some with one of the two missing."""

import dataclasses
import json
import logging

import av
import numpy as np
import pytest
import torch

import perceivers
from perceivers import cli
from perceivers.data.config import DataConfig
from perceivers.data.file_examples import FileExamples
from perceivers.data.splits import read_splits
from perceivers.modalities import FusionConfig, MelConfig, VideoConfig, build_adapter, build_reader
from perceivers.modalities.reader import collate
from perceivers.recipes import get_recipe
from perceivers.training import engine
from perceivers.training.evaluation import evaluate
from perceivers.training.measuring import measure_normalisation

RATE, FRAMES = 8000, 25
SOUND = MelConfig(
    num_samples=800, sample_rate=RATE, n_fft=128, hop_length=80, n_mels=8, patch_frames=2,
    num_bands=2,
)  # fmt: skip
PICTURES = VideoConfig(
    num_frames=4, image_size=8, channels=1, num_bands=2, patch_size=4, seconds=0.16
)


def write_film(path, level, *, sound=True, pictures=True):
    """Write a film of half a second; a higher level in [0, 1] is louder and brighter."""
    rng = np.random.default_rng(len(path.name))
    with av.open(str(path), "w") as file:
        if pictures:
            track = file.add_stream("ffv1", rate=FRAMES)
            track.width = track.height = 10
            track.pix_fmt = "gray"
        if sound:
            sound_track = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        if pictures:
            for number in range(FRAMES // 2):
                noise = rng.integers(0, 50, (10, 10)) + 200 * level
                frame = av.VideoFrame.from_ndarray(noise.astype(np.uint8), "gray")
                frame.pts = number
                file.mux(track.encode(frame))
            file.mux(track.encode(None))
        if sound:
            wave = rng.normal(size=(1, RATE // 2)) * (300 + 6000 * level)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = RATE, 0
            file.mux(sound_track.encode(frame))
            file.mux(sound_track.encode(None))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder with 14 quiet, dark films and 14 loud, bright ones.

    In each class one film has no sound and one has no pictures.
    """
    root = tmp_path_factory.mktemp("films")
    for level, label in enumerate(("dull", "vivid")):
        (root / label).mkdir()
        for index in range(14):
            missing = {3: {"sound": False}, 5: {"pictures": False}}.get(index, {})
            write_film(root / label / f"{index}.mkv", level, **missing)
    return root


def tiny(name, inputs, films, **data):
    recipe = get_recipe(name)
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(
            recipe.model, input=inputs, num_latents=4, latent_dim=16, num_self_heads=2,
            num_layers_per_block=1,
        ),
        data=dataclasses.replace(
            recipe.data, path=str(films), batch_size=8, validation=0.2, test=0.2, **data
        ),
        optimizer=dataclasses.replace(recipe.optimizer, warmup_epochs=0),
        trainer=dataclasses.replace(recipe.trainer, max_epochs=1, ema_decay=0.0),
    )  # fmt: skip


BOTH = FusionConfig(parts={"audio": SOUND, "video": PICTURES}, dropout={"video": 0.3})


@pytest.fixture(scope="module")
def run(films, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "av"
    recipe = tiny("grid-av", BOTH, films)
    recipe = dataclasses.replace(recipe, trainer=dataclasses.replace(recipe.trainer, max_epochs=12))
    engine.train(recipe, path)
    return path


def test_training_and_evaluation(run, films):
    trained = json.loads((run / "metrics.json").read_text())
    assert trained["skipped_files"] == []
    assert trained["test"]["top1"] > 0.8
    assert evaluate(run)["top1"] == pytest.approx(trained["test"]["top1"])
    several = evaluate(run, str(films), clips=3)
    assert (several["clips"], several["examples"]) == (3, 28)
    assert several["top1"] > 0.8
    assert several["loss"] != evaluate(run, str(films))["loss"]


@pytest.mark.parametrize("clips", [1, 2])
def test_only_scored_films_are_opened(run, monkeypatch, clips):
    opened, decode = [], FileExamples._decode
    monkeypatch.setattr(
        FileExamples,
        "_decode",
        lambda table, index: (
            opened.append(table.files[int(table.rows[index])][0]) or decode(table, index)
        ),
    )
    assert evaluate(run, clips=clips)["examples"] == 6
    assert len(opened) == len(set(opened)) == 6


def test_normalisation_of_each_part(run, films):
    adapter = perceivers.load(run).adapter
    table = read_splits(
        DataConfig(path=str(films), validation=0.2, test=0.2), build_reader(BOTH)
    ).examples["train"]
    for name, part in adapter.parts.items():
        present = table.examples[f"{name}.present"]
        assert not present.all()
        x = part.values_to_normalise(table.examples[name][present]).flatten(0, -2).double()
        torch.testing.assert_close(part.mean.double(), x.mean(0), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(part.std.double(), x.std(0), atol=1e-3, rtol=1e-3)


def test_normalisation_of_a_part_that_no_example_has():
    adapter = build_adapter(BOTH)
    reader = build_reader(BOTH)

    class SilentExamples(list):
        def __getitems__(self, indices):
            zeros = [np.zeros(part.shape, np.float32) for part in reader.parts.values()]
            example = {"audio": zeros[0], "audio.present": np.array(False), "video": zeros[1] + 0.5}
            return collate([example] * len(indices)), None

    measure_normalisation(adapter, SilentExamples(range(5)))
    assert torch.equal(adapter.parts["audio"].std, torch.ones(1))
    assert adapter.parts["video"].mean.item() == pytest.approx(0.5)


def test_missing_parts_are_masked_in_prediction(run, films, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    predictor = perceivers.Predictor(run)
    write_film(tmp_path / "whole.mkv", 1)
    write_film(tmp_path / "silent.mkv", 1, sound=False)
    write_film(tmp_path / "sound_only.mkv", 0, pictures=False)
    files = [tmp_path / f"{name}.mkv" for name in ("whole", "silent", "sound_only")]
    together = predictor(files)
    assert "no audio in 1 of 3 examples, no video in 1 of 3 examples; what is m" in caplog.text
    assert [result[0][0] for result in together] == ["vivid", "vivid", "dull"]
    caplog.clear()
    assert not caplog.text
    for file, result in zip(files, together, strict=True):
        alone = dict(predictor([file])[0])
        assert dict(result) == pytest.approx(alone, abs=1e-5)
    # The prediction for the silent film is that for its pictures alone.
    example = predictor.prepare(files[1])
    with torch.no_grad():
        video = torch.from_numpy(example["video"][None])
        logits = predictor.model({"video": video})[0].softmax(-1)
    expected = dict(zip(predictor.labels, logits.tolist(), strict=True))
    assert dict(together[1]) == pytest.approx(expected, abs=1e-5)


def test_clips_are_averaged(run, films):
    predictor = perceivers.Predictor(run, clips=3)
    file = films / "vivid" / "0.mkv"
    [got] = predictor([file])
    clips = predictor.reader.decode(file)
    batch = {name: torch.from_numpy(x) for name, x in clips.items()}
    with torch.no_grad():
        mean = predictor.model(batch).softmax(-1).mean(0)
    expected = dict(zip(predictor.labels, mean.tolist(), strict=True))
    assert dict(got) == pytest.approx(expected, abs=1e-5)
    assert sum(expected.values()) == pytest.approx(1)
    assert perceivers.Predictor(run)([file])[0] != got


def test_predicting_a_whole_film(run, films):
    file = films / "vivid" / "0.mkv"
    whole = perceivers.Predictor(run, own_size=True)
    assert whole.prepare(file)["video"].shape == (12, 8, 8, 1)
    assert whole.prepare(file)["audio"].shape == (4000, 1)
    assert whole([file])[0][0][0] == "vivid"


def test_command_line(run, films, tmp_path, capsys):
    (tmp_path / "bad.mkv").write_bytes(b"nonsense")
    silent = str(films / "vivid" / "3.mkv")
    status = cli.main(["predict", str(run), silent, str(tmp_path / "bad.mkv"), "--clips", "2"])
    out, err = capsys.readouterr()
    assert status == 1
    assert out.startswith(f"{silent}: vivid")
    assert "no audio in 1 of 1 examples" in err
    assert "bad.mkv: neither sound nor video" in err
    assert cli.main(["eval", str(run), "--clips", "2"]) == 0
    assert json.loads((run / "metrics.json").read_text())["eval"]["clips"] == 2


@pytest.mark.parametrize("hold_gb", [0, 4])
@pytest.mark.parametrize(("name", "inputs"), [("grid-audio", SOUND), ("grid-video", PICTURES)])
def test_one_modality_of_the_films(films, tmp_path, name, inputs, hold_gb):
    """Films without that modality are skipped, as unreadable files are."""
    recipe = tiny(name, inputs, films, hold_gb=hold_gb, workers=0)
    result = engine.train(recipe, tmp_path / "run")
    assert 0 < result["best"]["val_loss"] < 2
    if hold_gb:
        number = {"grid-audio": 3, "grid-video": 5}[name]
        without = [str(films / label / f"{number}.mkv") for label in ("dull", "vivid")]
        assert sorted(result["skipped_files"]) == without
    assert len(perceivers.Predictor(tmp_path / "run")([films / "dull" / "0.mkv"])[0]) == 2


def test_training_on_films_decoded_batch_by_batch(films, tmp_path):
    result = engine.train(tiny("grid-av", BOTH, films, hold_gb=0, workers=1), tmp_path / "run")
    assert result["test"]["examples"] == 6
