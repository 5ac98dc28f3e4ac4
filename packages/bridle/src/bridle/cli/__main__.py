"""``python -m bridle.cli``."""

from bridle.cli import main

main()
