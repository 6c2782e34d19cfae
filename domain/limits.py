"""Every bound of Stele, by name, in one place (invariant I12).

What happens at a bound is said beside it. Units come last in the names.
"""

# --- what people send -------------------------------------------------------------------------
TEXT_CHARS_MAX = 10_000
"""One transcript chunk's text; ten minutes of fast speech. Beyond: refused, `text_too_long`."""
LABEL_CHARS_MAX = 200
"""A speaker's label, a space's title, a tool's name, a rejection's reason."""
SPACE_NAME_CHARS_MAX = 64
"""A space's name is part of URLs and command lines."""
SOURCE_ID_CHARS_MAX = 200
"""The id that the sender gave a chunk."""
CHUNKS_PER_BATCH_MAX = 500
"""Chunks in one command: all in or all out, so it bounds a transaction."""
ARGUMENTS_BYTES_MAX = 32_768
"""Canonical JSON of an action's arguments; an approver has to be able to read them."""
RESULT_BYTES_MAX = 65_536
"""Canonical JSON of a tool's result. Beyond: the action fails with `result_too_large`."""
FAILURE_CHARS_MAX = 2_000
"""What a tool says of its failure. Beyond: cut."""
PROPOSALS_PER_PLAN_MAX = 16
"""Actions that one plan may propose. Beyond: the plan is refused, `batch_too_large`."""
RATIONALE_CHARS_MAX = 1_000
"""Why a planner proposes an action, in plain words."""
EVIDENCE_PER_ACTION_MAX = 64
"""Positions that one proposal may rest on."""
IDEMPOTENCY_KEY_CHARS_MAX = 200
BODY_BYTES_MAX = 8 * 1024 * 1024
"""HTTP request body. Beyond: 413 `body_too_large`, read no further."""

BODY_SECONDS_MAX = 20.0
"""A body that takes longer to arrive: 408 `body_timeout`."""
BODIES_BYTES_MAX = 64 * 1024 * 1024
"""Bodies that one process holds at a time, of callers whose token is good. Beyond: 503 `overloaded`."""
REQUESTS_MAX = 512
"""HTTP requests that one process works on at a time, their bodies read. Beyond: 503 `overloaded`, with Retry-After."""

# --- the write path ---------------------------------------------------------------------------
APPEND_QUEUE_COMMANDS_MAX = 8_192
"""Commands waiting for the appender. Beyond: refused, `overloaded`, with Retry-After."""
APPEND_BATCH_EVENTS_MAX = 1_000
"""Events in one commit; larger batches were not faster (docs/adr/0002)."""
CONFLICT_RETRIES_MAX = 16
"""How often the runtime decides again after a version conflict. Beyond: refused, `conflict`."""
APPEND_OUTAGE_SECONDS_MAX = 20.0
"""How long a command waits for Postgres to come back. Beyond: refused, `log_unavailable`."""
STREAM_PAGE_EVENTS_MAX = 1_000
"""Events of one stream that are read at once to load an aggregate; a longer stream is read page by page."""
LOAD_STREAMS_MAX = 1_000
"""Streams in one query of the loader; a command that needs more has a query of its own."""
LOADERS_MAX = 2
"""Queries of the loader at a time: one that takes long does not hold up the rest."""
AGGREGATES_CACHED_MAX = 10_000
"""Aggregates that one runtime keeps, the least recently used go first. What is not kept is read again."""
SNAPSHOT_EVENTS = 1_000
"""An aggregate with so many events since its last snapshot gets a new one."""
ERASE_PAGE_ENTRIES_MAX = 1_000
"""Entries about an erased person that are written at once; all of them in one transaction."""
PERSON_KEY_SECONDS_MAX = 5.0
"""How long a process goes on using a person's key that it has read; by then an erasure has reached it."""
PERSON_KEYS_CACHED_MAX = 10_000
"""Keys that one process keeps. What is not kept is read again."""

# --- reading ----------------------------------------------------------------------------------
PAGE_ENTRIES_MAX = 1_000
"""Entries in one page of a topic, HTTP and sync alike."""
POLL_SECONDS = 1.0
"""A wake-up is a hint; this poll is the guarantee."""
MIN_POSITION_WAIT_SECONDS_MAX = 10.0
"""How long a read waits for `min_position`. Beyond: 503 `projection_behind`."""

# --- projections ------------------------------------------------------------------------------
PROJECTION_VERSION_MAX = 999
"""A projection's version; the second part of a cursor holds it with the revision (docs/adr/0011)."""
REVISION_MAX = 999_999
"""Rebuilds of one version of a topic that changed something. Beyond: the projection's version has to be raised."""
ENTRY_KEY_CHARS_MAX = 500
"""An entry's key; an index takes no more. Beyond: the projection stops at that event."""
PROJECTION_ERROR_CHARS_MAX = 500
"""What is kept of the error of a projection that stopped. Beyond: cut."""
PAGE_EVENTS_MAX = 1_000
"""Events in one page that a projection folds. Smaller ones cost commits, larger ones are slower to fold: what they are
made of has no place in the caches of a processor.
"""
READ_AHEAD_PAGES = 2
"""Pages that are read before they are folded: one that is here, one that Postgres is at."""
BUILDS_MAX = 2
"""Rebuilds and verifications that run at a time, over all processes of a hub. Beyond: 503 `overloaded`."""
DROP_SECONDS_MAX = 10.0
"""How long whoever has built something waits to drop what it replaces. Beyond: a projector drops it later."""
SWEEP_SECONDS = 60.0
"""How often a projector looks for builds that nobody wants any more."""

# --- time travel ------------------------------------------------------------------------------
AS_OF_WAIT_SECONDS_MAX = 5.0
"""How long a read waits for a state of the past to be built. Beyond: 503 `as_of_building`; the build goes on."""
AS_OF_WAITING_MAX = 64
"""States that may wait to be built, one after the other. Beyond: 503 `overloaded`."""
AS_OF_KEPT_MAX = 16
"""States of the past that are kept, of all topics. Beyond: the longest unused one goes."""
AS_OF_KEPT_EVENTS_MAX = 20_000_000
"""Events that all kept states are folded from; it bounds the disk that they take. One state is always kept."""
AS_OF_SECONDS = 900.0
"""How long a state of the past is kept that nobody reads."""

# --- housekeeping -----------------------------------------------------------------------------
IDEMPOTENCY_KEY_SECONDS = 7 * 24 * 3600.0
"""How long an idempotency key is remembered, at least. Later the same request counts as a new one."""
PRUNE_ROWS_MAX = 1_000
"""Rows pruned in one transaction."""
PRUNE_SECONDS = 60.0
"""How often what is too old is looked for."""

# --- sync -------------------------------------------------------------------------------------
SOCKETS_MAX = 5_000
"""Open sockets a process. Beyond: closed with 4013 `too_many_connections`."""
SUBSCRIPTIONS_PER_SOCKET_MAX = 64
HELLO_SECONDS_MAX = 10.0
"""A socket that has not said hello by then is closed with 4001."""
HEARTBEAT_SECONDS = 15.0
CLIENT_SILENCE_SECONDS_MAX = 60.0
"""A client that sends nothing for so long is closed with 4002; it answers heartbeats to stay."""
SYNC_PAGE_ENTRIES_MAX = 100
"""Entries read at once for one socket; its subscriptions take turns, so that is all that waits in memory for it."""
SOCKET_QUEUE_BYTES_MAX = 262_144
"""Bytes handed to one socket at a time: a larger batch is cut into frames, and a frame waits until the socket has taken
the one before. A single entry that is larger goes alone."""
SLOW_CONSUMER_SECONDS_MAX = 30.0
"""A socket that does not take a frame for so long is closed with 4008 and resumes by cursor."""
SYNC_MESSAGE_BYTES_MAX = 16_384
"""One message from a client. Beyond: closed with 4009."""

# --- workers ----------------------------------------------------------------------------------
TOOLS_HUNG_MAX = 8
"""Tools that took too long and still run. Beyond: the executor ends, and is started anew without them."""
TOOL_SECONDS_MAX = 30.0
"""A tool that runs longer ends as a failed action, `tool_timeout`."""
LEASE_SECONDS = 60.0
"""How long a started action belongs to its executor; longer than a tool may run, so a lapsed lease means a crash."""
APPROVAL_SECONDS = 24 * 3600.0
"""How long an approval is good for."""
COMMAND_REPLY_SECONDS_MAX = 30.0
"""How long a worker waits for the answer to a command before it lets the event be redelivered."""
DELIVERIES_MAX = 10
"""Deliveries of one event to a worker that fails on it. Beyond: it is set aside, with an error in the worker's log."""
ACK_WAIT_SECONDS = 90.0
"""Longer than a tool plus two commands: an event is redelivered only when its worker is gone."""
RELAY_BATCH_EVENTS_MAX = 500
"""Events published and not yet acknowledged by JetStream."""

# --- looking after it -------------------------------------------------------------------------
STALLED_SECONDS_MAX = 30.0
"""A topic, or the relay, that is behind the log and has not moved for so long is a problem in `/readyz`."""
HEALTH_SECONDS_MAX = 5.0
"""How long Postgres and NATS have to say how they are. Beyond: they cannot be reached."""
REFUSALS_LOGGED_PER_SECOND_MAX = 10
"""Lines about refused requests in the log of one process. Beyond: counted, and told with the next line."""
SPAN_LINKS_MAX = 32
"""Spans that the span of one batch or page is linked to. Beyond: the rest is left out."""
