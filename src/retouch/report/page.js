// The report's page: sorting, the breakdown by kind, the plane, the gallery and its slider.
// All numbers come formatted from the data; text from users only ever enters as text.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name === "colour") made.style.setProperty("--colour", value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function fill(select, choices, chosen) {
  select.replaceChildren(...choices.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)));
}

// ---- sorting: the better values first, then the other way; what has no value stays last

function sortBy(table, heading) {
  const headings = [...heading.parentElement.children], index = headings.indexOf(heading);
  const first = heading.dataset.better === "higher" ? "descending" : "ascending";
  const other = first === "descending" ? "ascending" : "descending";
  const direction = heading.getAttribute("aria-sort") === first ? other : first;
  for (const one of headings) one.setAttribute("aria-sort", one === heading ? direction : "none");
  const sign = direction === "ascending" ? 1 : -1;
  const size = heading.dataset.better === "zero" ? Math.abs : Number;  // the nearer to 0, the better
  const key = (row) => {
    const cell = row.children[index];
    if (cell.tagName === "TH") return cell.textContent;
    return cell.dataset.value === undefined ? null : size(Number(cell.dataset.value));
  };
  const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
  });
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  table.addEventListener("click", (event) => {
    const button = event.target.closest("thead button");
    if (button) sortBy(table, button.closest("th"));
  });
}

// ---- by kind

function showKinds() {
  const column = data.columns.find((one) => one.name === byId("kinds-column").value);
  const table = byId("breakdown");
  const heading = (text, more, better) =>
    element("th", { scope: "col", "aria-sort": "none", "data-better": better },
      element("button", { type: "button" }, text), more ? element("small", { class: "interval" }, more) : "");
  table.tHead.replaceChildren(element("tr", {}, heading("method", "", ""), ...data.kinds.map((kind) =>
    heading(kind.name, `${kind.cases} case${kind.cases === 1 ? "" : "s"}`, column.better))));
  table.tBodies[0].replaceChildren(...data.methods.map((method, m) => element("tr", {},
    element("th", { scope: "row" }, element("span", { class: "name" },
      element("span", { class: "dot", colour: method.colour }), method.label)),
    ...data.kinds.map((kind) => {
      const [value, shown, interval, mark] = kind.cells[column.name][m];
      const attributes = value === null ? {} : { "data-value": value };
      return element("td", { class: mark, ...attributes }, element("span", { class: "figure" }, shown),
        interval ? element("span", { class: "interval" }, interval) : "");
    }))));
}

if (byId("kinds-column")) {
  const rated = data.columns.filter((one) => data.kinds[0].cells[one.name]);
  fill(byId("kinds-column"), rated.map((one) => [one.name, one.heading]), data.axes ? data.axes.y : rated[0].name);
  byId("kinds-column").addEventListener("change", showKinds);
  showKinds();
}

// ---- the plane

const dark = matchMedia("(prefers-color-scheme: dark)");
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

// Where each label has room, as plotly says it; "" where it would lie over another or a point: the legend names it then.
function placed(points, also, labels, width, height) {
  const apart = (a, b) => a.left > b.right || b.left > a.right || a.top > b.bottom || b.top > a.bottom;
  const scale = (values, reach) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (value) => reach * (0.06 + 0.88 * (value - low) / (high - low || 1));
  };
  const ends = (side) => [...points.flatMap((point) => point[side].slice(0, 3)), ...also[side]].filter((one) => one !== null);
  const [across, up] = [scale(ends(0), width), scale(ends(1), height)];
  const at = points.map(([x, y]) => [across(x[0]), height - up(y[0])]);
  const taken = at.map(([x, y]) => ({ left: x - 6, right: x + 6, top: y - 6, bottom: y + 6 }));
  return labels.map((label, m) => {
    const [x, y] = at[m], long = 8 * label.length;
    for (const position of ["top right", "bottom right", "top left", "bottom left"]) {
      const left = position.endsWith("right") ? x + 4 : x - 4 - long, top = position.startsWith("top") ? y - 22 : y + 4;
      const box = { left, right: left + long, top, bottom: top + 18 };
      if (taken.every((other, o) => o === m || apart(box, other))) {
        taken.push(box);
        return position;
      }
    }
    return "";
  });
}

function showPlane() {
  const [x, y] = ["plane-x", "plane-y"].map((id) => data.columns.find((one) => one.name === byId(id).value));
  const css = getComputedStyle(document.documentElement), colour = (name) => css.getPropertyValue(name).trim();
  const narrow = byId("plot").clientWidth < 560;
  const bars = ([value, low, high]) => (low === null ? { visible: false } : {
    type: "data", symmetric: false, array: [high - value], arrayminus: [value - low], thickness: 1.2, width: 4,
  });
  const points = data.methods.map((method, m) => [data.points[x.name][m], data.points[y.name][m]]);
  const turned = points.map(([across, up]) => [[across, x], [up, y]].map(([point, column]) =>
    column.better === "lower" ? point.slice(0, 3).map((one) => (one === null ? null : -one)) : point));
  const room = placed(turned, [x, y].map((one) => (one.better === "zero" ? [0] : [])), data.methods.map((method) => method.label), byId("plot").clientWidth - 300, 360);
  const crowded = narrow || room.includes("");
  const traces = data.methods.map((method, m) => {
    const [across, up] = points[m];
    const lines = data.columns.map((one) => {
      const [, , , shown, interval] = data.points[one.name][m];
      return `${escaped(one.heading)}: ${shown}${interval ? ` (${interval})` : ""}`;
    });
    return {
      type: "scatter", mode: narrow || !room[m] ? "markers" : "markers+text", name: escaped(method.label),
      x: [across[0]], y: [up[0]], error_x: bars(across), error_y: bars(up),
      text: [escaped(method.label)], textposition: room[m] || "top right", textfont: { color: colour("--ink"), size: 13 },
      hovertext: [`<b>${escaped(method.label)}</b><br>${lines.join("<br>")}`], hoverinfo: "text", cliponaxis: false,
      marker: { color: method.colour, symbol: method.symbol, size: 12, line: { width: 1, color: colour("--card") } },
    };
  });
  const axis = (column) => ({
    title: { text: `${escaped(column.heading)} ${column.arrow}`, standoff: 12 }, automargin: true,
    zeroline: column.better === "zero", zerolinecolor: colour("--soft"), rangemode: column.better === "zero" ? "tozero" : "normal",
    autorange: column.better === "lower" ? "reversed" : true, gridcolor: colour("--grid"), linecolor: colour("--line"),
    tickcolor: colour("--line"),
  });
  Plotly.react("plot", traces, {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { t: 24, r: narrow ? 12 : 90, b: 56, l: 64 },
    font: { color: colour("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
    xaxis: axis(x), yaxis: axis(y), showlegend: crowded, legend: narrow ? { orientation: "h", y: -0.28 } : { x: 1.02, y: 1 }, hovermode: "closest",
    hoverlabel: { align: "left", bgcolor: colour("--card"), bordercolor: colour("--soft"), font: { color: colour("--ink") } },
  }, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] });
  byId("plot").setAttribute("aria-label",
    `${y.heading} against ${x.heading}, a point for each method; the table above has the numbers.`);
}

if (data.points) {
  const choices = data.columns.map((one) => [one.name, one.heading]);
  for (const side of ["x", "y"]) {
    fill(byId(`plane-${side}`), choices, data.axes[side]);
    byId(`plane-${side}`).addEventListener("change", showPlane);
  }
  dark.addEventListener("change", showPlane);
  showPlane();
}

// ---- the gallery

const gallery = { shown: [], at: 0 };

function chosenEdits(entry) {
  // Of every method its edit of the chosen seed; one that was not asked for that seed shows the first it has.
  const seed = Number(byId("gallery-seed").value);
  return data.methods.map((method, m) => {
    const any = data.bestOf || !method.seeds.includes(seed);  // as of outputs that others made, which are there once
    const own = entry.edits.filter((edit) => edit.method === m && (any || edit.seed === seed));
    return own.find((edit) => edit.image) || own[0] || null;
  });
}

function figures(values) {
  return element("dl", { class: "figures" }, ...values.flatMap(([name, shown]) => [
    element("dt", {}, name), element("dd", {}, shown)]));
}

function tile(title, note, image, values, alternative, open) {
  const [width, height] = gallery.shown[gallery.at].size;
  let picture;
  if (image) {
    picture = element("img", { src: image, alt: alternative, width, height });
    if (open) {
      picture = element("button", { type: "button", "aria-label": `compare ${title} with the input` }, picture);
      picture.addEventListener("click", open);
    }
  } else {
    picture = element("div", { class: note.failed ? "none failed" : "none", style: `aspect-ratio: ${width} / ${height}` }, note.text);
  }
  return element("figure", { class: "tile" }, picture, element("figcaption", {}, element("b", {}, title),
    image && note.text ? element("small", {}, ` ${note.text}`) : "", values ? figures(values) : ""));
}

function showCase() {
  const entry = gallery.shown[gallery.at];
  byId("gallery-place").textContent = entry ? `${gallery.at + 1} of ${gallery.shown.length}` : "none";
  byId("gallery-back").disabled = byId("gallery-next").disabled = gallery.shown.length < 2;
  if (!entry) {
    byId("gallery-prompts").replaceChildren("No case fits.");
    byId("gallery-given").replaceChildren();
    byId("gallery-tiles").replaceChildren();
    return;
  }
  byId("gallery-case").value = String(gallery.at);
  const line = (word, text, name) => element("p", { class: name }, element("span", {}, word), " ", text);
  byId("gallery-prompts").replaceChildren(
    ...(entry.source ? [line("from", entry.source, "from")] : []), line("to", entry.target, "to"));
  const given = [tile("input", { text: data.kinds.length ? entry.kind : "" }, entry.input, null, "the input")], tiles = [];
  if (entry.truth) given.push(tile("truth", { text: "" }, entry.truth, null, "the right answer"));
  if (entry.mask) given.push(tile("mask", { text: "may change" }, entry.mask, null, "where the edit may change the input"));
  chosenEdits(entry).forEach((edit, m) => {
    const label = data.methods[m].label;
    if (!edit) tiles.push(tile(label, { text: "not done" }, null, null));
    else if (!edit.image) tiles.push(tile(label, { text: `failed: ${edit.error}`, failed: true }, null, null));
    else {
      const seed = data.seeds.length > 1 ? `seed ${edit.seed}` : "";
      tiles.push(tile(label, { text: seed }, edit.image, edit.values, `the edit by ${label}`, () => openSlider(m)));
    }
  });
  byId("gallery-given").replaceChildren(...given);
  byId("gallery-tiles").replaceChildren(...tiles);
}

function filterCases() {
  const kind = byId("gallery-kind").value, words = byId("gallery-search").value.toLowerCase().split(/\s+/);
  const text = (entry) => `${entry.id} ${entry.source} ${entry.target}`.toLowerCase();
  gallery.shown = data.gallery.filter((entry) =>
    (!kind || entry.kind === kind) && words.every((word) => text(entry).includes(word)));
  gallery.at = 0;
  fill(byId("gallery-case"), gallery.shown.map((entry, i) => [String(i), `${entry.id}: ${entry.target}`]), "0");
  showCase();
}

function step(by) {
  const count = gallery.shown.length;
  if (!count) return;
  gallery.at = (gallery.at + by + count) % count;
  showCase();
}

// ---- the slider

function slides() {
  const entry = gallery.shown[gallery.at];
  const found = [{ name: "input", title: "input", image: entry.input, values: [] }];
  if (entry.truth) found.push({ name: "truth", title: "truth", image: entry.truth, values: [] });
  chosenEdits(entry).forEach((edit, m) => {
    if (edit && edit.image) found.push({ name: String(m), title: data.methods[m].label, image: edit.image, values: edit.values });
  });
  return found;
}

function openSlider(method) {
  const entry = gallery.shown[gallery.at], choices = slides().map((one) => [one.name, one.title]);
  fill(byId("slider-left"), choices, "input");
  fill(byId("slider-right"), choices, String(method));
  byId("slider-title").textContent = entry.target;
  const [width, height] = entry.size, stage = byId("slider-stage");
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.width = `min(100%, ${(66 * width / height).toFixed(1)}vh)`;
  showSlides();
  slideTo(50);
  byId("slider").showModal();
  byId("slider-range").focus();
}

function showSlides() {
  const found = slides(), both = ["left", "right"].map((side) =>
    found.find((slide) => slide.name === byId(`slider-${side}`).value));
  both.forEach((one, i) => {
    const image = byId(i ? "slider-under" : "slider-over");
    image.src = one.image;
    image.alt = `${i ? "right" : "left"}: ${one.title}`;
  });
  const [left, right] = both.map((one) => new Map(one.values));
  const row = (name) => element("tr", {}, element("th", { scope: "row" }, name),
    element("td", {}, left.get(name) || ""), element("td", {}, right.get(name) || ""));
  byId("slider-figures").replaceChildren(
    element("thead", {}, element("tr", {}, element("td"), ...both.map((one) => element("th", { scope: "col" }, one.title)))),
    element("tbody", {}, ...[...new Set([...left.keys(), ...right.keys()])].map(row)));
  slideTo(Number(byId("slider-range").value));
}

function slideTo(percent) {
  const at = Math.min(100, Math.max(0, Math.round(percent)));
  const name = (side) => byId(`slider-${side}`).selectedOptions[0].text;
  byId("slider-range").value = String(at);
  byId("slider-range").setAttribute("aria-valuetext", `${at} % ${name("left")}, ${100 - at} % ${name("right")}`);
  byId("slider-stage").style.setProperty("--at", `${at}%`);
}

if (data.gallery.length) {
  const kinds = [...new Set(data.gallery.map((entry) => entry.kind))];
  fill(byId("gallery-kind"), [["", "all kinds"], ...kinds.map((kind) => [kind, kind])], "");
  fill(byId("gallery-seed"), data.seeds.map((seed) => [String(seed), String(seed)]), String(data.seeds[0]));
  byId("gallery-seeds").hidden = data.bestOf || data.seeds.length < 2;
  byId("gallery-kind").parentElement.hidden = kinds.length < 2;
  byId("gallery-kind").addEventListener("change", filterCases);
  byId("gallery-search").addEventListener("input", filterCases);
  byId("gallery-seed").addEventListener("change", showCase);
  byId("gallery-case").addEventListener("change", () => { gallery.at = Number(byId("gallery-case").value); showCase(); });
  byId("gallery-back").addEventListener("click", () => step(-1));
  byId("gallery-next").addEventListener("click", () => step(1));
  document.addEventListener("keydown", (event) => {
    // The arrows leaf through the cases where they mean nothing else.
    const active = document.activeElement, box = byId("gallery").getBoundingClientRect();
    const here = byId("gallery").contains(active) || (active === document.body && box.top < innerHeight && box.bottom > 0);
    if (!here || byId("slider").open || active.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      const tiles = [...document.querySelectorAll("#gallery-tiles button")], place = tiles.indexOf(active);
      step(event.key === "ArrowLeft" ? -1 : 1);
      if (place >= 0) (document.querySelectorAll("#gallery-tiles button")[place] || byId("gallery-next")).focus();
    }
  });
  const stage = byId("slider-stage");
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    slideTo(100 * (event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    byId("slider-range").focus({ focusVisible: false });
    follow(event);
  });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
  byId("slider-range").addEventListener("input", () => slideTo(Number(byId("slider-range").value)));
  byId("slider-left").addEventListener("change", showSlides);
  byId("slider-right").addEventListener("change", showSlides);
  byId("slider-close").addEventListener("click", () => byId("slider").close());
  byId("slider").addEventListener("click", (event) => { if (event.target === byId("slider")) byId("slider").close(); });
  filterCases();
}
