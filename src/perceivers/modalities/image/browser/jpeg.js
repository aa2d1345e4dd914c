// A decoder of JPEG files, which gives the pixels of libjpeg-turbo (and so of Pillow) bit for bit,
// also where libjpeg decodes a large picture at a half, a quarter or an eighth of its size.
// Browsers decode at full size only, and some enlarge stored colours otherwise.

import { ZIGZAG, decodeScan, markerAfter } from "./jpeg_scan.js";
import { INVERSE } from "./jpeg_blocks.js";
import { pixelsOf } from "./jpeg_pixels.js";

const BLOCK = 8; // pixels of a side
const damaged = () => new Error("The JPEG file is damaged.");

export function isJpeg(bytes) {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/**
 * Return { width, height, data } with data as RGBA, not turned by EXIF.
 *
 * A picture of at least four times `size` is decoded at a fraction of its size, as Pillow does.
 * With `grey`, the brightness is taken as it is stored.
 */
export function decodeJpeg(bytes, { size, grey, maxPixels }) {
  const file = { quants: [], tables: {}, frame: null, interval: 0, adobe: null, jfif: false };
  for (let at = 2; ; ) {
    at = markerAfter(bytes, at);
    if (at + 1 >= bytes.length) throw new Error("The JPEG file ends too early.");
    const marker = bytes[at + 1];
    if (marker === 0xd9) break;
    at += 2;
    if (marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) continue; // markers without content
    const length = bytes[at] * 256 + bytes[at + 1];
    if (!(length >= 2 && at + length <= bytes.length)) throw damaged();
    readSegment(file, marker, bytes.subarray(at + 2, at + length), { size, maxPixels });
    at += length;
    if (marker === 0xda) at = decodeScan(bytes, at, file.frame, file.scan, file.interval);
  }
  if (!file.frame || file.frame.components.some((part) => !part.quant)) throw damaged();
  finish(file.frame);
  return pixelsOf(file.frame, coloursOf(file), grey);
}

function readSegment(file, marker, content, options) {
  if (marker === 0xdb) readQuants(file, content);
  else if (marker === 0xc4) readTables(file, content);
  else if (marker === 0xdd) file.interval = content[0] * 256 + content[1];
  else if (marker === 0xda) file.scan = scanOf(file, content);
  else if ([0xc0, 0xc1, 0xc2].includes(marker)) {
    if (file.frame) throw damaged();
    file.frame = frameOf(content, marker === 0xc2, options);
  } else if (marker >= 0xc3 && marker <= 0xcf && marker !== 0xc8) {
    throw new Error("The JPEG file is of a rare kind (arithmetic or lossless); save it as PNG.");
  } else if (marker === 0xe0 && starts(content, "JFIF\0")) file.jfif = true;
  else if (marker === 0xee && starts(content, "Adobe")) file.adobe = content[11];
}

function starts(content, text) {
  return [...text].every((letter, i) => content[i] === letter.charCodeAt(0));
}

function readQuants(file, content) {
  for (let at = 0; at < content.length; ) {
    const [wide, number] = [content[at] >> 4, content[at] & 15];
    at++;
    if (number > 3 || at + (wide ? 128 : 64) > content.length) throw damaged();
    const table = new Int32Array(64);
    for (let i = 0; i < 64; i++, at += wide ? 2 : 1) {
      table[ZIGZAG[i]] = wide ? content[at] * 256 + content[at + 1] : content[at];
    }
    file.quants[number] = table;
  }
}

/** Read Huffman tables: for each 16 bits that may follow, the length of a code and its symbol. */
function readTables(file, content) {
  for (let at = 0; at + 17 <= content.length; ) {
    const key = content[at++];
    const table = new Uint16Array(2 ** 16);
    let symbol = at + 16;
    let next = 0;
    for (let length = 1; length <= 16; length++) {
      const step = 2 ** (16 - length);
      for (let i = 0; i < content[at + length - 1]; i++, symbol++, next += step) {
        if (symbol >= content.length || next + step > 2 ** 16) throw damaged();
        table.fill((length << 8) | content[symbol], next, next + step);
      }
    }
    file.tables[key] = table;
    at = symbol;
  }
}

function frameOf(content, progressive, { size, maxPixels }) {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const count = content[5];
  if (content.length < 6 + 3 * count || content[0] !== 8) throw damaged();
  const [height, width] = [view.getUint16(1), view.getUint16(3)];
  if (!width || !height || ![1, 3, 4].includes(count)) throw damaged();
  if (width * height > maxPixels) throw new Error("The image has too many pixels.");
  const components = Array.from({ length: count }, (_, i) => {
    const [id, factors, quant] = content.subarray(6 + 3 * i, 9 + 3 * i);
    return { id, across: factors >> 4, down: factors & 15, quantNumber: quant, quant: null };
  });
  const maxAcross = Math.max(...components.map((part) => part.across));
  const maxDown = Math.max(...components.map((part) => part.down));
  if (components.some((x) => !(x.across >= 1 && x.across <= 4 && x.down >= 1 && x.down <= 4))) {
    throw damaged();
  }
  const most = Math.min(Math.floor(width / (2 * size)), Math.floor(height / (2 * size)));
  const side = BLOCK / [8, 4, 2, 1].find((x) => most >= x || x === 1);
  const frame = { width, height, progressive, components, maxAcross, maxDown, side };
  frame.columns = Math.ceil(width / (BLOCK * maxAcross));
  frame.rows = Math.ceil(height / (BLOCK * maxDown));
  for (const part of components) layOut(part, frame);
  return frame;
}

/** Choose the size at which a component is decoded, and allocate it. */
function layOut(part, { width, height, progressive, maxAcross, maxDown, side, columns, rows }) {
  part.side = side;
  while (
    part.side < BLOCK &&
    (maxAcross * side) % (part.across * part.side * 2) === 0 &&
    (maxDown * side) % (part.down * part.side * 2) === 0
  ) {
    part.side *= 2; // colours stored at half the resolution need no enlarging
  }
  part.blocksAcross = columns * part.across; // with those beyond the picture
  part.ownAcross = Math.ceil(Math.ceil((width * part.across) / maxAcross) / BLOCK);
  part.ownDown = Math.ceil(Math.ceil((height * part.down) / maxDown) / BLOCK);
  part.width = Math.ceil((width * part.across * part.side) / (maxAcross * BLOCK));
  part.height = Math.ceil((height * part.down * part.side) / (maxDown * BLOCK));
  part.stride = part.blocksAcross * part.side;
  const blocks = part.blocksAcross * rows * part.down;
  part.plane = new Uint8Array(blocks * part.side ** 2);
  part.coefficients = progressive ? new Int16Array(64 * blocks) : null;
  part.inverse = INVERSE[part.side];
  part.shifts = new Int8Array(64).fill(-1); // bits that each coefficient lacks; -1: all
}

function scanOf(file, content) {
  const count = content[0];
  if (!file.frame || content.length < 4 + 2 * count || count < 1 || count > 4) throw damaged();
  const parts = Array.from({ length: count }, (_, i) => {
    const part = file.frame.components.find((x) => x.id === content[1 + 2 * i]);
    if (!part) throw damaged();
    const chosen = content[2 + 2 * i];
    part.dc = file.tables[chosen >> 4];
    part.ac = file.tables[0x10 | (chosen & 15)];
    part.quant ||= file.quants[part.quantNumber];
    if (!part.quant) throw damaged();
    return part;
  });
  const [first, last, shifts] = content.subarray(1 + 2 * count, 4 + 2 * count);
  const low = shifts & 15;
  for (const part of parts) part.shifts.fill(low, first, last + 1);
  return { parts, first, last, high: shifts >> 4, low };
}

/** Decode the blocks of a progressive file, whose coefficients are now complete. */
function finish({ progressive, components }) {
  if (!progressive) return;
  if (components.some((part) => part.shifts.some((bits) => bits !== 0))) {
    throw new Error("The JPEG file is incomplete: some of its scans are missing.");
  }
  for (const part of components) {
    const { side, stride, blocksAcross, coefficients } = part;
    for (let block = 0; 64 * block < coefficients.length; block++) {
      const row = Math.floor(block / blocksAcross);
      const to = row * side * stride + (block % blocksAcross) * side;
      const values = coefficients.subarray(64 * block, 64 * block + 64);
      part.inverse(values, part.quant, part.plane, to, stride);
    }
    part.coefficients = null;
  }
}

/** Return what the components are, as libjpeg concludes it: grey, ycc, rgb, cmyk or ycck. */
function coloursOf({ frame, adobe, jfif }) {
  const count = frame.components.length;
  if (count === 1) return "grey";
  if (count === 4) return adobe ? "ycck" : "cmyk";
  if (jfif) return "ycc";
  if (adobe !== null) return adobe === 0 ? "rgb" : "ycc";
  return String.fromCharCode(...frame.components.map((part) => part.id)) === "RGB" ? "rgb" : "ycc";
}
