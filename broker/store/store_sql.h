/*
 * store_sql.h - every statement of the writer, prepared at open.
 */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "db.h"

/* Retained messages past their expiry at ?1, in the terms of their index. */
#define STALE " WHERE expiry IS NOT NULL AND time + expiry * 1000 <= ?1"

/* What a retained message counts. */
#define RETAINED_SIZE "length(topic) + length(props) + length(data)"

/* What an entry of the map counts, its place in the file included. */
#define STATE_SIZE "length(owner) + length(key) + length(value) + 32"

#define WRITER_STATEMENTS(X)                                                                       \
    X(begin, "BEGIN IMMEDIATE")                                                                    \
    X(commit, "COMMIT")                                                                            \
    X(savepoint, "SAVEPOINT unit")                                                                 \
    X(undo, "ROLLBACK TO unit")                                                                    \
    X(release, "RELEASE unit")                                                                     \
    X(set_meta, "UPDATE meta SET value = ?2 WHERE key = ?1")                                       \
    X(insert_event, "INSERT INTO events(id, topic_id, time, flags, expiry, props, data)"           \
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                         \
    X(insert_topic, "INSERT INTO topics(id, name, volatile, used, born)"                           \
                    " VALUES(?1, ?2, ?3, ?4, ?5)")                                                 \
    X(update_topic, "UPDATE topics SET head = ?2, oldest = ?3, events = ?4, bytes = ?5,"           \
                    " removed_to = ?6, removed_reason = ?7, volatile = ?8, used = ?9,"             \
                    " counted_to = ?10 WHERE id = ?1")                                             \
    X(delete_topic, "DELETE FROM topics WHERE id = ?1")                                            \
    X(get_producer, "SELECT epoch, last_seq, last_id, seqs FROM producers"                         \
                    " WHERE key = ?1 AND topic = ?2")                                              \
    X(put_producer, "INSERT OR REPLACE INTO producers(key, topic, epoch, last_seq, last_id,"       \
                    " seqs, used) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                             \
    X(get_seq, "SELECT id FROM producer_seqs WHERE seqs = ?1 AND seq = ?2")                        \
    X(put_seq, "INSERT INTO producer_seqs(seqs, seq, id) VALUES(?1, ?2, ?3)")                      \
    X(drop_seq, "DELETE FROM producer_seqs WHERE seqs = ?1 AND seq = ?2")                          \
    X(drop_seqs, "DELETE FROM producer_seqs WHERE seqs = ?1")                                      \
    X(walk_producers, "SELECT key, topic, seqs, used FROM producers"                               \
                      " WHERE (key, topic) > (?1, ?2) ORDER BY key, topic LIMIT ?3")               \
    X(drop_producer, "DELETE FROM producers WHERE key = ?1 AND topic = ?2")                        \
    X(get_link, "SELECT id, used FROM links WHERE instance = ?1")                                  \
    X(put_link, "INSERT INTO links(instance, used) VALUES(?1, ?2)")                                \
    X(touch_link, "UPDATE links SET used = ?2 WHERE id = ?1")                                      \
    X(idle_link, "SELECT id FROM links WHERE used < ?1 LIMIT 1")                                   \
    X(drop_link, "DELETE FROM links WHERE id = ?1")                                                \
    X(get_acks, "SELECT acks FROM link_acks WHERE link = ?1 ORDER BY last_seq")                    \
    X(put_acks, "INSERT INTO link_acks(link, last_seq, acks) VALUES(?1, ?2, ?3)")                  \
    X(drop_acks, "DELETE FROM link_acks WHERE link = ?1 AND last_seq < ?2")                        \
    X(drop_all_acks, "DELETE FROM link_acks WHERE link = ?1")                                      \
    X(oldest_of_topic, "SELECT id, length(props) + length(data) FROM events"                       \
                       " WHERE topic_id = ?1 ORDER BY id LIMIT ?2")                                \
    X(remove_of_topic, "DELETE FROM events WHERE topic_id = ?1 AND id <= ?2")                      \
    X(oldest_of_all, "SELECT id, topic_id, length(props) + length(data) FROM events"               \
                     " ORDER BY id LIMIT ?1")                                                      \
    X(remove_of_all, "DELETE FROM events WHERE id <= ?1")                                          \
    X(first_of_topic, "SELECT id FROM events WHERE topic_id = ?1 ORDER BY id LIMIT 1")             \
    X(put_state, "REPLACE INTO state(space, owner, key, value) VALUES(?1, ?2, ?3, ?4)")            \
    X(state_size, "SELECT " STATE_SIZE " FROM state WHERE space = ?1 AND owner = ?2 AND key = ?3") \
    X(drop_state, "DELETE FROM state WHERE space = ?1 AND owner = ?2 AND key = ?3"                 \
                  " RETURNING " STATE_SIZE)                                                        \
    X(drop_owner, "DELETE FROM state WHERE space = ?1 AND owner = ?2 RETURNING " STATE_SIZE)       \
    X(get_owner, "SELECT owner, key, value FROM state WHERE space = ?1 AND owner = ?2"             \
                 " ORDER BY key")                                                                  \
    X(walk_state, "SELECT owner, key, value FROM state"                                            \
                  " WHERE space = ?1 AND (owner, key) > (?2, ?3) ORDER BY owner, key")             \
    X(add_retained, "INSERT INTO retained(topic, id, time, flags, expiry, props, data)"            \
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                         \
    X(set_retained, "UPDATE retained SET id = ?2, time = ?3, flags = ?4, expiry = ?5,"             \
                    " props = ?6, data = ?7 WHERE topic = ?1")                                     \
    X(drop_retained, "DELETE FROM retained WHERE topic = ?1")                                      \
    X(find_stale, "SELECT 1 FROM retained INDEXED BY retained_expiry" STALE " LIMIT 1")            \
    X(drop_stale, "DELETE FROM retained WHERE n IN"                                                \
                  " (SELECT n FROM retained INDEXED BY retained_expiry" STALE " LIMIT ?2)"         \
                  " RETURNING " RETAINED_SIZE)                                                     \
    X(retained_size, "SELECT " RETAINED_SIZE " FROM retained WHERE topic = ?1")

struct writer_statements {
#define X(name, sql) struct db_stmt *name;
    WRITER_STATEMENTS(X)
#undef X
};

#endif
