// What a model says of an example, as rows of a table: shared by the page of the service and the
// page that is exported. All text is set as text, never as HTML.

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
