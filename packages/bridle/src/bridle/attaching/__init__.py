"""Attach a recipe to the user's own model, optimizer and training loop.

- The public side: ``handle`` (:func:`attach`, :class:`Handle`); ``assembly`` builds the parts of a recipe once its
  ``requirements`` and ``parameter_checks`` are met; ``handle_registry`` finds the handle of a model.
- Forward pass: ``batch_transforms`` with ``labels``; ``layers`` are inserted by ``hooks`` into the ``model_layout``;
  ``pass_recorder`` keeps what ``forward_penalties`` and ``checkpointed_penalties`` need; ``noise`` draws for all.
- Optimizer step: ``parameter_ops`` act on ``parameter_buckets`` of ``trained_parameters``, where they can as
  ``linear_forms``; ``parameter_groups`` decay; ``second_gradient`` with ``gradient_history`` and ``grad_scaler``;
  ``small_batches`` accumulate; ``late_parameters`` join; ``training_progress`` has step and learning rates;
  ``required_calls`` tells which calls the loop lacks.
- Evaluation: ``averages`` and ``ensemble_snapshots``, which ``evaluation_weights`` puts in, with ``running_statistics``
  measured anew; ``stopping``.
- The end: ``detaching``, or ``finishing``, by ``folding``, ``torch_layers``, ``module_placement``, a ``sample_input``.
- The loss: ``objectives`` knows torch's, ``loss_probing`` finds out about others.
- For the user: ``placement_log``, ``setup_notes``, ``placement_notes``, ``lora_notes``. ``handle_state`` saves.
"""

from bridle.attaching.handle import Handle as Handle
from bridle.attaching.handle import attach as attach
from bridle.attaching.handle import attached as attached
