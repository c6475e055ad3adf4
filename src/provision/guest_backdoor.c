/* A channel is opened for each request: the size goes out, then its bytes; the answer's size comes in, then
 * its bytes; the end is acknowledged. The low-bandwidth half of the protocol does for texts of some
 * kilobytes, and needs no register that compilers keep for themselves. */
#include "provision/guest_backdoor.h"

#include <string.h>

#include "provision/guest_info.h"

enum { RPC_PROTOCOL = 0x49435052, OPEN_TRIES = 2, CHECKPOINTS_MAX = 16 };
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

typedef struct Channel {
    BackdoorCall call;
    uint16_t id;
    uint32_t cookie_high, cookie_low;
} Channel;

/* The status of the answer is in the upper half of C. */
static BackdoorRegisters message(const Channel *ch, MessageType type, uint32_t b)
{
    BackdoorRegisters r = {.b = b,
                           .c = (uint32_t)type << 16 | BACKDOOR_MESSAGE,
                           .d = (uint32_t)ch->id << 16,
                           .si = ch->cookie_high,
                           .di = ch->cookie_low};
    ch->call(&r);
    return r;
}

static bool succeeded(const BackdoorRegisters *r)
{
    return (r->c >> 16 & STATUS_SUCCESS) != 0;
}

static int channel_open(Channel *ch, BackdoorCall call, Error *e)
{
    *ch = (Channel){.call = call};
    for (int i = 0; i < OPEN_TRIES; i++) {
        BackdoorRegisters r = message(ch, MESSAGE_OPEN, RPC_PROTOCOL | (i == 0 ? FLAG_COOKIE : 0));
        if (succeeded(&r)) {
            *ch =
                (Channel){.call = call, .id = (uint16_t)(r.d >> 16), .cookie_high = r.si, .cookie_low = r.di};
            return 0;
        }
    }
    return error_set(e, EIO, "the hypervisor opens no channel");
}

static int channel_send(const Channel *ch, const char *data, size_t n, Error *e)
{
    BackdoorRegisters r = message(ch, MESSAGE_SEND_SIZE, (uint32_t)n);

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
    BackdoorRegisters r = message(ch, MESSAGE_RECEIVE_SIZE, 0);

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

int backdoor_rpc(BackdoorCall call, const char *request, size_t n, Buf *ret, Error *e)
{
    Channel ch;
    int r = channel_open(&ch, call, e);

    if (r < 0)
        return r;
    r = channel_send(&ch, request, n, e);
    for (int i = 0; r == 0 && i < CHECKPOINTS_MAX; i++) {
        ret->len = 0;
        r = channel_receive_once(&ch, ret, e);
    }
    if (r == 0)
        r = error_set(e, EAGAIN, "the hypervisor's answer is interrupted again and again");
    (void)message(&ch, MESSAGE_CLOSE, 0);
    return r < 0 ? r : 0;
}
