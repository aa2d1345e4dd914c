"""`perceivers predict` with models whose outputs are neither classes nor numbers."""

import json

import numpy as np
import pytest
import torch
from commands import run
from media_files import write_wav
from PIL import Image

import perceivers
from perceivers.modalities import (
    AudioConfig,
    FlowOutputConfig,
    FramePairConfig,
    FramesOutputConfig,
    FusionConfig,
    FusionOutputConfig,
    LabelConfig,
    LabelOutputConfig,
    TextConfig,
    TextOutputConfig,
    VideoConfig,
    WaveOutputConfig,
    build_reader,
)
from perceivers.modalities.flow.files import read_flo
from perceivers.modalities.video.encode import mkv_bytes
from perceivers.models.build import build
from perceivers.models.config import PerceiverIOConfig
from perceivers.predict.flow import predict_flow
from perceivers.predict.text import fill_masks, masked_ids

SMALL = {"num_latents": 4, "latent_dim": 16, "num_layers_per_block": 1, "num_self_heads": 2}


@pytest.fixture(scope="module")
def language():
    torch.manual_seed(0)
    inputs = TextConfig(max_length=40, embedding_dim=8)
    return build(PerceiverIOConfig(input=inputs, output=TextOutputConfig(), **SMALL)).eval()


@pytest.fixture(scope="module")
def flow():
    torch.manual_seed(0)
    inputs = FramePairConfig(height=6, width=8, projection_dim=4, num_bands=2)
    return build(PerceiverIOConfig(input=inputs, output=FlowOutputConfig(), **SMALL)).eval()


@pytest.fixture
def frames(tmp_path):
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(path)
    return paths


def test_ids_of_masks():
    ids, spans = masked_ids("é[MASK]b[MASK:3]")
    assert ids.tolist() == [0xC3 + 6, 0xA9 + 6, 3, ord("b") + 6, 3, 3, 3]
    assert spans == [(2, 3), (4, 7)]


def test_masks_are_filled_with_the_most_probable_bytes(language):
    text = "a [MASK:2] c [MASK]"
    [filled] = fill_masks(language, [text])
    ids, spans = masked_ids(text)
    chances = language(ids[None])[0, :, 6:].softmax(-1)
    for (start, stop), span, probability in zip(
        spans, filled.spans, filled.probabilities, strict=True
    ):
        best, found = chances[start:stop].max(-1)
        assert span == bytes(found.tolist()).decode(errors="replace")
        assert probability == pytest.approx(best.prod().item())
    assert filled.text.startswith("a ")


@pytest.mark.parametrize(
    ("text", "message"),
    [("no mask", "has no mask; write"), ("[MASK:41]", "has 41 bytes; this model reads up to 40")],
)
def test_texts_that_cannot_be_filled(language, text, message):
    with pytest.raises(ValueError, match=message):
        fill_masks(language, [text])


def test_predict_fills_texts(capsys, tmp_path, language):
    perceivers.save(language, tmp_path / "model")
    (tmp_path / "x.txt").write_text("from a [MASK] file\n")
    arguments = (tmp_path / "model", tmp_path / "x.txt", "--text", "[MASK:3]!")
    status, out, err = run(capsys, "predict", *arguments, "--json")
    assert (status, err) == (0, "")
    entries = json.loads(out)
    assert [len(entry["spans"]) for entry in entries] == [1, 1]
    assert run(capsys, "predict", *arguments)[0] == 0
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    status, _, err = run(capsys, "predict", tmp_path / "model", tmp_path / "x.png")
    assert status
    assert f"{tmp_path / 'x.png'}: .png files are images; this model reads texts" in err
    status, _, err = run(capsys, "predict", *arguments, "--clips", 3)
    assert status
    assert "--clips is for classes and numbers" in err


def test_flow_of_frames_larger_than_the_training(flow, frames):
    result = predict_flow(flow, *frames[:2], overlap=2)
    assert result.shape == (9, 12, 2)
    small = [np.zeros((6, 8, 3), np.uint8), np.full((6, 8, 3), 200, np.uint8)]
    expected = flow(torch.from_numpy(np.stack(small))[None])[0].detach().numpy()
    np.testing.assert_allclose(predict_flow(flow, *small), expected, atol=1e-6)


def test_predict_writes_the_flow_between_all_frames(capsys, tmp_path, flow, frames):
    perceivers.save(flow, tmp_path / "model")
    out_dir = tmp_path / "out"
    # Tiles of this tiny model are smaller than the usual overlap.
    status, out, err = run(capsys, "predict", tmp_path / "model", *frames, "--out", out_dir)
    assert status == 0, err
    assert sorted(path.name for path in out_dir.iterdir()) == [
        "a-b.flo", "a-b.png", "b-c.flo", "b-c.png",
    ]  # fmt: skip
    assert read_flo(out_dir / "a-b.flo").shape == (9, 12, 2)
    with Image.open(out_dir / "a-b.png") as picture:
        assert picture.size == (12, 9)
    assert out.count("pixels on average") == 2


def test_frames_of_differing_sizes_are_refused(capsys, tmp_path, flow, frames):
    perceivers.save(flow, tmp_path / "model")
    Image.new("RGB", (10, 10)).save(tmp_path / "d.png")
    for files, message in (
        ((frames[0], tmp_path / "d.png"), "the frames are of 12×9 and 10×10 pixels"),
        ((frames[0],), "got 1 file; expected two or more frames"),
        ((frames[0], tmp_path / "none.png"), "none.png"),
    ):
        status, _, err = run(capsys, "predict", tmp_path / "model", *files)
        assert status
        assert message in err


def test_other_commands_say_that_the_model_is_no_classifier(capsys, tmp_path, flow):
    perceivers.save(flow, tmp_path / "model")
    with pytest.raises(ValueError, match="kind 'perceiver-io', which has no classes or numbers"):
        perceivers.Predictor(tmp_path / "model")
    with pytest.raises(ValueError, match="kind 'perceiver-io', which has no classes or numbers"):
        perceivers.Predictor(flow)
    status, _, err = run(capsys, "serve", tmp_path / "model", "--port", 0)
    assert status
    assert "cannot be served: optical flow is between two files" in err
    arguments = (tmp_path / "model", tmp_path / "x.png", "--out", tmp_path / "map.png")
    status, _, err = run(capsys, "explain", *arguments)
    assert status
    assert "explanations are of classes and numbers, and " in err


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    inputs = FusionConfig(
        parts={
            "audio": AudioConfig(num_samples=256, sample_rate=1_600, patch_size=16, num_bands=2),
            "video": VideoConfig(
                num_frames=4, seconds=0.16, image_size=8, patch_frames=1, patch_size=4, num_bands=2
            ),
            "label": LabelConfig(num_classes=3),
        }
    )
    parts = {
        "audio": WaveOutputConfig(num_samples=256, num_bands=2),
        "video": FramesOutputConfig(num_frames=4, image_size=8, num_bands=2),
        "label": LabelOutputConfig(num_classes=3, query_dim=8),
    }
    output = FusionOutputConfig(parts=parts, decoded_dim=8)
    return build(PerceiverIOConfig(input=inputs, output=output, **SMALL), ("a", "b", "c")).eval()


@pytest.fixture
def films(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
    sound = np.sin(np.arange(512) / 9).astype(np.float32)
    (tmp_path / "loud.mkv").write_bytes(mkv_bytes(frames, 25, sound, 1_600))
    (tmp_path / "mute.mkv").write_bytes(mkv_bytes(frames, 25))
    return [tmp_path / "loud.mkv", tmp_path / "mute.mkv"]


def test_predict_rebuilds_films(capsys, tmp_path, autoencoder, films):
    perceivers.save(autoencoder, tmp_path / "model")
    arguments = ("predict", tmp_path / "model", *films, "--out", tmp_path / "out", "--top-k", 2)
    status, out, err = run(capsys, *arguments, "--json")
    assert status == 0, err
    loud, mute = json.loads(out)
    assert set(loud["psnr_db"]) == {"audio", "video"}
    assert set(mute["psnr_db"]) == {"video"}  # it has no sound to compare with
    assert len(loud["classes"]) == 2
    reader = build_reader(autoencoder.config.input)
    example = reader.decode(films[0])
    expected = autoencoder({n: torch.from_numpy(example[n])[None] for n in ("audio", "video")})
    chances = expected["label"][0].softmax(-1)
    assert loud["classes"][0]["probability"] == pytest.approx(chances.max().item(), abs=1e-6)
    # What was written is read as the model gave it.
    written = reader.decode(tmp_path / "out" / "loud.mkv")
    frames = (expected["video"][0] * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    np.testing.assert_array_equal(written["video"], frames)
    sound = expected["audio"][0].detach().numpy().clip(-1, 1)
    np.testing.assert_allclose(written["audio"][:, 0], sound, atol=2 / 2**15)
    error = np.square(example["video"] / 255 - expected["video"][0].detach().numpy()).mean()
    assert loud["psnr_db"]["video"] == pytest.approx(-10 * np.log10(error), abs=0.01)
    with Image.open(tmp_path / "out" / "mute.png") as strip:
        assert strip.size == (4 * 8, 2 * 8 + 4)
    status, out, _ = run(capsys, *arguments)
    assert status == 0
    assert out.count("PSNR of") == 2


def test_films_that_cannot_be_rebuilt(capsys, tmp_path, autoencoder, films):
    perceivers.save(autoencoder, tmp_path / "model")
    write_wav(tmp_path / "sound.wav", np.zeros(400))
    (tmp_path / "text.mkv").write_text("no film")
    for files, out, message in (
        ([tmp_path / "sound.wav"], "out", "sound.wav: it holds sound alone; expected a film"),
        ([tmp_path / "text.mkv"], "out", "text.mkv: "),
        ([tmp_path / "none.mkv"], "out", "none.mkv"),
        ([films[0], films[0]], "out", "several files are called loud"),
        ([films[0]], ".", "loud.mkv would be replaced; choose another --out"),
    ):
        status, _, err = run(capsys, "predict", tmp_path / "model", *files, "--out", tmp_path / out)
        assert status
        assert message in err
        assert err.count("\n") == 1
