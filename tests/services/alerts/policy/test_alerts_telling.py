"""Wishes against wants: the most exact wish counts, and nothing wanted is ever without a way."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import HOUR_NS, Severity
from services.alerts.policy.budget import Limits
from services.alerts.policy.quiet import Quiet
from services.alerts.policy.telling import ANY, GATHER_NS, Listener, Mode, Want, Way, tell

NOW = 1_790_683_200_000_000_000  # 12:00 UTC
WARNING, CRITICAL, INFO = Severity.WARNING, Severity.CRITICAL, Severity.INFO


def one(want: Want, listener: Listener, *, stopped: bool = False) -> Way:
    (way,), _ = tell([want], listener, stopped=stopped, now_ns=NOW)
    return way


def test_the_most_exact_wish_counts_and_the_kind_before_the_severity():
    modes = {
        ("whale", "info"): Mode.ON,
        ("whale", ANY): Mode.OFF,
        (ANY, "info"): Mode.SILENT,
        (ANY, ANY): Mode.DIGEST,
    }
    listener = Listener(modes=modes)
    assert listener.mode("whale", "info") is Mode.ON
    assert listener.mode("whale", "critical") is Mode.OFF
    assert listener.mode("gap", "info") is Mode.SILENT
    assert listener.mode("gap", "warning") is Mode.DIGEST
    assert Listener().mode("gap", "warning") is Mode.ON


def test_quiet_hours_let_only_the_critical_sound():
    quiet = Listener(quiet=Quiet(11 * 60, 13 * 60))
    assert one(Want(kind="signal", severity=CRITICAL), quiet) == Way()
    assert one(Want(kind="signal", severity=WARNING), quiet) == Way(due_ns=NOW + HOUR_NS)
    awake = Listener(quiet=Quiet(13 * 60, 14 * 60))
    assert one(Want(kind="signal", severity=WARNING), awake) == Way()


def test_info_makes_no_sound():
    assert one(Want(kind="signal", severity=INFO), Listener()) == Way(silent=True)


def test_a_digest_hour_is_when_it_is_told():
    listener = Listener(modes={(ANY, ANY): Mode.DIGEST}, zone="Asia/Jakarta", digest_minute=20 * 60)  # 13:00 UTC
    assert one(Want(kind="signal", severity=WARNING), listener).due_ns == NOW + HOUR_NS
    soon = Listener(modes={(ANY, ANY): Mode.DIGEST})
    assert one(Want(kind="signal", severity=WARNING), soon).due_ns == NOW + GATHER_NS


def test_what_is_muted_is_heard_again_when_the_mute_is_over():
    want = Want(kind="signal", severity=CRITICAL, about=("layer:cvd",))
    assert one(want, Listener(mutes={"layer:cvd": NOW + 1})).dropped == "muted by the recipient: layer:cvd"
    assert one(want, Listener(mutes={"layer:cvd": NOW})) == Way()


@given(
    st.lists(
        st.builds(Want, kind=st.sampled_from(["signal", "whale"]), severity=st.sampled_from(Severity)), max_size=30
    ),
    st.builds(
        Listener,
        paused_until_ns=st.sampled_from([0, NOW + 1]),
        disabled=st.sampled_from([None, "gone"]),
        quiet=st.sampled_from([None, Quiet(11 * 60, 13 * 60), Quiet(23 * 60, 60)]),
        digest_minute=st.sampled_from([None, 0, 1439]),
        modes=st.dictionaries(
            st.tuples(st.sampled_from(["signal", "whale", ANY]), st.sampled_from(["info", "critical", ANY])),
            st.sampled_from(Mode),
        ),
    ),
    st.booleans(),
)
def test_each_has_one_way_and_only_what_is_told_alone_costs(wants, listener, stopped):
    ways, bucket = tell(wants, listener, stopped=stopped, now_ns=NOW)
    assert len(ways) == len(wants)
    alone = [way for way in ways if way.dropped is None and way.due_ns is None]
    assert len(bucket.spent_ns) == len(alone)
    assert all(way.due_ns is None or way.due_ns > NOW for way in ways)
    assert not (stopped and alone)
    others = [way for want, way in zip(wants, ways, strict=True) if want.severity is not CRITICAL]
    assert sum(way.dropped is None and way.due_ns is None for way in others) <= Limits().burst
