"""The checks check: each accepts the small regularizers and catches a fault planted in one of them."""

import pytest
from card_checks import (
    FILE_CHECKS,
    check_card,
    check_example_shows_it,
    check_file_form,
    check_vanilla_is_free_of_torch,
    snake_case,
)
from small_regularizers import PLACES

from bridle.testing import checks_of
from bridle.testing.cards import (
    CARD_CHECKS,
    check_bad_knobs_are_refused,
    check_conflicts_are_known,
    check_example_runs,
    check_knobs_are_described,
    check_text_reads_back,
)
from bridle.testing.gradients import check_add_gradient, check_hand_gradient
from bridle.testing.layer_checks import (
    check_evaluation_agrees,
    check_gradient_by_hand,
    check_initial_values_agree,
    check_module_agrees,
)
from bridle.testing.numerical_checks import (
    EVERYWHERE,
    check_device_is_kept,
    check_edges_stay_finite,
    check_forms_agree,
    check_inputs_are_left_alone,
    check_precision_is_kept,
    check_stacked_by_vmap,
    check_stacked_natively,
    check_vanilla_runs_without_torch,
)
from bridle.testing.off_checks import check_never_off, check_off_is_identity
from bridle.testing.place_checks import (
    CHECKS_BY_PLACE,
    check_batch_stays_a_batch,
    check_copies_are_taken,
    check_measure_agrees,
    check_out_is_written,
    check_second_pass,
    check_shared_subjects,
    check_stop_decisions,
    check_weights_move_as_declared,
)

SILENT = """torch = staticmethod(cost)

    def __post_init__(self):
        try:
            super().__post_init__()
        except ValueError as error:
            raise ValueError("Cost: bad strength") from error
"""

COSTLY = "    Conflicts:\n        Costly: refused. Keep one.\n\n"
OTHERWISE = "torch = staticmethod(lambda w, *, strength, lr, out=None: w)"

FAULTS = [
    # check, regularizer, what is right, the fault planted instead
    (check_forms_agree, "Cost", "return strength * w.square", "return strength / 2 * w.square"),
    (check_forms_agree, "Shrink", "return torch.mul(w, 1 - lr * strength", "return torch.mul(w, 1 - strength"),
    (check_forms_agree, "Gain", "+ momentum * h.sum(0) / len(h)", "+ momentum * h.sum(0) / (len(h) - 1)"),
    (check_forms_agree, "Gain", ".view_as(state.mean)", ""),
    (check_forms_agree, "Tilt", '"down": -1}[way] * spread * noise)).to', '"down": 1}[way] * spread * noise)).to'),
    (
        check_forms_agree,
        "Blend",
        "firsts)\n    share = rate * noise\n    mixed",
        "groups)\n    share = rate * noise\n    mixed",
    ),
    (check_forms_agree, "Tether", "state.seen * moved, Remembered(squares(w))", "state.seen * moved, state"),
    (
        check_forms_agree,
        "Blur",
        "(step + 1) / steps\n    return share * a + (1 - share) * w, w\n\n\ndef",
        "step / steps\n    return share * a + (1 - share) * w, w\n\n\ndef",
    ),
    (check_vanilla_runs_without_torch, "Shrink", "return w - lr * strength * w", "return torch.tensor(w).numpy()"),
    (check_vanilla_runs_without_torch, "Hush", ", 2 * strength * h / len(h)", ", torch.asarray(h).mul(2).numpy()"),
    (check_hand_gradient, "Cost", ", 2 * strength * w", ", strength * w"),
    (check_hand_gradient, "Tether", "2 * state.seen * moved", "2 * moved"),
    (check_hand_gradient, "Hush", ", 2 * strength * h", ", strength * h"),
    (check_hand_gradient, "Hush", "2 * strength * h / len(h)", "0 * h"),
    (check_hand_gradient, "Modest", ", 2 * strength * h", ", strength * h"),
    (check_hand_gradient, "Gain", "(g * h).sum(0))", "(g * h).mean(0))"),
    (check_hand_gradient, "Gain", "(g * h).sum(0))", "(g * h).sum(0, keepdims=True))"),
    (check_hand_gradient, "Gain", "lambda g: (g * weight, (g * h).sum(0))", "lambda g: (g * weight,)"),
    (check_hand_gradient, "Stretch", "(g - along * w / length)", "g"),
    # a target that is held still in one of the two forms only
    (check_hand_gradient, "Agree", "np.zeros_like(z)", "-strength * 2 * apart / len(z)"),
    (check_hand_gradient, "Agree", "z.detach()", "z"),
    # both gradients are alike here, and both are wrong: only the small steps can tell
    (check_hand_gradient, "Cost", "return strength * (w**2).sum(), 2", "return strength * (w**2).sum() * 3, 2"),
    (check_hand_gradient, "Agree", "(apart**2).sum()", "(apart**2).sum() * 3"),
    (check_off_is_identity, "Cost", "off=0.0", "off=1e-9"),
    (check_off_is_identity, "Shrink", "return w - lr * strength * w", "return w - lr * (strength + 1e-15) * w"),
    (check_off_is_identity, "Cost", "return addcmul(g, w, w", "return addcmul(g * (1 + 1e-6), w, w"),
    (check_off_is_identity, "Tether", "strength * 2 * state.seen", "(strength + 1e-9) * 2 * state.seen"),
    (check_off_is_identity, "Gain", '"weight of the newest"', '"weight of the newest", off=0.0'),
    (check_off_is_identity, "Cost", "off=0.0, ", ""),
    (check_off_is_identity, "Tilt", "        return h\n", "        return h * (1 + 1e-9)\n"),
    (check_off_is_identity, "Blend", "x + rate * slope.sign()", "x + (rate + 1e-9) * slope.sign()"),
    (check_off_is_identity, "Blend", "(1 - share) * y + share", "(1 - share) * y + 1e-9 * share + 1e-15 + share"),
    (check_off_is_identity, "Agree", "+ radius * slope", "+ (radius + 1e-9) * slope"),
    (check_off_is_identity, "Damp", "return g / (1", "return g / (1 + 1e-15"),
    (check_off_is_identity, "Damp", "1 + strength * norm, out", "1 + torch.as_tensor(strength).max() * norm, out"),
    (check_off_is_identity, "Climb", "return w + radius * w.square", "return w * (1 + 1e-15) + radius * w.square"),
    (check_off_is_identity, "Blur", "(1 - share) * w, w", "(1 - share) * w, a"),
    (check_off_is_identity, "Enough", "(score > best + limit) * one", "(score > best + min(limit, 0.01)) * one"),
    (check_never_off, "Cost", "", ""),
    (check_never_off, "Gain", "return h * weight, Remembered(new", "return h, Remembered(new"),
    (check_never_off, "Stretch", "return w * size / length, now, backward", "return w, now, backward"),
    (
        check_stacked_natively,
        "Gain",
        "return h * weight, Remembered((",
        "return h * weight + 0 * h.mean(), Remembered((",
    ),
    (check_stacked_natively, "Shrink", "1 - lr * strength,", "1 - lr * torch.as_tensor(strength).mean(),"),
    (
        check_stacked_natively,
        "Tether",
        "state.seen * 2 * strength, out",
        "state.seen * 2 * torch.as_tensor(strength).max(), out",
    ),
    (
        check_stacked_natively,
        "Blend",
        "share = rate * noise\n    mixed",
        "share = torch.as_tensor(rate).max() * noise\n    mixed",
    ),
    (check_stacked_natively, "Hush", ".sum((-2, -1))", ".sum((-2, -1)).sum(0, keepdim=h.ndim > 2)"),
    (
        check_stacked_natively,
        "Enough",
        "score < state.best\n    best = torch",
        "score < state.best.max()\n    best = torch",
    ),
    (
        check_stacked_natively,
        "Choir",
        "Tensor) -> Tensor:\n    return z.mean(0)",
        "Tensor) -> Tensor:\n    return z.mean(0) + 0 * z.mean()",
    ),
    (check_edges_stay_finite, "Shrink", "(w, 1 - lr * strength", "(w / w.norm() * w.norm(), 1 - lr * strength"),
    (check_edges_stay_finite, "Climb", "w.square() * g / (norm + 1e-12)", "w.square() * g / norm"),
    (check_edges_stay_finite, "Stretch", "keepdim=True) + eps).sqrt()", "keepdim=True)).sqrt()"),
    (
        check_edges_stay_finite,
        "Blend",
        "share = rate * noise\n    mixed",
        "share = rate * noise * noise / noise\n    mixed",
    ),
    (check_precision_is_kept, "Shrink", "torch.mul(w, 1", "torch.mul(w.double(), 1"),
    (check_precision_is_kept, "Cost", "return strength * (w**2)", "return np.float64(strength) * (w**2)"),
    (check_precision_is_kept, "Gain", "(g * h).sum(0))", "(g * h).sum(0, dtype=np.float64))"),
    (check_precision_is_kept, "Gain", "return h * weight, Remembered((", "return h * weight.float(), Remembered(("),
    (check_precision_is_kept, "Blend", ", mixed.to(y.dtype)", ", mixed"),
    (check_precision_is_kept, "Tilt", ").to(h.dtype)", ")"),
    (check_precision_is_kept, "Tether", "added, Remembered", "added.double(), Remembered"),
    (check_device_is_kept, "Shrink", "(w, 1 -", "(w.cpu() if w.is_cpu else torch.ones(w.shape), 1 -"),
    (check_inputs_are_left_alone, "Shrink", "    return w - lr", "    w -= lr * strength * w\n    return w - lr"),
    (check_inputs_are_left_alone, "Gain", "return h * weight, Remembered((", "return h.mul_(weight), Remembered(("),
    (check_inputs_are_left_alone, "Gain", "return h * weight\n", "h *= weight\n        return h\n"),
    (check_inputs_are_left_alone, "Gain", "lambda g: (g * weight", "lambda g: (g.__imul__(weight)"),
    (check_inputs_are_left_alone, "Cost", "return addcmul(g, w", "return addcmul(g, w.mul_(2)"),
    (check_inputs_are_left_alone, "Climb", "return abs(w) * g", "g *= abs(w)\n        return g"),
    (
        check_inputs_are_left_alone,
        "Blend",
        "share = rate * noise\n    return",
        "noise *= rate\n    share = noise\n    return",
    ),
    (check_gradient_by_hand, "Tilt", "h * by, lambda", "h * by.abs().sqrt(), lambda"),
    (check_gradient_by_hand, "Tilt", "(g * by,)", "(g * by.mean(-3, keepdim=True),)"),
    (check_evaluation_agrees, "Gain", "return h * weight\n", "return h * (weight + h.std())\n"),
    (check_evaluation_agrees, "Stretch", "(w**2).sum((-2, -1))[..., None, None]", "(w**2).sum()"),
    (check_shared_subjects, "Gain", "weight, Remembered((", "weight.amax((0, 1)[: h.ndim - 2]), Remembered(("),
    (check_module_agrees, "Gain", "self.momentum * (h.detach", "0.1 * (h.detach"),
    (check_module_agrees, "Gain", '"mean", torch.zeros', '"average", torch.zeros'),
    (check_module_agrees, "Gain", "self.weight.view(self.each)", "self.weight.view(self.each) * (1 + self.training)"),
    (check_module_agrees, "Gain", "self.weight.view(self.each)", "self.weight.view(self.each) * (2 - self.training)"),
    (check_module_agrees, "Gain", ".movedim(1, -1).flatten(0, -2)", ".reshape(-1, h.shape[1])"),
    (
        check_initial_values_agree,
        "Stretch",
        "[..., None, None] ** 0.5\n\n\n@",
        "[..., None, None] ** 0.5 + w.std()\n\n\n@",
    ),
    (check_add_gradient, "Cost", "new_tensor(2.0)", "new_tensor(1.0)"),
    (check_add_gradient, "Tether", "added, Remembered(squares(w))", "added, state"),
    (check_out_is_written, "Cost", "* strength, out=out)", "* strength)"),
    (check_out_is_written, "Shrink", "strength, out=out)", "strength)"),
    (check_out_is_written, "Damp", "norm, out=out)", "norm, out=out).add_(g).sub_(g)"),
    (check_second_pass, "Agree", "+ radius * noise", "+ radius * noise.std() * noise"),
    (check_second_pass, "Agree", "+ radius * slope", "+ radius * slope.std() * slope"),
    (check_second_pass, "Agree", "def move(x", "def push(x"),
    (check_second_pass, "Agree", "    vanilla =", "    fresh_noise: ClassVar[bool] = True\n    vanilla ="),
    (check_measure_agrees, "Climb", "return abs(w) * g", "return (abs(w) * g).sum(-1)"),
    (check_measure_agrees, "Climb", "return abs(w) * g", "return abs(w) * g * w.sum()"),
    (check_batch_stays_a_batch, "Blend", "(1 - share) * y", "y"),
    (check_weights_move_as_declared, "Blur", "(1 - share) * w, w\n\n\n@", "(1 - share) * w, a\n\n\n@"),
    (check_copies_are_taken, "Choir", "return step, steps", "return step + 1, steps"),
    (check_copies_are_taken, "Choir", " or step + 1 == steps", " and steps > 7"),
    (
        check_copies_are_taken,
        "Choir",
        "Tensor) -> Tensor:\n    return z.mean(0)",
        "Tensor) -> Tensor:\n    return z.sum(0)",
    ),
    (check_stop_decisions, "Enough", "score < state.best\n    best = torch", "score <= state.best\n    best = torch"),
    (
        check_stop_decisions,
        "Enough",
        "score < state.best\n    best = np",
        "np.logical_not(score >= state.best)\n    best = np",
    ),
    (check_bad_knobs_are_refused, "Cost", "    torch =", "    __post_init__ = lambda self: None\n    torch ="),
    (check_bad_knobs_are_refused, "Cost", "torch = staticmethod(cost)", SILENT),
    (check_text_reads_back, "Cost", "    torch =", "    __repr__ = lambda self: 'Cost()'\n    torch ="),
    (check_text_reads_back, "Cost", "    torch =", "    to_json = lambda self: {'name': 'Cost'}\n    torch ="),
    (check_knobs_are_described, "Damp", "log=True", 'log=True, known_as=("on",)'),
    (check_knobs_are_described, "Cost", "log=True", 'log=True, differs=("weight_decay",)'),
    (check_conflicts_are_known, "Cost", "    Example:", COSTLY + "    Example:"),
    (check_file_form, "Cost", '"""A penalty: the sum of squares."""', ""),
    (check_file_form, "Cost", "cost_vanilla", "cost_numpy"),
    (check_file_form, "Cost", "@dataclass", "def cost(w, *, strength): return w\n\n\n@dataclass"),
    (check_file_form, "Shrink", "torch = staticmethod(shrink)", OTHERWISE),
    (check_vanilla_is_free_of_torch, "Cost", "cost_vanilla(w, ", "cost_vanilla(w: Tensor, "),
    (check_vanilla_is_free_of_torch, "Cost", "(w**2).sum(), 2", "float(addcmul(w, w, w).sum()), 2"),
    (check_card, "Cost", "Hurts when", "Harms when"),
    (check_card, "Cost", "        A check is checked.\n", ""),
    (check_card, "Cost", "https://example.org", "a library"),
    (check_card, "Cost", "Does a little.", "Does a little"),
    (check_example_runs, "Cost", "array([2., 2.])", "array([1., 1.])"),
    (check_example_shows_it, "Cost", "        >>> Cost.vanilla(np.ones(2), strength=1.0)[1]\n", ""),
]

BREAKDOWNS = [
    # the same, where torch or NumPy itself refuses what the check asks for
    (
        check_stacked_by_vmap,
        "Cost",
        "return strength * w.square",
        "return (strength if strength > 0 else 0) * w.square",
    ),
    (check_stacked_by_vmap, "Shrink", "return torch.mul(w, 1", "return torch.mul(w, w.norm() / w.norm().item()"),
    (check_stacked_natively, "Gain", "h.detach().mean(-2, keepdim=True)", "h.detach().mean(0, keepdim=True)"),
    (check_stacked_natively, "Hush", "h.square()", "h.view(h.shape[-2:]).square()"),
    (check_stacked_natively, "Tether", "torch.addcmul(g, w", "torch.addcmul(g, w.view(-1).view(w.shape)"),
    (
        check_shared_subjects,
        "Gain",
        "(here - state.mean)).view_as(state.mean)",
        "(here.view_as(state.mean) - state.mean))",
    ),
    (check_edges_stay_finite, "Cost", "2 * strength * w\n", "2 * strength * w**2 / w\n"),
    (check_edges_stay_finite, "Climb", "w**2 * g / (norm + 1e-12)", "w**2 * g / norm"),
    (check_second_pass, "Agree", "(1 + abs(slope))", "abs(slope)"),
    (check_module_agrees, "Gain", "self.weight.view(self.each)", "self.weight"),
    (check_initial_values_agree, "Tether", "(w * w).sum((-2, -1))", "1 / (w * w).sum((-2, -1))"),
    (check_initial_values_agree, "Stretch", "(w**2).sum((-2, -1))", "(w**2).sum((-2, -1)) * float((w**2).sum())"),
]


@pytest.mark.parametrize("name", PLACES)
def test_a_regularizer_without_fault_passes_every_check(load, name):
    leaf = load(name)
    for check in (*checks_of(leaf), *FILE_CHECKS):
        check(leaf)


def named(faults):
    return [pytest.param(*fault, id=f"{fault[0].__name__}-{fault[1]}-{fault[3]!r}") for fault in faults]


@pytest.mark.parametrize(("check", "name", "right", "fault"), named(FAULTS))
def test_a_check_catches_the_fault_planted_for_it(load, check, name, right, fault):
    leaf = load(name, right, fault)
    with pytest.raises(AssertionError):
        check(leaf)


@pytest.mark.parametrize(("check", "name", "right", "fault"), named(BREAKDOWNS))
def test_a_check_runs_into_the_fault_planted_for_it(load, check, name, right, fault):
    leaf = load(name, right, fault)
    with pytest.raises((RuntimeError, RuntimeWarning)):
        check(leaf)


def test_every_check_has_a_fault_that_it_catches():
    of_places = {check for checks in CHECKS_BY_PLACE.values() for check in checks}
    checks = {*EVERYWHERE, *of_places, *CARD_CHECKS, *FILE_CHECKS, check_off_is_identity, check_never_off}
    assert checks == {fault[0] for fault in (*FAULTS, *BREAKDOWNS)}


def test_the_name_of_a_file_follows_from_the_name_of_the_class():
    names = ["L2", "WeightDecay", "BatchNorm", "RMSNorm", "SAM", "L2ToInit", "RDrop", "ActivityL1"]
    files = ["l2", "weight_decay", "batch_norm", "rms_norm", "sam", "l2_to_init", "r_drop", "activity_l1"]
    assert [snake_case(name) for name in names] == files
