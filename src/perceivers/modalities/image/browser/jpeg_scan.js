// The coefficients of a scan of a JPEG file: Huffman codes, sequential or progressive.

// Where the coefficients of a block, which are stored along its diagonals, lie by row and column.
export const ZIGZAG = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
  13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52,
  45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
const damaged = () => new Error("The JPEG file is damaged.");

/** Return where the next marker is; the end of the file if there is none. */
export function markerAfter(bytes, at) {
  while (at < bytes.length) {
    if (bytes[at] === 0xff && bytes[at + 1] > 0 && bytes[at + 1] < 0xff) return at;
    at++;
  }
  return at;
}

/** Decode the scan that begins at a byte; return where the next marker may be. */
export function decodeScan(bytes, at, frame, scan, interval) {
  const bits = new Bits(bytes, at);
  const decode = decoderOf(frame, scan, bits);
  const blocks = blocksOf(frame, scan);
  const units = scan.parts.length > 1 ? frame.columns * frame.rows : blocks.length;
  scan.run = 0;
  for (const part of scan.parts) part.last = 0;
  for (let unit = 0; unit < units; unit++) {
    if (interval && unit && unit % interval === 0) {
      bits.restart();
      scan.run = 0;
      for (const part of scan.parts) part.last = 0;
    }
    if (scan.parts.length > 1) decodeUnit(frame, scan, unit, decode);
    else decode(scan.parts[0], blocks.row(unit), blocks.column(unit));
  }
  return bits.at;
}

/** The blocks of a scan of one component: only those that hold pixels of the picture. */
function blocksOf(frame, scan) {
  const { ownAcross, ownDown } = scan.parts[0];
  return {
    length: ownAcross * ownDown,
    row: (unit) => Math.floor(unit / ownAcross),
    column: (unit) => unit % ownAcross,
  };
}

/** Decode the blocks of all components that lie in the same square of the picture. */
function decodeUnit(frame, scan, unit, decode) {
  const row = Math.floor(unit / frame.columns);
  const column = unit % frame.columns;
  for (const part of scan.parts) {
    for (let y = 0; y < part.down; y++) {
      for (let x = 0; x < part.across; x++) {
        decode(part, row * part.down + y, column * part.across + x);
      }
    }
  }
}

function decoderOf(frame, scan, bits) {
  if (!frame.progressive) {
    if (scan.parts.some((part) => !part.dc || !part.ac)) throw damaged();
    const block = new Int16Array(64);
    return (part, row, column) => {
      block.fill(0);
      readBlock(bits, part, block);
      const to = row * part.side * part.stride + column * part.side;
      part.inverse(block, part.quant, part.plane, to, part.stride);
    };
  }
  const { first, last, high } = scan;
  const read = first === 0 ? (high ? refineFirst : readFirst) : high ? refineOthers : readOthers;
  if (first > last || last > 63) throw damaged();
  if (first === 0 ? last > 0 : scan.parts.length > 1) throw damaged();
  if (scan.parts.some((part) => (first ? !part.ac : !high && !part.dc))) throw damaged();
  return (part, row, column) => {
    const from = 64 * (row * part.blocksAcross + column);
    read(bits, part, part.coefficients.subarray(from, from + 64), scan);
  };
}

function readBlock(bits, part, block) {
  part.last += bits.value(bits.symbol(part.dc));
  block[0] = part.last;
  for (let k = 1; k < 64; k++) {
    const symbol = bits.symbol(part.ac);
    const size = symbol & 15;
    if (size === 0 && symbol !== 0xf0) return;
    k += symbol >> 4;
    if (size === 0) continue;
    if (k > 63) throw damaged();
    block[ZIGZAG[k]] = bits.value(size);
  }
}

function readFirst(bits, part, block, { low }) {
  part.last += bits.value(bits.symbol(part.dc));
  block[0] = part.last << low;
}

function refineFirst(bits, part, block, { low }) {
  if (bits.take(1)) block[0] |= 1 << low;
}

function readOthers(bits, part, block, scan) {
  if (scan.run > 0) {
    scan.run--;
    return;
  }
  for (let k = scan.first; k <= scan.last; k++) {
    const symbol = bits.symbol(part.ac);
    const zeros = symbol >> 4;
    const size = symbol & 15;
    if (size === 0 && zeros < 15) {
      scan.run = (1 << zeros) + bits.take(zeros) - 1; // this block and so many others have no more
      return;
    }
    k += zeros;
    if (k > 63) throw damaged();
    if (size) block[ZIGZAG[k]] = bits.value(size) << scan.low;
  }
}

function refineOthers(bits, part, block, scan) {
  const unit = 1 << scan.low;
  let k = scan.first;
  while (scan.run === 0 && k <= scan.last) {
    const symbol = bits.symbol(part.ac);
    let zeros = symbol >> 4;
    let added = 0;
    if (symbol & 15) added = bits.take(1) ? unit : -unit;
    else if (zeros < 15) {
      scan.run = (1 << zeros) + bits.take(zeros);
      break;
    }
    for (; k <= scan.last; k++) {
      const at = ZIGZAG[k];
      if (block[at] !== 0) refine(bits, block, at, unit);
      else if (--zeros < 0) break;
    }
    // A damaged file may lead beyond the last coefficient, where libjpeg stores it all the same.
    if (added) block[ZIGZAG[Math.min(k, 63)]] = added;
    k++;
  }
  if (scan.run > 0) {
    for (; k <= scan.last; k++) {
      if (block[ZIGZAG[k]] !== 0) refine(bits, block, ZIGZAG[k], unit);
    }
    scan.run--;
  }
}

function refine(bits, block, at, unit) {
  if (bits.take(1) && (block[at] & unit) === 0) block[at] += block[at] >= 0 ? unit : -unit;
}

/** The bits of a scan, until its next marker. */
class Bits {
  constructor(bytes, at) {
    Object.assign(this, { bytes, at, buffer: 0, count: 0, missing: 0 });
  }

  fill() {
    while (this.count <= 24) {
      let byte = this.at < this.bytes.length ? this.bytes[this.at] : -1;
      if (byte === 0xff && this.bytes[this.at + 1] !== 0) byte = -1; // a marker
      if (byte < 0) {
        this.missing += 8; // zeros, which may be looked at but not taken
        byte = 0;
      } else {
        this.at += byte === 0xff ? 2 : 1;
      }
      this.buffer = (this.buffer << 8) | byte;
      this.count += 8;
    }
  }

  drop(count) {
    this.count -= count;
    if (this.count < this.missing) throw damaged();
  }

  take(count) {
    if (count === 0) return 0;
    if (this.count < 16) this.fill();
    const value = (this.buffer >>> (this.count - count)) & ((1 << count) - 1);
    this.drop(count);
    return value;
  }

  symbol(table) {
    if (this.count < 16) this.fill();
    const found = table[(this.buffer >>> (this.count - 16)) & 0xffff];
    if (found === 0) throw damaged();
    this.drop(found >> 8);
    return found & 255;
  }

  /** Take a signed number of so many bits. */
  value(size) {
    if (size > 15) throw damaged();
    const value = this.take(size);
    return size && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
  }

  /** Go on after the next restart marker. */
  restart() {
    this.buffer = this.count = this.missing = 0;
    this.at = markerAfter(this.bytes, this.at);
    const marker = this.bytes[this.at + 1];
    if (!(marker >= 0xd0 && marker <= 0xd7)) throw damaged();
    this.at += 2;
  }
}
