// Images as pixels, as `perceivers.modalities.image` reads them.

import { orientation, oriented, withoutOrientation } from "./exif.js";
import { decodePng, isPng } from "./png.js";
import { fit, planesOf } from "./resize.js";

export const accept = "image/*,.png,.jpg,.jpeg,.webp,.gif,.bmp,.avif";

/** Return the example of an image file: uint8 (size, size, channels). */
export async function prepare(bytes, name, config) {
  const size = config.image_size;
  let image = isPng(bytes) ? await decodePng(bytes, config.value_range) : await decode(bytes, size);
  image = oriented(image, orientation(bytes));
  const planes = planesOf(image, config.channels);
  const fitted = planes.map((plane) => fit(plane, image.width, image.height, size));
  const data = new Uint8Array(size * size * planes.length);
  fitted.forEach((plane, band) => plane.forEach((x, i) => (data[i * planes.length + band] = x)));
  return { data, shape: [size, size, planes.length] };
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
async function decode(bytes, size) {
  const jpeg = jpegInfo(bytes);
  if (jpeg && jpeg.components === 4) {
    throw new Error("The image has the colours of print (CMYK); save it as RGB.");
  }
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
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const image = { width, height, data: context.getImageData(0, 0, width, height).data };
  return jpeg ? reduced(image, size) : image;
}

/** Return the number of colours of a JPEG file; null of another file. */
function jpegInfo(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 10 < bytes.length; at += 2 + view.getUint16(at + 2)) {
    const marker = bytes[at + 1];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { components: bytes[at + 9] };
    if (bytes[at] !== 0xff) break;
  }
  return { components: 3 };
}

/** Average blocks of 2, 4 or 8 pixels of a large JPEG, as libjpeg does where Pillow asks it to. */
function reduced(image, size) {
  const most = Math.min(Math.floor(image.width / (2 * size)), Math.floor(image.height / (2 * size)));
  const factor = [8, 4, 2, 1].find((x) => most >= x) || 1;
  if (factor === 1) return image;
  const width = Math.ceil(image.width / factor);
  const height = Math.ceil(image.height / factor);
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const sums = [0, 0, 0, 0];
      for (let dy = 0; dy < factor; dy++) {
        const row = Math.min(y * factor + dy, image.height - 1) * image.width;
        for (let dx = 0; dx < factor; dx++) {
          const from = 4 * (row + Math.min(x * factor + dx, image.width - 1));
          for (let band = 0; band < 4; band++) sums[band] += image.data[from + band];
        }
      }
      for (let band = 0; band < 4; band++) {
        data[4 * (y * width + x) + band] = Math.round(sums[band] / factor ** 2);
      }
    }
  }
  return { width, height, data };
}
