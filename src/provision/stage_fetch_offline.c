/* Does the merged config need the network? Any source that is no data: URL does, a tang server whose
 * advertisement is not in the config does, a custom clevis pin says so itself, and
 * /etc/clevis.json may name a server. Walks the schema's tables, so
 * a resource that a later spec adds somewhere is seen too. */
#include "ignition/schema.h"
#include "provision/fetcher.h"
#include "provision/root_encrypt.h"
#include "provision/stage.h"

#include <string.h>

static bool resource_needs_net(const void *object)
{
    return source_needs_net(((const IgnResource *)object)->source);
}

static bool tang_needs_net(const void *object)
{
    const IgnTang *t = object;
    return !t->advertisement || !*t->advertisement;
}

static bool custom_needs_net(const void *object)
{
    return opt_bool(((const IgnClevisCustom *)object)->needs_network, false);
}

static const struct {
    const char *type;
    bool (*needs_net)(const void *object);
} askers[] = {
    {"IgnResource", resource_needs_net}, {"IgnTang", tang_needs_net}, {"IgnClevisCustom", custom_needs_net}};

static bool needs_net(const IgnType *type, const void *object)
{
    for (size_t i = 0; i < ELEMENTS(askers); i++)
        if (strcmp(askers[i].type, type->name) == 0)
            return askers[i].needs_net(object);
    for (const IgnField *f = type->fields; f->name; f++) {
        const void *at = ign_field_at(object, f);
        if (f->kind == IGN_KIND_OBJECT && needs_net(f->type, at))
            return true;
        if (f->kind != IGN_KIND_OBJECTS)
            continue;
        const IgnList *list = at;
        for (size_t i = 0; i < list->n; i++)
            if (needs_net(f->type, (const char *)list->items + i * f->type->size))
                return true;
    }
    return false;
}

int stage_fetch_offline_run(StageContext *c, Error *e)
{
    if (needs_net(&ign_config_type, c->config) || root_encrypt_needs_network(c->config))
        return error_set(e, ENETDOWN, "resource requires networking");
    return 0;
}
