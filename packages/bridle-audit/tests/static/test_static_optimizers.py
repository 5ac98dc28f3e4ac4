import pytest
from flows import program

from bridle_audit.static import UNKNOWN


def optimizer(code):
    found = program(code).optimizers
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("code", "name", "lr", "decay"),
    [
        ("optim.Adam(model.parameters())", "torch.optim.Adam", None, None),
        ("optim.Adam(model.parameters(), lr=0.01)", "torch.optim.Adam", 0.01, None),
        ("optim.SGD(model.parameters(), 0.1, 0.9, 0, 5e-4)", "torch.optim.SGD", 0.1, 5e-4),
        ("optim.AdamW(model.parameters(), weight_decay=wd)", "torch.optim.AdamW", None, UNKNOWN),
        ("optim.AdamW(model.parameters(), **config)", "torch.optim.AdamW", UNKNOWN, UNKNOWN),
        ("optim.AdamW(model.parameters(), **{'lr': 1e-3, 'weight_decay': 0})", "torch.optim.AdamW", 1e-3, 0.0),
        ("from transformers import AdamW\nAdamW(p, weight_decay=0.1)", "transformers.AdamW", None, 0.1),
        ("import keras\nkeras.optimizers.AdamW(learning_rate=0.1)", "keras.optimizers.AdamW", 0.1, None),
        ("import keras\nkeras.optimizers.SGD(0.1)", "keras.optimizers.SGD", 0.1, None),
        ("from lion_pytorch import Lion\nLion(p, lr=1e-4, weight_decay=1e-2)", "lion_pytorch.Lion", 1e-4, 1e-2),
    ],
)
def test_what_an_optimizer_is_told_is_read(code, name, lr, decay):
    found = optimizer(code)
    assert (found.name, found.lr, found.decay) == (name, lr, decay)
    assert found.framework == name.partition(".")[0]


@pytest.mark.parametrize(
    ("code", "decoupled", "adaptive"),
    [
        ("optim.SGD(p)", False, False),
        ("optim.Adam(p)", False, True),
        ("optim.Adam(p, decoupled_weight_decay=True)", True, True),
        ("optim.NAdam(p, decoupled_weight_decay=flag)", UNKNOWN, True),
        ("optim.AdamW(p)", True, True),
        ("optim.RMSprop(p)", False, True),
        ("optim.Adagrad(p)", False, True),
        ("import keras\nkeras.optimizers.Adam(weight_decay=0.1)", True, True),
        ("import timm.optim\ntimm.optim.Lamb(p)", True, True),
    ],
)
def test_decoupled_and_adaptive_optimizers_are_told_apart(code, decoupled, adaptive):
    found = optimizer(code)
    assert (found.decoupled, found.is_adaptive) == (decoupled, adaptive)


@pytest.mark.parametrize(
    "given",
    [
        "model.parameters()",
        "self.parameters()",
        "list(model.parameters())",
        "[p for p in model.parameters() if p.requires_grad]",
        "filter(lambda p: p.requires_grad, model.parameters())",
        "params=model.parameters()",
    ],
)
def test_all_parameters_alike_are_the_whole_model(given):
    assert optimizer(f"optim.Adam({given})").whole_model
    assert optimizer(f"optim.Adam({given})").groups == []


@pytest.mark.parametrize(
    "given",
    [
        "model.fc.parameters(1)",
        "groups",
        "[p for p in model.parameters() if p.ndim > 1]",
        "filter(lambda p: p.ndim > 1, model.parameters())",
        "[{'params': model.parameters()}]",
    ],
)
def test_a_choice_of_parameters_is_not_the_whole_model(given):
    assert not optimizer(f"optim.Adam({given})").whole_model


def test_a_variable_is_looked_through():
    assert optimizer("p = model.parameters()\noptim.Adam(p)").whole_model
    found = optimizer(
        "groups = [{'params': a, 'weight_decay': 0.1}, {'params': b, 'weight_decay': 0.0}]\noptim.Adam(groups)"
    )
    assert [each.value("weight_decay", 0.5) for each in found.groups] == [0.1, 0.0]
    assert [found.syntax.source(each.expr("params")) for each in found.groups] == ["a", "b"]
    assert [each.value("lr", 0.5) for each in found.groups] == [0.5, 0.5]


@pytest.mark.parametrize("code", ["groups.append(x)", "groups += [x]", "groups[0]['lr'] = 1"])
def test_groups_that_are_changed_are_unknown(code):
    assert optimizer(f"groups = [{{'params': a}}]\n{code}\noptim.Adam(groups)").groups == []


def test_a_group_with_more_than_is_written_is_unknown():
    group = optimizer("optim.Adam([{'params': a, **more}])").groups[0]
    assert group.value("weight_decay", 0.0) is UNKNOWN


def test_schedulers_and_classes_that_are_not_called_are_no_optimizers():
    assert program("optim.lr_scheduler.StepLR(opt, 1)\nkind = optim.Adam\noptim.Optimizer(p, {})").optimizers == []
