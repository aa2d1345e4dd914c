// numpy.random.default_rng(0).choice(total, count, replace=False): the points of a large cloud.

const MASK = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n; // of PCG64
const STATE = 0x1aa1b5345996452d09585eb7a69561e3n; // of seed 0
const INCREMENT = 0x418ddadb3af71a82588133bc447873a9n;
const MANY = 10_000; // from here on, NumPy shuffles all indices if it needs many of them
const CUTOFF = 50;

/** Return `count` different indices below `total`, in random order. */
export function choice(total, count) {
  const below = generator();
  if (total > MANY && count > Math.floor(total / CUTOFF)) {
    const all = Array.from({ length: total }, (_, i) => i);
    shuffle(all, Math.max(total - count, 1), below);
    return all.slice(total - count);
  }
  const chosen = new Set(); // Floyd's algorithm
  for (let j = total - count; j < total; j++) {
    const value = below(j);
    chosen.add(chosen.has(value) ? j : value);
  }
  const result = [...chosen];
  shuffle(result, 1, below);
  return result;
}

function shuffle(values, first, below) {
  for (let i = values.length - 1; i >= first; i--) {
    const j = below(i);
    [values[i], values[j]] = [values[j], values[i]];
  }
}

/** Return a function that draws integers from 0 to `most`. */
function generator() {
  const next = bits();
  return (most) => {
    if (most === 0) return 0;
    const range = BigInt(most) + 1n;
    const threshold = (2n ** 32n - range) % range;
    let product = next() * range;
    while ((product & 0xffffffffn) < threshold) product = next() * range;
    return Number(product >> 32n);
  };
}

/** Return a function that draws 32 bits: halves of PCG64's 64 bits, the lower one first. */
function bits() {
  let state = STATE;
  let upper = null;
  return () => {
    if (upper !== null) {
      const kept = upper;
      upper = null;
      return kept;
    }
    state = (state * MULTIPLIER + INCREMENT) & MASK;
    const mixed = (state >> 64n) ^ (state & 0xffffffffffffffffn);
    const turn = state >> 122n;
    const value = ((mixed >> turn) | (mixed << (64n - turn))) & 0xffffffffffffffffn;
    upper = value >> 32n;
    return value & 0xffffffffn;
  };
}
