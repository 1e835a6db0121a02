// The report's page: what all of its parts use. The files of this folder are one script, in the order of page.py.
// All numbers come formatted from the data; text from users only ever enters as text.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
// What a column's values should be near, where that is a number.
const IDEAL = { zero: 0, one: 1 };
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
