"""What there is to know of the catalog and the audit's rules, as text: on the terminal, and as pages of Markdown.

All of it is made from `CATALOG` and `RULES`. Read in this order: ``catalog`` (what is said of places and regularizers),
``source`` (the two forms as they stand in their file), ``terminal`` (the list and explain), ``markdown``,
``rule_documents`` and ``documents`` (the pages of docs/).
"""

from bridle.pages.catalog import catalog_of as catalog_of
from bridle.pages.catalog import plain_data as plain_data
from bridle.pages.documents import write as write
from bridle.pages.terminal import explained as explained
from bridle.pages.terminal import listing as listing
