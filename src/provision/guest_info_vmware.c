/* VMware's guestinfo variables, asked for by the hypervisor's "backdoor": an IN from a port that only it
 * answers (guest_backdoor.c has the protocol). A machine that is not VMware's never sees the instruction:
 * CPUID is asked first. */
#include <stdint.h>
#include <string.h>

#include "provision/guest_backdoor.h"
#include "provision/guest_info.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <sys/io.h>

static void backdoor(BackdoorRegisters *r)
{
    uint64_t a = BACKDOOR_MAGIC, b = r->b, c = r->c, d = (r->d & 0xffff0000U) | BACKDOOR_PORT, si = r->si,
             di = r->di;

    __asm__ volatile("inl %%dx, %%eax"
                     : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di)
                     :
                     : "cc", "memory");
    *r = (BackdoorRegisters){(uint32_t)a, (uint32_t)b, (uint32_t)c, (uint32_t)d, (uint32_t)si, (uint32_t)di};
}

static int vmware_present(Error *e)
{
    unsigned a, b, c, d;
    char vendor[13] = "";

    __cpuid(1, a, b, c, d);
    if (c & 1U << 31) { /* there is a hypervisor */
        __cpuid(0x40000000, a, b, c, d);
        memcpy(vendor, &b, 4);
        memcpy(vendor + 4, &c, 4);
        memcpy(vendor + 8, &d, 4);
    }
    if (strcmp(vendor, "VMwareVMware") != 0)
        return error_set(e, ENODEV, "this machine is not VMware's");
    if (iopl(3) < 0)
        return error_errno(e, -errno, "getting access to the hypervisor's port");
    BackdoorRegisters r = {.b = ~(uint32_t)BACKDOOR_MAGIC, .c = BACKDOOR_VERSION};
    backdoor(&r);
    if (r.a == UINT32_MAX || r.b != BACKDOOR_MAGIC)
        return error_set(e, ENODEV, "the hypervisor does not answer");
    return 0;
}

static int rpc(const char *request, size_t n, Buf *ret, Error *e)
{
    int r = vmware_present(e);

    return r < 0 ? r : backdoor_rpc(backdoor, request, n, ret, e);
}

#else

static int rpc(const char *request _unused_, size_t n _unused_, Buf *ret _unused_, Error *e)
{
    return error_set(e, EOPNOTSUPP, "this architecture has no way to VMware's hypervisor");
}

#endif

/* "1 value", or "0 why not". 1, 0 or -errno. */
static int answer_read(const Buf *answer, Buf *ret, Error *e)
{
    if (answer->len < 2 || answer->data[1] != ' ' || (answer->data[0] != '0' && answer->data[0] != '1'))
        return error_set(e, EBADMSG, "the hypervisor's answer is malformed");
    if (answer->data[0] == '0')
        return 0;
    buf_add(ret, answer->data + 2, answer->len - 2);
    return 1;
}

static int get(const char *name, Buf *ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf request = BUF_INIT, answer = BUF_INIT;

    buf_addf(&request, "info-get guestinfo.%s", name);
    int r = rpc(request.data, request.len, &answer, e);
    if (r >= 0)
        r = answer_read(&answer, ret, e);
    return r < 0 ? error_wrap(e, r, "guestinfo.%s", name) : r;
}

static int set(const char *name, const char *value, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf request = BUF_INIT, answer = BUF_INIT, text = BUF_INIT;

    buf_addf(&request, "info-set guestinfo.%s ", name);
    buf_add_str(&request, value);
    int r = rpc(request.data, request.len, &answer, e);
    if (r >= 0)
        r = answer_read(&answer, &text, e);
    if (r == 0)
        r = error_set(e, EPERM, "the hypervisor refuses to set it");
    return r < 0 ? error_wrap(e, r, "guestinfo.%s", name) : 0;
}

const GuestInfo guest_info_vmware = {.get = get, .set = set};
