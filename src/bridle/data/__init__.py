"""Data sets: from arrays, tables, MNIST's file formats, or by name."""

from bridle.data.dataset import Data as Data
from bridle.data.load import load as load
from bridle.data.load import loaded as loaded
