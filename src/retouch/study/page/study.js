// Keys; no judgement before all pictures are there; an answer that could not be sent can be sent again.
"use strict";

const form = document.getElementById("question"); // none on the page of thanks
const buttons = form ? [...form.querySelectorAll("button")] : [];
const links = [...document.querySelectorAll("a[data-keys]")]; // back to the last answer, and forth again
const trouble = document.getElementById("trouble");
const LOOK = 300; // ms: a key pressed twice by accident does not answer a question that nobody has seen
let ready = false;
let sending = false;

if (form) {
  Promise.all([...form.querySelectorAll("img")].map((image) => image.decode())).then(
    () => setTimeout(() => { ready = true; form.classList.add("ready"); }, LOOK),
    () => say("A picture could not be loaded. Reload the page to try again."),
  );

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer(event.submitter);
  });
}

for (const link of links) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    follow(link);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const pressed = [...buttons, ...links].find((one) => one.dataset.keys.split(" ").includes(event.key));
  if (!pressed) return;
  event.preventDefault(); // arrows would scroll
  if (links.includes(pressed)) follow(pressed);
  else answer(pressed);
});

window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload(); // kept by the browser since before it was answered
});

function follow(link) {
  if (!sending) location.replace(link.href); // what is on its way arrives first
}

async function answer(button) {
  if (!ready || sending || !button) return;
  sending = true;
  say("");
  for (const one of buttons) one.classList.toggle("chosen", one === button);
  const body = new URLSearchParams(new FormData(form));
  body.set("choice", button.value);
  try {
    const reply = await fetch(location.href, { method: "POST", body, redirect: "manual" });
    if (reply.type === "opaqueredirect") {
      location.replace(form.dataset.next); // the next question; going back leaves the study, not a trail of questions
      return;
    }
    say(await reply.text());
  } catch {
    say("The answer could not be sent. Choose once more when the connection is back.");
  }
  sending = false;
  for (const one of buttons) one.classList.toggle("chosen", "before" in one.dataset);
}

function say(sentence) {
  trouble.textContent = sentence;
}
