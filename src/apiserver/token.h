#pragma once
/* Tokens that the server makes and knows: of service accounts (signed by a key of this server, JSON Web
 * Tokens), and of machines that join (Secrets of kube-system). */
#include "apiserver/api.h"

/* The key of a directory, made when it is not there. */
int token_key_load(Api *api, Error *e);
