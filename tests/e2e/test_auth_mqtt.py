"""MQTT: who a client is and what it may, from CONNECT to the end of what was believed."""

import json

import pytest
from mqttauthlib import (DENIED, QUOTA, ROLES, SECRET, WRONG, AuthDoor, auth, token)
from mqttlib import (AUTH, CONNACK, DISCONNECT, PING, PINGRESP, PUBACK, PUBLISH, PUBREC, SUBACK, V3,
                     V5, Will, connect, disconnect, publish, subscribe)
from sluicelib import TIMEOUT, wait_for
from test_auth_http_asking import Callback

CODES = {WRONG: 4, DENIED: 5, QUOTA: 3}  # of 3.1.1
VERSIONS = pytest.mark.parametrize("version", [V5, V3], ids=["5.0", "3.1.1"])


def code(version, reason):
    return reason if version == V5 else CODES[reason]


@pytest.fixture
def new_door(new_sluice, tmp_path):
    """strangers: with a role for them."""
    made = []

    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "revoked").write_text("")

    def make(config="", gateways=("mqtt",), strangers=False):
        text = (f"{config}\n[auth]\nhmac_key_file = {tmp_path}/secret\n"
                f"revoked = {tmp_path}/revoked\nleeway = 0s\ncookie = sid\n"
                f"{'anonymous = own' if strangers else ''}\n{ROLES}")
        made.append(AuthDoor(new_sluice(text, gateways=gateways), text, tmp_path / "revoked"))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def door(new_door):
    return new_door()


def ended(client, reason=DENIED):
    """DISCONNECT with the reason (5.0), or just the close."""
    assert client.closed() == (reason if client.version == V5 else None)


# --- CONNECT ----------------------------------------------------------------------------


@VERSIONS
def test_a_token_in_the_passwords_place_is_believed(door, version):
    c = door.by_token(version=version, publish=["a/#"], subscribe=["a/#"])
    c.subscribed("a/b", qos=1)
    c.publish("a/b", b"1")
    assert c.message().payload == b"1"


BAD = {
    "wrong secret": lambda: token(secret="another secret of thirty-two bytes ..."),
    "expired": lambda: token(ttl=-10),
    "not yet": lambda: token(nbf=4000000000),
    "none": lambda: token(alg="none"),
    "no jwt": lambda: "abc",
    "empty": lambda: "",
}


@VERSIONS
@pytest.mark.parametrize("how", BAD)
def test_what_is_shown_and_wrong_is_refused(door, version, how):
    assert door.refused(version=version, user="alice", password=BAD[how]()) == code(version, WRONG)


@pytest.mark.parametrize("how", BAD)
def test_what_is_shown_by_the_method_and_wrong_is_refused(door, how):
    assert door.refused(auth_method="jwt", auth_data=BAD[how]()) == WRONG


@VERSIONS
def test_who_shows_nothing_is_not_authorized(door, version):
    assert door.refused(version=version) == code(version, DENIED)


@VERSIONS
def test_a_user_name_alone_is_no_credential(new_door, version):
    door = new_door(strangers=True)
    assert door.refused(version=version, user="alice") == code(version, WRONG)


@VERSIONS
def test_strangers_come_where_they_may(new_door, version):
    door = new_door(strangers=True)
    c = door.connect(version=version)
    assert c.subscribe("shared/x").codes == [0]
    assert c.subscribe("other").codes == [DENIED if version == V5 else 0x80]


@VERSIONS
def test_what_is_wrong_is_not_taken_for_a_stranger(new_door, version):
    door = new_door(strangers=True)
    assert door.refused(version=version, user="alice", password="x") == code(version, WRONG)


def test_another_method_is_refused(door):
    assert door.refused(auth_method="SCRAM-SHA-1", auth_data=b"x") == 0x8C


def test_the_method_is_said_again_in_connack(door):
    assert door.by_auth().connack.props["auth_method"] == "jwt"
    assert "auth_method" not in door.by_token().connack.props


def test_without_auth_names_are_not_believed(new_mqtt):
    door = new_mqtt("")
    c = door.connect("c", user="alice", password="x", clean=False, session_expiry=600)
    c.send(disconnect())
    c.closed()
    again = door.connect("c", user="bob", password="y", clean=False, session_expiry=600)
    assert again.connack.present  # both are nobody
    assert door.connect("d", auth_method="jwt", auth_data=b"x").connack.reason == 0


# --- WebSocket -----------------------------------------------------------------------------


def test_over_websocket_connect_counts(door):
    c = door.connect(over="ws", user="x", password=token(publish=["a"]))
    assert c.publish("a").reason == 0
    assert c.publish("b").reason == DENIED
    assert door.refused(over="ws") == DENIED


def at_websocket(door, jwt, how, **kw):
    """Connected with a token in the head of its WebSocket."""
    head = {"header": {"headers": [f"Authorization: Bearer {jwt}"]},
            "query": {"path": f"/mqtt?access_token={jwt}"},
            "cookie": {"headers": [f"Cookie: a=b; sid={jwt}"]}}[how]
    c = door.open(over="ws", **head)
    c.send(connect(door.name("w"), **kw))
    return c


@pytest.mark.parametrize("how", ["header", "query", "cookie"])
def test_over_websocket_the_head_counts_when_connect_shows_nothing(door, how):
    c = at_websocket(door, token(publish=["a"], jti="one"), how)
    assert c.take(CONNACK).reason == 0
    assert c.publish("a").reason == 0
    assert c.publish("b").reason == DENIED
    door.revoke("one")
    ended(c)


def test_over_websocket_connect_goes_before_the_head(door):
    c = at_websocket(door, token(publish=["a"]), "header", user="x", password=token(publish=["b"]))
    assert c.take(CONNACK).reason == 0
    assert c.publish("b").reason == 0
    assert c.publish("a").reason == DENIED
    c = at_websocket(door, token(), "header", user="x", password="wrong")
    assert c.closed() == WRONG


def test_over_websocket_a_head_that_shows_something_wrong_is_401(door):
    c = door.open(over="ws", path=f"/mqtt?access_token={token(ttl=-10)}")
    assert c.raw.ws.head()[0] == 401


def test_over_websocket_a_head_that_ran_out_before_connect_is_nobody(door):
    c = door.open(over="ws", path=f"/mqtt?access_token={token(ttl=1)}")
    assert c.raw.ws.head()[0] == 101
    other = door.by_token(ttl=1)
    ended(other)
    c.send(connect("w"))
    assert c.closed() == WRONG


# --- the audit log -----------------------------------------------------------------------


def test_refusals_are_audited_and_nothing_secret_is_logged(door):
    jwt, bad = token(publish=["a"]), token(secret="another secret of thirty-two bytes ...")
    door.refused(user="alice", password=bad)
    door.refused("c", user="x", password="hunter2")
    c = door.by_token("c", jwt=jwt)
    c.publish("b")
    c.subscribe("d/#")
    door.refused("c", user="x", password=token(sub="bob"))
    log = door.sluice.processes["mqtt"].logged()
    lines = [json.loads(line) for line in log.splitlines() if '"level":"audit"' in line]
    assert [(a.get("verb"), a.get("filter"), a.get("principal")) for a in lines] == [
        (None, None, None), (None, None, None), ("publish", "b", "token:alice"),
        ("subscribe", "d/#", "token:alice"), ("session", door.name("c"), "token:bob")]
    assert all(a["address"] == "127.0.0.1" and a["door"] == "mqtt" and a["reason"] for a in lines)
    for secret in (jwt, bad, "hunter2", SECRET):
        assert secret not in log and secret[-20:] not in log


# --- what it may --------------------------------------------------------------------------


@pytest.mark.parametrize("qos", [1, 2])
def test_a_refused_publish_is_told(door, qos):
    c = door.by_token(publish=["a/#"])
    p = c.publish("b", qos=qos)
    assert p.reason == DENIED and p.kind == (PUBACK if qos == 1 else PUBREC)
    assert c.publish("a/b", qos=qos).reason == 0


@pytest.mark.parametrize("qos", [1, 2])
def test_a_refused_publish_closes_311(door, qos):
    c = door.by_token(version=V3, publish=["a/#"])
    c.send(publish("b", b"", qos, 1, version=V3))
    ended(c)


@VERSIONS
def test_a_refused_publish_of_qos_0_is_dropped_and_counted(door, version):
    c = door.by_token(version=version, publish=["a/#"], subscribe=["#"])
    c.subscribed("#")
    c.publish("b", b"no", qos=0)
    c.publish("a/b", b"yes", qos=0)
    assert c.message().payload == b"yes"
    assert door.sluice.metrics("mqtt")["sluice_mqtt_publishes_refused_total"] == 1


FILTERS = {"a/b": True, "a/#": True, "a/+/c": True, "$share/g/a/x": True, "$last/3/a/#": True,
           "#": False, "+/b": False, "b": False, "$share/g/b": False, "$share/g/#": False,
           "$last/3/#": False, "$SYS/#": False, "$SYS/broker/uptime": False, "a": True}


@VERSIONS
def test_a_refused_filter_is_refused_alone(door, version):
    c = door.by_token(version=version, subscribe=["a/#"])
    want = [0 if ok else DENIED if version == V5 else 0x80 for ok in FILTERS.values()]
    assert c.subscribe(*FILTERS).codes == want


def test_sys_needs_a_grant_of_its_own(door):
    c = door.by_token(subscribe=["#"])
    assert c.subscribe("#", "$SYS/#").codes == [0, DENIED]
    c = door.by_token(subscribe=["$SYS/#"])
    assert c.subscribe("#", "$SYS/#").codes == [DENIED, 0]


def test_grants_of_a_client_id_follow_it(door):
    c = door.by_token("c", roles=["device"])
    assert c.publish(f"devices/{door.name('c')}/x").reason == 0
    assert c.publish(f"devices/{door.name('d')}/x").reason == DENIED
    assert c.subscribe(f"devices/{door.name('c')}/#", "devices/#").codes == [0, DENIED]


def test_grants_of_a_client_id_do_not_count_where_it_would_reach_further(door):
    c = door.open()
    c.connect("+", user="x", password=token(roles=["device"]))
    assert c.subscribe("devices/+/#").codes == [DENIED]
    assert c.publish("devices/+/x".replace("+", "y")).reason == DENIED


# --- AUTH --------------------------------------------------------------------------------------


def renewed(c, jwt):
    c.send(auth(jwt))
    p = c.take(AUTH)
    assert p.reason == 0 and p.props["auth_method"] == "jwt"


def test_a_session_renews_and_outlives_its_first_token(door):
    c = door.by_auth(ttl=2, subscribe=["a/#"], publish=["a/#"])
    c.subscribed("a/#", qos=1)
    renewed(c, token(ttl=600, subscribe=["a/#"], publish=["a/#"], jti="second"))
    other = door.by_auth(ttl=2)
    assert other.closed() == DENIED  # the first token has run out
    c.publish("a/b", b"still")
    assert c.message().payload == b"still"


def test_renewing_grants_more(door):
    c = door.by_auth(publish=["a"])
    assert c.publish("b").reason == DENIED
    renewed(c, token(publish=["a", "b"]))
    assert c.publish("b").reason == 0


def test_renewing_with_less_ends_what_is_not_covered(door):
    c = door.by_auth(subscribe=["a/#", "b/#"])
    c.subscribed("a/x", "b/x")
    c.send(auth(token(subscribe=["a/#"])))
    assert c.take(AUTH).reason == 0
    ended(c)


def test_renewing_with_less_where_nothing_is_uncovered_goes_on(door):
    c = door.by_auth(subscribe=["a/#", "b/#"])
    c.subscribed("a/x")
    renewed(c, token(subscribe=["a/#"]))
    assert c.subscribe("b/x").codes == [DENIED]


@pytest.mark.parametrize("how", BAD)
def test_renewing_with_what_is_wrong_ends_it(door, how):
    c = door.by_auth()
    c.send(auth(BAD[how]()))
    ended(c)


def test_renewing_as_somebody_else_ends_it(door):
    c = door.by_auth(sub="alice")
    c.send(auth(token(sub="bob")))
    ended(c)


@pytest.mark.parametrize("packet, reason", [
    (auth(token(), method="other"), 0x8C),
    (auth(token(), method=None), 0x82),
    (auth(token(), reason=0x18), 0x82),
    (auth(token(), reason=0x00), 0x82),
], ids=["another method", "no method", "continued", "success"])
def test_auth_that_is_wrong_ends_it(door, packet, reason):
    c = door.by_auth()
    c.send(packet)
    ended(c, reason)


def test_auth_of_who_named_no_method_is_a_protocol_error(door):
    c = door.by_token()
    c.send(auth(token()))
    ended(c, 0x82)


def test_nothing_is_lost_or_doubled_over_renewals_under_load(door):
    c = door.by_auth(subscribe=["load"], publish=["load"])
    c.subscribed("load", qos=1)
    source = door.by_token(publish=["load"])
    want = 600
    got = []
    for n in range(want):
        source.send(publish("load", str(n), 1, n + 1))
        if n % 50 == 0:
            c.send(auth(token(subscribe=["load"], publish=["load"], jti=str(n))))
    while len(got) < want:
        m = c.message()
        got.append(int(m.payload))
    assert got == list(range(want))
    renewals = [p for p in c.kept if p.kind == AUTH]
    assert len(renewals) == want // 50 and all(p.reason == 0 for p in renewals)


# --- the end of what was believed ------------------------------------------------------------


@VERSIONS
def test_a_token_that_runs_out_ends_its_connection(door, version):
    c = door.by_token(version=version, ttl=1)
    stays = door.by_token(version=version)
    if version == V5:
        p = c.take(DISCONNECT)
        assert p.reason == DENIED and "expired" in p.props["reason_string"]
    assert c.closed() is None
    assert stays.publish("x", qos=0) is None


@VERSIONS
def test_a_token_that_is_revoked_ends_its_connection(door, version):
    c = door.by_token(version=version, jti="one")
    stays = door.by_token(version=version, jti="two", subscribe=["a"], publish=["a"])
    stays.subscribed("a", qos=1)
    door.revoke("one")
    ended(c)
    assert door.refused(version=version, user="x", password=token(jti="one")) == \
        code(version, WRONG)
    stays.publish("a", b"still")
    assert stays.message().payload == b"still"


@VERSIONS
def test_roles_that_shrink_end_who_has_more_and_nobody_else(door, version):
    more = door.by_token(version=version, roles=["own"])
    less = door.by_token(version=version, sub="bob", roles=["own"])
    more.subscribed("shared/x")
    less.subscribed("own/bob/x")
    door.configure(door.text.replace(", shared/#", ""))
    ended(more)
    assert less.subscribe("own/bob/y", "shared/x").codes == \
        [0, DENIED if version == V5 else 0x80]


# --- wills -------------------------------------------------------------------------------------


def watcher(door, *topics):
    w = door.by_token(sub="watcher", subscribe=["#"], publish=["#"])
    w.subscribed(*(topics or ["#"]), qos=1)
    return w


def nothing_but(w, payload, topic="mark"):
    """Nothing came before what is published now."""
    w.publish(topic, payload)
    assert w.message().payload == payload


@VERSIONS
def test_a_will_that_is_not_permitted_refuses_the_client(door, version):
    jwt = token(publish=["a"])
    assert door.refused(version=version, user="x", password=jwt, will=Will("b")) == \
        code(version, DENIED)


def test_the_will_of_one_that_runs_out_is_sent(door):
    w = watcher(door)
    c = door.connect(user="x", password=token(publish=["a"], ttl=1), will=Will("a", b"gone"))
    ended(c)
    assert w.message().payload == b"gone"


def test_the_will_of_one_that_is_revoked_is_not_sent(door):
    w = watcher(door)
    c = door.connect(user="x", password=token(publish=["a"], jti="one"), will=Will("a", b"gone"))
    door.revoke("one")
    ended(c)
    nothing_but(w, b"mark")


@pytest.mark.parametrize("how", ["close", "kill"])
def test_a_will_that_is_no_longer_permitted_is_withdrawn(door, how):
    w = watcher(door)
    c = door.connect("c", user="x", password=token(roles=["own"]), will=Will("own/alice/w", b"gone"))
    door.configure(door.text.replace("publish = own/%u/#", "publish = own/%u/x"))
    wait_for(lambda: "a will was withdrawn" in door.sluice.processes["mqtt"].logged(), "withdrawal")
    if how == "kill":
        c.publish("own/alice/x")  # what was said before is there
        door.sluice.processes["mqtt"].restart()
        wait_for(lambda: door.sluice.metrics("broker")["sluice_sessions_attached"] == 0, "its end")
        w = watcher(door)
    else:
        assert c.publish("own/alice/w").reason == DENIED
        c.close()
        wait_for(lambda: door.sluice.metrics("broker")["sluice_sessions_attached"] == 1, "its end")
    nothing_but(w, b"mark")


# --- sessions ------------------------------------------------------------------------------------


def session(door, sub, client="c", **kw):
    kw.setdefault("subscribe", ["#"])
    kw.setdefault("publish", ["#"])
    return door.by_token(client, clean=False, sub=sub, **kw)


def leave(c):
    c.send(disconnect())
    c.closed()


@VERSIONS
def test_a_session_is_its_principals_away_and_live(door, version):
    jwt = {who: token(sub=who, subscribe=["#"], publish=["#"]) for who in ("alice", "bob")}
    c = door.by_token("c", version, jwt=jwt["alice"], clean=False)
    c.subscribed("q", qos=1)
    assert door.refused("c", version, user="x", password=jwt["bob"]) == code(version, DENIED)
    c.publish("q", b"1")  # it was not disturbed
    assert c.message().payload == b"1"
    c.close()
    assert door.refused("c", version, user="x", password=jwt["bob"]) == code(version, DENIED)
    again = door.by_token("c", version, jwt=jwt["alice"], clean=False)
    assert again.connack.present
    newer = door.by_token("c", version, jwt=jwt["alice"], clean=False)
    assert newer.connack.present
    assert again.closed() == (0x8E if version == V5 else None)


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "in memory alone"])
@pytest.mark.parametrize("whose", ["broker", "mqtt"])
def test_a_session_is_its_principals_over_restarts(new_door, stored, whose):
    door = new_door(gateways=("mqtt", "mqtt-2"))
    jwt = token(subscribe=["#"], publish=["#"])
    more = {"session_expiry": 600, "clean": False} if stored else {}
    c = door.connect("c", user="x", password=jwt, **more)
    c.subscribed("q", qos=1)
    door.sluice.processes[whose].restart()
    if whose == "broker":
        wait_for(lambda: door.sluice.metrics("broker")["sluice_sessions_attached"] == 1, "HOLD")
        assert door.refused("c", gateway="mqtt-2", user="x", password=token(sub="bob")) == DENIED
        c.publish("q", b"1")
        assert c.message().payload == b"1"
    elif stored:
        assert door.refused("c", gateway="mqtt-2", user="x", password=token(sub="bob")) == DENIED
        assert door.connect("c", user="x", password=jwt, **more).connack.present


def test_strangers_and_users_do_not_share_sessions(new_door):
    door = new_door(strangers=True)
    c = door.connect("c", clean=False, session_expiry=600)
    assert door.refused("c", user="x", password=token()) == DENIED
    leave(c)
    assert door.refused("c", user="x", password=token()) == DENIED
    assert door.connect("c", clean=False, session_expiry=600).connack.present
    leave(session(door, "alice", "d"))
    assert door.refused("d") == DENIED


def test_what_strangers_had_is_adopted_where_they_come_no_more(new_door):
    door = new_door(strangers=True)
    leave(door.connect("c", clean=False, session_expiry=600))
    door.configure(door.text.replace("anonymous = own", ""))
    wait_for(lambda: door.sluice.broker.logged().count("configuration reloaded") == 1, "reload")
    leave(session(door, "alice"))
    assert door.refused("c", user="x", password=token(sub="bob")) == DENIED
    assert session(door, "alice").connack.present


def test_filters_that_are_no_longer_permitted_are_dropped_at_resuming(door):
    c = session(door, "alice")
    c.subscribed("a", "b", qos=1)
    leave(c)
    p = door.by_token(sub="p", publish=["#"])
    p.publish("a", b"a")
    p.publish("b", b"b")
    c = session(door, "alice", subscribe=["a"])
    assert c.connack.present
    p.publish("b", b"b2")
    p.publish("a", b"a2")
    assert [c.message().payload for _ in range(2)] == [b"a", b"a2"]
    assert door.sluice.metrics("mqtt")["sluice_mqtt_filters_dropped_total"] == 1
    leave(c)
    c = session(door, "alice")  # it is gone for good
    p.publish("b", b"b3")
    p.publish("a", b"a3")
    assert c.message().payload == b"a3"


@pytest.mark.parametrize("qos", [1, 2])
def test_events_in_flight_that_may_no_longer_be_seen_are_withheld(door, qos):
    c = session(door, "alice")
    c.subscribed("a", "b", qos=qos)
    p = door.by_token(sub="p", publish=["#"])
    for topic in ("a", "b", "a", "b"):
        p.publish(topic, topic.encode())
    for topic in ("a", "b", "a", "b"):
        assert c.take(PUBLISH).topic == topic  # not acknowledged
    c.close()
    c = session(door, "alice", subscribe=["b"])
    assert [c.message().topic for _ in range(2)] == ["b", "b"]
    p.publish("b", b"new")
    assert c.message().payload == b"new"
    assert door.sluice.metrics("mqtt")["sluice_mqtt_events_withheld_total"] == 2


def test_group_members_come_back_without_a_filter_that_is_not_permitted(door):
    c = session(door, "alice")
    c.subscribed("$share/g/a", "$share/g/b", qos=1)
    leave(c)
    c = session(door, "alice", subscribe=["b"])
    p = door.by_token(sub="p", publish=["#"])
    p.publish("a", b"no")
    p.publish("b", b"yes")
    assert c.message().payload == b"yes"


# --- limits ---------------------------------------------------------------------------------------


@VERSIONS
def test_a_principal_has_so_many_connections(new_door, version):
    door = new_door("[limits]\nprincipal_connections = 2\n")
    a, b = (door.by_token(f"c{n}", version) for n in range(2))
    assert door.refused("c2", version, user="x", password=token()) == code(version, QUOTA)
    door.by_token("c2", version, sub="bob")
    assert door.by_token("c1", version).connack.reason == 0  # its own session taken over
    b.closed()
    leave(a)
    door.by_token("c3", version)


def test_a_websocket_is_one_connection(new_door):
    door = new_door("[limits]\nprincipal_connections = 1\n")
    jwt = token()
    c = at_websocket(door, jwt, "header")
    assert c.take(CONNACK).reason == 0
    assert door.refused(user="x", password=jwt) == QUOTA
    c.close()
    wait_for(lambda: door.sluice.metrics("mqtt")["sluice_connections"] == 0, "it has gone")
    c = at_websocket(door, jwt, "header", user="x", password=token(sub="bob"))
    assert c.take(CONNACK).reason == 0
    door.by_token(jwt=jwt)  # the head's is bob's by now


def test_a_principal_publishes_so_fast_in_50(new_door):
    door = new_door("[limits]\nprincipal_publish_rate = 5\n")
    c = door.by_token(publish=["a"])
    codes = [c.publish("a", qos=1).reason for _ in range(10)]
    assert codes[:5] == [0] * 5 and QUOTA in codes
    assert door.by_token(sub="bob", publish=["a"]).publish("a").reason == 0


@pytest.mark.parametrize("version, qos", [(V3, 1), (V3, 0), (V5, 0)])
def test_who_cannot_be_told_is_not_read_on(new_door, version, qos):
    door = new_door("[limits]\nprincipal_publish_rate = 10\n")
    w = watcher(door, "a")
    c = door.by_token(version=version, publish=["a"])
    for n in range(25):
        c.send(publish("a", str(n), qos, n + 1 if qos else None, version=version))
    assert [int(w.message().payload) for _ in range(25)] == list(range(25))


@VERSIONS
def test_a_principal_has_so_many_subscriptions(new_door, version):
    door = new_door("[limits]\nprincipal_subscriptions = 2\n")
    a = door.by_token(version=version, subscribe=["#"])
    b = door.by_token(version=version, subscribe=["#"])
    no = QUOTA if version == V5 else 0x80
    assert a.subscribe("a", "b", "c").codes == [0, 0, no]
    assert b.subscribe("a").codes == [no]
    a.unsubscribe("a")
    assert b.subscribe("a").codes == [0]
    leave(a)
    assert b.subscribe("b", "c").codes == [0, no]


def test_a_session_that_would_have_too_many_waits_as_it_is(new_door):
    door = new_door("[limits]\nprincipal_subscriptions = 2\n")
    c = session(door, "alice")
    c.subscribed("a", "b", qos=1)
    leave(c)
    other = door.by_token(subscribe=["#"])
    other.subscribed("x")
    jwt = token(subscribe=["#"], publish=["#"])
    will = Will("w", b"not sent")
    watches = watcher(door, "w")
    assert door.refused("c", user="x", password=jwt, clean=False, session_expiry=600,
                        will=will) == QUOTA
    nothing_but(watches, b"mark", "w")
    other.unsubscribe("x")
    c = session(door, "alice")
    assert c.connack.present
    c.publish("b", b"still there")
    assert c.message().payload == b"still there"


# --- somebody else is asked -----------------------------------------------------------------------


@pytest.fixture
def callback():
    c = Callback()
    yield c
    c.close()


@pytest.fixture
def asking(new_sluice, tmp_path, callback):
    door = AuthDoor(new_sluice(callback.config(tmp_path, limits="\n[mqtt]\nconnect_timeout = 1s\n"),
                               gateways=("mqtt",)), "", None)
    yield door
    door.close()


@VERSIONS
def test_nothing_is_answered_before_it_is_known_who_it_is(asking, callback, version):
    c = asking.open(version=version)
    c.send(connect("c", version, user="alice", password="x"), PING,
           subscribe(1, [("a", 1)], version))
    callback.asked(1)
    c.raw.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        c.read()
    c.raw.socket.settimeout(TIMEOUT)
    callback.gate.set()
    assert [c.next().kind for _ in range(3)] == [CONNACK, PINGRESP, SUBACK]


@VERSIONS
def test_who_is_not_known_in_time_is_told(asking, callback, version):
    c = asking.open(version=version)
    c.send(connect("c", version, user="alice", password="x"))
    assert c.closed() == (0x88 if version == V5 else 3)
    assert len(callback.questions) == 1


def test_who_leaves_before_it_is_known_leaves_no_session(asking, callback):
    c = asking.open()
    c.send(connect("c", user="alice", password="x", session_expiry=600, clean=False))
    callback.asked(1)
    c.close()
    callback.gate.set()
    assert not asking.session("c", user="alice", password="y").connack.present


def test_whoever_would_know_is_away(asking, callback):
    callback.close()
    assert asking.refused(user="alice", password="x") == 0x88
    assert asking.refused(version=V3, user="alice", password="x") == 3


def test_a_renewal_that_takes_time_disturbs_nothing(asking, callback):
    callback.gate.set()
    c = asking.connect("c", auth_method="jwt", auth_data="alice")
    c.subscribed("a", qos=1)
    callback.gate.clear()
    c.send(auth("alice"))
    callback.asked(2)
    c.publish("a", b"meanwhile")
    assert c.message().payload == b"meanwhile"
    assert not [p for p in c.kept if p.kind == AUTH]
    callback.gate.set()
    assert c.take(AUTH).reason == 0
