// From the coefficients of a block of a JPEG file to its pixels, in the integer arithmetic of
// libjpeg ("islow"), at 8, 4, 2 or 1 pixels a side. Constants are multiplied by 2^13.

const PASS = 2; // bits that the first pass keeps in addition
const BITS = 13;
const work = new Int32Array(64);

/** A function (block, quant, plane, at, stride) by the number of pixels of a side. */
export const INVERSE = { 8: whole, 4: half, 2: quarter, 1: eighth };

function clamped(x) {
  const value = x + 128;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** Transform eight values from `x[at]` on, `step` apart, and return them in `out`. */
function transform(x, at, step, out) {
  let [z2, z3] = [x[at + 2 * step], x[at + 6 * step]];
  let z1 = (z2 + z3) * 4433;
  const even2 = z1 - z3 * 15137;
  const even3 = z1 + z2 * 6270;
  const even0 = (x[at] + x[at + 4 * step]) << BITS;
  const even1 = (x[at] - x[at + 4 * step]) << BITS;
  let [odd0, odd1] = [x[at + 7 * step], x[at + 5 * step]];
  let [odd2, odd3] = [x[at + 3 * step], x[at + step]];
  z1 = (odd0 + odd3) * -7373;
  z2 = (odd1 + odd2) * -20995;
  z3 = odd0 + odd2;
  let z4 = odd1 + odd3;
  const z5 = (z3 + z4) * 9633;
  z3 = z3 * -16069 + z5;
  z4 = z4 * -3196 + z5;
  odd0 = odd0 * 2446 + z1 + z3;
  odd1 = odd1 * 16819 + z2 + z4;
  odd2 = odd2 * 25172 + z2 + z3;
  odd3 = odd3 * 12299 + z1 + z4;
  out[0] = even0 + even3 + odd3;
  out[7] = even0 + even3 - odd3;
  out[1] = even1 + even2 + odd2;
  out[6] = even1 + even2 - odd2;
  out[2] = even1 - even2 + odd1;
  out[5] = even1 - even2 - odd1;
  out[3] = even0 - even3 + odd0;
  out[4] = even0 - even3 - odd0;
}

const line = new Int32Array(8);
const scaled = new Int32Array(64);

function whole(block, quant, plane, at, stride) {
  let others = 0;
  for (let i = 1; i < 64; i++) others |= block[i];
  if (others === 0) {
    const value = clamped((((block[0] * quant[0]) << PASS) + 16) >> (PASS + 3));
    for (let y = 0; y < 8; y++) plane.fill(value, at + y * stride, at + y * stride + 8);
    return;
  }
  for (let i = 0; i < 64; i++) scaled[i] = block[i] * quant[i];
  for (let x = 0; x < 8; x++) {
    transform(scaled, x, 8, line);
    const shift = BITS - PASS;
    for (let y = 0; y < 8; y++) work[8 * y + x] = (line[y] + (1 << (shift - 1))) >> shift;
  }
  for (let y = 0; y < 8; y++) {
    transform(work, 8 * y, 1, line);
    const shift = BITS + PASS + 3;
    for (let x = 0; x < 8; x++) {
      plane[at + y * stride + x] = clamped((line[x] + (1 << (shift - 1))) >> shift);
    }
  }
}

/** Transform eight values to four. */
function transformHalf(x, at, step, out) {
  const [z1, z2, z3, z4] = [x[at + 7 * step], x[at + 5 * step], x[at + 3 * step], x[at + step]];
  const first = x[at] << (BITS + 1);
  const second = x[at + 2 * step] * 15137 - x[at + 6 * step] * 6270;
  const inner = z1 * -1730 + z2 * 11893 - z3 * 17799 + z4 * 8697;
  const outer = z1 * -4176 - z2 * 4926 + z3 * 7373 + z4 * 20995;
  out[0] = first + second + outer;
  out[3] = first + second - outer;
  out[1] = first - second + inner;
  out[2] = first - second - inner;
}

function half(block, quant, plane, at, stride) {
  for (let i = 0; i < 64; i++) scaled[i] = block[i] * quant[i];
  for (let x = 0; x < 8; x++) {
    transformHalf(scaled, x, 8, line);
    const shift = BITS - PASS + 1;
    for (let y = 0; y < 4; y++) work[8 * y + x] = (line[y] + (1 << (shift - 1))) >> shift;
  }
  for (let y = 0; y < 4; y++) {
    transformHalf(work, 8 * y, 1, line);
    const shift = BITS + PASS + 3 + 1;
    for (let x = 0; x < 4; x++) {
      plane[at + y * stride + x] = clamped((line[x] + (1 << (shift - 1))) >> shift);
    }
  }
}

/** Transform eight values to two. */
function transformQuarter(x, at, step, out) {
  const first = x[at] << (BITS + 2);
  const [z1, z2, z3, z4] = [x[at + 7 * step], x[at + 5 * step], x[at + 3 * step], x[at + step]];
  const odd = z1 * -5906 + z2 * 6967 - z3 * 10426 + z4 * 29692;
  out[0] = first + odd;
  out[1] = first - odd;
}

function quarter(block, quant, plane, at, stride) {
  for (let i = 0; i < 64; i++) scaled[i] = block[i] * quant[i];
  for (let x = 0; x < 8; x++) {
    transformQuarter(scaled, x, 8, line);
    const shift = BITS - PASS + 2;
    for (let y = 0; y < 2; y++) work[8 * y + x] = (line[y] + (1 << (shift - 1))) >> shift;
  }
  for (let y = 0; y < 2; y++) {
    transformQuarter(work, 8 * y, 1, line);
    const shift = BITS + PASS + 3 + 2;
    for (let x = 0; x < 2; x++) {
      plane[at + y * stride + x] = clamped((line[x] + (1 << (shift - 1))) >> shift);
    }
  }
}

function eighth(block, quant, plane, at) {
  plane[at] = clamped((block[0] * quant[0] + 4) >> 3);
}
