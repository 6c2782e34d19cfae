"""The rows, one file a group. Importing this registers them in the order in which the table shows them."""

from tests.bench.rows import append as append
from tests.bench.rows import lone as lone
