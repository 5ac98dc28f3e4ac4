"""A recipe as plain PyTorch code, without bridle. Each module knows those below it:

- ``code``: the script as a whole.
- ``training``: the function ``train``; ``data_section``, ``optimizer``, ``updates``, ``averages`` and ``evaluation``
  write its parts, ``objective`` the loss and its penalties.
- ``spec``: what a script is written for; ``parameters``: the lists of parameters that it names.
- ``network``: the function ``build``; ``module_tree`` has its modules, ``parametrizations`` what makes its
  weights, ``modules`` the classes of the recipe's layers, ``sizes`` the calls of torch's own.
- ``calls`` and ``knob_code``: calls of formulas, and what they are given.
- ``formulas``: copies definitions with all that they use; ``source`` finds them, ``rewriting`` frees them of the stack.
- ``script``: the text that is written; ``wrapping`` breaks its lines.
"""

from bridle.exporting.code import to_code as to_code
