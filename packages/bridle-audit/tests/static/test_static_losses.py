import pytest
from flows import kinds, program

from bridle_audit.static import UNKNOWN

NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc(x)
"""


def losses(code, net=NET):
    """Kind and path of each loss."""
    return [(each.kind, kinds(each.logits)) for each in program(net + code).losses]


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("model = Net()\nloss = nn.CrossEntropyLoss()(model(x), y)", "linear"),
        ("model, criterion = Net(), nn.CrossEntropyLoss()\nloss = criterion(model(x), y)", "linear"),
        ("model = Net().to(device)\nout = model(x)\nloss = F.cross_entropy(out, y)", "linear"),
        ("model = nn.DataParallel(Net())\nloss = F.cross_entropy(input=model(x), target=y)", "linear"),
        ("model = torch.compile(Net())\nloss = F.cross_entropy(model.forward(x), y)", "linear"),
        ("model = Net()\nout = torch.softmax(model(x), 1)\nloss = F.cross_entropy(out, y)", "linear softmax"),
        ("model = Net()\nloss = F.cross_entropy(model(x).relu(), y)", "linear relu"),
        (
            "model = Net()\nout = F.dropout(model(x))\nloss = F.cross_entropy(out.view(-1, 2), y)",
            "linear dropout reshape",
        ),
        ("model = nn.Sequential(Net(), nn.Softmax(1))\nloss = F.cross_entropy(model(x), y)", "linear softmax"),
        ("def step(m, x):\n    return m(x)\nloss = F.cross_entropy(step(Net(), x), y)", "linear"),
        ("for x, y in loader:\n    out = model(x)\n    loss = F.cross_entropy(out, y)", "?"),
        ("loss = F.cross_entropy(torch.softmax(model(x), 1), y)", "? softmax"),
        ("loss = F.cross_entropy(outputs.softmax(1), y)", "? softmax"),
        ("def loss_fn(logits, y):\n    return F.cross_entropy(torch.softmax(logits, 1), y)", "? softmax"),
        (
            "m = Net()\ndef closure():\n    loss = F.cross_entropy(m(x), y)\n    return loss\nopt.step(closure)",
            "linear",
        ),
        ("h = torch.relu(x @ w1 + b1)\nloss = F.cross_entropy(h @ w2, y)", "? linear shift relu linear"),
    ],
)
def test_the_logits_are_followed_back_to_the_network(code, path):
    assert losses(code) == [("cross_entropy", path)]


TRAIN = """
def train(model, x, y, criterion, optimizer, epochs=500):
    for epoch in range(epochs):
        preds = model(x)
        loss = criterion(preds, y.long())
        loss.backward()
"""


def test_criterion_and_network_are_bound_at_each_call():
    code = f"""{NET}{TRAIN}
class Other(nn.Module):
    def forward(self, x):
        return F.relu(x)
train(Net(), x, y, nn.CrossEntropyLoss(), opt)
train(Other(), x, y, criterion=nn.BCEWithLogitsLoss(), optimizer=opt)
"""
    found = program(code).losses
    assert [(each.kind, each.network and each.network.name, kinds(each.logits)) for each in found] == [
        ("cross_entropy", "Net", "linear"),
        ("bce_logits", "Other", "relu"),
    ]
    assert [each.constructor.name for each in found] == ["torch.nn.CrossEntropyLoss", "torch.nn.BCEWithLogitsLoss"]
    assert {each.location.line for each in found} == {12}
    assert {each.function and each.function.name for each in found} == {"train"}


def test_one_call_on_the_same_path_is_one_loss():
    code = f"{TRAIN}\ncriterion = nn.CrossEntropyLoss()\nfor _ in range(3):\n    train(Net(), x, y, criterion, opt)"
    assert losses(code) == [("cross_entropy", "linear")]


def test_a_criterion_that_nobody_passes_is_not_guessed():
    assert losses(TRAIN) == []


def test_the_network_of_the_moment_counts():
    code = """
model = nn.Sequential(nn.Linear(1, 1))
def train():
    return F.cross_entropy(model(x), y)
train()
model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
train()
"""
    assert losses(code) == [("cross_entropy", "linear"), ("cross_entropy", "linear relu")]


TRAINER = """
class Trainer:
    def __init__(self, model, criterion=None):
        self.model = model
        self.criterion = criterion or nn.CrossEntropyLoss(label_smoothing=0.1)
    def fit(self, loader):
        self.model.train()
        for x, y in loader:
            self.step(x, y)
    def step(self, x, y):
        loss = self.criterion(self.model(x), y)
        loss.backward()
"""


@pytest.mark.parametrize("use", ["Trainer(Net()).fit(loader)", "trainer = Trainer(Net())", "Trainer(model=Net())"])
def test_an_object_that_trains_is_followed(use):
    found = program(f"{NET}{TRAINER}{use}").losses
    assert [(each.kind, kinds(each.logits), each.smoothing) for each in found] == [("cross_entropy", "linear", 0.1)]


def test_an_object_that_nobody_makes_is_followed_all_the_same():
    assert losses(TRAINER) == [("cross_entropy", "?")]


LIGHTNING = """
import lightning as L
class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net, self.loss = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid()), nn.BCEWithLogitsLoss()
    def forward(self, x):
        return self.net(x)
    def training_step(self, batch, index):
        x, y = batch
        return self.loss(self(x), y)
    def validation_step(self, batch, index):
        return self.shared(batch)
    def shared(self, batch):
        x, y = batch
        return F.binary_cross_entropy(self(x), y)
"""


def test_the_steps_of_lightning_are_followed():
    assert losses(LIGHTNING, "") == [("bce_logits", "linear sigmoid"), ("bce", "linear sigmoid")]
    assert [each.network and each.network.name for each in program(LIGHTNING).losses] == ["Lit", "Lit"]


HUGGING_FACE = """
from transformers import BertModel, BertPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
class Classifier(BertPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.bert = BertModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
    def forward(self, input_ids=None, attention_mask=None, labels=None):
        outputs = self.bert(input_ids, attention_mask=attention_mask)
        logits = self.classifier(self.dropout(outputs[1]))
        loss = None
        if labels is not None:
            loss_fct = nn.CrossEntropyLoss()
            loss = loss_fct(logits.view(-1, self.num_labels), labels.view(-1))
        return SequenceClassifierOutput(loss=loss, logits=logits)
"""


def test_a_network_that_computes_its_own_loss_has_both():
    found = program(HUGGING_FACE)
    assert [kinds(each.flow) for each in found.networks] == ["other select dropout linear"]
    assert [(each.kind, kinds(each.logits)) for each in found.losses] == [
        ("cross_entropy", "other select dropout linear reshape")
    ]
    assert found.losses[0].network is found.networks[0]
    assert found.networks[0].flow[0].name == "transformers.BertModel"


def test_the_head_of_a_librarys_model_is_followed():
    code = """
import torchvision
model = torchvision.models.resnet18()
model.fc = nn.Sequential(nn.Linear(512, 10), nn.Softmax(dim=1))
loss = F.cross_entropy(model(x), y)
"""
    assert losses(code) == [("cross_entropy", "other linear softmax")]


@pytest.mark.parametrize(
    "code",
    [
        "with torch.no_grad():\n    loss = F.cross_entropy(Net()(x), y)",
        "@torch.no_grad()\ndef evaluate(model):\n    return F.cross_entropy(model(x), y)\nevaluate(Net())",
        "def score(model):\n    return F.cross_entropy(model(x), y)\nwith torch.inference_mode():\n    score(Net())",
    ],
)
def test_a_loss_under_no_grad_is_an_evaluation(code):
    assert [each.under_no_grad for each in program(NET + code).losses] == [True]


def test_one_function_for_training_and_evaluation_gives_both():
    score = "def score(m):\n    return F.cross_entropy(m(x), y)"
    code = f"{NET}{score}\nm = Net()\nscore(m)\nwith torch.no_grad():\n    score(m)"
    assert sorted(each.under_no_grad for each in program(code).losses) == [False, True]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("nn.CrossEntropyLoss()(z, y)", "cross_entropy"),
        ("nn.NLLLoss()(z, y)", "nll"),
        ("F.nll_loss(z, y)", "nll"),
        ("nn.BCEWithLogitsLoss()(z, y)", "bce_logits"),
        ("F.binary_cross_entropy_with_logits(z, y)", "bce_logits"),
        ("nn.BCELoss()(z, y)", "bce"),
        ("nn.MSELoss()(z, y)", "mse"),
        ("F.l1_loss(z, y)", "l1"),
        ("F.huber_loss(z, y)", "smooth_l1"),
        ("nn.KLDivLoss()(z, y)", "kl"),
        ("timm.loss.SoftTargetCrossEntropy()(z, y)", "soft_cross_entropy"),
    ],
)
def test_losses_are_told_apart(call, kind):
    assert losses(f"import timm\nloss = {call}", "") == [(kind, "?")]


def test_what_a_loss_is_told_can_be_asked():
    code = """
a = nn.CrossEntropyLoss(weight=w, label_smoothing=0.1, reduction="sum")(z, y)
b = F.cross_entropy(z, target=y, label_smoothing=eps)
c = nn.CrossEntropyLoss(**options)(z, y)
"""
    a, b, c = program(code).losses
    assert a.weight is not None and a.target is not None and b.target is not None
    assert (a.smoothing, a.reduction, program(code).source(a.weight)) == (0.1, "sum", "w")
    assert (b.smoothing, b.reduction, b.weight) == (UNKNOWN, "mean", None)
    assert (c.smoothing, c.reduction) == (UNKNOWN, UNKNOWN)
    assert a.syntax.source(a.target) == b.syntax.source(b.target) == "y"
    assert a.last is None or a.last.kind == "?"


def test_the_last_op_that_changes_values_is_found_behind_shapes():
    found = program(f"{NET}loss = F.cross_entropy(Net()(x).relu().view(-1, 2).squeeze(), y)").losses[0]
    assert found.last is not None and found.last.name == "method:relu"


KERAS = """
import keras
from keras import layers
model = keras.Sequential([layers.Dense(10, activation="softmax")])
model.compile(optimizer="adam", loss={})
"""


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("'sparse_categorical_crossentropy'", "nll_probabilities"),
        ("keras.losses.SparseCategoricalCrossentropy()", "nll_probabilities"),
        ("keras.losses.SparseCategoricalCrossentropy(from_logits=True)", "cross_entropy"),
        ("keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)", "cross_entropy"),
        ("keras.losses.BinaryCrossentropy(from_logits=True)", "bce_logits"),
        ("'binary_crossentropy'", "bce"),
        ("'mse'", "mse"),
    ],
)
def test_losses_of_keras_say_whether_they_take_logits(loss, kind):
    found = program(KERAS.format(loss)).losses
    assert [(each.kind, kinds(each.logits), each.network and each.network.name) for each in found] == [
        (kind, "linear softmax", "model")
    ]
    assert found[0].smoothing == (0.1 if "smoothing" in loss else 0.0)


@pytest.mark.parametrize(
    "call",
    [
        "keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x))",
        "keras.losses.sparse_categorical_crossentropy(y, model(x), from_logits=True)",
    ],
)
def test_losses_of_keras_take_the_targets_first(call):
    code = "import keras\ninputs = keras.Input((3,))\noutputs = keras.layers.Dense(2, 'softmax')(inputs)\n"
    found = program(f"{code}model = keras.Model(inputs, outputs)\nloss = {call}")
    assert [(each.kind, kinds(each.logits), each.network and each.network.name) for each in found.losses] == [
        ("cross_entropy", "linear softmax", "model")
    ]
    assert [each.name for each in found.networks] == ["model"]


@pytest.mark.parametrize(
    "loss", ["keras.losses.Huber()", "my_loss", "keras.losses.BinaryCrossentropy(from_logits=flag)"]
)
def test_a_loss_of_keras_that_is_not_known_is_left_out(loss):
    assert program(KERAS.format(loss)).losses == []


def test_an_argument_that_is_said_to_be_a_network_is_followed():
    assert losses("def score(model: Net, x):\n    return F.cross_entropy(model(x), y)") == [("cross_entropy", "linear")]
    assert losses("def score(model: nn.Module, x):\n    return F.cross_entropy(model(x), y)") == [
        ("cross_entropy", "?")
    ]
