"""I3, I6: a batch whose session broke is looked for, and sent again when it is not there. When the old session commits
it all the same, after that look, the second sending meets itself: it was carried out once, and its sender hears where.
"""

from typing import Any

import psycopg

from adapters.postgres.appender import Appender
from adapters.postgres.migrate import migrate
from domain.ports import Appended, Conflict, Transaction, Verdict
from tests.conformance.log_events import AGENT, command, happened, stream


class _Late(Appender):
    """The first batch is committed, but its answer never comes, and the look for it comes too early."""

    broken = False
    looked = False

    async def _execute(self, transactions: list[Transaction]) -> list[Verdict]:
        verdicts = await super()._execute(transactions)
        connection = self._connection
        if not self.broken and connection is not None:
            self.broken = True
            await connection.close()
            raise psycopg.OperationalError("gone in the middle")
        return verdicts

    async def _landed(self, transactions: list[Transaction]) -> dict[int, Appended]:
        if not self.looked:
            self.looked = True
            return {}
        return await super()._landed(transactions)


async def test_a_command_that_meets_itself_was_carried_out_once(database: str) -> None:
    await migrate(database)
    appender = _Late(database)
    async with appender:
        assert await appender.append(command(happened(stream("a")), happened(stream("b")))) == Appended(1, 2)
        assert appender.looked
        assert await appender.append(command(happened(stream("a")))) == Conflict(stream("a"), 0, 1)
        assert await _count(database) == 2


async def _count(database: str) -> Any:
    async with await psycopg.AsyncConnection.connect(database) as owner:
        row = await (await owner.execute("SELECT count(*) FROM stele.log WHERE agent_id = %s", [AGENT])).fetchone()
    return row and row[0]
