"""An audit with one finding of each form: in a file, in a cell of a notebook, over several lines, of a model."""

from bridle_audit.findings import FileAudit, Finding, Findings, Location, Remark, RulePage

RELU = RulePage(
    "relu-on-logits",
    "error",
    "The outputs that the loss takes for logits cannot be negative.",
    "A network whose outputs are clamped at zero\nin front of a loss.",
    "A logit that is clamped has no gradient.",
    "model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())",
    "model = nn.Sequential(nn.Linear(2, 2))",
    "Lu et al., Dying ReLU, 2019, https://arxiv.org/abs/1903.06733\nA second one",
)
DECAY = RulePage(
    "decay-below-resolution", "warning", "Nothing decays.", "What", "Why", "a = 1", "a = 2", "Someone, 2000"
)
IN_FILE = Finding(
    "self.relu",
    "no output of 160 is negative and 52% are exactly zero: these logits are clamped and have no gradient; in 3% of "
    "the rows that is all of them",
    "return self.output(h)  # the last layer as it is: the loss takes its own softmax or sigmoid",
    {"zeros": 0.52, "infinite": float("inf")},
    Location("src/train.py", 12, 5, 12, 30),
    "relu-on-logits",
    "error",
)
IN_CELL = Finding(
    "", "the rate is 0.5", "del dropout", {}, Location("a notebook.ipynb", 2, 1, 3, 7, cell=4), "relu-on-logits", "note"
)
OVER_LINES = Finding(
    "Adam",
    "0 % of the weights\nchange: 100 %, of all",
    "optimizer = torch.optim.AdamW(\n    model.parameters(), weight_decay=0.01\n)",
    {"changed": 0.0},
    Location("src/train.py", 3, 9, 5, 2),
    "decay-below-resolution",
    "warning",
)
OF_MODEL = Finding("fc2.weight", "nothing decays", "weight_decay=0.1", {}, None, "decay-below-resolution", "warning")
AUDIT = FileAudit(
    Findings.of([IN_CELL, OVER_LINES, IN_FILE, OF_MODEL]),
    (Remark("old.py", "written for Python 2 (print statement, line 3); not read"),),
    ("src/train.py", "a notebook.ipynb"),
    ("models:make",),
    (RELU, DECAY),
)
NOTHING = FileAudit(Findings.of([]), files=("a.py",), rules=(RELU,))
