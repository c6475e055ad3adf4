#pragma once
/* What opens an encrypted volume without a person: Tang servers, a TPM, any other pin of Clevis, or some of
 * them together. Clevis is the authority on how a key is hidden behind these, and encrypts and decrypts it;
 * that it needs a cryptsetup program for the rest is what is done here by libcryptsetup instead. The result
 * is what `clevis luks bind` leaves, so `clevis luks unlock` and the askpass of the booted system understand
 * it. */
#include "provision/storage.h"

bool clevis_wanted(const IgnLuks *l);
/* Of the config and of headers: see clevis_policy.h. `custom` configs that are no JSON: their pin's name. */
const char *clevis_policy_wanted(Arena *a, const IgnLuks *l);
/* What is wrong with it in itself, such as a threshold that the pins cannot reach; NULL: nothing. */
const char *clevis_contradiction(Arena *a, const IgnLuks *l);

/* That what a volume is to be bound with is there: the program, the TPM, each Tang server with the key that
 * the config trusts. Says what is missing and how to go on. For the time before anything is changed. */
int clevis_check(StorageContext *c, const IgnLuks *l, Error *e);

/* Gives the container at `device` a random key that the pins give back, and tries them where they can be
 * reached. */
int clevis_bind(StorageContext *c, const IgnLuks *l, const char *device, const Buf *key, Error *e);
/* The key behind the first Clevis token of the container that opens it. */
int clevis_unlock(const char *device, Buf *ret_key, Error *e);
