// Sounds as samples, as `perceivers.modalities.sound` reads them.

import { isExact, packedLength, storedRate } from "./containers.js";
import { resample } from "./resample.js";
import { isWav, readWav } from "./wav.js";

export const reads = "sounds";
export const accept = "audio/*,.wav,.flac,.mp3,.ogg,.opus,.m4a";

const MIN_RATE = 8000; // Hz; what every browser decodes to
const MAX_RATE = 96_000;
const INEXACT =
  "The browser decodes this format; some hundredths of a second at its start or end may differ " +
  "from what perceivers reads. Sounds saved as wav, flac, mp3 or ogg are read alike.";
const MAX_FILLED = 4096; // samples that are added at the end
const NOT_SAMPLES = 8; // loudest sample from which they must be integers that were saved as floats

/** Return the example of a sound file: float32 (samples, channels). */
export async function prepare(bytes, name, config, limits) {
  const rate = config.sample_rate;
  const plain = isWav(bytes) ? readWav(bytes) : null;
  const sound = plain || (await decode(bytes, rate));
  if (sound.channels[0].length > limits.seconds * sound.rate) {
    throw new Error(`The sound is longer than ${limits.seconds} s; cut it.`);
  }
  if (!sound.channels[0].length) throw new Error("The sound is empty.");
  const mixed = mix(sound.channels, config.channels);
  const waves = mixed.map((wave) => limited(resample(wave, sound.rate, rate)));
  const step = stepOf(config);
  const had = waves[0].length;
  const whole = Math.max(1, Math.floor(had / step)) * step;
  const length = config.own_length ? Math.min(config.num_samples, whole) : config.num_samples;
  // A longer sound is cut to its middle; a shorter one has silence on both sides.
  const spare = had - length;
  const start = Math.floor(spare / 2);
  const shift = spare < 0 ? Math.floor(-spare / 2) : -start;
  const data = new Float32Array(length * waves.length);
  waves.forEach((wave, channel) => {
    for (let i = Math.max(0, shift); i < length && i - shift < had; i++) {
      data[i * waves.length + channel] = wave[i - shift];
    }
  });
  const note = plain || isExact(bytes) ? "" : INEXACT;
  return { data, shape: [length, waves.length], note };
}

/** Draw the loudest sample of each column. */
export function show(example, canvas) {
  const channels = example.shape[1];
  canvas.width = 480;
  canvas.height = 96;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#2563b0";
  const loudest = example.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-9);
  const step = example.shape[0] / canvas.width;
  for (let x = 0; x < canvas.width; x++) {
    let peak = 0;
    for (let i = Math.floor(x * step); i < (x + 1) * step; i++) {
      peak = Math.max(peak, Math.abs(example.data[Math.min(i, example.shape[0] - 1) * channels]));
    }
    const half = Math.max(0.5, (peak / loudest) * (canvas.height / 2 - 2));
    context.fillRect(x, canvas.height / 2 - half, 1, 2 * half);
  }
}

function stepOf(config) {
  if (config.hop_length) return config.hop_length * config.patch_frames;
  return config.patch_stride || config.patch_size;
}

/** Let the browser decode other formats than wav, at their own rate if it is known. */
async function decode(bytes, wanted) {
  const stored = storedRate(bytes);
  const rate = stored >= MIN_RATE && stored <= MAX_RATE ? stored : wanted;
  try {
    const context = new OfflineAudioContext(1, 1, rate);
    const decoded = await context.decodeAudioData(bytes.slice().buffer);
    const numbers = [...Array(decoded.numberOfChannels).keys()];
    const length = stored ? packedLength(bytes) : 0;
    return { rate, channels: numbers.map((i) => filled(decoded.getChannelData(i), length)) };
  } catch {
    throw new Error("This is no sound, or one that the browser cannot read; save it as wav.");
  }
}

/** Add silence up to a length. */
function filled(samples, length) {
  if (samples.length >= length || length > samples.length + MAX_FILLED) return samples;
  const result = new Float32Array(length);
  result.set(samples);
  return result;
}

/** Average all channels to one; give mono to both sides. */
function mix(channels, count) {
  if (channels.length === count) return channels;
  if (channels.length === 1) return Array(count).fill(channels[0]);
  if (count !== 1) {
    throw new Error(`The sound has ${channels.length} channels; save it as stereo or mono.`);
  }
  return [channels[0].map((_, i) => channels.reduce((sum, x) => sum + x[i], 0) / channels.length)];
}

function limited(wave) {
  return wave.map((x) => {
    if (!Number.isFinite(x)) throw new Error("The sound has samples that are no numbers.");
    if (Math.abs(x) > NOT_SAMPLES) throw new Error("The sound has samples outside -1 to 1.");
    return Math.min(1, Math.max(-1, x));
  });
}
