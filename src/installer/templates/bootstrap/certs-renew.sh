#!/bin/sh
# What has used 80 % of its life is issued again; who has the former of it gets the new one. With --all everything is.
set -eu
umask 077
cd /etc/basalt/control-plane
marks() { cat tls/basalt-apiserver.crt tls/kube-apiserver-complete-client-ca-bundle.crt | sha256sum; }
before=$(marks)
status=0
basalt certs renew --dir . "$@" || status=$? # what cannot be renewed is no hindrance for the rest
[ "$before" = "$(marks)" ] || systemctl try-restart basalt-apiserver.service

# What new machines introduce themselves with; the config server sees that it has changed.
introduction=/etc/mcs/kubeconfig
sed -e "s,\(client-certificate-data: \).*,\1$(base64 -w 0 tls/kubelet-client.crt)," \
    -e "s,\(client-key-data: \).*,\1$(base64 -w 0 tls/kubelet-client.key)," "$introduction" >"$introduction.new"
if cmp -s "$introduction" "$introduction.new"; then
    rm "$introduction.new"
else
    mv "$introduction.new" "$introduction"
fi
exit $status
