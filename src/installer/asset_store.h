#pragma once
/* The asset directory and the state file in it. What a run asks for is taken, asset by asset, from the first
 * of these that has it: the directory, when somebody edited it there; the state of former runs; the
 * generator. An edited asset makes all that depend on it anew. A file that was read and is not asked for is
 * consumed: moved below .consumed/, never deleted. A run changes the directory all or not at all: everything
 * is first written into a pending file, whose rename decides; a run that was killed after that is completed
 * by the next one. */
#include "installer/asset.h"
#include "installer/install_config.h"
#include "installer/installer_options.h"

/* Opens, locks and if need be makes the directory; completes a run that was interrupted. */
int asset_store_open(const InstallerOptions *options, AssetStore **ret, Error *e);
void asset_store_free(AssetStore *s);
DEFINE_CLEANUP(AssetStore *, asset_store_free);

/* Brings the target's assets into the directory. -ESTALE: what the state holds is too old to be used. */
int asset_store_create(AssetStore *s, const AssetTarget *target, Error *e);

/* ---- for generators ---- */
Arena *asset_store_arena(AssetStore *s);
const InstallerOptions *asset_store_options(const AssetStore *s);
/* The path of a file of the directory as the person who called can open it. */
const char *asset_store_path(AssetStore *s, const char *path);
const AssetValue *asset_store_get(AssetStore *s, const char *asset); /* a parent's value */
const AssetFile *asset_store_file(AssetStore *s, const char *asset,
                                  const char *path); /* which must be there */
/* The parsed install config; findings have been printed when it fails with -EBADMSG. */
int asset_store_config(AssetStore *s, const InstallConfig **ret, Error *e);
