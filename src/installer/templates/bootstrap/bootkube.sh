#!/bin/sh
# Makes this machine serve the masters their configs. Each step leaves a stamp, NAME.done, so that a restart
# goes on where the last run stopped.
set -eu
umask 077
cd /opt/openshift

step() {
    name=$1
    shift
    if [ -e "$name.done" ]; then
        return 0
    fi
    echo "bootkube: $name"
    "$@"
    touch "$name.done"
}

# The MachineConfigs and pools of this cluster, merged per pool.
render() {
    rm -rf /etc/mcs/bootstrap.new
    basalt render --bootstrap --dest-dir /etc/mcs/bootstrap.new \
        /opt/openshift/machine-configs /opt/openshift/manifests /opt/openshift/openshift
    rm -rf /etc/mcs/bootstrap
    mv /etc/mcs/bootstrap.new /etc/mcs/bootstrap
}

# What the machine config server shows to the machines, and what it gives them to introduce themselves.
credentials() {
    mkdir -p /etc/ssl/mcs /etc/mcs
    cp /opt/openshift/tls/machine-config-server.crt /etc/ssl/mcs/tls.crt
    cp /opt/openshift/tls/machine-config-server.key /etc/ssl/mcs/tls.key
    cp /opt/openshift/auth/kubeconfig-kubelet /etc/mcs/kubeconfig
}

mkdir -p /etc/mcs
step credentials credentials
step render render
systemctl start machine-config-server.service
echo "bootkube: the masters can come"
touch .bootkube.done
