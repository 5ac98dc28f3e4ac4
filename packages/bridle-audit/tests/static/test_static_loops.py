import pytest
from flows import program


def evaluations(code):
    """Name, model and whether it is put in evaluation mode."""
    return [(each.name, each.model, each.calls_eval) for each in program(code).evaluations]


SCORE = "correct += (out.argmax(1) == y).sum().item()"


def test_a_function_that_calls_backward_trains():
    code = """
def train(model, loader):
    model.train()
    for epoch in range(9):
        for x, y in loader:
            optimizer.zero_grad()
            scaler.scale(loss_fn(model(x), y)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    scheduler.step()
def other():
    pass
"""
    found = program(code).trainings
    assert [each.name for each in found] == ["train"]
    assert [len(each) for each in (found[0].backwards, found[0].steps, found[0].zero_grads, found[0].loops)] == [
        1,
        2,
        1,
        2,
    ]
    assert [each.location.line for each in found[0].named("clip_grad_norm_")] == [8]
    assert found[0].location.line == 2


def test_the_module_itself_may_train():
    found = program("for x, y in loader:\n    loss = f(x, y)\n    loss.backward()").trainings
    assert [(each.name, len(each.loops)) for each in found] == [("", 1)]


@pytest.mark.parametrize(
    "code",
    [
        f"def evaluate(model, loader):\n    with torch.no_grad():\n        out = model(x)\n        {SCORE}",
        f"@torch.no_grad()\ndef accuracy(model):\n    for x, y in loader:\n        out = model(x)\n        {SCORE}",
        f"def test_epoch(model):\n    for x, y in loader:\n        out = model(x)\n        {SCORE}",
    ],
)
def test_a_function_that_scores_a_model_evaluates(code):
    found = program(code).evaluations
    assert [(each.model, each.calls_eval, each.callers) for each in found] == [("model", False, [])]
    assert found[0].under_no_grad == ("no_grad" in code)


BODY = f"with torch.no_grad():\n        out = net(x)\n        {SCORE}"


@pytest.mark.parametrize(
    "code",
    [
        f"def evaluate(net):\n    net.eval()\n    {BODY}",
        f"def evaluate(net):\n    net.train(False)\n    {BODY}",
        f"def evaluate(net):\n    net.train(mode=False)\n    {BODY}",
        f"def evaluate(net):\n    {BODY}\nnet.eval()\nevaluate(net)",
        f"def evaluate(net):\n    {BODY}\ndef main():\n    net.eval()\n    evaluate(net)",
        f"def prepare(net):\n    net.eval()\ndef evaluate(net):\n    prepare(net)\n    {BODY}",
    ],
)
def test_evaluation_mode_is_found_where_it_is_set(code):
    assert evaluations(code) == [("evaluate", "net", True)]


def test_training_mode_is_no_evaluation_mode():
    assert evaluations(f"def evaluate(net):\n    net.train()\n    {BODY}") == [("evaluate", "net", False)]


def test_a_block_within_training_is_an_evaluation():
    code = f"""
def train(model):
    for x, y in loader:
        loss = f(model(x), y)
        loss.backward()
    with torch.no_grad():
        out = model(x)
        {SCORE}
"""
    assert evaluations(code) == [("train", "model", False)]
    assert program(code).evaluations[0].location.line == 7


def test_a_block_of_the_module_is_an_evaluation():
    code = f"model = f()\nwith torch.no_grad():\n    out = model(x)\n    {SCORE}"
    assert evaluations(code) == [("", "model", False)]


@pytest.mark.parametrize(
    "code",
    [
        # a generator's images, a teacher's targets, a target network
        "def train():\n    with torch.no_grad():\n        fake = netG(z)\n    loss.backward()",
        "def train():\n    with torch.no_grad():\n        best = target_net(s).max(1)\n    loss.backward()",
        "def train():\n    with torch.no_grad():\n        soft = teacher_model(x).argmax(1)\n    loss.backward()",
        # a framework calls eval() by itself
        "import lightning as L\nclass Lit(L.LightningModule):\n    def score(self, batch):\n"
        f"        out = self.model(x)\n        {SCORE}",
        # scores from somewhere else
        "def accuracy(outputs, y):\n    return (outputs.argmax(1) == y).float().mean()",
        "def evaluate():\n    correct = metrics(x)\n    return loader(correct)",
        # an embedding without a score
        "def extract(model):\n    with torch.no_grad():\n        return model(x)",
    ],
)
def test_what_is_no_evaluation_is_none(code):
    assert evaluations(code) == []
