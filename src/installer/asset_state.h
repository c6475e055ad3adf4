#pragma once
/* What is on the disk of an asset directory beside the assets: the state file with every asset's value of
 * former runs, and the change that a run makes. Both hold private keys: 0600, and never an excerpt in a
 * message. */
#include "base/map.h"
#include "format/node.h"
#include "installer/asset.h"

#define ASSET_STATE_FILE   ".openshift_install_state.json"
#define ASSET_PENDING_FILE ".openshift_install_pending.json"
#define ASSET_ASIDE_DIR    ".consumed"

/* *ret: an object of asset names; empty when there is no state file. */
int asset_state_read(Arena *a, int dirfd, Node **ret, Error *e);
/* 1 and the value when the state has it, else 0. */
int asset_state_get(Arena *a, const Node *state, const char *asset, AssetValue *ret, Error *e);
void asset_state_put(Arena *a, Node *state, const char *asset, const AssetValue *v);

typedef struct AssetChange {
    Node *state;  /* as it is to be; NULL: there is none, only files change */
    Node *writes; /* [{path, mode, data}] */
    Node *moves;  /* [path]: into `aside` */
    const char *aside;
} AssetChange;

void asset_change_init(Arena *a, AssetChange *c, Node *state, const char *aside);
void asset_change_write(Arena *a, AssetChange *c, const AssetFile *f, mode_t mode);
void asset_change_move(Arena *a, AssetChange *c, const char *path);
/* Makes it durable, then does it. Killed at any moment: asset_change_resume() ends it, or nothing happened.
 */
int asset_change_commit(Arena *a, const AssetChange *c, int dirfd, Error *e);
/* 1 when a change of a killed run was completed. */
int asset_change_resume(Arena *a, int dirfd, Error *e);
