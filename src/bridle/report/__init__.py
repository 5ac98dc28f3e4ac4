"""What a study says: a page for the browser, tables for the terminal, and sentences; made from results alone."""

from bridle.report.inspection import inspection as inspection
from bridle.report.page import write_html as write_html
from bridle.report.terminal import comparison_table as comparison_table
from bridle.report.words import verdicts as verdicts
