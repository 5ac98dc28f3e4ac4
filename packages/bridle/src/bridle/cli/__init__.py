"""The command line: every command parses, calls one public function, and prints.

Results go to stdout; progress, messages and errors to stderr. Exit codes: 0; 1 where an audit has found something, or a
repetition has come to another verdict; 2 for what cannot be done, said in one sentence; 130 after Ctrl-C.
"""

from bridle.cli import audits, catalog, describing, exporting, reading, stored, studies
from bridle.cli.app import app, main

# The modules too: importing them adds their commands.
__all__ = ["app", "audits", "catalog", "describing", "exporting", "main", "reading", "stored", "studies"]
