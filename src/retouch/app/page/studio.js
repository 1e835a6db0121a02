// What all panels of the studio share: the state of the visit, asked for again and again, and words to the server.
"use strict";
window.studio = (() => {
  const BUSY = 350, IDLE = 2500, HIDDEN = 20000; // ms between looks
  const listeners = [];
  let state = null, glue = null, timer = 0, brought = null, over = false;

  async function send(path, body, type) {
    const headers = type ? { "Content-Type": type } : {};
    let answer;
    try {
      answer = await fetch(path, { method: "POST", body, headers });
    } catch {
      tell("The studio cannot be reached: is it still running?", true);
      return false;
    }
    if (!answer.ok) tell(await sentence(answer), true);
    soon();
    return answer.ok;
  }

  async function sentence(answer) {
    const text = await answer.text();
    try { return JSON.parse(text).error || text; } catch { return text; }
  }

  const ask = (what, more = {}) => send("/studio/do", JSON.stringify({ what, ...more }), "application/json");

  function tell(sentence, bad = false) {
    for (const one of listeners) one.told && one.told(sentence, bad);
  }

  async function look() {
    clearTimeout(timer);
    try {
      const answer = await fetch("/studio/state", { cache: "no-store" });
      if (answer.status === 410) {
        over = true;
        return tell("This visit is over, and what was in it forgotten. Reload the page for a new one.", true);
      }
      if (answer.ok) {
        state = await answer.json();
        for (const one of listeners) one.shown && one.shown(state);
        beside();
        bring();
      }
    } catch { /* the next look tells */ }
    if (over) return;
    const busy = state && state.jobs.length;
    timer = setTimeout(look, document.hidden ? HIDDEN : busy ? BUSY : IDLE);
  }

  function soon(ms = 60) {
    clearTimeout(timer);
    timer = setTimeout(look, ms);
  }

  // what the server put into the controls is fetched by the part of the page that is Gradio's
  function bring() {
    if (brought === null) brought = state.brought;
    else if (glue && state.brought > brought) {
      glue("brought", { since: brought });
      brought = state.brought;
    }
  }

  function join(panel) {
    listeners.push(panel);
    if (state && panel.shown) panel.shown(state);
  }

  const url = (kind, number, end = "") => `/studio/${kind}/${number}${end}?k=${state ? state.key : ""}`;

  // a frame of the picture's shape, as wide as there is room, and never taller than most of the window
  function fit(frame, node) {
    frame.style.aspectRatio = `${node.width} / ${node.height}`;
    frame.style.maxWidth = `calc(60vh * ${node.width / node.height})`;
  }

  // the words of a text box that is Gradio's
  const words = (id) => { const box = document.querySelector(`#${id} textarea, #${id} input`); return box ? box.value : ""; };

  // method and settings that differ from what holds by itself, for the part of the page that is Gradio's
  function how() {
    const choice = document.querySelector("[data-method]"), method = choice ? choice.value : "auto", settings = {}, parts = {};
    for (const one of document.querySelectorAll("[data-setting]"))  // another method's are there until its own are
      if (one.closest("[data-of]").dataset.of === method && one.value !== one.dataset.usual)
        settings[one.dataset.setting] = one.value;
    for (const one of document.querySelectorAll("[data-part]"))
      if (one.value && one.closest("[data-parts-of]").dataset.partsOf === method) parts[one.dataset.part] = one.value;
    return JSON.stringify({ method, settings, parts });
  }

  document.addEventListener("input", (event) => {
    const slider = event.target.closest && event.target.closest("[data-weigh]");
    if (slider) slider.nextElementSibling.value = slider.value;
  });
  document.addEventListener("change", (event) => {
    const at = event.target;
    if (!at.matches || !glue) return;
    if (at.matches("[data-weigh]")) glue("weigh", { word: at.dataset.weigh, weight: Number(at.value) });
    if (at.matches("[data-method], [data-part]")) glue("method", { how: how() });
    if (at.matches("[data-beside]") && at.files[0]) {
      send(`/studio/beside?what=${at.dataset.beside}`, at.files[0]);
      at.value = "";
    }
  });
  document.addEventListener("click", (event) => {
    const at = event.target;
    if (!at.matches) return;
    if (at.matches("[data-subject]")) ask("mask is subject");
    if (at.matches("[data-drop]")) send(`/studio/beside?what=${at.dataset.drop}`, new Blob([]));
  });
  // what is there beside the picture: said at every look, as the panel may be new
  function beside() {
    for (const one of document.querySelectorAll("[data-there]")) {
      const said = state.beside.includes(one.dataset.there) ? "there" : "none";
      if (one.textContent !== said) one.textContent = said;
    }
  }
  document.addEventListener("visibilitychange", () => document.hidden || soon());
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest("button")) soon(150);
  });

  return {
    ask, send, join, fit, look, soon, tell, url, words, how, sentence,
    state: () => state,
    glue(trigger) { glue = trigger; look(); },
  };
})();
