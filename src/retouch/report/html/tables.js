// The tables: sorting, and the breakdown by kind.

// ---- sorting: the better values first, then the other way; what has no value stays last

function sortBy(table, heading) {
  const headings = [...heading.parentElement.children], index = headings.indexOf(heading);
  const first = heading.dataset.better === "higher" ? "descending" : "ascending";
  const other = first === "descending" ? "ascending" : "descending";
  const direction = heading.getAttribute("aria-sort") === first ? other : first;
  for (const one of headings) one.setAttribute("aria-sort", one === heading ? direction : "none");
  const sign = direction === "ascending" ? 1 : -1;
  const ideal = IDEAL[heading.dataset.better];
  const size = (value) => (ideal === undefined ? value : Math.abs(value - ideal));  // the nearer, the better
  table.classList.remove("grouped");  // the groups are those of the first order
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

// ---- columns that are folded away

const unfold = byId("unfold");
if (unfold) {
  const fold = (folded) => {
    byId("leaderboard").classList.toggle("folded", folded);
    unfold.setAttribute("aria-expanded", String(!folded));
    unfold.textContent = folded ? unfold.dataset.more : unfold.dataset.less;
  };
  unfold.hidden = false;
  unfold.addEventListener("click", () => fold(unfold.getAttribute("aria-expanded") === "true"));
  fold(true);
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
  fill(byId("kinds-column"), rated.map((one) => [one.name, one.heading]), rated[0].name);
  byId("kinds-column").addEventListener("change", showKinds);
  showKinds();
}
