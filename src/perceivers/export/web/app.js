// The page that runs an exported model in the browser. All text is set as text, never as HTML.

import * as ort from "./onnxruntime/ort.js";
import * as reader from "./reader/browser.js";

const TOP = 5; // outputs that are shown
const MAX_BYTES = 2 ** 28; // of a file

const byId = (id) => document.getElementById(id);
ort.env.wasm.numThreads = 1; // several would need headers that a plain file server does not send
ort.env.wasm.wasmPaths = {
  wasm: new URL("./onnxruntime/ort-wasm-simd-threaded.wasm", import.meta.url).href,
};
const loading = load();

async function load() {
  const [model, session] = await Promise.all([
    fetch("model.json").then((answer) => answer.json()),
    ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] }),
  ]);
  return { model, session };
}

async function begin() {
  const { model } = await loading;
  const outputs = model.labels.slice(0, 6).join(", ") + (model.labels.length > 6 ? ", …" : "");
  byId("about").textContent = `A model that runs in this browser; it says: ${outputs}.`;
  byId("file").accept = reader.accept;
  byId("write").hidden = !reader.texts;
  say("");
}

function say(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", isError);
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    say(error.message || String(error), true);
  }
}

/** Return the example of a file or of a typed text. */
async function exampleOf(source, name) {
  const { model } = await loading;
  const config = model.model.input;
  if (typeof source === "string") return reader.encode(source, config);
  if (source.size > MAX_BYTES) throw new Error("The file is too large for this page.");
  return reader.prepare(new Uint8Array(await source.arrayBuffer()), name, config, model.limits);
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

async function classify(source, name) {
  say("Reading …");
  byId("result").hidden = true;
  await new Promise((done) => setTimeout(done)); // so that the words are shown first
  const example = await exampleOf(source, name);
  const outputs = await run(example);
  byId("name").textContent = name;
  byId("bars").tBodies[0].replaceChildren(...outputs.slice(0, TOP).map(rowOf));
  byId("example").hidden = !reader.show;
  if (reader.show) reader.show(example, byId("example"));
  byId("result").hidden = false;
  say("");
}

function rowOf(output) {
  const row = document.createElement("tr");
  const name = row.appendChild(document.createElement("th"));
  name.scope = "row";
  name.textContent = output.label;
  const number = document.createElement("td");
  number.className = "number";
  if ("probability" in output) {
    const bar = document.createElement("progress");
    bar.value = output.probability;
    bar.setAttribute("aria-label", output.label);
    row.appendChild(document.createElement("td")).append(bar);
    number.textContent = `${(100 * output.probability).toFixed(1)}%`;
  } else {
    number.textContent = output.value.toPrecision(5);
  }
  row.append(number);
  return row;
}

function take(files) {
  if (files.length) attempt(() => classify(files[0], files[0].name));
}

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
}
document.addEventListener("paste", (event) => take(event.clipboardData.files));
byId("file").addEventListener("change", (event) => take(event.target.files));
byId("write").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => classify(byId("text").value, "the text"));
});
window.perceivers = { exampleOf, run }; // for other scripts, and for tests
attempt(begin);
