// A parser of point clouds in ply files, as text or binary.

import { TYPES } from "./formats.js";

const NAMES = {
  char: "i1", int8: "i1", uchar: "u1", uint8: "u1", short: "i2", int16: "i2", ushort: "u2",
  uint16: "u2", int: "i4", int32: "i4", uint: "u4", uint32: "u4", float: "f4", float32: "f4",
  double: "f8", float64: "f8",
};
const NORMALS = ["nx", "ny", "nz"];
const COLOURS = ["red", "green", "blue"];

/** Return the coordinates of each point, then its normal and its colour if the file has them. */
export function readPly(bytes) {
  const { format, elements, start } = headerOf(bytes);
  if (elements.some((element) => element.name === "face" && element.count > 0)) {
    throw new Error("This page reads point clouds, not meshes; sample points from the mesh.");
  }
  const position = elements.findIndex((element) => element.name === "vertex");
  if (position < 0) throw new Error("The ply file has no points.");
  const before = elements.slice(0, position).some((element) => element.count > 0);
  const vertex = elements[position];
  if (before || vertex.properties.some((property) => !property.type)) {
    throw new Error("The ply file has lists, or other rows before its points; convert it to csv.");
  }
  const rows =
    format === "ascii"
      ? textRows(bytes.subarray(start), vertex)
      : binaryRows(bytes, start, vertex, format === "binary_little_endian");
  return arranged(rows, vertex.properties);
}

function headerOf(bytes) {
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 2 ** 16));
  const end = /(^|\n)\s*end_header[^\n]*\n/.exec(head);
  if (!end) throw new Error("The ply file is damaged: its header does not end.");
  let format = "";
  const elements = [];
  for (const line of head.slice(0, end.index).split("\n")) {
    const words = line.trim().split(/\s+/);
    if (words[0] === "format") format = words[1];
    if (words[0] === "element") {
      elements.push({ name: words[1], count: Number(words[2]), properties: [] });
    }
    if (words[0] === "property" && elements.length) {
      elements.at(-1).properties.push({ name: words.at(-1), type: NAMES[words[1]] });
    }
  }
  if (!["ascii", "binary_little_endian", "binary_big_endian"].includes(format)) {
    throw new Error("The ply file is damaged: it states no known format.");
  }
  return { format, elements, start: end.index + end[0].length };
}

function textRows(bytes, vertex) {
  const lines = new TextDecoder("latin1").decode(bytes).split("\n");
  const rows = lines.filter((line) => line.trim()).slice(0, vertex.count);
  if (rows.length < vertex.count) throw new Error("The ply file is damaged: it ends too early.");
  return rows.map((line) => line.trim().split(/\s+/).map(Number));
}

function binaryRows(bytes, start, vertex, little) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizes = vertex.properties.map((property) => TYPES[property.type][1]);
  const size = sizes.reduce((a, b) => a + b, 0);
  if (start + vertex.count * size > bytes.length) {
    throw new Error("The ply file is damaged: it ends too early.");
  }
  return Array.from({ length: vertex.count }, (_, i) => {
    let at = start + i * size;
    return vertex.properties.map((property, j) => {
      const value = view[TYPES[property.type][0]](at, little);
      at += sizes[j];
      return value;
    });
  });
}

function arranged(rows, properties) {
  const names = properties.map((property) => property.name);
  const columns = (wanted) => wanted.map((name) => names.indexOf(name));
  const has = (wanted) => wanted.every((name) => names.includes(name));
  if (!has(["x", "y", "z"])) throw new Error("The points of the ply file have no x, y and z.");
  const kept = [...columns(["x", "y", "z"]), ...(has(NORMALS) ? columns(NORMALS) : [])];
  const shades = has(COLOURS) ? columns(COLOURS) : [];
  const isFloat = shades.some((i) => properties[i].type.startsWith("f"));
  const high = rows.reduce((most, row) => Math.max(most, ...shades.map((i) => row[i])), 0);
  const full = isFloat && high <= 1 ? 1 : high <= 255 ? 255 : 65535;
  const scaled = (x) => Math.round((Math.min(Math.max(x, 0), full) * 255) / full) / 255;
  return rows.map((row) => [...kept.map((i) => row[i]), ...shades.map((i) => scaled(row[i]))]);
}
