"""`python -m tests.corpus.record`: gives versions of topics and aggregates that have no digests yet their digests.

`python -m tests.corpus.record NAME --data FOLDER`: adds the log of the hub that runs in FOLDER as `logs/NAME.jsonl`. Do
it with each release, with a meeting and some actions in the hub, and pin what it prints in test_corpus.py. A hub of the
corpus is for nothing else: its persons' keys are in the corpus, for everybody.
"""

import argparse
import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import domain.contexts  # noqa: F401  every event of this release
from adapters.postgres.connect import connect, pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.topics import PostgresTopics
from adapters.vault.master import MasterKeys
from domain.canonical import sha256_hex
from domain.limits import PAGE_EVENTS_MAX
from domain.ports import WrappedKey
from tests.corpus.corpus import (
    CORPUS_MASTER_KEY,
    LOGS,
    Digests,
    folded,
    read_digests,
    read_log,
    write_digests,
    write_keys,
    write_log,
)
from tests.corpus.earlier import evolved, folded_chain

_BYTES_MAX = 300_000
"""A log of the corpus is read in every run of the tests."""


async def record(name: str, data: Path, master_key_file: Path) -> None:
    ready = json.loads((data / "ready").read_text())
    conninfo = ready["postgres_url"]
    async with pool(conninfo, "corpus", 2) as reading:
        events = await PostgresLog(reading).read(0, PAGE_EVENTS_MAX)
        topics = PostgresTopics(reading)
        live = [one for one in await topics.list() if one.live]
        if any(one.position != len(events) for one in live) or len(events) == PAGE_EVENTS_MAX:
            raise SystemExit(f"{len(events)} events: too many, or a topic is not there yet (`stele projections list`)")
        digests = {f"topic {one.topic}/{one.version}": await topics.digest(one.generation) for one in live}
    if any(event.subjects for event in events):
        master = MasterKeys(master_key_file.read_text)
        write_keys(LOGS / f"{name}.keys.json", rewrapped(await _keys(conninfo), master))
    file = LOGS / f"{name}.jsonl"
    write_log(file, events)
    if file.stat().st_size > _BYTES_MAX:
        file.unlink()
        raise SystemExit(f"the log is larger than {_BYTES_MAX} bytes")
    write_digests(LOGS / f"{name}.json", digests)
    print(f'    "{file.name}": "{sha256_hex(file.read_bytes())}",')


async def _keys(conninfo: str) -> list[tuple[UUID, WrappedKey]]:
    async with await connect(conninfo, "corpus") as connection:
        rows = await connection.execute(
            "SELECT agent_id, subject_id, master_key_id, wrapped FROM stele_keys.subject_keys"
        )
        return [(agent, WrappedKey(*key)) for agent, *key in await rows.fetchall()]


def rewrapped(keys: Iterable[tuple[UUID, WrappedKey]], master: MasterKeys) -> list[tuple[UUID, WrappedKey]]:
    """Wrapped by the key of the corpus: the hub's own does not leave it."""
    ours = MasterKeys(lambda: CORPUS_MASTER_KEY)
    return [(agent, ours.wrap(agent, key.subject_id, master.unwrap(agent, key))) for agent, key in keys]


def complete(name: str, found: Digests) -> None:
    """Adds what is missing and changes nothing that is there."""
    file = LOGS / f"{name}.json"
    before = read_digests(file)
    for fold in sorted(found.keys() - before.keys()):
        print(f"{name}: {fold} {found[fold]}")
    write_digests(file, found | before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?")
    parser.add_argument("--data", type=Path, default=Path(".stele"))
    parser.add_argument("--master-key", type=Path, help="[default: master.key in the data folder]")
    arguments = parser.parse_args()
    if arguments.name:
        asyncio.run(record(arguments.name, arguments.data, arguments.master_key or arguments.data / "master.key"))
    for file in sorted(LOGS.glob("*.jsonl")):
        name, events = file.stem, read_log(file)
        if name == "chain":
            with evolved():
                complete(name, folded_chain(events))
        else:
            complete(name, folded(events))


if __name__ == "__main__":
    main()
