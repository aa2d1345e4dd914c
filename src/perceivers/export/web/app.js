// The page that runs an exported model in the browser. All text is set as text, never as HTML.

import * as ort from "./onnxruntime/ort.js";
import { onFiles, say, showOutputs } from "./outputs.js";
import * as reader from "./reader/browser.js";

const MAX_BYTES = 2 ** 28; // of a file
const MAX_WORDS = 500; // bytes of a text that are shown

const byId = (id) => document.getElementById(id);
let asked = 0; // number of the newest example: what is found of older ones is not shown
ort.env.wasm.numThreads = 1; // several would need headers that a plain file server does not send
ort.env.wasm.wasmPaths = {
  wasm: new URL("./onnxruntime/ort-wasm-simd-threaded.wasm", import.meta.url).href,
};
const loading = load();

async function load() {
  if (window.stopped) throw new Error(window.stopped);
  const [model, weights] = await Promise.all([
    fetched("model.json").then((answer) => answer.json()),
    fetched("model.onnx").then((answer) => answer.arrayBuffer()),
  ]);
  const options = { executionProviders: ["wasm"] };
  try {
    return { model, session: await ort.InferenceSession.create(new Uint8Array(weights), options) };
  } catch (error) {
    throw new Error(`The model cannot be started (${error.message}).`);
  }
}

async function fetched(path) {
  const answer = await fetch(path).catch(() => ({ status: "no answer" }));
  if (answer.ok) return answer;
  throw new Error(`The page is incomplete: ${path} cannot be loaded (${answer.status}).`);
}

async function begin() {
  const { model } = await loading;
  const more = model.labels.length > 6 ? `, … (${model.labels.length} in all)` : "";
  const outputs = model.labels.slice(0, 6).join(", ") + more;
  byId("about").textContent =
    `Reads ${reader.reads}. Its outputs: ${outputs}. ` +
    "The model runs in this browser: files stay on this machine.";
  byId("file").accept = reader.accept;
  byId("write").hidden = !reader.texts;
  say("");
}

async function attempt(action) {
  const number = ++asked;
  try {
    await action(() => number === asked);
  } catch (error) {
    if (number === asked) say(wordsOf(error), true);
  }
}

function wordsOf(error) {
  if (["NotFoundError", "NotReadableError"].includes(error.name)) {
    return "This cannot be read; drop a file, not a folder.";
  }
  if (error instanceof RangeError) return `The file needs too much memory (${error.message}).`;
  return error.message || String(error);
}

/** Return the example of a file or of a typed text. */
async function exampleOf(source, name) {
  const { model } = await loading;
  const config = model.model.input;
  if (typeof source === "string") return reader.encode(source, config);
  if (source.size > MAX_BYTES) {
    throw new Error(`The file is larger than ${MAX_BYTES / 2 ** 20} MiB, the most read here.`);
  }
  const bytes = new Uint8Array(await source.arrayBuffer());
  return reader.prepare(bytes, name, config, model.limits);
}

/** Return the outputs for an example, [{ label, probability } or { label, value }, …]. */
async function run(example) {
  const { model, session } = await loading;
  const { name, dtype } = model.inputs[0];
  const tensor = new ort.Tensor(dtype, example.data, [1, ...example.shape]);
  const answers = await session.run({ [name]: tensor });
  const key = "probabilities" in answers ? "probability" : "value";
  const values = (answers.probabilities || answers.numbers).data;
  const outputs = model.labels.map((label, i) => ({ label, [key]: values[i] }));
  return key === "value" ? outputs : outputs.sort((a, b) => b.probability - a.probability);
}

async function classify(source, name, note, isNewest) {
  say("Reading …");
  byId("result").hidden = true;
  await new Promise((done) => setTimeout(done)); // so that the words are shown first
  const example = await exampleOf(source, name);
  const outputs = await run(example);
  if (!isNewest()) return;
  byId("name").textContent = name;
  showOutputs(byId("bars"), outputs);
  show(example);
  byId("result").hidden = false;
  say([note, example.note].filter(Boolean).join(" "));
}

/** Show an example as the model reads it: drawn, or the start of a text. */
function show(example) {
  const canvas = byId("example");
  byId("shown").hidden = !reader.show;
  byId("words").hidden = !reader.words;
  if (reader.words) byId("words").textContent = reader.words(example, MAX_WORDS);
  if (!reader.show) return;
  reader.show(example, canvas);
  canvas.classList.toggle("wide", canvas.width > 2 * canvas.height);
}

onFiles((file, note) => attempt((isNewest) => classify(file, file.name, note, isNewest)));
byId("write").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt((isNewest) => classify(byId("text").value, "the text", "", isNewest));
});
window.perceivers = { exampleOf, run }; // for other scripts, and for tests
attempt(begin);
