// Draws the charts of every result that is not drawn yet; the library, plotly.js, is unpacked once for the whole page.
(() => {
  const unpacked = async (root) => {
    if (window.Plotly) return;
    const packed = atob(root.querySelector(".bridle-library").textContent);
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const text = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    const script = document.createElement("script");
    script.textContent = await text;
    document.head.append(script);
  };
  const draw = async (root) => {
    root.dataset.drawn = "begun";
    await (window.bridleLibrary ??= unpacked(root));
    const specs = JSON.parse(root.querySelector(".bridle-specs").textContent);
    const config = { displayModeBar: false, responsive: true };
    for (const place of root.querySelectorAll("[data-chart]")) {
      const spec = specs[place.dataset.chart];
      const layout = place.clientWidth < spec.wideFrom ? { ...spec.layout, ...spec.narrow } : spec.layout;
      await window.Plotly.newPlot(place, spec.data, layout, config);
    }
    root.dataset.drawn = "yes";
  };
  for (const root of document.querySelectorAll(".bridle-result:not([data-drawn])")) {
    draw(root).catch((problem) => console.error("bridle: the charts cannot be drawn; the numbers are in the tables", problem));
  }
})();
