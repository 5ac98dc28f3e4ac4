"""Descriptions of regularizers and rules, made from `CATALOG` and `RULES`: on the terminal, and as pages of Markdown.

Read in this order: ``catalog`` (descriptions of places and regularizers), ``source`` (the two forms as they stand in
their file), ``terminal`` (the list and explain), ``markdown``, ``rule_documents``, ``documents`` (the pages of docs/).
"""

from bridle.pages.catalog import catalog_of as catalog_of
from bridle.pages.catalog import plain_data as plain_data
from bridle.pages.documents import write as write
from bridle.pages.terminal import explained as explained
from bridle.pages.terminal import listing as listing
