// What a page of the console does better with a script than without: copy, print, and figures that stay fresh. Every page
// works without it, so the buttons that need it are hidden until it runs.
"use strict";

document.querySelectorAll("[data-needs-script]").forEach((element) => { element.hidden = false; });

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy], button[data-print]");
  if (!button) return;
  if ("print" in button.dataset) { window.print(); return; }
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    const before = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = before; }, 1500);
  } catch {
    // Without leave to write to the clipboard the code can still be selected by hand.
  }
});

// The part of a page that says `data-live` is fetched anew every so many seconds. A page in the background rests.
const live = document.querySelector("[data-live]");
if (live) {
  const renew = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
        if (fresh) live.replaceChildren(...fresh.childNodes);
      } catch {
        return;
      }
    }
    setTimeout(renew, 1000 * Number(live.dataset.live));
  };
  setTimeout(renew, 1000 * Number(live.dataset.live));
}
