#pragma once
/* The order of Debian's version numbers (deb-version(7), "Sorting algorithm"). */

/* < 0, 0, > 0. An epoch that is no number counts as a part of the version. */
int deb_version_compare(const char *a, const char *b);
