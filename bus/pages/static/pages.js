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

// Files are brought one after the other, each with its progress; then the form is saved, and its page lists them.
function brought(address, token, file, bar) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest(), form = new FormData();
    form.append("form_token", token);
    form.append("file", file, file.name);
    request.upload.onprogress = (at) => { bar.max = at.total; bar.value = at.loaded; };
    request.onloadend = () => resolve(request);
    request.open("POST", address);
    request.send(form);
  });
}

async function bring(input) {
  const form = input.form, place = form.querySelector("[data-progress]");
  const files = Array.from(input.files);
  let wrong = 0;
  place.replaceChildren();
  for (const file of files) {
    const line = document.createElement("p"), name = document.createElement("span"), bar = document.createElement("progress");
    name.lang = "th";
    name.textContent = file.name;
    bar.setAttribute("aria-label", file.name);
    line.append(name, " ", bar);
    place.append(line);
    const answer = await brought(input.dataset.bring, form.elements.form_token.value, file, bar);
    if (answer.status >= 200 && answer.status < 300) continue;
    wrong += 1;
    const said = new DOMParser().parseFromString(answer.responseText, "text/html").querySelector("[role=alert] li");
    bar.replaceWith(said ? said.textContent : input.dataset.wrong);
    line.className = "state bad wrap";
  }
  // A file that was brought is not sent once more with the form.
  input.value = "";
  if (!wrong) form.requestSubmit(form.querySelector("button[value=bring]"));
}

document.addEventListener("change", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.dataset.bring && event.target.files.length) bring(event.target);
});

// What only scripts can do is shown only where they run.
for (const each of document.querySelectorAll("[data-scripted]")) each.hidden = false;
