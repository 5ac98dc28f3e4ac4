"""A recipe as plain PyTorch code, without bridle.

Read in this order: ``code`` (the script as a whole), ``network`` and ``modules`` (what is in the network), ``training``
and ``objective`` (the loop). ``script`` and ``source`` take the formulas from their files, ``knob_code`` and ``calls``
write what these are given, ``sizes``, ``parameters`` and ``wrapping`` the rest.
"""

from bridle.exporting.code import to_code as to_code
