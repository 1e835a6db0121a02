// The edit that is looked at: before and after by a slider and by blinking, what changed outlined; jobs and messages.
"use strict";
window.studio.view = (root) => {
  const $ = (name) => root.querySelector(`[data-at=${name}]`);
  const before = $("before"), after = $("after"), outline = $("outline"), slider = $("slider"), blink = $("blink");
  let shown = null, says = -1, blinking = 0, previews = "";

  const split = () => { after.style.clipPath = blinking ? "" : `inset(0 0 0 ${slider.value}%)`; };
  slider.addEventListener("input", split);

  function stop() {
    clearInterval(blinking);
    blinking = 0;
    after.style.visibility = "";
    $("which").textContent = "";
  }
  blink.addEventListener("click", () => {
    if (blinking) stop();
    else {
      const swap = () => {
        const hide = after.style.visibility !== "hidden";
        after.style.visibility = hide ? "hidden" : "";
        $("which").textContent = hide ? "before" : "after";
      };
      blinking = setInterval(swap, 700);
      swap();
    }
    blink.setAttribute("aria-pressed", blinking ? "true" : "false");
    slider.disabled = Boolean(blinking);
    split();
  });
  $("outlined").addEventListener("change", (event) => { outline.hidden = !event.target.checked || !outline.src; });
  $("cancel").addEventListener("click", () => { window.studio.ask("cancel"); $("cancel").disabled = true; });
  $("goon").addEventListener("click", () => window.studio.ask("go on", { number: shown }));
  $("restore").addEventListener("click", () => window.studio.ask("restore", { number: shown }));

  function told(sentence, bad) {
    const box = $("said"), alarm = $("alarm");
    box.textContent = bad ? "" : sentence;
    alarm.textContent = bad ? sentence : "";
  }

  const per = (share) => `${(100 * share).toFixed(1)} %`;
  const lasting = (seconds) => seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

  // where the page is one column, the edit is far below its button
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest("#s-edit") && innerWidth < 800)
      root.scrollIntoView({ behavior: "smooth", block: "start" });
  });

  function jobs(state) {
    const running = state.jobs.find((one) => one.state === "running");
    const waiting = state.jobs.filter((one) => one.state === "waiting");
    $("work").hidden = !state.jobs.length;
    if (!state.jobs.length) { $("cancel").disabled = false; previews = ""; $("preview").hidden = true; $("work").dataset.what = ""; return; }
    $("cancel").disabled = state.jobs.every((one) => one.ending);
    const bar = $("bar"), lines = [];
    if (running) {
      if (running.total) { bar.max = running.total; bar.value = running.done; } else bar.removeAttribute("value");
      const step = running.total ? `, step ${running.done} of ${running.total}` : "";
      const left = running.left >= 1 ? `, about ${lasting(running.left)} left` : "";
      lines.push(running.ending ? "ending …" : `${running.label}${running.detail ? `: ${running.detail}` : ""}${step}${left}`);
      const now = `${running.number}/${running.previews}`;
      if (running.previews && now !== previews) {
        previews = now;
        $("preview").src = `/studio/preview/${now}`;
        $("preview").hidden = false;
      }
    } else bar.removeAttribute("value");
    if (waiting.length) {
      const [first] = waiting, more = waiting.length > 1 ? `, and ${waiting.length - 1} more of yours` : "";
      lines.push(`waiting: ${first.label}, ${first.ahead} ahead, begins in about ${lasting(first.wait)}${more}`);
    }
    $("progress").textContent = lines.join("; ");
    const what = running ? `working on ${running.label}` : "waiting in line";
    if ($("work").dataset.what !== what) { $("work").dataset.what = what; $("announce").textContent = what; }
  }

  // what was asked for together, side by side, to choose from
  function sheet(state, node) {
    const those = state.pictures.filter((one) => one.edit && one.group === node.group);
    const now = JSON.stringify([state.key, node.number, those.map((one) => one.number)]);
    if ($("sheet").dataset.now === now) return;
    $("sheet").dataset.now = now;
    $("sheet").hidden = those.length < 2;
    const held = [...$("sheet").children].indexOf(document.activeElement);
    $("sheet").replaceChildren(...(those.length < 2 ? [] : those).map((one) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const small = Object.assign(document.createElement("img"), { src: window.studio.url("thumb", one.number), alt: "" });
      button.append(small, Object.assign(document.createElement("span"), { textContent: one.label }));
      if (one === node) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => window.studio.ask("look at", { number: one.number }));
      return button;
    }));
    if (held >= 0 && $("sheet").children[held]) $("sheet").children[held].focus();
  }

  function edit(state) {
    const node = state.pictures.find((one) => one.number === state.shown);
    if (node) sheet(state, node);
    $("result").hidden = !node;
    $("none").hidden = Boolean(node);
    const now = node ? `${state.key}/${node.number}` : "";
    if (!node || now === root.dataset.shown) return;
    root.dataset.shown = now;
    shown = node.number;
    if (blinking) blink.click();
    const parent = state.pictures.find((one) => one.number === node.parent);
    window.studio.fit($("frame"), node);
    before.src = parent ? window.studio.url("picture", parent.number) : after.src;
    before.alt = parent ? `Before: ${parent.label}` : "Before: forgotten";
    after.src = window.studio.url("picture", node.number);
    after.alt = `After: ${node.label}`;
    if (node.outline) outline.src = window.studio.url("outline", node.number);
    else outline.removeAttribute("src");
    outline.hidden = !$("outlined").checked || !node.outline;
    $("outlined").disabled = !node.outline;
    split();
    const kept = node.untouched === null || node.untouched === undefined ? "" : `, ${per(node.untouched)} of the pixels untouched`;
    $("about").textContent = `${node.label}: ${node.method}, seed ${node.seed}, ${node.seconds} s${kept}`;
    $("notes").replaceChildren(...node.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
    $("download").href = window.studio.url("picture", node.number, ".png");
  }

  window.studio.join({
    told,
    shown(state) {
      if (state.says !== says) {
        if (says !== -1 || state.said.length) told(state.said.join(" "), state.bad);
        says = state.says;
      }
      jobs(state);
      edit(state);
    },
  });
};

// The history of the visit as a tree: every edit under the picture that it was made from.
window.studio.history = (root) => {
  const list = root.querySelector("[data-at=tree]");
  let changes = "";

  function button(node, state) {
    const line = document.createElement("div"), look = document.createElement("button"), small = document.createElement("img");
    line.className = "s-node";
    look.type = "button";
    look.className = "s-look";
    look.title = node.label;
    small.src = window.studio.url("thumb", node.number);
    small.alt = "";
    small.loading = "lazy";
    const label = document.createElement("span");
    label.textContent = node.edit ? node.label : `${node.label} (brought)`;
    look.append(small, label);
    if (node.number === (node.edit ? state.shown : state.current)) look.setAttribute("aria-current", "true");
    look.addEventListener("click", () => window.studio.ask(node.edit ? "look at" : "go on", { number: node.number }));
    line.append(look);
    if (node.number === state.current) {
      line.append(Object.assign(document.createElement("span"), { className: "s-now", textContent: "being edited" }));
    } else if (node.edit) {
      const on = Object.assign(document.createElement("button"), { type: "button", className: "s-on", textContent: "go on from this one" });
      on.setAttribute("aria-label", `go on from ${node.label}`);
      on.addEventListener("click", () => window.studio.ask("go on", { number: node.number }));
      line.append(on);
    }
    return line;
  }

  function branch(nodes, parent, state) {
    const ul = document.createElement("ul");
    for (const node of nodes.filter((one) => one.parent === parent)) {
      const li = document.createElement("li");
      li.append(button(node, state));
      if (nodes.some((one) => one.parent === node.number)) li.append(branch(nodes, node.number, state));
      ul.append(li);
    }
    return ul;
  }

  window.studio.join({
    shown(state) {
      const now = JSON.stringify([state.key, state.pictures.map((one) => one.number), state.current, state.shown]);
      if (now === changes) return;
      changes = now;
      const held = list.contains(document.activeElement) ? [...list.querySelectorAll("button")].indexOf(document.activeElement) : -1;
      const known = new Set(state.pictures.map((one) => one.number));
      const nodes = state.pictures.map((one) => (known.has(one.parent) ? one : { ...one, parent: null }));
      list.replaceChildren(nodes.length ? branch(nodes, null, state) : document.createTextNode("Nothing yet."));
      if (held >= 0) (list.querySelectorAll("button")[held] || list).focus();
    },
  });
};
