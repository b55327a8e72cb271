/*
 * http_gate.c - names and origins, compared.
 *
 * A Host passes when nobody else can own it in the DNS: an address, localhost and what
 * is below it, a name without a dot (a machine or a service of the own network), and
 * what the configuration names.  An Origin passes when it is the very address that is
 * asked, or listed.  A page that sends no Origin (an image, a form of GET, a link)
 * betrays itself by Sec-Fetch-Site.
 */
#include "http_gate.h"

#include <arpa/inet.h>

#include "http_chars.h"

/* --- parts -------------------------------------------------------------------------- */

static struct slice gate_from(struct slice s, size_t at)
{
    return (struct slice){s.p + at, s.len - at};
}

static bool gate_next(struct slice *list, struct slice *item)
{
    while (http_list_next(list, item))
        if (item->len > 0)
            return true;
    return false;
}

/* "name:port" to its name, without the dot that may end it. */
static struct slice gate_name(struct slice host)
{
    struct slice name, port;

    if (!http_host_split(host, &name, &port))
        return host;
    if (name.len > 1 && name.p[name.len - 1] == '.')
        name.len--;
    return name;
}

/* "*.example.com" is whatever is below example.com. */
static bool gate_name_fits(struct slice pattern, struct slice name)
{
    size_t tail;

    if (!slice_starts(pattern, SLICE("*.")))
        return slice_eq_nocase(pattern, name);
    tail = pattern.len - 1;
    return name.len > tail &&
           slice_eq_nocase(gate_from(name, name.len - tail), gate_from(pattern, 1));
}

struct origin {
    struct slice scheme, name, port;
};

static bool gate_origin_split(struct slice text, struct origin *o)
{
    const char *mark = text.len > 0 ? memmem(text.p, text.len, "://", 3) : NULL;

    if (mark == NULL || mark == text.p)
        return false;
    o->scheme = (struct slice){text.p, (size_t)(mark - text.p)};
    if (!http_host_split(gate_from(text, o->scheme.len + 3), &o->name, &o->port))
        return false;
    return o->name.len > 0;
}

/* Browsers leave a scheme's own port out. */
static struct slice gate_port(struct slice scheme, struct slice port)
{
    if (port.len > 0)
        return port;
    if (slice_eq_nocase(scheme, SLICE("http")) || slice_eq_nocase(scheme, SLICE("ws")))
        return SLICE("80");
    if (slice_eq_nocase(scheme, SLICE("https")) || slice_eq_nocase(scheme, SLICE("wss")))
        return SLICE("443");
    return port;
}

static bool gate_port_fits(struct slice scheme, struct slice a, struct slice b)
{
    return slice_eq(gate_port(scheme, a), gate_port(scheme, b));
}

/* --- Host --------------------------------------------------------------------------- */

static bool gate_is_address(struct slice name)
{
    struct in_addr a;
    char text[INET_ADDRSTRLEN];

    if (name.len > 0 && name.p[0] == '[')
        return true;
    if (name.len >= sizeof text)
        return false;
    memcpy(text, name.p, name.len);
    text[name.len] = '\0';
    return inet_pton(AF_INET, text, &a) == 1;
}

static bool gate_host_listed(const struct http_gate *g, struct slice name)
{
    struct slice rest = g->hosts, one;

    while (gate_next(&rest, &one))
        if (slice_eq(one, SLICE("*")) || gate_name_fits(gate_name(one), name))
            return true;
    for (size_t i = 0; i < HTTP_GATE_LISTENS; i++)
        for (rest = g->listen[i]; gate_next(&rest, &one);)
            if (slice_eq_nocase(gate_name(one), name))
                return true;
    return false;
}

static bool gate_host_ok(const struct http_gate *g, struct slice host)
{
    struct slice name = gate_name(host);

    return host.len == 0 || gate_is_address(name) || memchr(name.p, '.', name.len) == NULL ||
           gate_name_fits(SLICE("*.localhost"), name) || gate_host_listed(g, name);
}

/* --- Origin ------------------------------------------------------------------------- */

bool http_gate_lists(struct slice origins, struct slice origin, bool *any)
{
    struct origin o = {.name = {NULL, 0}}, want;
    bool whole = gate_origin_split(origin, &o), fits;
    struct slice one;

    while (gate_next(&origins, &one)) {
        if (any != NULL)
            *any = slice_eq(one, SLICE("*"));
        fits = slice_eq(one, SLICE("*")) || slice_eq(one, origin);
        if (!fits && whole && gate_origin_split(one, &want))
            fits = slice_eq_nocase(want.scheme, o.scheme) && gate_name_fits(want.name, o.name) &&
                   gate_port_fits(o.scheme, want.port, o.port);
        if (fits)
            return true;
    }
    return false;
}

/* A proxy in front may speak TLS for us, so https is as good as http where we speak none. */
static bool gate_same_origin(struct slice origin, struct slice host, bool secure)
{
    struct slice name, port;
    struct origin o;

    if (host.len == 0 || !gate_origin_split(origin, &o) || !http_host_split(host, &name, &port))
        return false;
    if (!slice_eq_nocase(o.scheme, SLICE("https")) &&
        (secure || !slice_eq_nocase(o.scheme, SLICE("http"))))
        return false;
    return slice_eq_nocase(o.name, name) && gate_port_fits(o.scheme, o.port, port);
}

/* A page beside ours ("same-site") is another's, too. */
bool http_gate_is_own(const struct http_request *r, bool secure)
{
    bool repeated;
    struct slice origin = http_request_header(r, "origin", &repeated), site;

    if (origin.p != NULL)
        return !repeated && gate_same_origin(origin, http_request_host(r), secure);
    site = http_request_header(r, "sec-fetch-site", NULL);
    return site.p == NULL || slice_eq_nocase(site, SLICE("same-origin")) ||
           slice_eq_nocase(site, SLICE("none"));
}

static bool gate_is_foreign(const struct http_gate *g, const struct http_request *r, bool secure)
{
    bool repeated, any = false;
    struct slice origin = http_request_header(r, "origin", &repeated);

    if (repeated)
        return true;
    if (origin.p != NULL)
        return !gate_same_origin(origin, http_request_host(r), secure) &&
               !http_gate_lists(g->origins, origin, NULL);
    return slice_eq_nocase(http_request_header(r, "sec-fetch-site", NULL), SLICE("cross-site")) &&
           !(http_gate_lists(g->origins, origin, &any) && any);
}

enum http_gate_verdict http_gate_check(const struct http_gate *g, const struct http_request *r,
                                       bool secure)
{
    if (!gate_host_ok(g, http_request_host(r)))
        return HTTP_GATE_HOST;
    if (slice_eq(r->method, SLICE("OPTIONS")) || !gate_is_foreign(g, r, secure))
        return HTTP_GATE_PASSES;
    return HTTP_GATE_ORIGIN;
}

const char *http_gate_text(enum http_gate_verdict v)
{
    return v == HTTP_GATE_HOST
               ? "This is no name of this server; those it has are in [http] hosts"
               : "Pages of this origin may not call here; those that may are in allow_origin";
}

const char *http_gate_field(enum http_gate_verdict v)
{
    return v == HTTP_GATE_HOST ? "Host" : "Origin";
}

/* --- what the configuration says ------------------------------------------------------ */

/* A name or an address, or *.name. */
static bool gate_pattern_ok(struct slice name)
{
    if (slice_starts(name, SLICE("*.")))
        name = gate_from(name, 2);
    if (name.len > 0 && name.p[0] == '[')
        return true;
    for (size_t i = 0; i < name.len; i++)
        if (!http_char_is(name.p[i], CHAR_UNRESERVED))
            return false;
    return name.len > 0 && name.p[0] != '.';
}

static bool gate_scheme_ok(struct slice scheme)
{
    for (size_t i = 0; i < scheme.len; i++)
        if (!http_char_is(scheme.p[i], CHAR_UNRESERVED) && scheme.p[i] != '+')
            return false;
    return true;
}

const char *http_gate_origins_wrong(struct slice list)
{
    struct origin o;
    struct slice one;

    while (gate_next(&list, &one))
        if (!slice_eq(one, SLICE("*")) && !slice_eq(one, SLICE("null")) &&
            !(gate_origin_split(one, &o) && gate_scheme_ok(o.scheme) && gate_pattern_ok(o.name)))
            return "not a list of origins such as https://example.com, https://*.example.com:8443 "
                   "or *";
    return NULL;
}

const char *http_gate_hosts_wrong(struct slice list)
{
    struct slice one, name, port;

    while (gate_next(&list, &one))
        if (!slice_eq(one, SLICE("*")) &&
            !(http_host_split(one, &name, &port) && gate_pattern_ok(name)))
            return "not a list of names such as example.com, *.example.com or *";
    return NULL;
}
