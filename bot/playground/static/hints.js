/** Examples to click, and a word to those whose text would meet with silence. */

import { isOnline } from "./bot.js";

const PATIENCE = 60_000; // ms that an example waits for the bot's commands
const input = document.getElementById("channel-composer-input");
const hint = document.createElement("p");
hint.id = "playground-hint";
hint.setAttribute("role", "status");
hint.hidden = true;
document.getElementById("channel-composer").before(hint);
let timer = null;

function say(words, forMs = 10_000) {
  hint.textContent = words;
  hint.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { hint.hidden = true; }, forMs);
}

const field = () => document.querySelector(".command-option-input");
const nextMoment = () => new Promise((resolve) => setTimeout(resolve, 100));

/** Type a command and send it, as soon as the bot has told its commands. */
async function run(text) {
  document.querySelector(".command-context-close")?.click();
  for (const began = Date.now(); Date.now() - began < PATIENCE; await nextMoment()) {
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    if (field()) break;
    say("The bot is still starting; this is sent as soon as it is there.");
  }
  hint.hidden = true;
  field()?.focus();
  field()?.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
}

for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => void run(button.dataset.example));
}

document.addEventListener("keydown", (event) => {
  if (event.target !== input || event.key !== "Enter" || event.shiftKey || !input.value.trim()) return;
  if (!input.value.startsWith("/")) {
    say("Sent. The bot reads commands only: type /imagine and what you want to see.");
  } else if (!isOnline() && !document.querySelector(".command-popup:not([hidden])")) {
    event.preventDefault();
    event.stopImmediatePropagation();
    say("The bot is still starting. Try again in a moment.");
  } else if (!document.querySelector(".command-popup:not([hidden])")) {
    say("Sent as a message: no command is called that. /help says what there is.");
  }
}, true);
