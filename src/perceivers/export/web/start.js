// Says what keeps the page from working. It is no module, so that it also runs where modules are
// not loaded: in a page that was opened as a file, and in old browsers.

(() => {
  // The smallest program with an instruction on 128 bits, which the runtime of the model needs.
  const SIMD = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253,
    15, 253, 98, 11,
  ];

  function stop(text) {
    if (window.stopped) return; // the first reason is the one that matters
    window.stopped = text; // so that no other script says something else
    const status = document.getElementById("status");
    status.textContent = text;
    status.classList.add("error");
    document.getElementById("file").disabled = true;
  }

  function folder() {
    const path = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "");
    return path.replace(/^\/(?=[A-Za-z]:)/, ""); // of Windows
  }

  window.addEventListener(
    "error",
    (event) => {
      const source = event.target && event.target.src;
      if (!source) return;
      stop(`The page is incomplete: ${source}, or what it imports, is missing. Export it again.`);
    },
    true,
  );
  if (location.protocol === "file:") {
    stop(
      "Browsers run this page only from a server. Start one on this machine with the command " +
        `python -m http.server -d "${folder()}" and open http://localhost:8000`,
    );
  } else if (typeof WebAssembly !== "object") {
    stop("This browser has no WebAssembly, which runs the model; use a current browser.");
  } else if (!WebAssembly.validate(new Uint8Array(SIMD))) {
    stop("The WebAssembly of this browser has no SIMD instructions; use a current browser.");
  }
})();
