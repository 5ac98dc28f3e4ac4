"""Compare: every contender under one protocol and the same seeds, and a verdict for each.

Read in this order: ``runner`` (what is trained), ``collect`` and ``store`` (runs, finished ones read from disk),
``statistics`` (what is a difference), ``verdicts`` (contenders and notices).
"""

from bridle.comparison.collect import Watch as Watch
from bridle.comparison.runner import DEFAULT_NETWORK as DEFAULT_NETWORK
from bridle.comparison.runner import DEFAULT_RECIPES as DEFAULT_RECIPES
from bridle.comparison.runner import compare as compare
from bridle.comparison.runner import resolve_contenders as resolve_contenders
from bridle.comparison.statistics import versus as versus
