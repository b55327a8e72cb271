/*
 * metrics_list.h - every metric, once.  Names are public.
 *
 * X(ID, who, type, name, help)   who: 'b' broker, 'g' gateways, '*' both
 */
X(READY, '*', GAUGE, "sluice_ready", "1 while /readyz says so")
X(LOOP_STALL, '*', PEAK, "sluice_loop_stall_seconds",
  "Longest turn of the process's loop since the last scrape, sleep not counted")
X(MEMORY, '*', GAUGE, "sluice_memory_bytes", "Memory allocated and not given back")
X(STORE_FAILING, 'b', GAUGE, "sluice_store_failing", "1 while the store takes no events")
X(COMMITS_FAILED, 'b', COUNTER, "sluice_commits_failed_total",
  "Transactions that could not be written, their publishes refused")
X(PUBLISHED, 'b', COUNTER, "sluice_events_stored_total", "Events committed")
X(VOLATILE, 'b', COUNTER, "sluice_events_volatile_total", "Events published without being stored")
X(REFUSED, '*', COUNTER, "sluice_publishes_refused_total", "Publishes answered with an error")
X(REPEATED, 'b', COUNTER, "sluice_publishes_repeated_total", "Publishes recognised as repeats")
X(COMMITS, 'b', COUNTER, "sluice_commits_total", "Transactions committed")
X(COMMIT_US, 'b', HISTOGRAM, "sluice_commit_seconds", "Time of one transaction")
X(REMOVED, 'b', COUNTER, "sluice_events_removed_total", "Events removed by retention or deletion")
X(PAGES, '*', COUNTER, "sluice_pages_total", "History pages read")
X(BAD_FRAMES, '*', COUNTER, "sluice_bad_frames_total", "Malformed ZeroMQ messages")
X(RETENTION_LOOKS, 'b', COUNTER, "sluice_retention_looks_total",
  "Times that what is too old or too much was looked for")
X(CLOCK_HELD, 'b', GAUGE, "sluice_clock_held", "1 while the clock is not believed")
X(CLOCK_STEP, 'b', GAUGE, "sluice_clock_step_seconds",
  "How far it is then from the time that the log goes by")
X(GATEWAYS, 'b', GAUGE, "sluice_gateways", "Gateways connected")
X(SESSIONS_ATTACHED, 'b', GAUGE, "sluice_sessions_attached", "MQTT sessions with a client")
X(SESSIONS_STORED, 'b', GAUGE, "sluice_sessions_stored",
  "MQTT sessions that outlive their connection")
X(SESSION_BYTES, 'b', GAUGE, "sluice_session_bytes", "Bytes of stored MQTT sessions and groups")
X(SESSIONS_REFUSED, 'b', COUNTER, "sluice_sessions_refused_total",
  "MQTT sessions, wills and subscriptions refused because stored sessions take as much as they may")
X(PRODUCERS, 'b', GAUGE, "sluice_producers", "Producers and idempotency keys remembered")
X(PRODUCERS_REFUSED, 'b', COUNTER, "sluice_producers_refused_total",
  "Publishes refused because their producer would have been one too many")
X(TAKEOVERS, 'b', COUNTER, "sluice_session_takeovers_total",
  "MQTT sessions attached while another connection held them")
X(WILLS, 'b', COUNTER, "sluice_wills_sent_total", "Wills published")
X(ASSIGNED, 'b', COUNTER, "sluice_shared_assigned_total",
  "Events assigned to a member of a shared subscription")
X(PAUSES, 'b', COUNTER, "sluice_gateway_pauses_total",
  "Times a gateway's live messages were paused")
X(HEAD, '*', GAUGE, "sluice_head_id", "Highest event ID")
X(TOPICS, 'b', GAUGE, "sluice_topics", "Topics known")
X(TOPICS_MAX, 'b', GAUGE, "sluice_topics_max", "Topics that the log may hold; 0: no limit")
X(TOPICS_REFUSED, 'b', COUNTER, "sluice_topics_refused_total",
  "Publishes refused because their topic would have been one too many")
X(RETAINED_BYTES, 'b', GAUGE, "sluice_retained_bytes", "Bytes of retained messages")
X(STORED_BYTES, 'b', GAUGE, "sluice_stored_bytes", "Bytes of events kept")
X(WAL_FRAMES, 'b', GAUGE, "sluice_wal_frames", "Frames in the write-ahead log")
X(QUEUED_BYTES, 'b', GAUGE, "sluice_publish_queue_bytes", "Publish bytes waiting for the writer")
X(CONNECTIONS, 'g', GAUGE, "sluice_connections", "Client connections open")
X(ACCEPTED, 'g', COUNTER, "sluice_connections_total", "Client connections accepted")
X(TLS_HANDSHAKES, 'g', COUNTER, "sluice_tls_handshakes_total", "TLS handshakes completed")
X(TLS_RESUMED, 'g', COUNTER, "sluice_tls_resumed_total", "TLS handshakes that resumed a session")
X(TLS_FAILED, 'g', COUNTER, "sluice_tls_handshakes_failed_total",
  "TLS handshakes refused, broken off or timed out")
X(TLS_EXPIRY, 'g', GAUGE, "sluice_tls_certificate_expiry_seconds",
  "When the first TLS certificate expires, in seconds since 1970; 0 without TLS")
X(FILTERS, 'g', GAUGE, "sluice_filters", "Different filters registered with the broker")
X(FILTERS_REFUSED, 'g', COUNTER, "sluice_filters_refused_total",
  "Subscriptions refused because their client held its share of filters")
X(HISTORY_BYTES, 'g', GAUGE, "sluice_history_bytes", "Bytes of history documents being composed")
X(HISTORY_REFUSED, 'g', COUNTER, "sluice_history_refused_total",
  "History requests refused because too many waited")
X(SUBSCRIPTIONS, 'g', GAUGE, "sluice_subscriptions", "Subscriptions open")
X(DELIVERED, 'g', COUNTER, "sluice_deliveries_total", "Events handed to subscribers")
X(SENT_BYTES, 'g', COUNTER, "sluice_sent_bytes_total", "Bytes written to clients")
X(RECEIVED, 'g', COUNTER, "sluice_events_received_total", "Events received live from the broker")
X(HOLES, 'g', COUNTER, "sluice_live_holes_total",
  "Holes in the live stream, read from the store instead")
X(GAPS, 'g', COUNTER, "sluice_gaps_total", "Gap notices given to subscribers")
X(FALLBACKS, 'g', COUNTER, "sluice_fallbacks_total",
  "Times a subscriber fell from the head to the ring or the store")
X(RING_BYTES, 'g', GAUGE, "sluice_ring_bytes", "Bytes of recent events in memory")
X(PINNED_BYTES, 'g', GAUGE, "sluice_ring_pinned_bytes",
  "Bytes of half-written events that have left the ring")
X(STALLED_CLOSED, 'g', COUNTER, "sluice_stalled_closed_total",
  "Clients closed because ring_pinned was reached")
X(PUBLISH_PENDING, 'g', GAUGE, "sluice_publishes_pending",
  "Publishes waiting for the broker's acknowledgement")
X(AUTH_REFUSED, 'g', COUNTER, "sluice_auth_refused_total",
  "Requests and connections whose credentials were missing or not believed")
X(AUTH_FORBIDDEN, 'g', COUNTER, "sluice_auth_forbidden_total",
  "What somebody tried who is known and may not")
X(AUTH_JWKS_FAILURES, 'g', COUNTER, "sluice_auth_jwks_failures_total",
  "Times that the keys of tokens could not be fetched")
X(AUTH_JWKS_FETCHED, 'g', GAUGE, "sluice_auth_jwks_fetched_seconds",
  "When the keys of tokens were fetched last, in seconds since 1970; 0: never")
X(LINK_UP, 'g', GAUGE, "sluice_link_up", "1 while the broker is connected")
X(HTTP_REQUESTS, 'g', COUNTER, "sluice_http_requests_total", "HTTP requests")
X(HTTP_BAD, 'g', COUNTER, "sluice_http_malformed_total", "Malformed HTTP requests")
X(HTTP_FORBIDDEN, '*', COUNTER, "sluice_http_forbidden_total",
  "HTTP requests refused because of their Host or Origin")
X(PASSWORDS_HASHED, 'g', COUNTER, "sluice_auth_password_hashes_total",
  "Passwords hashed to be checked")
X(AUTH_SLOWED, 'g', COUNTER, "sluice_auth_slowed_total",
  "Passwords not looked at because their name or address had failed too often")
X(CALLBACK_ASKED, 'g', COUNTER, "sluice_auth_callback_requests_total",
  "Requests to the HTTP callback of [auth]")
X(CALLBACK_FAILED, 'g', COUNTER, "sluice_auth_callback_failures_total",
  "Of them, those without an answer that could be used")
X(H2_STREAMS, 'g', GAUGE, "sluice_http2_streams", "HTTP/2 streams open")
X(H2_REFUSED, 'g', COUNTER, "sluice_http2_streams_refused_total",
  "HTTP/2 streams refused because of a limit")
X(H2_RESETS, 'g', COUNTER, "sluice_http2_resets_total", "HTTP/2 streams reset by their clients")
X(H2_PUSHED, 'g', COUNTER, "sluice_http2_pushed_total", "Events pushed as resources over HTTP/2")
X(H2_ERRORS, 'g', COUNTER, "sluice_http2_errors_total",
  "HTTP/2 connections ended because of what their client sent")
X(H2_CALMED, 'g', COUNTER, "sluice_http2_calmed_total",
  "Of them, those whose client sent too much that serves nothing")
X(WS_MALFORMED, 'g', COUNTER, "sluice_websocket_malformed_total",
  "WebSockets closed because of what their client sent")
X(MQTT_CONNECTS_311, 'g', COUNTER, "sluice_mqtt_connects_311_total", "MQTT 3.1.1 clients accepted")
X(MQTT_CONNECTS_5, 'g', COUNTER, "sluice_mqtt_connects_5_total", "MQTT 5.0 clients accepted")
X(MQTT_CONNECTS_REFUSED, 'g', COUNTER, "sluice_mqtt_connects_refused_total",
  "MQTT clients refused in CONNACK")
X(MQTT_VIOLATIONS, 'g', COUNTER, "sluice_mqtt_disconnects_total",
  "MQTT clients disconnected by the gateway: what they sent, or that they sent nothing")
X(MQTT_PUBLISHES_REFUSED, 'g', COUNTER, "sluice_mqtt_publishes_refused_total",
  "MQTT publishes refused; to 3.1.1 clients they were acknowledged, or ended them")
X(MQTT_FILTERS_DROPPED, 'g', COUNTER, "sluice_mqtt_filters_dropped_total",
  "Filters of resumed MQTT sessions that their principal may no longer subscribe to")
X(MQTT_EVENTS_WITHHELD, 'g', COUNTER, "sluice_mqtt_events_withheld_total",
  "Events in flight of resumed MQTT sessions that their principal may no longer see")
X(MQTT_PACKETS_RECEIVED, 'g', COUNTER, "sluice_mqtt_packets_received_total",
  "MQTT control packets received")
X(MQTT_GAPS_UNTOLD, 'g', COUNTER, "sluice_mqtt_gaps_untold_total",
  "Gaps that an MQTT 3.1.1 client could not be told of")
X(ZMQ_REFUSED, 'g', COUNTER, "sluice_zmq_peers_refused_total",
  "ZeroMQ peers refused before they were heard: version, mechanism, socket type, time")
X(ZMQ_BROKEN, 'g', COUNTER, "sluice_zmq_peers_broken_total",
  "ZeroMQ peers disconnected because of what they sent, or that they sent nothing")
X(ZMQ_DROPPED, 'g', COUNTER, "sluice_zmq_publishes_dropped_total",
  "Publishes of PUSH and PUB sockets that were refused: these hear no answer")
