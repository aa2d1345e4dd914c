// The orientation that the EXIF data of a file states.

const TAG = 0x0112;
const MOST_TEXT = 2 ** 18; // bytes of a file in which XMP is looked for

/** Return the orientation, 1 to 8; 1 if none is stated. */
export function orientation(bytes) {
  const found = find(bytes);
  const value = found ? found.view.getUint16(found.at, found.little) : inText(bytes);
  return value >= 1 && value <= 8 ? value : 1;
}

/** Return the orientation that the text of a file (XMP) states; 1 if there is none. */
function inText(bytes) {
  const end = Math.min(bytes.length, MOST_TEXT);
  for (let at = 0; at < end; at += 2 ** 16) {
    const part = new TextDecoder("latin1").decode(bytes.subarray(at, at + 2 ** 16 + 32));
    const stated = /tiff:Orientation(?:="|>)([0-9])/.exec(part);
    if (stated) return Number(stated[1]);
  }
  return 1;
}

/** Return a copy of a file that states orientation 1, so that the browser does not turn it. */
export function withoutOrientation(bytes) {
  const copy = bytes.slice();
  const found = find(copy);
  if (found) found.view.setUint16(found.at, 1, found.little);
  return copy;
}

/** Return where the orientation stands in a JPEG, PNG or WebP file; null if it states none. */
function find(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = tiffStart(bytes, view);
  if (start === null || start + 8 > bytes.length) return null;
  const little = view.getUint16(start) === 0x4949;
  const directory = start + view.getUint32(start + 4, little);
  if (directory + 2 > bytes.length) return null;
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > bytes.length) return null;
    if (view.getUint16(entry, little) === TAG) return { view, at: entry + 8, little };
  }
  return null;
}

/** Return where the EXIF data begin, which have the form of a TIFF file; null if there are none. */
function tiffStart(bytes, view) {
  const name = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    for (let at = 2; at + 10 < bytes.length && bytes[at] === 0xff; ) {
      if (bytes[at + 1] === 0xe1 && name(at + 4) === "Exif") return at + 10;
      if (bytes[at + 1] === 0xda) return null; // pixels follow
      at += 2 + view.getUint16(at + 2);
    }
  } else if (name(1).startsWith("PNG")) {
    for (let at = 8; at + 8 < bytes.length; at += 12 + view.getUint32(at)) {
      if (name(at + 4) === "eXIf") return at + 8;
    }
  } else if (name(0) === "RIFF" && name(8) === "WEBP") {
    for (let at = 12; at + 8 < bytes.length; ) {
      const length = view.getUint32(at + 4, true);
      if (name(at) === "EXIF") return name(at + 8) === "Exif" ? at + 14 : at + 8;
      at += 8 + length + (length % 2);
    }
  }
  return null;
}

/** Turn and mirror an image { width, height, data } of RGBA. */
export function oriented(image, value) {
  if (value === 1) return image;
  const { width, height } = image;
  const sideways = value >= 5;
  const [newWidth, newHeight] = sideways ? [height, width] : [width, height];
  const mirrorX = [2, 3, 7, 8].includes(value); // of the stored picture
  const mirrorY = [3, 4, 6, 7].includes(value);
  const from = new Uint32Array(image.data.buffer, image.data.byteOffset, width * height);
  const to = new Uint32Array(width * height);
  for (let y = 0; y < newHeight; y++) {
    for (let x = 0; x < newWidth; x++) {
      const [u, v] = sideways ? [y, x] : [x, y];
      to[y * newWidth + x] =
        from[(mirrorY ? height - 1 - v : v) * width + (mirrorX ? width - 1 - u : u)];
    }
  }
  return { width: newWidth, height: newHeight, data: new Uint8ClampedArray(to.buffer) };
}
