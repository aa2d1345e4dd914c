// What a model says of an example, as rows of a table: shared by the page of the service and the
// page that is exported. All text is set as text, never as HTML.

const ENLARGED = 200; // pixels: smaller pictures show their pixels
const TOP = 5; // outputs that are shown

/** Show the first outputs, [{ label, probability } or { label, value }, …], in a table. */
export function showOutputs(table, outputs) {
  table.tBodies[0].replaceChildren(...outputs.slice(0, TOP).map(rowOf));
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

/** Show texts, [{ text, spans: [{ start, end, label }, …] }, …], with marks and their labels. */
export function showTexts(place, texts) {
  place.replaceChildren(...texts.map(textOf));
}

function textOf({ text, spans }) {
  const letters = Array.from(text); // places are counted in whole characters
  const line = document.createElement("p");
  let end = 0;
  for (const span of spans) {
    line.append(letters.slice(end, span.start).join(""));
    const mark = line.appendChild(document.createElement("mark"));
    mark.textContent = letters.slice(span.start, span.end).join("");
    const name = line.appendChild(document.createElement("small"));
    name.textContent = ` ${span.label}`;
    end = span.end;
  }
  line.append(letters.slice(end).join(""));
  return line;
}

/** Show files, { name: data URL, … }: pictures, sounds and films, each with a link that saves it. */
export function showFiles(place, files) {
  place.replaceChildren(...Object.entries(files).map(([name, url]) => fileOf(name, url)));
}

function fileOf(name, url) {
  const figure = document.createElement("figure");
  const kind = url.slice("data:".length).split("/")[0];
  const element = { image: "img", audio: "audio" }[kind];
  if (element) {
    const view = figure.appendChild(document.createElement(element));
    view.src = url;
    view.onload = () => view.classList.toggle("enlarged", view.naturalWidth < ENLARGED);
    if (element === "img") view.alt = name;
    else view.controls = true;
  }
  const caption = figure.appendChild(document.createElement("figcaption"));
  const link = caption.appendChild(document.createElement("a"));
  link.textContent = `Save ${name}`;
  link.href = url;
  link.download = name;
  return figure;
}

/** Pass on the files that are dropped anywhere, pasted or chosen. */
export function onFiles(take) {
  const drop = document.getElementById("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") pass(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => pass(event.clipboardData.files));
  document.getElementById("file").addEventListener("change", (event) => pass(event.target.files));

  function pass(files) {
    const rest = `Only ${files[0]?.name} of ${files.length} files was read.`;
    if (files.length) take(files[0], files.length > 1 ? rest : "");
  }
}

/** Say what happens, or an error, to those who see the page and those who hear it. */
export function say(text, isError = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.toggle("error", isError);
}
