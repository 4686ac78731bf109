/** What the bot adds to the menu of a message or a member: a right click, or the dots over a message. */

import { menus } from "./bot.js";

const menu = document.createElement("div");
menu.id = "playground-menu";
menu.setAttribute("role", "menu");
menu.hidden = true;
document.body.append(menu);

/** Show a menu there, if the bot has commands of this kind; tells whether it did. */
export function openMenu(kind, target, { x, y }) {
  const commands = menus()[kind] ?? [];
  if (!commands.length) return false;
  menu.replaceChildren(...commands.map((command) => {
    const item = document.createElement("button");
    item.type = "button";
    item.setAttribute("role", "menuitem");
    item.textContent = command;
    item.addEventListener("click", () => { menu.hidden = true; void choose({ command, ...target }); });
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
