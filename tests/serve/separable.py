"""Small models of every kind of file that really tell their classes apart, and files to try."""

import io
import tempfile
import wave

import numpy as np
import torch
from PIL import Image
from tests import media_files

from perceivers.data.splits import read_digits
from perceivers.modalities import build_reader
from perceivers.modalities.image.config import ImageConfig
from perceivers.modalities.points.config import PointsConfig
from perceivers.modalities.reader import collate
from perceivers.modalities.sound.config import MelConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

WORDS = {
    "praise": ["good", "great", "lovely", "warm"],
    "complaint": ["bad", "dull", "cold", "awful"],
}


def digit(label, rng):
    """Return a handwritten 0, 1 or 7 as PNG."""
    images, labels = read_digits()
    index = rng.choice(np.flatnonzero(labels.numpy() == int(label)))
    return saved(Image.fromarray(images[index, :, :, 0].numpy()), "PNG")


def photograph(label, rng):
    """Return a part of a real photograph as JPEG: a face, or the flag beside it."""
    left, top, right, bottom = {"face": (165, 130, 370, 320), "flag": (0, 0, 135, 300)}[label]
    side = int(rng.integers(90, 130))
    x, y = rng.integers((left, top), (right - side, bottom - side))
    part = media_files.photograph().crop((x, y, x + side, y + side))
    return saved(part, "JPEG", quality=85, progressive=bool(rng.integers(2)))


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def sound(label, rng):
    """Return a second of a low or a high tone as wav."""
    pitch = {"low": 220, "high": 2200}[label] * rng.uniform(0.8, 1.2)
    wave_ = np.sin(2 * np.pi * pitch * np.arange(16_000) / 16_000) * rng.uniform(0.2, 0.8)
    wave_ *= np.exp(-3 * np.arange(16_000) / 16_000)  # a struck string
    wave_ += rng.normal(0, 0.01, wave_.shape)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes((wave_.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def cloud(label, rng):
    """Return points of a sphere or a rod as npy."""
    points = rng.normal(size=(200, 3))
    if label == "sphere":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    else:
        points *= (1, 0.05, 0.05)
    file = io.BytesIO()
    np.save(file, points.astype("f4"))
    return file.getvalue()


def text(label, rng):
    return " ".join(["it", "was", *rng.choice(WORDS[label], 3)]).encode()


IMAGES = {"patch_size": 4, "num_bands": 4}
KINDS = {
    "digit": (digit, ("0", "1", "7"), ".png", ImageConfig(image_size=8, channels=1, num_bands=4)),
    "photograph": (photograph, ("face", "flag"), ".jpg", ImageConfig(image_size=32, **IMAGES)),
    "sound": (sound, ("low", "high"), ".wav", MelConfig(num_samples=16_000, num_bands=4)),
    "cloud": (cloud, ("sphere", "rod"), ".npy", PointsConfig(num_points=128, num_bands=4)),
    "text": (text, tuple(WORDS), ".txt", TextConfig(max_length=48, embedding_dim=16)),
}


def read(reader, content, suffix):
    """Decode a file; the formats of clouds are known by their suffixes."""
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        return reader.decode(file.name)


def train(kind, *, steps=150, seed=0):
    """Train a model of a kind until it tells its classes apart."""
    make, labels, suffix, config = KINDS[kind]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = build(
        ModelConfig(
            num_classes=len(labels), input=config, num_latents=8, latent_dim=32,
            cross_order=(0, 1), block_order=(0, 0), num_layers_per_block=1, num_self_heads=2,
        ),
        labels,
    )  # fmt: skip
    reader = build_reader(config)
    targets = torch.arange(120) % len(labels)
    examples = collate([read(reader, make(labels[index], rng), suffix) for index in targets])
    batch = reader.batch(examples)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        loss = torch.nn.functional.cross_entropy(model(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.02:
            break
    assert loss < 0.1, f"{kind}: loss {loss:.2f}"
    return model.eval()
