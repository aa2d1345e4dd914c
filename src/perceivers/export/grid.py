"""The operator `perceivers::read_grid` in operators of ONNX.

The grid is read in blocks of rows by a Scan, under an online softmax as in `core.separable`.
Neither keys nor the logits of all inputs are in memory at once, and a block stays in the cache. How
many rows it has follows from the sizes that the model is run with.
"""

# ONNX Script has operators between values, numbers and lists that its types do not know.
# mypy: ignore-errors

import onnxscript
from onnxscript import opset18 as op

# B batch · Q heads times queries · R rows · W columns · C content channels
# n blocks · h rows of a block · L = C + 3 channels of a block: s·a, s, logit of the mask, 1

# Logits of a block. More leave the cache; with fewer, calls of operators take most of the time.
BLOCK_LOGITS = 2**17
MASKED = -1e30  # as `core.attention.MASKED_LOGIT`: finite, so that nothing becomes NaN
END = 2**63 - 1

Float = onnxscript.FLOAT[...]


def read_grid(
    rows: Float, columns: Float, channels: Float, features: Float
) -> tuple[Float, Float, Float, Float]:
    """Add what computes `core.separable.read_grid` to a graph; arguments and results are its."""
    one = op.Constant(value_ints=[1])
    count = op.Shape(channels, start=2)
    scaled = op.Slice(features, [0], op.Add(count, one), [1])
    mask = op.ReduceSum(op.Slice(features, op.Add(count, one), [END], [1]), [1])  # 0 without a mask
    ones = op.Expand(1.0, op.Shape(mask))
    table = op.Concat(scaled, mask, ones, axis=1)

    height = op.Shape(rows, start=2)
    per_row = op.ReduceProd(op.Shape(columns), keepdims=1)  # logits of a row of all examples
    fitting = op.Div(op.Constant(value_ints=[BLOCK_LOGITS]), per_row)
    high = op.Min(height, op.Max(one, fitting))
    # The last block is filled up with rows that get no weight.
    blocks = _in_blocks(table, high, 1.0)
    row_terms = _in_blocks(op.Unsqueeze(rows, [3]), high, MASKED)
    return _read_blocks(rows, columns, channels, blocks, row_terms)


def _in_blocks(x: Float, high: onnxscript.INT64[...], fill: float) -> Float:
    """Split the rows into blocks of `high`: (B, L, R, W) → (n, B, L, h, W)."""
    missing = op.Mod(op.Neg(op.Shape(x, start=2, end=3)), high)
    zeros = op.Constant(value_ints=[0, 0, 0, 0, 0, 0])
    ends = op.Concat(zeros, missing, op.Constant(value_ints=[0]), axis=0)
    filled = op.Pad(x, ends, fill)
    split = op.Concat(op.Constant(value_ints=[0, 0, -1]), high, op.Shape(x, start=3), axis=0)
    return op.Transpose(op.Reshape(filled, split), perm=[2, 0, 1, 3, 4])


@onnxscript.script(onnxscript.values.Opset("perceivers", 1), default_opset=op)
def _read_blocks(
    rows: Float, columns: Float, channels: Float, blocks: Float, row_terms: Float
) -> tuple[Float, Float, Float, Float]:
    count = op.Shape(channels, start=2)
    column_terms = op.Unsqueeze(columns, [2])
    unit = op.Expand(1.0, op.Shape(op.Slice(rows, [0], [1], [2])))
    factors = op.Concat(channels, unit - unit, unit, unit - unit, axis=2)  # B Q L

    @onnxscript.graph()
    def read_block(top: Float, column_sums: Float, sums: Float, block: Float, row: Float):
        flat = op.Constant(value_ints=[0, 0, -1])
        scale = op.Slice(block, count, count + 1, [1])
        by_axis = (row + column_terms) * scale
        linear = op.Reshape(block, flat)
        logits = op.MatMul(factors, linear) + op.Reshape(by_axis, flat)
        new_top = op.Max(top, op.ReduceMax(logits, [2]))
        kept = op.Exp(top - new_top)
        weights = op.Exp(logits - new_top)
        scaled = op.Reshape(weights, op.Shape(by_axis)) * scale
        new_sums = sums * kept + op.MatMul(weights, op.Transpose(linear, perm=[0, 2, 1]))
        new_columns = column_sums * kept + op.ReduceSum(scaled, [2], keepdims=0)
        row_sums = op.ReduceSum(scaled, [3], keepdims=0)
        block_top = op.Identity(new_top)
        return new_top, new_columns, new_sums, row_sums, block_top

    top, column_sums, sums, row_sums, tops = op.Scan(
        unit * MASKED,
        columns - columns,
        factors - factors,
        blocks,
        row_terms,
        body=read_block,
        num_scan_inputs=2,
    )
    total = op.Slice(sums, [-1], [9223372036854775807], [2])
    by_block = op.Transpose(row_sums * op.Exp(tops - top), perm=[1, 2, 0, 3])
    all_rows = op.Reshape(by_block, op.Constant(value_ints=[0, 0, -1]))
    row_sums = op.Slice(all_rows, [0], op.Shape(rows, start=2), [2]) / total
    channel_sums = op.Slice(sums, [0], count, [2]) / total
    return row_sums, column_sums / total, channel_sums, op.Squeeze(top + op.Log(total), [2])
