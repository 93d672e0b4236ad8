// What pages do more where scripts run; without them every page works by its forms and links.
"use strict";

// A file that is looked for is hashed here and never leaves this machine.
async function hashed(input) {
  const file = input.files[0];
  const target = document.getElementById(input.dataset.hashInto);
  if (!file || !target) return;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  target.value = Array.from(new Uint8Array(digest), (octet) => octet.toString(16).padStart(2, "0")).join("");
}

document.addEventListener("change", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.hashInto) hashed(event.target);
  const select = event.target;
  if (select instanceof HTMLSelectElement && select.dataset.submit !== undefined) select.form.requestSubmit();
});

// Where a file is dropped, the file field of that place takes it.
document.addEventListener("dragover", (event) => {
  if (event.target.closest?.("[data-drop]")) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  const place = event.target.closest?.("[data-drop]");
  const input = place?.querySelector("input[type=file]");
  if (!input || !event.dataTransfer.files.length) return;
  event.preventDefault();
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

// What only scripts can do is shown only where they run.
for (const each of document.querySelectorAll("[data-scripted]")) each.hidden = false;
