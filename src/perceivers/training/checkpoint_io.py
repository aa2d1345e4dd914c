"""Writing and reading of the resumable state, `checkpoints/last.ckpt`."""

from pathlib import Path
from typing import IO, Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from typing_extensions import override

from .. import checksums
from ..checksums import LAST_LINE, MARK, Damaged
from ..files import check_content, write_atomically
from ..places import make_directory
from ..reading import reason


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints that are either the old or the new one after a crash, with a checksum.

    Lightning's own are written to a temporary file that may lie on another file system, and are
    copied from there.

    Args:
        run_id: number of the run, see `checksums`; None: a run of an older version, which has none.
    """

    def __init__(self, run_id: str | None) -> None:
        self.run_id = run_id

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        make_directory(Path(path).parent)
        write_atomically(Path(path), lambda part: self._write(checkpoint, part))

    @override
    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return self._load(Path(path), mmap=False)

    def check(self, path: Path) -> int:
        """Check that a checkpoint can be loaded; return the number of epochs it comes after.

        Raises:
            ValueError: it is damaged, of another run, or no checkpoint.
        """
        checkpoint = self._load(path, mmap=True)
        try:
            return int(checkpoint["epoch"]) + 1
        except Exception as error:
            raise bad_checkpoint(path, error) from error

    def _load(self, path: Path, *, mmap: bool) -> dict[str, Any]:
        check_content(path)
        try:
            checksums.verify(path, LAST_LINE, self.run_id, required=self.run_id is not None)
            checkpoint: Any = torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
            if not isinstance(checkpoint, dict) or "epoch" not in checkpoint:
                raise Damaged("it holds no state of a training")
        except Exception as error:
            raise bad_checkpoint(path, error) from error
        return checkpoint

    def _write(self, checkpoint: dict[str, Any], path: Path) -> None:
        with open(path, "wb") as raw:
            file: Any = _Writer(raw)
            try:
                torch.save(checkpoint, file)
            except RuntimeError:
                if file.error is None:
                    raise
                raise file.error from None
            raw.write(f"\n{MARK} {checksums.mark(self.run_id or checksums.NO_RUN)}\n".encode())
        checksums.seal(path, LAST_LINE)


def bad_checkpoint(path: Path, error: Exception) -> ValueError:
    """Return the error for a checkpoint that cannot be loaded or restored."""
    return ValueError(
        f"{path} is damaged, truncated or not a checkpoint ({reason(error)}); the best weights are "
        f"still in {path.parents[1]}: use them, or start a new run"
    )


class _Writer:
    """File that keeps the error of a failed write, of which `torch.save` does not tell.

    Args:
        file: the file to write to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()
