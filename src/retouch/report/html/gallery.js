// The gallery: all edits of a case side by side, and the slider over two of them.

const gallery = { shown: [], at: 0 };
const asked = (entry) => entry.target || entry.instruction;  // edits that others made may have neither

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
    ...(entry.source ? [line("from", entry.source, "from")] : []), ...(entry.target ? [line("to", entry.target, "to")] : []),
    ...(entry.instruction ? [line("asked", entry.instruction, "to")] : []));
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
  const text = (entry) => `${entry.id} ${entry.source} ${entry.target} ${entry.instruction}`.toLowerCase();
  gallery.shown = data.gallery.filter((entry) =>
    (!kind || entry.kind === kind) && words.every((word) => text(entry).includes(word)));
  gallery.at = 0;
  fill(byId("gallery-case"), gallery.shown.map((entry, i) => [String(i), [entry.id, asked(entry)].filter(Boolean).join(": ")]), "0");
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
  byId("slider-title").textContent = asked(entry) || entry.id;
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
