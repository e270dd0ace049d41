// The papers' claims, cell by cell: sorted by a column, and filtered.

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
  function sort(head, direction) {
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
  function keep() {
    const sorted = heads.find((head) => head.hasAttribute("aria-sort"));
    const direction = sorted?.getAttribute("aria-sort");
    remember("cells", {
      search: search.value,
      ...Object.fromEntries(filters.map((one) => [one.dataset.filter, one.value])),
      sort: sorted && `${sorted.dataset.column} ${direction}`,
    });
  }
  function restore() {
    const choices = chosen("cells") ?? new URLSearchParams();
    search.value = choices.get("search") ?? "";
    for (const one of filters) {
      one.value = choices.get(one.dataset.filter) ?? "";
      if (one.selectedIndex < 0) one.value = ""; // what another report has
    }
    for (const one of heads) one.removeAttribute("aria-sort");
    const [name, direction] = (choices.get("sort") ?? "").split(" ");
    const head = heads.find((one) => one.dataset.column === name);
    if (head && ["ascending", "descending"].includes(direction)) sort(head, direction);
    filter();
  }
  for (const head of heads) {
    head.querySelector("button").addEventListener("click", () => {
      sort(head, head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending");
      keep();
    });
  }
  for (const one of filters) {
    const values = new Set(rows.map((row) => row.cells[column[one.dataset.filter]].textContent));
    for (const value of [...values].filter(Boolean).sort()) one.add(new Option(value));
  }
  search.addEventListener("input", filter);
  for (const one of [search, ...filters]) {
    one.addEventListener("change", () => {
      filter();
      keep(); // not while one types: browsers limit how often an address may change
    });
  }
  addEventListener("hashchange", () => chosen("cells") && restore());
  restore();
}
