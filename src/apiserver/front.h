#pragma once
/* HTTP in front of the API: who asks, what is asked, in which form; the handler of http_server.h. Answers to
 * what was written are held until front_settle(). */
#include "apiserver/api.h"
#include "net/http_server.h"

typedef struct Front {
    Api *api;
    Node *tokens; /* of the token file: objects of token, user, uid, groups; NULL: none */
} Front;

HttpAnswer front_answer(void *front, const HttpExchange *x, const char *method, const char *path);
/* Makes what was written last, and sends the answers. */
void front_settle(Front *f, HttpServer *server);
/* "token,user,uid,"group1,group2"" by lines, as kubernetes has it. */
int front_tokens_read(Arena *a, const char *text, Node **ret, Error *e);
