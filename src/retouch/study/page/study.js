// Keys; no judgement before all pictures are there; an answer that could not be sent can be sent again.
"use strict";

const form = document.getElementById("question");
const buttons = [...form.querySelectorAll("button")];
const trouble = document.getElementById("trouble");
const LOOK = 300; // ms: a key pressed twice by accident does not answer a question that nobody has seen
let ready = false;

Promise.all([...form.querySelectorAll("img")].map((image) => image.decode())).then(
  () => setTimeout(() => { ready = true; form.classList.add("ready"); }, LOOK),
  () => say("A picture could not be loaded. Reload the page to try again."),
);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  answer(event.submitter);
});

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const button = buttons.find((one) => one.dataset.keys.split(" ").includes(event.key));
  if (!button) return;
  event.preventDefault(); // arrows would scroll
  answer(button);
});

window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // kept by the browser since before it was answered
});

async function answer(button) {
  if (!ready || !button) return;
  ready = false;
  say("");
  button.classList.add("chosen");
  const body = new URLSearchParams(new FormData(form));
  body.set("choice", button.value);
  try {
    const reply = await fetch(location.href, { method: "POST", body, redirect: "manual" });
    if (reply.type === "opaqueredirect") {
      location.replace(location.href); // the next question; going back leaves the study, not a trail of questions
      return;
    }
    say(await reply.text());
  } catch {
    say("The answer could not be sent. Choose once more when the connection is back.");
  }
  ready = true;
  button.classList.remove("chosen");
}

function say(sentence) {
  trouble.textContent = sentence;
}
