/** Our own part of the page: the way in, the bot's state, and reactions that nobody has given yet. */

// SimCord's page takes its capability from the address. Ours comes with the page, so that the address stays short
// and a reload after a restart of the playground works. This module runs before app.js reads it.
const capability = document.querySelector('meta[name="playground-capability"]').content;
history.replaceState(null, "", `#${capability}`);

const bot = document.getElementById("playground-bot");
async function showBot() {
  try {
    const { connected } = await (await fetch("/control/bot", { cache: "no-store" })).json();
    bot.textContent = connected ? "Bot: online" : "Bot: not connected";
    bot.dataset.state = connected ? "online" : "offline";
  } catch {
    bot.textContent = "The playground has stopped";
    bot.dataset.state = "offline";
  }
  setTimeout(showBot, 1500);
}
showBot();

// SimCord's page can only join reactions that are there. This bar, over the message under the pointer, gives new ones.
const bar = document.createElement("div");
bar.id = "playground-reactions";
bar.hidden = true;
let message = null;
for (const emoji of ["🔁", "❌", "👍", "❤️"]) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = emoji;
  button.title = `React with ${emoji}`;
  button.addEventListener("click", () => react(emoji));
  bar.append(button);
}
document.body.append(bar);

async function react(emoji) {
  await fetch("/control/react", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ member: document.getElementById("viewer-picker").value, message, emoji }),
  });
}

/** @param {EventTarget | null} target */
function showBar(target) {
  if (bar.contains(target)) return;
  const over = target instanceof Element ? target.closest(".channel-message[data-message-id]") : null;
  bar.hidden = !over;
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

// A live page stays at the newest message until somebody scrolls away from it, and goes back there with what they send.
const timeline = document.getElementById("channel-timeline");
let follows = true;
const toTheEnd = () => { if (follows) timeline.scrollTop = timeline.scrollHeight; };
new ResizeObserver(toTheEnd).observe(document.getElementById("channel-message-list"));
new ResizeObserver(toTheEnd).observe(timeline);
// Only a person's own scrolling counts; SimCord's page scrolls too, after it has drawn.
const isAtTheEnd = () => timeline.scrollHeight - timeline.scrollTop - timeline.clientHeight < 40;
for (const kind of ["wheel", "touchmove", "keydown"]) {
  timeline.addEventListener(kind, () => setTimeout(() => { follows = isAtTheEnd(); }, 150), { passive: true });
}
let dragging = false;
timeline.addEventListener("pointerdown", () => { dragging = true; });
addEventListener("pointerup", () => { dragging = false; });
document.getElementById("channel-composer").addEventListener("keydown", (event) => {
  if (event.key === "Enter") follows = true;
}, true);
document.getElementById("viewer-picker").addEventListener("change", () => { follows = true; });
timeline.addEventListener("scroll", () => {
  if (dragging) follows = isAtTheEnd();
  showBar(document.elementFromPoint(pointer.x, pointer.y));
});
