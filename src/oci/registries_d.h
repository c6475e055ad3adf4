#pragma once
/* Where signatures of images of a registry are kept, by containers-registries.d(5): the files *.yaml of a
 * directory, each with `default-docker` and `docker`, whose keys are names of images or what those lie in. A
 * name may stand in one file only. Of the settings each is looked up by itself, from the narrowest name to
 * the widest that has it. */
#include "format/report.h"
#include "oci/image_name.h"

enum { REGISTRIES_D_FILE_MAX = 1 << 20, REGISTRIES_D_FILES_MAX = 256, REGISTRIES_D_SCOPES_MAX = 4096 };

typedef enum Attachments { ATTACHMENTS_UNSAID, ATTACHMENTS_UNUSED, ATTACHMENTS_USED } Attachments;

typedef struct SignatureSettings {
    const char *scope;       /* "": of default-docker */
    const char *lookaside;   /* URL; NULL: not said */
    Attachments attachments; /* of sigstore */
} SignatureSettings;

typedef struct RegistriesD {
    SignatureSettings *scopes; /* no scope twice */
    size_t n;
} RegistriesD;

/* Below a root: root/.config/containers/registries.d if it is there, else etc/containers/registries.d. No
 * directory says nothing. -EINVAL with findings in `r`, or -errno. */
int registries_d_load(Arena *a, int root, RegistriesD *ret, Report *r);
/* One file; what it has is added. */
int registries_d_read(Arena *a, const Source *source, RegistriesD *to, Report *r);

/* The URL below which signatures of the image are; the default is a directory of the machine. */
const char *registries_d_lookaside(Arena *a, const RegistriesD *from, const ImageName *name);
bool registries_d_attachments(Arena *a, const RegistriesD *from, const ImageName *name);
