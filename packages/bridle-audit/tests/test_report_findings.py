"""What an audit has found, in the forms that people and programs read."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from audits import AUDIT, DECAY, IN_CELL, IN_FILE, NOTHING, OF_MODEL, OVER_LINES, RELU
from rich.console import Console

from bridle_audit.findings import FileAudit, Findings, Location, Remark
from bridle_audit.report import FORMS, audit_as, findings_text, remark_lines

ROOT = Path("/repository")
WIDTHS = pytest.mark.parametrize("width", [80, 140])


def on_terminal(audit, width=140):
    """What a terminal of that width shows, without its colours."""
    screen = io.StringIO()
    Console(file=screen, width=width, force_terminal=True, color_system=None).print(findings_text(audit))
    return [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()]


def one(finding, **changes):
    """An audit that found one thing."""
    return FileAudit(Findings.of([replace(finding, **changes)]), files=("a.py",), rules=(RELU, DECAY))


# On the terminal


@WIDTHS
def test_on_a_terminal_findings_are_grouped_by_file_and_nothing_is_lost(width):
    lines = on_terminal(AUDIT, width)
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line in ("the model", "a notebook.ipynb", "src/train.py")] == [
        "the model",
        "a notebook.ipynb",
        "src/train.py",
    ]
    shown = " ".join(" ".join(lines).split())
    for each in AUDIT.findings:
        assert f"{each.severity} {each.rule} {each.where}".rstrip() in shown
        assert " ".join(each.message.split()) in shown
        assert f"instead: {' '.join(each.cure.split())}" in shown


def test_within_a_file_findings_stand_by_line_with_their_columns_and_cells():
    starts = [line.split("  ")[1] for line in on_terminal(AUDIT) if re.match(r"  \S", line)]
    assert starts == ["warning", "cell 4, 2:1", "3:9", "12:5"]


def test_severities_are_coloured():
    screen = io.StringIO()
    Console(file=screen, width=140, force_terminal=True, color_system="standard").print(findings_text(AUDIT))
    colours = dict(re.findall(r"\x1b\[1;(3\d)m(error|warning|note)", screen.getvalue()))
    assert colours == {"31": "error", "33": "warning", "36": "note"}


def test_the_last_lines_count_and_name_the_command_that_says_why():
    assert on_terminal(AUDIT)[-2:] == [
        "1 error, 2 warnings, 1 note in 2 files and 1 model; 1 remark on what was not read",
        "why: bridle-audit --explain relu-on-logits,decay-below-resolution",
    ]
    assert on_terminal(NOTHING) == ["nothing found in 1 file"]
    assert on_terminal(replace(NOTHING, files=(), factories=("a:b",))) == ["nothing found in 1 model"]
    assert on_terminal(replace(NOTHING, files=())) == ["nothing found in no file"]


def test_of_many_rules_the_last_line_says_how_to_ask():
    many = FileAudit(Findings.of(replace(IN_FILE, rule=f"rule-{number}") for number in range(4)))
    assert on_terminal(many)[-1] == "why: bridle-audit --explain RULE"


# In lines


def test_in_a_pipe_a_finding_is_one_line_that_editors_can_take_apart():
    screen = io.StringIO()
    Console(file=screen, width=20).print(findings_text(AUDIT), soft_wrap=True)
    lines = screen.getvalue().splitlines()
    assert screen.getvalue() == audit_as("text", AUDIT, ROOT)
    found = [re.fullmatch(r"(?:(.+?):(?:cell (\d+):)?(\d+):(\d+): )?(\w+) ([\w-]+): (.*)", each) for each in lines[:-1]]
    assert [each and each.groups()[:6] for each in found] == [
        (None, None, None, None, "warning", "decay-below-resolution"),
        ("a notebook.ipynb", "4", "2", "1", "note", "relu-on-logits"),
        ("src/train.py", None, "3", "9", "warning", "decay-below-resolution"),
        ("src/train.py", None, "12", "5", "error", "relu-on-logits"),
    ]
    assert lines[-1].startswith("1 error, 2 warnings, 1 note in 2 files")
    assert "self.relu: no output of 160 is negative" in lines[3] and lines[3].endswith(f"; instead: {IN_FILE.cure}")
    assert "AdamW" not in lines[2], "a cure of several lines does not go into one"


def test_what_a_file_smuggles_in_is_not_obeyed_by_a_terminal_nor_breaks_a_line():
    evil = one(IN_FILE, where="a\x1b[2Jb\r\nc", location=Location("\udc80\x07\n.py", 1, 1, 1, 2))
    remark = replace(evil, remarks=(Remark("\x1b[2J.py", "two\nlines"),))
    for text in ("\n".join(on_terminal(evil)), audit_as("text", evil, ROOT), *remark_lines(remark)):
        assert not set("\x1b\r\x07\udc80") & set(text)
    assert audit_as("text", evil, ROOT).count("\n") == 2
    assert remark_lines(remark) == ["\\x1b[2J.py: two lines"]
    for form in FORMS:
        assert audit_as(form, remark, ROOT).encode()


# As JSON


def test_json_holds_everything_and_is_strict():
    read = json.loads(audit_as("json", AUDIT, ROOT), parse_constant=pytest.fail)
    assert read["version"] == 3
    assert [each["rule"] for each in read["findings"]] == [each.rule for each in AUDIT.findings]
    first = read["findings"][0]
    assert first["location"] == {
        "file": "src/train.py",
        "line": 12,
        "column": 5,
        "end_line": 12,
        "end_column": 30,
        "cell": None,
    }
    assert first["numbers"] == {"zeros": 0.52, "infinite": None}
    assert first["cure"] == IN_FILE.cure and first["page"] == "docs/audit/rules/relu-on-logits.md"
    assert read["remarks"] == [{"file": "old.py", "text": AUDIT.remarks[0].text}]
    assert (read["files"], read["factories"]) == (["src/train.py", "a notebook.ipynb"], ["models:make"])


# As SARIF: the parts of its schema that are used, strict about names; from the standard, section numbers behind them.

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
POSITIVE = {"type": "integer", "minimum": 1}


def strict(required, **properties):
    """An object that has these properties and no others."""
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


ADDRESS = strict(["uri"], uri={"type": "string", "format": "uri-reference"}, uriBaseId={"type": "string"})  # 3.4
REGION = strict(  # 3.30
    ["startLine"], startLine=POSITIVE, startColumn=POSITIVE, endLine=POSITIVE, endColumn=POSITIVE
)
LOCATION = strict(  # 3.28, 3.29, 3.33
    [],
    physicalLocation=strict(["artifactLocation"], artifactLocation=ADDRESS, region=REGION),
    logicalLocations={"type": "array", "items": strict([], fullyQualifiedName={"type": "string", "minLength": 1})},
)
LOCATIONS = {"type": "array", "items": LOCATION}
RULE = strict(  # 3.49
    ["id"],
    id={"type": "string", "pattern": "^[a-z0-9-]+$"},
    shortDescription=TEXT,
    fullDescription=TEXT,
    help=strict(["text"], text={"type": "string"}, markdown={"type": "string"}),
    defaultConfiguration=strict([], level=LEVEL),
)
NOTIFICATION = strict(["message"], level=LEVEL, message=TEXT, locations=LOCATIONS)  # 3.58
RESULT = strict(  # 3.27
    ["message"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=TEXT,
    locations=LOCATIONS,
    properties={"type": "object"},
)
DRIVER = strict(  # 3.19
    ["name"], name={"type": "string"}, version={"type": "string"}, rules={"type": "array", "items": RULE}
)
INVOCATION = strict(  # 3.20
    ["executionSuccessful"],
    executionSuccessful={"type": "boolean"},
    toolExecutionNotifications={"type": "array", "items": NOTIFICATION},
)
RUN = strict(  # 3.14
    ["tool"],
    tool=strict(["driver"], driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations={"type": "array", "items": INVOCATION},
    results={"type": "array", "items": RESULT},
)
LOG = strict(  # 3.13
    ["version", "runs"],
    **{"$schema": {"type": "string"}, "version": {"const": "2.1.0"}, "runs": {"type": "array", "items": RUN}},
)


def sarif(audit, root=ROOT):
    """The one run of a log that is valid."""
    log = json.loads(audit_as("sarif", audit, root), parse_constant=pytest.fail)
    jsonschema.Draft7Validator(LOG).validate(log)
    (run,) = log["runs"]
    return run


def test_sarif_is_valid_and_declares_the_rules_with_their_pages():
    run = sarif(AUDIT)
    rules = run["tool"]["driver"]["rules"]
    assert [each["id"] for each in rules] == [RELU.name, DECAY.name]
    assert rules[0]["shortDescription"]["text"] == RELU.summary
    assert rules[0]["fullDescription"]["text"] == "A network whose outputs are clamped at zero in front of a loss."
    assert [each["defaultConfiguration"]["level"] for each in rules] == ["error", "warning"]
    for part in (RELU.why, RELU.instead, "1903.06733"):
        assert part in rules[0]["help"]["text"] and part in rules[0]["help"]["markdown"]
    assert f"```python\n{RELU.example}\n```" in rules[0]["help"]["markdown"]
    assert sarif(NOTHING)["results"] == []


def test_a_schema_that_is_broken_is_noticed():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(LOG).validate({"version": "2.1.0", "runs": [{"tool": {}}]})


def test_a_result_names_its_rule_its_level_what_to_do_and_where():
    first = sarif(AUDIT)["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("relu-on-logits", 0, "error")
    assert first["message"]["text"] == f"self.relu: {IN_FILE.message}\n\nInstead:\n{IN_FILE.cure}"
    (where,) = first["locations"]
    assert where["physicalLocation"] == {
        "artifactLocation": {"uri": "src/train.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 12, "startColumn": 5, "endLine": 12, "endColumn": 30},
    }
    assert first["properties"] == {"numbers": {"zeros": 0.52, "infinite": None}}


def test_a_cell_of_a_notebook_is_named_in_words_as_its_lines_are_none_of_the_file():
    (cell,) = sarif(one(IN_CELL))["results"]
    (where,) = cell["locations"]
    assert where["physicalLocation"]["region"] == {"startLine": 1}
    assert where["logicalLocations"] == [{"fullyQualifiedName": "cell 4"}]
    assert cell["message"]["text"].startswith("cell 4, line 2: the rate is 0.5")


def test_a_finding_of_a_model_is_located_by_its_layer_alone():
    (found,) = sarif(one(OF_MODEL))["results"]
    assert found["locations"] == [{"logicalLocations": [{"fullyQualifiedName": "fc2.weight"}]}]
    assert found["ruleIndex"] == 1


def test_files_are_named_from_the_root_with_slashes_and_as_addresses(tmp_path):
    (tmp_path / "pack").mkdir()

    def address(file, root=tmp_path):
        (found,) = sarif(one(IN_FILE, location=Location(str(file), 1, 1, 1, 2)), root)["results"]
        return found["locations"][0]["physicalLocation"]["artifactLocation"]

    assert address("pack/a b.py") == {"uri": "pack/a%20b.py", "uriBaseId": "%SRCROOT%"}
    assert address(tmp_path / "pack" / "ü#?.py")["uri"] == "pack/%C3%BC%23%3F.py"
    assert address("pack/../c.py")["uri"] == "c.py"
    assert address("\udcff.py")["uri"] == "%FF.py"
    elsewhere = address(tmp_path / "other.py", tmp_path / "pack")
    assert list(elsewhere) == ["uri"] and unquote(elsewhere["uri"]) == f"file://{tmp_path}/other.py"


def test_what_was_not_read_is_a_notification_of_a_run_that_succeeded():
    (invocation,) = sarif(AUDIT)["invocations"]
    assert invocation["executionSuccessful"] is True
    (told,) = invocation["toolExecutionNotifications"]
    assert told["message"]["text"] == AUDIT.remarks[0].text
    assert told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "old.py"


# As GitHub's annotations


def parsed(text):
    """The commands of a log, read as GitHub's runner reads them: command, properties, message."""
    for each in text.splitlines():
        matched = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", each)
        assert matched is not None, each
        command, properties, message = matched.groups()
        pairs = (pair.split("=", 1) for pair in properties.split(","))
        yield command, {key: unquote(value) for key, value in pairs}, unquote(message)


def test_annotations_mark_lines_with_a_title_and_survive_the_way_github_reads_them():
    error, over_lines, model, cell, remark = parsed(audit_as("github", AUDIT, ROOT))
    assert error == (
        "error",
        {
            "file": "src/train.py",
            "line": "12",
            "endLine": "12",
            "col": "5",
            "endColumn": "30",
            "title": "relu-on-logits",
        },
        f"self.relu: {IN_FILE.message}\nInstead: {IN_FILE.cure}",
    )
    assert (
        over_lines[0] == "warning"
        and over_lines[2] == f"Adam: 0 % of the weights change: 100 %, of all\nInstead: {OVER_LINES.cure}"
    )
    assert model == ("warning", {"title": OF_MODEL.rule}, "fc2.weight: nothing decays\nInstead: weight_decay=0.1")
    assert cell[:2] == ("notice", {"file": "a notebook.ipynb", "title": "relu-on-logits"})
    assert cell[2].startswith("cell 4, line 2: ")
    assert remark == ("notice", {"file": "old.py", "title": "not read by bridle-audit"}, AUDIT.remarks[0].text)


def test_columns_are_left_out_where_lines_differ_as_github_refuses_them():
    (_, properties, _) = next(parsed(audit_as("github", one(OVER_LINES), ROOT)))
    assert properties == {"file": "src/train.py", "line": "3", "endLine": "5", "title": "decay-below-resolution"}


def test_an_annotation_is_one_line_whatever_is_in_it():
    text = audit_as("github", one(IN_FILE, message="a\r\n100 %: b,c", location=Location("x,y:z.py", 1, 1, 1, 2)), ROOT)
    assert text.count("\n") == 1
    ((_, properties, message),) = parsed(text)
    assert properties["file"] == "x,y:z.py"
    assert message.startswith("self.relu: a 100 %: b,c\nInstead: ")


def test_an_unknown_form_is_named():
    with pytest.raises(ValueError, match="format must be one of text, json, sarif, github, got 'xml'"):
        audit_as("xml", AUDIT, ROOT)
