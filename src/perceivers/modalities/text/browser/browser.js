// Texts as the ids of their UTF-8 bytes, as `perceivers.modalities.text` reads them.

const OFFSET = 6; // the id of a byte is its value plus this
const MAX_NULLS = 0.1; // of the characters; more zeros are not UTF-8, although they can be decoded

export const reads = "texts";
export const accept = ".txt,text/plain";
export const texts = true; // texts can be typed

export function prepare(bytes, name, config, limits) {
  if (bytes.length > limits.file_bytes) throw new Error("The file is too large.");
  return encode(decode(bytes), config);
}

/** Return the example of a typed text. */
export function encode(text, config) {
  let raw = new TextEncoder().encode(text);
  let end = Math.min(raw.length, config.max_length);
  if (end < raw.length) {
    while (end > 0 && (raw[end] & 0xc0) === 0x80) end -= 1; // not within a character
    raw = raw.subarray(0, end);
  }
  const ids = BigInt64Array.from(raw.length ? raw : [-OFFSET], (byte) => BigInt(byte + OFFSET));
  return { data: ids, shape: [ids.length] };
}

/** Return the start of an example, at most so many bytes of it. */
export function words(example, most) {
  const ids = Array.from(example.data.subarray(0, most), Number).filter((id) => id >= OFFSET);
  const start = Uint8Array.from(ids, (id) => id - OFFSET);
  const rest = example.data.length > most ? " …" : "";
  return new TextDecoder().decode(start, { stream: true }) + rest; // no part of a character
}

function decode(bytes) {
  const mark = bytes.length > 1 ? bytes[0] * 256 + bytes[1] : 0;
  const encoding = { 0xfffe: "utf-16le", 0xfeff: "utf-16be" }[mark] ?? "utf-8";
  let text;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes); // without a byte order mark
  } catch {
    throw new Error(`The file is not ${encoding.toUpperCase()}; save the text as UTF-8.`);
  }
  const nulls = text.split("\0").length - 1;
  if (nulls && nulls >= MAX_NULLS * Array.from(text).length)
    throw new Error("Too many characters are zero; save the text as UTF-8.");
  return text.replace(/\r\n|\r/g, "\n").replace(/\n+$/, "");
}
