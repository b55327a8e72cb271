/*
 * ws_forms.c - the encoders behind ws_forms.h.
 *
 * A packed form is made from the plain one, in a scratch buffer: once an event.
 */
#include "ws_forms.h"

#include "event_json.h"
#include "ws.h"
#include "ws_json.h"

#define SCRATCH_MAX (256u * 1024) /* kept from event to event */
#define REST_MIN 6                /* what an uncompressed rest costs more (deflate.h) */

/* An encoder is given an event and nothing else. */
static struct ws_forms *forms;

void ws_forms_init(struct ws_forms *f)
{
    forms = f;
}

void ws_forms_close(struct ws_forms *f)
{
    deflater_free(f->deflater);
    buf_free(&f->plain);
    forms = NULL;
}

/* --- messages --------------------------------------------------------------------- */

static void put_json(struct buf *b, const struct event *e)
{
    static const struct slice path = {WS_PATH_REF, sizeof WS_PATH_REF - 1};

    ws_json_put_event(b, e);
    ws_json_put_subs(b, &path, 1);
}

static bool is_text(struct slice content_type)
{
    return event_json_is_content_type(content_type) ||
           (content_type.len > 5 &&
            slice_eq_nocase((struct slice){content_type.p, 5}, SLICE("text/")));
}

/* DESIGN 6: text stays text.  What is not UTF-8 never is, whatever it is called. */
static enum ws_opcode raw_opcode(const struct event *e)
{
    struct event_props props;
    bool text = event_props_get(e->props, &props) == EVENT_OK;

    text = text && (props.payload_format == 1 || is_text(props.content_type));
    return text && utf8_valid(e->payload.p, e->payload.len) ? WS_TEXT : WS_BINARY;
}

/* --- frames ----------------------------------------------------------------------- */

static void put_path(struct buf *b, const struct event *e)
{
    size_t start = b->len;

    put_json(b, e);
    ws_frame_wrap(b, start, WS_TEXT, false);
}

static void put_raw(struct buf *b, const struct event *e)
{
    ws_frame_put(b, raw_opcode(e), e->payload);
}

/* The message as a compressed frame, or plain when that is no longer. */
static void put_packed(struct buf *b, enum ws_opcode opcode, struct slice message)
{
    size_t start = b->len;

    deflater_put(forms->deflater, message, b);
    if (b->len - start < message.len) {
        ws_frame_wrap(b, start, opcode, true);
    } else {
        b->len = start;
        ws_frame_put(b, opcode, message);
    }
}

static void put_path_packed(struct buf *b, const struct event *e)
{
    struct buf *plain = &forms->plain;

    buf_clear(plain);
    put_json(plain, e);
    put_packed(b, WS_TEXT, buf_slice(plain));
    if (plain->cap > SCRATCH_MAX)
        buf_free(plain);
}

static void put_raw_packed(struct buf *b, const struct event *e)
{
    put_packed(b, raw_opcode(e), e->payload);
}

/* --- messages that the refs complete ---------------------------------------------- */

static void put_open(struct buf *b, const struct event *e)
{
    ws_json_put_event(b, e);
}

static void put_open_packed(struct buf *b, const struct event *e)
{
    struct buf *plain = &forms->plain;
    size_t start = b->len;

    buf_clear(plain);
    ws_json_put_event(plain, e);
    deflater_put_prefix(forms->deflater, buf_slice(plain), b);
    if (b->len - start + REST_MIN >= plain->len)
        b->len = start;
    if (plain->cap > SCRATCH_MAX)
        buf_free(plain);
}

const form_encode ws_form_encoders[] = {
    [WS_FORM_PATH] = put_path, [WS_FORM_PATH_PACKED] = put_path_packed,
    [WS_FORM_RAW] = put_raw,   [WS_FORM_RAW_PACKED] = put_raw_packed,
    [WS_FORM_OPEN] = put_open, [WS_FORM_OPEN_PACKED] = put_open_packed,
};

struct slice ws_form_of(struct entry *e, enum ws_form form)
{
    return block_encoded(e, form, ws_form_encoders[form]);
}
