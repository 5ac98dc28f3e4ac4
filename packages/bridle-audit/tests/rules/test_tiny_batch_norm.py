"""One or two values per channel, in this batch or at the end of an epoch."""

import pytest
import torch
from probing import line_of, probed, read
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

RULE = "tiny-batch-norm"
X = torch.randn(40, 6, generator=torch.Generator().manual_seed(3))


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def loader(rows: int, *, drop_last: bool = False) -> DataLoader[tuple[torch.Tensor, ...]]:
    return DataLoader(TensorDataset(X[:rows], torch.arange(rows) % 3), batch_size=16, drop_last=drop_last)


def test_two_values_become_plus_and_minus_one():
    y = nn.BatchNorm1d(6)(100 * X[:2])
    torch.testing.assert_close(y.abs(), torch.ones(2, 6), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("rows", "severity"), [(1, "error"), (2, "warning")])
def test_a_batch_of_one_row_fails_and_one_of_two_says_nothing(rows, severity):
    (finding,) = probed(RULE, network(), nn.CrossEntropyLoss(), (X[:rows], torch.arange(rows)))
    assert finding.severity == severity
    assert finding.numbers == {"rows": rows, "values": rows}


@pytest.mark.parametrize(("rows", "severity"), [(33, "error"), (34, "warning")])
def test_the_last_batch_of_an_epoch_is_looked_at_where_a_loader_is_given(rows, severity):
    (finding,) = probed(RULE, network(), nn.CrossEntropyLoss(), loader(rows))
    assert finding.severity == severity
    assert "drop_last=True" in finding.cure


def test_a_last_batch_that_is_large_enough_or_dropped_is_silent():
    for given in (loader(40), loader(32), loader(33, drop_last=True)):
        assert probed(RULE, network(), nn.CrossEntropyLoss(), given) == []


def test_four_images_are_enough_and_two_are_hardly_more_than_one():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(128, 3))
    assert probed(RULE, model, nn.CrossEntropyLoss(), (torch.randn(4, 3, 6, 6), torch.arange(4) % 3)) == []
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (torch.randn(2, 3, 6, 6), torch.arange(2)))
    assert (finding.severity, finding.numbers) == ("warning", {"rows": 2})


def test_two_maps_of_one_pixel_have_two_values():
    model = nn.Sequential(nn.Conv2d(3, 8, 6), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 3))
    (finding,) = probed(RULE, model, nn.CrossEntropyLoss(), (torch.randn(2, 3, 6, 6), torch.arange(2)))
    assert finding.numbers == {"rows": 2, "values": 2}


def test_a_norm_in_evaluation_mode_needs_no_rows():
    model = network()
    model[1].eval()
    assert probed(RULE, model, nn.CrossEntropyLoss(), (X[:2], torch.arange(2))) == []


TEXT = """
from torch import nn, optim
from torch.utils.data import DataLoader
model = nn.Sequential(nn.Conv2d(1, 8, 3), {norm}(8), nn.Flatten(), nn.Linear(8, 2))
loader = DataLoader(data, batch_size={rows}, shuffle={shuffle})
for x, y in loader:
    nn.functional.cross_entropy(model(x), y).backward()
"""


def test_it_reads_a_shuffled_loader_of_two_rows():
    (finding,) = read(RULE, TEXT.format(norm="nn.BatchNorm2d", rows=2, shuffle=True))
    assert line_of(finding) == 5
    assert "batch_size=2" in finding.message


@pytest.mark.parametrize(
    ("norm", "rows", "shuffle"),
    [
        ("nn.BatchNorm2d", 16, True),
        ("nn.BatchNorm2d", 1, False),
        ("nn.InstanceNorm2d", 2, True),
        ("nn.BatchNorm2d", "n", True),
    ],
)
def test_it_reads_nothing_into_other_loaders(norm, rows, shuffle):
    assert read(RULE, TEXT.format(norm=norm, rows=rows, shuffle=shuffle)) == []
