"""Compare: every contender under one protocol and the same seeds, and a verdict for each.

Read in this order: ``compare`` (what is trained), ``collect`` and ``store`` (runs, finished ones read from disk),
``statistics`` (what is a difference), ``judge`` (contenders and notices).
"""

import sys
from types import ModuleType

from bridle.compare.collect import Watch as Watch
from bridle.compare.compare import DEFAULT_NETWORK as DEFAULT_NETWORK
from bridle.compare.compare import DEFAULT_RECIPES as DEFAULT_RECIPES
from bridle.compare.compare import compare as compare
from bridle.compare.statistics import versus as versus


class Comparison(ModuleType):
    """This folder, which can be called: Python binds ``bridle.compare`` to it once it is imported.

    So ``bridle.compare(...)`` is the function of that name, whatever was imported before.
    """

    __call__ = staticmethod(compare)


sys.modules[__name__].__class__ = Comparison
