"""Compare: every contender under one protocol and the same seeds, and a verdict for each.

Read in this order: ``runner`` (the whole), ``contending`` (what is compared), ``trainer``, ``collect`` and ``store``
(runs, finished ones read from disk), ``learning_rate`` and ``tuning`` (settings, chosen on rows not used again),
``statistics`` (what is a difference), ``verdicts`` (contenders and notices), ``references``, ``too_weak``; ``models``
keeps weights, ``asked`` what was asked, by which ``rerun`` goes on or repeats; ``across`` ranks several studies.
"""

from bridle.comparison.across import Ranking as Ranking
from bridle.comparison.across import rank_studies as rank_studies
from bridle.comparison.collect import Watch as Watch
from bridle.comparison.contending import DEFAULT_RECIPES as DEFAULT_RECIPES
from bridle.comparison.contending import resolve_contenders as resolve_contenders
from bridle.comparison.models import load_model as load_model
from bridle.comparison.rerun import resume as resume
from bridle.comparison.runner import DEFAULT_NETWORK as DEFAULT_NETWORK
from bridle.comparison.runner import compare as compare
from bridle.comparison.statistics import versus as versus
