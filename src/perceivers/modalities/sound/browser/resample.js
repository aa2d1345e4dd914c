// FFmpeg's resampler (libswresample with its default options): a Kaiser window with β = 9 over 32
// taps, cut off at 97% of the lower rate.

const TAPS = 32;
const CUTOFF = 0.97;
const BETA = 9;
const PHASES = 1024; // at most
const FILTER_SAMPLES = 64; // that FFmpeg needs, at the lower of the two rates

/** Resample one channel. */
export function resample(samples, oldRate, newRate) {
  if (oldRate === newRate) return samples;
  const length = Math.max(1, roundHalfEven((samples.length * newRate) / oldRate));
  const result = new Float32Array(length);
  const factor = Math.min((newRate * CUTOFF) / oldRate, 1);
  let taps = Math.max(Math.ceil(TAPS / factor), 1);
  taps += taps % 2;
  // Of fewer samples than its filter spans, FFmpeg gives nothing: silence follows them.
  const span = Math.ceil(FILTER_SAMPLES * Math.max(1, oldRate / newRate));
  if (samples.length < span) {
    const followed = new Float32Array(samples.length + span);
    followed.set(samples);
    samples = followed;
  }
  const exact = newRate / divisor(oldRate, newRate);
  const phases = exact <= PHASES ? exact : PHASES;
  const bank = filters(factor, taps, phases);
  const centre = (taps - 1) >> 1;
  for (let n = 0; n < length; n++) {
    const position = n * oldRate * phases;
    const index = Math.floor(position / newRate);
    const rest = (position % newRate) / newRate;
    const start = Math.floor(index / phases) - centre;
    const phase = index % phases;
    const value = apply(samples, start, bank[phase]);
    result[n] =
      rest === 0 ? value : value + (apply(samples, start, bank[phase + 1]) - value) * rest;
  }
  return result;
}

/** Return the filter of each phase, and of the first one a sample later. */
function filters(factor, taps, phases) {
  const centre = (taps - 1) >> 1;
  let norm = 0;
  const bank = [];
  for (let phase = 0; phase <= phases; phase++) {
    const values = new Float64Array(taps);
    for (let i = 0; i < taps; i++) {
      const x = Math.PI * (i - centre - phase / phases) * factor;
      const w = (2 * x) / (factor * taps * Math.PI);
      values[i] = (x === 0 ? 1 : Math.sin(x) / x) * bessel(BETA * Math.sqrt(Math.max(1 - w * w, 0)));
      if (phase === 0) norm += values[i];
    }
    bank.push(values);
  }
  return bank.map((values) => Float32Array.from(values, (x) => x / norm));
}

/** Weigh the samples from `start` on; before and after the sound, it is mirrored. */
function apply(samples, start, filter) {
  const count = samples.length;
  let sum = 0;
  for (let i = 0; i < filter.length; i++) {
    let at = Math.abs(start + i);
    if (at >= count) at = 2 * count - 1 - at;
    sum += samples[at] * filter[i];
  }
  return sum;
}

/** The modified Bessel function of the first kind, of order 0. */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-18 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}

export function roundHalfEven(x) {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
