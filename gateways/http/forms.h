/*
 * forms.h - the numbers of the forms (block.h) that one process may have side by side.
 */
#ifndef HTTP_FORMS_H
#define HTTP_FORMS_H

enum {
    FORMS_STREAM = 0,               /* seven: event_stream.c */
    FORM_NDJSON = FORMS_STREAM + 2, /* ndjson_put_event */
    FORMS_WS = 7,                   /* six: ws_forms.h */
};

#endif
