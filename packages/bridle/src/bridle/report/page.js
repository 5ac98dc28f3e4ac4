"use strict";
const CONFIG = { displayModeBar: false, responsive: false, scrollZoom: false, doubleClick: false, showTips: false };
const PAPER = 680; // the width of a page of paper in pixels, so that letters keep their size there

const specs = new Map();
let folded = []; // sections that are open for printing alone

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

// Where there is little room, names stand above the marks and not beside them.
function layoutFor(spec, width) {
  const layout = width < spec.wideFrom ? { ...spec.layout, ...spec.narrow } : spec.layout;
  return structuredClone(layout);
}

function draw(place, width = place.clientWidth) {
  const spec = specs.get(place.dataset.key);
  const layout = { ...layoutFor(spec, width), width };
  const hidden = place.data ? place.data.map((trace) => trace.visible) : [];
  const data = spec.data.map((trace, index) => (hidden[index] === false ? { ...trace, visible: false } : trace));
  const first = !place.layout;
  Plotly.react(place, data, layout, CONFIG);
  place.dataset.width = width;
  place.style.minHeight = "";
  scalable(place);
  if (first) place.on("plotly_afterplot", () => scalable(place));
}

// A chart in a section that is closed is drawn when that is opened. Between two charts the page may answer its reader.
async function drawShown() {
  for (const place of document.querySelectorAll(".chart")) {
    if (place.closest("details:not([open])") || Number(place.dataset.width) === place.clientWidth) continue;
    draw(place);
    await new Promise((next) => setTimeout(next));
  }
}

function forPaper() {
  folded = [...document.querySelectorAll("details.section:not([open])")];
  for (const section of folded) section.open = true;
  for (const place of document.querySelectorAll(".chart")) {
    if (!place.closest("details:not(.section)")) draw(place, place.closest(".grid") ? PAPER / 2 - 12 : PAPER);
  }
}
function forScreen() {
  for (const section of folded) section.open = false;
  drawShown();
}

function toggle(button) {
  const shown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(shown));
  const contender = Number(button.dataset.contender);
  for (const place of button.closest("details").querySelectorAll(".chart")) {
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

// A link into a section that is closed opens it.
function reveal() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let each = target.closest("details"); each; each = each.parentElement.closest("details")) each.open = true;
  drawShown();
  target.scrollIntoView();
}

async function start() {
  addEventListener("beforeprint", forPaper);
  addEventListener("afterprint", forScreen);
  for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));
  for (const button of document.querySelectorAll(".key")) button.addEventListener("click", () => toggle(button));
  for (const spec of JSON.parse(document.getElementById("specs").textContent)) specs.set(spec.key, spec);
  try {
    await loadLibrary();
    await drawShown();
    for (const each of document.querySelectorAll("details")) each.addEventListener("toggle", drawShown);
    addEventListener("resize", drawShown);
    addEventListener("hashchange", reveal);
    reveal();
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
