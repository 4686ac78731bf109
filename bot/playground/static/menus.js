/** What the bot adds to the menu of a message or a member: a right click, or the dots over a message. */

import { menus } from "./bot.js";
import { canStart, startThread } from "./threads.js";

const menu = document.createElement("div");
menu.id = "playground-menu";
menu.setAttribute("role", "menu");
menu.hidden = true;
document.body.append(menu);

/** What a menu of this kind has: the bot's commands, and what Discord's own app has under a message of a channel. */
function entries(kind, target) {
  const commands = (menus()[kind] ?? []).map((command) => [command, () => choose({ command, ...target })]);
  return kind === "message" && canStart ? [...commands, ["Create Thread", () => startThread(target.message)]] : commands;
}

/** Whether the menu of a message has anything in it. */
export const hasMessageMenu = () => entries("message", {}).length > 0;

/** Show a menu there, if there is anything in it; tells whether it did. */
export function openMenu(kind, target, { x, y }) {
  const items = entries(kind, target);
  if (!items.length) return false;
  menu.replaceChildren(...items.map(([words, act]) => {
    const item = document.createElement("button");
    item.type = "button";
    item.setAttribute("role", "menuitem");
    item.textContent = words;
    item.addEventListener("click", () => { menu.hidden = true; void act(); });
    return item;
  }));
  menu.hidden = false;
  menu.style.left = `${Math.min(x, innerWidth - menu.offsetWidth - 8)}px`;
  menu.style.top = `${Math.min(y, innerHeight - menu.offsetHeight - 8)}px`;
  menu.firstChild.focus();
  return true;
}

async function choose(body) {
  const capability = document.querySelector('meta[name="playground-capability"]').content;
  await fetch("/api/choose", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-Simcord-Capability": capability,
      "X-Simcord-Context": window.simcordPreview.contextId,
    },
    body: JSON.stringify(body),
  });
}

document.addEventListener("contextmenu", (event) => {
  const message = event.target.closest(".channel-message[data-message-id]");
  const member = event.target.closest("#playground-members button");
  const opened = message ? openMenu("message", { message: message.dataset.messageId }, event)
    : member ? openMenu("member", { target: member.dataset.name }, event) : false;
  if (opened) event.preventDefault();
});
document.addEventListener("pointerdown", (event) => { if (!menu.contains(event.target)) menu.hidden = true; });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") menu.hidden = true; });
