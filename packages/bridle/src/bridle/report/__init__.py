"""Reports of studies, as a page of HTML and as tables and sentences for the terminal; made from results alone."""

from bridle.report.advice import Advice as Advice
from bridle.report.advice import advice as advice
from bridle.report.columns import columns_table as columns_table
from bridle.report.columns import data_lines as data_lines
from bridle.report.inspection import inspection as inspection
from bridle.report.narrative import reservations as reservations
from bridle.report.narrative import verdicts as verdicts
from bridle.report.page import write_html as write_html
from bridle.report.terminal import comparison_table as comparison_table
from bridle.report.terminal import study_text as study_text
