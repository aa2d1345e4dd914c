"""Write GRID's digit clips as mkv files with sound, in one folder per class, split by clip.

    python examples/grid_clips.py SOURCE DEST

SOURCE contains video.npy (clips, frames, height, width) uint8, audio.npy (clips, samples) int16 at
8 kHz, and labels.npz (ids; labels, whose column 4 is the digit). Video is encoded with FFV1 and
sound with FLAC; both are lossless.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FRAMES, SAMPLES = 25, 8_000  # per second
DIGIT = 4  # column of the labels
TEST = 0.2  # share of each class's clips in the test split


def test_clips(labels: np.ndarray) -> np.ndarray:
    """Return a mask (clips,) of the test clips: a fifth of each class, drawn with a fixed seed."""
    rng = np.random.default_rng(0)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        chosen[members[: round(TEST * len(members))]] = True
    return chosen


def write(path: Path, pictures: np.ndarray, samples: np.ndarray) -> None:
    """Write a clip of grey pictures (T, H, W) uint8 and mono samples (S,) int16 to a file."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("ffv1", rate=FRAMES)
        video.height, video.width = pictures.shape[1:]
        video.pix_fmt = "gray"
        audio = file.add_stream("flac", rate=SAMPLES, layout="mono")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "gray")
            frame.pts, frame.time_base = number, Fraction(1, FRAMES)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        sound.sample_rate, sound.pts, sound.time_base = SAMPLES, 0, Fraction(1, SAMPLES)
        file.mux(audio.encode(sound))
        file.mux(audio.encode(None))


def main(source: Path, dest: Path) -> None:
    """Write DEST/train/DIGIT/*.mkv and DEST/test/DIGIT/*.mkv."""
    video = np.load(source / "video.npy", mmap_mode="r")
    audio = np.load(source / "audio.npy", mmap_mode="r")
    with np.load(source / "labels.npz", allow_pickle=False) as file:
        ids, labels = file["ids"], file["labels"][:, DIGIT]
    chosen = test_clips(labels)
    for index, (name, label) in enumerate(zip(ids, labels, strict=True)):
        folder = dest / ("test" if chosen[index] else "train") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"{name}.mkv", np.array(video[index]), np.array(audio[index]))
    print(f"{(~chosen).sum()} training clips, {chosen.sum()} test clips")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of video.npy, audio.npy and labels.npz")
    parser.add_argument("dest", type=Path, help="folder to write to")
    main(**vars(parser.parse_args()))
