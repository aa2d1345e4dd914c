"""Draw a run of `keras-cifar100-lamb` beside the log that the Keras example printed.

    perceivers train keras-cifar100-lamb --data cifar-100-python.tar.gz --out RUN
    python examples/keras_curve.py RUN [--out curve.png]

The printed log has 45 epochs (docs/results/keras-cifar100-lamb/printed/metrics.csv). Its page
is https://keras.io/examples/vision/perceiver_image_classification/ in the version of 2021. The
validation top-1 of both is printed for each epoch of RUN.
"""

import argparse
from pathlib import Path

from perceivers.report.figures import read_curves
from perceivers.training.curves import curves
from perceivers.training.scores import LOSS, Score

PRINTED = Path(__file__).parents[1] / "docs/results/keras-cifar100-lamb/printed"
TOP1 = Score("top1", "top-1", ".2%")


def main() -> None:
    """Print the table and draw the curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("--out", type=Path, default=Path("curve.png"), help="picture to write")
    options = parser.parse_args()
    ours, printed = read_curves(options.run), read_curves(PRINTED)
    if not ours:
        parser.error(f"{options.run} has no metrics.csv with an epoch; expected a run directory")
    print("| epoch | ours | printed | difference |\n|---|---|---|---|")
    for mine, theirs in zip(ours, printed, strict=False):
        top1, other = 100 * mine["val_top1"], 100 * theirs["val_top1"]
        print(f"| {mine['epoch']:.0f} | {top1:.2f} | {other:.2f} | {top1 - other:+.2f} |")
    shown = printed[: max(10, 2 * len(ours))]
    figure = curves({"perceivers": ours, "printed by the Keras example": shown}, (LOSS, TOP1))
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
