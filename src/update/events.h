#pragma once
/* What a verb has to say to a program that asked for it over the socket: one JSON object a line, at once.
 *   {"progress": {"done", "total", "layers", "kept", "fetched"}}     bytes; any number of times
 *   {"warning": "text"}                                              any number of times
 *   {"result": …}                                                    what --json prints; at most once
 *   {"error": "text", "code": "EBUSY"}                               at most once
 *   {"exit": 0}                                                      the last one: the exit code */
#include "format/node.h"

void events_to(int fd);   /* from now on; borrowed */
bool events_wanted(void); /* is there somebody to tell */
bool events_gone(void);   /* who asked has hung up */
void events_send(const Node *event);
void events_send_text(const char *key, const char *text);
