/*
 * ws_gateway.c - what the connections of the process share, from its start to its end.
 */
#include "ws_gateway.h"

#include <stdlib.h>

#include <utlist.h>

#include "mem.h"
#include "ws_session.h"

#define MESSAGE_ROOM (128u * 1024) /* sluice.json: what may stand around a payload */

/* A payload in sluice.json may be in base64, and has properties around it. */
static size_t json_message_max(const struct config *c)
{
    size_t payload = config_num(c, CFG_MAX_PAYLOAD) * 2 + MESSAGE_ROOM;
    size_t body = config_num(c, CFG_MAX_BODY);

    return payload > body ? payload : body;
}

struct ws_gateway *ws_gateway_new(const struct site *site, void (*wake)(void *arg), void *arg)
{
    struct ws_gateway *ws = mem_zalloc(sizeof *ws);
    const struct config *c = site->use.config;

    ws->site = site;
    ws->wake = wake;
    ws->wake_arg = arg;
    ws->auth_timeout_ms = config_num(c, CFG_AUTH_TIMEOUT);
    ws->ping_ms = config_num(c, CFG_WS_PING);
    ws->ping_timeout_ms = config_num(c, CFG_WS_PING_TIMEOUT);
    ws->message_timeout_ms = config_num(c, CFG_BODY_TIMEOUT);
    ws->max_subscriptions = config_num(c, CFG_WS_MAX_SUBSCRIPTIONS);
    ws->publish_window = config_num(c, CFG_WS_PUBLISH_WINDOW);
    ws->publish = site_publish_limits(site, NULL);
    ws->message_max = json_message_max(c);
    ws->inflate_max = ws->publish.max_payload * 2 + MESSAGE_ROOM;
    ws->message_max_raw = ws->publish.max_payload;
    ws->held_max = config_num(c, CFG_PUBLISH_QUEUE);
    ws->inflater = inflater_new();
    if (config_bool(c, CFG_WS_DEFLATE))
        ws->forms.deflater = deflater_new((int)config_num(c, CFG_WS_DEFLATE_LEVEL));
    ws_forms_init(&ws->forms);
    return ws;
}

void ws_gateway_free(struct ws_gateway *ws)
{
    ws_forms_close(&ws->forms);
    inflater_free(ws->inflater);
    ws_request_free(&ws->request);
    buf_free(&ws->inflated);
    buf_free(&ws->own);
    buf_free(&ws->rest);
    free(ws);
}

/* Each that waits once; whoever must wait again goes behind the others. */
static void ration_over(struct ws_gateway *ws)
{
    struct ws_session *s;
    size_t count;

    DL_COUNT2(ws->rationed, s, count, rationed_next);
    ws->inflated_now = 0;
    for (; count > 0 && ws->rationed != NULL; count--) {
        s = ws->rationed;
        ws_session_unration(s);
        ws_session_continue(s);
    }
}

bool ws_gateway_turn(struct ws_gateway *ws)
{
    ration_over(ws);
    while (ws->speaking != NULL)
        ws_session_turn(ws->speaking);
    return ws->rationed != NULL;
}
