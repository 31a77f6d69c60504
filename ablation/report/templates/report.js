const PRINTED = { width: 680, height: 780, font: 10.5 }; // CSS pixels: a page has 680 x 1009 (A4) or 703 x 941 (Letter)
const dark = matchMedia("(prefers-color-scheme: dark)");
const plots = [...document.querySelectorAll(".plot")];

/* Draw all figures, in the colour and width of the page, or as `change` says. */
function draw(change, responsive) {
  for (const plot of plots) {
    const figure = description(plot);
    change(figure);
    Plotly.react(plot, figure.data, figure.layout, { responsive, displaylogo: false, displayModeBar: false });
  }
}
function drawOnScreen() {
  const { color } = getComputedStyle(document.body);
  draw(figure => { figure.layout.font.color = color; }, true);
}
drawOnScreen();
dark.addEventListener("change", drawOnScreen);

async function download(button) {
  const plot = document.getElementById(button.dataset.figure), link = document.createElement("a");
  const text = await svgText(plot, button.dataset.size);
  link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  link.download = plot.dataset.file + (button.dataset.size === "column" ? "-column" : "") + ".svg";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
for (const button of document.querySelectorAll("button.svg")) button.addEventListener("click", () => download(button));

/* Give each table the largest font, up to the usual one, with which it is no wider than the paper. */
function fitTables() {
  for (const table of document.querySelectorAll("table")) {
    const { width, fontSize } = table.style;
    Object.assign(table.style, { width: "max-content", fontSize: `${PRINTED.font}px` });
    const share = Math.min(1, PRINTED.width / table.offsetWidth);
    Object.assign(table.style, { width, fontSize });
    table.style.setProperty("--print-size", `${PRINTED.font * share}px`);
  }
}
const opened = [];
addEventListener("beforeprint", () => {
  opened.push(...document.querySelectorAll("details:not([open])"));
  for (const details of opened) details.open = true;
  fitTables();
  draw(figure => forPaper(figure, PRINTED.width, PRINTED.height), false);
});
addEventListener("afterprint", () => {
  for (const details of opened.splice(0)) details.open = false;
  drawOnScreen();
});
document.getElementById("print").addEventListener("click", () => print());

function key(row, column) {
  const value = row.cells[column].dataset.value, number = Number(value);
  return value === "" || value === undefined ? null : Number.isNaN(number) ? value : number;
}
function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[1].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const rows = [...body.rows].sort((a, b) => {
      const x = key(a, column), y = key(b, column);
      return x === null || y === null ? compare(x, y) : sign * compare(x, y);
    });
    body.append(...rows);
  }));
}
