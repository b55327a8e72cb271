"""A reply topic of its own for every request: with retention they run at flat memory and
disk, and the topics that stay are served meanwhile (`UNIQUE_TOPICS=10000000` for the long
round).

Topics whose events are kept for a second take a place in the table for so long: of a table
of 20,000 no more than 20,000 a second can be new, and the publisher here asks for more."""

import os
import time

import pytest

from faultlib import SANITIZED, SLOW, dealer, memory, post, request, wait_for

MB = 1 << 20
TOPICS = int(os.environ.get("UNIQUE_TOPICS", "60000" if SANITIZED else "200000"))
TABLE = 20000


def publish_unique(endpoint, begin, end):
    """Refusals are counted: they are for topics too many alone."""
    s = dealer(endpoint)
    sent = answered = begin
    refused = 0
    while answered < end:
        while sent < end and sent - answered < 2000:
            s.send_multipart([b"publish", b"", b"reply/%x" % sent, b"{}", b"x" * 100])
            sent += 1
        answer = s.recv_multipart()
        answered += 1
        refused += answer[0] != b"ok"
        assert answer[0] == b"ok" or b"too_many" in answer, answer
    s.close()
    return refused


def disk(folder):
    return sum(os.path.getsize(os.path.join(root, f))
               for root, _, files in os.walk(folder) for f in files)


@pytest.mark.parametrize("kept", ["history = none", "max_age = 1s"])
def test_unique_reply_topics_run_at_flat_memory(start, tmp_path, kept):
    system = start(f'[limits]\nmax_topics = {TABLE}\n[broker]\nmax_bytes = 64M\n'
                   f'[retention "reply/#"]\n{kept}\n')
    kept_ids = [post(system.sse, "stays", b"0")]
    broker = system.pid("sluice-broker")
    quarter = TOPICS // 4
    publish_unique(system.apps, 0, quarter)
    before, before_disk = memory(broker), disk(tmp_path)
    refused, began = 0, time.monotonic()
    for part in range(1, 4):
        refused += publish_unique(system.apps, part * quarter, (part + 1) * quarter)
        kept_ids.append(post(system.sse, "stays", b"%d" % part))
    after, after_disk = memory(broker), disk(tmp_path)
    taken = (3 * quarter - refused) / (time.monotonic() - began)
    print(f"{TOPICS} topics, {kept}, {taken:,.0f} a second: memory {before / MB:.1f} -> {after / MB:.1f} MB, disk "
          f"{before_disk / MB:.1f} -> {after_disk / MB:.1f} MB, {refused} refused")
    assert system.metric("broker", "sluice_topics") <= TABLE
    if not SANITIZED:
        assert after - before < 24 * MB
    assert after_disk - before_disk < 24 * MB
    if kept == "history = none":
        assert refused == 0
    else:  # each topic is there for its second, and until it is noticed that it is over
        assert taken >= TABLE / 2 / SLOW
    status, body = request(system.sse, "GET", "/history/stays?last=1")
    assert status == 200 and str(kept_ids[-1]).encode() in body
    wait_for(lambda: request(system.sse, "POST", "/events/reply/new", b"x")[0] == 201,
             "there is room again")
