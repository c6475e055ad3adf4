#pragma once
/* Documents in YAML; ends with NULL. */
extern const char *const bootstrap_texts[];
