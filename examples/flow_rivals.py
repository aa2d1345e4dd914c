"""Compare a run of the recipe `flow` with other guesses of the same motion.

    python examples/flow_rivals.py RUN PAIRS OUT [--count 200]

PAIRS is a folder of pairs of the size that the model reads, such as DEST/test of `warped_pairs.py`.
The rivals are no motion; the mean motion of all pairs, pixel by pixel; the mean of the true motion
of each pair, which nobody knows; and, if scikit-image is installed, its TV-L1 method (Zach, Pock
and Bischof, 2007) with its default settings. OUT/rivals.json has the mean end-point errors in
pixels, and OUT/examples.png pairs of the median error: frames, truth, the model and TV-L1.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import perceivers
from perceivers.data.config import DataConfig
from perceivers.data.splits import read_splits
from perceivers.modalities import modality_of
from perceivers.modalities.drawing import new_figure
from perceivers.modalities.flow.draw import draw_flows
from perceivers.models.base import PerceiverModel

SHOWN = 5


def tv_l1(frames: np.ndarray) -> np.ndarray:
    """Return the motion that scikit-image's TV-L1 method finds, (H, W, 2), in pixels."""
    from skimage.registration import optical_flow_tvl1

    first, second = frames.astype(np.float32).mean(-1) / 255
    down, right = optical_flow_tvl1(first, second)
    return np.stack([right, down], axis=-1)


def errors(said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean end-point error of each pair, (pairs,)."""
    return np.linalg.norm(said - truth, axis=-1).mean((1, 2))


@torch.inference_mode()
def predicted(model: PerceiverModel, frames: torch.Tensor) -> np.ndarray:
    """Return the motion that a model says, (pairs, H, W, 2)."""
    return torch.cat([model.eval()(part) for part in frames.split(50)]).numpy()


def main() -> None:
    """Write the errors and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run of the recipe flow")
    parser.add_argument("pairs", help="folder of pairs of frames")
    parser.add_argument("out", type=Path, help="directory for the results")
    parser.add_argument("--count", type=int, default=200, help="pairs that are compared [200]")
    options = parser.parse_args()
    model = perceivers.load(options.run)
    assert isinstance(model, PerceiverModel)
    config = model.config.input
    reader = modality_of(config).labelled_reader(config)
    data = DataConfig(path=options.pairs, task="flow")
    examples = read_splits(data, reader, hold_out=False).examples["train"]
    frames, labels = examples.__getitems__(range(min(options.count, len(examples))))
    truth, pairs = labels.numpy(), frames.numpy()
    said = {"model": predicted(model, frames), "no motion": np.zeros_like(truth)}
    said["mean motion of all pairs"] = np.broadcast_to(truth.mean(0), truth.shape)
    mean = truth.mean((1, 2), keepdims=True)
    said["true mean motion of each pair"] = np.broadcast_to(mean, truth.shape)
    try:
        said["TV-L1"] = np.stack([tv_l1(pair) for pair in pairs])
    except ImportError:
        print("scikit-image is not installed: TV-L1 is left out")
    each = {name: errors(flow, truth) for name, flow in said.items()}
    table = {name: round(float(error.mean()), 4) for name, error in each.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"pairs": len(truth), "end-point error": table}, indent=1)
    (options.out / "rivals.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    order = each["model"].argsort()
    middle = order[(len(order) - SHOWN) // 2 :][:SHOWN]
    figure = new_figure(8.0, 1.75 * SHOWN)
    for panel, row in zip(figure.subfigures(SHOWN, 1), middle, strict=True):
        shown = {"true motion": truth[row]}
        for name in ("model", "TV-L1"):
            if name in said:
                shown[f"{name}, {each[name][row]:.2f} px"] = said[name][row]
        draw_flows(panel, pairs[row], shown)
    figure.savefig(options.out / "examples.png", dpi=90, bbox_inches="tight", pad_inches=0.1)


if __name__ == "__main__":
    main()
