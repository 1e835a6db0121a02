// The plane: what is kept against what is changed.

// What an axis tells of an edit: whether it does what was asked, and whether it leaves the rest alone.
const TOLD = { changed: "follows: ", kept: "keeps: " };
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

// The front: through the points that no other is better and as cheap as.
function frontLine(points, colour) {
  const there = points.filter((_, m) => data.methods[m].front).sort(([a], [b]) => a[0] - b[0]);
  return {
    type: "scatter", mode: "lines", name: "front", x: there.map(([across]) => across[0]), y: there.map(([, up]) => up[0]),
    line: { color: colour("--soft"), dash: "dot", width: 1.5, shape: "hv" }, hoverinfo: "skip", showlegend: false,
  };
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
  const room = placed(turned, [x, y].map((one) => (one.better in IDEAL ? [IDEAL[one.better]] : [])), data.methods.map((method) => method.label), byId("plot").clientWidth - 300, 360);
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
  if (data.front.length && x.name === data.front[0] && y.name === data.front[1]) traces.unshift(frontLine(points, colour));
  const axis = (column) => ({
    title: {
      text: `${(!narrow && TOLD[column.tells]) || ""}${escaped(column.heading)} ${column.arrow}`, standoff: 12,
      font: { size: narrow ? 11 : 13 },
    }, automargin: true,
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
  const preset = (id, names) => byId(id) && byId(id).addEventListener("click", () => {
    [byId("plane-x").value, byId("plane-y").value] = names();
    showPlane();
  });
  preset("plane-kept", () => [data.axes.x, data.axes.y]);
  preset("plane-cost", () => data.front);
  const choices = data.columns.map((one) => [one.name, one.heading]);
  for (const side of ["x", "y"]) {
    fill(byId(`plane-${side}`), choices, data.axes[side]);
    byId(`plane-${side}`).addEventListener("change", showPlane);
  }
  dark.addEventListener("change", showPlane);
  showPlane();
}
