// The page of the service. All text from files and answers is set as text, never as HTML.

import { onFiles, say, showFiles, showOutputs, showTexts } from "./outputs.js";

const byId = (id) => document.getElementById(id);
let model = null; // the answer of /v1/model
let current = null; // what was predicted last: a function that makes the body of a request
let maps = null; // the answer of /v1/explain
let token = "";
let asked = 0; // number of the newest request: answers to older ones are not shown
let shown = ""; // address of the example that is shown

const access = () => (token ? { Authorization: `Bearer ${token}` } : {});

async function ask(path, body) {
  const headers = access();
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method: body ? "POST" : "GET", headers, body });
  const answer = await response.json().catch(() => ({ error: `status ${response.status}` }));
  if (response.status === 401) byId("access").hidden = false;
  if (!response.ok) throw new Error(answer.error || answer.detail || `status ${response.status}`);
  return answer;
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    say(error.message, true);
  }
}

async function begin() {
  model = await ask("v1/model");
  byId("access").hidden = true;
  const more = model.labels.length > 6 ? `, … (${model.labels.length} in all)` : "";
  const reads = model.reads[0].toUpperCase() + model.reads.slice(1);
  const outputs = `outputs: ${model.labels.slice(0, 6).join(", ")}${more}`;
  const task = `task: ${model.task || "other outputs"}`;
  byId("about").textContent = `${reads}. Its ${model.labels.length ? outputs : task}.`;
  byId("hint").textContent = model.hint;
  byId("file").accept = model.suffixes.join(",");
  byId("write").hidden = !model.texts;
  byId("explain").hidden = !model.explains;
  showRecorder();
  if (model.columns.length) showRow();
  await showReport();
  say("");
}

async function showReport() {
  const report = await fetch("report", { method: "HEAD", headers: access() }).catch(() => null);
  byId("report").hidden = !(report && report.ok);
  byId("report").textContent = token ? "Save the report of the run" : "Report of the run";
}

async function saveReport() {
  // A link cannot carry the token, and this page may not show the report: it has styles of its own.
  const report = await fetch("report", { headers: access() });
  if (!report.ok) throw new Error(`The report cannot be read: status ${report.status}`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await report.blob());
  link.download = "report.html";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say("The report is saved as report.html.");
}

function showRow() {
  const cells = byId("cells");
  cells.replaceChildren();
  for (const column of model.columns) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = Object.values(model.files).includes(column) ? "file" : "text";
    input.name = column;
    label.append(column, input);
    cells.append(label);
  }
  byId("row").hidden = false;
}

const fileBody = (file) => () => {
  if (file.size > model.max_request_mb * 1e6) {
    throw new Error(`${file.name} is larger than ${model.max_request_mb} MB, the most that is read here`);
  }
  const body = new FormData();
  body.append("file", file, file.name);
  return body;
};

async function predict(makeBody, file = null, note = "") {
  const number = ++asked;
  say("Reading …");
  byId("result").hidden = byId("maps").hidden = true;
  const answer = (await ask("v1/predict", makeBody())).predictions[0];
  if (number !== asked) return;
  if (answer.error) throw new Error(answer.error);
  current = makeBody;
  byId("name").textContent = answer.file;
  preview(file);
  byId("bars").hidden = !answer.predictions;
  showOutputs(byId("bars"), answer.predictions || []);
  byId("words").textContent = answer.words || "";
  showTexts(byId("texts"), answer.texts || []);
  showFiles(byId("files"), answer.files || {});
  byId("result").hidden = false;
  say(note);
}

function preview(file) {
  URL.revokeObjectURL(shown);
  const kind = file ? file.type.split("/")[0] : "";
  const element = { image: "img", audio: "audio", video: "video" }[kind];
  byId("preview").replaceChildren();
  if (!element) return;
  shown = URL.createObjectURL(file);
  const view = document.createElement(element);
  view.onerror = () => view.remove(); // the browser cannot show this format
  if (element === "img") view.alt = "The file";
  else view.controls = true;
  view.src = shown;
  byId("preview").append(view);
}

async function explain() {
  say("Looking …");
  const number = ++asked;
  const answer = await ask("v1/explain", current());
  if (number !== asked) return;
  maps = answer;
  byId("maps-heading").textContent = `What it looked at for “${maps.label}”`;
  byId("shading").textContent = maps.shading;
  byId("step").max = maps.steps.length - 1;
  byId("step").value = 0;
  for (const name of ["rollout", "saliency"]) byId(name).src = maps[name];
  byId("evidence").parentElement.hidden = !maps.evidence;
  if (maps.evidence) byId("evidence").src = maps.evidence;
  byId("original").onload = layOut;
  byId("original").src = maps.example;
  showMap();
  byId("maps").hidden = false;
  say("");
}

function layOut({ target }) {
  // Pictures of texts and clouds are wide: one below the other, they can be read.
  byId("pictures").classList.toggle("wide", target.naturalWidth > 2 * target.naturalHeight);
}

function showMap() {
  const step = maps.steps[Number(byId("step").value)];
  const term = document.querySelector("input[name=term]:checked").value;
  const words = term === "both" ? "" : `, ${term} term alone`;
  byId("step-name").textContent = step.step;
  byId("map").src = step[term];
  byId("map-name").textContent = `cross-attend ${step.step}${words}`;
  byId("map").alt = `Attention of ${byId("map-name").textContent} over the example`;
}

function showRecorder() {
  const kinds = { audio: "microphone", mel: "microphone", image: "camera", video: "camera" };
  const source = kinds[model.input];
  if (!source || !navigator.mediaDevices) return;
  byId("record").hidden = false;
  byId("start").textContent = model.input === "image" ? "Take a picture" : `Record from the ${source}`;
}

async function record() {
  const sound = model.input === "audio" || model.input === "mel";
  const stream = await navigator.mediaDevices.getUserMedia(sound ? { audio: true } : { video: true });
  try {
    const file = model.input === "image" ? await picture(stream) : await clip(stream, sound);
    await predict(fileBody(file), file);
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

async function picture(stream) {
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = stream;
  await video.play();
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([blob], "camera.png", { type: "image/png" });
}

async function clip(stream, sound) {
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((done) => (recorder.onstop = done));
  recorder.start();
  for (let left = 3; left > 0; left--) {
    say(`Recording, ${left} s left …`);
    await new Promise((done) => setTimeout(done, 1000));
  }
  recorder.stop();
  await ended;
  const type = recorder.mimeType.split(";")[0];
  const suffixes = { "audio/webm": "weba", "audio/ogg": "ogg", "audio/mp4": "m4a", "video/mp4": "mp4" };
  return new File(parts, `recording.${suffixes[type] || (sound ? "weba" : "webm")}`, { type });
}

onFiles((file, note) => attempt(() => predict(fileBody(file), file, note)));
byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("write").requestSubmit();
});
byId("explain").addEventListener("click", () => attempt(explain));
byId("report").addEventListener("click", (event) => {
  if (!token) return;
  event.preventDefault();
  attempt(saveReport);
});
byId("start").addEventListener("click", () => attempt(record));
byId("step").addEventListener("input", showMap);
for (const radio of document.querySelectorAll("input[name=term]")) {
  radio.addEventListener("change", showMap);
}
byId("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value;
  attempt(begin);
});
byId("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("text").value;
  attempt(() => predict(() => JSON.stringify({ texts: [text] })));
});
byId("row").addEventListener("submit", (event) => {
  event.preventDefault();
  const entries = [...new FormData(event.target)].filter(([, x]) => (x instanceof File ? x.size : x));
  attempt(() =>
    predict(() => {
      const body = new FormData();
      for (const [name, value] of entries) body.append(name, value);
      return body;
    }),
  );
});
attempt(begin);
