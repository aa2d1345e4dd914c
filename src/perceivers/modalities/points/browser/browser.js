// Point clouds as points, as `perceivers.modalities.points` reads them.

import { readNpy, readText } from "./formats.js";
import { readPly } from "./ply.js";
import { choice } from "./random.js";
import { SHAPE_CHANNELS, surfaceShape } from "./surface.js";

export const reads = "point clouds";
export const accept = ".npy,.ply,.csv,.txt,.xyz";

const TIED =
  "Some points have several neighbours at the same distance, of which perceivers may choose " +
  "others.";
const AXES = 3;
const MIN_POINTS = 3;
const MIN_EXTENT = 1e-12; // lower limit of the size of a cloud before its logarithm is taken
const TINY = 2.2250738585072014e-308; // the smallest normal number
const MAX_VALUE = 3.4028234663852886e38; // of float32

/** Return the example of a file of points: float32 (points, channels). */
export function prepare(bytes, name, config, limits) {
  if (bytes.length > limits.file_bytes) throw new Error("The file is too large.");
  const added = Number(config.size_channel) + SHAPE_CHANNELS * config.neighbours.length;
  const stored = config.channels - added;
  let rows = read(bytes, name.toLowerCase().split(".").pop());
  if (rows.length < MIN_POINTS) {
    throw new Error(`The file has ${rows.length} points; expected at least ${MIN_POINTS}.`);
  }
  if (rows.length > limits.points) throw new Error("The file has too many points.");
  if (rows[0].length < stored) {
    throw new Error(`Points have ${rows[0].length} channels; expected at least ${stored}.`);
  }
  rows = rows.map((row) => row.slice(0, stored));
  if (rows.some((row) => row.some((x) => !(Math.abs(x) <= MAX_VALUE)))) {
    throw new Error("Some points are no finite numbers; remove or repair them.");
  }
  if (rows.length > config.num_points) {
    rows = choice(rows.length, config.num_points).map((i) => rows[i]);
  }
  const prepared = withChannels(rows, config);
  rows = prepared.rows;
  const count = config.own_length ? rows.length : config.num_points;
  const data = new Float32Array(count * config.channels);
  for (let i = 0; i < count; i++) data.set(rows[i % rows.length], i * config.channels);
  return { data, shape: [count, config.channels], note: prepared.tied ? TIED : "" };
}

/** Draw the points from the front, x to the right and y up. */
export function show(example, canvas) {
  const [count, channels] = example.shape;
  canvas.width = canvas.height = 240;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, 240, 240);
  context.fillStyle = "#2563b0";
  for (let i = 0; i < count; i++) {
    const [x, y] = example.data.subarray(i * channels, i * channels + 2);
    context.fillRect(118 + 110 * x, 118 - 110 * y, 3, 3);
  }
}

function read(bytes, suffix) {
  const start = String.fromCharCode(...bytes.subarray(0, 6));
  if (start.slice(1) === "NUMPY" && bytes[0] === 0x93) return readNpy(bytes);
  if (start.startsWith("ply\n") || start.startsWith("ply\r")) return readPly(bytes);
  if (["csv", "txt", "xyz"].includes(suffix)) return readText(bytes);
  throw new Error("This page reads point clouds as npy, ply, csv, txt or xyz; convert the file.");
}

/** Centre and scale the coordinates, and add the channels that the model needs. */
function withChannels(rows, config) {
  const scaled = centreAndScale(rows.map((row) => row.slice(0, AXES)));
  const result = rows.map((row, i) => [...scaled[i], ...row.slice(AXES)]);
  if (config.size_channel) {
    const hasExtent = scaled.some((row) => row.some((x) => x !== 0));
    const extent = hasExtent ? extentOf(centred(rows.map((row) => row.slice(0, AXES)))) : 0;
    for (const row of result) row.push(Math.log(Math.max(extent, MIN_EXTENT)));
  }
  let tied = false;
  if (config.neighbours.length) {
    const points = config.size_channel ? rows.map((row) => row.slice(0, AXES)) : scaled;
    const found = surfaceShape(points, config.neighbours);
    found.shapes.forEach((shape, i) => result[i].push(...shape));
    tied = found.tied;
  }
  return { rows: result, tied };
}

function centreAndScale(points) {
  const largest = Math.max(extentOf(points), TINY);
  const moved = centred(points.map((row) => row.map((x) => x / largest)));
  let extent = extentOf(moved);
  if (extent <= 16 * Number.EPSILON) extent = Infinity; // equal points: only rounding errors
  return moved.map((row) => row.map((x) => x / extent));
}

function centred(points) {
  const means = [0, 1, 2].map((axis) => points.reduce((sum, row) => sum + row[axis], 0));
  return points.map((row) => row.map((x, axis) => x - means[axis] / points.length));
}

function extentOf(points) {
  return points.reduce((most, row) => Math.max(most, ...row.map(Math.abs)), 0);
}
