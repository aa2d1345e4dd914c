// Parsers of point clouds in NumPy's format and in text. They return rows of numbers.

const MAX_TRANSPOSED = 12; // rows that are taken for channels if there are more columns
const MAX_FRACTION = 2; // shade up to which fractions are taken for those of full brightness
const COLOURS = [
  ["red", "green", "blue"],
  ["r", "g", "b"],
];
const COORDINATES = ["x", "y", "z"];

/** How a number of a NumPy type, or of a ply property, is read. */
export const TYPES = {
  i1: ["getInt8", 1],
  u1: ["getUint8", 1],
  i2: ["getInt16", 2],
  u2: ["getUint16", 2],
  i4: ["getInt32", 4],
  u4: ["getUint32", 4],
  i8: ["getBigInt64", 8],
  u8: ["getBigUint64", 8],
  f2: ["getUint16", 2], // the bits of the number
  f4: ["getFloat32", 4],
  f8: ["getFloat64", 8],
};

export function readNpy(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const short = bytes[6] === 1;
  const start = short ? 10 : 12;
  const length = short ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = String.fromCharCode(...bytes.subarray(start, start + length));
  const type = /'descr':\s*'([<>|=]?)(\w\d)'/.exec(header);
  const shape = /'shape':\s*\((\d+),\s*(\d+),?\)/.exec(header);
  if (!type || !(type[2] in TYPES) || !shape) {
    throw new Error("The npy file holds no numbers of shape (points, channels).");
  }
  const [rows, columns] = [Number(shape[1]), Number(shape[2])];
  if (rows <= MAX_TRANSPOSED && columns > MAX_TRANSPOSED) {
    throw new Error(`The array has shape (${rows}, ${columns}); save its transpose.`);
  }
  const [method, size] = TYPES[type[2]];
  if (start + length + rows * columns * size > bytes.length) {
    throw new Error("The npy file is damaged: it ends too early.");
  }
  const fortran = /'fortran_order':\s*True/.test(header);
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => {
      const index = fortran ? j * rows + i : i * columns + j;
      const value = view[method](start + length + index * size, type[1] !== ">");
      return type[2] === "f2" ? half(value) : Number(value);
    }),
  );
}

/** Parse rows of numbers separated by commas, semicolons or blanks, with or without names. */
export function readText(bytes) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error("The file is not UTF-8; save the text as UTF-8.");
  }
  const isRow = (line) => line.trim() && !/^\s*(#|\/\/)/.test(line);
  const lines = text.split(/\r\n|\r|\n/).filter(isRow);
  if (!lines.length) throw new Error("The file has no points.");
  const delimiter = [",", ";"].find((mark) => lines[0].includes(mark));
  const cells = (line) =>
    line.trim().split(delimiter || /\s+/).map((cell) => cell.trim().replace(/^"+|"+$/g, ""));
  const first = cells(lines[0]);
  const names = first.some(isNumber) ? null : first.map((name) => name.toLowerCase());
  const rows = lines.slice(names ? 1 : 0).map((line, i) => {
    const row = cells(line);
    if (row.length !== first.length || !row.every(isNumber)) {
      throw new Error(`Row ${i + 1} is not ${first.length} numbers.`);
    }
    return row.map(toNumber);
  });
  return names ? arranged(names, rows) : rows;
}

/** Return the number of 16 bits. */
function half(bits) {
  const sign = bits >> 15 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

function isNumber(cell) {
  return /^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)$/i.test(cell);
}

function toNumber(cell) {
  return Number(cell); // NaN for "inf" and "nan", which are refused later
}

/** Move x, y and z to the front, and scale colours to 0 to 1. */
function arranged(names, rows) {
  for (const colours of COLOURS) {
    const columns = colours.map((name) => names.indexOf(name));
    if (columns.includes(-1)) continue;
    const shades = rows.flatMap((row) => columns.map((i) => row[i]));
    const high = shades.reduce((a, b) => Math.max(a, b), 0);
    if (high > (shades.every(Number.isInteger) ? 1 : MAX_FRACTION)) {
      for (const row of rows) for (const i of columns) row[i] /= high <= 255 ? 255 : 65535;
    }
  }
  const leading = COORDINATES.map((name) => names.indexOf(name));
  if (leading.includes(-1)) return rows;
  const others = names.map((_, i) => i).filter((i) => !leading.includes(i));
  return rows.map((row) => [...leading, ...others].map((i) => row[i]));
}
