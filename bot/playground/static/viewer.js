/** Who somebody is on this page: the same over clicks and reloads, for each tab by itself. */

const KEY = "playground-viewer";
const picker = document.getElementById("viewer-picker");
const members = [...document.querySelectorAll("#playground-members button")];
const talks = [...document.querySelectorAll("#playground-side a[data-member]")];
const here = new URLSearchParams(location.search).get("channel") ?? "pictures";
const talk = members.find((button) => button.dataset.talk === here);

/** The id of the member that this tab belongs to. */
export function viewer() {
  const kept = sessionStorage.getItem(KEY);
  return members.some((button) => button.dataset.member === kept) ? kept : members[0].dataset.member;
}

function become(member) {
  sessionStorage.setItem(KEY, member);
  // Their app speaks what this browser speaks.
  void fetch("/control/language", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ member, language: navigator.language }),
  }).catch(() => { /* the playground has just stopped */ });
  for (const button of members) button.setAttribute("aria-checked", String(button.dataset.member === member));
  for (const link of talks) link.hidden = link.dataset.member !== member;
}

become(talk ? talk.dataset.member : viewer());
// Asked by app.js when it opens the page. A conversation has one viewer anyway.
globalThis.playgroundViewer = viewer;

for (const button of members) {
  button.addEventListener("click", () => {
    become(button.dataset.member);
    if (talk) {
      location.assign(`/?channel=${button.dataset.talk}`);
    } else if (picker.value !== viewer()) {
      picker.value = viewer();
      picker.dispatchEvent(new Event("change"));
    }
  });
}
