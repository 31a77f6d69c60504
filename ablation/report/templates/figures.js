"use strict";
const FIGURE_SIZES = {
  page: { pixels: 680, millimetres: 170, tallest: 900 },
  column: { pixels: 400, millimetres: 84, tallest: 1050 },
};
const CIVIDIS = [[0, 32, 76], [124, 123, 120], [255, 234, 70]];

function description(plot) {
  return JSON.parse(document.getElementById(plot.id + "-data").textContent);
}

/* Break a title into lines of at most this many characters, between words but not before a unit. */
function wrapped(title, most) {
  const lines = [""];
  for (const word of title.replaceAll(" %", "\u00a0%").split(" ")) {
    const line = `${lines.at(-1)} ${word}`.trim();
    if (line.length > most && lines.at(-1)) lines.push(word); else lines[lines.length - 1] = line;
  }
  return lines.join("<br>");
}

/* Change a figure for a narrow column: titles of axes in several lines, no scale of colours that cells repeat. */
function narrow({ data, layout }, pixels) {
  for (const [name, axis] of Object.entries(layout)) {
    if (!name.startsWith("xaxis") || !axis.title?.text) continue;
    const [left, right] = axis.domain ?? [0, 1];
    axis.title.text = wrapped(axis.title.text, Math.round((right - left) * pixels / 12));
  }
  for (const trace of data) if (trace.marker?.showscale) trace.marker.showscale = false;
}

/* Return the colour of a share from 0 to 1. */
function cividis(share) {
  const place = 2 * share, first = CIVIDIS[Math.min(1, Math.floor(place))], next = CIVIDIS[Math.min(1, Math.floor(place)) + 1];
  const mixed = first.map((low, k) => Math.round(low + (next[k] - low) * (place - Math.min(1, Math.floor(place)))));
  return `rgb(${mixed.join(",")})`;
}

/* Return the axis of a dimension: its position of a value, from 0 to 1, and its (value, text) ticks. */
function parallelAxis(dimension) {
  const { values, tickvals, ticktext } = dimension, low = Math.min(...values), high = Math.max(...values);
  const ticks = tickvals ? tickvals.map((value, k) => [value, ticktext[k]]) : [low, high].map(v => [v, v.toPrecision(4)]);
  return { label: dimension.label, ticks, position: value => (value - low) / (high - low || 1) };
}

/* Replace parallel coordinates, which plotly draws as a bitmap, by lines: for paper and for SVG. */
function asLines(figure) {
  const [trace] = figure.data;
  if (trace?.type !== "parcoords") return;
  const axes = trace.dimensions.map(parallelAxis), x = axes.map((_, k) => k), last = axes.at(-1);
  const note = (k, y, text, more) => ({ x: k, y, text, showarrow: false, ...more });
  figure.data = trace.line.color.map((value, row) => ({
    type: "scatter", mode: "lines", x, y: axes.map((axis, k) => axis.position(trace.dimensions[k].values[row])),
    line: { color: cividis(last.position(value)), width: 1.2 }, showlegend: false,
  }));
  Object.assign(figure.layout, {
    margin: { l: 20, r: 60, t: 30, b: 20 },
    xaxis: { visible: false, range: [-0.2, axes.length - 0.6] },
    yaxis: { visible: false, range: [-0.05, 1.1] },
    shapes: x.map(k => ({ type: "line", x0: k, x1: k, y0: 0, y1: 1, line: { color: "#7a7a7a", width: 1 } })),
    annotations: axes.flatMap((axis, k) => [
      note(k, 1.06, axis.label, {}),
      ...axis.ticks.map(([value, text]) => note(k, axis.position(value), text, { xanchor: "left", bgcolor: "#ffffff" })),
    ]),
  });
}

/* Change a figure for paper: black, of this width, and no taller than a page. */
function forPaper(figure, width, tallest) {
  asLines(figure);
  const { layout } = figure, share = Math.min(1, tallest / layout.height);
  layout.font = { ...layout.font, color: "#000000", size: layout.font.size * Math.max(share, 0.75) };
  Object.assign(layout, { width, height: layout.height * share, autosize: false });
}

/* Return the text of an SVG file: black on white, with sizes in mm, so that a document places it without scaling. */
async function svgText(plot, size) {
  const figure = description(plot), { pixels, millimetres, tallest } = FIGURE_SIZES[size];
  if (size === "column") narrow(figure, pixels);
  forPaper(figure, pixels, tallest);
  const { data, layout } = figure;
  layout.font.family = "Helvetica, Arial, sans-serif";
  Object.assign(layout, { paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff" });
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
