// Images as pixels, as `perceivers.modalities.image` reads them.

import { orientation, oriented, withoutOrientation } from "./exif.js";
import { decodeJpeg, isJpeg } from "./jpeg.js";
import { decodePng, isPng } from "./png.js";
import { fit, planesOf } from "./resize.js";

const CLEAR_AVIF =
  "Colours of transparent pictures in AVIF are read a little differently than by perceivers; " +
  "saved as PNG they are read alike.";

export const reads = "images";
export const accept = "image/*,.png,.jpg,.jpeg,.webp,.gif,.bmp,.avif";

/** Return the example of an image file: uint8 (size, size, channels). */
export async function prepare(bytes, name, config, limits) {
  const size = config.image_size;
  const crop = config.crop ?? 1;
  const whole = oriented(await pixelsOf(bytes, config, limits.pixels), orientation(bytes));
  const image = crop === 1 ? whole : middle(whole, crop);
  const planes = planesOf(image, config.channels);
  const fitted = planes.map((plane) => fit(plane, image.width, image.height, size));
  const data = new Uint8Array(size * size * planes.length);
  fitted.forEach((plane, band) => plane.forEach((x, i) => (data[i * planes.length + band] = x)));
  const note = isClearAvif(bytes, image) ? CLEAR_AVIF : "";
  return { data, shape: [size, size, planes.length], note };
}

/** Return the pixels of a file as they are stored, { width, height, data } with data as RGBA. */
function pixelsOf(bytes, config, maxPixels) {
  const { channels, value_range: range } = config;
  const size = (config.crop ?? 1) < 1 ? Infinity : config.image_size; // what is cut is decoded whole
  if (isPng(bytes)) return decodePng(bytes, { range, maxPixels });
  if (isJpeg(bytes)) return decodeJpeg(bytes, { size, grey: channels === 1, maxPixels });
  return decode(bytes, maxPixels);
}

/** Cut out the square in the middle whose side is a share of the shorter side. */
function middle({ width, height, data }, crop) {
  const side = Math.max(1, Math.trunc(crop * Math.min(width, height)));
  const left = Math.floor((width - side) / 2);
  const top = Math.floor((height - side) / 2);
  const cut = new data.constructor(4 * side * side);
  for (let row = 0; row < side; row++) {
    const start = 4 * ((top + row) * width + left);
    cut.set(data.subarray(start, start + 4 * side), 4 * row * side);
  }
  return { width: side, height: side, data: cut };
}

function isClearAvif(bytes, { data }) {
  if (String.fromCharCode(...bytes.subarray(4, 11)) !== "ftypavi") return false;
  return data.some((x, i) => i % 4 === 3 && x < 255);
}

/** Draw an example as the model sees it. */
export function show(example, canvas) {
  const [height, width, channels] = example.shape;
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let band = 0; band < 3; band++) {
      image.data[4 * i + band] = example.data[i * channels + (channels === 1 ? 0 : band)];
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Let the browser decode a file, as it is stored, without its orientation and colour profile. */
async function decode(bytes, maxPixels) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([withoutOrientation(bytes)]), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new Error("This is no image, or one that the browser cannot read; save it as PNG.");
  }
  const { width, height } = bitmap;
  if (width * height > maxPixels) throw new Error("The image has too many pixels.");
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}
