"""``python -m bridle.pages``: write the pages of the catalog, in the root of the repository."""

from pathlib import Path

from bridle.pages import write

for changed in write(Path()):
    print(changed)
