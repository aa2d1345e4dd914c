// What the files of compressed sounds state, which a browser does not tell: their sample rate, and
// where the sound begins.

const AAC_PACKET = 1024; // samples

/** Return the sample rate that a file states; 0 if it is of no known kind. */
export function storedRate(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = textAt(bytes, 0, 64);
  if (text.startsWith("fLaC") && bytes.length > 22) return view.getUint32(18) >>> 12;
  if (text.startsWith("OggS") && text.includes("OpusHead")) return 48_000;
  if (text.startsWith("\x1aE\xdf\xa3")) return 48_000; // WebM, most of which hold Opus
  const vorbis = text.indexOf("\x01vorbis");
  if (text.startsWith("OggS") && vorbis > 0) return view.getUint32(vorbis + 12, true);
  if (text.slice(4, 8) === "ftyp") return mp4Rate(bytes, view);
  let at = 0;
  if (text.startsWith("ID3")) {
    at = 10 + [6, 7, 8, 9].reduce((size, i) => size * 128 + bytes[i], 0);
  }
  return frameRate(bytes.subarray(at, at + 4));
}

/**
 * Return the length of the sound of an MP4 file of AAC, in samples, with what fills its last
 * packet: browsers cut that off, `perceivers` does not. 0 if it is not known.
 */
export function packedLength(bytes) {
  if (textAt(bytes, 4, 8) !== "ftyp") return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [packets, edit] = [find(bytes, "stts"), find(bytes, "elst")];
  if (packets < 0 || edit < 0 || edit + 20 > bytes.length) return 0;
  if (view.getUint32(edit + 8) !== 1) return 0; // several parts of the sound
  const entries = view.getUint32(packets + 8);
  if (packets + 12 + 8 * entries > bytes.length) return 0;
  let count = 0;
  for (let i = 0; i < entries; i++) count += view.getUint32(packets + 12 + 8 * i);
  return Math.max(0, count * AAC_PACKET - view.getUint32(edit + 16)); // without what comes before
}

/** Whether a sound differs from that of `perceivers` by less than rounding. */
export function isExact(bytes) {
  const start = textAt(bytes, 0, 4);
  return ["fLaC", "OggS"].includes(start) || start.startsWith("ID3") || frameRate(bytes) > 0;
}

function isMp3(bytes) {
  return bytes[0] === 0xff && (bytes[1] & 0xe6) === 0xe2;
}

/** Return the rate of a frame of mp3 or of AAC (ADTS), which begin alike. */
function frameRate(head) {
  if (isMp3(head)) {
    const divisor = { 3: 1, 2: 2, 0: 4 }[(head[1] >> 3) & 3];
    return [44_100, 48_000, 32_000, 0][(head[2] >> 2) & 3] / divisor || 0;
  }
  const rates = [96, 88.2, 64, 48, 44.1, 32, 24, 22.05, 16, 12, 11.025, 8];
  const isAac = head[0] === 0xff && (head[1] & 0xf6) === 0xf0;
  return isAac ? 1000 * (rates[(head[2] >> 2) & 15] || 0) : 0;
}

/** Return the rate of the first track of an MP4 file that holds AAC; 0 if there is none. */
function mp4Rate(bytes, view) {
  const at = find(bytes, "mp4a");
  return at < 0 || at + 32 > bytes.length ? 0 : view.getUint16(at + 28);
}

function find(bytes, name) {
  const [a, b, c, d] = [...name].map((letter) => letter.charCodeAt(0));
  for (let at = bytes.indexOf(a); at >= 0; at = bytes.indexOf(a, at + 1)) {
    if (bytes[at + 1] === b && bytes[at + 2] === c && bytes[at + 3] === d) return at;
  }
  return -1;
}

function textAt(bytes, start, end) {
  return String.fromCharCode(...bytes.subarray(start, end));
}
