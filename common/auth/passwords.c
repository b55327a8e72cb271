/*
 * passwords.c - hashes to make, and who waits for each.
 *
 *   passwords_ask ──▶ a check of the same user and password, else a new one
 *                     waiting ──▶ running (a few, on the pool) ──▶ each ask's done
 *
 * A check owns all that its thread touches, so it outlives who asked and the file that it
 * was made for; then nobody is told.
 */
#include "passwords.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "metrics.h"
#include "network.h"
#include "roster.h"

#define RETRY_MS 1000u     /* for whom there is no room */
#define HASH_CHARS_MIN 22u /* behind the last '$' of the shortest hash, md5crypt's */
#define THREADS_MAX 3u     /* of the pool's four: others use it too */

struct password_ask {
    struct check *check;
    struct password_ask *next, **link; /* of the check's */
    source_done done;
    void *arg;
};

struct check {
    uv_work_t work;
    struct passwords *of; /* NULL: closed meanwhile */
    struct check *next, **link;
    struct password_ask *asks;
    const struct roster_entry *user; /* NULL: there is none of that name */
    struct network network;          /* of the first who asked */
    struct buf name;
    char *password, *setting; /* the thread reads them */
    bool started, over;
    bool right; /* the thread's answer */
};

struct passwords {
    uv_loop_t *loop;
    struct roster roster;
    const struct roster_entry **entries;
    size_t count;
    struct check *checks, **end; /* those that run, those that wait; the oldest first */
    size_t check_count, checks_max;
    unsigned running, running_max;
};

/* --- the file -------------------------------------------------------------------------- */

static const char *hash_wrong(struct slice hash)
{
    char text[CRYPT_OUTPUT_SIZE];
    const char *last = hash.len > 0 ? memrchr(hash.p, '$', hash.len) : NULL;
    int rc;

    if (hash.len == 0)
        return "there is no hash; sluice passwd makes one";
    if (hash.len >= sizeof text)
        return "the hash is too long";
    memcpy(text, hash.p, hash.len);
    text[hash.len] = '\0';
    rc = crypt_checksalt(text);
    /* DES takes any two characters for salt, so that a password in its place would pass. */
    if (text[0] != '$' || (rc != CRYPT_SALT_OK && rc != CRYPT_SALT_METHOD_LEGACY))
        return "the hash is none that crypt(3) knows; sluice passwd makes one";
    if ((size_t)(hash.p + hash.len - last) <= HASH_CHARS_MIN)
        return "the hash is cut off";
    return NULL;
}

/* Leaves the loop and others a core, where there are several. */
static unsigned threads(void)
{
    unsigned cores = uv_available_parallelism();

    return cores > THREADS_MAX ? THREADS_MAX : cores > 1 ? cores - 1 : 1;
}

struct passwords *passwords_open(uv_loop_t *loop, const struct config *c, const struct roles *roles)
{
    static const struct roster_form form = {.secret = true, .proof_wrong = hash_wrong};
    struct passwords *p = mem_zalloc(sizeof *p);
    size_t i = 0;

    p->loop = loop;
    p->end = &p->checks;
    p->checks_max = config_num(c, CFG_AUTH_PASSWORD_CHECKS);
    p->running_max = threads();
    if (!roster_read(&p->roster, config_text(c, CFG_AUTH_USERS), &form, roles)) {
        passwords_close(p);
        return NULL;
    }
    p->count = HASH_COUNT(p->roster.by_name);
    p->entries = mem_array(p->count + 1, sizeof *p->entries);
    for (const struct roster_entry *e = p->roster.by_name; e != NULL; e = e->hh.next)
        p->entries[i++] = e;
    return p;
}

bool passwords_know(const struct passwords *p, struct slice user)
{
    return roster_find(&p->roster, user) != NULL;
}

static void mark_of(uint8_t mark[CREDENTIAL_HASH], const struct roster_entry *e)
{
    fingerprint_of(mark, 'h', slice_of(e->name), slice_of(e->proof));
}

bool passwords_stand(const struct passwords *p, struct findings *f)
{
    const struct roster_entry *e = roster_find(&p->roster, slice_of(f->name));
    uint8_t mark[CREDENTIAL_HASH];

    if (e == NULL)
        return false;
    mark_of(mark, e);
    if (CRYPTO_memcmp(mark, f->mark, sizeof mark) != 0)
        return false;
    buf_clear(&f->roles);
    buf_put_slice(&f->roles, buf_slice(&e->roles));
    return true;
}

/* --- on a thread of the pool ------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    size_t len = strlen(a);

    return strlen(b) == len && CRYPTO_memcmp(a, b, len) == 0;
}

static void check_work(uv_work_t *work)
{
    struct check *k = CONTAINER_OF(work, struct check, work);
    struct crypt_data *data = mem_zalloc(sizeof *data);
    const char *made = crypt_rn(k->password, k->setting, data, (int)sizeof *data);

    k->right = made != NULL && same_text(made, k->setting);
    explicit_bzero(data, sizeof *data);
    free(data);
}

/* --- checks -------------------------------------------------------------------------------- */

/* Whom a hash is made for when there is nobody of that name: always the same one for a name,
 * so that names which are not there take as long as those which are. */
static const char *setting_for_nobody(const struct passwords *p, struct slice name)
{
    uint8_t which[CREDENTIAL_HASH];

    if (p->count == 0)
        return "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$";
    fingerprint_of(which, 'n', name, (struct slice){0});
    return p->entries[le64_get(which) % p->count]->proof;
}

static struct check *check_new(struct passwords *p, const struct credentials *c)
{
    const struct roster_entry *user = roster_find(&p->roster, c->user);
    struct check *k = mem_zalloc(sizeof *k);

    k->of = p;
    k->user = user;
    k->network = network_of(c->address);
    buf_put_slice(&k->name, c->user);
    k->password = mem_strndup(c->password.p, c->password.len);
    k->setting = mem_strdup(user != NULL ? user->proof : setting_for_nobody(p, c->user));
    k->link = p->end;
    *p->end = k;
    p->end = &k->next;
    p->check_count++;
    return k;
}

static void check_unlink(struct check *k)
{
    struct passwords *p = k->of;

    *k->link = k->next;
    *(k->next != NULL ? &k->next->link : &p->end) = k->link;
    p->check_count--;
    k->of = NULL;
}

static void check_free(struct check *k)
{
    explicit_bzero(k->password, strlen(k->password));
    free(k->password);
    free(k->setting);
    buf_free(&k->name);
    free(k);
}

/* The first ask's place goes with it. */
static void ask_unlink(struct password_ask *q)
{
    *q->link = q->next;
    if (q->next != NULL)
        q->next->link = q->link;
    free(q);
}

static void check_answer(struct password_ask *q, const struct roster_entry *user, bool right)
{
    struct source_answer answer = {.outcome = right ? AUTH_KNOWN : AUTH_WRONG};
    source_done done = q->done;
    void *arg = q->arg;

    if (right) {
        answer.found.kind = PRINCIPAL_USER;
        answer.found.name = mem_strdup(user->name);
        mark_of(answer.found.mark, user);
        buf_put_slice(&answer.found.roles, buf_slice(&user->roles));
    }
    ask_unlink(q);
    done(arg, &answer);
}

static void passwords_start(struct passwords *p);

/* Whoever is told may close the file, or take back another question. */
static void check_on_done(uv_work_t *work, int status)
{
    struct check *k = CONTAINER_OF(work, struct check, work);
    struct passwords *p = k->of;
    bool right = status == 0 && k->right && k->user != NULL;

    k->over = true;
    if (p != NULL) {
        p->running--;
        passwords_start(p);
    }
    while (k->of != NULL && k->asks != NULL)
        check_answer(k->asks, k->user, right);
    if (k->of != NULL)
        check_unlink(k);
    check_free(k);
}

static void passwords_start(struct passwords *p)
{
    for (struct check *k = p->checks; k != NULL && p->running < p->running_max; k = k->next)
        if (!k->started) {
            k->started = uv_queue_work(p->loop, &k->work, check_work, check_on_done) == 0;
            p->running += k->started;
            metric_add(M_PASSWORDS_HASHED, k->started);
        }
}

void passwords_close(struct passwords *p)
{
    struct check *k;

    if (p == NULL)
        return;
    while ((k = p->checks) != NULL) {
        while (k->asks != NULL)
            ask_unlink(k->asks);
        check_unlink(k);
        if (!k->started)
            check_free(k);
    }
    roster_free(&p->roster);
    free(p->entries);
    free(p);
}

/* --- questions ------------------------------------------------------------------------------ */

static bool check_is_of(const struct check *k, const struct credentials *c)
{
    return strlen(k->password) == c->password.len && slice_eq(buf_slice(&k->name), c->user) &&
           CRYPTO_memcmp(k->password, c->password.p, c->password.len) == 0;
}

static struct check *check_find(const struct passwords *p, const struct credentials *c)
{
    struct check *k = p->checks;

    while (k != NULL && (k->over || !check_is_of(k, c)))
        k = k->next;
    return k;
}

/* Nobody keeps all others out. */
static bool has_room(const struct passwords *p, const struct credentials *c)
{
    struct network n = network_of(c->address);
    size_t same = 0;

    for (const struct check *k = p->checks; k != NULL; k = k->next)
        same += n.known && memcmp(k->network.bytes, n.bytes, sizeof n.bytes) == 0;
    return p->check_count < p->checks_max && same < (p->checks_max + 1) / 2;
}

static bool could_be_password(struct slice s)
{
    return s.len > 0 && s.len < CRYPT_MAX_PASSPHRASE_SIZE && memchr(s.p, '\0', s.len) == NULL;
}

static struct password_ask *ask_add(struct check *k, source_done done, void *arg)
{
    struct password_ask *q = mem_zalloc(sizeof *q);

    *q = (struct password_ask){k, k->asks, &k->asks, done, arg};
    if (q->next != NULL)
        q->next->link = &q->next;
    k->asks = q;
    return q;
}

struct password_ask *passwords_ask(struct passwords *p, const struct credentials *c,
                                   struct source_answer *now, source_done done, void *arg)
{
    struct password_ask *q;
    struct check *k;

    *now = (struct source_answer){.outcome = AUTH_WRONG};
    if (!could_be_password(c->password))
        return NULL;
    k = check_find(p, c);
    if (k == NULL && !has_room(p, c)) {
        now->outcome = AUTH_BUSY;
        now->retry_ms = RETRY_MS;
        return NULL;
    }
    if (k == NULL)
        k = check_new(p, c);
    q = ask_add(k, done, arg);
    passwords_start(p);
    return q;
}

void password_ask_cancel(struct password_ask *q)
{
    struct check *k = q->check;

    ask_unlink(q);
    if (k->asks != NULL || k->started || k->of == NULL)
        return;
    check_unlink(k);
    check_free(k);
}
