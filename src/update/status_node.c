/* Reads entries, origins and commit objects: no kernel, no tree. `cached-update` is what was seen last of
 * the registry by `upgrade --check`. */
#include "update/status_node.h"

#include <fcntl.h>
#include <string.h>

#include "update/repo.h"

const char *commit_text(Arena *a, int repo, const char *checksum, const char *key)
{
    uint8_t name[OSTREE_CHECKSUM];
    OstreeCommit c;
    return ostree_checksum_read(checksum, name) && repo_read_commit(repo, a, name, &c, NULL) >= 0
               ? ostree_commit_text(&c, key)
               : NULL;
}

Node *deployment_node(Arena *a, const Session *s, const Deployment *d)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set(a, n, "id",
             node_new_string(a, arena_printf(a, "%s-%s.%u", d->stateroot, d->checksum, d->serial)));
    node_set_string(a, n, "osname", d->stateroot);
    node_set_string(a, n, "checksum", d->checksum);
    node_set(a, n, "serial", node_new_int(a, d->serial));
    node_set(a, n, "booted", node_new_bool(a, d->booted));
    node_set(a, n, "staged", node_new_bool(a, d->staged));
    node_set(a, n, "pinned", node_new_bool(a, d->pinned));
    node_set(a, n, "finalization-locked", node_new_bool(a, d->finalization_locked));
    node_set_string(a, n, "unlocked", d->unlocked ? d->unlocked : "none");
    node_set_string(a, n, "version", d->version);
    if (d->timestamp)
        node_set(a, n, "timestamp", node_new_int(a, (int64_t)d->timestamp));
    node_set_string(a, n, "origin", origin_get(&d->origin, ORIGIN_GROUP, ORIGIN_REFSPEC));
    node_set_string(a, n, "container-image-reference", origin_get(&d->origin, ORIGIN_GROUP, ORIGIN_IMAGE));
    node_set_string(a, n, "container-image-reference-digest",
                    commit_text(a, s->repo, d->checksum, "ostree.manifest-digest"));
    node_set_string(a, n, "signed-by", origin_get(&d->origin, ORIGIN_BASALT, ORIGIN_SIGNED));
    node_set_string(a, n, "kernel-version", d->kernel_version);
    node_set_string(a, n, "kernel-arguments", d->options);
    node_set_string(a, n, "path", d->path);
    return n;
}

int status_update(Arena *a, const Session *s, UpdateSeen *ret)
{
    const Deployment *newest = session_newest(s);
    const char *image = newest ? origin_get(&newest->origin, ORIGIN_GROUP, ORIGIN_IMAGE) : NULL;
    if (!image || update_seen_read(a, sysroot_fd(s->sysroot), ret) <= 0 || strcmp(ret->image, image) != 0)
        return 0;
    const char *digest = commit_text(a, s->repo, newest->checksum, "ostree.manifest-digest");
    return !digest || strcmp(digest, ret->digest) != 0;
}

static Node *update_node(Arena *a, const Session *s)
{
    UpdateSeen u;
    if (status_update(a, s, &u) <= 0)
        return node_new(a, NODE_NULL);
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "origin", u.image);
    node_set_string(a, n, "digest", u.digest);
    node_set_string(a, n, "version", u.version);
    node_set(a, n, "bytes-missing", node_new_int(a, (int64_t)u.bytes));
    node_set(a, n, "seen", node_new_int(a, (int64_t)u.time));
    return n;
}

Node *status_node(Arena *a, const Session *s)
{
    Node *n = node_new(a, NODE_OBJECT), *list = node_new(a, NODE_ARRAY), *problems = node_new(a, NODE_ARRAY);
    const DeploymentList *all = sysroot_deployments(s->sysroot);
    for (size_t i = 0; i < all->n; i++)
        node_append(list, deployment_node(a, s, all->items[i]));
    node_set(a, n, "deployments", list);
    node_set(a, n, "transaction", node_new(a, NODE_NULL));
    node_set(a, n, "cached-update", update_node(a, s));
    node_set_string(a, n, "failure", sysroot_failure(s->sysroot));
    boot_state_node(a, s, n);
    const Report *r = sysroot_problems(s->sysroot);
    for (size_t i = 0; i < r->n; i++) {
        Node *p = node_append(problems, node_new(a, NODE_OBJECT));
        node_set_string(a, p, "severity", r->entries[i].severity == SEVERITY_ERROR ? "error" : "warning");
        node_set_string(a, p, "message", r->entries[i].message);
    }
    node_set(a, n, "problems", problems);
    return n;
}
