// What a page does by itself: it says when what it shows is no longer fresh, copies a command, and sends a form once.
const stale = document.getElementById("stale");

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["Console-Refresh"] = "1"; // no sign of a person: it keeps no session alive
});
for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(failure, () => {
    stale.hidden = false;
  });
}
document.addEventListener("htmx:afterSwap", () => {
  stale.hidden = true;
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  // Nothing says that an answer will never come (stopped, refused by the browser): then it is sent again, under the key that it has.
  setTimeout(() => delete form.dataset.sent, 10_000);
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent; // back to a page that the browser has kept
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
  button.textContent = "Copied";
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing) return;
  event.preventDefault();
  document.getElementById("find")?.focus();
});
