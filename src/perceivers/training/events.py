"""TensorBoard events of a run."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import _DummyExperiment
from lightning.pytorch.loggers import TensorBoardLogger
from typing_extensions import override

log = logging.getLogger(__name__)


class EventsLogger(TensorBoardLogger):
    """Writer of TensorBoard events, without which a run goes on if they cannot be written.

    Args:
        run_dir: run directory.
    """

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir, name="tensorboard", version="")
        self._failed = False

    @property
    @override
    def experiment(self) -> Any:
        with self._tolerant():
            return super().experiment
        return _DummyExperiment()

    @override
    def log_metrics(self, *arguments: Any, **options: Any) -> None:
        with self._tolerant():
            super().log_metrics(*arguments, **options)
            self.experiment.flush()

    @override
    def save(self) -> None:
        with self._tolerant():
            super().save()

    @override
    def finalize(self, status: str) -> None:
        with self._tolerant():
            super().finalize(status)

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._failed:
                reason = error.strerror or error
                log.warning("could not write the events in %s: %s", self.log_dir, reason)
            self._failed = True
