#pragma once
/* The encrypted volumes of a config, beside their row in the table of storage kinds. */
#include "provision/storage.h"

/* Before anything is changed: that what the volumes will be bound with (a TPM, Tang servers, Clevis itself)
 * is there; what is missing is a finding, all of them at once. May wait for a network. Nothing when
 * c->offline. */
void storage_luks_prepare(StorageContext *c, Report *report);
