/*
 * group_name.h - the name of a shared group ("$share/g/a/#"), held by the subscription and by
 * what is in flight: an event may outlive the filter that it came by.  Loop thread.
 */
#ifndef MQTT_GROUP_NAME_H
#define MQTT_GROUP_NAME_H

#include "bytes.h"

struct group_name {
    unsigned refs;
    uint16_t len;
    char text[];
};
struct group_name *group_name_new(struct slice text);
struct group_name *group_name_ref(struct group_name *g); /* NULL: NULL */
void group_name_unref(struct group_name *g);

#endif
