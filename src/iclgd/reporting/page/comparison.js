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
  function refuse(text) {
    theirs = null;
    table.parentElement.hidden = true;
    said.textContent = text;
  }
  function show() {
    const asked = (rows) => rows.filter(([, , verdict]) => verdict || !only.checked);
    const [here, there] = [asked(ours), asked(theirs)];
    const others = new Map(there.map(([name, value]) => [name, value]));
    const both = here.filter(([name]) => others.has(name));
    const differ = both.filter(([name, value]) => value !== others.get(name));
    table.tBodies[0].replaceChildren(
      ...differ.map(([name, value]) => {
        const row = document.createElement("tr");
        row.append(cell(name), cell(value), cell(others.get(name)));
        return row;
      }),
    );
    table.parentElement.hidden = differ.length === 0;
    const what = only.checked ? "verdicts" : "values";
    const alone = `${here.length - both.length} stand in this report alone, ${there.length - both.length} in the other`;
    said.textContent = `${differ.length} of ${both.length} ${what} that both have differ; ${alone}.`;
  }
  async function read(file) {
    if (!file) return refuse("");
    const none = `${file.name} is no report of this workflow with its findings in it.`;
    const found = CARRIED.exec(await file.text());
    try {
      theirs = JSON.parse(found[1]);
    } catch {
      return refuse(none);
    }
    return show();
  }
  document.getElementById("other").addEventListener("change", (event) => read(event.target.files[0]));
  only.addEventListener("change", () => theirs && show());
  const isFile = (event) => event.dataTransfer.types.includes("Files");
  addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    section.scrollIntoView();
    read(event.dataTransfer.files[0]);
  });
}
