// A decoder of PNG files. The canvas of a browser multiplies colours by transparency and keeps 8
// bits, which loses what Pillow keeps.

const BANDS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // of a pixel, by type of colour
// Interlaced pictures: first column and row, and steps, of each pass.
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

export function isPng(bytes) {
  return [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10].every((x, i) => bytes[i] === x);
}

/** Return { width, height, data } with data as RGBA of 8 bits. */
export async function decodePng(bytes, { range, maxPixels }) {
  const file = chunksOf(bytes);
  const view = new DataView(file.header.buffer, file.header.byteOffset);
  const head = { width: view.getUint32(0), height: view.getUint32(4) };
  [head.depth, head.type] = [file.header[8], file.header[9]];
  const passes = file.header[12] ? PASSES : [[0, 0, 1, 1]];
  if (head.width * head.height > maxPixels) throw new Error("The image has too many pixels.");
  if (!(head.type in BANDS)) throw new Error("The PNG file is damaged.");
  const raw = await inflate(file.data, sizeOf(head, passes));
  const values = new Uint16Array(head.width * head.height * BANDS[head.type]);
  let at = 0;
  for (const pass of passes) at = readPass(raw, at, head, pass, values);
  return toRgba(values, head, file, range);
}

function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const file = { data: [] };
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + view.getUint32(at));
    if (name === "IHDR") file.header = content;
    else if (name === "PLTE") file.palette = content;
    else if (name === "tRNS") file.transparency = content;
    else if (name === "IDAT") file.data.push(content);
    else if (name === "IEND") break;
  }
  if (!file.header || file.header.length < 13 || !file.data.length) {
    throw new Error("The PNG file is damaged.");
  }
  return file;
}

/** Inflate the pixels, and no more: a small file may claim to hold far more than its picture. */
async function inflate(parts, size) {
  const result = new Uint8Array(size);
  const inflater = new DecompressionStream("deflate");
  const reader = new Blob(parts).stream().pipeThrough(inflater).getReader();
  let at = 0;
  try {
    while (at < size) {
      const { done, value } = await reader.read();
      if (done) break;
      result.set(value.subarray(0, size - at), at);
      at += value.length;
    }
  } catch {
    throw new Error("The PNG file is damaged.");
  }
  reader.cancel().catch(() => {});
  if (at < size) throw new Error("The PNG file ends too early.");
  return result;
}

/** Return the bytes of all rows, with the byte before each that tells its filter. */
function sizeOf({ width, height, depth, type }, passes) {
  const sizes = passes.map(([left, top, stepX, stepY]) => {
    const columns = Math.max(0, Math.ceil((width - left) / stepX));
    const rows = Math.max(0, Math.ceil((height - top) / stepY));
    return columns ? rows * (1 + Math.ceil((columns * BANDS[type] * depth) / 8)) : 0;
  });
  return sizes.reduce((a, b) => a + b, 0);
}

/** Undo the filters of the rows of one pass, and store their values; return where it ends. */
function readPass(raw, at, head, [left, top, stepX, stepY], values) {
  const { width, height, depth, type } = head;
  const bands = BANDS[type];
  const columns = Math.ceil((width - left) / stepX);
  const rows = Math.ceil((height - top) / stepY);
  if (columns <= 0 || rows <= 0) return at;
  const length = Math.ceil((columns * bands * depth) / 8);
  const back = Math.max(1, (bands * depth) >> 3); // bytes of a pixel
  let above = new Uint8Array(length);
  for (let y = 0; y < rows; y++, at += length + 1) {
    const row = raw.subarray(at + 1, at + 1 + length);
    unfilter(row, above, raw[at], back);
    for (let i = 0; i < columns * bands; i++) {
      const x = left + stepX * Math.floor(i / bands);
      const to = ((top + stepY * y) * width + x) * bands + (i % bands);
      values[to] = sample(row, i, depth);
    }
    above = row;
  }
  return at;
}

function sample(row, index, depth) {
  if (depth === 8) return row[index];
  if (depth === 16) return row[2 * index] * 256 + row[2 * index + 1];
  const bit = index * depth;
  return (row[bit >> 3] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
}

function unfilter(row, above, kind, back) {
  for (let i = 0; i < row.length; i++) {
    const a = i >= back ? row[i - back] : 0;
    const b = above[i];
    const c = i >= back ? above[i - back] : 0;
    if (kind === 1) row[i] += a;
    else if (kind === 2) row[i] += b;
    else if (kind === 3) row[i] += (a + b) >> 1;
    else if (kind === 4) row[i] += paeth(a, b, c);
  }
}

function paeth(a, b, c) {
  const [p, q, r] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  if (p <= q && p <= r) return a;
  return q <= r ? b : c;
}

function toRgba(values, head, file, range) {
  const { width, height, depth, type } = head;
  const bands = BANDS[type];
  const data = new Uint8ClampedArray(4 * width * height);
  const scale = scaling(depth, type, range);
  const key = keyOf(file.transparency, head, range);
  const plain = scaling(depth, type, null);
  for (let i = 0; i < width * height; i++) {
    const pixel = values.subarray(i * bands, (i + 1) * bands);
    let rgba;
    if (type === 3) {
      rgba = paletteColour(file, pixel[0]);
    } else {
      const grey = bands < 3;
      const colours = grey ? [pixel[0], pixel[0], pixel[0]] : pixel.subarray(0, 3);
      const clear = key && key.every((x, band) => x === plain(pixel[band]));
      const alpha = bands % 2 === 0 ? scale(pixel[bands - 1]) : clear ? 0 : 255;
      rgba = [scale(colours[0]), scale(colours[1]), scale(colours[2]), alpha];
    }
    data.set(rgba, 4 * i);
  }
  return { width, height, data };
}

/** Return the function that makes 8 bits of a value. */
function scaling(depth, type, range) {
  if (depth < 8) return (x) => (x * 255) / (2 ** depth - 1);
  if (depth === 8) return (x) => x;
  if (range && type !== 4) {
    const [low, high] = range;
    return (x) => Math.floor(((Math.min(Math.max(x, low), high) - low) * 255) / (high - low));
  }
  return type === 0 ? (x) => Math.floor(x / 257) : (x) => x >> 8;
}

/** Return the colour of an index; of one that the palette lacks, black, as Pillow does. */
function paletteColour({ palette, transparency }, index) {
  const has = 3 * index + 3 <= (palette ? palette.length : 0);
  const colour = has ? palette.subarray(3 * index, 3 * index + 3) : [0, 0, 0];
  return [...colour, transparency && index < transparency.length ? transparency[index] : 255];
}

/** Return the colour that is transparent, or null: as stored, which Pillow compares with 8 bits. */
function keyOf(transparency, { depth, type }, range) {
  if (!transparency || ![0, 2].includes(type)) return null;
  if (depth === 16 && (type === 0 || range)) return null;
  const read = (band) => transparency[2 * band] * 256 + transparency[2 * band + 1];
  const key = Array.from({ length: BANDS[type] }, (_, band) => read(band));
  return depth === 1 ? key.map((x) => (x ? 255 : 0)) : key;
}
