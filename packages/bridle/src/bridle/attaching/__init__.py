"""Attach: a recipe acts in the user's own model, optimizer and loop.

Read in this order: ``handle`` (what the user holds), ``assembly`` (a recipe taken apart, once its ``requirements`` are
met), then the places of a step: ``batches``, ``layers`` (by ``hooks``), ``passes`` (penalties on what comes out),
``acts`` (on parameters and gradients), ``averages``, ``copies``, ``stopping``; and the end: what is ``lasting``, and
``finishing`` with ``folding``, ``torch_layers`` and ``replacing`` (norms that are taken in, or stay, and where) and
``sample`` (a row to try it on). The handle knows which of the loop's ``lines`` are called, adds up ``small_batches``,
takes the ``second_gradient`` (by ``history`` and ``grad_scaler``), lets the model be ``evaluated``, calls
``latecomers`` in before each step, and is saved by ``saving``. ``handles`` says whose handle a model has; ``advice``,
``neighbours`` and ``lora`` what one might overlook. ``tape`` and ``noise`` serve second passes, ``targets``, ``groups``
and ``sums`` the parameters; ``objectives``, ``unknown_losses`` and ``labels`` tell what the loss makes of targets.
"""

from bridle.attaching.handle import Handle as Handle
from bridle.attaching.handle import attach as attach
from bridle.attaching.handle import attached as attached
