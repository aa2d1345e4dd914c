"""Archives of `torch.export`, which torch runs without this library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._higher_order_ops.scan import scan

from ..core.attention import MASKED_LOGIT
from ..core.separable import grids_as_operators, read_grid_plainly
from ..exported import arranged, complete
from ..files import write_atomically
from ..models.base import PerceiverModel
from .program import Program, export_errors, inputs_of, outputs_of, parts_of, trace

# Logits of all examples that are in memory at once, where a grid has more: 1 MB.
BLOCK_LOGITS = 2**18


def export_torch(model: PerceiverModel, path: Path, *, example: Any = None) -> Callable[[Any], Any]:
    """Write a model as an archive of `torch.export`, which torch runs without this library.

    Args:
        model: the model, in eval mode, on the CPU.
        path: the `.pt2` file to write.
        example: as in `inputs_of`.

    Returns:
        A function that runs the written archive as the model is called.

    Raises:
        ValueError: the model cannot be exported.
        OSError: the file cannot be written.
    """
    inputs, names = inputs_of(model, example), [output.name for output in outputs_of(model)]
    with grids_as_operators(), export_errors():
        traced = trace(Program(model, inputs), inputs)
        own = {torch.ops.perceivers.read_grid.default: read_grid}
        archive = traced.run_decompositions(own)
    write_atomically(path, lambda part: _save(archive, part))
    module = torch.export.load(path).module()
    config, described = model.config.input, [given.describe() for given in inputs]
    return lambda batch: arranged(names, module(*complete(described, parts_of(config, batch))))


def _save(archive: torch.export.ExportedProgram, path: Path) -> None:
    with path.open("wb") as file:
        torch.export.save(archive, file)


# B batch · Q heads times queries · R rows · W columns · C content channels
# n blocks · h rows of a block · L = C + 3 channels of a block: s·a, s, logit of the mask, 1


def read_grid(
    rows: Tensor, columns: Tensor, channels: Tensor, features: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute `core.separable.read_grid`, whose arguments and results these are.

    A grid with many logits is read in blocks of rows under an online softmax, so that the logits of
    all inputs are never in memory at once. Which grids are, follows from the sizes that the model
    was exported with.
    """
    queries, height, width = (_usual(x) for x in (rows.shape[1], *features.shape[2:]))
    if queries * height * width <= BLOCK_LOGITS:
        return read_grid_plainly(rows, columns, channels, features)
    return _read_in_blocks(
        rows, columns, channels, features, max(1, BLOCK_LOGITS // (queries * width))
    )


def _usual(size: int | torch.SymInt) -> int:
    """Return the size of an axis in the example that was traced."""
    return size if isinstance(size, int) else int(size.node.hint)


def _read_in_blocks(
    rows: Tensor, columns: Tensor, channels: Tensor, features: Tensor, high: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute `read_grid` in blocks of `high` rows."""
    count, height = channels.shape[-1], rows.shape[-1]
    content, scale, masked = features.tensor_split([count, count + 1], 1)
    ones, unit = torch.ones_like(scale), torch.ones_like(rows[..., :1])
    table = torch.cat([content, scale, masked.sum(1, keepdim=True), ones], dim=1)
    # The last blocks are filled up with rows that get no weight. One more than needed: torch would
    # take a single block for a constant.
    number = (height + high - 1) // high + 1
    missing = number * high - height
    blocks = F.pad(table, (0, 0, 0, missing), value=1.0).unflatten(2, (number, high))
    row_terms = F.pad(rows, (0, missing), value=MASKED_LOGIT).unflatten(2, (number, high))
    factors = torch.cat([channels, 0 * unit, unit, 0 * unit], dim=-1)  # B Q L

    def read_block(carry: tuple[Tensor, ...], inputs: tuple[Tensor, ...]) -> Any:
        (top, column_sums, sums), (block, row) = carry, inputs
        own_scale, linear = block[:, count : count + 1], block.flatten(2)
        by_axis = (row[..., None] + columns[:, :, None]) * own_scale  # B Q h W
        logits = factors @ linear + by_axis.flatten(2)
        new_top = torch.maximum(top, logits.amax(dim=-1, keepdim=True))
        kept, weights = (top - new_top).exp(), (logits - new_top).exp()
        scaled = weights.view_as(by_axis) * own_scale
        column_sums = column_sums * kept + scaled.sum(2)
        return (
            (new_top, column_sums, sums * kept + weights @ linear.mT),
            (scaled.sum(3), new_top.clone()),
        )

    first = (unit * MASKED_LOGIT, torch.zeros_like(columns), torch.zeros_like(factors))
    read = (blocks.movedim(2, 0).contiguous(), row_terms.movedim(2, 0).contiguous())
    (top, column_sums, sums), (row_sums, tops) = scan(read_block, first, read)
    total = sums[..., -1:]
    by_block = (row_sums * (tops - top).exp()).movedim(0, 2)
    all_rows = by_block.flatten(2)[..., :height]
    lse = (top + total.log()).squeeze(-1)
    return all_rows / total, column_sums / total, sums[..., :count] / total, lse
