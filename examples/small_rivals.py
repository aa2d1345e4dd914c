"""Simple rivals of `train folder` on small sets, each a function of (train, test, seed).

    python examples/small_rivals.py DATA [--seeds 0 1 2] [--rate 8000]

`train` and `test` are lists of pairs (value, label), as `small_sets.py` makes them; the result is
the accuracy on the test examples. Features are computed inside, so that they count in the time. As
a script, it prints the scores on DATA/{train,test}/CLASS/*, sounds or point clouds.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from perceivers.modalities.points import decode as points
from perceivers.modalities.sound import decode as sound
from perceivers.modalities.sound.mel import MelAdapter

Pairs = Sequence[tuple[Any, str]]
Score = Callable[[Pairs, Pairs, int], float]

CNN_EPOCHS, CNN_BATCH, CNN_RATE = 30, 32, 3e-3
RATE = 8_000  # Hz, of sounds


def fitted(make: Callable[[int], Any], features: Callable[[Any], Any]) -> Score:
    """Return the rival that fits a scikit-learn classifier to features of the examples.

    Args:
        make: returns the classifier for a seed.
        features: turns the values of several examples into what the classifier takes.
    """

    def score(train: Pairs, test: Pairs, seed: int) -> float:
        (x, y), (x_test, y_test) = (zip(*pairs, strict=True) for pairs in (train, test))
        return float(make(seed).fit(features(x), y).score(features(x_test), y_test))

    return score


def cnn(train: Pairs, test: Pairs, seed: int) -> float:
    """A small convolutional network with mirrored images where these are in colour."""
    torch.manual_seed(seed)
    labels = sorted({label for _, label in train})
    (x, y), (x_test, y_test) = (_tensors(pairs, labels) for pairs in (train, test))
    net = nn.Sequential(
        nn.Conv2d(x.shape[1], 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, len(labels)),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters())
    steps = CNN_EPOCHS * (len(x) // CNN_BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, CNN_RATE, steps)
    for _ in range(CNN_EPOCHS):
        for batch in torch.randperm(len(x))[: len(x) // CNN_BATCH * CNN_BATCH].split(CNN_BATCH):
            images = x[batch].flip(-1) if x.shape[1] == 3 and torch.rand(()) < 0.5 else x[batch]
            loss = nn.functional.cross_entropy(net(images), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.inference_mode():
        return float((net.eval()(x_test).argmax(1) == y_test).float().mean())


def _tensors(pairs: Pairs, labels: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images (B, C, H, W) from -0.5 to 0.5, and the numbers of their labels."""
    images = np.stack([np.atleast_3d(image) for image, _ in pairs])
    numbers = torch.tensor([labels.index(label) for _, label in pairs])
    return torch.from_numpy(images).movedim(3, 1) / 255 - 0.5, numbers


def pixels(images: Any) -> np.ndarray:
    """Return images as rows of numbers from 0 to 1."""
    return np.stack([image.ravel() / 255 for image in images])


def mel_statistics(sounds: Any, rate: int = RATE) -> np.ndarray:
    """Return the mean, deviation and mean change over time of 40 log-mel bands, in three thirds."""
    window, hop = rate // 25, rate // 100
    mel = MelAdapter(num_samples=rate, sample_rate=rate, n_fft=window, hop_length=hop, n_mels=40)
    rows = []
    for samples in sounds:
        samples = np.pad(samples, (0, max(0, window - len(samples))))
        wave = torch.from_numpy(np.float32(samples) / 32_768)[None, :, None]
        bands = mel.log_mel(wave)[0, ..., 0]
        thirds = [third.mean(0) for third in bands.tensor_split(3)]
        rows.append(torch.cat([bands.std(0), bands.diff(dim=0).abs().mean(0), *thirds]).numpy())
    return np.stack(rows)


def histograms(clouds: Any) -> np.ndarray:
    """Return the size of clouds in their unit, and histograms of coordinates and distances."""
    rows = []
    for cloud in clouds:
        extent = np.ptp(cloud, axis=0)
        scaled = (cloud - cloud.min(0)) / extent.max().clip(min=1e-9)
        apart = np.linalg.norm(scaled - np.roll(scaled, 1, axis=0), axis=1)
        columns = [*scaled.T, np.linalg.norm(scaled - scaled.mean(0), axis=1), apart]
        bins = [np.histogram(c, 16, (0, 1.8))[0] / len(cloud) for c in columns]
        rows.append(np.concatenate([extent, np.log(extent.clip(min=1e-9)), *bins]))
    return np.stack(rows)


def cells(rows: Any) -> np.ndarray:
    """Return rows of numbers."""
    return np.array([[float(cell) for cell in row.values()] for row in rows])


def svc(seed: int) -> Any:
    """A support vector classifier on standardised features."""
    return make_pipeline(StandardScaler(), SVC(C=10, random_state=seed))


def forest(seed: int) -> Any:
    """A random forest of 500 trees."""
    return RandomForestClassifier(500, random_state=seed)


def boosting(seed: int) -> Any:
    """Gradient boosting on histograms."""
    return HistGradientBoostingClassifier(random_state=seed)


def linear(seed: int) -> Any:
    """Logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000, random_state=seed))


def tf_idf(seed: int) -> Any:
    """Balanced logistic regression on TF-IDF of words and pairs of words."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    linear = LogisticRegression(C=10, class_weight="balanced", max_iter=1_000, random_state=seed)
    return make_pipeline(words, linear)


def sound_rivals(rate: int) -> dict[str, Score]:
    """Return the rivals of sounds of a sample rate by name."""
    features = partial(mel_statistics, rate=rate)
    return {
        "SVC on mel statistics": fitted(svc, features),
        "forest on mel statistics": fitted(forest, features),
    }


RIVALS: dict[str, dict[str, Score]] = {
    "image": {"CNN": cnn, "SVC on pixels": fitted(svc, pixels)},
    "sound": sound_rivals(RATE),
    "cloud": {
        "forest on histograms": fitted(forest, histograms),
        "SVC on histograms": fitted(svc, histograms),
    },
    "text": {"TF-IDF and logistic regression": fitted(tf_idf, list)},
    "table": {
        "gradient boosting": fitted(boosting, cells),
        "logistic regression": fitted(linear, cells),
    },
}
"""The rivals of each kind of set by name."""


def read_pairs(folder: Path, rate: int) -> list[tuple[Any, str]]:
    """Return the sounds (S,) int16 or clouds (M, 3) of FOLDER/CLASS/*, and their classes."""
    pairs = []
    for file in sorted(folder.glob("*/*")):
        if file.suffix == ".ply":
            value = points.decode(file, channels=3)
        else:
            value = np.int16(np.round(32_767 * sound.decode(file, rate=rate)[:, 0]))
        pairs.append((value, file.parent.name))
    return pairs


def main() -> None:
    """Print the scores of the rivals on a folder of files."""
    from all_modalities import format_scores

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of train/CLASS/* and test/CLASS/*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="random seeds")
    parser.add_argument("--rate", type=int, default=RATE, help="sample rate of sounds, in Hz")
    options = parser.parse_args()
    train, test = (read_pairs(options.data / split, options.rate) for split in ("train", "test"))
    is_cloud = train[0][0].ndim == 2
    for name, score in (RIVALS["cloud"] if is_cloud else sound_rivals(options.rate)).items():
        print(f"{name}: {format_scores([score(train, test, seed) for seed in options.seeds])}")


if __name__ == "__main__":
    main()
