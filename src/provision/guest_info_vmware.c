/* VMware's guestinfo variables, asked for by the hypervisor's "backdoor": an IN from a port that only it
 * answers. The channel has a protocol of messages of which the low-bandwidth half is used: four bytes an
 * instruction. A machine that is not VMware's never sees the instruction: CPUID is asked first. Facts:
 * open-vm-tools lib/message/message.c, lib/include/backdoor_def.h. */
#include <stdint.h>
#include <string.h>

#include "provision/guest_info.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <sys/io.h>

enum {
    MAGIC = 0x564D5868,
    PORT = 0x5658,
    COMMAND_VERSION = 10,
    COMMAND_MESSAGE = 0x1e,
    RPC_PROTOCOL = 0x49435052,
    OPEN_TRIES = 2,
    CHECKPOINTS_MAX = 16
};
#define FLAG_COOKIE 0x80000000U

typedef enum MessageType {
    MESSAGE_OPEN,
    MESSAGE_SEND_SIZE,
    MESSAGE_SEND_PAYLOAD,
    MESSAGE_RECEIVE_SIZE,
    MESSAGE_RECEIVE_PAYLOAD,
    MESSAGE_RECEIVE_STATUS,
    MESSAGE_CLOSE
} MessageType;
enum { STATUS_SUCCESS = 0x01, STATUS_MORE = 0x02, STATUS_CHECKPOINT = 0x10 };

typedef struct Registers {
    uint32_t a, b, c, d, si, di;
} Registers;

typedef struct Channel {
    uint16_t id;
    uint32_t cookie_high, cookie_low;
} Channel;

static void backdoor(Registers *r)
{
    uint64_t a = MAGIC, b = r->b, c = r->c, d = (r->d & 0xffff0000U) | PORT, si = r->si, di = r->di;

    __asm__ volatile("inl %%dx, %%eax"
                     : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di)
                     :
                     : "cc", "memory");
    *r = (Registers){(uint32_t)a, (uint32_t)b, (uint32_t)c, (uint32_t)d, (uint32_t)si, (uint32_t)di};
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
    Registers r = {.b = ~(uint32_t)MAGIC, .c = COMMAND_VERSION};
    backdoor(&r);
    if (r.a == UINT32_MAX || r.b != MAGIC)
        return error_set(e, ENODEV, "the hypervisor does not answer");
    return 0;
}

/* The status of the answer is in the upper half of C. */
static Registers message(const Channel *ch, MessageType type, uint32_t b)
{
    Registers r = {.b = b,
                   .c = (uint32_t)type << 16 | COMMAND_MESSAGE,
                   .d = (uint32_t)ch->id << 16,
                   .si = ch->cookie_high,
                   .di = ch->cookie_low};
    backdoor(&r);
    return r;
}

static bool succeeded(const Registers *r)
{
    return (r->c >> 16 & STATUS_SUCCESS) != 0;
}

static int channel_open(Channel *ch, Error *e)
{
    *ch = (Channel){0};
    for (int i = 0; i < OPEN_TRIES; i++) {
        Registers r = message(ch, MESSAGE_OPEN, RPC_PROTOCOL | (i == 0 ? FLAG_COOKIE : 0));
        if (succeeded(&r)) {
            *ch = (Channel){.id = (uint16_t)(r.d >> 16), .cookie_high = r.si, .cookie_low = r.di};
            return 0;
        }
    }
    return error_set(e, EIO, "the hypervisor opens no channel");
}

static int channel_send(const Channel *ch, const char *data, size_t n, Error *e)
{
    Registers r = message(ch, MESSAGE_SEND_SIZE, (uint32_t)n);

    for (size_t i = 0; i < n && succeeded(&r); i += 4) {
        uint32_t word = 0;
        memcpy(&word, data + i, n - i < 4 ? n - i : 4);
        r = message(ch, MESSAGE_SEND_PAYLOAD, word);
    }
    return succeeded(&r) ? 0 : error_set(e, EIO, "the hypervisor does not take the request");
}

/* 1; 0: interrupted by a snapshot of the machine, to be asked anew. */
static int channel_receive_once(const Channel *ch, Buf *ret, Error *e)
{
    Registers r = message(ch, MESSAGE_RECEIVE_SIZE, 0);

    if (!succeeded(&r) || !(r.c >> 16 & STATUS_MORE) || r.d >> 16 != MESSAGE_SEND_SIZE)
        return error_set(e, EIO, "the hypervisor does not answer the request");
    size_t size = r.b;
    if (size > GUEST_INFO_MAX)
        return error_set(e, EFBIG, "the hypervisor's answer has %zu bytes, more than %d", size,
                         GUEST_INFO_MAX);
    for (size_t i = 0; i < size; i += 4) {
        r = message(ch, MESSAGE_RECEIVE_PAYLOAD, STATUS_SUCCESS);
        if (!succeeded(&r) && (r.c >> 16 & STATUS_CHECKPOINT))
            return 0;
        if (!succeeded(&r) || r.d >> 16 != MESSAGE_SEND_PAYLOAD) {
            (void)message(ch, MESSAGE_RECEIVE_PAYLOAD, 0);
            return error_set(e, EIO, "the hypervisor's answer breaks off");
        }
        buf_add(ret, &r.b, size - i < 4 ? size - i : 4);
    }
    (void)message(ch, MESSAGE_RECEIVE_STATUS, STATUS_SUCCESS);
    return 1;
}

static int rpc(const char *request, size_t n, Buf *ret, Error *e)
{
    Channel ch;
    int r = vmware_present(e);

    if (r >= 0)
        r = channel_open(&ch, e);
    if (r < 0)
        return r;
    r = channel_send(&ch, request, n, e);
    for (int i = 0; r == 0 && i < CHECKPOINTS_MAX; i++) {
        ret->len = 0;
        r = channel_receive_once(&ch, ret, e);
    }
    (void)message(&ch, MESSAGE_CLOSE, 0);
    return r;
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
