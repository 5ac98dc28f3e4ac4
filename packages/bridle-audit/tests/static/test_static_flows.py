import pytest
from flows import kinds, net, program

FC = {"fc": "nn.Linear(4, 4)", "fc2": "nn.Linear(4, 4)"}


def flows(code):
    """The flows of all networks, by name."""
    return {each.name: kinds(each.flow) for each in program(code).networks}


@pytest.mark.parametrize(
    ("forward", "flow"),
    [
        ("return self.fc(x)", "linear"),
        ("x = F.relu(self.fc(x))\nreturn self.fc2(x)", "linear relu linear"),
        ("return self.fc2(self.fc(x).relu())", "linear relu linear"),
        ("return torch.sigmoid(self.fc(x))", "linear sigmoid"),
        ("return self.fc.forward(x)", "linear"),
        ("x = self.fc(x)\nx.relu_()\nreturn x", "linear relu"),
        ("x = x.view(x.size(0), -1)\nx = self.fc(x)\nreturn x.squeeze(-1)", "reshape linear reshape"),
        ("x = torch.flatten(x, 1)\nreturn self.fc(x.to(self.device).float())", "flatten linear"),
        ("x = self.fc(x)\nx = x / 0.07\nx += 1\nreturn -x", "linear scale shift scale"),
        ("x = self.fc(x)\nx = F.dropout(x, 0.5, training=self.training)\nreturn x", "linear dropout"),
        ("return F.log_softmax(self.fc(x), dim=1)", "linear log_softmax"),
        ("return self.fc(x)[:, 0]", "linear select"),
        ("out, hidden = self.fc(x)\nreturn out", "linear"),
        ("return self.fc(x), x", "linear"),
        ("return {'features': x, 'logits': self.fc(x)}", "linear"),
        ("y = self.fc(x)\nreturn y + self.fc2(F.relu(y))", "linear relu linear residual_add"),
        ("return F.relu(x + self.fc(x))", "linear residual_add relu"),
        ("return x * torch.sigmoid(self.fc(x))", "gate"),
        ("return torch.cat([self.fc(x), self.fc2(x)], dim=1)", "linear concat"),
        ("mask = torch.ones(3)\nreturn self.fc(x) * mask", "linear scale"),
        ("mask = torch.sigmoid(self.mask)\nreturn self.fc(x) * mask", "linear scale"),
        ("return self.other(self.fc(x))", "linear ?"),
        ("return unheard_of(self.fc(x))", "linear ?"),
        ("return self.fc(unheard_of(1))", "? linear"),
        ("return unheard_of(1)", "?"),
        ("return x @ self.weight + self.bias", "linear shift"),
        ("return x.clamp(min=0).abs()", "clamp abs"),
        ("return torch.utils.checkpoint.checkpoint(self.fc, x)", "linear"),
        ("act = torch.tanh\nreturn act(self.fc(x))", "linear tanh"),
        ("f = lambda h: F.relu(self.fc(h))\nreturn f(x)", "linear relu"),
        ("def f(h):\n    return F.relu(self.fc(h))\nreturn f(f(x))", "linear relu linear relu"),
        ("with torch.autocast('cuda'):\n    x = self.fc(x)\nreturn x", "linear"),
        ("try:\n    x = self.fc(x)\nfinally:\n    pass\nreturn x", "linear"),
        ("for _ in range(3):\n    x = self.fc(x)\nreturn x", "linear linear linear"),
        ("if self.training:\n    x = self.fc(x)\nelse:\n    x = F.softmax(x, 1)\nreturn x", "linear"),
        ("if not self.training:\n    return F.softmax(self.fc(x), 1)\nreturn self.fc(x)", "linear"),
        ("if x is None:\n    return self.fc2(x)\nreturn self.fc(x)", "linear"),
        ("return self.fc(x.detach())", "detach linear"),
        ("return self.fc(x.data)", "detach linear"),
    ],
)
def test_a_forward_is_followed(forward, flow):
    assert net(forward, **FC) == flow


@pytest.mark.parametrize(
    ("forward", "flow"),
    [
        ("if self.flag:\n    x = F.relu(x)\nreturn self.fc(x)", "? linear"),
        ("x = self.fc(x)\nif x.sum() > 0:\n    return F.relu(x)\nreturn x", "linear ?"),
        ("x = F.relu(x) if self.flag else x\nreturn self.fc(x)", "? linear"),
        ("x = self.fc(x)\nmatch self.flag:\n    case 1:\n        x = F.relu(x)\nreturn x", "linear ?"),
    ],
)
def test_what_is_not_decided_is_one_unknown_op(forward, flow):
    assert net(forward, **FC) == flow


def test_an_unknown_op_knows_its_alternatives():
    found = program(
        "class Net(nn.Module):\n    def __init__(self):\n        self.fc = nn.Linear(1, 1)\n"
        "    def forward(self, x):\n        x = self.fc(x)\n        if self.flag:\n            x = F.relu(x)\n"
        "        return x"
    ).networks[0]
    assert kinds(found.flow) == "linear ?"
    assert found.last is not None
    assert sorted(map(kinds, found.last.branches)) == ["", "relu"]
    assert (found.last.name, found.last.call, found.last.location.line) == ("?", None, 7)


def inner(code):
    """Lines as they stand in a method."""
    return code.strip().replace("\n", "\n        ")


CONSTRUCTIONS = {
    "sequence": "self.net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))",
    "list": "self.net = nn.Sequential(*[nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)])",
    "named": """
from collections import OrderedDict
layers = OrderedDict([("a", nn.Linear(1, 2)), ("b", nn.ReLU()), ("c", nn.Linear(2, 1))])
self.net = nn.Sequential(layers)
""",
    "appended": """
layers = []
layers.append(nn.Linear(1, 2))
layers += [nn.ReLU()]
layers.extend([nn.Linear(2, 1)])
self.net = nn.Sequential(*layers)
""",
    "inserted": """
layers = [nn.ReLU(), nn.Linear(2, 1), nn.Tanh()]
layers.insert(0, nn.Linear(1, 2))
layers.pop()
self.net = nn.Sequential(*layers)
""",
    "loop": """
layers = []
for a, b in zip([1, 2], [2, 1]):
    layers.append(nn.Linear(a, b))
    layers.append(nn.ReLU())
self.net = nn.Sequential(*layers[:-1])
""",
    "loop with a test": """
sizes = [1, 2, 1]
layers = []
for i in range(len(sizes) - 1):
    layers.append(nn.Linear(sizes[i], sizes[i + 1]))
    if i < len(sizes) - 2:
        layers.append(nn.ReLU())
self.net = nn.Sequential(*layers)
""",
    "added": """
self.net = nn.Sequential()
self.net.add_module("a", nn.Linear(1, 2))
self.net.append(nn.ReLU())
self.net.add_module("c", nn.Linear(2, 1))
""",
    "nested": "self.net = nn.Sequential(nn.Sequential(nn.Linear(1, 2), nn.ReLU()), nn.Sequential(nn.Linear(2, 1)))",
    "method": "self.net = self.build(nn.ReLU)",
    "static method": "self.net = self.build_too(nn.ReLU)",
    "partial": """
from functools import partial
layer = partial(nn.Linear, bias=False)
self.net = nn.Sequential(layer(1, 2), nn.ReLU(), layer(2, 1))
""",
    "identity": """
drop = nn.Dropout(0.1) if 0 > 1 else nn.Identity()
self.net = nn.Sequential(nn.Linear(1, 2), drop, nn.ReLU(), nn.Linear(2, 1))
""",
    "attributes": """
self.a, self.b = nn.Linear(1, 2), nn.ReLU()
self.net = lambda x: nn.Linear(2, 1)(self.b(self.a(x)))
""",
}


@pytest.mark.parametrize("way", CONSTRUCTIONS)
def test_a_sequence_is_put_together_in_many_ways(way):
    code = f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {inner(CONSTRUCTIONS[way])}
    def build(self, act):
        return nn.Sequential(nn.Linear(1, 2), act(), nn.Linear(2, 1))
    @staticmethod
    def build_too(act):
        return nn.Sequential(nn.Linear(1, 2), act(), nn.Linear(2, 1))
    def forward(self, x):
        return self.net(x)
"""
    assert flows(code) == {"Net": "linear relu linear"}


LISTS = {
    "comprehension": "self.layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(2)])",
    "unknown length": "self.layers = nn.ModuleList(nn.Linear(1, 1) for _ in range(n))",
    "appended": "self.layers = nn.ModuleList()\nfor _ in range(2):\n    self.layers.append(nn.Linear(1, 1))",
    "by name": """
for i in range(2):
    setattr(self, f"fc{i}", nn.Linear(1, 1))
self.layers = [self.fc0, self.fc1]
""",
}
TURNS = {
    "for": "for layer in self.layers:\n    x = F.relu(layer(x))\nreturn x",
    "enumerate": "for i, layer in enumerate(self.layers):\n    x = F.relu(layer(x))\nreturn x",
    "index": "return F.relu(self.layers[1](F.relu(self.layers[0](x))))",
    "range": "for i in range(len(self.layers)):\n    x = self.layers[i](x)\n    x = F.relu(x)\nreturn x",
}


@pytest.mark.parametrize("way", LISTS)
@pytest.mark.parametrize("turn", TURNS)
def test_a_list_of_layers_is_unrolled(way, turn):
    code = (
        f"class Net(nn.Module):\n    def __init__(self, n):\n        super().__init__()\n        {inner(LISTS[way])}\n"
    )
    assert flows(f"{code}    def forward(self, x):\n        {inner(TURNS[turn])}") == {"Net": "linear relu linear relu"}


def test_the_last_layer_of_a_loop_is_told_from_the_others():
    code = """
class Net(nn.Module):
    def __init__(self, sizes=(4, 8, 8, 2)):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)
"""
    assert flows(code) == {"Net": "linear relu linear relu linear"}


def test_classes_of_the_file_are_spliced_in_and_said_to_be_parts():
    code = """
class Block(nn.Module):
    def __init__(self, norm=nn.LayerNorm):
        super().__init__()
        self.norm, self.fc, self.drop = norm(4), nn.Linear(4, 4), nn.Dropout(0.1)
    def forward(self, x):
        return x + self.drop(self.fc(self.norm(x)))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block(norm=nn.BatchNorm1d))
        self.head = nn.Linear(4, 2)
    def forward(self, x):
        return self.head(self.blocks(x))
"""
    assert flows(code) == {
        "Block": "norm linear dropout residual_add",
        "Net": "norm linear dropout residual_add batch_norm linear dropout residual_add linear",
    }
    assert [each.is_part for each in program(code).networks] == [True, False]


def test_classes_derive_from_classes_of_the_file_and_from_layers():
    code = """
class Base(nn.Module):
    def __init__(self, act=nn.ReLU):
        super().__init__()
        self.fc, self.act = nn.Linear(1, 1), act()
    def forward(self, x):
        return self.head(self.act(self.fc(x)))
class Child(Base):
    def __init__(self):
        super().__init__(act=nn.Tanh)
        self.head = nn.Linear(1, 1)
class Grandchild(Child):
    def forward(self, x):
        return torch.softmax(super().forward(x), dim=1)
class Unit(nn.Sequential):
    def __init__(self, n):
        super().__init__(nn.Linear(n, n), nn.BatchNorm1d(n), nn.ReLU())
class Masked(nn.Linear):
    def forward(self, x):
        return F.relu(super().forward(x))
class Plain(nn.Dropout): ...
"""
    found = flows(code)
    assert found.pop("Base") == "linear relu ?"
    assert found.pop("Child") == "linear tanh linear"
    assert found.pop("Grandchild") == "linear tanh linear softmax"
    assert found.pop("Unit") == "linear batch_norm relu"
    assert found.pop("Masked") == "linear relu"
    assert set(found) <= {"Plain"}


def test_arguments_reach_the_layers_of_the_network_that_is_made():
    code = """
class Net(nn.Module):
    def __init__(self, p=0.5, bias=True):
        super().__init__()
        self.fc, self.drop = nn.Linear(4, 4, bias), nn.Dropout(p)
    def forward(self, x):
        return self.drop(self.fc(x))
"""
    flow = program(code).networks[0].flow
    assert (flow[0].value(2, "bias"), flow[1].number(0, "p", 0.5)) == (True, 0.5)
    flow = program(f"{code}net = Net(p=0.1, bias=False)").networks[0].flow
    assert (flow[0].value(2, "bias"), flow[1].number(0, "p", 0.5)) == (False, 0.1)
    flow = program(f"{code}net = Net(p=rate)").networks[0].flow
    assert flow[1].number(0, "p", 0.5) is None


def test_a_block_with_two_rates_has_each_in_its_place():
    code = """
class Block(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.drop = nn.Dropout(p)
    def forward(self, x):
        return self.drop(x)
net = nn.Sequential(Block(0.1), Block(0.4))
"""
    flow = next(each for each in program(code).networks if each.name == "net").flow
    assert [op.number(0, "p") for op in flow] == [0.1, 0.4]


def test_an_op_stands_where_it_is_written():
    code = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 1)
    def forward(self, x):
        return F.relu(self.fc(x)).tanh() + 1
"""
    flow = program(code).networks[0].flow
    assert [op.name for op in flow] == ["torch.nn.Linear", "torch.nn.functional.relu", "method:tanh", "operator:+"]
    assert [op.location.line for op in flow] == [5, 7, 7, 7]
    assert [op.location.column for op in flow] == [19, 16, 16, 16]
    assert [op.is_layer for op in flow] == [True, False, False, False]
    assert flow[3].call is None
    assert flow[3].value(0, "p", "nothing") == "nothing"


def test_sequences_with_names_are_networks_and_those_within_networks_are_not():
    code = """
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
def make():
    head = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid())
    return head
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        body = nn.Sequential(nn.Linear(1, 1))
        self.body = body
    def forward(self, x):
        return self.body(x)
class FocalLoss(nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(x, y) ** 2
make()
"""
    assert flows(code) == {"Net": "linear", "net": "flatten linear", "head": "linear sigmoid"}


@pytest.mark.parametrize("base", ["lightning.LightningModule", "pytorch_lightning.LightningModule", "elsewhere.Base"])
def test_networks_of_other_frameworks_are_networks(base):
    code = f"import {base.partition('.')[0]}\nclass Net({base}):\n    def forward(self, x):\n        return F.relu(x)"
    assert flows(code) == {"Net": "relu"}


def test_a_recurrent_network_is_followed():
    code = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.out = nn.Embedding(9, 4), nn.LSTM(4, 4, batch_first=True), nn.Linear(4, 2)
    def forward(self, text):
        h, (last, _) = self.lstm(self.embed(text))
        return self.out(h[:, -1])
"""
    assert flows(code) == {"Net": "embedding recurrent select linear"}


def test_a_resnet_is_followed_through_its_shortcuts():
    code = """
class Block(nn.Module):
    def __init__(self, a, b, stride=1, downsample=None):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3), nn.BatchNorm2d(b)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)
net = nn.Sequential(Block(3, 8, 2, nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8))), nn.Linear(8, 2))
"""
    block = "conv batch_norm relu conv batch_norm residual_add relu"
    assert flows(code) == {"Block": block, "net": f"{block} linear"}
    add = next(each for each in program(code).networks if each.name == "net").flow[5]
    assert [kinds(branch) for branch in add.branches] == ["conv batch_norm"]


@pytest.mark.parametrize(
    ("code", "flow"),
    [
        ("keras.Sequential([keras.Input((3,)), keras.layers.Embedding(9, 9)])", "embedding"),
        (
            "keras.Sequential([keras.layers.Dense(8, activation='relu'), keras.layers.Dropout(0.5)])",
            "linear relu dropout",
        ),
        ("keras.Sequential([keras.layers.Dense(8, 'linear'), keras.layers.Activation('softmax')])", "linear softmax"),
        (
            "keras.Sequential()\nnet.add(keras.layers.Dense(8))\nnet.add(keras.layers.BatchNormalization())",
            "linear batch_norm",
        ),
    ],
)
def test_networks_of_keras_are_followed(code, flow):
    assert flows(f"from tensorflow import keras\nnet = {code}") == {"net": flow}
