#!/usr/bin/env bash
# rich 15.0.0: in Jupyter, a Console that is given a file displays in the notebook and writes nothing into the file.
#
# One would expect Console(file=StringIO()) to write into that file anywhere, as the documentation's way to capture output has
# it. In a kernel rich finds that it is in Jupyter, and then prints by IPython's display, whatever the file: the text appears
# in the notebook as HTML, a second time if the caller prints it, and the caller's string stays empty. A __str__ made in this
# way returns "" there and nowhere else, and no test outside of a kernel sees it. force_jupyter=False is the way out.
#
# Seen on 2026-11-29, in a kernel:
#   Console(file=f): the file has '', the notebook shows ['text/html', 'text/plain']
#   Console(file=f, force_jupyter=False): the file has 'hello\n', the notebook shows []
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check rich==15.0.0 nbclient==0.11.0 nbformat==5.11.1 ipykernel==7.4.0
cd "$folder"
HOME="$folder" "$folder/venv/bin/python" - 2> log <<'PROGRAM' || { cat log; exit 1; }
import sys

import nbformat
from nbclient import NotebookClient

CELL = """
from io import StringIO
from rich.console import Console
f = StringIO()
{console}.print("hello")
print(repr(f.getvalue()), end="")
"""

seen = []
for console in ("Console(file=f)", "Console(file=f, force_jupyter=False)"):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.format(console=console))])
    NotebookClient(notebook, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    written = "".join(each.text for each in outputs if each.output_type == "stream")
    shown = sorted(kind for each in outputs if each.output_type == "display_data" for kind in each.data)
    print(f"{console}: the file has {written}, the notebook shows {shown}")
    seen.append((written, bool(shown)))

sys.exit(seen != [("''", True), (r"'hello\n'", False)])
PROGRAM
