// From the components of a JPEG file to its pixels, as libjpeg and Pillow do it.

/** Return { width, height, data } with data as RGBA; with `grey`, of the stored brightness. */
export function pixelsOf(frame, colours, grey) {
  const { side } = frame;
  const width = Math.ceil((frame.width * side) / 8);
  const height = Math.ceil((frame.height * side) / 8);
  const needed = grey && colours === "ycc" ? frame.components.slice(0, 1) : frame.components;
  const rows = needed.map((part) => enlarger(part, frame));
  const convert = CONVERT[needed.length === 1 ? "grey" : colours];
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    convert(rows.map((row) => row(y)), data, 4 * y * width, width);
  }
  return { width, height, data };
}

/** Return a function that gives a row of the picture of a component stored at less resolution. */
function enlarger(part, frame) {
  const across = (frame.maxAcross * frame.side) / (part.across * part.side);
  const down = (frame.maxDown * frame.side) / (part.down * part.side);
  if (!Number.isInteger(across) || !Number.isInteger(down)) {
    throw new Error("The JPEG file stores its colours in a rare way; save it as PNG.");
  }
  const rowAt = (y) => {
    const inside = Math.min(Math.max(y, 0), part.height - 1) * part.stride;
    return part.plane.subarray(inside, inside + part.width);
  };
  const smooth = frame.side > 1;
  const isWide = part.width > 2;
  if (across === 1 && down === 1) return rowAt;
  if (smooth && isWide && across === 2 && down === 1) return (y) => doubled(rowAt(y), 4, 1, 2);
  if (smooth && across === 1 && down === 2) {
    return (y) => blend(rowAt(y >> 1), rowAt((y >> 1) + (y & 1 ? 1 : -1)), (y & 1) + 1, 2);
  }
  if (smooth && isWide && across === 2 && down === 2) {
    const sums = (y) => blend(rowAt(y >> 1), rowAt((y >> 1) + (y & 1 ? 1 : -1)), 0, 0);
    return (y) => doubled(sums(y), 16, 8, 7);
  }
  return (y) => repeated(rowAt(Math.floor(y / down)), across);
}

/** Three parts of a row and one of its neighbour. */
function blend(near, far, bias, shift) {
  const result = new Int32Array(near.length);
  for (let x = 0; x < near.length; x++) result[x] = (3 * near[x] + far[x] + bias) >> shift;
  return result;
}

/** Twice as many pixels: three parts of the nearer one and one of the other, of `whole` parts. */
function doubled(row, whole, left, right) {
  const shift = Math.log2(whole);
  const last = row.length - 1;
  const result = new Uint8Array(2 * row.length);
  for (let x = 0; x <= last; x++) {
    const near = 3 * row[x];
    result[2 * x] = (near + row[Math.max(x - 1, 0)] + left) >> shift;
    result[2 * x + 1] = (near + row[Math.min(x + 1, last)] + right) >> shift;
  }
  return result;
}

function repeated(row, times) {
  const result = new Uint8Array(row.length * times);
  for (let x = 0; x < row.length; x++) result.fill(row[x], x * times, (x + 1) * times);
  return result;
}

const HALF = 1 << 15; // constants of colours are multiplied by 2^16
const clamped = (x) => (x < 0 ? 0 : x > 255 ? 255 : x);
const red = (y, cr) => clamped(y + ((91881 * (cr - 128) + HALF) >> 16));
const green = (y, cb, cr) => clamped(y + ((-22554 * (cb - 128) + HALF - 46802 * (cr - 128)) >> 16));
const blue = (y, cb) => clamped(y + ((116130 * (cb - 128) + HALF) >> 16));

function share(value, of) {
  const product = value * of + 128;
  return ((product >> 8) + product) >> 8;
}

/** Store a pixel of which Pillow knows how much ink of each colour it has not. */
function store(data, at, c, m, y, k) {
  data[at] = clamped(k - share(255 - c, k));
  data[at + 1] = clamped(k - share(255 - m, k));
  data[at + 2] = clamped(k - share(255 - y, k));
  data[at + 3] = 255;
}

const CONVERT = {
  grey([values], data, at, width) {
    for (let x = 0; x < width; x++, at += 4) {
      data[at] = data[at + 1] = data[at + 2] = values[x];
      data[at + 3] = 255;
    }
  },
  rgb([reds, greens, blues], data, at, width) {
    for (let x = 0; x < width; x++, at += 4) {
      [data[at], data[at + 1], data[at + 2], data[at + 3]] = [reds[x], greens[x], blues[x], 255];
    }
  },
  ycc([ys, cbs, crs], data, at, width) {
    for (let x = 0; x < width; x++, at += 4) {
      data[at] = red(ys[x], crs[x]);
      data[at + 1] = green(ys[x], cbs[x], crs[x]);
      data[at + 2] = blue(ys[x], cbs[x]);
      data[at + 3] = 255;
    }
  },
  cmyk([cs, ms, ys, ks], data, at, width) {
    for (let x = 0; x < width; x++, at += 4) store(data, at, cs[x], ms[x], ys[x], ks[x]);
  },
  ycck([ys, cbs, crs, ks], data, at, width) {
    for (let x = 0; x < width; x++, at += 4) {
      const inks = [red(ys[x], crs[x]), green(ys[x], cbs[x], crs[x]), blue(ys[x], cbs[x])];
      store(data, at, 255 - inks[0], 255 - inks[1], 255 - inks[2], ks[x]);
    }
  },
};
