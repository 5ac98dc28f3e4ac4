"""A recipe as plain PyTorch code, without bridle.

Read in this order: ``code`` (the script as a whole), ``network`` and ``modules`` (what is in the network), ``training``
and ``objective`` (the loop). ``script`` is the text that is written; ``formulas`` copies definitions into it, with
``source`` and ``rewriting``; ``knob_code`` and ``calls`` write what formulas are given, ``sizes``, ``parameters`` and
``wrapping`` the rest.
"""

from bridle.exporting.code import to_code as to_code
