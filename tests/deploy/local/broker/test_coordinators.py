"""Offsets and transactions on disk: restarts, rewrites, timeouts, ids that are never given twice."""

import asyncio

import pytest

from deploy.local.broker.codes import Code
from deploy.local.broker.offsets import Committed, Offsets
from deploy.local.broker.topics import Topics
from deploy.local.broker.transactions import Transactions


@pytest.fixture
def topics(tmp_path):
    topics = Topics(tmp_path, {})
    topics.create("t", 2, {})
    yield topics
    topics.close()


@pytest.fixture
def offsets(tmp_path):
    offsets = Offsets(tmp_path / "offsets.jsonl")
    yield offsets
    offsets.close()


def test_offsets_survive_a_restart_and_a_torn_last_line(tmp_path):
    path = tmp_path / "o.jsonl"
    offsets = Offsets(path)
    offsets.commit("g", [(("t", 0), Committed(5, "")), (("t", 1), Committed(7, "näh"))])
    offsets.commit("g", [(("t", 0), Committed(6, ""))])
    offsets.close()
    with path.open("a") as file:
        file.write('["g", "t", 0, 99')
    again = Offsets(path)
    assert dict(again.of("g")) == {("t", 0): (6, ""), ("t", 1): (7, "näh")}
    again.close()


def test_the_offsets_file_does_not_grow_with_the_commits(tmp_path):
    path = tmp_path / "o.jsonl"
    offsets = Offsets(path)
    for i in range(25_000):
        offsets.commit("g", [(("t", 0), Committed(i, ""))])
    assert path.stat().st_size < 400_000
    offsets.close()
    again = Offsets(path)
    assert again.of("g")["t", 0].offset == 24_999
    again.forget_topic("t")
    assert dict(again.of("g")) == {}
    again.close()


def test_producer_ids_are_never_given_twice(tmp_path, topics, offsets):
    seen: set[int] = set()
    for _ in range(3):  # each round is a broker that dies without a word
        transactions = Transactions(tmp_path / "x.json", topics, offsets)
        fresh = [transactions.producer(None, 0)[0] for _ in range(1500)]
        assert seen.isdisjoint(fresh)
        seen.update(fresh)
    assert len(seen) == 4500


async def test_a_transaction_that_takes_too_long_is_aborted_and_fenced(tmp_path, topics, offsets, batch):
    transactions = Transactions(tmp_path / "x.json", topics, offsets)
    producer, epoch = transactions.producer("tx", 50)
    transactions.add_partitions("tx", [("t", 0)])
    log = topics.logs("t")[0]
    log.append(batch((None, b"late"), producer=(producer, epoch, 0), transactional=True))
    assert log.stable_end == 0
    woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    log.waiters.add(woken)
    await asyncio.wait_for(woken, 5)
    assert (log.stable_end, log.end) == (2, 2)
    assert transactions.check("tx", producer, epoch) is Code.INVALID_PRODUCER_EPOCH
    transactions.close()


async def test_batches_outside_of_their_transaction_are_refused(tmp_path, topics, offsets):
    transactions = Transactions(tmp_path / "x.json", topics, offsets)
    producer, epoch = transactions.producer("tx", 60_000)
    assert transactions.check_batch(producer, epoch, ("t", 0)) is Code.INVALID_TXN_STATE
    transactions.add_partitions("tx", [("t", 0)])
    assert transactions.check_batch(producer, epoch, ("t", 0)) is Code.NONE
    assert transactions.check_batch(producer, epoch, ("t", 1)) is Code.INVALID_TXN_STATE
    assert transactions.check_batch(producer, epoch - 1, ("t", 0)) is Code.INVALID_PRODUCER_EPOCH
    assert transactions.check_batch(producer + 1, 0, ("t", 0)) is Code.INVALID_PRODUCER_ID_MAPPING
    assert transactions.end("tx", commit=True) is Code.NONE
    assert transactions.end("tx", commit=True) is Code.INVALID_TXN_STATE
    transactions.close()


async def test_offsets_of_an_aborted_transaction_are_not_committed(tmp_path, topics, offsets):
    transactions = Transactions(tmp_path / "x.json", topics, offsets)
    transactions.producer("tx", 60_000)
    for commit, expected in ((False, {}), (True, {("t", 0): (5, "")})):
        transactions.add_offsets("tx", "g", [(("t", 0), Committed(5, ""))])
        transactions.end("tx", commit=commit)
        assert dict(offsets.of("g")) == expected
    transactions.close()


async def test_an_open_transaction_is_fenced_by_a_restart_and_an_ended_one_is_not(tmp_path, topics, offsets):
    transactions = Transactions(tmp_path / "x.json", topics, offsets)
    opened, ended = transactions.producer("opened", 60_000), transactions.producer("ended", 60_000)
    transactions.add_partitions("opened", [("t", 0)])
    transactions.add_partitions("ended", [("t", 0)])
    transactions.end("ended", commit=True)
    transactions.close()
    again = Transactions(tmp_path / "x.json", topics, offsets)
    assert again.check("opened", *opened) is Code.INVALID_PRODUCER_EPOCH
    assert again.check("ended", *ended) is Code.NONE
    again.close()


def test_a_topic_made_again_after_a_cut_short_deletion_is_empty(tmp_path, topics, batch):
    topics.logs("t")[0].append(batch((None, b"old")))
    topics.close()
    (tmp_path / "topics.json").write_text("{}")  # the table is saved first, then the process died
    again = Topics(tmp_path, {})
    again.create("t", 2, {})
    assert [log.end for log in again.logs("t")] == [0, 0]
    again.close()
