/** Threads: listed under the channels, opened with a click on the line under their message, started from its menu. */

import { viewer } from "./viewer.js";

const list = document.getElementById("playground-threads");
const here = new URLSearchParams(location.search).get("channel") ?? "pictures";
const open = (key) => location.assign(`/?channel=${key}`);

document.addEventListener("playground-threads", ({ detail }) => {
  if (list.childElementCount === detail.length) return;
  list.replaceChildren(...detail.map(({ key, name }) => {
    const link = document.createElement("a");
    link.href = `/?channel=${key}`;
    link.textContent = `↳ ${name}`;
    if (key === here) link.setAttribute("aria-current", "page");
    return link;
  }));
});

document.getElementById("channel-timeline").addEventListener("click", (event) => {
  const line = event.target.closest(".thread-summary");
  // A thread has the id of the message that it was started under.
  if (line) open(`thread-${line.closest(".channel-message").dataset.messageId}`);
});

/** Whether threads can be started here. */
export const canStart = !here.startsWith("dm-") && !here.startsWith("thread-");

/** Start a thread under a message and go there. */
export async function startThread(message) {
  const response = await fetch("/control/thread", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ member: viewer(), message }),
  });
  open(response.ok ? (await response.json()).key : `thread-${message}`);
}
