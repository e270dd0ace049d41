// Prompts and answers: what ICL and another learner see, and how likely each next token is to them.

const data = document.getElementById("examples");
if (data) {
  const examples = JSON.parse(data.textContent);
  const choices = [...document.querySelectorAll("[data-choice]")];

  // Each menu offers what exists under the choices in front of it, and keeps its own if it can.
  function offer(wanted = (name, menu) => menu.value) {
    let left = examples;
    for (const menu of choices) {
      const name = menu.dataset.choice;
      const values = [...new Set(left.map((cell) => cell[name]))];
      const value = values.includes(wanted(name, menu)) ? wanted(name, menu) : values[0];
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
  function restore() {
    const address = chosen("explorer") ?? new URLSearchParams();
    const opened = examples[data.dataset.opened];
    offer((name) => address.get(name) ?? opened[name]);
  }
  for (const menu of choices) {
    menu.addEventListener("change", () => {
      offer();
      remember("explorer", Object.fromEntries(choices.map((one) => [one.dataset.choice, one.value])));
    });
  }
  addEventListener("hashchange", () => chosen("explorer") && restore());
  restore();
}
