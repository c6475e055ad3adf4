#pragma once
/* Names as Kubernetes checks them. NULL: the text is good; else what is wrong, in the words of a real server,
 * to stand behind `Invalid value: "x": `. */
#include <stdbool.h>

enum { NAME_PART_MAX = 63, NAME_SUBDOMAIN_MAX = 253 };

const char *name_check_label_key(const char *s);    /* [prefix/]name; keys of annotations, finalizers too */
const char *name_check_label_value(const char *s);  /* may be empty */
const char *name_check_label(const char *s);        /* RFC 1123 label: a namespace's name */
const char *name_check_subdomain(const char *s);    /* RFC 1123 subdomain: most objects' names */
const char *name_check_path_segment(const char *s); /* names of roles and bindings */
