/*
 * forms.h - the numbers of the forms (block.h) that one process may have side by side.
 */
#ifndef CORE_FORMS_H
#define CORE_FORMS_H

enum {
    FORMS_STREAM = 0, /* four: event_stream.c */
    FORMS_WS = 4,     /* six: ws_forms.h */
    FORMS_OWN = 10,   /* of a gateway that has the others, too */
};

#endif
