/** A live page stays at the newest message until somebody scrolls away from it, and goes back there with what they send. */

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
// On the scroll bar, that is: a press of a button below a message leads to the newest one.
timeline.addEventListener("pointerdown", (event) => { dragging = event.target === timeline; });
addEventListener("pointerup", () => { dragging = false; });
document.getElementById("channel-composer").addEventListener("keydown", (event) => {
  if (event.key === "Enter") follows = true;
}, true);
document.getElementById("viewer-picker").addEventListener("change", () => { follows = true; });
timeline.addEventListener("scroll", () => {
  if (dragging) follows = isAtTheEnd();
});
