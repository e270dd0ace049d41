// The page is whole without scripts; they add sorting, filters, the explorer, values of marks, a
// comparison with another page. This one is for all of it; the others follow it.
"use strict";

for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;

// --- light and dark ---

const root = document.documentElement;
const toggle = document.getElementById("theme");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
}
function nameToggle() {
  toggle.textContent = isDark() ? "Light page" : "Dark page";
}
toggle.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameToggle();
});
prefersDark.addEventListener("change", nameToggle);
nameToggle();

// --- in print, everything is open ---

const closed = new Set();
matchMedia("print").addEventListener("change", (print) => {
  for (const part of print.matches ? document.querySelectorAll("details:not([open])") : closed) {
    part.open = print.matches;
    if (print.matches) closed.add(part);
  }
  if (!print.matches) closed.clear();
});

// --- addresses: `#cells?verdict=holds` is a part of the page, and what is chosen there ---

function chosen(id) {
  const [part, choices] = location.hash.slice(1).split("?");
  return part === id ? new URLSearchParams(choices) : null;
}
function remember(id, choices) {
  const query = String(new URLSearchParams(Object.entries(choices).filter(([, value]) => value)));
  history.replaceState(null, "", `#${id}${query && `?${query}`}`);
}
function go() {
  const part = document.getElementById(location.hash.slice(1).split("?")[0]);
  if (!part) return;
  part.querySelector(":scope > details")?.setAttribute("open", "");
  for (let one = part; one; one = one.parentElement?.closest("details")) if (one.tagName === "DETAILS") one.open = true;
  part.scrollIntoView({ behavior: "instant" }); // at once, however far it is
}
addEventListener("hashchange", go);
addEventListener("load", go);

// --- a figure and its table as files ---

function save(name, type, content) {
  const file = document.createElement("a");
  file.href = URL.createObjectURL(new Blob([content], { type }));
  file.download = name;
  file.click();
  setTimeout(() => URL.revokeObjectURL(file.href), 60000);
}

for (const button of document.querySelectorAll("[data-svg]")) {
  button.addEventListener("click", () => {
    const name = button.dataset.svg;
    const drawing = document.querySelector(`#figure-${CSS.escape(name)} svg`).cloneNode(true);
    drawing.setAttribute("font-family", "Liberation Sans, Arial, Helvetica, sans-serif");
    save(`${name}.svg`, "image/svg+xml", new XMLSerializer().serializeToString(drawing));
  });
}
for (const link of document.querySelectorAll("a[download]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault(); // browsers refuse long data: addresses
    const bytes = Uint8Array.from(atob(link.href.split(",")[1]), (one) => one.charCodeAt(0));
    save(link.download, "text/csv", bytes);
  });
}

// --- values of marks ---

const tip = document.getElementById("tip");
document.addEventListener("pointermove", (event) => {
  const mark = event.target.closest?.("[data-tip]");
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip.replaceAll("; ", "\n");
  const { offsetWidth: wide, offsetHeight: high } = tip;
  tip.style.left = `${Math.max(0, Math.min(event.clientX + 14, innerWidth - wide - 8))}px`;
  tip.style.top = `${event.clientY + 18 + high > innerHeight ? event.clientY - high - 10 : event.clientY + 18}px`;
});
