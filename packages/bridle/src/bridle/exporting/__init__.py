"""A recipe as plain PyTorch code, without bridle. Each module knows those below it:

- ``code``: the script as a whole.
- ``training``: the function ``train``; ``data_section``, ``optimizer``, ``batch_transforms``, ``objective``,
  ``updates``, ``averages`` and ``evaluation`` write its parts.
- ``penalties`` and ``passes``: the penalties in the loss, and the passes through the network that they need.
- ``spec``: what a script is written for; ``parameters``: the lists of parameters that it names.
- ``network``: the function ``build``; ``module_tree`` has its modules, ``parametrizations`` the formulas on weights,
  ``modules`` the classes of the recipe's layers, ``sizes`` the calls of torch's own.
- ``calls`` and ``knob_code``: calls of formulas, and what they are given.
- ``formulas``: copies definitions with all that they use; ``source`` finds them, ``rewriting`` frees them of the stack.
- ``script``: the text that is written; ``wrapping`` and ``line_parts`` break its lines.
"""

from bridle.exporting.code import to_code as to_code
