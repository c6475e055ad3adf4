#pragma once
/* What one value of an install config may be. Each check returns NULL for a good value and otherwise what is
 * wrong with it, in the words that Kubernetes and the installer's users know; `buf` holds words that depend
 * on the value. */
#include <stddef.h>

typedef const char *ValueCheck(const char *value, char *buf, size_t size);

ValueCheck check_cluster_name;
ValueCheck check_domain;         /* one final dot is fine */
ValueCheck check_ssh_keys;       /* authorized_keys format, at least one key */
ValueCheck check_trust_bundle;   /* PEM certificates and nothing else */
ValueCheck check_pull_secret;    /* {"auths":{host:{"auth":…}}} */
ValueCheck check_uri;            /* absolute */
ValueCheck check_no_proxy_entry; /* a CIDR or a domain */
ValueCheck check_repository;     /* canonical, without tag or digest */
ValueCheck check_cidr;
ValueCheck check_ip;
ValueCheck check_not_empty;
