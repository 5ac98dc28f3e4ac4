"""``python -m bridle_audit``."""

from bridle_audit.cli import main

main()
