"""The notebook that bridle grew from: run again as it stands, and then the same comparison done right."""

from bridle.reproduce.notebook import check_counts as check_counts
from bridle.reproduce.notebook import notebook as notebook
from bridle.reproduce.reproduction import Reproduction as Reproduction
from bridle.reproduce.show import markdown as markdown
from bridle.reproduce.show import table as table
from bridle.reproduce.words import paragraphs as paragraphs
