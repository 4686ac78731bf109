/** What the bot is doing, the buttons that stop it or one of its workers, and the way back after a restart of the playground. */

const shown = document.getElementById("playground-bot");
const deeds = document.getElementById("playground-deeds");
const workers = document.getElementById("playground-workers");
const WORDS = {
  online: "Bot: online",
  starting: "Bot: starting…",
  stopping: "Bot: stopping…",
  stopped: "Bot: not connected",
  comesBack: "Bot: gone, it comes back…",
  gone: "The playground has stopped. This page goes on when it is started again.",
};
let start = null;
let phase = null;
let known = {};

/** Whether the bot can be asked for something. */
export function isOnline() { return phase === "online"; }

/** The names of the commands in the menus of messages and members. */
export function menus() { return known; }

async function ask() {
  let state = { phase: "gone" };
  try {
    const response = await fetch("/control/bot", { cache: "no-store" });
    if (response.ok) state = await response.json();
  } catch { /* nobody is there */ }
  return state;
}

function show(state) {
  // Another start of the playground knows nothing of this page.
  if (state.start && start && state.start !== start) return location.reload();
  start ??= state.start ?? null;
  phase = state.phase;
  known = state.menus ?? known;
  if (state.threads) document.dispatchEvent(new CustomEvent("playground-threads", { detail: state.threads }));
  shown.textContent = WORDS[phase === "stopped" && state.kept ? "comesBack" : phase];
  shown.dataset.state = phase;
  deeds.hidden = !state.kept;
  for (const button of deeds.querySelectorAll("button")) button.disabled = !["online", "starting"].includes(phase);
  workers.hidden = (state.workers ?? null) === null;
  if (!state.workers) workers.querySelector("button").disabled = true;
  workers.querySelector("p").textContent = `Workers that run: ${state.workers}. The busiest ends, and another one follows.`;
}

async function poll() {
  show(await ask());
  setTimeout(poll, phase === "online" ? 1000 : 300);
}
void poll();

for (const button of deeds.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    const response = await fetch("/control/bot", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ do: button.dataset.do }),
    });
    if (response.ok) show(await response.json());
  });
}
