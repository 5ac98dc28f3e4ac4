"use strict";
const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false, showTips: false };

async function loadLibrary() {
  if (!("DecompressionStream" in window)) throw new Error("this browser is older than spring 2023");
  const packed = atob(document.getElementById("library").textContent);
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(unpacked).text();
  document.head.append(script);
}

// With a viewBox a drawing scales like a picture, which is what printing asks of it.
function scalable(place) {
  for (const drawing of place.querySelectorAll(".main-svg")) {
    drawing.setAttribute("viewBox", `0 0 ${drawing.getAttribute("width")} ${drawing.getAttribute("height")}`);
  }
}

async function draw(spec) {
  const place = document.querySelector(`.chart[data-key="${CSS.escape(spec.key)}"]`);
  await Plotly.newPlot(place, spec.data, spec.layout, CONFIG);
  place.style.minHeight = "";
  scalable(place);
  place.on("plotly_afterplot", () => scalable(place));
}

// Charts are drawn at about the width that they have on paper, so that their letters keep their size.
const PAPER = 680;
function forPaper() {
  for (const place of document.querySelectorAll(".chart")) {
    if (place.layout) Plotly.relayout(place, { autosize: false, width: place.closest(".grid") ? PAPER / 2 - 12 : PAPER });
  }
}
function forScreen() {
  for (const place of document.querySelectorAll(".chart")) {
    if (place.layout) Plotly.relayout(place, { autosize: true, width: null });
  }
}

function toggle(button) {
  const shown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(shown));
  const contender = Number(button.dataset.contender);
  for (const place of document.querySelectorAll('.chart[data-key^="curve-"]')) {
    if (!place.data) continue;
    const traces = place.data.flatMap((trace, index) => (trace.meta === contender ? [index] : []));
    if (traces.length) Plotly.restyle(place, { visible: shown }, traces);
  }
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

async function start() {
  addEventListener("beforeprint", forPaper);
  addEventListener("afterprint", forScreen);
  for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));
  for (const button of document.querySelectorAll(".key")) button.addEventListener("click", () => toggle(button));
  try {
    await loadLibrary();
    for (const spec of JSON.parse(document.getElementById("specs").textContent)) await draw(spec);
  } catch (problem) {
    const said = document.getElementById("no-charts");
    said.textContent = `The charts cannot be drawn (${problem.message}); every number is in the tables.`;
    said.hidden = false;
    for (const place of document.querySelectorAll(".chart")) place.style.minHeight = "";
    console.error(problem);
  }
  document.documentElement.dataset.drawn = "yes";
}
start();
