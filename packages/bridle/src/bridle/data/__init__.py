"""Data sets: from arrays, tables, MNIST's file formats, or by name.

``load`` finds the reader, and every reader ends in ``dataset``:

- ``tables``: the file as words (``delimited``, ``parquet``), each column as numbers, categories or dates
  (``reading``, which asks ``vocabulary``, ``notations``, ``moments``, ``strays``), what should teach nothing
  (``suspicions``), the rows of each split (``splits``), columns as inputs (``preprocessing``), and what was made of
  each (``columns``);
- ``idx``, ``pickles`` and, with ``download``, ``registry``: images; the bytes of any file come from ``files``;
- ``dataset``: arrays (``arrays``, ``targets``, ``names``, ``precision``), and what is to be said of them (``absences``,
  ``duplicates``).
"""

from bridle.data.dataset import Data as Data
from bridle.data.load import load as load
from bridle.data.load import loaded as loaded
