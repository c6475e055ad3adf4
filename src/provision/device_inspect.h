#pragma once
/* The machine's own devices, looked at as they are now. */
#include "system/device_facts.h"

/* Its context is NULL; it keeps nothing, and may be used by several threads. */
extern const Inspector device_inspector;
