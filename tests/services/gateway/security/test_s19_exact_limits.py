"""S-19: two replicas that share a quota never admit one request too many, nor one too few."""

import subprocess
import sys
from pathlib import Path

from redis import Redis

PROGRAM = Path(__file__).parents[1] / "limits" / "taking.py"
ROOT = Path(__file__).parents[4]


def test_s19_two_replicas_never_admit_one_too_many(redis_url):
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    replicas = [
        subprocess.Popen(
            [sys.executable, PROGRAM, redis_url, "2500"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        )
        for _ in range(2)
    ]
    for replica in replicas:
        assert replica.stdin
        replica.stdin.write("go\n")
        replica.stdin.flush()
    admitted = [int(replica.communicate(timeout=120)[0]) for replica in replicas]
    assert sum(admitted) == 1_000
    assert [replica.returncode for replica in replicas] == [0, 0]
    with Redis.from_url(redis_url) as redis:
        assert redis.pttl("csx:gateway:gcra:day:shared") > 86_000_000  # full: empty again after a day
