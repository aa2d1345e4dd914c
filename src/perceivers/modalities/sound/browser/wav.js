// A parser of wav files, which keeps their samples exactly.

export function isWav(bytes) {
  return text(bytes, 0) === "RIFF" && text(bytes, 8) === "WAVE";
}

/** Return { rate, channels: [Float32Array, …] }; null if the samples are compressed. */
export function readWav(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (text(bytes, at) === "fmt " && at + 24 <= bytes.length) {
      format = formatAt(view, at + 8, length);
      if (!format) return null;
    } else if (text(bytes, at) === "data") {
      if (!format) break;
      return samplesAt(view, at + 8, Math.min(length, bytes.length - at - 8), format);
    }
    at += 8 + length + (length % 2);
  }
  throw new Error("The wav file is damaged: it has no samples.");
}

function formatAt(view, at, length) {
  let code = view.getUint16(at, true);
  const bits = view.getUint16(at + 14, true);
  if (code === 0xfffe && length >= 40) code = view.getUint16(at + 24, true);
  const known = (code === 1 && [8, 16, 24, 32].includes(bits)) || (code === 3 && bits % 32 === 0);
  if (!known) return null;
  const channels = view.getUint16(at + 2, true);
  const rate = view.getUint32(at + 4, true);
  if (channels < 1 || rate < 1) throw new Error("The wav file is damaged: no channels or no rate.");
  return { channels, rate, isFloat: code === 3, bytes: bits / 8 };
}

function samplesAt(view, start, length, format) {
  const { channels, rate, bytes } = format;
  const count = Math.floor(length / (bytes * channels));
  const read = reader(view, format);
  const result = Array.from({ length: channels }, () => new Float32Array(count));
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < channels; channel++) {
      result[channel][i] = read(start + (i * channels + channel) * bytes);
    }
  }
  return { rate, channels: result };
}

function reader(view, { isFloat, bytes }) {
  if (isFloat) {
    return bytes === 4 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  }
  return {
    1: (at) => (view.getUint8(at) - 128) / 128,
    2: (at) => view.getInt16(at, true) / 2 ** 15,
    3: (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65536) / 2 ** 23,
    4: (at) => view.getInt32(at, true) / 2 ** 31,
  }[bytes];
}

function text(bytes, at) {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
