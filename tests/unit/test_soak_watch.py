"""The eye that judges readers in the soak: it has to see everything that it is there to see."""

from tests.soak.kill_run import KillOutcome, compare
from tests.soak.load import Said
from tests.soak.watch import Seen, Verdict, Watch

LOG: list[Seen] = [(position, 1000 + position) for position in range(1, 11)]


def _judged(*shown: Seen, dense: bool = True) -> tuple[Verdict, str | None]:
    watch = Watch("test", dense=dense)
    watch.take(shown)
    return watch.judge(LOG), watch.fault


def test_a_reader_that_sees_the_log_is_good() -> None:
    verdict, fault = _judged(*LOG)
    assert verdict.good
    assert (verdict.seen, fault) == (10, None)


def test_a_missed_event_is_seen_at_once_where_positions_are_dense() -> None:
    verdict, fault = _judged(*LOG[:4], *LOG[5:])
    assert (verdict.missed, verdict.first_missed, verdict.good) == (1, 5, False)
    assert fault is not None
    assert "a hole" in fault


def test_a_missed_event_is_seen_at_the_end_where_they_are_not() -> None:
    verdict, fault = _judged(*LOG[:4], *LOG[5:], dense=False)
    assert (verdict.missed, verdict.good, fault) == (1, False, None)


def test_a_log_that_was_not_read_to_its_end_is_missed() -> None:
    assert _judged(*LOG[:7])[0].missed == 3


def test_what_comes_late_is_out_of_order_and_not_missed() -> None:
    verdict, _ = _judged(*LOG[:4], *LOG[5:], LOG[4], dense=False)
    assert (verdict.missed, verdict.out_of_order, verdict.good) == (0, 1, False)


def test_what_comes_twice_is_a_duplicate() -> None:
    verdict, _ = _judged(*LOG, LOG[9])
    assert (verdict.seen, verdict.duplicates, verdict.good) == (10, 1, False)


def test_an_event_that_the_log_has_not_is_seen() -> None:
    """As when a reader was shown what a crash then took away."""
    verdict, _ = _judged(*LOG[:9], (10, 77))
    assert (verdict.different, verdict.good) == (1, False)


def test_a_growing_log_is_judged_whole() -> None:
    watch = Watch("test")
    for position in range(1, 200_001):
        watch.take([(position, position)])
    assert watch.judge([(position, position) for position in range(1, 200_001)]).good


def _compared(acknowledged: dict[Said, int], *spoken: tuple[int, str]) -> tuple[int, int, int, int]:
    outcome = KillOutcome()
    compare(acknowledged, list(spoken), outcome)
    return outcome.lost, outcome.duplicated, outcome.torn, outcome.misplaced


def test_what_was_acknowledged_and_is_there_once_is_right() -> None:
    assert _compared({Said("a", 2): 4}, (3, "a 0"), (4, "a 1")) == (0, 0, 0, 0)


def test_what_is_lost_twice_torn_or_elsewhere_is_told_apart() -> None:
    told = {Said("a", 2): 4}
    assert _compared(told) == (1, 0, 0, 0)
    assert _compared(told, (3, "a 0"), (4, "a 1"), (5, "a 1")) == (0, 1, 0, 1)
    assert _compared(told, (3, "a 0")) == (0, 0, 1, 0)
    assert _compared(told, (4, "a 0"), (5, "a 1")) == (0, 0, 0, 1)
    assert _compared(told, (3, "a 0"), (4, "a 1"), (5, "b 0")) == (0, 0, 1, 0)
