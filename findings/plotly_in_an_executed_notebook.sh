#!/usr/bin/env bash
# plotly 7.1.0: a figure in an executed notebook is nothing but JSON of plotly's own type, with no HTML and no text beside it.
#
# One would expect the figure to be kept as HTML as well, as it was for years (the default renderer was
# "plotly_mimetype+notebook"), and a text/plain to stand beside it, as IPython has it for every object. The output has the one
# type application/vnd.plotly.v1+json: a viewer without plotly's extension shows an empty place, not even the repr, and
# nothing that turns the notebook into a page or a text finds a picture or a word. fig._repr_html_() exists, but its HTML
# loads plotly.js from a server in the network.
#
# Seen on 2026-11-29:
#   default renderer: plotly_mimetype
#   what the notebook holds of the figure: ['application/vnd.plotly.v1+json']
#   _repr_html_ loads from: cdn.plot.ly
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check plotly==7.1.0 nbclient==0.11.0 nbformat==5.11.1 ipykernel==7.4.0
cd "$folder"
HOME="$folder" "$folder/venv/bin/python" - 2> log <<'PROGRAM' || { cat log; exit 1; }
import re
import sys

import nbformat
from nbclient import NotebookClient

FIGURE = "import plotly.graph_objects as go; figure = go.Figure(go.Scatter(y=[1, 2])); figure"
RENDERER = "import plotly.io; print(plotly.io.renderers.default, end='')"
HTML = "print(figure._repr_html_())"
cells = [nbformat.v4.new_code_cell(source) for source in (FIGURE, RENDERER, HTML)]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, kernel_name="python3").execute()
shown, renderer, html = (cell.outputs for cell in notebook.cells)
kinds = sorted(kind for each in shown for kind in each.data)
loaded = re.search(r'src="https://([^/"]+)', html[0].text)
print(f"default renderer: {renderer[0].text}")
print(f"what the notebook holds of the figure: {kinds}")
print(f"_repr_html_ loads from: {loaded and loaded[1]}")

sys.exit((kinds, bool(loaded)) != (["application/vnd.plotly.v1+json"], True))
PROGRAM
