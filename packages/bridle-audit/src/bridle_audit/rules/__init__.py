"""The rules: the table of contents. One rule, one file; a new one is a line here."""

from __future__ import annotations

from types import ModuleType

from bridle_audit.rule import Rule
from bridle_audit.rules import average_at_wrong_time as average_at_wrong_time
from bridle_audit.rules import average_too_long as average_too_long
from bridle_audit.rules import average_without_buffers as average_without_buffers
from bridle_audit.rules import batch_norm_momentum as batch_norm_momentum
from bridle_audit.rules import batch_norm_without_statistics as batch_norm_without_statistics
from bridle_audit.rules import best_weights_not_restored as best_weights_not_restored
from bridle_audit.rules import bias_before_norm as bias_before_norm
from bridle_audit.rules import channel_dropout_on_sequence as channel_dropout_on_sequence
from bridle_audit.rules import clip_before_unscale as clip_before_unscale
from bridle_audit.rules import clipped_penalty as clipped_penalty
from bridle_audit.rules import constant_norm as constant_norm
from bridle_audit.rules import dead_output as dead_output
from bridle_audit.rules import decay_below_resolution as decay_below_resolution
from bridle_audit.rules import decay_over_schedule as decay_over_schedule
from bridle_audit.rules import decay_unit_slip as decay_unit_slip
from bridle_audit.rules import decay_without_gradient as decay_without_gradient
from bridle_audit.rules import decayed_bias as decayed_bias
from bridle_audit.rules import decayed_embedding as decayed_embedding
from bridle_audit.rules import decayed_scale_invariant as decayed_scale_invariant
from bridle_audit.rules import decayed_sparse_embedding as decayed_sparse_embedding
from bridle_audit.rules import decayed_weight_norm as decayed_weight_norm
from bridle_audit.rules import detached_penalty as detached_penalty
from bridle_audit.rules import double_decay as double_decay
from bridle_audit.rules import doubtful_pair as doubtful_pair
from bridle_audit.rules import drop_path_without_residual as drop_path_without_residual
from bridle_audit.rules import dropout_before_batch_norm as dropout_before_batch_norm
from bridle_audit.rules import dropout_on_logits as dropout_on_logits
from bridle_audit.rules import extreme_dropout as extreme_dropout
from bridle_audit.rules import foreign_parameter as foreign_parameter
from bridle_audit.rules import frozen_norm_moves as frozen_norm_moves
from bridle_audit.rules import frozen_parameter_moves as frozen_parameter_moves
from bridle_audit.rules import gap_in_training_mode as gap_in_training_mode
from bridle_audit.rules import inert_dropout as inert_dropout
from bridle_audit.rules import knob_at_off as knob_at_off
from bridle_audit.rules import l2_inside_adam as l2_inside_adam
from bridle_audit.rules import late_bound_penalty as late_bound_penalty
from bridle_audit.rules import max_norm_wrong_axis as max_norm_wrong_axis
from bridle_audit.rules import mixup_on_sorted_batch as mixup_on_sorted_batch
from bridle_audit.rules import noise_on_ids as noise_on_ids
from bridle_audit.rules import norm_after_norm as norm_after_norm
from bridle_audit.rules import norm_left_in_decay as norm_left_in_decay
from bridle_audit.rules import one_seed as one_seed
from bridle_audit.rules import over_regularized as over_regularized
from bridle_audit.rules import parameter_twice as parameter_twice
from bridle_audit.rules import penalized_bias as penalized_bias
from bridle_audit.rules import penalty_is_only_gradient as penalty_is_only_gradient
from bridle_audit.rules import penalty_never_added as penalty_never_added
from bridle_audit.rules import penalty_out_of_proportion as penalty_out_of_proportion
from bridle_audit.rules import penalty_per_micro_batch as penalty_per_micro_batch
from bridle_audit.rules import random_in_evaluation as random_in_evaluation
from bridle_audit.rules import relu_on_logits as relu_on_logits
from bridle_audit.rules import sam_counts_statistics_twice as sam_counts_statistics_twice
from bridle_audit.rules import scale_free_penalty as scale_free_penalty
from bridle_audit.rules import selu_with_plain_dropout as selu_with_plain_dropout
from bridle_audit.rules import smoothed_twice as smoothed_twice
from bridle_audit.rules import smoothed_validation_loss as smoothed_validation_loss
from bridle_audit.rules import smoothing_too_strong as smoothing_too_strong
from bridle_audit.rules import smoothing_with_class_weights as smoothing_with_class_weights
from bridle_audit.rules import softmax_before_cross_entropy as softmax_before_cross_entropy
from bridle_audit.rules import stacked_dropout as stacked_dropout
from bridle_audit.rules import state_not_saved as state_not_saved
from bridle_audit.rules import stops_on_test_data as stops_on_test_data
from bridle_audit.rules import subgradient_l1 as subgradient_l1
from bridle_audit.rules import sum_reduced_loss as sum_reduced_loss
from bridle_audit.rules import swa_without_update_bn as swa_without_update_bn
from bridle_audit.rules import swapped_decay_groups as swapped_decay_groups
from bridle_audit.rules import tied_penalized_twice as tied_penalized_twice
from bridle_audit.rules import tiny_batch_norm as tiny_batch_norm
from bridle_audit.rules import training_in_evaluation_mode as training_in_evaluation_mode
from bridle_audit.rules import undecayed_scale_invariant as undecayed_scale_invariant
from bridle_audit.rules import under_regularized as under_regularized
from bridle_audit.rules import unstated_decay as unstated_decay
from bridle_audit.rules import untrained_parameter as untrained_parameter
from bridle_audit.rules import validation_in_training_mode as validation_in_training_mode

FILES = [each for each in vars().copy().values() if isinstance(each, ModuleType) and each.__package__ == __name__]
RULES: dict[str, Rule] = {rule.name: rule for rule in map(Rule.of, FILES)}
