/* The rules of an install config, a row each: one or two top-level fields of a good document are replaced,
 * and the errors must be exactly these. The words are a contract with scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "installer/install_config.h"
#include "installer/install_field.h"

typedef struct Part {
    const char *key, *text;
} Part;

static const Part good[] = {
    {"apiVersion", "apiVersion: v1\n"},
    {"metadata", "metadata:\n  name: test-cluster\n"},
    {"baseDomain", "baseDomain: test-domain\n"},
    {"networking",
     "networking:\n  networkType: OpenShiftSDN\n  machineNetwork: [{cidr: 10.0.0.0/16}]\n"
     "  serviceNetwork: [172.30.0.0/16]\n  clusterNetwork: [{cidr: 192.168.1.0/24, hostPrefix: 28}]\n"},
    {"controlPlane", "controlPlane:\n  name: master\n  replicas: 3\n"},
    {"compute", "compute:\n- name: worker\n  replicas: 3\n"},
    {"platform", "platform:\n  none: {}\n"},
    {"pullSecret", "pullSecret: '{\"auths\":{\"example.com\":{\"auth\":\"authorization value\"}}}'\n"},
    {"proxy",
     "proxy:\n  httpProxy: http://user:password@127.0.0.1:8080\n"
     "  httpsProxy: https://user:password@127.0.0.1:8080\n  noProxy: valid-proxy.com, 172.30.0.0/16\n"},
};

typedef struct Row {
    const char *name, *key, *text, *expect;
    const char *key2, *text2;
} Row;

#define SUBDOMAIN                                                                                            \
    "a DNS-1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "   \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "              \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define KEY_ED25519                                                                                          \
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJW7kq2Gq1C3uGm0c1x0S6Pj0lFqk2bYV5mY0nN0o8rT me@example"
#define X60 "000000000000000000000000000000000000000000000000000000000001"
#define NET(m, s, c)                                                                                         \
    "networking: {networkType: OVNKubernetes, machineNetwork: [" m "], serviceNetwork: [" s                  \
    "], clusterNetwork: [" c "]}\n"
#define MACHINE4 "{cidr: 10.0.0.0/16}"
#define CLUSTER4 "{cidr: 192.168.1.0/24, hostPrefix: 28}"
#define MACHINE6 "{cidr: 'ffd0::/48'}"
#define CLUSTER6 "{cidr: 'ffd2::/48', hostPrefix: 64}"

static const Row rows[] = {
    {"minimal", NULL, NULL, ""},
    {"no version", "apiVersion", "", "apiVersion: Required value: no version was provided"},
    {"empty version", "apiVersion", "apiVersion: ''\n",
     "apiVersion: Required value: no version was provided"},
    {"bad version hides the rest", "apiVersion", "apiVersion: bad-version\n",
     "apiVersion: Invalid value: \"bad-version\": install-config version must be \"v1\"", "metadata", ""},
    {"v1beta3", "apiVersion", "apiVersion: v1beta3\n", ""},
    {"v1beta4", "apiVersion", "apiVersion: v1beta4\n", ""},
    {"no metadata", "metadata", "", "metadata: Required value: metadata is required"},
    {"no name", "metadata", "metadata: {labels: {}}\n",
     "metadata.name: Required value: cluster name required"},
    {"bad name", "metadata", "metadata: {name: bad-name-}\n",
     "metadata.name: Invalid value: \"bad-name-\": " SUBDOMAIN},
    {"name with dots", "metadata", "metadata: {name: a.b-c.d1}\n", ""},
    {"name with capitals", "metadata", "metadata: {name: Test}\n",
     "metadata.name: Invalid value: \"Test\": " SUBDOMAIN},
    {"name with an empty label", "metadata", "metadata: {name: a..b}\n",
     "metadata.name: Invalid value: \"a..b\": " SUBDOMAIN},
    {"name is a number", "metadata", "metadata: {name: 5}\n",
     "metadata.name: Invalid value: 5: must be a string"},
    {"name of 54", "metadata", "metadata: {name: a12345678901234567890123456789012345678901234567890123}\n",
     ""},
    {"name of 55", "metadata", "metadata: {name: a123456789012345678901234567890123456789012345678901234}\n",
     "metadata.name: Invalid value: \"a123456789012345678901234567890123456789012345678901234\": must be no "
     "more than "
     "54 characters"},
    {"no base domain", "baseDomain", "", "baseDomain: Required value: base domain required"},
    {"bad base domain", "baseDomain", "baseDomain: .bad-domain.\n",
     "baseDomain: Invalid value: \".bad-domain.\": " SUBDOMAIN},
    {"base domain with a final dot", "baseDomain", "baseDomain: test-domain.\n", ""},
    {"long domain", "baseDomain", "baseDomain: a" X60 ".b" X60 ".c" X60 ".d" X60 "\n",
     "baseDomain: Invalid value: \"test-cluster.a" X60 ".b" X60 ".c" X60 ".d" X60
     "\": must be no more than 253 characters"},
    {"ssh key", "sshKey", "sshKey: '" KEY_ED25519 "'\n", ""},
    {"ssh key with options", "sshKey", "sshKey: 'command=\"a b\" " KEY_ED25519 "'\n", ""},
    {"two ssh keys", "sshKey", "sshKey: |\n  " KEY_ED25519 "\n  # a comment\n  " KEY_ED25519 "\n", ""},
    {"bad ssh key", "sshKey", "sshKey: bad-ssh-key\n",
     "sshKey: Invalid value: \"bad-ssh-key\": ssh: no key found"},
    {"ssh key of another type", "sshKey", "sshKey: ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==\n",
     "sshKey: Invalid value: \"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA==\": ssh: no key found"},
    {"bad trust bundle", "additionalTrustBundle", "additionalTrustBundle: nothing\n",
     "additionalTrustBundle: Invalid value: \"nothing\": invalid block"},

    {"no networking", "networking", "", ""},
    {"no service network", "networking", NET(MACHINE4, "", CLUSTER4), ""},
    {"service network not at its start", "networking", NET(MACHINE4, "13.0.128.0/16", CLUSTER4),
     "networking.serviceNetwork[0]: Invalid value: \"13.0.128.0/16\": invalid network address. got "
     "13.0.128.0/16, "
     "expecting 13.0.0.0/16"},
    {"service network is no network", "networking", NET(MACHINE4, "13.0.0.0", CLUSTER4),
     "networking.serviceNetwork[0]: Invalid value: \"13.0.0.0\": invalid CIDR address: 13.0.0.0"},
    {"unspecified network", "networking", NET(MACHINE4, "0.0.0.0/16", CLUSTER4),
     "networking.serviceNetwork[0]: Invalid value: \"0.0.0.0/16\": address must be specified"},
    {"the bridge's network", "networking", NET("{cidr: 172.17.64.0/18}", "172.30.0.0/16", CLUSTER4),
     "networking.machineNetwork[0]: Invalid value: \"172.17.64.0/18\": overlaps with default Docker Bridge "
     "subnet "
     "(172.17.64.0/18)"},
    {"service in machine", "networking", NET(MACHINE4, "10.0.2.0/24", CLUSTER4),
     "networking.serviceNetwork[0]: Invalid value: \"10.0.2.0/24\": service network must not overlap with "
     "any of the "
     "machine networks"},
    {"machine in machine", "networking",
     NET("{cidr: 13.0.0.0/16}, {cidr: 13.0.2.0/24}", "172.30.0.0/16", CLUSTER4),
     "networking.machineNetwork[1]: Invalid value: \"13.0.2.0/24\": machine network must not overlap with "
     "machine "
     "network 0"},
    {"service in service", "networking", NET(MACHINE4, "13.0.0.0/16, 13.0.2.0/24", CLUSTER4),
     "networking.serviceNetwork[1]: Invalid value: \"13.0.2.0/24\": service network must not overlap with "
     "service "
     "network 0 | networking.serviceNetwork: Invalid value: \"13.0.0.0/16, 13.0.2.0/24\": only one service "
     "network can "
     "be specified"},
    {"two service networks", "networking", NET(MACHINE4, "13.0.0.0/16, 14.0.0.0/16", CLUSTER4),
     "networking.serviceNetwork: Invalid value: \"13.0.0.0/16, 14.0.0.0/16\": only one service network can "
     "be "
     "specified"},
    {"machine network not at its start", "networking",
     NET("{cidr: 11.0.128.0/16}", "172.30.0.0/16", CLUSTER4),
     "networking.machineNetwork[0]: Invalid value: \"11.0.128.0/16\": invalid network address. got "
     "11.0.128.0/16, "
     "expecting 11.0.0.0/16"},
    {"cluster network not at its start", "networking",
     NET(MACHINE4, "172.30.0.0/16", "{cidr: 12.0.128.0/16, hostPrefix: 23}"),
     "networking.clusterNetwork[0].cidr: Invalid value: \"12.0.128.0/16\": invalid network address. got "
     "12.0.128.0/16, "
     "expecting 12.0.0.0/16"},
    {"cluster in machine", "networking",
     NET(MACHINE4, "172.30.0.0/16", "{cidr: 10.0.3.0/24, hostPrefix: 28}"),
     "networking.clusterNetwork[0].cidr: Invalid value: \"10.0.3.0/24\": cluster network must not overlap "
     "with any of "
     "the machine networks"},
    {"cluster in service", "networking",
     NET(MACHINE4, "172.30.0.0/16", "{cidr: 172.30.2.0/24, hostPrefix: 28}"),
     "networking.clusterNetwork[0].cidr: Invalid value: \"172.30.2.0/24\": cluster network must not overlap "
     "with "
     "service network 0"},
    {"cluster in cluster", "networking",
     NET(MACHINE4, "172.30.0.0/16",
         "{cidr: 12.0.0.0/16, hostPrefix: 23}, {cidr: 12.0.3.0/24, hostPrefix: 25}"),
     "networking.clusterNetwork[1].cidr: Invalid value: \"12.0.3.0/24\": cluster network must not overlap "
     "with cluster "
     "network 0"},
    {"host prefix too large", "networking",
     NET(MACHINE4, "172.30.0.0/16", "{cidr: 192.168.1.0/24, hostPrefix: 23}"),
     "networking.clusterNetwork[0].hostPrefix: Invalid value: 23: cluster network host subnetwork prefix "
     "must not be "
     "larger size than CIDR 192.168.1.0/24"},
    {"host prefix negative", "networking",
     NET(MACHINE4, "172.30.0.0/16", "{cidr: 192.168.1.0/24, hostPrefix: -1}"),
     "networking.clusterNetwork[0].hostPrefix: Invalid value: -1: hostPrefix must be positive | "
     "networking.clusterNetwork[0].hostPrefix: Invalid value: -1: cluster network host subnetwork prefix "
     "must not be "
     "larger size than CIDR 192.168.1.0/24"},
    {"host prefix past the address", "networking",
     NET(MACHINE4, "172.30.0.0/16", "{cidr: 192.168.1.0/24, hostPrefix: 33}"),
     "networking.clusterNetwork[0].hostPrefix: Invalid value: 33: hostPrefix must be at most 32 for IPv4 "
     "networks"},
    {"host prefix in IPv6", "networking", NET(MACHINE6, "'ffd1::/48'", "{cidr: 'ffd2::/48', hostPrefix: 72}"),
     "networking.clusterNetwork[0].hostPrefix: Invalid value: 72: cluster network host subnetwork prefix "
     "must be 64 for "
     "IPv6 networks"},
    {"cidr missing", "networking", NET("{}", "172.30.0.0/16", CLUSTER4),
     "networking.machineNetwork[0].cidr: Required value: a CIDR is required"},
    {"networks are a list", "networking", "networking: {machineNetwork: 10.0.0.0/16}\n",
     "networking.machineNetwork: Invalid value: \"10.0.0.0/16\": must be a list"},
    {"both families", "networking",
     NET(MACHINE6 ", " MACHINE4, "'ffd1::/48', 172.30.0.0/16", CLUSTER6 ", " CLUSTER4), ""},
    {"IPv6 alone", "networking", NET(MACHINE6, "'ffd1::/48'", CLUSTER6), ""},
    {"IPv6 with the old plugin", "networking",
     "networking: {networkType: OpenShiftSDN, machineNetwork: [" MACHINE6 "], serviceNetwork: ['ffd1::/48'], "
     "clusterNetwork: [" CLUSTER6 "]}\n",
     "networking.networkType: Invalid value: \"OpenShiftSDN\": IPv6 is not supported for this networking "
     "plugin"},
    {"both families with the old plugin", "networking",
     "networking: {networkType: OpenShiftSDN, machineNetwork: [" MACHINE6 ", " MACHINE4
     "], serviceNetwork: ['ffd1::/48', 172.30.0.0/16], clusterNetwork: [" CLUSTER6 ", " CLUSTER4 "]}\n",
     "networking.networkType: Invalid value: \"OpenShiftSDN\": dual-stack IPv4/IPv6 is not supported for "
     "this "
     "networking plugin"},
    {"both families, machines with one", "networking",
     NET(MACHINE4, "'ffd1::/48', 172.30.0.0/16", CLUSTER6 ", " CLUSTER4),
     "networking.machineNetwork: Invalid value: \"10.0.0.0\": dual-stack IPv4/IPv6 requires an IPv6 address "
     "in this "
     "list"},
    {"both families, three services", "networking",
     NET(MACHINE6 ", " MACHINE4, "'ffd1::/48', 172.30.0.0/16, 14.0.0.0/16", CLUSTER6 ", " CLUSTER4),
     "networking.serviceNetwork: Invalid value: \"ffd1::/48, 172.30.0.0/16, 14.0.0.0/16\": when installing "
     "dual-stack "
     "IPv4/IPv6 you must provide two service networks, one for each IP address type"},

    {"no control plane", "controlPlane", "", ""},
    {"control plane of 0", "controlPlane", "controlPlane: {name: master, replicas: 0}\n",
     "controlPlane.replicas: Invalid value: 0: number of control plane replicas must be positive"},
    {"control plane of another name", "controlPlane", "controlPlane: {name: boss}\n",
     "controlPlane.name: Unsupported value: \"boss\": supported values: \"master\""},
    {"hyperthreading", "controlPlane", "controlPlane: {hyperthreading: 'off'}\n",
     "controlPlane.hyperthreading: Unsupported value: \"off\": supported values: \"Enabled\", \"Disabled\""},
    {"replicas are a string", "controlPlane", "controlPlane: {replicas: '3'}\n",
     "controlPlane.replicas: Invalid value: \"3\": must be a whole number"},
    {"no compute", "compute", "", ""},
    {"empty compute", "compute", "compute: []\n", ""},
    {"compute of 0", "compute", "compute: [{name: worker, replicas: 0}]\n", ""},
    {"compute below 0", "compute", "compute: [{name: worker, replicas: -1}]\n",
     "compute[0].replicas: Invalid value: -1: number of replicas must not be negative"},
    {"compute twice", "compute", "compute: [{name: worker}, {name: worker}]\n",
     "compute[1].name: Duplicate value: \"worker\""},
    {"compute of another name", "compute", "compute: [{name: infra}]\n",
     "compute[0].name: Unsupported value: \"infra\": supported values: \"worker\""},
    {"compute of another architecture", "compute", "compute: [{name: worker, architecture: s390x}]\n",
     "compute[0].architecture: Invalid value: \"s390x\": heteregeneous multi-arch is not supported; compute "
     "pool "
     "architecture must match control plane"},
    {"both of another architecture", "compute", "compute: [{name: worker, architecture: arm64}]\n", "",
     "controlPlane", "controlPlane: {architecture: arm64}\n"},

    {"no platform", "platform", "",
     "platform: Invalid value: \"\": must specify one of the platforms (baremetal, none)"},
    {"platform that Basalt has not", "platform", "platform: {aws: {region: a}}\n",
     "platform: Invalid value: \"aws\": must specify one of the platforms (baremetal, none)"},
    {"two platforms", "platform", "platform: {none: {}, baremetal: {apiVIP: 10.0.0.5}}\n",
     "platform: Invalid value: \"none\": must only specify a single type of platform; cannot use both "
     "\"none\" and "
     "\"baremetal\""},
    {"baremetal", "platform", "platform: {baremetal: {apiVIP: 10.0.0.5, ingressVIP: 10.0.0.6}}\n", ""},
    {"baremetal without address", "platform", "platform: {baremetal: {}}\n",
     "platform.baremetal.apiVIP: Required value: an API address is required"},
    {"API address is none", "platform", "platform: {baremetal: {apiVIP: test}}\n",
     "platform.baremetal.apiVIP: Invalid value: \"test\": \"test\" is not a valid IP"},
    {"API address outside", "platform", "platform: {baremetal: {apiVIP: 10.1.0.5}}\n",
     "platform.baremetal.apiVIP: Invalid value: \"10.1.0.5\": the virtual IP is expected to be in one of the "
     "machine "
     "networks"},
    {"ingress address outside", "platform",
     "platform: {baremetal: {apiVIP: 10.0.0.5, ingressVIP: 10.1.0.7}}\n",
     "platform.baremetal.ingressVIP: Invalid value: \"10.1.0.7\": the virtual IP is expected to be in one of "
     "the "
     "machine networks"},

    {"no pull secret", "pullSecret", "", ""},
    {"pull secret without auths", "pullSecret", "pullSecret: '{}'\n",
     "pullSecret: Invalid value: \"(not shown)\": auths required"},
    {"pull secret of a host without auth", "pullSecret",
     "pullSecret: '{\"auths\":{\"h\":{\"user\":\"SECRET\"}}}'\n",
     "pullSecret: Invalid value: \"(not shown)\": \"h\" requires either auth or credsStore"},
    {"pull secret by a store", "pullSecret", "pullSecret: '{\"auths\":{\"h\":{\"credsStore\":\"x\"}}}'\n",
     ""},

    {"no proxy", "proxy", "", ""},
    {"empty proxy", "proxy", "proxy: {httpProxy: '', noProxy: ''}\n",
     "proxy.httpProxy: Invalid value: \"(not shown)\": invalid URI (no scheme) | proxy: Required value: must "
     "include "
     "httpProxy or httpsProxy"},
    {"proxy without any", "proxy", "proxy: {noProxy: a.b}\n",
     "proxy: Required value: must include httpProxy or httpsProxy"},
    {"bad http proxy", "proxy", "proxy: {httpProxy: 'http://bad%20uri'}\n",
     "proxy.httpProxy: Invalid value: \"(not shown)\": invalid URL escape \"%20\""},
    {"bad https proxy", "proxy", "proxy: {httpsProxy: bad-uri}\n",
     "proxy.httpsProxy: Invalid value: \"(not shown)\": invalid URI (no scheme)"},
    {"no-proxy with wildcards", "proxy",
     "proxy: {httpProxy: 'http://p', noProxy: 'good-no-proxy.com, a-good-one, *.bad-proxy., another,   "
     "172.bad.CIDR.0/16, good-end'}\n",
     "proxy.noProxy: Invalid value: \"*.bad-proxy.\": must be a CIDR or domain, without wildcard characters "
     "| "
     "proxy.noProxy: Invalid value: \"172.bad.CIDR.0/16\": must be a CIDR or domain, without wildcard "
     "characters"},
    {"no-proxy of subdomains", "proxy", "proxy: {httpProxy: 'http://p', noProxy: '.example.com,10.0.0.1'}\n",
     ""},

    {"mirror source is short", "imageContentSources", "imageContentSources: [{source: ocp/release-x.y}]\n",
     "imageContentSources[0].source: Invalid value: \"ocp/release-x.y\": failed to parse: repository name "
     "must be "
     "canonical"},
    {"mirror is short", "imageContentSources",
     "imageContentSources: [{source: q.io/ocp/release-x.y, mirrors: [ocp/openshift-x.y]}]\n",
     "imageContentSources[0].mirrors[0]: Invalid value: \"ocp/openshift-x.y\": failed to parse: repository "
     "name must be "
     "canonical"},
    {"mirror source with a digest", "imageContentSources",
     "imageContentSources: [{source: "
     "'quay.io/ocp/release-x.y@sha256:397c867cc10bcc90cf05ae9b71dd3de6000535e27cb6c704d9f503879202582c'}]\n",
     "imageContentSources[0].source: Invalid value: "
     "\"quay.io/ocp/release-x.y@sha256:397c867cc10bcc90cf05ae9b71dd3de6000535e27cb6c704d9f503879202582c\": "
     "must be "
     "repository--not reference"},
    {"mirror source with a tag", "imageContentSources",
     "imageContentSources: [{source: 'quay.io/ocp/release-x.y:latest'}]\n",
     "imageContentSources[0].source: Invalid value: \"quay.io/ocp/release-x.y:latest\": must be "
     "repository--not "
     "reference"},
    {"mirrors", "imageContentSources",
     "imageContentSources: [{source: quay.io/ocp/release-x.y, mirrors: ['localhost:5000/a/b']}]\n", ""},
    {"mirrors by their newer name", "imageDigestSources",
     "imageDigestSources: [{source: quay.io/ocp/release-x.y, mirrors: [m.example/a]}]\n", ""},
    {"publish", "publish", "publish: ExternalInternalDoNotCare\n",
     "publish: Unsupported value: \"ExternalInternalDoNotCare\": supported values: \"External\", "
     "\"Internal\""},
    {"publish inside", "publish", "publish: Internal\n", ""},
    {"fips", "fips", "fips: maybe\n", "fips: Invalid value: \"maybe\": must be true or false"},

    {"old machine network", "networking", "networking: {machineCIDR: 11.0.0.0/16}\n", ""},
    {"old and new machine network", "networking",
     "networking: {machineCIDR: 11.0.0.0/16, machineNetwork: [{cidr: 10.0.0.0/16}]}\n",
     "networking.machineCIDR: Invalid value: \"11.0.0.0/16\": cannot use both machineCIDR and "
     "machineNetwork"},
    {"old machine network is bad", "networking", "networking: {machineCIDR: 11.0.128.0/16}\n",
     "networking.machineNetwork[0]: Invalid value: \"11.0.128.0/16\": invalid network address. got "
     "11.0.128.0/16, "
     "expecting 11.0.0.0/16"},
    {"several at once", "metadata", "metadata: {name: -}\n",
     "metadata.name: Invalid value: \"-\": " SUBDOMAIN
     " | platform: Invalid value: \"\": must specify one of the platforms (baremetal, none)",
     "platform", ""},
};

static void compose(const Row *row, Buf *out)
{
    bool first = false, second = false;

    for (size_t i = 0; i < ELEMENTS(good); i++) {
        const char *text = good[i].text;
        if (row->key && strcmp(row->key, good[i].key) == 0) {
            text = row->text;
            first = true;
        }
        if (row->key2 && strcmp(row->key2, good[i].key) == 0) {
            text = row->text2;
            second = true;
        }
        buf_add_str(out, text);
    }
    if (row->key && !first)
        buf_add_str(out, row->text);
    if (row->key2 && !second)
        buf_add_str(out, row->text2);
}

static int read_text(Arena *a, const char *text, InstallConfig **ret, Report *r)
{
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "install-config.yaml", .text = text, .len = strlen(text), .secret = true};
    return install_config_read(a, source, SEVERITY_ERROR, ret, r);
}

static void test_rules(void **state _unused_)
{
    size_t wrong = 0;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report r = REPORT_INIT(a);
        _cleanup_buf_ Buf text = BUF_INIT, got = BUF_INIT;
        InstallConfig *config;
        compose(&rows[i], &text);
        int n = read_text(a, text.data, &config, &r);
        for (size_t k = 0; k < r.n; k++) {
            if (r.entries[k].severity != SEVERITY_ERROR)
                continue;
            buf_addf(&got, "%s%s", got.len ? " | " : "", r.entries[k].message);
            if (r.entries[k].line == 0 || r.entries[k].column == 0) {
                print_error("%s: no position: %s\n", rows[i].name, r.entries[k].message);
                wrong++;
            }
        }
        if (strcmp(got.data ? got.data : "", rows[i].expect) != 0 || (n < 0) != (*rows[i].expect != '\0')) {
            print_error("%s: %d\n  got:    %s\n  wanted: %s\n", rows[i].name, n, got.data ? got.data : "",
                        rows[i].expect);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void test_defaults(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    InstallConfig *c;
    char text[NETWORK_TEXT_MAX];

    assert_int_equal(
        read_text(a, "apiVersion: v1\nbaseDomain: example.com.\nmetadata: {name: t}\nplatform: {none: }\n",
                  &c, &r),
        0);
    assert_int_equal(r.n, 0);
    assert_string_equal(c->cluster_domain, "t.example.com");
    assert_string_equal(c->platform, "none");
    assert_string_equal(c->network_type, "OpenShiftSDN");
    assert_string_equal(c->publish, "External");
    assert_int_equal(c->control_plane.replicas, 3);
    assert_int_equal(c->compute.replicas, 3);
    assert_true(c->compute.hyperthreading);
    assert_false(c->fips);
    assert_null(c->pull_secret);
    network_range_text(&c->machine_networks[0], text);
    assert_string_equal(text, "10.0.0.0/16");
    network_range_text(&c->cluster_networks[0].cidr, text);
    assert_string_equal(text, "10.128.0.0/14");
    assert_int_equal(c->cluster_networks[0].host_prefix, 23);
    network_range_text(&c->service_networks[0], text);
    assert_string_equal(text, "172.30.0.0/16");
}

static void test_deprecated_fields(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    InstallConfig *c;
    char text[NETWORK_TEXT_MAX];

    assert_int_equal(
        read_text(a,
                  "apiVersion: v1beta3\nbaseDomain: e.com\nmetadata: {name: t}\nplatform: {none: {}}\n"
                  "networking:\n  type: Other\n  machineCIDR: 11.0.0.0/16\n  serviceCIDR: 12.0.0.0/16\n"
                  "  clusterNetworks:\n  - {cidr: 13.0.0.0/16, hostSubnetLength: 9}\n",
                  &c, &r),
        0);
    assert_int_equal(r.errors, 0);
    assert_int_equal(r.warnings, 5);
    assert_string_equal(c->network_type, "Other");
    network_range_text(&c->machine_networks[0], text);
    assert_string_equal(text, "11.0.0.0/16");
    network_range_text(&c->service_networks[0], text);
    assert_string_equal(text, "12.0.0.0/16");
    assert_int_equal(c->cluster_networks[0].host_prefix, 23);
}

static void test_unknown_fields(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    InstallConfig *c;

    assert_int_equal(
        read_text(a,
                  "apiVersion: v1\nbaseDomain: e.com\nmetadata: {name: t}\nplatform: {none: {}}\n"
                  "networking:\n  machineNetworks: []\nzzzzzzzz: 1\ncontrolPlane: {replica: 1}\n",
                  &c, &r),
        0);
    report_sort(&r);
    assert_int_equal(r.n, 3);
    assert_string_equal(r.entries[0].message,
                        "networking.machineNetworks: unknown field \"machineNetworks\"; did you "
                        "mean \"machineNetwork\"?");
    assert_int_equal(r.entries[0].line, 6);
    assert_int_equal(r.entries[0].column, 3);
    assert_string_equal(r.entries[1].message, "zzzzzzzz: unknown field \"zzzzzzzz\"");
    assert_string_equal(r.entries[2].message,
                        "controlPlane.replica: unknown field \"replica\"; did you mean \"replicas\"?");
}

static void test_duplicate_key(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    InstallConfig *c;

    assert_int_equal(
        read_text(a,
                  "apiVersion: v1\nbaseDomain: e.com\nmetadata: {name: t}\nplatform: {none: {}}\n"
                  "baseDomain: f.com\n",
                  &c, &r),
        -EINVAL);
    assert_int_equal(r.errors, 1);
    assert_int_equal(r.entries[0].line, 5);
}

/* Every row of the table is explained, and its parent stands before it. */
static void test_table(void **state _unused_)
{
    for (const InstallField *f = install_fields; f->path; f++) {
        assert_true(f->help && *f->help);
        size_t parent = (size_t)(install_field_name(f) - f->path);
        if (parent == 0)
            continue;
        char path[128];
        snprintf(path, sizeof(path), "%.*s", (int)parent - 1, f->path);
        if (strlen(path) > 2 && strcmp(path + strlen(path) - 2, "[]") == 0)
            path[strlen(path) - 2] = '\0';
        const InstallField *above = install_field_find(path);
        assert_non_null(above);
        assert_true(above < f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_deprecated_fields),
        cmocka_unit_test(test_unknown_fields),
        cmocka_unit_test(test_duplicate_key),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
