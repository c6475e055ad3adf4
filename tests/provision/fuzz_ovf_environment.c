/* Documents as a hypervisor may hand them over. What had a property taken out has it no longer, and is still
 * a document. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "provision/ovf_environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"k", "guestinfo.ignition.config.data", NULL};
    const char *text = (const char *)data;
    _cleanup_buf_ Buf value = BUF_INIT, pruned = BUF_INIT, left = BUF_INIT;
    int found = ovf_property_get(text, size, keys[0], &value, NULL);
    int removed = ovf_properties_remove(text, size, keys, &pruned, NULL);

    assert(found <= 0 || removed != 0);
    if (removed <= 0) {
        assert(pruned.len == 0);
        return 0;
    }
    assert(pruned.len < size);
    for (size_t i = 0; keys[i]; i++)
        assert(ovf_property_get(pruned.data, pruned.len, keys[i], &left, NULL) <= 0);
    return 0;
}
