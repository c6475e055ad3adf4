#pragma once
/* Where an API server is, and as whom it is asked: a kubeconfig (YAML or JSON), as kubectl reads it, or what
 * a pod is given. Programs that make credentials (exec, auth-provider) and passwords are refused. What stands
 * in files stays a path: they are read when they are needed, and again when they change. */
#include "base/error.h"
#include "format/report.h"

enum {
    KUBECONFIG_MAX = 1 << 20,
    KUBE_PEM_MAX = 1 << 20,  /* of one file of certificates or a key */
    KUBE_TOKEN_MAX = 1 << 16 /* of a file with a token */
};

/* Inline, or a file with an absolute path; both NULL: there is none. */
typedef struct KubeSecret {
    const char *text, *file;
} KubeSecret;

typedef struct KubeConfig {
    const char *server; /* "https://HOST[:PORT][/PATH]" without a last slash; "http://" to loopback only */
    const char *tls_server_name; /* whose certificate it has; NULL: the host's */
    const char *proxy;           /* NULL: none */
    bool distrust_nobody;
    KubeSecret authority; /* PEM; none: the system's */
    KubeSecret certificate, key, token;
    const char *namespace; /* "default" when nothing is said */
} KubeConfig;

/* `context` NULL: the current one. Relative paths are from `directory`. 0, or -EINVAL with findings. */
typedef struct KubeconfigOptions {
    const char *context, *directory;
} KubeconfigOptions;
int kubeconfig_read(Arena *a, const Source *source, const KubeconfigOptions *options, KubeConfig *ret,
                    Report *r);
/* A file; -ENOENT is a finding too. */
int kubeconfig_load(Arena *a, const char *path, const char *context, KubeConfig *ret, Report *r);
/* Of a pod: `directory` has token, ca.crt and namespace (NULL: where they are mounted); host and port are
 * what KUBERNETES_SERVICE_HOST and _PORT say. */
int kubeconfig_of_pod(Arena *a, const char *directory, const char *host, const char *port, KubeConfig *ret,
                      Error *e);
