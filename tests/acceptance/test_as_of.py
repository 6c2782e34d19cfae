"""Time travel: what was, byte for byte, of every topic and aggregate, over HTTP and on the command line."""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from projections.topics import TOPICS
from tests.acceptance.callers import DECISION, client, created, events, lines, post, problem, proposal, say, tenant
from tests.hub import RunningHub, until

SEED = 20_261_121
REMARKS = 120
TENANT = "past"


@pytest.fixture(scope="module")
def caller(hub: RunningHub) -> Iterator[httpx.Client]:
    with client(hub, tenant(hub, TENANT)) as found:
        yield found


class Moment:
    """What a caller was told of everything at one moment, and of one action that had just changed."""

    def __init__(self, caller: httpx.Client, action: dict[str, Any] | None) -> None:
        self.pages = {topic: page(caller, topic) for topic in TOPICS}
        self.action = caller.get(f"/v1/actions/{action['action_id']}") if action else None

    def positions(self) -> Iterator[tuple[str, int, bytes]]:
        """Each topic with its own place in the log: projections are not at the same one."""
        for topic, found in self.pages.items():
            yield topic, int(found.json()["head"].rpartition(".")[2]), found.content


def page(caller: httpx.Client, topic: str, **params: Any) -> httpx.Response:
    found = caller.get(f"/v1/topics/{topic}/entries", params={"limit": 1000, **params})
    assert found.status_code == 200, found.text
    return found


@pytest.fixture(scope="module")
def moments(caller: httpx.Client) -> list[Moment]:
    """Captured while a meeting is recorded, and while what it asked for is decided."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    created(post(caller, "/v1/spaces", {"name": "meeting"}))
    captured: list[Moment] = []
    recording = threading.Event()

    def record() -> None:
        with httpx.Client(base_url=caller.base_url, headers=caller.headers, timeout=30.0) as other:
            for n in range(REMARKS):
                words = DECISION if n % 12 == 0 else f"Remark {n}."
                say(other, "meeting", words, speaker=f"Speaker {n % 5}")
        recording.set()

    recorder = threading.Thread(target=record)
    recorder.start()
    while not recording.is_set():
        captured.append(Moment(caller, None))
    recorder.join()
    for decision in ("approve", "reject", "approve"):
        action = proposal(caller, "meeting")
        captured.append(Moment(caller, action))
        created(post(caller, f"/v1/actions/{action['action_id']}/{decision}", {}))
        captured.append(Moment(caller, action))
    return captured if len(captured) < 16 else [*chance.sample(captured[:-6], 10), *captured[-6:]]


def test_I4_a_topic_as_of_a_position_is_what_it_was_there(caller: httpx.Client, moments: list[Moment]) -> None:
    """The same bytes, cursors included, at every position that was seen."""
    said = set()
    for moment in moments:
        for topic, position, content in moment.positions():
            assert past(caller, topic, position).content == content, (topic, position)
            said.add(content)
    assert len(said) > len(moments), "nothing changed between the moments"


def past(caller: httpx.Client, topic: str, position: int, **params: Any) -> httpx.Response:
    """As a client does that is told to come again."""

    def there() -> httpx.Response | None:
        found = caller.get(f"/v1/topics/{topic}/entries", params={"limit": 1000, "as_of": position, **params})
        if found.status_code == 503:
            assert int(found.headers["retry-after"]) >= 1
            problem(found, 503, "as_of_building")
            return None
        return found

    found: httpx.Response = until(there, 60.0)
    assert found.status_code == 200, found.text
    return found


def test_an_action_as_of_a_position_is_what_it_was_there(caller: httpx.Client, moments: list[Moment]) -> None:
    seen = 0
    for moment in moments:
        if moment.action is None:
            continue
        now = moment.action
        then = caller.get(f"/v1/actions/{now.json()['key']}", params={"as_of": now.json()["position"]})
        assert (then.content, then.headers["etag"]) == (now.content, now.headers["etag"])
        listed = past(caller, "actions", now.json()["position"]).json()["entries"]
        assert next(one["value"] for one in listed if one["key"] == now.json()["key"]) == now.json()["value"]
        before = caller.get(f"/v1/actions/{now.json()['key']}", params={"as_of": 1})
        problem(before, 404, "action_not_found")
        seen += 1
    assert seen == 6


def test_a_stream_as_of_a_position_has_the_events_that_it_had(caller: httpx.Client, moments: list[Moment]) -> None:
    action = next(moment.action for moment in moments if moment.action is not None)
    path = f"/v1/streams/{action.json()['key']}"
    whole = caller.get(path)
    assert [event["version"] for event in whole.json()["events"]] == list(range(1, whole.json()["version"] + 1))
    assert whole.headers["etag"] == f'"{whole.json()["version"]}"'
    for n, event in enumerate(whole.json()["events"], start=1):
        then = caller.get(path, params={"as_of": event["position"]})
        assert then.json()["events"] == whole.json()["events"][:n]
        assert (then.json()["version"], then.headers["etag"]) == (n, f'"{n}"')
        rest = caller.get(path, params={"after": n}).json()
        assert rest["events"] == whole.json()["events"][n:]
        one = caller.get(path, params={"after": n - 1, "limit": 1}).json()
        assert (one["events"], one["after"], one["caught_up"]) == ([event], n, n == whole.json()["version"])
    problem(caller.get(path, params={"as_of": 1}), 404, "stream_not_found")


def test_the_log_as_of_a_position_ends_there(caller: httpx.Client, moments: list[Moment]) -> None:
    whole = events(caller)
    for middle in (whole[0], whole[len(whole) // 2], whole[-1]):
        then = caller.get("/v1/log", params={"as_of": middle["position"], "limit": 1000}).json()
        assert then["events"] == [event for event in whole if event["position"] <= middle["position"]]
        assert (then["head"], then["position"], then["caught_up"]) == (middle["position"], middle["position"], True)
    empty = caller.get("/v1/log", params={"as_of": 0}).json()
    assert (empty["events"], empty["head"], empty["caught_up"]) == ([], 0, True)
    ahead = caller.get("/v1/log", params={"as_of": whole[0]["position"], "after": whole[-1]["position"]})
    assert problem(ahead, 409, "must_refetch")["reason"] == "ahead"


def test_pages_of_the_past_are_whole_and_can_be_gone_on_with_now(caller: httpx.Client, moments: list[Moment]) -> None:
    """Whoever has a state of the past follows the topic from there, as with every cursor."""
    position = int(moments[-4].pages["actions"].json()["head"].rpartition(".")[2])
    whole = past(caller, "actions", position).json()
    paged: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        found = past(caller, "actions", position, limit=3, **after).json()
        paged += found["entries"]
        after = {"after": found["cursor"]}
        if found["caught_up"]:
            break
    assert paged == whole["entries"]
    assert found["cursor"] == whole["cursor"] == whole["head"]
    state = {entry["key"]: entry["value"] for entry in paged}
    newer = page(caller, "actions", after=whole["cursor"]).json()["entries"]
    assert newer
    state |= {entry["key"]: entry["value"] for entry in newer}
    assert state == {entry["key"]: entry["value"] for entry in page(caller, "actions").json()["entries"]}
    now = page(caller, "actions").json()["cursor"]
    ahead = caller.get("/v1/topics/actions/entries", params={"as_of": position, "after": now})
    assert problem(ahead, 409, "must_refetch")["reason"] == "ahead"


def test_the_past_is_cut_by_space_and_status_as_the_present(caller: httpx.Client, moments: list[Moment]) -> None:
    created(post(caller, "/v1/spaces", {"name": "elsewhere"}))
    position = say(caller, "elsewhere", "Nobody is here.")["position"]
    here = past(caller, "transcripts", position, space="elsewhere").json()["entries"]
    assert [entry["value"]["text"] for entry in here] == ["Nobody is here."]
    for status in ("proposed", "rejected"):
        found = caller.get("/v1/actions", params={"as_of": position, "status": status, "limit": 1000})
        all_of_them = past(caller, "actions", position).json()["entries"]
        assert found.json()["entries"] == [entry for entry in all_of_them if entry["value"]["status"] == status]


PLACES = ["/v1/log", "/v1/actions", "/v1/spaces/meeting", *(f"/v1/topics/{topic}/entries" for topic in TOPICS)]


@pytest.mark.usefixtures("moments")
@pytest.mark.parametrize("path", [*PLACES, "/v1/people/{id}", "/v1/streams/{id}", "/v1/actions/{id}"])
def test_a_position_that_is_none_or_not_yet_is_refused(caller: httpx.Client, path: str) -> None:
    path = path.format(id=uuid.uuid4())
    for wrong in ("-1", "", "x", "1.0", " 1", "+1", "1e3", "\u0661", "9" * 30, "0x1"):
        problem(caller.get(path, params={"as_of": wrong}), 400, "invalid_as_of")
    head = caller.get("/v1/log", params={"limit": 1}).json()["head"]
    for ahead in (head + 1_000_000, 2**63, 10**19):
        problem(caller.get(path, params={"as_of": ahead}), 400, "as_of_ahead")


@pytest.mark.parametrize("topic", TOPICS)
def test_as_of_nothing_there_was_nothing(caller: httpx.Client, topic: str) -> None:
    found = page(caller, topic, as_of=0).json()
    assert (found["entries"], found["caught_up"]) == ([], True)
    assert found["cursor"].endswith(".0")


def test_I10_the_past_of_another_agent_is_as_hidden_as_its_present(
    hub: RunningHub, caller: httpx.Client, moments: list[Moment]
) -> None:
    action = next(moment.action for moment in moments if moment.action is not None).json()
    head = events(caller)[-1]["position"]
    with client(hub, tenant(hub, "past-stranger")) as stranger:
        for topic in TOPICS:
            assert past(stranger, topic, head).json()["entries"] == []
            hidden = stranger.get(f"/v1/topics/{topic}/entries", params={"as_of": head, "space": "meeting"})
            problem(hidden, 404, "space_not_found")
        assert stranger.get("/v1/log", params={"as_of": head}).json()["events"] == []
        problem(stranger.get(f"/v1/actions/{action['key']}", params={"as_of": head}), 404, "action_not_found")
        problem(stranger.get(f"/v1/streams/{action['key']}", params={"as_of": head}), 404, "stream_not_found")
        problem(stranger.get("/v1/spaces/meeting", params={"as_of": head}), 404, "space_not_found")
        person = action["value"]["person_ids"][0]
        problem(stranger.get(f"/v1/people/{person}", params={"as_of": head}), 404, "person_not_found")
        assert caller.get(f"/v1/people/{person}", params={"as_of": head}).json()["key"] == person


def test_the_command_line_travels_as_well(hub: RunningHub, caller: httpx.Client, moments: list[Moment]) -> None:
    mine = RunningHub(hub.data, STELE_TOKEN=tenant(hub, TENANT))
    action = next(moment.action for moment in moments if moment.action is not None).json()
    id, then = action["key"], str(action["position"])
    assert mine.lines("actions", "show", id, "--as-of", then) == [action["value"]]
    assert mine.lines("actions", "show", id)[0]["status"] != action["value"]["status"]
    topic = past(caller, "actions", action["position"]).json()["entries"]
    assert [line["value"] for line in mine.lines("topics", "show", "actions", "--as-of", then)] == [
        entry["value"] for entry in topic
    ]
    assert mine.lines("actions", "list", "--as-of", then) == [entry["value"] for entry in topic]
    assert mine.lines("log", "--as-of", then) == [one for one in events(caller) if one["position"] <= int(then)]
    assert [event["version"] for event in mine.lines("stream", id, "--as-of", then)] == [1]
    assert mine.lines("spaces", "show", "meeting", "--as-of", then)[0]["name"] == "meeting"
    assert "meeting" in mine.stele("spaces", "list").stdout
    label = mine.lines("people", "list", "--as-of", then)[0]["value"]
    assert mine.lines("people", "show", label["person_id"], "--as-of", then) == [label]
    for command in (("topics", "show", "actions"), ("log",), ("actions", "show", id), ("stream", id)):
        for wrong, why in (("-1", "--as-of"), ("x", "--as-of"), ("9999999999", "as_of_ahead: ")):
            done = mine.stele(*command, "--as-of", wrong, expect=2)
            assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
            assert why in done.stderr
    assert lines(mine.stele("topics", "show", "actions", "--as-of", "0", "--json").stdout) == []


def test_a_small_past_is_there_at_once(caller: httpx.Client, moments: list[Moment]) -> None:
    """Not a benchmark: it shows that the answer is not the one of a client that was told to come again."""
    head = events(caller)[-1]["position"]
    began = time.monotonic()
    found = caller.get("/v1/topics/actions/entries", params={"as_of": head - 1})
    assert found.status_code == 200
    assert time.monotonic() - began < 5.0
