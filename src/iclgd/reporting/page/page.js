// The page is whole without this; it adds sorting, filters, the explorer, values of marks.
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

// --- claims ---

const claims = document.getElementById("claims-table");
if (claims) {
  const heads = [...claims.tHead.rows[0].cells];
  const rows = [...claims.tBodies[0].rows];
  const column = Object.fromEntries(heads.map((head, i) => [head.dataset.column, i]));
  const search = document.getElementById("search");
  const filters = [...document.querySelectorAll("[data-filter]")];

  function compare(one, other) {
    const [a, b] = [one, other].map(Number);
    return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b;
  }
  function sort(head) {
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const one of heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", direction);
    const key = (row) => row.cells[head.cellIndex].dataset.sort;
    const [full, empty] = [rows.filter((row) => key(row) !== undefined), rows.filter((row) => key(row) === undefined)];
    full.sort((a, b) => compare(key(a), key(b)) * (direction === "ascending" ? 1 : -1));
    claims.tBodies[0].append(...full, ...empty);
  }
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const chosen = filters.every((one) => !one.value || row.cells[column[one.dataset.filter]].textContent === one.value);
      row.hidden = !(chosen && words.every((word) => text.includes(word)));
      shown += !row.hidden;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} claims`;
  }
  for (const head of heads) head.querySelector("button").addEventListener("click", () => sort(head));
  for (const one of filters) {
    const values = new Set(rows.map((row) => row.cells[column[one.dataset.filter]].textContent));
    for (const value of [...values].filter(Boolean).sort()) one.add(new Option(value));
    one.addEventListener("change", filter);
  }
  search.addEventListener("input", filter);
  filter();
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

// --- prompts and answers ---

const data = document.getElementById("examples");
if (data) {
  const examples = JSON.parse(data.textContent);
  const choices = [...document.querySelectorAll("[data-choice]")];

  // Each menu offers what exists under the choices in front of it, and keeps its own if it can.
  function offer() {
    let left = examples;
    for (const menu of choices) {
      const name = menu.dataset.choice;
      const values = [...new Set(left.map((cell) => cell[name]))];
      const value = values.includes(menu.value) ? menu.value : values[0];
      menu.replaceChildren(...values.map((one) => new Option(one, one, false, one === value)));
      left = left.filter((cell) => cell[name] === value);
    }
    show(left[0]);
  }
  function element(name, className, ...content) {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.append(...content);
    return made;
  }
  const SIGNS = { " ": "·", "\n": "⏎\n", "\t": "⇥" };
  function visible(text) {
    return text.split(/([ \n\t])/).map((part) => (SIGNS[part] ? element("span", "space", SIGNS[part]) : part));
  }
  function prompt(id, cell, demonstrations) {
    document.getElementById(id).replaceChildren(
      ...visible(cell.instruction),
      ...demonstrations.map((one, i) => element("span", i % 2 ? "odd" : "even", ...visible(one))),
      element("mark", "", ...visible(cell.text)),
    );
  }
  function number(p) {
    if (p === null) return "not kept";
    return p >= 0.001 ? p.toFixed(3) : p.toExponential(1);
  }
  function probability(side, p) {
    const bar = element("span", "bar");
    bar.style.width = `${100 * (p ?? 0)}%`;
    return element("td", side, element("span", "probability", bar, element("span", "", number(p))));
  }
  function show(cell) {
    for (const part of document.querySelectorAll("[data-side]")) {
      part.textContent = part.dataset.side === "a" ? cell.icl : cell.learner;
    }
    prompt("prompt-a", cell, cell.demonstrations);
    prompt("prompt-b", cell, cell.demonstrations_b ?? []);
    document.getElementById("trained").hidden = cell.demonstrations_b !== null;
    const right = element("mark", "", ...visible(cell.answer));
    document.getElementById("result").replaceChildren(
      "Right answer: ", right,
      `. Total variation ${number(cell.tv)}, token overlap ${cell.token_overlap.toFixed(1)}.`,
    );
    const rows = cell.tokens.map(([token, p, q, [inA, inB]]) => {
      const shared = inA && inB ? "both" : inA ? cell.icl : cell.learner;
      const row = element("tr", "", element("td", token === cell.answer_token ? "right" : "", ...visible(token)));
      row.append(probability("a", p), probability("b", q), element("td", "", shared));
      return row;
    });
    document.querySelector("#distributions tbody").replaceChildren(...rows);
  }
  for (const menu of choices) menu.addEventListener("change", offer);
  offer();
}
