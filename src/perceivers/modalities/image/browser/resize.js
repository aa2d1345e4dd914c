// Pillow's conversions of modes and its bicubic, antialiased resize, with the same rounding.

const BITS = 22; // of the fixed-point weights

/** Return the planes of an RGBA image on white: one of grey, or red, green and blue. */
export function planesOf(image, channels) {
  const count = image.width * image.height;
  const planes = Array.from({ length: channels }, () => new Uint8Array(count));
  const colour = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const alpha = image.data[4 * i + 3];
    for (let band = 0; band < 3; band++) {
      colour[band] = onWhite(image.data[4 * i + band], alpha);
    }
    if (channels === 1) {
      const [red, green, blue] = colour;
      planes[0][i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    } else {
      for (let band = 0; band < 3; band++) planes[band][i] = colour[band];
    }
  }
  return planes;
}

function onWhite(value, alpha) {
  if (alpha === 255) return value;
  const sum = (value * alpha + 255 * (255 - alpha)) * 128 + 0x80 * 128;
  return ((sum >> 8) + sum) >> 8 >> 7;
}

/** Resize the shorter side of a plane to `size`, and crop the longer side to its middle. */
export function fit(plane, width, height, size) {
  if (width === size && height === size) return plane;
  const side = Math.min(width, height);
  const left = Math.fround((width - side) / 2);
  const top = Math.fround((height - side) / 2);
  const across = { start: left, side, length: width };
  const down = { start: top, side, length: height };
  // The axis that comes first is rounded first. Pillow 13 begins with the columns of tall images.
  if (height - width > Math.abs(width - size)) {
    const short = resizeRows(transpose(plane, width, height), down, size);
    return resizeRows(transpose(short, size, width), across, size);
  }
  const narrow = transpose(resizeRows(plane, across, size), size, height);
  return transpose(resizeRows(narrow, down, size), size, size);
}

/** Return the first input and the fixed-point weights of each output along an axis. */
function weights({ start, side, length }, size) {
  const scale = side / size;
  const stretch = Math.max(scale, 1);
  const support = 2 * stretch;
  return Array.from({ length: size }, (_, index) => {
    const centre = start + (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(length, Math.trunc(centre + support + 0.5));
    const values = [];
    for (let x = first; x < last; x++) values.push(bicubic((x - centre + 0.5) * (1 / stretch)));
    const sum = values.reduce((a, b) => a + b, 0);
    const fixed = values.map((value) => {
      const share = sum === 0 ? value : value / sum;
      return Math.trunc((share < 0 ? -0.5 : 0.5) + share * 2 ** BITS);
    });
    return { first, fixed };
  });
}

function bicubic(x) {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}

/** Resize each row of a plane, whose rows are an axis, to `size` pixels. */
function resizeRows(plane, axis, size) {
  const { start, side, length } = axis;
  const height = plane.length / length;
  const result = new Uint8ClampedArray(size * height);
  if (side === size && Number.isInteger(start)) {
    for (let y = 0; y < height; y++) {
      const from = y * length + start;
      result.set(plane.subarray(from, from + size), y * size);
    }
    return result;
  }
  weights(axis, size).forEach(({ first, fixed }, column) => {
    for (let y = 0; y < height; y++) {
      let sum = 1 << (BITS - 1);
      const from = y * length + first;
      for (let i = 0; i < fixed.length; i++) sum += plane[from + i] * fixed[i];
      result[y * size + column] = sum >> BITS;
    }
  });
  return result;
}

function transpose(plane, width, height) {
  const result = new Uint8ClampedArray(plane.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) result[x * height + y] = plane[y * width + x];
  }
  return result;
}
