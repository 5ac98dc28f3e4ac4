"""Attach a recipe to the user's own model, optimizer and training loop.

- The public side: ``attachment`` (:func:`attach`) and ``handle`` (:class:`Handle`); ``assembly`` builds the parts of a
  recipe once its ``requirements`` and ``parameter_checks`` are met; ``handle_registry`` finds the handle of a model.
- Forward pass: ``batch_transforms`` with ``labels``; ``layers``, as ``torch_equivalents`` if there are, and
  ``parametrizing`` of weights, inserted into the ``model_layout`` by ``hooks``; ``pass_recorder`` keeps what
  ``forward_penalties`` and ``checkpointed_penalties`` need; ``noise`` draws for all.
- Optimizer step: ``optimizer_hooks`` call ``parameter_ops``, which act on ``parameter_buckets`` of
  ``trained_parameters``, as ``linear_forms`` if they are; ``optimizer_decay`` in ``parameter_groups``;
  ``second_gradient`` with ``gradient_history`` and ``grad_scaler``; ``gradient_accumulation`` by ``loss_terms``;
  ``late_parameters`` join; ``training_progress`` has steps and learning rates; ``required_calls`` tells which calls
  the loop lacks.
- Evaluation: ``averages`` and ``ensemble_snapshots``, which ``evaluation_weights`` swaps in, with
  ``running_statistics`` re-estimated; ``stopping``.
- The end: ``detaching``, or ``finishing`` by a ``finish_plan``, with ``folding``, ``torch_layers``,
  ``module_placement`` and a ``sample_input``.
- The loss: ``objectives`` knows torch's, ``loss_probing`` finds out about others.
- For the user: ``placement_log``, ``setup_notes``, ``placement_notes``, ``lora_notes``. ``handle_state`` saves.
"""

from bridle.attaching.attachment import attach as attach
from bridle.attaching.attachment import attached as attached
from bridle.attaching.handle import Handle as Handle
