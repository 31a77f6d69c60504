"use strict";
const FIGURE_SIZES = { page: { pixels: 680, millimetres: 170 }, column: { pixels: 400, millimetres: 84 } };

function description(plot) {
  return JSON.parse(document.getElementById(plot.id + "-data").textContent);
}

/* Return the text of an SVG file: black on white, with sizes in mm, so that a document places it without scaling. */
async function svgText(plot, size) {
  const { data, layout } = description(plot), { pixels, millimetres } = FIGURE_SIZES[size];
  const font = { ...layout.font, family: "Helvetica, Arial, sans-serif", color: "#000000" };
  Object.assign(layout, { font, width: pixels, autosize: false, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" });
  const options = { format: "svg", width: pixels, height: layout.height, imageDataOnly: true };
  const drawn = await Plotly.toImage({ data, layout, config: { staticPlot: true } }, options);
  const file = new DOMParser().parseFromString(drawn, "image/svg+xml"), root = file.documentElement;
  root.setAttribute("viewBox", `0 0 ${pixels} ${layout.height}`);
  root.setAttribute("width", `${millimetres}mm`);
  root.setAttribute("height", `${(layout.height * millimetres / pixels).toFixed(2)}mm`);
  for (const [name, text] of [["desc", plot.getAttribute("aria-label")], ["title", plot.dataset.title]]) {
    const element = file.createElementNS("http://www.w3.org/2000/svg", name);
    element.textContent = text;
    root.prepend(element);
  }
  return new XMLSerializer().serializeToString(file);
}
