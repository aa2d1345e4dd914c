"""Time exported models in onnxruntime against eager PyTorch: `python -m benchmarks.onnx`.

Both run the same batch in turn in one process, with the same number of threads, and their outputs
are compared first. A ratio above 1 says that onnxruntime is faster.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import onnxruntime
import torch

from perceivers.export import export_onnx
from perceivers.export.program import inputs_of
from perceivers.modalities.image.config import ImageConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.recipes import get_recipe

# A classifier of 224 × 224 pixels, each an element with Fourier positions, that fits two cores.
FOURIER = ModelConfig(
    num_classes=1000,
    input=ImageConfig(image_size=224, channels=3, num_bands=64),
    num_latents=128,
    latent_dim=256,
    cross_order=(0, 1),
    block_order=(0, 0),
    num_layers_per_block=4,
    num_cross_heads=1,
    num_self_heads=8,
)
CASES = {
    "digits": (get_recipe("digits").model, (1, 64)),
    "cifar10": (get_recipe("cifar10").model, (1, 16)),
    "fourier-224": (FOURIER, (1,)),
}


def main() -> None:
    """Print a table of the cases."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onnx", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--threads", type=int, default=2, help="threads of both (default: 2)")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (default: 15)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| model | batch | PyTorch | onnxruntime | ratio (10% to 90%) | largest difference |")
    print("|---|---|---|---|---|---|")
    for name in options.case or CASES:
        config, sizes = CASES[name]
        for size in sizes:
            print(row(name, config, size, options.threads, options.rounds), flush=True)


def row(name: str, config: ModelConfig, size: int, threads: int, rounds: int) -> str:
    """Return the row of a model and a batch size."""
    torch.manual_seed(0)
    model = build(config).eval()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    (given,) = inputs_of(model)
    batch = given.example[:1].expand(size, *given.example.shape[1:]).clone()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(model, path)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, settings)
    feed = {given.name: batch.numpy()}
    with torch.inference_mode():
        both = [lambda: model(batch), lambda: session.run(["logits"], feed)]
        first, (second,) = both[0](), both[1]()
        difference = float((first - torch.from_numpy(second)).abs().max())
        assert difference < 1e-3, difference
        times = [(seconds(both[0]), seconds(both[1])) for _ in range(rounds)]
    ratios = sorted(eager / exported for eager, exported in times)
    low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
    eager, exported = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
    return f"| {name} | {size} | {eager:.2f} ms | {exported:.2f} ms | {spread} | {difference:.1e} |"


def seconds(action: Any) -> float:
    """Return the time of a call, of several if it is short, in seconds."""
    start, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - start < 0.05:
        action()
        count += 1
    return (time.perf_counter() - start) / count


if __name__ == "__main__":
    main()
