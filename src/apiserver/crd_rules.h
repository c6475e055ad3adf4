#pragma once
/* CustomResourceDefinitions: what they must say, and what the server says of them in their status. */
#include "apiserver/api_call.h"

int crd_prepare(ApiCall *c, Node *object, const Node *old);
/* Makes the table of kinds as the stored CRDs have it. */
int crd_sync(Api *api, Error *e);
bool crd_established(const Node *crd);
