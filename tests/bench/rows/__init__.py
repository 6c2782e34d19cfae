"""The rows, in the order in which they run and are shown. One file a group: a new one is a new file and a line here."""

from tests.bench.rows.append import append
from tests.bench.rows.growth import growth
from tests.bench.rows.lock import lock
from tests.bench.rows.lone import lone
from tests.bench.rows.memory import memory
from tests.bench.rows.processes import processes
from tests.bench.rows.projections import live, rebuild
from tests.bench.rows.python_cost import python
from tests.bench.rows.reading import read

ROWS = {row.name: row for row in (append, lone, processes, rebuild, live, read, lock, python, growth, memory)}
