// What another report says otherwise. Its findings are read out of the file, and nothing of it is run.

const section = document.getElementById("comparison");
{
  const CARRIED = /<script type="application\/json" id="found">(.*?)<\/script>/s;
  const ours = JSON.parse(document.getElementById("found").textContent);
  const only = document.getElementById("verdicts-only");
  const said = document.getElementById("compared");
  const table = document.getElementById("differences");
  let theirs = null;

  function cell(text) {
    const made = document.createElement("td");
    made.textContent = text;
    return made;
  }
  function show() {
    const others = new Map(theirs.map(([name, value]) => [name, value]));
    const both = ours.filter(([name]) => others.has(name));
    const differ = both.filter(([name, value, verdict]) => value !== others.get(name) && (verdict || !only.checked));
    table.tBodies[0].replaceChildren(
      ...differ.map(([name, value]) => {
        const row = document.createElement("tr");
        row.append(cell(name), cell(value), cell(others.get(name)));
        return row;
      }),
    );
    table.parentElement.hidden = differ.length === 0;
    const alone = `${ours.length - both.length} stand in this report alone, ${theirs.length - both.length} in the other`;
    said.textContent = `${differ.length} of ${both.length} values that both have differ; ${alone}.`;
  }
  async function read(file) {
    const found = CARRIED.exec(await file.text());
    if (!found) {
      said.textContent = `${file.name} is no report of this workflow with its findings in it.`;
      table.parentElement.hidden = true;
      return;
    }
    theirs = JSON.parse(found[1]);
    show();
  }
  document.getElementById("other").addEventListener("change", (event) => read(event.target.files[0]));
  only.addEventListener("change", () => theirs && show());
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    section.scrollIntoView();
    read(event.dataTransfer.files[0]);
  });
}
