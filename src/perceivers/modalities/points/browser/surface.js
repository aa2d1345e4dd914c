// The shape of the surface around each point, as `perceivers.modalities.points.surface`.

export const SHAPE_CHANNELS = 7; // per number of neighbours
const MIN_DISTANCE = 1e-12;
const SWEEPS = 30; // of Jacobi's method, at most

/**
 * Return, for each point, seven numbers for each number of neighbours, and whether some
 * neighbourhoods are a choice among points at the same distance.
 */
export function surfaceShape(points, neighbours) {
  const counts = neighbours.map((count) => Math.min(count + 1, points.length)); // with itself
  const most = Math.max(...counts);
  let tied = false;
  const shapes = points.map((point) => {
    const near = nearest(points, point, most + 1);
    tied ||= counts.some((count) => count < near.length && isTie(near[count - 1], near[count]));
    return counts.flatMap((count) => shape(near.slice(0, count)));
  });
  return { shapes, tied };
}

function isTie([near], [far]) {
  return far - near <= 1e-12 * far;
}

/** Return the nearest points in order, each as [squared distance, point]. */
function nearest(points, [x, y, z], count) {
  const found = []; // sorted by distance
  let farthest = Infinity;
  for (const other of points) {
    const distance = (other[0] - x) ** 2 + (other[1] - y) ** 2 + (other[2] - z) ** 2;
    if (found.length === count && distance >= farthest) continue;
    let at = found.length;
    while (at > 0 && found[at - 1][0] > distance) at -= 1;
    found.splice(at, 0, [distance, other]);
    if (found.length > count) found.pop();
    farthest = found.at(-1)[0];
  }
  return found;
}

function shape(near) {
  const mean = [0, 1, 2].map((k) => near.reduce((sum, [, p]) => sum + p[k], 0) / near.length);
  const moved = near.map(([, p]) => p.map((x, k) => x - mean[k]));
  const moment = (i, j) => moved.reduce((sum, p) => sum + p[i] * p[j], 0) / near.length;
  const matrix = [0, 1, 2].map((i) => [0, 1, 2].map((j) => moment(i, j)));
  const { values, vectors } = eigen(matrix);
  const order = [0, 1, 2].sort((a, b) => values[a] - values[b]);
  const [small, middle, large] = order.map((k) => Math.sqrt(Math.max(values[k], 0)));
  const radius = Math.log(Math.max(Math.sqrt(near.at(-1)[0]), MIN_DISTANCE));
  if (!(large > 0)) return [0, 0, 0, 0, 0, 0, radius];
  const normal = vectors.map((row) => Math.abs(row[order[0]]));
  return [(large - middle) / large, (middle - small) / large, small / large, ...normal, radius];
}

/** Return the eigenvalues of a symmetric matrix (3, 3) and its eigenvectors, as columns. */
function eigen(a) {
  const vectors = [0, 1, 2].map((i) => [0, 1, 2].map((j) => Number(i === j)));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const off = Math.abs(a[0][1]) + Math.abs(a[0][2]) + Math.abs(a[1][2]);
    if (off === 0) break;
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) rotate(a, vectors, p, q);
  }
  return { values: [a[0][0], a[1][1], a[2][2]], vectors };
}

function rotate(a, vectors, p, q) {
  if (a[p][q] === 0) return;
  const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  const turn = (rows, i, j, k) => {
    [rows[i][j], rows[i][k]] = [c * rows[i][j] - s * rows[i][k], s * rows[i][j] + c * rows[i][k]];
  };
  for (let i = 0; i < 3; i++) turn(a, i, p, q);
  for (let i = 0; i < 3; i++) {
    [a[p][i], a[q][i]] = [c * a[p][i] - s * a[q][i], s * a[p][i] + c * a[q][i]];
    turn(vectors, i, p, q);
  }
  a[p][q] = a[q][p] = 0;
}
