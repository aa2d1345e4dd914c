"""The script `keras_curve.py`: a run beside the log that the Keras example printed."""

import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_printed_log_is_compared_epoch_by_epoch(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)
    import keras_curve

    printed = keras_curve.read_curves(keras_curve.PRINTED)
    assert [row["epoch"] for row in printed] == list(range(1, 46))
    assert max(row["val_top1"] for row in printed) == 0.524  # at epoch 42, as on the page
    rows = ["epoch,train_loss,train_top1,val_loss,val_top1,lr,seconds"]
    rows += [f"{epoch},4.4,0.04,4.0,{top1},0.001,9" for epoch, top1 in ((1, 0.09), (2, 0.1))]
    (tmp_path / "metrics.csv").write_text("\n".join(rows) + "\n")
    picture = tmp_path / "curve.png"
    monkeypatch.setattr(sys, "argv", ["keras_curve.py", str(tmp_path), "--out", str(picture)])
    keras_curve.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["| 1 | 9.00 | 8.02 | +0.98 |", "| 2 | 10.00 | 12.72 | -2.72 |"]
    with Image.open(picture) as image:
        assert image.width > 500
    monkeypatch.setattr(sys, "argv", ["keras_curve.py", str(tmp_path / "none")])
    with pytest.raises(SystemExit):
        keras_curve.main()
    assert "none has no metrics.csv with an epoch" in capsys.readouterr().err
    sys.modules.pop("keras_curve")
