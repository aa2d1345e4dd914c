"""The loop: Lightning's trainer as a run wants it, and what surrounds it while it goes."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    TQDMProgressBar,
)
from tqdm.contrib.logging import logging_redirect_tqdm

from ..machine import placement
from .recipe import TrainerConfig
from .recorder import Recorder
from .scores import mode_of

log = logging.getLogger(__name__)

LAST = Path("checkpoints") / "last.ckpt"


class Interrupted(Exception):
    """The user pressed Ctrl-C; raised between two batches, when everything is in order."""


def callbacks(config: TrainerConfig, run_dir: Path, recorder: Recorder) -> list[pl.Callback]:
    """In the order their hooks run: the recorder looks while the averaged weights are in place."""
    chosen: list[pl.Callback] = [TQDMProgressBar(), recorder]
    if config.ema_decay:
        chosen.append(EMAWeightAveraging(decay=config.ema_decay))
    if config.patience:
        mode = mode_of(config.monitor)
        chosen.append(EarlyStopping(config.monitor, patience=config.patience, mode=mode))
    chosen.append(
        ModelCheckpoint(
            run_dir / LAST.parent,
            filename=LAST.stem,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    return chosen


def make_trainer(config: TrainerConfig, **arguments: Any) -> pl.Trainer:
    """Lightning's trainer on the configured device and precision."""
    place = placement(config.device, config.precision)
    on_cpu = place.device.type == "cpu"
    return pl.Trainer(
        accelerator=place.device.type,
        devices=1 if on_cpu else [place.device.index or 0],
        precision="32-true" if place.dtype == torch.float32 else "bf16-mixed",
        num_sanity_val_steps=0,
        enable_model_summary=False,
        **arguments,
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Lightning's progress bars on stderr, and none of its advice about what is on purpose here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(sys.stderr), logging_redirect_tqdm():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.*")  # its own use of torch
        try:
            yield
        except BaseException:
            print(file=sys.stderr)  # what is said next begins on a line of its own
            raise


@contextmanager
def log_file(run_dir: Path, notes: Sequence[str] = ()) -> Iterator[None]:
    """Copies this package's log lines to the run's `log.txt`, after some that were said before."""
    handler = logging.FileHandler(run_dir / "log.txt")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for note in notes:
        handler.emit(logging.makeLogRecord({"msg": note}))
    package = logging.getLogger(__name__.split(".")[0])
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
        handler.close()


@contextmanager
def interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Turn Ctrl-C into `Interrupted` after the batch under way; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    class Watch(pl.Callback):
        asked = False

        def on_train_batch_end(self, *_: Any) -> None:
            if self.asked:
                raise Interrupted

        def on_validation_batch_end(self, *_: Any) -> None:
            self.on_train_batch_end()

    watch = Watch()

    def ask(signum: int, frame: FrameType | None) -> None:
        log.info("stopping after this batch; press Ctrl-C again to stop at once")
        watch.asked = True
        signal.signal(signal.SIGINT, previous)

    trainer.callbacks.append(watch)  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
