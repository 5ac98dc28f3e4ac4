"""Data sets: from arrays, tables, MNIST's file formats, or by name.

``load`` finds the reader, and every reader ends in ``dataset``:

- ``table_reader``: read the file as text (``delimited``, ``parquet``), infer the type of each column (``column_types``,
  with ``vocabulary``, ``number_formats``, ``dates``, ``unparsed``), drop ids and warn of leaks (``column_checks``),
  split the rows (``splits``), turn columns into inputs (``preprocessing``), and describe each (``column_summary``);
- ``idx``, ``pickles`` and, with ``download``, ``registry``: images; the bytes of any file come from ``files``;
- ``dataset``: arrays (``arrays``, ``target_encoding``, ``names``, ``float32_range``) and notes on them
  (``missing_classes``, ``duplicates``).
"""

from bridle.data.dataset import Data as Data
from bridle.data.load import load as load
from bridle.data.load import loaded as loaded
from bridle.data.splits import Splits as Splits
