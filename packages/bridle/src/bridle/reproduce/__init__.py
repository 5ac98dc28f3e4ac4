"""The notebook that bridle grew from: run again as it stands, and then the same comparison done right."""

from bridle.reproduce.discussion import paragraphs as paragraphs
from bridle.reproduce.notebook import check_counts as check_counts
from bridle.reproduce.notebook import notebook as notebook
from bridle.reproduce.reproduction import Reproduction as Reproduction
from bridle.reproduce.tables import markdown as markdown
from bridle.reproduce.tables import table as table
