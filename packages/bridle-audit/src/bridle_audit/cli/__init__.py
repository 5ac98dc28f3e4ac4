"""``bridle-audit``, the command: options and settings, one public function, and what is printed.

Results go to stdout, messages and errors to stderr. Exit codes: 0; 1 where something is found; 2 for what cannot be
done, said in one sentence; 130 after Ctrl-C. bridle's command line has the same command, as ``bridle audit``, and is
made of the same parts. Read in this order: ``command``, ``settings``, ``program``, ``console``.
"""

from bridle_audit.cli.app import app as app
from bridle_audit.cli.app import main as main
