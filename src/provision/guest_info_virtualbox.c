/* VirtualBox's guest properties, through the kernel's /dev/vboxguest: a session, a connection to the host's
 * property service, one call for each thing wanted. Facts: linux/vboxguest.h; the numbers of the service's
 * functions are those of VirtualBox's HostServices/GuestPropertySvc.h. A value is "text NUL flags NUL". */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/vbox_err.h>
#include <linux/vboxguest.h>

#include "provision/guest_info.h"

enum { GET_PROPERTY = 1, DELETE_PROPERTY = 4, PARAMETERS_MAX = 4, INTERFACE_VERSION = 0x00010000 };

typedef struct vmmdev_hgcm_function_parameter64 Parameter;

typedef struct Call {
    struct vbg_ioctl_hgcm_call head;
    Parameter parameters[PARAMETERS_MAX];
} Call;

typedef struct Session {
    int fd;
    uint32_t client;
} Session;

static void header_init(struct vbg_ioctl_hdr *h, size_t in, size_t out)
{
    h->size_in = (uint32_t)(sizeof(*h) + in);
    h->version = VBG_IOCTL_HDR_VERSION;
    h->type = VBG_IOCTL_HDR_TYPE_DEFAULT;
    h->size_out = (uint32_t)(sizeof(*h) + out);
}

/* 0 with the host's verdict in *ret_code. */
static int request(int fd, unsigned long number, struct vbg_ioctl_hdr *h, int *ret_code, Error *e)
{
    if (ioctl(fd, number, h) < 0)
        return error_errno(e, -errno, "asking VirtualBox");
    *ret_code = h->rc;
    return 0;
}

static int refused(int code, const char *what, Error *e)
{
    if (code == VERR_PERMISSION_DENIED)
        return error_set(e, EPERM, "VirtualBox: %s: permission denied; is the property read-only?", what);
    return error_set(e, EIO, "VirtualBox: %s: error %d", what, code);
}

static int session_open(Session *s, Error *e)
{
    struct vbg_ioctl_driver_version_info version = {
        .u.in = {.req_version = INTERFACE_VERSION, .min_version = INTERFACE_VERSION}};
    struct vbg_ioctl_hgcm_connect connect = {.u.in.loc = {.type = VMMDEV_HGCM_LOC_LOCALHOST_EXISTING,
                                                          .u.localhost.service_name = "VBoxGuestPropSvc"}};
    int code = 0;

    s->fd = open("/dev/vboxguest", O_RDWR | O_CLOEXEC);
    if (s->fd < 0)
        return error_errno(e, -errno, "opening '/dev/vboxguest'");
    header_init(&version.hdr, sizeof(version.u.in), sizeof(version.u.out));
    int r = request(s->fd, VBG_IOCTL_DRIVER_VERSION_INFO, &version.hdr, &code, e);
    if (r < 0 || code != VINF_SUCCESS)
        return r < 0 ? r : refused(code, "the driver's version", e);
    header_init(&connect.hdr, sizeof(connect.u.in), sizeof(connect.u.out));
    r = request(s->fd, VBG_IOCTL_HGCM_CONNECT, &connect.hdr, &code, e);
    if (r < 0 || code != VINF_SUCCESS)
        return r < 0 ? r : refused(code, "connecting to the property service", e);
    s->client = connect.u.out.client_id;
    return 0;
}

static void session_close(Session *s)
{
    struct vbg_ioctl_hgcm_disconnect m = {.u.in.client_id = s->client};
    int code = 0;

    if (s->client) {
        header_init(&m.hdr, sizeof(m.u.in), 0);
        (void)request(s->fd, VBG_IOCTL_HGCM_DISCONNECT, &m.hdr, &code, NULL);
    }
    if (s->fd >= 0)
        close(s->fd);
}

static size_t call_init(Call *c, const Session *s, uint32_t function, uint16_t n)
{
    size_t size = sizeof(c->head) + n * sizeof(Parameter);

    header_init(&c->head.hdr, size - sizeof(c->head.hdr), size - sizeof(c->head.hdr));
    c->head.client_id = s->client;
    c->head.function = function;
    c->head.timeout_ms = UINT32_MAX;
    c->head.interruptible = 1;
    c->head.parm_count = n;
    return size;
}

static void pointer_set(Parameter *p, enum vmmdev_hgcm_function_parameter_type type, const void *at, size_t n)
{
    p->type = type;
    p->u.pointer.size = (uint32_t)n;
    p->u.pointer.u.linear_addr = (uintptr_t)at;
}

/* The value's size is asked for with a buffer that is too small, then the value. */
static int property_get(Session *s, const char *name, Buf *ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf value = BUF_INIT;
    char first[1];
    Call c = {0};
    size_t size = call_init(&c, s, GET_PROPERTY, 4);
    int code = 0, r;

    pointer_set(&c.parameters[0], VMMDEV_HGCM_PARM_TYPE_LINADDR_IN, name, strlen(name) + 1);
    pointer_set(&c.parameters[1], VMMDEV_HGCM_PARM_TYPE_LINADDR, first, sizeof(first));
    c.parameters[2].type = VMMDEV_HGCM_PARM_TYPE_64BIT;
    c.parameters[3].type = VMMDEV_HGCM_PARM_TYPE_32BIT;
    r = request(s->fd, VBG_IOCTL_HGCM_CALL_64(size), &c.head.hdr, &code, e);
    if (r < 0 || code == VERR_NOT_FOUND)
        return r;
    size_t length = c.parameters[3].u.value32;
    if ((code != VINF_SUCCESS && code != VERR_BUFFER_OVERFLOW) || length == 0 || length > GUEST_INFO_MAX)
        return refused(code, name, e);
    char *to = buf_reserve(&value, length);
    memset(to, 0, length);
    pointer_set(&c.parameters[1], VMMDEV_HGCM_PARM_TYPE_LINADDR, to, length);
    r = request(s->fd, VBG_IOCTL_HGCM_CALL_64(size), &c.head.hdr, &code, e);
    if (r < 0 || code != VINF_SUCCESS)
        return r < 0 ? r : refused(code, name, e);
    size_t n = strnlen(to, length);
    value.len = length;
    if (n == length)
        return error_set(e, EBADMSG, "the guest property %s has no end", name);
    buf_add(ret, to, n);
    return 1;
}

static int get(const char *name, Buf *ret, Error *e)
{
    Session s = {.fd = -EBADF};
    int r = session_open(&s, e);

    if (r >= 0)
        r = property_get(&s, name, ret, e);
    session_close(&s);
    return r < 0 ? error_wrap(e, r, "fetching the guest property %s", name) : r;
}

static int property_remove(const char *name, Error *e)
{
    Session s = {.fd = -EBADF};
    Call c = {0};
    int code = 0, r = session_open(&s, e);

    if (r >= 0) {
        size_t size = call_init(&c, &s, DELETE_PROPERTY, 1);
        pointer_set(&c.parameters[0], VMMDEV_HGCM_PARM_TYPE_LINADDR_IN, name, strlen(name) + 1);
        r = request(s.fd, VBG_IOCTL_HGCM_CALL_64(size), &c.head.hdr, &code, e);
        if (r >= 0 && code != VINF_SUCCESS && code != VERR_NOT_FOUND)
            r = refused(code, name, e);
    }
    session_close(&s);
    return r < 0 ? error_wrap(e, r, "deleting the guest property %s", name) : 0;
}

const GuestInfo guest_info_virtualbox = {.get = get, .remove = property_remove};
