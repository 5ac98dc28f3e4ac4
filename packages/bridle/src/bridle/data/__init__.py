"""Data sets: from arrays, tables, MNIST's file formats, or by name.

``load`` finds the reader, and every reader ends in ``dataset``:

- ``table_reader``: read the file as text (``delimited``, ``parquet``), infer the type of each column (``column_types``,
  with ``vocabulary``, ``number_formats``, ``dates``, ``unparsed``), drop ids and warn of leaks (``column_checks``),
  read the columns that say something of rows (``table_roles``, ``row_roles``, ``weights``); then, for each repeat,
  ``table_rows``: split the rows, turn columns into inputs (``preprocessing``), and describe each (``column_summary``);
- how rows are split: what is asked (``splits``), by what (``row_keys``), the draw (``drawing``, with ``holdout``,
  ``folds``, ``time_order``), what is said of it (``split_record``); ``array_rows`` has arrays for each repeat;
- ``idx``, ``pickles`` and, with ``download``, ``registry``: images; ``own_test_rows`` draws all but their test rows
  anew; the bytes of any file come from ``files``;
- ``dataset``: arrays (``arrays``, ``given_arrays``, ``target_encoding``, ``names``, ``float32_range``) and notes on
  them (``missing_classes``, ``duplicates``).
"""

from bridle.data.dataset import Data as Data
from bridle.data.load import load as load
from bridle.data.load import loaded as loaded
from bridle.data.splits import Splits as Splits
