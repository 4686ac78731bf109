/** SimCord's page can only join reactions that are there. This bar, over the message under the pointer, gives new ones. */

import { hasMessageMenu, openMenu } from "./menus.js";
import { viewer } from "./viewer.js";

const timeline = document.getElementById("channel-timeline");
const form = document.getElementById("modal-root");
const bar = document.createElement("div");
bar.id = "playground-reactions";
bar.hidden = true;
let message = null;
for (const emoji of ["🔁", "❌", "⭐", "✉️", "👍", "❤️"]) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = emoji;
  button.title = `React with ${emoji}`;
  button.addEventListener("click", () => react(emoji));
  bar.append(button);
}
const dots = document.createElement("button");
dots.type = "button";
dots.textContent = "⋯";
dots.title = "More";
dots.addEventListener("click", (event) => openMenu("message", { message }, event));
bar.append(dots);
document.body.append(bar);

async function react(emoji) {
  await fetch("/control/react", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ member: viewer(), message, emoji }),
  });
}

/** @param {EventTarget | null} target */
function showBar(target) {
  if (form.childElementCount) { bar.hidden = true; return; } // it would lie above the form
  if (bar.contains(target)) return;
  const under = target instanceof Element ? target.closest(".channel-message[data-message-id]") : null;
  const over = under?.querySelector(".message-ephemeral-note") ? null : under; // nobody reacts to a private answer
  bar.hidden = !over;
  dots.hidden = !hasMessageMenu();
  if (!over) return;
  message = over.dataset.messageId;
  const place = over.getBoundingClientRect();
  bar.style.top = `${Math.max(place.top, timeline.getBoundingClientRect().top)}px`;
  bar.style.left = `${place.right - bar.offsetWidth - 120}px`;
}
let pointer = { x: 0, y: 0 };
document.addEventListener("pointermove", ({ target, clientX, clientY }) => {
  pointer = { x: clientX, y: clientY };
  showBar(target);
});
timeline.addEventListener("scroll", () => showBar(document.elementFromPoint(pointer.x, pointer.y)));
new MutationObserver(() => showBar(null)).observe(form, { childList: true });
