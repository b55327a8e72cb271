/*
 * groups_fixture.h - groups over a played store, members at two gateways, and reads that
 * are answered when the test says so.
 *
 *     struct member *m = member("m", GROUP, 1, 10);     QoS 1, credit 10
 *     store_publish("a/x", "one", 1);
 *     ck_assert_str_eq(got(m), "one");                   payloads since the last look
 *
 * Sessions are not linked: a member is the struct groups_session that they would keep.
 */
#ifndef TESTS_GROUPS_FIXTURE_H
#define TESTS_GROUPS_FIXTURE_H

#include "played_reads.h"
#include "run_suite.h"
#include "session_rows.h"

#define GROUP "$share/g/a/#"
#define START_MS UINT64_C(1700000000000)
#define MEMBERS 80

struct member {
    struct groups_session s;
    char name[8];
    struct buf got;   /* "payload payload" */
    uint64_t last_id; /* that it was assigned */
};

/* A WRITE under way. */
struct pending {
    struct wire_write m;
    struct buf items, taken;
    uint64_t seq;
    enum sluice_error error;
    bool answered;
};

static uint64_t now;
static struct groups *groups;
static struct groups_peer peers[2];
static struct member members[MEMBERS];
static unsigned member_count;
static uint64_t seq;
static uint64_t conflict;

/* --- what leaves ------------------------------------------------------------------------ */

static inline struct member *member_named(struct slice name)
{
    for (unsigned i = 0; i < member_count; i++) {
        if (slice_eq(members[i].s.client, name))
            return &members[i];
    }
    ck_abort_msg("assigned to nobody");
    return NULL;
}

static inline void on_call(void *link, struct buf *frame)
{
    static struct buf last;
    struct wire_assign a;
    struct reader body, r;
    struct member *m;
    struct event e;

    ck_assert_uint_eq(wire_call_get(frame->p, frame->len, &body), WIRE_CALL_ASSIGN);
    ck_assert(wire_assign_get(&body, &a));
    if (a.record.len > 0) { /* none: that of the one before */
        buf_clear(&last);
        buf_put_slice(&last, a.record);
    }
    r = reader_of(last.p, last.len);
    ck_assert(event_record_get(&r, &e));
    m = member_named(a.client);
    ck_assert(a.epoch == m->s.epoch && link == m->s.peer->link);
    if (m->got.len > 0)
        buf_u8(&m->got, ' ');
    buf_put_slice(&m->got, e.payload);
    m->last_id = e.id;
    buf_free(frame);
}

/* The payloads that it was assigned since this was asked last. */
static inline const char *got(struct member *m)
{
    static char text[2][256];
    static unsigned turn;
    char *out = text[turn++ % 2];

    snprintf(out, sizeof text[0], "%.*s", (int)m->got.len,
             m->got.p != NULL ? (char *)m->got.p : "");
    buf_clear(&m->got);
    return out;
}

/* How many rows the oldest read asks for; 0: it is of one event. */
static inline uint32_t read_limit(void)
{
    struct wire_filter filters[1];
    struct wire_page_req q;

    ck_assert_ptr_nonnull(reads);
    if (!wire_page_req_get(reads->request.p, reads->request.len, &q, filters, 1))
        return 0;
    return q.limit;
}

/* All reads and all of the store, until nothing waits. */
static inline void run(void)
{
    bool more = true;

    while (more) {
        more = read_answer();
        more = store_answer() || more;
    }
}

static inline void pass(uint64_t ms)
{
    for (; ms > 0; ms -= 1000) {
        now += 1000;
        groups_second(groups);
        run();
    }
}

/* --- what members do ----------------------------------------------------------------------- */

static inline void on_written(struct commit *c)
{
    struct pending *p = c->data;

    p->error = c->error;
    p->answered = true;
    groups_written(groups, &p->m, p->seq, c->error == ERR_NONE);
}

static inline void pending_free(struct pending *p)
{
    buf_free(&p->items);
    buf_free(&p->taken);
}

/* p's items and taken events; answered once the store has run. */
static inline void write_send(struct member *m, struct pending *p)
{
    struct commit *c = commit_new(p);

    p->seq = p->seq != 0 ? p->seq : ++seq;
    p->m = (struct wire_write){
        .client = m->s.client,
        .epoch = m->s.epoch,
        .groups = buf_slice(&p->taken),
        .items = buf_slice(&p->items),
    };
    p->error = groups_write(groups, &m->s, &p->m, p->seq, c, &conflict);
    if (p->error == ERR_NONE) {
        commit_submit(c, &store, on_written);
        return;
    }
    p->answered = true;
    commit_free(c);
}

static inline enum sluice_error write_now(struct member *m, struct pending *p)
{
    write_send(m, p);
    store_run();
    ck_assert(p->answered);
    pending_free(p);
    return p->error;
}

static inline void item_put(struct pending *p, const char *group, uint8_t qos, uint64_t start)
{
    struct buf key = {0}, value = {0};

    buf_puts(&key, "F");
    buf_puts(&key, group);
    buf_u8(&value, qos);
    buf_u64(&value, start);
    wire_item_put(&p->items,
                  &(const struct wire_item){.key = buf_slice(&key), .value = buf_slice(&value)});
    buf_free(&key);
    buf_free(&value);
}

static inline enum sluice_error subscribe_from(struct member *m, const char *group, uint8_t qos,
                                               uint64_t start)
{
    struct pending p = {.seq = 0};

    item_put(&p, group, qos, start);
    return write_now(m, &p);
}

static inline enum sluice_error subscribe(struct member *m, const char *group, uint8_t qos)
{
    return subscribe_from(m, group, qos, UINT64_MAX);
}

static inline enum sluice_error unsubscribe(struct member *m, const char *group)
{
    struct pending p = {.seq = 0};
    struct buf key = {0};

    buf_puts(&key, "F");
    buf_puts(&key, group);
    wire_item_put(&p.items, &(const struct wire_item){.drop = true, .key = buf_slice(&key)});
    buf_free(&key);
    return write_now(m, &p);
}

static inline void taken_put(struct pending *p, const char *group, uint64_t id)
{
    wire_taken_put(&p->taken, slice_of(group), id);
}

/* The session makes the event its own, in a unit of this number. */
static inline enum sluice_error take(struct member *m, uint64_t id, uint64_t unit)
{
    struct pending p = {.seq = unit};

    taken_put(&p, GROUP, id);
    return write_now(m, &p);
}

static inline void done(struct member *m, uint64_t id)
{
    groups_done(groups, &m->s, &(const struct wire_done){.group = SLICE(GROUP), .id = id});
}

static inline void give_back(struct member *m, uint64_t id)
{
    const struct wire_done d = {.group = SLICE(GROUP), .id = id, .returned = true};

    groups_done(groups, &m->s, &d);
}

static inline void credit(struct member *m, uint32_t n)
{
    groups_credit(groups, &m->s, n);
}

static inline struct member *client_at(struct groups_peer *peer, const char *name)
{
    struct member *m = &members[member_count++];

    ck_assert_uint_le(member_count, MEMBERS);
    snprintf(m->name, sizeof m->name, "%s", name);
    m->s = (struct groups_session){
        .client = slice_of(m->name),
        .epoch = member_count,
        .stored = true,
        .peer = peer,
    };
    groups_attached(groups, &m->s);
    return m;
}

/* At the first gateway. */
static inline struct member *client(const char *name)
{
    return client_at(&peers[0], name);
}

static inline struct member *member_at(struct groups_peer *peer, const char *name,
                                       const char *group, uint8_t qos, uint32_t n)
{
    struct member *m = client_at(peer, name);

    ck_assert_int_eq(subscribe(m, group, qos), ERR_NONE);
    credit(m, n);
    return m;
}

static inline struct member *member(const char *name, const char *group, uint8_t qos, uint32_t n)
{
    return member_at(&peers[0], name, group, qos, n);
}

static inline void detach(struct member *m)
{
    groups_detached(groups, &m->s);
}

/* It attaches again, and says its credit. */
static inline void attach(struct member *m, uint32_t n)
{
    m->s.epoch += MEMBERS;
    m->s.closing = false;
    groups_attached(groups, &m->s);
    credit(m, n);
}

static inline void on_ended(struct commit *c)
{
    struct member *m = c->data;

    ck_assert_int_eq(c->error, ERR_NONE);
    groups_ended(groups, m->s.client);
}

/* Its session ends. */
static inline void end(struct member *m)
{
    struct commit *c = commit_new(m);

    groups_detached(groups, &m->s);
    groups_end(groups, c, m->s.client);
    commit_submit(c, &store, on_ended);
    store_run();
}

/* --- rows ------------------------------------------------------------------------------------- */

static inline struct slice event_row_key(uint64_t id)
{
    static char key[9];

    key[0] = 'E';
    for (int i = 0; i < 8; i++)
        key[1 + i] = (char)(uint8_t)(id >> (56 - 8 * i));
    return (struct slice){key, sizeof key};
}

/* p NULL: the event has none. */
static inline struct slice event_row(uint64_t id)
{
    return store_value(SPACE_GROUP, SLICE(GROUP), event_row_key(id));
}

static inline uint64_t stored_cursor(void)
{
    struct slice value = store_value(SPACE_GROUP, SLICE(GROUP), SLICE("C"));

    ck_assert_uint_eq(value.len, 8);
    return le64_get((const uint8_t *)value.p);
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static inline uint64_t read_now(void *arg)
{
    (void)arg;
    return now;
}

static inline void on_batch(const struct store_batch *b)
{
    groups_batch(groups, b);
}

static inline void open_groups(void)
{
    const struct groups_reads ops = {.ask = reads_on_ask};
    struct played_row *row;

    groups = groups_new(&store, &ops);
    groups_serve(groups, on_call);
    DL_FOREACH (store.rows, row) {
        const struct store_entry e = {buf_slice(&row->owner), buf_slice(&row->key),
                                      buf_slice(&row->value)};

        if (row->space == SPACE_GROUP)
            groups_load(groups, &e);
    }
}

static inline void close_groups(void)
{
    groups_free(groups);
    reads_drop();
}

/* The broker is killed and starts; nobody is attached. */
static inline void restart(void)
{
    store_run();
    close_groups();
    peers[0].assigned = peers[1].assigned = 0;
    open_groups();
}

static inline void setup(void)
{
    now = START_MS;
    clock_replace(read_now, NULL);
    store_begin();
    store.follow = on_batch;
    for (size_t i = 0; i < ARRAY_LEN(peers); i++)
        peers[i] = (struct groups_peer){.instance = {{(uint8_t)(i + 1)}}, .link = &peers[i]};
    memset(members, 0, sizeof members);
    member_count = 0;
    seq = 0;
    open_groups();
}

static inline void teardown(void)
{
    store.refuses = ERR_NONE;
    groups_stop(groups);
    store_run();
    close_groups();
    store_end();
    for (unsigned i = 0; i < member_count; i++)
        buf_free(&members[i].got);
    clock_replace(NULL, NULL);
}

#endif
