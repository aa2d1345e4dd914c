"""Lightning's trainer and callbacks, and the contexts in which it runs: warnings and signals."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.utilities.exceptions import SIGTERMException
from tqdm.contrib.logging import logging_redirect_tqdm
from typing_extensions import override

from ..machine import placement
from .recipe import TrainerConfig
from .recorder import Recorder

log = logging.getLogger(__name__)

LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"  # in the run directory


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C; `kill`, a scheduler, a shutdown


class EpochBar(TQDMProgressBar):
    """Progress bar that counts epochs from 1, as the log does, and names what it shows plainly."""

    @override
    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        epoch = f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        _restart(self.train_progress_bar, self.total_train_batches, epoch)

    @override
    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self.has_dataloader_changed(dataloader_idx):
            total = self.total_val_batches_current_dataloader
            _restart(self.val_progress_bar, total, "Validation")


def _restart(bar: Any, total: float, description: str) -> None:
    bar.reset(total)
    bar.initial = 0
    bar.set_description(description)


class Interrupted(Exception):
    """A signal stops the training. Raised between two batches, when the run is in a usable state.

    Args:
        stopped_by: the signal.
    """

    def __init__(self, stopped_by: signal.Signals) -> None:
        super().__init__(stopped_by.name)
        self.signal = stopped_by


def make_callbacks(config: TrainerConfig, run_dir: Path, recorder: Recorder) -> list[pl.Callback]:
    """Return the callbacks of a training run, in the order in which Lightning calls them.

    The recorder comes before the averaging of weights, so that it sees the averaged weights at the
    end of a validation.

    Args:
        config: averaging of weights.
        run_dir: run directory, for the checkpoint.
        recorder: recorder of the run.
    """
    callbacks: list[pl.Callback] = [*progress_bars(), recorder]
    if config.ema_decay:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    callbacks.append(
        ModelCheckpoint(
            run_dir / LAST_CHECKPOINT.parent,
            filename=LAST_CHECKPOINT.stem,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    return callbacks


def progress_bars() -> list[pl.Callback]:
    """Return the progress bar if stderr is a terminal; a log file would fill with its redraws."""
    return [EpochBar()] if sys.stderr.isatty() else []


def make_trainer(config: TrainerConfig, **arguments: Any) -> pl.Trainer:
    """Return Lightning's trainer for the configured device and precision.

    Args:
        config: device and precision.
        arguments: further arguments of `lightning.pytorch.Trainer`.

    Raises:
        ValueError: the configured device is missing.
    """
    place = placement(config.device, config.precision)
    on_cpu = place.device.type == "cpu"
    return pl.Trainer(
        accelerator=place.device.type,
        devices=1 if on_cpu else [place.device.index or 0],
        precision="32-true" if place.dtype == torch.float32 else "bf16-mixed",
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        **arguments,
    )


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Print Lightning's progress bars to stderr and suppress its advice on intended settings."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    threading.excepthook, previous = _report_thread, threading.excepthook
    with warnings.catch_warnings(), redirect_stdout(sys.stderr), logging_redirect_tqdm():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", ".*defined a `validation_step` but have no.*")
        warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
        warnings.filterwarnings("ignore", ".*dirpath has changed.*")  # the run was moved
        warnings.filterwarnings("ignore", ".*training_step. returned .None.*")  # no readable file
        warnings.filterwarnings("ignore", ".*LeafSpec.*")  # caused by Lightning's own use of torch
        try:
            yield
        except BaseException:
            if sys.stderr.isatty():
                print(file=sys.stderr)  # end the line of the progress bar before the message
            raise
        finally:
            threading.excepthook = previous


def _report_thread(arguments: threading.ExceptHookArgs) -> None:
    """Leave errors of the thread that writes events to `EventsLogger`, which sees them too."""
    if not isinstance(arguments.exc_value, OSError):
        threading.__excepthook__(arguments)


@contextmanager
def interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Raise `Interrupted` after the current batch on Ctrl-C or SIGTERM; a second one stops at once.

    Outside the main thread this has no effect, because Python handles signals only there.

    Args:
        trainer: trainer that runs inside this context.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    class StopOnRequest(pl.Callback):
        stopped_by: signal.Signals | None = None

        def on_train_batch_end(self, *_: Any) -> None:
            if self.stopped_by is not None:
                raise Interrupted(self.stopped_by)

        def on_validation_batch_end(self, *_: Any) -> None:
            self.on_train_batch_end()

    callback = StopOnRequest()

    def request_stop(signum: int, frame: FrameType | None) -> None:
        callback.stopped_by = signal.Signals(signum)
        again = "press Ctrl-C" if signum == signal.SIGINT else "send SIGTERM"
        log.info("stopping after this batch; %s again to stop at once", again)
        restore()

    trainer.callbacks.append(callback)  # type: ignore[attr-defined]
    for number in STOP_SIGNALS:
        signal.signal(number, request_stop)
    try:
        yield
    except SIGTERMException:  # Lightning's own, raised between two epochs
        raise Interrupted(signal.SIGTERM) from None
    finally:
        restore()
