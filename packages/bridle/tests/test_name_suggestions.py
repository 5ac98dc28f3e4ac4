"""The field's words for knobs and methods: an error says what each is called here, and where it is another number."""

import pickle
from copy import deepcopy
from io import StringIO

import pytest
from rich.console import Console

import bridle
from bridle import CATALOG, Dropout, Recipe
from bridle.knobs import knobs
from bridle.name_suggestions import conversion, corrected_call, normalized, unknown_knob_message
from bridle.pages import explained
from bridle.pages.catalog import called_elsewhere
from bridle.pages.documents import page
from bridle.recipe import find_regularizer, regularizer_from_json

SAME = [
    ("Dropout", "p", 0.2, "Dropout calls p rate: Dropout(rate=0.2)"),
    ("Dropout", "drop_rate", 0.2, "Dropout calls drop_rate rate: Dropout(rate=0.2)"),
    ("SAM", "rho", 0.05, "SAM calls rho radius: SAM(radius=0.05)"),
    ("CutMix", "cutmix_alpha", 1.0, "CutMix calls cutmix_alpha alpha: CutMix(alpha=1.0)"),
    ("EMA", "beta", 0.99, "EMA calls beta decay: EMA(decay=0.99)"),
    ("ClipNorm", "max_norm", 1.0, "ClipNorm calls max_norm limit: ClipNorm(limit=1.0)"),
    ("LabelSmoothing", "label_smoothing", 0.1, "LabelSmoothing(strength=0.1)"),
    ("LabelSmoothing", "smoothing", 0.1, "LabelSmoothing(strength=0.1)"),
    ("WeightDecay", "weight_decay", 0.1, "WeightDecay calls weight_decay strength: WeightDecay(strength=0.1)"),
    ("StochasticDepth", "drop_prob", 0.1, "StochasticDepth calls drop_prob rate: StochasticDepth(rate=0.1)"),
    ("SpatialDropout", "p", 0.1, "SpatialDropout calls p rate: SpatialDropout(rate=0.1)"),
    ("GroupNorm", "num_groups", 8, "GroupNorm calls num_groups groups: GroupNorm(groups='8')"),
    ("L2", "lambda_", 0.1, "L2 calls lambda_ strength: L2(strength=0.1)"),
    ("L1", "lam", 0.1, "L1 calls lam strength: L1(strength=0.1)"),
    ("Lookahead", "k", 5, "Lookahead calls k period: Lookahead(period=5)"),
]
OTHER_NUMBERS = [
    ("L2", "weight_decay", 0.01, "torch's weight_decay = 2 · strength"),
    ("Dropout", "keep_prob", 0.8, "keep_prob, is the share that stays: 1 - rate"),
    ("DropConnect", "p", 0.5, "The paper's p is the share that stays: p = 1 - rate"),
    ("ElasticDistortion", "alpha", 34.0, "strength = alpha / 2"),
    ("ElasticNet", "l1", 0.1, "L1L2(l1 = strength · ratio, l2 = strength · (1 - ratio))"),
    ("RDrop", "alpha", 5.0, "The paper's α = 2 · strength"),
    ("StochasticDepth", "drop_path_rate", 0.1, "rise with depth"),
    ("SpectralPenalty", "lambda_", 0.01, "The paper's λ = 2 · strength"),
]


@pytest.mark.parametrize(("name", "word", "value", "said"), [*SAME, *OTHER_NUMBERS])
def test_the_fields_word_for_a_knob_gets_the_knob_or_the_conversion(name, word, value, said):
    with pytest.raises(TypeError) as in_python:
        CATALOG[name](**{word: value})
    with pytest.raises(ValueError) as in_text:
        Recipe.parse(f"{name}({word}={value!r})")
    with pytest.raises(ValueError) as in_json:
        regularizer_from_json({"name": name, word: value})
    assert said in str(in_python.value)
    assert str(in_python.value) == str(in_text.value) == str(in_json.value)
    calls = f"{name} calls {word} "
    assert str(in_python.value).startswith(calls)


@pytest.mark.parametrize(("name", "word", "value", "said"), OTHER_NUMBERS)
def test_another_number_is_never_offered_as_the_same(name, word, value, said):
    assert f"={value!r}" not in unknown_knob_message(CATALOG[name], word, {word: value}).partition(":")[0]
    assert "gives it another value" in unknown_knob_message(CATALOG[name], word, {word: value})


def test_all_that_was_given_stands_in_what_is_offered():
    with pytest.raises(TypeError, match=r"BatchNorm\(momentum=0\.01, eps=0\.001, at='Conv2d'\)"):
        bridle.BatchNorm(momentum=0.01, epsilon=1e-3, at="Conv2d")  # type: ignore[call-arg]  # refused


def test_what_is_given_in_place_of_a_number_is_not_repeated_at_length():
    assert corrected_call(Dropout, {"p": list(range(1000))}) == "Dropout(rate=...)"


def test_a_word_that_only_the_card_knows_gets_what_the_card_says():
    with pytest.raises(TypeError, match=r"SAM has no knob 'adaptive'; its knobs are radius, on .*adaptive=False"):
        bridle.SAM(adaptive=True)  # type: ignore[call-arg]  # refused


def test_no_word_has_two_meanings_and_another_number_is_told_by_the_card():
    for name, leaf in CATALOG.items():
        words = [word for each in knobs(leaf) for word in (each.name, *each.known_as, *each.differs)]
        assert len(words) == len(set(words)), name
        assert all(conversion(leaf, word) for each in knobs(leaf) for word in each.differs), name


def test_what_is_offered_is_accepted():
    for name, leaf in CATALOG.items():
        for each in knobs(leaf):
            for word in each.known_as:
                said = unknown_knob_message(leaf, word, {word: each.default})
                offered = corrected_call(leaf, {word: each.default})
                assert f"{name} calls {word} {each.name}: {offered}" in said
                assert Recipe.parse(offered) == Recipe.of(leaf())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Droput", "did you mean Dropout?"),
        ("dropout", "did you mean Dropout?"),
        ("batch_norm", "did you mean BatchNorm?"),
        ("BatchNormalization", "here it is called BatchNorm"),
        ("GradientClipping", "here it is called ClipNorm or ClipValue"),
        ("gradient_cliping", "did you mean ClipNorm or ClipValue?"),
        ("clip_grad_norm_", "here it is called ClipNorm"),
        ("AdamW", "here it is called WeightDecay"),
        ("ridge", "here it is called L2"),
        ("lasso", "here it is called L1"),
        ("DropPath", "here it is called StochasticDepth"),
        ("GaussianNoise", "here it is called InputNoise or ActivationNoise"),
    ],
)
def test_the_fields_name_for_a_method_gets_the_name_here(name, said):
    with pytest.raises(ValueError) as raised:
        find_regularizer(name)
    assert str(raised.value) == f"unknown regularizer {name!r}; {said}"
    with pytest.raises(AttributeError, match=rf"module 'bridle' has no attribute '{name}'; "):
        getattr(bridle, name)


def test_no_method_is_known_by_the_name_of_another():
    names = {normalized(name): name for name in CATALOG}
    for name, leaf in CATALOG.items():
        assert {names.get(normalized(word), name) for word in leaf.known_as} <= {name}


def test_a_name_that_python_looks_for_is_simply_absent():
    with pytest.raises(AttributeError, match=r"'__wrapped__'$"):
        bridle.__wrapped__  # noqa: B018


def test_the_pages_and_the_terminal_show_the_words():
    lines = called_elsewhere(CATALOG["DropBlock"])
    assert lines[0] == "the method: DropBlock2d"
    assert lines[1] == "rate: p, drop_prob, drop_rate; with another value keep_prob"
    console = Console(width=100, record=True, file=StringIO())
    console.print(explained("DropBlock"))
    assert "Called elsewhere:\n    the method: DropBlock2d" in console.export_text()
    assert all(f"- {each}" in page(CATALOG["DropBlock"]) for each in lines)


def test_regularizers_are_copied_and_pickled_as_before():
    unit = Dropout(rate=0.3, at="input")
    assert deepcopy(unit) == unit == pickle.loads(pickle.dumps(unit))


def test_a_text_may_say_lambda_which_python_keeps_for_itself():
    with pytest.raises(ValueError, match=r"L2 calls lambda_ strength: L2\(strength=0\.1\)"):
        Recipe.parse("Dropout(rate=0.2) + L2(lambda=0.1)")
