// The picture that is edited: brought by a button, a drop or the clipboard, and a mask painted on it.
"use strict";
window.studio.easel = (root) => {
  const $ = (name) => root.querySelector(`[data-at=${name}]`);
  const frame = $("frame"), picture = $("picture"), canvas = $("mask"), empty = $("empty"), said = $("said");
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const SIDE = 1024; // of the mask, in pixels
  let current = null, masks = 0, drawing = false, last = null, spot = [0.5, 0.5], saving = 0, sent = Promise.resolve();

  const tool = () => root.querySelector("[name=s-tool]:checked").value;
  const reach = () => (Number($("size").value) / 100) * canvas.width / 2;

  async function bring(file) {
    if (!file) return;
    said.textContent = `opening ${file.name || "the picture"} …`;
    await window.studio.send(`/studio/bring?name=${encodeURIComponent(file.name || "the pasted picture")}`, file);
    said.textContent = "";
  }

  $("open").addEventListener("change", (event) => { bring(event.target.files[0]); event.target.value = ""; });
  for (const name of ["dragover", "drop"])
    root.addEventListener(name, (event) => {
      event.preventDefault();
      if (name === "drop") bring(event.dataTransfer.files[0]);
    });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file) { event.preventDefault(); bring(file); }
  });

  // where the pointer is, in 0..1 of the picture
  function place(event) {
    const box = canvas.getBoundingClientRect();
    const inside = (value) => Math.min(1, Math.max(0, value));
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  }

  function stroke(from, to) {
    paint.globalCompositeOperation = tool() === "erase" ? "destination-out" : "source-over";
    paint.strokeStyle = paint.fillStyle = "#ff2f92";
    paint.lineCap = paint.lineJoin = "round";
    paint.lineWidth = 2 * reach();
    paint.beginPath();
    paint.moveTo(from[0] * canvas.width, from[1] * canvas.height);
    paint.lineTo(to[0] * canvas.width + 0.01, to[1] * canvas.height);
    paint.stroke();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (current === null || event.button) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    last = spot = place(event);
    if (tool() === "click") return void point(last);
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    const here = place(event);
    stroke(last, here);
    last = spot = here;
  });
  for (const name of ["pointerup", "pointercancel"])
    canvas.addEventListener(name, () => { if (drawing) { drawing = false; save(); } });

  // by keyboard: arrows move the brush, space or Enter uses it
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (current === null || !(step || event.key === " " || event.key === "Enter")) return;
    event.preventDefault();
    if (step) spot = spot.map((value, i) => Math.min(1, Math.max(0, value + step[i] * (event.shiftKey ? 0.1 : 0.02))));
    else if (tool() === "click") point(spot);
    else { stroke(spot, spot); save(); }
    aim();
  });
  canvas.addEventListener("focus", aim);
  canvas.addEventListener("blur", () => { $("aim").hidden = true; });
  function aim() {
    const at = $("aim");
    at.hidden = !canvas.matches(":focus-visible") || current === null;
    at.style.left = `${spot[0] * 100}%`;
    at.style.top = `${spot[1] * 100}%`;
  }

  function point(at) {
    window.studio.ask("mark", { points: [at] });
  }

  // the mask as a picture: white where it is painted
  function file() {
    const out = new OffscreenCanvas(canvas.width, canvas.height), ink = out.getContext("2d");
    const seen = paint.getImageData(0, 0, canvas.width, canvas.height);
    let marked = false;
    for (let i = 0; i < seen.data.length; i += 4) {
      const value = seen.data[i + 3];
      marked ||= value > 0;
      seen.data[i] = seen.data[i + 1] = seen.data[i + 2] = value;
      seen.data[i + 3] = 255;
    }
    ink.putImageData(seen, 0, 0);
    return marked ? out.convertToBlob({ type: "image/png" }) : Promise.resolve(null);
  }

  function save() {
    const mine = ++saving;
    sent = sent.then(async () => { // one after the other, and of several that wait only the last
      if (mine !== saving) return;
      const blob = await file();
      masks = -1; // what comes back is what is painted already
      await window.studio.send("/studio/mask", blob || new Blob([]));
    });
  }

  async function load(source) {
    const image = new Image();
    image.src = source;
    try { await image.decode(); } catch { return; }
    if (drawing) return;
    paint.globalCompositeOperation = "source-over";
    paint.clearRect(0, 0, canvas.width, canvas.height);
    paint.drawImage(image, 0, 0, canvas.width, canvas.height);
    const seen = paint.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < seen.data.length; i += 4) {
      seen.data[i + 3] = Math.max(seen.data[i], seen.data[i + 1], seen.data[i + 2]);
      [seen.data[i], seen.data[i + 1], seen.data[i + 2]] = [255, 47, 146];
    }
    paint.putImageData(seen, 0, 0);
  }

  $("clear").addEventListener("click", () => { paint.clearRect(0, 0, canvas.width, canvas.height); save(); });
  $("save").addEventListener("click", async () => {
    const blob = await file();
    if (!blob) return window.studio.tell("There is no mask to save: paint one first.", true);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "mask.png";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
  $("load").addEventListener("change", async (event) => {
    const chosen = event.target.files[0];
    event.target.value = "";
    if (chosen) await window.studio.send("/studio/mask", chosen);
  });
  const mark = () => window.studio.ask("mark", { word: $("word").value, prompt: window.studio.words("s-source") });
  $("mark").addEventListener("click", mark);
  $("word").addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); mark(); } });

  window.studio.join({
    shown(state) {
      const node = state.pictures.find((one) => one.number === state.current) || null;
      empty.hidden = node !== null;
      frame.hidden = $("tools").hidden = node === null;
      $("click-tool").hidden = root.dataset.clicks !== "yes";
      if (node && current !== `${state.key}/${node.number}`) {
        current = `${state.key}/${node.number}`;
        picture.src = window.studio.url("picture", node.number);
        picture.alt = `The picture that is edited: ${node.label}`;
        window.studio.fit(frame, node);
        const scale = SIDE / Math.max(node.width, node.height);
        canvas.width = Math.max(1, Math.round(node.width * scale));
        canvas.height = Math.max(1, Math.round(node.height * scale));
        masks = 0;
        if (state.mask) { masks = state.mask; load(`/studio/mask?m=${state.mask}`); }
      } else if (node && state.mask !== masks && !drawing) {
        if (masks !== -1) {
          if (state.mask) load(`/studio/mask?m=${state.mask}`);
          else paint.clearRect(0, 0, canvas.width, canvas.height);
        }
        masks = state.mask;
      }
      root.dataset.masked = state.mask ? "yes" : "no";
    },
  });
};
