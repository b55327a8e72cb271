/*
 * config_keys.h - every configuration key, once; included by config.h and
 * config.c with their own X.  These names are public.
 *
 * X(ID, section, key, type, default, choices, help)
 */
#define HTTP_CORS_HEADERS                                                                          \
    "Accept, Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, "         \
    "Last-Event-ID, Producer-Epoch, Producer-Id, Producer-Seq, Sluice-Correlation-Data, "          \
    "Sluice-Expiry, Sluice-Payload-Format, Sluice-Property, Sluice-Response-Topic, "               \
    "Sluice-Retain, Sluice-Type, traceparent, tracestate"
#define GATEWAY_KEYS(ID, section, port, admin_port)                                                \
    X(ID##_LISTEN, section, "listen", CONFIG_ADDRESSES, "127.0.0.1:" port, NULL,                   \
      "addresses to serve clients on; with TLS once [tls] certificate is set")                     \
    X(ID##_LISTEN_PLAIN, section, "listen_plain", CONFIG_ADDRESSES, "", NULL,                      \
      "addresses to serve clients on without TLS, beside those of listen")                         \
    X(ID##_TLS, section, "tls", CONFIG_BOOL, "on", NULL,                                           \
      "off: this gateway speaks no TLS, whatever [tls] says")                                      \
    X(ID##_ADMIN, section, "admin_listen", CONFIG_ADDRESS, "127.0.0.1:" admin_port, NULL,          \
      "address of /healthz, /readyz and /metrics; empty: none")                                    \
    X(ID##_ALLOW_ORIGIN, section, "allow_origin", CONFIG_ORIGINS, "", NULL,                        \
      "origins whose pages may call (CORS) or open a WebSocket, such as https://example.com or "   \
      "https://*.example.com; * is any; empty: none but the gateway's own")                        \
    X(ID##_ALLOW_HEADERS, section, "allow_headers", CONFIG_LIST, HTTP_CORS_HEADERS, NULL,          \
      "header fields that such pages may send; * is any")                                          \
    X(ID##_ALLOW_CREDENTIALS, section, "allow_credentials", CONFIG_BOOL, "false", NULL,            \
      "such pages may send cookies and client certificates along")

X(DATA, "sluice", "data", CONFIG_TEXT, "sluice-data", NULL,
  "folder of the database, and of run/ with the sockets between the processes")
X(PORT_BASE, "sluice", "port_base", CONFIG_INT, "0", NULL,
  "when set, stands in for all default ports: sse N+1, ws N+2, poll N+3, h2 N+4, "
  "mqtt over WebSocket N+5, mqtt N+6, zmq N+7; admin: broker N+10, sse N+11 and so on")
X(BIND, "sluice", "bind", CONFIG_HOST, "", NULL,
  "address that stands in for 127.0.0.1 wherever clients are served by default; 0.0.0.0: all "
  "addresses; admin listeners stay on loopback")
X(ALLOW_ANONYMOUS, "sluice", "allow_anonymous", CONFIG_BOOL, "false", NULL,
  "listen beyond loopback without authentication")
X(DRAIN, "sluice", "drain", CONFIG_DURATION, "5s", NULL,
  "how long a stopping process may take to finish what it began")
X(LOG_LEVEL, "sluice", "log_level", CONFIG_CHOICE, "info", "debug,info,warn,error",
  "least severe message that is logged")
X(LOG_FORMAT, "sluice", "log_format", CONFIG_CHOICE, "auto", "auto,text,json",
  "auto: text on a terminal, JSON otherwise")
X(LOG_AUDIT, "sluice", "log_audit", CONFIG_BOOL, "on", NULL,
  "log who was refused, and who deleted or managed what: a JSON line each, level audit")
X(LOG_ACCESS, "sluice", "log_access", CONFIG_BOOL, "off", NULL,
  "log each HTTP request when it is over: a JSON line each, level access")

X(DURABILITY, "broker", "durability", CONFIG_CHOICE, "fsync", "fsync,commit",
  "when a publish is acknowledged: fsync survives power loss, commit a killed process")
X(LINK, "broker", "link", CONFIG_ENDPOINTS, "", NULL,
  "ZeroMQ endpoints for gateways; empty: ipc in <data>/run")
X(READS, "broker", "reads", CONFIG_ENDPOINTS, "", NULL,
  "ZeroMQ endpoints for history reads; empty: ipc in <data>/run")
X(BROKER_KEY_FILE, "broker", "key_file", CONFIG_TEXT, "", NULL,
  "file with the broker's secret key, 40 characters of Z85, for link and reads over tcp, which "
  "then speak CURVE; without it these are for loopback alone.  The public key is logged")
X(LINK_GATEWAYS, "broker", "gateway_keys", CONFIG_TEXT, "", NULL,
  "file of the gateways that may come over tcp, a line each: name:public-key; read again on SIGHUP")
X(BROKER_ADMIN, "broker", "admin_listen", CONFIG_ADDRESS, "127.0.0.1:8090", NULL,
  "address of /healthz, /readyz and /metrics; empty: none")
X(MAX_BYTES, "broker", "max_bytes", CONFIG_SIZE, "1G", NULL,
  "what is kept in all, bytes: events, which make room for topics, retained messages, sessions and "
  "producers, up to a half; 0: no limit")
X(MAX_AGE, "broker", "max_age", CONFIG_DURATION, "7d", NULL,
  "how long events are kept; 0s: for ever")
X(TOPIC_IDLE, "broker", "topic_idle", CONFIG_DURATION, "7d", NULL,
  "an empty topic unused for so long is forgotten")
X(PRODUCER_IDLE, "broker", "producer_idle", CONFIG_DURATION, "7d", NULL,
  "a producer unused for so long is forgotten")
X(CLOCK_STEP, "broker", "clock_step", CONFIG_DURATION, "5s", NULL,
  "a clock that is set by more than this is not believed at once: retention and IDs go on without "
  "it")
X(CLOCK_AWAY, "broker", "clock_away", CONFIG_DURATION, "7d", NULL,
  "nor is one at a start that is so far after the log's last event, or before it")
X(CLOCK_SETTLE, "broker", "clock_settle", CONFIG_DURATION, "10m", NULL,
  "a clock that stands so long is believed, or when sluice clock accept says so; 0s: only then")
X(READERS, "broker", "readers", CONFIG_INT, "2", NULL, "threads that read history")
X(GATEWAY_CREDIT, "broker", "gateway_credit", CONFIG_SIZE, "4M", NULL,
  "live bytes that a gateway may leave unconfirmed before its live messages pause")
X(PUBLISH_WINDOW, "broker", "publish_window", CONFIG_SIZE, "8M", NULL,
  "publish bytes that one gateway may have unacknowledged")
X(SYS_INTERVAL, "broker", "sys_interval", CONFIG_DURATION, "10s", NULL,
  "how often MQTT clients are told what is new under $SYS/; 0s: never")

X(LINK_OWN_KEY, "link", "key_file", CONFIG_TEXT, "", NULL,
  "of a gateway on another machine than the broker: file with its secret key")
X(LINK_SERVER_KEY, "link", "server_key", CONFIG_KEYS, "", NULL,
  "and the broker's public key, 40 characters of Z85")

GATEWAY_KEYS(SSE, "sse", "8081", "8091")
X(SSE_KEEPALIVE, "sse", "keepalive", CONFIG_DURATION, "15s", NULL,
  "a quiet stream gets a comment, and its position if that has moved, so often")
X(SSE_ANNOUNCE, "sse", "announce", CONFIG_BOOL, "on", NULL,
  "a stream tells where it begins and, while it is quiet, stands (sluice.start, "
  "sluice.position); announce=on or off in the query goes before")
X(SSE_RETRY, "sse", "retry", CONFIG_DURATION, "2s", NULL,
  "how long a browser waits before it reconnects (SSE's retry:); 0s: not said")

GATEWAY_KEYS(WS, "ws", "8082", "8092")
X(WS_PING, "ws", "ping", CONFIG_DURATION, "30s", NULL,
  "a client that says nothing for so long is sent a ping; 0s: never")
X(WS_PING_TIMEOUT, "ws", "ping_timeout", CONFIG_DURATION, "30s", NULL,
  "time for a pong, or anything else, to come back; then the connection is closed")
X(WS_MAX_SUBSCRIPTIONS, "ws", "max_subscriptions", CONFIG_INT, "100", NULL,
  "subscriptions on one connection")
X(WS_PUBLISH_WINDOW, "ws", "publish_window", CONFIG_SIZE, "1M", NULL,
  "publish bytes that one connection may have unacknowledged; then it is not read")
X(WS_DEFLATE, "ws", "deflate", CONFIG_BOOL, "true", NULL,
  "permessage-deflate with clients that offer it; an event is compressed once for all")
X(WS_DEFLATE_LEVEL, "ws", "deflate_level", CONFIG_INT, "6", NULL,
  "how hard to compress: 1 (fast) to 9 (small)")

GATEWAY_KEYS(POLL, "poll", "8083", "8093")
X(POLL_WAIT, "poll", "wait", CONFIG_DURATION, "30s", NULL,
  "how long a poll waits for an event when it does not say")
X(POLL_MAX_WAIT, "poll", "max_wait", CONFIG_DURATION, "5m", NULL, "the longest wait=")
X(POLL_LIMIT, "poll", "limit", CONFIG_INT, "100", NULL,
  "events in one answer when a poll does not say")
X(POLL_MAX_LIMIT, "poll", "max_limit", CONFIG_INT, "500", NULL, "the largest limit=")

GATEWAY_KEYS(H2, "h2", "8084", "8094")
X(H2_KEEPALIVE, "h2", "keepalive", CONFIG_DURATION, "15s", NULL,
  "a quiet stream gets a comment, and its position if that has moved, so often")
X(H2_ANNOUNCE, "h2", "announce", CONFIG_BOOL, "on", NULL,
  "a stream tells where it begins and, while it is quiet, stands (sluice.start, "
  "sluice.position); announce=on or off in the query goes before")
X(H2_RETRY, "h2", "retry", CONFIG_DURATION, "2s", NULL,
  "how long a browser waits before it reconnects (SSE's retry:); 0s: not said")
X(H2_MAX_STREAMS, "h2", "max_streams", CONFIG_INT, "1000", NULL,
  "streams that a client may have open on one connection")
X(H2_MAX_STREAMS_TOTAL, "h2", "max_streams_total", CONFIG_INT, "100000", NULL,
  "streams of all clients; more are refused")
X(H2_WINDOW, "h2", "window", CONFIG_SIZE, "1M", NULL,
  "bytes that a client may send ahead on one stream; 16 times as many on a connection")
X(H2_GLITCHES, "h2", "glitches", CONFIG_INT, "1000", NULL,
  "frames that serve nothing (cancelled streams, pings, settings, empty data and so on) "
  "that a client may send at once; then its connection ends")
X(H2_GLITCH_RATE, "h2", "glitch_rate", CONFIG_INT, "100", NULL,
  "and how many a second in the long run")

GATEWAY_KEYS(MQTT, "mqtt", "1883", "8096")
X(MQTT_LISTEN_WS, "mqtt", "listen_ws", CONFIG_ADDRESSES, "127.0.0.1:8085", NULL,
  "addresses to serve MQTT over WebSocket on; empty: none")
X(MQTT_LISTEN_WS_PLAIN, "mqtt", "listen_ws_plain", CONFIG_ADDRESSES, "", NULL,
  "addresses to serve MQTT over WebSocket on without TLS, beside those of listen_ws")
X(MQTT_CONNECT_TIMEOUT, "mqtt", "connect_timeout", CONFIG_DURATION, "10s", NULL,
  "time for a client's CONNECT to arrive")
X(MQTT_MAX_SESSION_EXPIRY, "mqtt", "max_session_expiry", CONFIG_DURATION, "0s", NULL,
  "how long a session may outlive its connection; longer is cut to it; 0s: no limit")
X(MQTT_MAX_KEEP_ALIVE, "mqtt", "max_keep_alive", CONFIG_DURATION, "0s", NULL,
  "longest keep-alive of MQTT 5.0 clients, who are told; 0s: what they say")
X(MQTT_RECEIVE_MAXIMUM, "mqtt", "receive_maximum", CONFIG_INT, "1024", NULL,
  "publishes at QoS 1 and 2 that a client may have unacknowledged")
X(MQTT_MAX_INFLIGHT, "mqtt", "max_inflight", CONFIG_INT, "1024", NULL,
  "events at QoS 1 and 2 on their way to a client, whatever it allows")
X(MQTT_TOPIC_ALIAS_MAXIMUM, "mqtt", "topic_alias_maximum", CONFIG_INT, "32", NULL,
  "topic aliases that a client may use when it publishes")
X(MQTT_MAX_QOS, "mqtt", "max_qos", CONFIG_INT, "2", NULL,
  "highest QoS: of publishes, and granted to subscriptions")
X(MQTT_RETAIN_AVAILABLE, "mqtt", "retain_available", CONFIG_BOOL, "true", NULL,
  "clients may publish retained messages")
X(MQTT_MAX_SUBSCRIPTIONS, "mqtt", "max_subscriptions", CONFIG_INT, "1024", NULL,
  "subscriptions of one session")
X(MQTT_MAX_FILTERS, "mqtt", "max_filters", CONFIG_INT, "1024", NULL,
  "filters in one SUBSCRIBE or UNSUBSCRIBE; at most 1024")
X(MQTT_MAX_GROUPS, "mqtt", "max_groups", CONFIG_INT, "64", NULL,
  "shared groups ($share/…) that one session may be in")
X(MQTT_PROPERTIES, "mqtt", "properties", CONFIG_CHOICE, "asked", "asked,all",
  "which MQTT 5.0 clients get user properties of ours (sluice-id, sluice-type, sluice-gap): "
  "those that ask, or all")
X(MQTT_MAX_CLIENT_ID, "mqtt", "max_client_id", CONFIG_INT, "256", NULL,
  "longest client identifier, bytes")
X(MQTT_QUEUE_QOS0, "mqtt", "queue_qos0", CONFIG_BOOL, "false", NULL,
  "a session that was offline gets events of QoS 0, too")
X(MQTT_ON_GAP, "mqtt", "on_gap", CONFIG_CHOICE, "announce", "announce,drop-session",
  "a session whose events are gone is told so, or ends: its client begins a new one")
X(MQTT_SERVER_REFERENCE, "mqtt", "server_reference", CONFIG_SERVERS, "", NULL,
  "where MQTT 5.0 clients are sent when the process stops, as host:port, several with blanks "
  "between; empty: nowhere")

X(ZMQ_LISTEN, "zmq", "listen", CONFIG_ADDRESSES, "127.0.0.1:5550", NULL,
  "addresses to serve ZeroMQ sockets on, with or without tcp:// before them; "
  "ipc://PATH: a socket in the file system")
X(ZMQ_ADMIN, "zmq", "admin_listen", CONFIG_ADDRESS, "127.0.0.1:8097", NULL,
  "address of /healthz, /readyz and /metrics; empty: none")
X(ZMQ_MECHANISM, "zmq", "mechanism", CONFIG_LIST, "", NULL,
  "ZMTP's security, a list of null (strangers), plain (names and passwords in clear text) and "
  "curve (keys; encrypts); empty: null, curve once curve_secret_key_file is set, and plain with "
  "[auth] where all of listen is loopback or ipc")
X(ZMQ_CURVE_SECRET_KEY_FILE, "zmq", "curve_secret_key_file", CONFIG_TEXT, "", NULL,
  "with curve: file with our secret key, 40 characters of Z85, readable by its owner alone; "
  "the public key is logged at the start")
X(ZMQ_CURVE_CLIENTS, "zmq", "curve_clients", CONFIG_KEYS, "", NULL,
  "with curve: public keys, in Z85, of the clients that may come; empty: all may")
X(ZMQ_HANDSHAKE_TIMEOUT, "zmq", "handshake_timeout", CONFIG_DURATION, "10s", NULL,
  "time for a client to finish ZMTP's handshake")
X(ZMQ_PING, "zmq", "ping", CONFIG_DURATION, "30s", NULL,
  "a client of ZMTP 3.1 that says nothing for so long is sent a PING; 0s: never")
X(ZMQ_PING_TIMEOUT, "zmq", "ping_timeout", CONFIG_DURATION, "30s", NULL,
  "time for a PONG, or anything else, to come back; then the connection is closed")
X(ZMQ_SUB_FRAMES, "zmq", "sub_frames", CONFIG_CHOICE, "2", "2,4",
  "what SUB sockets get: topic, payload; or topic, payload, ID, properties")
X(ZMQ_PUBLISH_WINDOW, "zmq", "publish_window", CONFIG_SIZE, "1M", NULL,
  "publish bytes that one client may have unacknowledged; then it is not read")
X(ZMQ_MAX_SUBSCRIPTIONS, "zmq", "max_subscriptions", CONFIG_INT, "100", NULL,
  "subscriptions of one DEALER")
X(ZMQ_MAX_PREFIXES, "zmq", "max_prefixes", CONFIG_INT, "1024", NULL,
  "subscriptions of one SUB; with more its connection ends")

X(HTTP_HOSTS, "http", "hosts", CONFIG_HOSTS, "", NULL,
  "names that requests may ask for (Host), such as example.com or *.example.com, beside "
  "addresses, localhost, the names in listen, and names without a dot; * is any")

X(TLS_CERTIFICATE, "tls", "certificate", CONFIG_LIST, "", NULL,
  "PEM files, each with a certificate and the chain behind it; once set, gateways speak "
  "TLS.  The first is for clients that ask for a name which none is for")
X(TLS_KEY, "tls", "key", CONFIG_LIST, "", NULL,
  "PEM files with their keys, in the same order; empty: the keys are in the certificates' "
  "files")
X(TLS_CLIENT_CA, "tls", "client_ca", CONFIG_TEXT, "", NULL,
  "PEM file with the authorities of clients' certificates; empty: clients need none")
X(TLS_VERIFY, "tls", "verify", CONFIG_CHOICE, "require", "require,optional",
  "with client_ca: refuse clients without a certificate, or let them be anonymous")
X(TLS_MIN_VERSION, "tls", "min_version", CONFIG_CHOICE, "1.2", "1.2,1.3",
  "oldest version of TLS that is spoken")
X(TLS_HANDSHAKE_TIMEOUT, "tls", "handshake_timeout", CONFIG_DURATION, "10s", NULL,
  "time for a client to finish its handshake")
X(TLS_MAX_HANDSHAKES, "tls", "max_handshakes", CONFIG_INT, "1000", NULL,
  "handshakes under way at one gateway process; for more, one that stands still makes room")

X(AUTH_USERS, "auth", "users", CONFIG_TEXT, "", NULL,
  "file of users, a line each: name:hash:role,role; sluice passwd writes it")
X(AUTH_JWKS, "auth", "jwks", CONFIG_TEXT, "", NULL,
  "keys that sign tokens (JWT): a JWKS file, or an https URL of one")
X(AUTH_JWKS_REFRESH, "auth", "jwks_refresh", CONFIG_DURATION, "10m", NULL,
  "how often that URL is asked again; for a key that is not known at once, once a minute at most")
X(AUTH_HMAC_KEY, "auth", "hmac_key_file", CONFIG_TEXT, "", NULL,
  "file with the secret of tokens signed with HS256, 32 bytes at least")
X(AUTH_ISSUER, "auth", "issuer", CONFIG_TEXT, "", NULL, "iss that tokens must have; empty: any")
X(AUTH_AUDIENCE, "auth", "audience", CONFIG_LIST, "", NULL,
  "aud of which tokens must have one; empty: any")
X(AUTH_LEEWAY, "auth", "leeway", CONFIG_DURATION, "5s", NULL,
  "by how much the clock that made a token may differ from ours")
X(AUTH_REVOKED, "auth", "revoked", CONFIG_TEXT, "", NULL,
  "file of tokens that are not believed any more, a jti a line; read again on SIGHUP")
X(AUTH_CERTIFICATE_ROLES, "auth", "certificate_roles", CONFIG_LIST, "", NULL,
  "roles of whoever shows a client certificate that [tls] client_ca has verified")
X(AUTH_KEYS, "auth", "keys", CONFIG_TEXT, "", NULL,
  "file of ZeroMQ CURVE keys, a line each: name:public-key:role,role; sluice keygen makes keys")
X(AUTH_CALLBACK, "auth", "callback", CONFIG_TEXT, "", NULL,
  "URL that is asked, by POST of JSON, about credentials that none of these knows")
X(AUTH_CALLBACK_TIMEOUT, "auth", "callback_timeout", CONFIG_DURATION, "2s", NULL,
  "time for its answer; then 503")
X(AUTH_CALLBACK_REQUESTS, "auth", "callback_requests", CONFIG_INT, "64", NULL,
  "such requests waiting at once in one process; then 429")
X(AUTH_CA, "auth", "ca_file", CONFIG_TEXT, "", NULL,
  "certificates that the URLs of jwks and callback must be signed by; empty: the system's")
X(AUTH_ANONYMOUS, "auth", "anonymous", CONFIG_LIST, "", NULL,
  "roles of whoever shows nothing; empty: strangers are refused")
X(AUTH_COOKIE, "auth", "cookie", CONFIG_TEXT, "", NULL,
  "name of a cookie that holds a token; only pages of our own addresses and of allow_origin get "
  "anywhere with it; empty: cookies are not looked at")
X(AUTH_TIMEOUT, "auth", "auth_timeout", CONFIG_DURATION, "5s", NULL,
  "time for a WebSocket that came without credentials to send {\"op\":\"auth\"}")
X(AUTH_PASSWORD_CHECKS, "auth", "password_checks", CONFIG_INT, "64", NULL,
  "passwords waiting to be checked at once in one process; then 429")
X(AUTH_MAX_GRANTS, "auth", "max_grants", CONFIG_INT, "256", NULL,
  "filters that one token, or one answer of the callback, may grant")
X(AUTH_REMEMBER, "auth", "remember", CONFIG_INT, "10000", NULL,
  "credentials that one process remembers after their last connection is gone")

X(MAX_PAYLOAD, "limits", "max_payload", CONFIG_SIZE, "1M", NULL, "payload of one event, bytes")
X(MAX_BODY, "limits", "max_body", CONFIG_SIZE, "8M", NULL,
  "body of one request, such as a batch, bytes")
X(MAX_BATCH, "limits", "max_batch", CONFIG_INT, "10000", NULL, "events in one batch")
X(MAX_HEADER, "limits", "max_header", CONFIG_SIZE, "16k", NULL,
  "request line and header fields, bytes")
X(MAX_CONNECTIONS, "limits", "max_connections", CONFIG_INT, "16000", NULL,
  "connections at one gateway process")
X(MAX_PER_ADDRESS, "limits", "max_connections_per_address", CONFIG_INT, "0", NULL,
  "connections from one address; 0: no limit")
X(PRINCIPAL_CONNECTIONS, "limits", "principal_connections", CONFIG_INT, "0", NULL,
  "connections of one principal at one gateway process; 0: no limit")
X(PRINCIPAL_SUBSCRIPTIONS, "limits", "principal_subscriptions", CONFIG_INT, "0", NULL,
  "subscriptions of one principal at one gateway process; 0: no limit")
X(PRINCIPAL_PUBLISH_RATE, "limits", "principal_publish_rate", CONFIG_INT, "0", NULL,
  "events a second, and as many at once, that one principal may publish at one gateway process; "
  "0: no limit")
X(PRINCIPAL_PUBLISH_BYTES, "limits", "principal_publish_bytes", CONFIG_SIZE, "0", NULL,
  "the same in payload bytes")
X(MAX_FILTERS, "limits", "max_filters", CONFIG_INT, "64", NULL,
  "topics and filters in one subscription")
X(MAX_LEVELS, "limits", "max_levels", CONFIG_INT, "32", NULL, "levels of a topic or filter")
X(MAX_TOPICS, "limits", "max_topics", CONFIG_INT, "1000000", NULL,
  "topics that the log may hold; then publishes to new ones are refused, once no empty one "
  "is left to be forgotten; each takes some 500 bytes of memory, and one more is counted for each "
  "256 bytes of its name; 0: 16,000,000")
X(MAX_RETAINED_BYTES, "limits", "max_retained_bytes", CONFIG_SIZE, "256M", NULL,
  "retained messages in all, bytes; then further ones are refused; 0: no limit")
X(MAX_SESSION_BYTES, "limits", "max_session_bytes", CONFIG_SIZE, "512M", NULL,
  "stored MQTT sessions, their wills and shared groups in all, bytes; then further sessions, wills "
  "and subscriptions of stored sessions are refused; 0: no limit")
X(MAX_PRODUCERS, "limits", "max_producers", CONFIG_INT, "1000000", NULL,
  "producers and idempotency keys that are remembered, per topic; when it fills up, keys are "
  "forgotten early, though not within a minute; then publishes of further ones are refused; each "
  "takes some 200 bytes of disk; 0: no limit")
X(MAX_FILTERS_TOTAL, "limits", "max_filters_total", CONFIG_INT, "100000", NULL,
  "different filters of one gateway process; a client may hold a sixteenth of those that are "
  "free")
X(MAX_FILTER_LEVELS, "limits", "max_filter_levels", CONFIG_INT, "16384", NULL,
  "levels of all filters of one client; those of a filter with + count four times, because "
  "each may be looked at for an event")
X(HISTORY_MEMORY, "limits", "history_memory", CONFIG_SIZE, "32M", NULL,
  "history documents that a gateway composes at once, bytes; further requests wait")
X(MAX_LAST, "limits", "max_last", CONFIG_INT, "10000", NULL, "largest N of last=N")
X(HEADER_TIMEOUT, "limits", "header_timeout", CONFIG_DURATION, "10s", NULL,
  "time for a request's head to arrive")
X(BODY_TIMEOUT, "limits", "body_timeout", CONFIG_DURATION, "30s", NULL,
  "time for a request's body to arrive")
X(IDLE_TIMEOUT, "limits", "idle_timeout", CONFIG_DURATION, "75s", NULL,
  "time that a kept connection may wait for its next request")
X(PUBLISH_TIMEOUT, "limits", "publish_timeout", CONFIG_DURATION, "10s", NULL,
  "time that a publish may wait for the broker: 503 when it was never sent, else 504")
X(PUBLISH_QUEUE, "limits", "publish_queue", CONFIG_SIZE, "32M", NULL,
  "publish bytes that may wait in a gateway; then publishes are refused as busy")
X(RING, "limits", "ring", CONFIG_SIZE, "32M", NULL,
  "recent events kept in memory by a gateway, with their encodings")
X(RING_PINNED, "limits", "ring_pinned", CONFIG_SIZE, "32M", NULL,
  "events half written to slow clients that have left the ring; then the client "
  "stalled longest is closed")
X(PAGE_CACHE, "limits", "page_cache", CONFIG_SIZE, "16M", NULL,
  "history pages kept in memory by a gateway for clients that replay together")
X(PAGE_REQUESTS, "limits", "page_requests", CONFIG_INT, "16", NULL,
  "history pages that a gateway asks for at once; clients take turns, and while there are fewer "
  "than twice as many the first of one who has none under way passes")
X(REPLAY_TURN, "limits", "replay_turn", CONFIG_SIZE, "4M", NULL,
  "bytes of events that all clients who catch up are handed between two looks at what "
  "is live")

X(READY_FD, "process", "ready_fd", CONFIG_INT, "-1", NULL,
  "descriptor that gets one byte when the process is ready; for supervisors")
#undef GATEWAY_KEYS
#undef HTTP_CORS_HEADERS
