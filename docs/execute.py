"""Execute the notebooks of docs/ anew, in place, and note of which code their outputs are."""

import hashlib
from pathlib import Path

import nbformat
from nbclient import NotebookClient

for path in sorted(Path(__file__).parent.glob("*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, kernel_name="python3", record_timing=False, resources=where)
    client.execute()
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "executed": hashlib.sha256(code.encode()).hexdigest(),
        }
    )
    nbformat.write(notebook, path)
